//! What waits for a browser to come back.

use super::{Fault, Sqlite};
use crate::digest;
use crate::port::{fits, to_port};
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::{Parked, Parking, ParkingKey, PortError};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Nobody takes part in more at once.
const LISTED_MAX: u32 = 200;

#[async_trait]
impl Parking for Sqlite {
    async fn park(&self, key: &ParkingKey, parked: &Parked) -> Result<(), PortError> {
        fits(parked)?;
        let key = digest::of(key.as_str());
        let parked = parked.clone();
        self.write(move |db| {
            db.prepare_cached(
                "INSERT INTO parked (key, tenant, kind, grouped, expires_at, body)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                key,
                parked.tenant,
                parked.kind,
                parked.group,
                column(parked.expires_at),
                parked.body
            ])?;
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn parked(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError> {
        let key = digest::of(key.as_str());
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT tenant, kind, grouped, expires_at, body FROM parked
                     WHERE key = ? AND tenant = ? AND kind = ? AND expires_at > ?",
                )?
                .query_row(params![key, tenant, kind, column(now)], read)
                .optional()?)
        })
        .map_err(to_port)
    }

    async fn claim(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError> {
        let key = digest::of(key.as_str());
        let (tenant, kind) = (tenant.to_owned(), kind.to_owned());
        self.write(move |db| {
            Ok(db
                .prepare_cached(
                    "DELETE FROM parked
                     WHERE key = ? AND tenant = ? AND kind = ? AND expires_at > ?
                     RETURNING tenant, kind, grouped, expires_at, body",
                )?
                .query_row(params![key, tenant, kind, column(now)], read)
                .optional()?)
        })
        .await
        .map_err(to_port)
    }

    async fn group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT tenant, kind, grouped, expires_at, body FROM parked
                     WHERE tenant = ? AND kind = ? AND grouped = ? AND grouped <> ''
                     AND expires_at > ? ORDER BY rowid LIMIT ?",
                )?
                .query_map(params![tenant, kind, group, column(now), LISTED_MAX], read)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .map_err(to_port)
    }

    async fn claim_group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        let (tenant, kind, group) = (tenant.to_owned(), kind.to_owned(), group.to_owned());
        self.write(move |db| {
            let mut taken = db
                .prepare_cached(
                    "DELETE FROM parked
                     WHERE tenant = ? AND kind = ? AND grouped = ? AND grouped <> ''
                     RETURNING tenant, kind, grouped, expires_at, body, rowid",
                )?
                .query_map(params![tenant, kind, group], |row| {
                    Ok((row.get::<_, i64>(5)?, read(row)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            // RETURNING promises no order.
            taken.sort_by_key(|(rowid, _)| *rowid);
            let taken = taken.into_iter().map(|(_, parked)| parked);
            Ok(taken.filter(|parked| parked.expires_at > now).collect())
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

fn read(row: &Row<'_>) -> rusqlite::Result<Parked> {
    Ok(Parked {
        tenant: row.get(0)?,
        kind: row.get(1)?,
        group: row.get(2)?,
        // A time before 1970 is over, like every other that is.
        expires_at: Moment(u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0)),
        body: row.get(4)?,
    })
}

pub(super) fn column(at: Moment) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

pub(super) fn remove_expired(db: &Connection, now: i64, rows_max: u32) -> Result<u64, Fault> {
    let rows = db
        .prepare_cached(
            "DELETE FROM parked WHERE rowid IN
             (SELECT rowid FROM parked WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        )?
        .execute(params![now, rows_max])?;
    Ok(rows as u64)
}
