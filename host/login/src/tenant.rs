//! Whose users, settings and senders a login belongs to.

use serde::{Deserialize, Serialize};

/// 1 to 63 of `a-z 0-9 . -`, beginning and ending with a letter or digit, no two dots in a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// The tenant that the configuration file describes.
pub const SUPER_TENANT: &str = "carbon.super";

impl TenantId {
    pub fn parse(text: &str) -> Result<Self, TenantError> {
        let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let orderly = (1..=63).contains(&bytes.len())
            && bytes.first().is_some_and(edge)
            && bytes.last().is_some_and(edge)
            && bytes.iter().all(|b| edge(b) || *b == b'.' || *b == b'-')
            && !text.contains("..");
        if orderly {
            Ok(Self(text.to_owned()))
        } else {
            Err(TenantError)
        }
    }

    pub fn super_tenant() -> Self {
        Self(SUPER_TENANT.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TenantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TenantId {
    type Err = TenantError;
    fn from_str(text: &str) -> Result<Self, TenantError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantError;
    fn try_from(text: String) -> Result<Self, TenantError> {
        Self::parse(&text)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tenant name: expected 1 to 63 of a-z, 0-9, `.` and `-`")]
pub struct TenantError;
