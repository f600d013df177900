//! Whole-host tests; they are all in `tests/`, in one binary.
