//! Users as rows: what a store keeps of them. Which names are the same, and whose password is
//! right, is `local`'s to say.

use async_trait::async_trait;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Association, FirstNumber};

/// A user of one local user store (`domain`; empty is the primary one).
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub tenant: TenantId,
    pub domain: String,
    /// What two spellings of one name have in common.
    pub key: String,
    /// What two names that look alike have in common.
    pub looks: String,
    /// As it was spelled when the user was made.
    pub name: String,
    pub display_name: Option<String>,
    /// E.164.
    pub number: Option<String>,
    pub opted_out: bool,
    pub locked: bool,
    /// Whether there was ever a number; it stays true when the number goes (attack B-01).
    pub had_factor: bool,
    /// A hash in one of the forms of `password`.
    pub password: Option<String>,
    /// By claim URI, in its order.
    pub claims: Vec<(String, String)>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("tenant", &self.tenant)
            .field("domain", &self.domain)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What of a user shall change; `None` leaves it.
#[derive(Clone, Default)]
pub struct Change {
    pub display_name: Option<String>,
    /// A number also sets `had_factor`.
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    pub password: Option<String>,
    /// Those named are replaced; an empty value removes one.
    pub claims: Vec<(String, String)>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

/// The rows of users. All writes are durable when the call returns.
#[async_trait]
pub trait Users: Send + Sync {
    async fn user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<Option<User>, StoreError>;
    /// False if the key or the looks are taken in that tenant and domain.
    async fn create_user(&self, user: &User) -> Result<bool, StoreError>;
    /// False if there is no such user.
    async fn change_user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        change: &Change,
    ) -> Result<bool, StoreError>;
    /// In E.164, in one statement: the user's number if there never was one. `None` if there is no
    /// such user.
    async fn save_first_number(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        number: &str,
    ) -> Result<Option<FirstNumber>, StoreError>;
    /// Takes the mark of `save_first_number` back, where there is no number: as if there never was one.
    async fn unmark_factor(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<(), StoreError>;
    /// Only if the hash is still the one seen: an upgrade must not undo a change of password.
    async fn replace_password(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        seen: &str,
        new: &str,
    ) -> Result<bool, StoreError>;
    /// Removes a claim that still has the value seen: of two who saw it, one takes it.
    async fn take_claim(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        uri: &str,
        seen: &str,
    ) -> Result<bool, StoreError>;
    /// With claims and links.
    async fn delete_user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<bool, StoreError>;
    /// By key, those after `from`.
    async fn users(
        &self,
        tenant: &TenantId,
        domain: &str,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<User>, StoreError>;
    /// False if there is no such user or the subject is linked already.
    async fn link(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError>;
    /// Whose link it is, in whatever domain.
    async fn linked(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
    ) -> Result<Option<User>, StoreError>;
    async fn links(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<Vec<Association>, StoreError>;
    /// Of those whom the condition fits, by key, `count` from `start`, and how many there are in all.
    /// `None` if the store cannot search by it.
    async fn matching(
        &self,
        tenant: &TenantId,
        domain: &str,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<(usize, Vec<User>)>, StoreError> {
        let _ = (tenant, domain, condition, start, count);
        Ok(None)
    }
    /// False if it was not a link of this user.
    async fn unlink(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError>;
}
