//! Sessions.

use super::{Fault, Sqlite, column, timestamp};
use crate::{digest, row};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{SessionStore, Subject};
use postern_login::session::{Session, SessionId};
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl SessionStore for Sqlite {
    async fn open(&self, session: &Session) -> Result<(), StoreError> {
        let row = Row::of(session)?;
        self.write(move |db| row.add(db)).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let found = self.read(|db| {
            let row: Option<(i64, Vec<u8>)> = db
                .prepare_cached(
                    "SELECT expires_at, body FROM sessions WHERE id = ? AND tenant = ?",
                )?
                .query_row(params![digest::of(id.as_str()), tenant.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            Ok(row)
        })?;
        let Some((expires_at, body)) = found else {
            return Ok(None);
        };
        let session = row::to_session(&body, id.clone(), timestamp(expires_at)?)?;
        Ok((now < session.expires_at).then_some(session))
    }

    async fn close(&self, tenant: &TenantId, id: &SessionId) -> Result<(), StoreError> {
        let (tenant, id) = (tenant.clone(), digest::of(id.as_str()));
        self.write(move |db| {
            db.prepare_cached("DELETE FROM sessions WHERE id = ? AND tenant = ?")?
                .execute(params![id, tenant.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn close_named(&self, subject: &Subject, name: &str) -> Result<bool, StoreError> {
        let (subject, name) = (subject.key(), name.to_owned());
        self.write(move |db| {
            let rows = db
                .prepare_cached("DELETE FROM sessions WHERE subject = ? AND name = ?")?
                .execute(params![subject, name])?;
            Ok(rows > 0)
        })
        .await
    }

    async fn all_of(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let rows = self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT id, expires_at, body FROM sessions
                     WHERE subject = ? AND expires_at > ?
                     ORDER BY rowid DESC LIMIT ?",
                )?
                .query_map(params![subject.key(), column(now), LISTED_MAX], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<rusqlite::Result<Vec<([u8; 32], i64, Vec<u8>)>>>()?)
        })?;
        rows.into_iter()
            .map(|(digest, expires_at, body)| {
                row::to_session(&body, digest::listed(&digest), timestamp(expires_at)?)
            })
            .collect()
    }

    async fn close_all_of(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
    ) -> Result<u64, StoreError> {
        let subject = subject.key();
        // No digest is empty, so the empty one spares nothing.
        let except = except.map_or(Vec::new(), |id| digest::of(id.as_str()).to_vec());
        self.write(move |db| {
            let rows = db
                .prepare_cached("DELETE FROM sessions WHERE subject = ? AND id <> ?")?
                .execute(params![subject, except])?;
            Ok(rows as u64)
        })
        .await
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.write(move |db| remove_expired(db, now, rows_max))
            .await
    }
}

/// A session as it is written.
pub(super) struct Row {
    id: [u8; 32],
    name: String,
    subject: String,
    expires_at: i64,
    body: Vec<u8>,
    tenant: TenantId,
}

impl Row {
    pub(super) fn of(session: &Session) -> Result<Self, StoreError> {
        Ok(Self {
            id: digest::of(session.id.as_str()),
            name: session.name.clone(),
            subject: session.subject().key(),
            expires_at: column(session.expires_at),
            body: row::of_session(session)?,
            tenant: session.tenant.clone(),
        })
    }

    pub(super) fn add(&self, db: &Connection) -> Result<(), Fault> {
        db.prepare_cached(
            "INSERT INTO sessions (id, name, subject, expires_at, body, tenant)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            self.id,
            self.name,
            self.subject,
            self.expires_at,
            self.body,
            self.tenant.as_str()
        ])?;
        Ok(())
    }
}

/// A person's list shows the newest; nobody reads further.
const LISTED_MAX: u32 = 200;

pub(super) fn remove_expired(db: &Connection, now: Timestamp, rows_max: u32) -> Result<u64, Fault> {
    let rows = db
        .prepare_cached(
            "DELETE FROM sessions WHERE rowid IN
             (SELECT rowid FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        )?
        .execute(params![column(now), rows_max])?;
    Ok(rows as u64)
}
