//! The pages and the JSON API over the use cases of `login` and `admin`.
//!
//! Owns: addresses, forms, cookies, templates, HTTP status codes, the listener.
//! Never: touches a store or a plugin; decides who gets in or what comes next.

pub mod account;
pub mod admin;
pub mod api;
pub mod applications;
pub mod assets;
mod commonauth;
pub mod console;
pub mod cookies;
pub mod error;
pub mod extract;
pub mod form_token;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod gallery;
pub mod health;
pub mod layer;
pub mod listener;
pub mod message_key;
pub mod oidc;
pub mod page;
pub mod proxies;
pub mod public_url;
pub mod router;
pub mod saml;
pub mod scim;
pub mod sign_in;
pub mod state;
pub mod tenant;
pub mod texts;
pub mod time;

pub use form_token::FormKey;
pub use listener::{Bounds, Tls};
pub use proxies::TrustedProxies;
pub use public_url::PublicUrl;
pub use state::{AdminToken, Federation, Readiness, Ready, WebParts, WebState};
pub use tenant::{Face, Tenant, TenantState, Tenants};
