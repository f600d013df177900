//! Who accounts are to those who provision them: an id for each, whatever store the account is in.

use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;

/// A row of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 32 hex digits, random.
    pub id: String,
    /// The account's name by its key, domain included.
    pub account: String,
    /// What the client that provisions calls it.
    pub external_id: Option<String>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// All writes are durable when the call returns.
#[async_trait]
pub trait Identities: Send + Sync {
    async fn identity(&self, tenant: &TenantId, id: &str) -> Result<Option<Identity>, StoreError>;
    /// Those of the accounts, in their order; who has none gets one.
    async fn identities(
        &self,
        tenant: &TenantId,
        accounts: &[String],
        now: Timestamp,
    ) -> Result<Vec<Identity>, StoreError>;
    /// The account was changed.
    async fn touch(
        &self,
        tenant: &TenantId,
        account: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    async fn name_outside(
        &self,
        tenant: &TenantId,
        account: &str,
        external_id: Option<&str>,
    ) -> Result<(), StoreError>;
    /// The account is gone: whoever gets its name is somebody else, and in no group.
    async fn forget(&self, tenant: &TenantId, account: &str) -> Result<(), StoreError>;
    /// The same of one that was looked at: whoever has the account's name now keeps theirs.
    async fn forget_id(&self, tenant: &TenantId, id: &str) -> Result<(), StoreError>;
    /// The groups of somebody, by id and name.
    async fn groups_of(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Vec<(String, String)>, StoreError>;
}

/// 128 random bits as hex.
pub(crate) fn fresh_id() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::caused("no randomness", error))?;
    Ok(hex::encode(bytes))
}
