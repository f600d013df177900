//! A session: what a finished login leaves behind.

use crate::TenantId;
use crate::login::{FirstFactor, SecondFactor};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

/// 256 random bits as base64url, made when the login is finished. Stores keep its SHA-256.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId(String);

impl SessionId {
    pub fn from_entropy(bytes: &[u8; 32]) -> Self {
        Self(
            crate::login::LoginId::from_entropy(bytes)
                .as_str()
                .to_owned(),
        )
    }
    pub fn parse(text: &str) -> Option<Self> {
        crate::login::LoginId::parse(text).map(|id| Self(id.as_str().to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[session id]")
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    /// A short random name for the list on the account page: not a secret.
    pub name: String,
    pub tenant: TenantId,
    /// The local account, or the federated subject's display name if there is none.
    pub account: String,
    pub has_local_account: bool,
    pub first: FirstFactor,
    pub second: SecondFactor,
    pub authenticated_at: Timestamp,
    pub expires_at: Timestamp,
    pub user_agent: String,
    pub address: String,
    pub locale: String,
}
