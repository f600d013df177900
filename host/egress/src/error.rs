//! Why a request did not become a reply. Two kinds, by whose fault it is: [`Denied`] is the plugin's or the operator's, and
//! nothing was sent; [`SendFailure`] is the network's or the provider's, and says whether anything may have been.

use std::fmt;

use thiserror::Error;

use crate::grant::Ungranted;
use crate::leaf::Escaped;
use crate::limits::{KEEPS_MAX, REQUEST_HEADERS_MAX};
use crate::origin::OriginError;
use crate::program::ProgramError;

/// Why a request may not be sent. No value of the program is in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    #[error("method `{0}` is not GET, POST, PUT, PATCH or DELETE")]
    Method(String),
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Ungranted(#[from] Ungranted),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("{place} names operation {at}, which the program does not have")]
    NoOperation { place: String, at: u16 },
    #[error("`{name}` in {place} is not granted to `{origin}`")]
    Withheld {
        place: String,
        name: String,
        origin: String,
    },
    #[error(transparent)]
    Escaped(#[from] Escaped),
    #[error("the target is not a path and query")]
    Target,
    #[error("header `{name}`: {why}")]
    Header { name: String, why: &'static str },
    #[error("a request sets at most {REQUEST_HEADERS_MAX} headers")]
    TooManyHeaders,
    #[error("a GET request has no body")]
    BodyOfGet,
    #[error(
        "a request keeps at most {KEEPS_MAX} values, under names of letters, digits, `-`, `_` and `.`"
    )]
    Keep,
    #[error("a request has at most {most} bytes, not {bytes}")]
    TooLarge { bytes: usize, most: usize },
}

/// Why there is no reply, in the words of the plugin interface (`event.failed`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No address of the host may be connected to.
    Denied,
    Dns,
    Connect,
    Tls,
    Timeout,
    /// No place came free in time among the requests in flight. To a plugin it is a timeout like any other.
    Crowded,
    TooLarge,
    Protocol,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Denied => "denied",
            Reason::Dns => "dns",
            Reason::Connect => "connect",
            Reason::Tls => "tls",
            Reason::Timeout | Reason::Crowded => "timeout",
            Reason::TooLarge => "too-large",
            Reason::Protocol => "protocol",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the provider may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Certainly not a byte of it.
    Nothing,
    /// Some or all of it: whether the provider acted on it is unknown.
    Perhaps,
}

/// Why there is no reply.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}: {detail}")]
pub struct SendFailure {
    pub reason: Reason,
    pub sent: Sent,
    /// For the operator's log. Names hosts and addresses, never a value.
    pub detail: String,
}

impl SendFailure {
    pub(crate) fn nothing_sent(reason: Reason, detail: impl Into<String>) -> SendFailure {
        SendFailure {
            reason,
            sent: Sent::Nothing,
            detail: detail.into(),
        }
    }
}
