pub(super) const TABLES: &[super::Table] = &[];
