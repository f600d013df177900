//! What may be used once.

use super::parking::column;
use super::{Fault, Sqlite};
use crate::digest;
use crate::port::to_port;
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::{Once, PortError};
use rusqlite::{Connection, params};

#[async_trait]
impl Once for Sqlite {
    async fn first(
        &self,
        tenant: &str,
        kind: &str,
        id: &str,
        until: Moment,
        now: Moment,
    ) -> Result<bool, PortError> {
        let id = digest::of_once(tenant, kind, id);
        let tenant = tenant.to_owned();
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "INSERT INTO used_once (id, tenant, expires_at) VALUES (?1, ?2, ?3)
                     ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
                     WHERE used_once.expires_at <= ?4",
                )?
                .execute(params![id, tenant, column(until), column(now)])?;
            Ok(rows == 1)
        })
        .await
        .map_err(to_port)
    }

    async fn remove_expired(&self, now: Moment, rows_max: u32) -> Result<u64, PortError> {
        self.write(move |db| remove_expired(db, column(now), rows_max))
            .await
            .map_err(to_port)
    }
}

pub(super) fn remove_expired(db: &Connection, now: i64, rows_max: u32) -> Result<u64, Fault> {
    let rows = db
        .prepare_cached(
            "DELETE FROM used_once WHERE rowid IN
             (SELECT rowid FROM used_once WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        )?
        .execute(params![now, rows_max])?;
    Ok(rows as u64)
}
