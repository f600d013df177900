//! The user directory of each tenant. A tenant nobody knows has no users.
//!
//! Password checks share a few threads: one tenant may hold half of the places in their queue, so
//! that whoever floods one keeps nobody else out (attack Q-11).

use crate::config::UserStores;
use crate::user_stores::{self, directory_of};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use postern_store::directory::{Draft, Record, Secondary, UserStore};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// Of the 64 places in the queue of password hashes (`Hashing::default`).
const PASSWORD_CHECKS_MAX: usize = 32;

pub(crate) struct Directories {
    own: user_stores::Own,
    of: RwLock<HashMap<TenantId, Held>>,
}

/// A tenant's directory, and what it was made of.
#[derive(Clone)]
pub(crate) struct Held {
    /// `None`: the super tenant's, which is exchanged in place.
    stores: Option<UserStores>,
    /// Its stores by domain.
    secondary: Arc<Secondary>,
    /// The same with whoever hears of changes.
    directory: Arc<dyn UserStore>,
    password_checks: Arc<Semaphore>,
}

impl Directories {
    /// With the super tenant's already there. Its users alone are provisioned to peers, so its
    /// directory alone is watched.
    pub(crate) fn new(
        super_tenant: Arc<Secondary>,
        watched: Arc<dyn UserStore>,
        own: user_stores::Own,
    ) -> Self {
        let held = Held::new(None, super_tenant, watched);
        Self {
            own,
            of: RwLock::new(HashMap::from([(TenantId::super_tenant(), held)])),
        }
    }

    /// The one there is, with its connections, if its stores are the same.
    pub(crate) fn made(&self, tenant: &TenantId, stores: &UserStores) -> anyhow::Result<Held> {
        let before = self.held(tenant);
        if let Some(before) = &before
            && before.stores.as_ref() == Some(stores)
        {
            return Ok(before.clone());
        }
        let directory = Arc::new(directory_of(stores, tenant, &self.own)?);
        let mut held = Held::new(Some(stores.clone()), directory.clone(), directory);
        // Checks under way go on counting.
        if let Some(before) = before {
            held.password_checks = before.password_checks;
        }
        Ok(held)
    }

    /// Those of all tenants but the super tenant, whose stays.
    pub(crate) fn replace(&self, mut others: HashMap<TenantId, Held>) {
        let mut of = self.of.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((tenant, held)) = of.remove_entry(&TenantId::super_tenant()) {
            others.insert(tenant, held);
        }
        *of = others;
    }

    /// The user domains of a tenant, and whether users can be made there.
    pub(crate) fn domains(&self, tenant: &TenantId) -> Vec<(String, bool)> {
        self.held(tenant)
            .map(|held| held.secondary.domains())
            .unwrap_or_default()
    }

    fn held(&self, tenant: &TenantId) -> Option<Held> {
        let of = self.of.read().unwrap_or_else(PoisonError::into_inner);
        of.get(tenant).cloned()
    }

    fn own(&self, tenant: &TenantId) -> Result<Held, DirectoryError> {
        self.held(tenant).ok_or_else(|| {
            StoreError::new(format!("tenant `{tenant}` has no user directory now")).into()
        })
    }

    fn of(&self, tenant: &TenantId) -> Result<Arc<dyn UserStore>, DirectoryError> {
        Ok(self.own(tenant)?.directory)
    }
}

impl Held {
    fn new(
        stores: Option<UserStores>,
        secondary: Arc<Secondary>,
        directory: Arc<dyn UserStore>,
    ) -> Self {
        Self {
            stores,
            secondary,
            directory,
            password_checks: Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)),
        }
    }
}

#[async_trait]
impl Directory for Directories {
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        let own = self.own(tenant)?;
        let Ok(_place) = own.password_checks.try_acquire() else {
            return Err(DirectoryError::Busy);
        };
        own.directory.check_password(tenant, name, password).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.of(tenant)?.find(tenant, name).await
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.of(tenant)?
            .find_association(tenant, identity_provider, subject, domain)
            .await
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        self.of(tenant)?.profile(tenant, account).await
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        self.of(tenant)?.save_number(tenant, account, number).await
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        self.of(tenant)?
            .save_opt_out(tenant, account, opted_out)
            .await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        self.of(tenant)?.associations(tenant, account).await
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        self.of(tenant)?
            .remove_association(tenant, account, association)
            .await
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        self.of(tenant)?
            .set_password(tenant, account, password)
            .await
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        self.of(tenant)?
            .save_first_number(tenant, account, number)
            .await
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        self.of(tenant)?.take_backup_codes(tenant, account).await
    }
}

#[async_trait]
impl UserStore for Directories {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        self.of(tenant)?.create(tenant, name, draft).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        self.of(tenant)?.change(tenant, name, draft).await
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        self.of(tenant)?.delete(tenant, name).await
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        self.of(tenant)?.get(tenant, name).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        self.of(tenant)?.list(tenant, from, rows_max).await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        self.of(tenant)?
            .link(tenant, name, identity_provider, subject)
            .await
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        self.of(tenant)?.groups(tenant, name).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_store::directory::hashing::Hashing;
    use postern_store::memory::Memory;

    fn with(hashing: Hashing) -> Directories {
        let own = user_stores::Own {
            users: Arc::new(Memory::new()),
            hashing,
        };
        let stores = UserStores::default();
        let primary = directory_of(&stores, &TenantId::super_tenant(), &own).unwrap();
        let primary = Arc::new(primary);
        Directories::new(primary.clone(), primary, own)
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    /// Q-11, by counts: a flood at one tenant is refused at half of the queue, and every check of
    /// another tenant finds a place.
    #[tokio::test]
    async fn a_flood_of_passwords_at_one_tenant_refuses_none_of_anothers() {
        // One thread that is held up, and the shipped queue behind it.
        let hashing = Hashing::new(1, 64);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = hashing.clone();
        let held = tokio::spawn(async move { busy.run(move || wait.recv()).await });
        let directories = Arc::new(with(hashing));
        let made = |name: &str| {
            let made = directories.made(&tenant(name), &UserStores::default());
            (tenant(name), made.unwrap())
        };
        directories.replace(HashMap::from([made("a.example"), made("b.example")]));
        let check = |name: &'static str| {
            let directories = Arc::clone(&directories);
            tokio::spawn(async move {
                directories
                    .check_password(&tenant(name), "alice", "password")
                    .await
            })
        };
        let flood: Vec<_> = (0..200).map(|_| check("a.example")).collect();
        let others: Vec<_> = (0..16).map(|_| check("b.example")).collect();
        // Everybody has asked before anybody is answered.
        while directories
            .own(&tenant("b.example"))
            .unwrap()
            .password_checks
            .available_permits()
            > PASSWORD_CHECKS_MAX - 16
        {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        let _ = held.await.unwrap();
        let mut refused = 0;
        for asked in flood {
            match asked.await.unwrap() {
                Err(DirectoryError::Busy) => refused += 1,
                answer => assert!(matches!(answer, Ok(PasswordCheck::Wrong))),
            }
        }
        assert_eq!(refused, 200 - PASSWORD_CHECKS_MAX);
        for asked in others {
            assert!(matches!(asked.await.unwrap(), Ok(PasswordCheck::Wrong)));
        }
    }

    #[tokio::test]
    async fn a_tenant_nobody_knows_has_no_directory() {
        let directories = with(Hashing::default());
        let found = directories.find(&tenant("a.example"), "alice").await;
        assert!(matches!(found, Err(DirectoryError::Failed(_))));
        let found = directories.find(&TenantId::super_tenant(), "alice").await;
        assert!(found.unwrap().is_none());
    }
}
