//! Tenants, and the removal of all a tenant has.

use super::{Memory, Tables};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Added, TenantRecord, TenantStore};
use std::collections::HashMap;

#[async_trait]
impl TenantStore for Memory {
    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        Ok(self.tables().tenants.values().cloned().collect())
    }

    async fn add_tenant(&self, record: &TenantRecord) -> Result<Added, StoreError> {
        let mut tables = self.tables();
        if tables.tenants.contains_key(&record.tenant) {
            return Ok(Added::NameTaken);
        }
        tables.tenants.insert(record.tenant.clone(), record.clone());
        Ok(Added::Added)
    }

    async fn save_tenant(&self, record: &TenantRecord) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        Ok(match tables.tenants.get_mut(&record.tenant) {
            Some(row) => {
                *row = record.clone();
                true
            }
            None => false,
        })
    }

    async fn remove_tenant(&self, tenant: &TenantId) -> Result<Option<u64>, StoreError> {
        let mut tables = self.tables();
        let known = tables.tenants.remove(tenant);
        Ok(known.map(|_| remove_rows(&mut tables, tenant)))
    }

    async fn remove_rows_of(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        Ok(remove_rows(&mut self.tables(), tenant))
    }
}

/// Every table that holds something of a tenant is here; the audit log stays, because it says who
/// removed the rest.
fn remove_rows(tables: &mut Tables, tenant: &TenantId) -> u64 {
    let of_subject = format!("{}:{tenant}", tenant.as_str().len());
    let subject = |key: &str| {
        key.get(1..)
            .is_some_and(|rest| rest.starts_with(&of_subject))
    };
    let of_budget = format!("{tenant}/");
    let budget = |key: &str| {
        key.split_once('/')
            .is_some_and(|(_, rest)| rest.starts_with(&of_budget))
    };
    drop_where(&mut tables.logins, |_, row| row.login.tenant == *tenant)
        + drop_where(&mut tables.sessions, |_, session| session.tenant == *tenant)
        + drop_where(&mut tables.clients, |_, client| client.tenant == *tenant)
        + drop_where(&mut tables.replies, |(of, _, _), _| of == tenant)
        + drop_where(&mut tables.parked, |_, (_, parked)| {
            parked.tenant == tenant.as_str()
        })
        + drop_where(&mut tables.ledgers, |key, _| subject(key))
        + drop_where(&mut tables.backup_sets, |key, _| subject(key))
        + drop_where(&mut tables.counters, |(key, _), _| budget(key))
        + super::users::remove_all_of(tables, tenant)
        + remove_documents(tables, tenant)
}

fn remove_documents(tables: &mut Tables, tenant: &TenantId) -> u64 {
    let before = tables.documents.len();
    tables.documents.retain(|key, _| key.tenant != *tenant);
    (before - tables.documents.len()) as u64
}

fn drop_where<K: Eq + std::hash::Hash, V>(
    table: &mut HashMap<K, V>,
    gone: impl Fn(&K, &V) -> bool,
) -> u64 {
    let before = table.len();
    table.retain(|key, value| !gone(key, value));
    (before - table.len()) as u64
}
