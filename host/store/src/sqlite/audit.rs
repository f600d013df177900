//! The audit log: rows are added, never changed.

use super::{Fault, Sqlite, column, timestamp};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::audit::{AuditEvent, CodeStatus, What};
use postern_login::error::StoreError;
use postern_login::ports::AuditLog;
use rusqlite::{Connection, params};

#[async_trait]
impl AuditLog for Sqlite {
    /// All events keep the order in which they were recorded. One that decides a login is on disk
    /// when this returns; the others follow with the next commit, and an error says only that they
    /// could not be queued.
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let decides = decides(&event.what);
        let row = Row::of(event)?;
        let act = move |db: &Connection| row.add(db);
        if decides {
            self.write(act).await
        } else {
            self.write_later(act)
        }
    }
}

/// An event as it is written: made before it is the writer's turn, so that nobody waits for it.
pub(super) struct Row {
    event: AuditEvent,
    what: String,
}

impl Row {
    pub(super) fn of(event: AuditEvent) -> Result<Self, StoreError> {
        let what = serde_json::to_string(&event.what)
            .map_err(|error| StoreError::caused("an audit event cannot be written", error))?;
        Ok(Self { event, what })
    }

    pub(super) fn add(&self, db: &Connection) -> Result<(), Fault> {
        let event = &self.event;
        db.prepare_cached(
            "INSERT INTO audit (at, tenant, login, who, address, what)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            column(event.at),
            event.tenant.as_str(),
            event.login,
            event.who,
            event.address,
            self.what
        ])?;
        Ok(())
    }
}

impl Sqlite {
    /// The events after the row `after` (0: from the first), oldest first, with their row numbers.
    pub async fn audit(
        &self,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<(u64, AuditEvent)>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT seq, at, tenant, login, who, address, what FROM audit
                     WHERE seq > ? ORDER BY seq LIMIT ?",
                )?
                .query_map(params![after, rows_max], |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                        row.get::<_, String>(6)?,
                    ))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        rows.into_iter()
            .map(|(seq, at, tenant, login, who, address, what)| {
                let broken = || format!("audit row {seq} is broken");
                Ok((
                    seq.unsigned_abs(),
                    AuditEvent {
                        at: timestamp(at)?,
                        tenant: TenantId::parse(&tenant)
                            .map_err(|error| StoreError::caused(broken(), error))?,
                        login,
                        who,
                        address,
                        what: serde_json::from_str(&what)
                            .map_err(|error| StoreError::caused(broken(), error))?,
                    },
                ))
            })
            .collect()
    }
}

/// Whether somebody gets in, or what it takes to get in changes, because of what happened: then it
/// must be known before the answer goes out.
fn decides(what: &What) -> bool {
    match what {
        What::CodeValidated {
            status: CodeStatus::Success | CodeStatus::Backup,
            ..
        }
        | What::Replay
        | What::AttemptsExhausted
        | What::FactorLocked { .. }
        | What::FactorDisabled
        | What::BackupCodeUsed { .. }
        | What::BackupCodesReplaced
        | What::NumberChanged { .. }
        | What::OptOutChanged { .. }
        | What::SecondFactorSkipped { .. }
        | What::LoginSucceeded { .. }
        | What::AssociationRemoved { .. }
        | What::FactorUnlocked
        | What::PasswordChanged => true,
        What::FirstStepPassed
        | What::FirstStepFailed
        | What::CodeSent { .. }
        | What::CodeNotSent { .. }
        | What::CodeValidated { .. }
        | What::SendingStopped { .. }
        | What::LoginStopped { .. }
        | What::SessionClosed
        | What::TenantBudgetSpent
        | What::Relayed { .. } => false,
    }
}
