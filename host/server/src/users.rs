//! The user stores as the administrator's use cases take them.

use crate::directories::Directories;
use async_trait::async_trait;
use postern_admin::users::{Accounts, StoreFacts, UserChange, UserRecord};
use postern_login::TenantId;
use postern_login::ports::DirectoryError;
use postern_store::directory::{Draft, Record, UserStore};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(crate) struct StoreAccounts(pub(crate) Arc<Directories>);

fn draft(change: &UserChange) -> Draft {
    Draft {
        display_name: change.display_name.clone(),
        number: change.number.clone(),
        opted_out: change.opted_out,
        locked: change.locked,
        password: change.password.clone().map(Zeroizing::new),
        password_hash: None,
        claims: change.claims.clone(),
    }
}

fn record(record: Record) -> UserRecord {
    UserRecord {
        name: record.name,
        display_name: record.display_name,
        number: record.number,
        opted_out: record.opted_out,
        locked: record.locked,
        claims: record.claims,
    }
}

#[async_trait]
impl Accounts for StoreAccounts {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError> {
        self.0.create(tenant, name, &draft(change)).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError> {
        self.0.change(tenant, name, &draft(change)).await
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        self.0.delete(tenant, name).await
    }

    async fn get(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<UserRecord>, DirectoryError> {
        Ok(self.0.get(tenant, name).await?.map(record))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<UserRecord>, DirectoryError> {
        let records = self.0.list(tenant, from, rows_max).await?;
        Ok(records.into_iter().map(record).collect())
    }

    fn stores(&self, tenant: &TenantId) -> Vec<StoreFacts> {
        let domains = self.0.domains(tenant).into_iter();
        domains
            .map(|(domain, takes_users)| StoreFacts {
                domain,
                takes_users,
            })
            .collect()
    }

    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        self.0.link(tenant, name, identity_provider, subject).await
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        self.0.groups(tenant, name).await
    }
}
