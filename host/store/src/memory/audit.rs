//! The audit log.

use super::Memory;
use async_trait::async_trait;
use postern_login::audit::AuditEvent;
use postern_login::error::StoreError;
use postern_login::ports::AuditLog;

#[async_trait]
impl AuditLog for Memory {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.tables().audit.push(event);
        Ok(())
    }
}

impl Memory {
    /// As `Sqlite::audit`.
    pub async fn audit(
        &self,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<(u64, AuditEvent)>, StoreError> {
        Ok((1..)
            .zip(self.tables().audit.iter().cloned())
            .skip(usize::try_from(after).unwrap_or(usize::MAX))
            .take(rows_max as usize)
            .collect())
    }
}
