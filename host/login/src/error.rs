//! Why a use case did not move, by whose fault it is.

use postern_otp::Timestamp;

/// What went wrong inside; for the log, whole, once.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    pub what: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            source: None,
        }
    }
    pub fn caused(
        what: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            what: what.into(),
            source: Some(Box::new(source)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such login, or expired, or already finished. The person starts again.
    #[error("no such login, or it has ended")]
    Gone,
    /// The act does not belong to the step the login is at (attack A-15).
    #[error("the login is not at the step this act belongs to")]
    OutOfOrder,
    /// Two acts at once; the other one won. The page is shown anew.
    #[error("another act on this login came first")]
    Conflict,
    #[error("too many requests; next one at {at:?}")]
    Throttled { at: Timestamp },
    /// What was proven in the session is too old for what is asked, or it was no second factor.
    #[error("a fresh sign-in is needed")]
    Reauthenticate,
    /// Too much work at once, or a part that is needed is down.
    #[error("not available: {0}")]
    Unavailable(#[from] StoreError),
}
