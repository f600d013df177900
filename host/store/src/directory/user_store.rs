//! A user store as an administrator uses it, beside what a login needs of it.

use async_trait::async_trait;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::ports::{Directory, DirectoryError};
use zeroize::Zeroizing;

/// Where users are made, changed and deleted, if the store allows it. Names are as people type them,
/// `DOMAIN/name` included. What a store does not allow is `DirectoryError::ReadOnly`.
#[async_trait]
pub trait UserStore: Directory {
    /// False if the name, or one that looks like it, is taken.
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError>;
    /// False if there is no such user.
    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError>;
    /// With claims and links. False if there is no such user.
    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError>;
    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError>;
    /// In the order of their names, those after `from`.
    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError>;
    /// Links a subject of an identity provider to the user. False if there is no such user, or the
    /// subject is linked already.
    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError>;
    /// The groups the user is in, by name; none where the store knows no groups.
    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        let _ = (tenant, name);
        Ok(Vec::new())
    }
    /// Whether users can be made and deleted here, as far as its configuration goes.
    fn takes_users(&self) -> bool {
        true
    }
    /// Those whom the condition fits, by name, `count` from `start`. `None` if the store cannot search
    /// by it: then its users are looked at one by one.
    async fn matching(
        &self,
        tenant: &TenantId,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<Matched>, DirectoryError> {
        let _ = (tenant, condition, start, count);
        Ok(None)
    }
    /// Some of its users, among them all whom the condition fits: what is too many to be looked at is
    /// narrowed down by the store, and decided by our own rule. `None` if the store cannot narrow it down.
    async fn candidates(
        &self,
        tenant: &TenantId,
        condition: &Condition,
        rows_max: usize,
    ) -> Result<Option<Candidates>, DirectoryError> {
        let _ = (tenant, condition, rows_max);
        Ok(None)
    }
    /// Whether the store answers, as far as that can be told without a user.
    async fn probe(&self) -> Result<(), DirectoryError> {
        Ok(())
    }
}

/// A new user, or what of one shall change (`None`: leave).
#[derive(Clone, Default)]
pub struct Draft {
    pub display_name: Option<String>,
    /// E.164.
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    pub password: Option<Zeroizing<String>>,
    /// A hash that another system made, in a form of `password`; instead of a password.
    pub password_hash: Option<String>,
    /// Those named are replaced; an empty value removes one.
    pub claims: Vec<(String, String)>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draft")
    }
}

/// A user as an administrator sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// With the domain, if there is one.
    pub name: String,
    pub display_name: Option<String>,
    pub number: Option<String>,
    pub opted_out: bool,
    pub locked: bool,
    pub claims: Vec<(String, String)>,
}

/// By name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    pub records: Vec<Record>,
    /// False if there are more than were asked for, or than the store gives.
    pub all: bool,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    pub total: usize,
    pub records: Vec<Record>,
}
