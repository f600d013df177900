//! What the console keeps that is no user: named texts with a version, changed by compare-and-swap.
//!
//! Who administers, who is invited, which consoles are open, which identity and service providers
//! were defined there. A store seals the bodies: they hold secrets, and whoever can write rows must
//! not be able to make an administrator.

use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

/// Bytes of a body. A service provider's certificates and claims fit many times.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Administrator,
    Invitation,
    Console,
    IdentityProvider,
    ServiceProvider,
    Claim,
    Connector,
    Inbound,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Invitation => "invitation",
            Self::Console => "console",
            Self::IdentityProvider => "identity-provider",
            Self::ServiceProvider => "service-provider",
            Self::Claim => "claim",
            Self::Connector => "connector",
            Self::Inbound => "inbound",
        }
    }
}

/// Which document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub tenant: TenantId,
    pub kind: Kind,
    pub name: String,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    pub key: Key,
    /// Raised by every change, from 1.
    pub version: u64,
    pub changed_at: Timestamp,
    pub body: String,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({:?}, version {})", self.key, self.version)
    }
}

/// Documents by tenant, kind and name. Writes are durable when the call returns.
#[async_trait]
pub trait Documents: Send + Sync {
    async fn get(&self, key: &Key) -> Result<Option<Document>, StoreError>;
    /// By name.
    async fn list(&self, tenant: &TenantId, kind: Kind) -> Result<Vec<Document>, StoreError>;
    /// Writes the body if the version is still `seen` (`None`: if there is no such document), and
    /// gives the new version. One of many writers wins.
    async fn put(
        &self,
        key: &Key,
        seen: Option<u64>,
        body: &str,
        now: Timestamp,
    ) -> Result<Put, StoreError>;
    /// Removes it if the version is still `seen`. True for one of many callers.
    async fn remove(&self, key: &Key, seen: u64) -> Result<bool, StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Put {
    Written {
        version: u64,
    },
    /// Somebody else was first: there is one already, or it has another version, or it is gone.
    Lost,
}

impl Document {
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.body).map_err(|error| {
            StoreError::caused(
                format!(
                    "the {} `{}` is broken",
                    self.key.kind.as_str(),
                    self.key.name
                ),
                error,
            )
        })
    }
}

pub(crate) fn written(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::caused("a document cannot be written", error))
}
