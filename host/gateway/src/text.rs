//! Words of others, made fit for a log line or a report: as those of guests are, so that what is escaped is
//! listed once.

pub(crate) use postern_wasm::one_line;
