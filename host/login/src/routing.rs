//! Which sender is tried, and whether the next one is, by the verdict alone.
