//! Who the users are, and whether a password is theirs.
//!
//! `local` is Postern's own store. `ldap` and `sql` are foreign ones: `mapping` says which of their
//! attributes mean something here, `kept` holds what they have no place for. `secondary` puts several
//! stores in their order.

mod claims;
mod comparison;
pub mod hashing;
pub mod identities;
mod kept;
pub mod ldap;
pub mod local;
mod mapping;
mod name;
pub mod password;
pub mod people;
pub mod secondary;
pub mod sql;
pub mod user_store;
pub mod users;
pub mod watched;

pub use ldap::Ldap;
pub use local::Local;
pub use mapping::Mapping;
pub use name::NameRefused;
pub use people::Provisionable;
pub use secondary::Secondary;
pub use sql::Sql;
pub use user_store::{Draft, Matched, Record, UserStore};
pub use watched::{Happened, Journal, Watched};
