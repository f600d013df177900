//! Who accounts are to those who provision them.

use super::Memory;
use crate::directory::identities::{Identities, Identity, fresh_id};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;

#[async_trait]
impl Identities for Memory {
    async fn identity(&self, tenant: &TenantId, id: &str) -> Result<Option<Identity>, StoreError> {
        let key = (tenant.as_str().to_owned(), id.to_owned());
        Ok(self.tables().identities.get(&key).cloned())
    }

    async fn identities(
        &self,
        tenant: &TenantId,
        accounts: &[String],
        now: Timestamp,
    ) -> Result<Vec<Identity>, StoreError> {
        let mut tables = self.tables();
        let mut all = Vec::with_capacity(accounts.len());
        for account in accounts {
            let known = tables
                .identities
                .iter()
                .find(|((whose, _), row)| whose == tenant.as_str() && row.account == *account)
                .map(|(_, row)| row.clone());
            if let Some(known) = known {
                all.push(known);
                continue;
            }
            let row = Identity {
                id: fresh_id()?,
                account: account.clone(),
                external_id: None,
                created_at: now,
                changed_at: now,
            };
            let key = (tenant.as_str().to_owned(), row.id.clone());
            tables.identities.insert(key, row.clone());
            all.push(row);
        }
        Ok(all)
    }

    async fn touch(
        &self,
        tenant: &TenantId,
        account: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_identity(tenant, account, |row| row.changed_at = now);
        Ok(())
    }

    async fn name_outside(
        &self,
        tenant: &TenantId,
        account: &str,
        external_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.change_identity(tenant, account, |row| {
            row.external_id = external_id.map(str::to_owned);
        });
        Ok(())
    }

    async fn forget(&self, tenant: &TenantId, account: &str) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let mut gone = Vec::new();
        tables.identities.retain(|(whose, id), row| {
            let keep = whose != tenant.as_str() || row.account != account;
            if !keep {
                gone.push(id.clone());
            }
            keep
        });
        for ((whose, _), group) in &mut tables.groups {
            if whose == tenant.as_str() {
                group.members.retain(|member| !gone.contains(member));
            }
        }
        Ok(())
    }

    async fn forget_id(&self, tenant: &TenantId, id: &str) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let place = (tenant.as_str().to_owned(), id.to_owned());
        tables.identities.remove(&place);
        for ((whose, _), group) in &mut tables.groups {
            if whose == tenant.as_str() {
                group.members.retain(|member| member != id);
            }
        }
        Ok(())
    }

    async fn groups_of(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let tables = self.tables();
        let mut groups: Vec<_> = tables
            .groups
            .iter()
            .filter(|((whose, _), group)| {
                whose == tenant.as_str() && group.members.iter().any(|member| member == id)
            })
            .map(|((_, id), group)| (id.clone(), group.name.clone()))
            .collect();
        groups.sort_by_key(|(_, name)| name.to_lowercase());
        Ok(groups)
    }
}

impl Memory {
    fn change_identity(&self, tenant: &TenantId, account: &str, change: impl Fn(&mut Identity)) {
        let mut tables = self.tables();
        for ((whose, _), row) in &mut tables.identities {
            if whose == tenant.as_str() && row.account == account {
                change(row);
            }
        }
    }
}
