//! Answers kept for requests that carried an idempotency key.

use super::{Fault, Sqlite, column};
use crate::KEPT;
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{ApiClient, Idempotency, Reservation};
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl Idempotency for Sqlite {
    async fn reserve(
        &self,
        client: &ApiClient,
        key: &str,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let (client, key, fingerprint) = (client.clone(), key.to_owned(), *fingerprint);
        self.write(move |db| reserve(db, &client, &key, fingerprint, now))
            .await
    }

    async fn fill(&self, client: &ApiClient, key: &str, answer: &str) -> Result<(), StoreError> {
        let (client, key, answer) = (client.clone(), key.to_owned(), answer.to_owned());
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE replies SET answer = ? WHERE tenant = ? AND client = ? AND key = ?",
            )?
            .execute(params![answer, client.tenant.as_str(), client.name, key])?;
            Ok(())
        })
        .await
    }

    async fn release(&self, client: &ApiClient, key: &str) -> Result<(), StoreError> {
        let (client, key) = (client.clone(), key.to_owned());
        self.write(move |db| {
            db.prepare_cached(
                "DELETE FROM replies
                 WHERE tenant = ? AND client = ? AND key = ? AND answer IS NULL",
            )?
            .execute(params![client.tenant.as_str(), client.name, key])?;
            Ok(())
        })
        .await
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.write(move |db| remove_expired(db, now, rows_max))
            .await
    }
}

fn reserve(
    db: &Connection,
    client: &ApiClient,
    key: &str,
    fingerprint: [u8; 32],
    now: Timestamp,
) -> Result<Reservation, Fault> {
    let kept: Option<([u8; 32], Option<String>)> = db
        .prepare_cached(
            "SELECT fingerprint, answer FROM replies
             WHERE tenant = ? AND client = ? AND key = ? AND expires_at > ?",
        )?
        .query_row(
            params![client.tenant.as_str(), client.name, key, column(now)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    if let Some((earlier, answer)) = kept {
        return Ok(if earlier != fingerprint {
            Reservation::Differs
        } else {
            answer.map_or(Reservation::InProgress, Reservation::Answered)
        });
    }
    db.prepare_cached(
        "INSERT OR REPLACE INTO replies (tenant, client, key, fingerprint, answer, expires_at)
         VALUES (?, ?, ?, ?, NULL, ?)",
    )?
    .execute(params![
        client.tenant.as_str(),
        client.name,
        key,
        fingerprint,
        column(now.plus(KEPT))
    ])?;
    Ok(Reservation::Reserved)
}

pub(super) fn remove_expired(db: &Connection, now: Timestamp, rows_max: u32) -> Result<u64, Fault> {
    let rows = db
        .prepare_cached(
            "DELETE FROM replies WHERE (tenant, client, key) IN
             (SELECT tenant, client, key FROM replies WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        )?
        .execute(params![column(now), rows_max])?;
    Ok(rows as u64)
}
