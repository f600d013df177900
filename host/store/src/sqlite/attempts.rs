//! Attempts paid: the challenge's own count, in the login's row, and the subject's ledger.
//!
//! Count first, compare second: two parallel guesses cost two attempts even if both read the row
//! before either writes, because nobody reads it outside of the statement that raises it.

use super::{Fault, Outlives, Sqlite, column, timestamp};
use crate::attempts::{Counted, For, next_ledger, payment};
use crate::digest;
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{AttemptStore, Payment, Subject};
use postern_login::{LoginId, TenantId};
use postern_otp::lock::Ledger;
use postern_otp::{AttemptPolicy, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl AttemptStore for Sqlite {
    async fn pay(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        self.count(For::Code, subject, challenge, now, policy).await
    }

    async fn pay_backup(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        self.count(For::BackupCode, subject, challenge, now, policy)
            .await
    }

    async fn ledger(&self, subject: &Subject) -> Result<Ledger, StoreError> {
        self.read(|db| load(db, &subject.key()))
    }

    async fn clear(&self, subject: &Subject) -> Result<(), StoreError> {
        let key = subject.key();
        self.write(move |db| clear(db, &key)).await
    }

    async fn unlock(&self, subject: &Subject) -> Result<(), StoreError> {
        let key = subject.key();
        self.write(move |db| save(db, &key, load(db, &key)?.unlocked()))
            .await
    }

    async fn unlock_all(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<Subject>, StoreError> {
        let tenant = tenant.clone();
        self.write(move |db| {
            let keys = db
                .prepare_cached("SELECT subject FROM ledgers WHERE disabled OR locked_until > ?")?
                .query_map([column(now)], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let mut unlocked = Vec::new();
            for key in keys {
                let subject = Subject::of_key(&key).filter(|subject| *subject.tenant() == tenant);
                if let Some(subject) = subject {
                    save(db, &key, load(db, &key)?.unlocked())?;
                    unlocked.push(subject);
                }
            }
            Ok(unlocked)
        })
        .await
    }
}

impl Sqlite {
    async fn count(
        &self,
        what: For,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        let (key, tenant) = (subject.key(), subject.tenant().clone());
        let challenge = digest::of(challenge.as_str());
        let rules = policy.clone();
        // Synced with the row that says what the attempt was.
        let counted = self
            .write_to_outlive(Outlives::Process, move |db| {
                let next = match next_ledger(load(db, &key)?, what, now, &rules) {
                    Ok(next) => next,
                    Err(refused) => return Ok(refused),
                };
                // A login that is gone or over, or another tenant's, has no budget.
                let attempt: Option<u32> = db
                    .prepare_cached(
                        "UPDATE logins SET attempts = attempts + 1
                         WHERE id = ? AND tenant = ? AND attempts < ? AND expires_at > ?
                         RETURNING attempts",
                    )?
                    .query_row(
                        params![challenge, tenant.as_str(), rules.attempts_max, column(now)],
                        |row| row.get(0),
                    )
                    .optional()?;
                let Some(attempt) = attempt else {
                    return Ok(Counted::Exhausted);
                };
                save(db, &key, next)?;
                Ok(Counted::Paid(attempt))
            })
            .await?;
        Ok(payment(counted, policy))
    }
}

/// After a success, by itself or with the move that the success made.
pub(super) fn clear(db: &Connection, subject: &str) -> Result<(), Fault> {
    save(db, subject, load(db, subject)?.cleared())
}

fn load(db: &Connection, subject: &str) -> Result<Ledger, Fault> {
    let row = db
        .prepare_cached(
            "SELECT failures, window_start, in_a_row, locks, locked_until, disabled, backup_tries
             FROM ledgers WHERE subject = ?",
        )?
        .query_row([subject], |row| {
            Ok((
                Ledger {
                    failures: row.get(0)?,
                    window_start: None,
                    in_a_row: row.get(2)?,
                    locks: row.get(3)?,
                    locked_until: None,
                    disabled: row.get(5)?,
                    backup_tries: row.get(6)?,
                },
                row.get::<_, Option<i64>>(1)?,
                row.get::<_, Option<i64>>(4)?,
            ))
        })
        .optional()?;
    let Some((ledger, window_start, locked_until)) = row else {
        return Ok(Ledger::default());
    };
    Ok(Ledger {
        window_start: window_start.map(timestamp).transpose()?,
        locked_until: locked_until.map(timestamp).transpose()?,
        ..ledger
    })
}

/// A ledger with nothing in it needs no row.
fn save(db: &Connection, subject: &str, ledger: Ledger) -> Result<(), Fault> {
    if ledger == Ledger::default() {
        db.prepare_cached("DELETE FROM ledgers WHERE subject = ?")?
            .execute([subject])?;
        return Ok(());
    }
    db.prepare_cached(
        "INSERT OR REPLACE INTO ledgers
         (subject, failures, window_start, in_a_row, locks, locked_until, disabled, backup_tries)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        subject,
        ledger.failures,
        ledger.window_start.map(column),
        ledger.in_a_row,
        ledger.locks,
        ledger.locked_until.map(column),
        ledger.disabled,
        ledger.backup_tries,
    ])?;
    Ok(())
}
