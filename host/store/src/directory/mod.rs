//! Who the users are, and whether a password is theirs.

pub mod hashing;
pub mod password;
pub mod users;
