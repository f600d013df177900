//! SAML 2.0 in both roles: an identity provider to applications, a service provider to other identity providers.
//!
//! The protocol is ours; signatures, canonicalization and encryption of XML are a library's, behind
//! [`XmlSecurity`]. Nothing in here reads a clock, draws randomness or sends anything: time and identifiers are
//! arguments, a message is a value.
//!
//! What came from outside and what was proven are different types. [`UnverifiedResponse`] tells nothing but what is
//! needed to find whom to ask; only its `verify` makes a [`VerifiedAssertion`], and that was read from the very node
//! whose signature was checked.

pub mod bindings;
pub mod context;
pub mod idp;
pub mod keys;
pub mod logout;
pub mod metadata;
pub mod refusal;
pub mod request;
pub mod response;
pub mod signature;
pub mod sp;
pub mod xml;

pub use bindings::{Binding, Outgoing, Received};
pub use context::AuthnContext;
pub use idp::ServiceProvider;
pub use keys::{Certificate, SamlKeys, SigningKey};
pub use refusal::{Refusal, Status};
pub use response::{UnverifiedResponse, VerifiedAssertion};
pub use signature::{Bergshamra, XmlSecurity};
pub use sp::Upstream;

use crate::Moment;
use jiff::Timestamp;

/// Namespaces.
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";

/// Among a person's attributes: how the identity provider said they signed in there.
pub const CONTEXT_ATTRIBUTE: &str = "urn:oasis:names:tc:SAML:2.0:ac";

/// Among a person's attributes: what the identity provider calls the person and the session there, for its end
/// ([`sp::UpstreamSession`] as JSON).
pub const SESSION_ATTRIBUTE: &str = "urn:oasis:names:tc:SAML:2.0:session";

/// How far two clocks may be apart. SAML names no number; two minutes is the upper end of common advice.
pub const SKEW_SECONDS_MAX: i64 = 120;

/// An identifier of a message or an assertion: 160 random bits. A leading underscore, for an `xs:ID` must not begin
/// with a digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    pub fn from_entropy(bytes: &[u8; 20]) -> Self {
        use std::fmt::Write;
        let mut text = String::from("_");
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a string can be written to");
        }
        Self(text)
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host's time, as this protocol counts it.
pub fn at(moment: Moment) -> Timestamp {
    let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// And back; a time before 1970 is 1970.
pub fn moment(at: Timestamp) -> Moment {
    Moment(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

/// Whole seconds in UTC, as every peer reads it.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `xs:dateTime` with a zone. One without says nothing about when (core, 1.3.3: UTC is required).
pub(crate) fn parse_instant(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}
