//! Challenges of the JSON API: an application ran its own first step and wants a code sent and
//! checked. The same machine, the same limits, the same counters as in a browser.

use crate::Logins;
use crate::error::StoreError;
use crate::login::{LoginId, Purpose};
use crate::ports::ApiClient;
use postern_otp::Timestamp;
use std::time::Duration;

#[derive(Debug)]
pub enum Target {
    User(String),
    /// As typed; read with the tenant's default region.
    Mobile(String),
}

#[derive(Debug)]
pub struct NewChallenge {
    pub target: Target,
    pub purpose: Purpose,
    pub locale: Option<String>,
    /// The person's address, for the limits.
    pub client_ip: Option<String>,
    /// 11 characters: Android's SMS Retriever, instead of the origin-bound line.
    pub app_hash: Option<String>,
}

#[derive(Debug)]
pub struct Created {
    pub id: LoginId,
    pub masked_mobile: String,
    pub expires_in: Duration,
    pub resend_in: Option<Duration>,
}

#[derive(Debug)]
pub enum Verification {
    Accepted,
    Refused {
        reason: RefusedReason,
        attempts_left: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReason {
    CodeMismatch,
    CodeSuperseded,
    Expired,
    AttemptsExhausted,
    Locked,
    Used,
}

/// Each has a status and a problem type of its own: the caller is an authenticated client.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    #[error("no such user")]
    UnknownUser,
    #[error("the user has no mobile number")]
    NoNumber,
    #[error("the user opted out of SMS codes")]
    OptedOut,
    #[error("the factor is locked")]
    Locked { until: Option<Timestamp> },
    #[error("not a number codes are sent to")]
    NumberRefused,
    #[error("no such challenge")]
    NotFound,
    #[error("too soon or too often")]
    TooMany { at: Timestamp },
    #[error("no provider took the message")]
    NotSent,
    #[error("not available: {0}")]
    Unavailable(#[from] StoreError),
}

impl Logins {
    pub async fn create_challenge(
        &self,
        client: &ApiClient,
        new: NewChallenge,
    ) -> Result<Created, ChallengeError> {
        let _ = (client, new);
        todo!()
    }

    /// Another client's challenge is `NotFound`.
    pub async fn verify_challenge(
        &self,
        client: &ApiClient,
        id: &LoginId,
        code: &str,
    ) -> Result<Verification, ChallengeError> {
        let _ = (client, id, code);
        todo!()
    }

    /// The wait until the next resend.
    pub async fn resend_challenge(
        &self,
        client: &ApiClient,
        id: &LoginId,
    ) -> Result<Option<Duration>, ChallengeError> {
        let _ = (client, id);
        todo!()
    }
}
