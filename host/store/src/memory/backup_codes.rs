//! Backup codes. A code that was used is not in its set any more.

use super::Memory;
use crate::backup_set;
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{BackupCodeStore, Subject};
use postern_otp::{BackupCode, Timestamp};

#[async_trait]
impl BackupCodeStore for Memory {
    async fn replace(
        &self,
        subject: &Subject,
        codes: &[BackupCode],
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        let set = backup_set::hashed(codes, &self.hashing).await?;
        self.tables().backup_sets.insert(subject.key(), set);
        Ok(())
    }

    async fn remaining(&self, subject: &Subject) -> Result<u32, StoreError> {
        let tables = self.tables();
        let left = tables
            .backup_sets
            .get(&subject.key())
            .map_or(0, |(_, hashes)| hashes.len());
        Ok(u32::try_from(left).unwrap_or(u32::MAX))
    }

    async fn consume(
        &self,
        subject: &Subject,
        code: &BackupCode,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = subject.key();
        let set = self.tables().backup_sets.get(&key).cloned();
        let Some(found) = backup_set::find(code, set, &self.hashing).await? else {
            return Ok(false);
        };
        // Of all who found it, the one that removes it has used it.
        let mut tables = self.tables();
        let Some((_, hashes)) = tables.backup_sets.get_mut(&key) else {
            return Ok(false);
        };
        let before = hashes.len();
        hashes.retain(|hash| *hash != found);
        Ok(hashes.len() < before)
    }
}
