//! API clients. They are few and asked for with every call, and nobody else writes this store: all
//! of them are held in memory.

use super::{Fault, Sqlite, column, timestamp};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Added, ApiClient, ApiClients, Scope};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The clients by the SHA-256 of their token.
pub(super) struct ByToken(RwLock<HashMap<[u8; 32], ApiClient>>);

impl ByToken {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let clients = db
            .prepare("SELECT token, name, tenant, created_at, scopes FROM clients")?
            .query_map([], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get::<_, String>(2)?,
                    row.get(3)?,
                    row.get::<_, String>(4)?,
                ))
            })?
            .map(|row| {
                let (token, name, tenant, created_at, scopes) = row?;
                // Read here once, so that a broken row stops the start and not a call.
                let broken = |index| {
                    rusqlite::Error::InvalidColumnType(
                        index,
                        "clients".into(),
                        rusqlite::types::Type::Text,
                    )
                };
                Ok((
                    token,
                    ApiClient {
                        name,
                        tenant: TenantId::parse(&tenant).map_err(|_| broken(2))?,
                        created_at: timestamp(created_at).map_err(|_| broken(3))?,
                        scopes: scopes
                            .split_ascii_whitespace()
                            .map(|scope| Scope::parse(scope).ok_or_else(|| broken(4)))
                            .collect::<Result<_, _>>()?,
                    },
                ))
            })
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self(RwLock::new(clients)))
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<[u8; 32], ApiClient>> {
        // Nothing that can panic runs while the map is locked.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<[u8; 32], ApiClient>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ApiClients for Sqlite {
    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<ApiClient>, StoreError> {
        Ok(self.parts.by_token.read().get(token_sha256).cloned())
    }

    async fn add(&self, client: &ApiClient, token_sha256: &[u8; 32]) -> Result<Added, StoreError> {
        let (token, row) = (*token_sha256, client.clone());
        let scopes: Vec<_> = client.scopes.iter().map(|scope| scope.as_str()).collect();
        let scopes = scopes.join(" ");
        let added = self
            .write(move |db| {
                let rows = db
                    .prepare_cached(
                        "INSERT INTO clients (name, tenant, created_at, token, scopes)
                         VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                    )?
                    .execute(params![
                        row.name,
                        row.tenant.as_str(),
                        column(row.created_at),
                        token,
                        scopes
                    ])?;
                Ok(rows == 1)
            })
            .await?;
        if !added {
            return Ok(Added::NameTaken);
        }
        self.parts.by_token.write().insert(token, client.clone());
        Ok(Added::Added)
    }

    async fn list(&self) -> Result<Vec<ApiClient>, StoreError> {
        let mut clients: Vec<_> = self.parts.by_token.read().values().cloned().collect();
        clients.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(clients)
    }

    async fn revoke(&self, name: &str) -> Result<bool, StoreError> {
        let row = name.to_owned();
        let revoked = self
            .write(move |db| {
                let rows = db
                    .prepare_cached("DELETE FROM clients WHERE name = ?")?
                    .execute([&row])?;
                Ok::<_, Fault>(rows == 1)
            })
            .await?;
        self.parts
            .by_token
            .write()
            .retain(|_, client| client.name != name);
        Ok(revoked)
    }
}
