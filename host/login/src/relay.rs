//! The relay: an existing identity server hands over a finished message and Postern sends it by the
//! same routing, limits and verdicts.

use crate::Logins;
use crate::error::StoreError;
use crate::login::Purpose;
use crate::ports::{ApiClient, FailureReason};
use postern_otp::Timestamp;

#[derive(Debug)]
pub enum RelayText {
    /// The client's own words, at most 1,600 characters.
    Finished(String),
    /// One of the tenant's templates with the client's own code in it.
    Template { text_id: String, code: String },
}

#[derive(Debug)]
pub struct RelayMessage {
    pub to: String,
    pub text: RelayText,
    pub purpose: Purpose,
    pub locale: Option<String>,
    pub client_ip: Option<String>,
    /// The Idempotency-Key header, 1 to 255 visible ASCII characters.
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Relayed {
    pub message_id: String,
    pub sender: String,
    pub provider_id: Option<String>,
    pub segments: u8,
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("not a number messages are sent to")]
    NumberRefused,
    #[error("the text is empty, too long, or names no template")]
    TextRefused,
    #[error("too many messages")]
    TooMany { at: Timestamp },
    #[error("a request with this key is under way")]
    InProgress,
    #[error("this key was used for another request")]
    KeyDiffers,
    #[error("no provider took the message")]
    NotSent { reason: FailureReason },
    #[error("not available: {0}")]
    Unavailable(#[from] StoreError),
}

impl Logins {
    pub async fn relay(
        &self,
        client: &ApiClient,
        message: RelayMessage,
    ) -> Result<Relayed, RelayError> {
        let _ = (client, message);
        todo!()
    }
}
