//! Protocols by which another server says who somebody is.
//!
//! Owns: what an identity provider and a relying party are, and the protocols spoken with them.
//! Never: knows that one-time passwords exist; does I/O except through its ports.

pub mod entries;
pub mod identity_provider;
pub mod moment;
pub mod name;
pub mod oidc;
pub mod ports;
pub mod problem;
pub mod relying_party;
pub mod saml;
pub mod scim;
pub mod secret;

pub use entries::Entries;
pub use identity_provider::IdentityProvider;
pub use moment::Moment;
pub use problem::Problem;
pub use relying_party::RelyingParty;
pub use secret::Secret;
