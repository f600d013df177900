//! The OpenID provider: applications send browsers to us, and we say who signed in.
//!
//! Authorization code with PKCE S256, and nothing else (RFC 9700): no implicit flow, no password
//! grant, no refresh tokens. An application is answered only at an address it registered, byte by
//! byte; a code works once, for a minute, for the client and the verifier it was made for.
//!
//! ```text
//! request::read -> (the person signs in) -> Provider::code -> Provider::redeem -> Provider::userinfo
//! ```

pub mod discovery;
pub mod error;
pub mod hint;
pub mod keys;
pub mod request;
pub mod token;

pub use error::{ErrorCode, TokenError};
pub use keys::{SigningKey, SigningKeys, SigningRing};
pub use request::{AuthorizationRequest, Prompt, RequestError};
pub use token::{Answered, Provider, Redeemed, TokenRequest};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What an ID token says when a second factor was proven, and what a request may ask for
/// (REFEDS profiles; `acr_values`).
pub const ACR_MFA: &str = "https://refeds.org/profile/mfa";
/// One factor.
pub const ACR_SFA: &str = "https://refeds.org/profile/sfa";

/// The `sub` of whoever has this key: opaque, and no two keys share one.
pub fn subject_of(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(key))
}
