//! Why an act was not done, by whose fault it is. The sentences are for the administrator who asked.

use crate::actor::Denied;
use postern_login::error::StoreError;
use postern_login::ports::DirectoryError;

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The role does not allow it.
    #[error("an auditor may look at everything and change nothing")]
    Denied,
    /// Both factors again, then the act.
    #[error("this needs a sign-in of the last 15 minutes")]
    Stale,
    /// What was asked for cannot be: one sentence, lower case, naming the thing and the expectation.
    #[error("{0}")]
    Invalid(String),
    /// Fields of a form, each with its sentence.
    #[error("{}", .0.iter().map(|(field, words)| format!("{field}: {words}")).collect::<Vec<_>>().join("; "))]
    Fields(Vec<(String, String)>),
    #[error("there is no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error("there is a {what} `{name}` already")]
    Exists { what: &'static str, name: String },
    #[error("`{name}` was changed by somebody else meanwhile: look at it again")]
    Changed { name: String },
    /// With what refers to it.
    #[error("`{name}` is used by {}: change that first", .by.join(", "))]
    InUse { name: String, by: Vec<String> },
    /// Defined where the console does not write.
    #[error("`{name}` is defined in {place}: change it there")]
    ReadOnly { name: String, place: String },
    /// Only a running host can do it.
    #[error("no host runs on this data folder: start it with `postern serve`")]
    NoHost,
    #[error(
        "the test outbox is off: `[outbox]` in the configuration switches it on, never beside a real sender"
    )]
    NoOutbox,
    #[error("not available: {0}")]
    Unavailable(#[from] StoreError),
}

impl AdminError {
    /// For the audit log: a word, so that nothing somebody typed gets there.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Denied => "role",
            Self::Stale => "sign-in too old",
            Self::Invalid(_) | Self::Fields(_) => "invalid",
            Self::NotFound { .. } => "not found",
            Self::Exists { .. } => "exists already",
            Self::Changed { .. } => "changed meanwhile",
            Self::InUse { .. } => "in use",
            Self::ReadOnly { .. } => "read-only",
            Self::NoHost => "no host",
            Self::NoOutbox => "no outbox",
            Self::Unavailable(_) => "not available",
        }
    }

    pub(crate) fn no_user(name: &str) -> Self {
        Self::NotFound {
            what: "user",
            name: name.to_owned(),
        }
    }
}

impl From<Denied> for AdminError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Role => Self::Denied,
            Denied::Stale => Self::Stale,
        }
    }
}

impl From<DirectoryError> for AdminError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::ReadOnly => {
                Self::Invalid("the user store does not allow this: change it at its source".into())
            }
            DirectoryError::Busy => Self::Unavailable(StoreError::new(
                "too many password hashes are computed at once: try again",
            )),
            DirectoryError::Refused(why) => Self::Invalid(format!("the user store refused: {why}")),
            DirectoryError::Failed(error) => Self::Unavailable(error),
        }
    }
}
