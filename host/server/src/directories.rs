//! The user directory of each tenant. A tenant nobody knows has no users.
//!
//! Password checks share a few threads: one tenant may hold half of the places in their queue, so
//! that whoever floods one keeps nobody else out (attack Q-11).

use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, PasswordCheck, Profile,
};
use postern_otp::PhoneNumber;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// Of the 64 places in the queue of password hashes (`Hashing::default`).
const PASSWORD_CHECKS_MAX: usize = 32;

/// Makes the directory of a tenant out of the names of its user stores.
type Make = dyn Fn(&[String]) -> anyhow::Result<Arc<dyn Directory>> + Send + Sync;

pub(crate) struct Directories {
    make: Box<Make>,
    of: RwLock<HashMap<TenantId, Own>>,
}

#[derive(Clone)]
struct Own {
    directory: Arc<dyn Directory>,
    password_checks: Arc<Semaphore>,
}

impl Directories {
    /// With the super tenant's already there.
    pub(crate) fn new(super_tenant: Arc<dyn Directory>, make: Box<Make>) -> Self {
        let own = Own::new(super_tenant);
        Self {
            make,
            of: RwLock::new(HashMap::from([(TenantId::super_tenant(), own)])),
        }
    }

    pub(crate) fn made(&self, user_stores: &[String]) -> anyhow::Result<Arc<dyn Directory>> {
        (self.make)(user_stores)
    }

    /// Those of all tenants but the super tenant, whose stays.
    pub(crate) fn replace(&self, others: HashMap<TenantId, Arc<dyn Directory>>) {
        let mut of = self.of.write().unwrap_or_else(PoisonError::into_inner);
        let mut next: HashMap<TenantId, Own> = others
            .into_iter()
            .map(|(tenant, directory)| {
                let mut own = Own::new(directory);
                // Checks under way go on counting.
                if let Some(before) = of.get(&tenant) {
                    own.password_checks = Arc::clone(&before.password_checks);
                }
                (tenant, own)
            })
            .collect();
        if let Some((tenant, own)) = of.remove_entry(&TenantId::super_tenant()) {
            next.insert(tenant, own);
        }
        *of = next;
    }

    fn own(&self, tenant: &TenantId) -> Result<Own, DirectoryError> {
        let of = self.of.read().unwrap_or_else(PoisonError::into_inner);
        let own = of.get(tenant).cloned();
        own.ok_or_else(|| {
            StoreError::new(format!("tenant `{tenant}` has no user directory now")).into()
        })
    }

    fn of(&self, tenant: &TenantId) -> Result<Arc<dyn Directory>, DirectoryError> {
        Ok(self.own(tenant)?.directory)
    }
}

impl Own {
    fn new(directory: Arc<dyn Directory>) -> Self {
        Self {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_store::directory::Local;
    use postern_store::directory::hashing::Hashing;
    use postern_store::memory::Memory;

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
        let local: Arc<dyn Directory> = Arc::new(Local::new(Memory::new(), hashing));
        let made = Arc::clone(&local);
        let directories = Arc::new(Directories::new(
            local,
            Box::new(move |_| Ok(Arc::clone(&made))),
        ));
        directories.replace(HashMap::from([
            (tenant("a.example"), directories.made(&[]).unwrap()),
            (tenant("b.example"), directories.made(&[]).unwrap()),
        ]));
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
        let local: Arc<dyn Directory> = Arc::new(Local::new(Memory::new(), Hashing::default()));
        let made = Arc::clone(&local);
        let directories = Directories::new(local, Box::new(move |_| Ok(Arc::clone(&made))));
        let found = directories.find(&tenant("a.example"), "alice").await;
        assert!(matches!(found, Err(DirectoryError::Failed(_))));
        let found = directories.find(&TenantId::super_tenant(), "alice").await;
        assert!(found.unwrap().is_none());
    }
}
