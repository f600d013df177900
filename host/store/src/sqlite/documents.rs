//! Documents, sealed.

use super::{Fault, Sqlite, column, timestamp};
use async_trait::async_trait;
use postern_admin::documents::{BODY_BYTES_MAX, Document, Documents, Key, Kind, Put};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use rusqlite::{OptionalExtension, params};

#[async_trait]
impl Documents for Sqlite {
    async fn get(&self, key: &Key) -> Result<Option<Document>, StoreError> {
        let row = self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT version, changed_at, body FROM documents
                     WHERE tenant = ? AND kind = ? AND name = ?",
                )?
                .query_row(
                    params![key.tenant.as_str(), key.kind.as_str(), key.name],
                    |row| {
                        Ok((
                            row.get::<_, i64>(0)?,
                            row.get::<_, i64>(1)?,
                            row.get::<_, Vec<u8>>(2)?,
                        ))
                    },
                )
                .optional()?)
        })?;
        row.map(|(version, changed_at, body)| {
            self.document(key.clone(), version, changed_at, &body)
        })
        .transpose()
    }

    async fn list(&self, tenant: &TenantId, kind: Kind) -> Result<Vec<Document>, StoreError> {
        let rows = self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT name, version, changed_at, body FROM documents
                     WHERE tenant = ? AND kind = ? ORDER BY name",
                )?
                .query_map(params![tenant.as_str(), kind.as_str()], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, i64>(2)?,
                        row.get::<_, Vec<u8>>(3)?,
                    ))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        rows.into_iter()
            .map(|(name, version, changed_at, body)| {
                let key = Key {
                    tenant: tenant.clone(),
                    kind,
                    name,
                };
                self.document(key, version, changed_at, &body)
            })
            .collect()
    }

    async fn put(
        &self,
        key: &Key,
        seen: Option<u64>,
        body: &str,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(StoreError::new(format!(
                "a document of {} bytes is larger than {BODY_BYTES_MAX}",
                body.len()
            )));
        }
        let version = seen.unwrap_or(0) + 1;
        let sealed = self.parts.seal.close(key, version, body)?;
        let key = key.clone();
        let written = self
            .write(move |db| {
                let (tenant, kind) = (key.tenant.as_str(), key.kind.as_str());
                let row = i64::try_from(version).unwrap_or(i64::MAX);
                let rows = match seen {
                    None => db
                        .prepare_cached(
                            "INSERT INTO documents (tenant, kind, name, version, changed_at, body)
                             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                        )?
                        .execute(params![tenant, kind, key.name, row, column(now), sealed])?,
                    Some(_) => db
                        .prepare_cached(
                            "UPDATE documents SET version = ?4, changed_at = ?5, body = ?6
                             WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND version = ?4 - 1",
                        )?
                        .execute(params![tenant, kind, key.name, row, column(now), sealed])?,
                };
                Ok(rows == 1)
            })
            .await?;
        Ok(if written {
            Put::Written { version }
        } else {
            Put::Lost
        })
    }

    async fn remove(&self, key: &Key, seen: u64) -> Result<bool, StoreError> {
        let key = key.clone();
        let seen = i64::try_from(seen).unwrap_or(i64::MAX);
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "DELETE FROM documents
                     WHERE tenant = ? AND kind = ? AND name = ? AND version = ?",
                )?
                .execute(params![
                    key.tenant.as_str(),
                    key.kind.as_str(),
                    key.name,
                    seen
                ])?;
            Ok::<_, Fault>(rows == 1)
        })
        .await
    }
}

impl Sqlite {
    fn document(
        &self,
        key: Key,
        version: i64,
        changed_at: i64,
        sealed: &[u8],
    ) -> Result<Document, StoreError> {
        let version = version.unsigned_abs();
        let body = self.parts.seal.open(&key, version, sealed)?;
        Ok(Document {
            key,
            version,
            changed_at: timestamp(changed_at)?,
            body,
        })
    }
}
