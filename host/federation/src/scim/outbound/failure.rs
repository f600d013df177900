//! Why a peer was not told.

use crate::ports::PortError;
use http::StatusCode;

pub(super) const SEARCH: &str = "the search";

/// Why the peer was not told; fit for an administrator's page, without anything the peer said.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Failure {
    pub words: String,
    /// The peer answered, and will answer the same again.
    pub refused: bool,
    #[source]
    pub source: Option<PortError>,
}

impl Failure {
    pub(super) fn answered(what: &str, status: StatusCode) -> Self {
        let code = status.as_u16();
        // What passes with time: the peer's own faults, limits, and credentials an operator mends.
        let refused = status.is_client_error() && !matches!(code, 401 | 403 | 408 | 425 | 429);
        Self {
            words: format!("the peer answered {code} to {what}"),
            refused,
            source: None,
        }
    }

    /// Nobody was made or changed there: the peer said no, or it came to no more than a look. What got
    /// no answer may have been done.
    pub fn left_no_trace(&self) -> bool {
        self.refused || self.words.contains(SEARCH)
    }

    /// The peer has one account where there are two here.
    pub fn held() -> Self {
        Self {
            words: "the peer's account of that name is another user's of ours: give the two \
                    different names, or their stores a connector each"
                .to_owned(),
            refused: true,
            source: None,
        }
    }

    /// Whichever was taken, it might be somebody else's.
    pub(super) fn several() -> Self {
        Self {
            words: "the peer has several of that name, and nothing says which is meant".to_owned(),
            refused: true,
            source: None,
        }
    }

    pub(super) fn unreadable(what: &str) -> Self {
        Self {
            words: format!("the peer's answer to {what} cannot be read"),
            refused: false,
            source: None,
        }
    }
}
