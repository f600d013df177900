//! The relying party: we send a browser to an identity provider and read what it says about the person.
//!
//! ```text
//! Upstreams::leave -> browser -> provider -> browser -> Upstreams::arrive -> Vouched
//! ```
//!
//! Every answer is believed only for the trip it belongs to: one use of `state`, the browser's own
//! login, the provider that was asked (by path, by `iss`), the `nonce`, and the PKCE verifier (unless the
//! provider's entry goes without).

mod attributes;
mod discovery;
mod entry;
mod error;
mod id_token;
mod keys;
mod trip;

pub use entry::{ClientAuthentication, OAuth2, OpenId, Registration};
pub use error::{Fault, TripError};
pub(crate) use id_token::half_hash;
pub use trip::{Answer, Departure, TRIP, Traveller, TripEntropy, Upstreams, Vouched};
