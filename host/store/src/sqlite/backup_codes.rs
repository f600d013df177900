//! Backup codes. A code that was used has no row any more.

use super::{Fault, Sqlite, column};
use crate::backup_set::{self, Salt, Set};
use crate::directory::password::Cost;
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{BackupCodeStore, Subject};
use postern_otp::{BackupCode, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl BackupCodeStore for Sqlite {
    async fn replace(
        &self,
        subject: &Subject,
        codes: &[BackupCode],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (salt, hashes) = backup_set::hashed(codes, &self.parts.hashing).await?;
        let key = subject.key();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM backup_codes WHERE subject = ?")?
                .execute([&key])?;
            db.prepare_cached(
                "INSERT OR REPLACE INTO backup_sets
                 (subject, salt, memory_kib, passes, lanes, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                key,
                salt.bytes,
                salt.cost.memory_kib,
                salt.cost.passes,
                salt.cost.lanes,
                column(now)
            ])?;
            let mut insert =
                db.prepare_cached("INSERT INTO backup_codes (subject, hash) VALUES (?, ?)")?;
            for hash in &hashes {
                insert.execute(params![key, hash])?;
            }
            Ok(())
        })
        .await
    }

    async fn remaining(&self, subject: &Subject) -> Result<u32, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT count(*) FROM backup_codes WHERE subject = ?")?
                .query_row([subject.key()], |row| row.get(0))?)
        })
    }

    async fn consume(
        &self,
        subject: &Subject,
        code: &BackupCode,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = subject.key();
        let set = self.read(|db| load(db, &key))?;
        let Some(hash) = backup_set::find(code, set, &self.parts.hashing).await? else {
            return Ok(false);
        };
        // Of all who found it, the one that removes it has used it; a set that was replaced
        // meanwhile has another salt, so no hash of the old one is in it.
        self.write(move |db| {
            let rows = db
                .prepare_cached("DELETE FROM backup_codes WHERE subject = ? AND hash = ?")?
                .execute(params![key, hash])?;
            Ok(rows == 1)
        })
        .await
    }
}

fn load(db: &Connection, subject: &str) -> Result<Option<Set>, Fault> {
    // One snapshot: a set replaced between the two reads must not mix with the old one.
    let snapshot = db.unchecked_transaction()?;
    let salt = snapshot
        .prepare_cached(
            "SELECT salt, memory_kib, passes, lanes FROM backup_sets WHERE subject = ?",
        )?
        .query_row([subject], |row| {
            Ok(Salt {
                bytes: row.get(0)?,
                cost: Cost {
                    memory_kib: row.get(1)?,
                    passes: row.get(2)?,
                    lanes: row.get(3)?,
                },
            })
        })
        .optional()?;
    let Some(salt) = salt else {
        return Ok(None);
    };
    let hashes = snapshot
        .prepare_cached("SELECT hash FROM backup_codes WHERE subject = ?")?
        .query_map([subject], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some((salt, hashes)))
}
