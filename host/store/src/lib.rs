//! Where Postern keeps what must outlive a request.
//!
//! Owns: SQL, the format of rows, password hashes, the order of user stores.
//! Never: decides anything about a login. Ids of logins and sessions, and tokens of clients, are
//! kept only as SHA-256.

mod attempts;
mod audit_chain;
mod backup_set;
mod closed;
pub mod conformance;

mod digest;
pub mod directory;
pub mod memory;
mod port;
mod row;
mod row_keys;
mod seal;
pub mod sqlite;

pub use row_keys::RowKeys;

use std::time::Duration;

/// How long an idempotency key is remembered, answered or not. A host that died in between does not know what
/// it sent, so an unanswered key stays reserved: sending twice is worse than refusing.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
