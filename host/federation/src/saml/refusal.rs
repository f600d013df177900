//! Why a SAML message is not followed. The text is for the log; the browser sees one fixed sentence.

use super::xml::XmlError;

/// A message is refused. Names the thing and what was expected; never a key, an attribute or a whole message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("not acceptable XML: {0}")]
    Xml(#[from] XmlError),
    #[error("the binding is used wrongly: {0}")]
    Binding(&'static str),
    #[error("not well-formed SAML: {0}")]
    Structure(&'static str),
    #[error("the signature is refused: {0}")]
    Signature(String),
    #[error("not signed, though a signature is required")]
    Unsigned,
    #[error("the encryption is refused: {0}")]
    Encryption(String),
    #[error("no peer named `{0}` is configured")]
    UnknownPeer(String),
    #[error("issued by `{found}`, expected `{expected}`")]
    Issuer { found: String, expected: String },
    #[error("addressed to `{found}`, not to `{expected}`")]
    Destination { found: String, expected: String },
    #[error("meant for another audience: expected `{expected}`")]
    Audience { expected: String },
    #[error("the subject is not confirmed for this place: {0}")]
    Confirmation(&'static str),
    #[error("out of its time: {0}")]
    Time(&'static str),
    #[error("not the sign-in that was asked for: {0}")]
    Context(&'static str),
    #[error("answers no request of this browser")]
    InResponseTo,
    #[error("unsolicited, and unsolicited answers are switched off for this identity provider")]
    Unsolicited,
    #[error("used before")]
    Replayed,
    #[error("the peer's answer was `{code}`{}", .second.as_deref().map(|s| format!(" with `{s}`")).unwrap_or_default())]
    Status {
        code: String,
        second: Option<String>,
    },
    #[error("the assertion consumer service `{0}` is not registered")]
    ConsumerService(String),
    #[error("RelayState is longer than {0} bytes")]
    RelayState(usize),
    #[error("IdP initiated SSO not enabled for service provider '{0}'.")]
    IdpInitiatedOff(String),
    #[error("single logout is not enabled for `{0}`")]
    LogoutOff(String),
    #[error("no place to send the answer to: {0}")]
    NoEndpoint(&'static str),
}

/// What an error answer says (core, 3.2.2.2): the top-level code and what stands below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Success,
    /// A logout that reached not everybody.
    PartialLogout,
    NoPassive,
    NoAuthnContext,
    InvalidNameIdPolicy,
    AuthnFailed,
    RequestDenied,
    RequestUnsupported,
    UnknownPrincipal,
}

impl Status {
    pub(crate) fn codes(self) -> (&'static str, Option<&'static str>) {
        const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
        const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
        const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
        match self {
            Self::Success => (SUCCESS, None),
            Self::PartialLogout => (
                SUCCESS,
                Some("urn:oasis:names:tc:SAML:2.0:status:PartialLogout"),
            ),
            Self::NoPassive => (
                RESPONDER,
                Some("urn:oasis:names:tc:SAML:2.0:status:NoPassive"),
            ),
            Self::NoAuthnContext => (
                RESPONDER,
                Some("urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"),
            ),
            Self::InvalidNameIdPolicy => (
                REQUESTER,
                Some("urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"),
            ),
            Self::AuthnFailed => (
                RESPONDER,
                Some("urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"),
            ),
            Self::RequestDenied => (
                REQUESTER,
                Some("urn:oasis:names:tc:SAML:2.0:status:RequestDenied"),
            ),
            Self::RequestUnsupported => (
                REQUESTER,
                Some("urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported"),
            ),
            Self::UnknownPrincipal => (
                REQUESTER,
                Some("urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"),
            ),
        }
    }
    /// For people who read the answer; no secret, no cause.
    pub(crate) fn message(self) -> Option<&'static str> {
        match self {
            Self::Success => None,
            Self::PartialLogout => Some("not every participant confirmed the logout"),
            Self::NoPassive => Some("the user must be asked, and the request forbids it"),
            Self::NoAuthnContext => Some("the sign-in does not reach the requested context"),
            Self::InvalidNameIdPolicy => Some("the requested name identifier cannot be given"),
            Self::AuthnFailed => Some("the user did not sign in"),
            Self::RequestDenied => Some("the request is denied"),
            Self::RequestUnsupported => Some("the request asks for what is not supported"),
            Self::UnknownPrincipal => Some("no such session"),
        }
    }
}
