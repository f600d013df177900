//! The order of a login, and the ports it needs.
//!
//! Owns: which step follows which, who must have proven what, what is counted and limited.
//! Never: knows HTTP, SQL, wasm, HTML or SAML.

pub mod account;
pub mod audit;
pub mod begin;
pub mod challenges;
pub mod clients;
pub mod deliver;
pub mod error;
pub mod finish;
pub mod first_step;
pub mod login;
pub mod logout;
pub mod ports;
pub mod relay;
pub mod resend;
pub mod resolve;
pub mod routing;
pub mod second_step;
pub mod session;
pub mod step;
pub mod submit;
pub mod tenant;
pub mod text;
pub mod throttle;

pub use error::LoginError;
pub use login::{Login, LoginId, Origin, State};
pub use ports::Ports;
pub use step::Step;
pub use tenant::TenantId;

use std::sync::Arc;

/// The use cases of a login. Cheap to clone.
#[derive(Clone)]
pub struct Logins {
    pub(crate) ports: Arc<Ports>,
}

impl Logins {
    pub fn new(ports: Arc<Ports>) -> Self {
        Self { ports }
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}
