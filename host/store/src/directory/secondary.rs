//! The primary user store and the secondary ones behind it, tried in order.
//!
//! Knows names and order; what a store is made of is the store's.

use super::name;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::PhoneNumber;
use std::sync::Arc;

/// Several user stores as one. `DOMAIN/name` is looked for in that store only, a name alone in each
/// in turn: the first that has it is meant.
#[derive(Clone)]
pub struct Secondary {
    primary: Arc<dyn Directory>,
    /// By domain, upper case.
    others: Vec<(String, Arc<dyn Directory>)>,
}

impl Secondary {
    /// `others` are tried in this order, each under its domain.
    pub fn new(
        primary: Arc<dyn Directory>,
        others: Vec<(String, Arc<dyn Directory>)>,
    ) -> Result<Self, name::NameRefused> {
        let others = others
            .into_iter()
            .map(|(domain, store)| Ok((name::secondary(&domain)?, store)))
            .collect::<Result<_, _>>()?;
        Ok(Self { primary, others })
    }

    /// The store of a domain; `None` for a domain nobody configured.
    fn of(&self, domain: &str) -> Option<&Arc<dyn Directory>> {
        if domain.is_empty() {
            return Some(&self.primary);
        }
        let named = self.others.iter().find(|(known, _)| known == domain);
        named.map(|(_, store)| store)
    }

    fn in_order(&self) -> impl Iterator<Item = &Arc<dyn Directory>> {
        std::iter::once(&self.primary).chain(self.others.iter().map(|(_, store)| store))
    }

    /// An account's name says which store it is from.
    fn holder(&self, account: &AccountRef) -> Result<&Arc<dyn Directory>, DirectoryError> {
        let (domain, _) = name::split(&account.name);
        self.of(&domain.unwrap_or_default())
            .ok_or_else(|| StoreError::new("the account's user store is not configured").into())
    }
}

impl std::fmt::Debug for Secondary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let domains: Vec<_> = self.others.iter().map(|(domain, _)| domain).collect();
        f.debug_struct("Secondary")
            .field("domains", &domains)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Directory for Secondary {
    /// One store is asked, so that one hash is spent: a password tried in every store would tell by
    /// its time how many have the name, and let one store's password open another's account.
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        match self.find(tenant, name).await? {
            Some(account) => {
                self.holder(&account)?
                    .check_password(tenant, &account.name, password)
                    .await
            }
            // Nobody's: the primary store spends what a check costs.
            None => {
                self.primary
                    .check_password(tenant, name::NOBODY, password)
                    .await
            }
        }
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        if let (Some(domain), _) = name::split(name) {
            return match self.of(&domain) {
                Some(store) => store.find(tenant, name).await,
                None => Ok(None),
            };
        }
        for store in self.in_order() {
            if let Some(account) = store.find(tenant, name).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        if !domain.is_empty() {
            return match self.of(&name::domain(domain)) {
                Some(store) => {
                    store
                        .find_association(tenant, identity_provider, subject, domain)
                        .await
                }
                None => Ok(None),
            };
        }
        for store in self.in_order() {
            let found = store
                .find_association(tenant, identity_provider, subject, "")
                .await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        self.holder(account)?.profile(tenant, account).await
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        self.holder(account)?
            .save_first_number(tenant, account, number)
            .await
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        self.holder(account)?
            .save_number(tenant, account, number)
            .await
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        self.holder(account)?
            .save_opt_out(tenant, account, opted_out)
            .await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        self.holder(account)?.associations(tenant, account).await
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        self.holder(account)?
            .remove_association(tenant, account, association)
            .await
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        self.holder(account)?
            .set_password(tenant, account, password)
            .await
    }
}
