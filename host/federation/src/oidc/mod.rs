//! OpenID Connect and OAuth 2.0, both roles.

pub mod client;
pub mod provider;
pub mod upstream;
