//! Tenants, their settings sealed, and the removal of all a tenant has.

use super::{Fault, Sqlite, column, timestamp};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Added, TenantRecord, TenantStore};
use rusqlite::{Connection, params};

#[async_trait]
impl TenantStore for Sqlite {
    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let rows = self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT tenant, enabled, document, changed_at FROM tenants ORDER BY tenant",
                )?
                .query_map([], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect::<rusqlite::Result<Vec<(String, bool, Option<Vec<u8>>, i64)>>>()?)
        })?;
        rows.into_iter()
            .map(|(tenant, enabled, document, changed_at)| {
                let tenant = TenantId::parse(&tenant)
                    .map_err(|_| StoreError::new("a tenant's row is broken: its name"))?;
                let changed_at = timestamp(changed_at)?;
                let seal = &self.parts.seal;
                let opened =
                    document.map(|sealed| seal.open_settings(&tenant, changed_at, &sealed));
                let (document, broken) = match opened {
                    None => (None, None),
                    Some(Ok(text)) => (Some(text), None),
                    Some(Err(error)) => (None, Some(error.to_string())),
                };
                Ok(TenantRecord {
                    tenant,
                    enabled,
                    document,
                    broken,
                    changed_at,
                })
            })
            .collect()
    }

    async fn add_tenant(&self, record: &TenantRecord) -> Result<Added, StoreError> {
        let document = self.sealed(record)?;
        let record = record.clone();
        let added = self
            .write(move |db| {
                let rows = db
                    .prepare_cached(
                        "INSERT INTO tenants (tenant, enabled, document, changed_at)
                         VALUES (?, ?, ?, ?) ON CONFLICT (tenant) DO NOTHING",
                    )?
                    .execute(params![
                        record.tenant.as_str(),
                        record.enabled,
                        document,
                        column(record.changed_at)
                    ])?;
                Ok(rows == 1)
            })
            .await?;
        Ok(if added {
            Added::Added
        } else {
            Added::NameTaken
        })
    }

    async fn save_tenant(&self, record: &TenantRecord) -> Result<bool, StoreError> {
        let document = self.sealed(record)?;
        let record = record.clone();
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "UPDATE tenants SET enabled = ?, document = ?, changed_at = ? WHERE tenant = ?",
                )?
                .execute(params![
                    record.enabled,
                    document,
                    column(record.changed_at),
                    record.tenant.as_str()
                ])?;
            Ok(rows == 1)
        })
        .await
    }

    async fn remove_tenant(&self, tenant: &TenantId) -> Result<Option<u64>, StoreError> {
        let of = tenant.clone();
        let removed = self
            .write(move |db| {
                let known = db
                    .prepare_cached("DELETE FROM tenants WHERE tenant = ?")?
                    .execute([of.as_str()])?;
                Ok(match known {
                    0 => None,
                    _ => Some(remove_rows(db, &of)?),
                })
            })
            .await?;
        if removed.is_some() {
            self.parts.by_token.forget_all_of(tenant);
        }
        Ok(removed)
    }

    async fn remove_rows_of(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let of = tenant.clone();
        let removed = self.write(move |db| remove_rows(db, &of)).await?;
        self.parts.by_token.forget_all_of(tenant);
        Ok(removed)
    }
}

impl Sqlite {
    /// It holds credentials.
    fn sealed(&self, record: &TenantRecord) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(reason) = &record.broken {
            return Err(StoreError::new(format!("{reason}; give it another one")));
        }
        let seal = &self.parts.seal;
        let close = |text: &String| seal.close_settings(&record.tenant, record.changed_at, text);
        record.document.as_ref().map(close).transpose()
    }
}

/// Every table that holds something of a tenant is here; the audit log stays, because it says who
/// removed the rest.
fn remove_rows(db: &Connection, tenant: &TenantId) -> Result<u64, Fault> {
    let mut removed = 0;
    for table in [
        "logins",
        "sessions",
        "clients",
        "replies",
        "associations",
        "users",
        "parked",
        "used_once",
        "documents",
    ] {
        removed += db.execute(
            &format!("DELETE FROM {table} WHERE tenant = ?"),
            [tenant.as_str()],
        )?;
    }
    // `Subject::key`: a letter for the kind, then the tenant with its length in front.
    let of_subject = format!("{}:{tenant}", tenant.as_str().len());
    for table in ["ledgers", "backup_sets", "backup_codes"] {
        removed += db.execute(
            &format!("DELETE FROM {table} WHERE substr(subject, 2, length(?1)) = ?1"),
            [&of_subject],
        )?;
    }
    // `Budget::key`: what is counted, the tenant, its name, with slashes between.
    removed += db.execute(
        "DELETE FROM counters WHERE substr(key, instr(key, '/') + 1, length(?1)) = ?1",
        [format!("{tenant}/")],
    )?;
    Ok(removed as u64)
}
