//! Why a peer was not told.

use crate::ports::PortError;
use http::StatusCode;

pub(super) const SEARCH: &str = "the search";
const WHOSE: &str = "it cannot be looked up here whose the peer's account is";

/// Whether it helps to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It passes: the peer's own faults and limits, the network, credentials that an operator mends.
    Passes,
    /// The peer answered, and will most likely answer the same again.
    Refused,
    /// It cannot even be asked.
    Never,
    /// It is no matter of the peer's: a fault here, or something of ours that goes before.
    Ours,
}

/// Why the peer was not told; fit for an administrator's page, without anything the peer said.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Failure {
    pub words: String,
    pub outlook: Outlook,
    #[source]
    pub source: Option<PortError>,
}

impl Failure {
    pub(super) fn answered(what: &str, status: StatusCode) -> Self {
        let code = status.as_u16();
        let passes = matches!(code, 401 | 403 | 408 | 425 | 429);
        Self {
            words: format!("the peer answered {code} to {what}"),
            outlook: if status.is_client_error() && !passes {
                Outlook::Refused
            } else {
                Outlook::Passes
            },
            source: None,
        }
    }

    /// Nobody was made or changed there: the peer said no, or it came to no more than a look, there or
    /// here. What got no answer may have been done.
    pub fn left_no_trace(&self) -> bool {
        let refused = matches!(self.outlook, Outlook::Refused | Outlook::Never);
        refused || self.words == WHOSE || self.words.contains(SEARCH)
    }

    /// A fault of our own store before anything was done there.
    pub(super) fn whose(source: PortError) -> Self {
        Self {
            words: WHOSE.to_owned(),
            outlook: Outlook::Ours,
            source: Some(source),
        }
    }

    /// The peer has one account where there are two here.
    pub fn held() -> Self {
        Self {
            words: "the peer's account of that name is another user's of ours: give the two \
                    different names, or their stores a connector each"
                .to_owned(),
            outlook: Outlook::Refused,
            source: None,
        }
    }

    /// Two of ours are one name there, and which of them the account is nobody remembers.
    pub fn ambiguous() -> Self {
        Self {
            words: "the peer's account of that name may be another user's of ours, whom it \
                    was not told of yet: have it told of everybody, then retry"
                .to_owned(),
            outlook: Outlook::Refused,
            source: None,
        }
    }

    /// Whichever was taken, it might be somebody else's.
    pub(super) fn several() -> Self {
        Self {
            words: "the peer has several of that name, and nothing says which is meant".to_owned(),
            outlook: Outlook::Refused,
            source: None,
        }
    }

    pub(super) fn unreadable(what: &str) -> Self {
        Self {
            words: format!("the peer's answer to {what} cannot be read"),
            outlook: Outlook::Passes,
            source: None,
        }
    }
}
