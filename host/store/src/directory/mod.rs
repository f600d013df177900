//! Who the users are, and whether a password is theirs.

pub mod hashing;
pub mod local;
mod name;
pub mod password;
pub mod secondary;
pub mod users;

pub use local::{Draft, Local, Record};
pub use name::NameRefused;
pub use secondary::Secondary;
