//! Who accounts are to those who provision them.

use super::{Fault, Sqlite, column, timestamp};
use crate::directory::identities::{Identities, Identity, fresh_id};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

type Half = (String, String, Option<String>, i64, i64);

#[async_trait]
impl Identities for Sqlite {
    async fn identity(&self, tenant: &TenantId, id: &str) -> Result<Option<Identity>, StoreError> {
        self.read(|db| one(db, tenant.as_str(), "id", id))
    }

    async fn identities(
        &self,
        tenant: &TenantId,
        accounts: &[String],
        now: Timestamp,
    ) -> Result<Vec<Identity>, StoreError> {
        let look = |db: &Connection| {
            accounts
                .iter()
                .map(|account| one(db, tenant.as_str(), "account", account))
                .collect::<Result<Vec<_>, Fault>>()
        };
        let known = self.read(look)?;
        let mut fresh = Vec::new();
        for (account, known) in accounts.iter().zip(&known) {
            if known.is_none() {
                fresh.push((fresh_id()?, account.clone()));
            }
        }
        if fresh.is_empty() {
            return Ok(known.into_iter().flatten().collect());
        }
        let (whose, accounts) = (tenant.as_str().to_owned(), accounts.to_vec());
        self.write(move |db| {
            for (id, account) in &fresh {
                db.prepare_cached(
                    "INSERT INTO identities (tenant, id, account, created_at, changed_at)
                     VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING",
                )?
                .execute(params![whose, id, account, column(now)])?;
            }
            let mut all = Vec::with_capacity(accounts.len());
            for account in &accounts {
                let found = one(db, &whose, "account", account)?;
                all.push(found.ok_or_else(|| StoreError::new("an identity was not kept"))?);
            }
            Ok(all)
        })
        .await
    }

    async fn touch(
        &self,
        tenant: &TenantId,
        account: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (tenant, account) = (tenant.as_str().to_owned(), account.to_owned());
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE identities SET changed_at = ? WHERE tenant = ? AND account = ?",
            )?
            .execute(params![column(now), tenant, account])?;
            Ok(())
        })
        .await
    }

    async fn name_outside(
        &self,
        tenant: &TenantId,
        account: &str,
        external_id: Option<&str>,
    ) -> Result<(), StoreError> {
        let (tenant, account) = (tenant.as_str().to_owned(), account.to_owned());
        let external_id = external_id.map(str::to_owned);
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE identities SET external_id = ? WHERE tenant = ? AND account = ?",
            )?
            .execute(params![external_id, tenant, account])?;
            Ok(())
        })
        .await
    }

    async fn forget(&self, tenant: &TenantId, account: &str) -> Result<(), StoreError> {
        let (tenant, account) = (tenant.as_str().to_owned(), account.to_owned());
        self.write(move |db| {
            db.prepare_cached(
                "DELETE FROM group_members WHERE tenant = ?1 AND member =
                     (SELECT id FROM identities WHERE tenant = ?1 AND account = ?2)",
            )?
            .execute(params![tenant, account])?;
            db.prepare_cached("DELETE FROM identities WHERE tenant = ? AND account = ?")?
                .execute(params![tenant, account])?;
            Ok(())
        })
        .await
    }

    async fn forget_id(&self, tenant: &TenantId, id: &str) -> Result<(), StoreError> {
        let (tenant, id) = (tenant.as_str().to_owned(), id.to_owned());
        self.write(move |db| {
            db.prepare_cached("DELETE FROM group_members WHERE tenant = ? AND member = ?")?
                .execute(params![tenant, id])?;
            db.prepare_cached("DELETE FROM identities WHERE tenant = ? AND id = ?")?
                .execute(params![tenant, id])?;
            Ok(())
        })
        .await
    }

    async fn groups_of(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT g.id, g.name FROM group_members m
                     JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id
                     WHERE m.tenant = ? AND m.member = ? ORDER BY g.key",
                )?
                .query_map(params![tenant.as_str(), id], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// `by` is a column of ours, never somebody's text.
fn one(
    db: &Connection,
    tenant: &str,
    by: &'static str,
    value: &str,
) -> Result<Option<Identity>, Fault> {
    let row: Option<Half> = db
        .prepare_cached(&format!(
            "SELECT id, account, external_id, created_at, changed_at FROM identities
             WHERE tenant = ? AND {by} = ?"
        ))?
        .query_row(params![tenant, value], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .optional()?;
    row.map(|(id, account, external_id, created_at, changed_at)| {
        Ok(Identity {
            id,
            account,
            external_id,
            created_at: timestamp(created_at)?,
            changed_at: timestamp(changed_at)?,
        })
    })
    .transpose()
}
