//! The user stores with somebody who is told of every change that is made through us: by an
//! administrator, by a peer, by the user. What follows from it is the watcher's to know.

use super::identities::Identities;
use super::name;
use super::people::account_key;
use super::secondary::Secondary;
use super::user_store::{Draft, Matched, Record, UserStore};
use async_trait::async_trait;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::ports::{
    AccountRef, Association, Clock, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use std::sync::Arc;

/// What became of a user.
#[derive(Clone, Copy)]
pub enum Happened<'a> {
    /// With the password, if there is one.
    Created(Option<&'a str>),
    /// With the new password, if it was changed.
    Changed(Option<&'a str>),
    Deleted,
}

impl std::fmt::Debug for Happened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created(_) => "Created",
            Self::Changed(_) => "Changed",
            Self::Deleted => "Deleted",
        })
    }
}

/// Who is told. An account is named with its domain, unless it is the primary store's.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Before the change, which is not made if this fails. What it gives is handed back.
    async fn begin(&self, tenant: &TenantId, account: &str) -> Result<Vec<u64>, DirectoryError>;
    /// After it. An error is told to whoever asked for the change; a creation is undone first.
    async fn happened(
        &self,
        tenant: &TenantId,
        account: &str,
        begun: Vec<u64>,
        what: Happened<'_>,
    ) -> Result<(), DirectoryError>;
    /// It came to nothing.
    async fn nothing(&self, tenant: &TenantId, begun: Vec<u64>) -> Result<(), DirectoryError>;
}

#[derive(Clone)]
pub struct Watched {
    stores: Arc<Secondary>,
    identities: Arc<dyn Identities>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched({:?})", self.stores)
    }
}

impl Watched {
    pub fn new(
        stores: Arc<Secondary>,
        identities: Arc<dyn Identities>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            stores,
            identities,
            journal,
            clock,
        }
    }

    /// The account's name in full, if there is one.
    async fn full(&self, tenant: &TenantId, name: &str) -> Result<Option<String>, DirectoryError> {
        let found = self.stores.find(tenant, name).await?;
        Ok(found.map(|account| account.name))
    }

    /// The change between two words to the watcher; `true` if it came to something.
    async fn around(
        &self,
        tenant: &TenantId,
        account: &str,
        what: Happened<'_>,
        change: impl Future<Output = Result<bool, DirectoryError>> + Send,
    ) -> Result<bool, DirectoryError> {
        let begun = self.journal.begin(tenant, account).await?;
        let done = change.await;
        if !matches!(done, Ok(true)) {
            self.journal.nothing(tenant, begun).await?;
            return done;
        }
        if let Some(key) = account_key(account) {
            match what {
                Happened::Deleted => self.identities.forget(tenant, &key).await?,
                Happened::Changed(_) => {
                    let now = self.clock.now();
                    self.identities.touch(tenant, &key, now).await?;
                }
                // Whoever had the name before and went by another door is somebody else.
                Happened::Created(_) => self.identities.forget(tenant, &key).await?,
            }
        }
        self.journal.happened(tenant, account, begun, what).await?;
        Ok(true)
    }

    async fn changed(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: Option<&str>,
        change: impl Future<Output = Result<(), DirectoryError>> + Send,
    ) -> Result<(), DirectoryError> {
        let change = async { change.await.map(|()| true) };
        self.around(tenant, &account.name, Happened::Changed(password), change)
            .await
            .map(drop)
    }
}

#[async_trait]
impl Directory for Watched {
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        self.stores.check_password(tenant, name, password).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.stores.find(tenant, name).await
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.stores
            .find_association(tenant, identity_provider, subject, domain)
            .await
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        self.stores.profile(tenant, account).await
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let begun = self.journal.begin(tenant, &account.name).await?;
        let saved = self.stores.save_first_number(tenant, account, number).await;
        if matches!(saved, Ok(FirstNumber::Saved)) {
            let changed = Happened::Changed(None);
            self.journal
                .happened(tenant, &account.name, begun, changed)
                .await?;
        } else {
            self.journal.nothing(tenant, begun).await?;
        }
        saved
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let change = self.stores.save_number(tenant, account, number);
        self.changed(tenant, account, None, change).await
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        // No peer is told of it: it is about our codes.
        self.stores.save_opt_out(tenant, account, opted_out).await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        self.stores.associations(tenant, account).await
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        self.stores
            .remove_association(tenant, account, association)
            .await
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let change = self.stores.set_password(tenant, account, password);
        self.changed(tenant, account, Some(password), change).await
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        self.stores.take_backup_codes(tenant, account).await
    }
}

#[async_trait]
impl UserStore for Watched {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let (domain, bare) = name::split(name);
        let account = name::qualified(&domain.unwrap_or_default(), bare);
        let password = draft.password.as_ref().map(|password| password.as_str());
        let change = self.stores.create(tenant, name, draft);
        let created = self
            .around(tenant, &account, Happened::Created(password), change)
            .await;
        if let Err(DirectoryError::Refused(why)) = &created
            && why.starts_with(BLOCKED)
            && !self.stores.delete(tenant, name).await?
        {
            tracing::warn!("a user whom a peer did not take was gone already");
        }
        created
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let Some(account) = self.full(tenant, name).await? else {
            return Ok(false);
        };
        let password = draft.password.as_ref().map(|password| password.as_str());
        let change = self.stores.change(tenant, name, draft);
        self.around(tenant, &account, Happened::Changed(password), change)
            .await
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        let Some(account) = self.full(tenant, name).await? else {
            return Ok(false);
        };
        let change = self.stores.delete(tenant, name);
        self.around(tenant, &account, Happened::Deleted, change)
            .await
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        self.stores.get(tenant, name).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        self.stores.list(tenant, from, rows_max).await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        self.stores
            .link(tenant, name, identity_provider, subject)
            .await
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        self.stores.groups(tenant, name).await
    }

    async fn matching(
        &self,
        tenant: &TenantId,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<Matched>, DirectoryError> {
        self.stores.matching(tenant, condition, start, count).await
    }

    async fn probe(&self) -> Result<(), DirectoryError> {
        self.stores.probe().await
    }
}

/// How the refusal of a peer that had to agree begins.
pub const BLOCKED: &str = "a peer that must agree did not:";
