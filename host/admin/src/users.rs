//! Accounts as administrators see them.

use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::ports::DirectoryError;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserRecord {
    pub name: String,
    pub display_name: Option<String>,
    /// E.164; callers mask it where it is shown.
    pub number: Option<String>,
    pub opted_out: bool,
    pub locked: bool,
    pub claims: Vec<(String, String)>,
}

/// A new account, or what of an account shall change (`None`: leave).
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub display_name: Option<String>,
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    pub password: Option<String>,
    pub claims: Vec<(String, String)>,
}

/// Users of every store, by name or `DOMAIN/name`. What a store does not allow is
/// `DirectoryError::ReadOnly`; a new user without a domain is the primary store's.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// False if the name is taken.
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError>;
    /// False if there is no such user.
    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError>;
    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError>;
    async fn get(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<UserRecord>, DirectoryError>;
    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<UserRecord>, DirectoryError>;
    /// Links (identity provider, subject) to the account.
    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError>;
    /// The groups the user is in, by name; none where the store knows no groups.
    async fn groups(&self, _tenant: &TenantId, _name: &str) -> Result<Vec<String>, DirectoryError> {
        Ok(Vec::new())
    }
}
