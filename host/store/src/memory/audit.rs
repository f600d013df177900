//! The audit log. Its key is everybody's: the process is gone before anybody could write rows.

use super::{Memory, Tables};
use crate::audit_chain::{Chain, Content, Link, START};
use async_trait::async_trait;
use postern_admin::audit::{AuditTrail, Checked, Pruned, Row};
use postern_login::audit::AuditEvent;
use postern_login::error::StoreError;
use postern_login::ports::AuditLog;
use postern_otp::Timestamp;

#[async_trait]
impl AuditLog for Memory {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let (removed, anchor) = begins_after(&tables);
        let before = tables.audit.last().map_or(anchor, |(_, link)| *link);
        let seq = removed + tables.audit.len() as u64 + 1;
        let link = link(&before, seq, &event)?;
        tables.audit.push((event, link));
        Ok(())
    }
}

/// The last row that was removed, and its link.
fn begins_after(tables: &Tables) -> (u64, Link) {
    tables
        .audit_pruned
        .as_ref()
        .map_or((0, START), |pruned| (pruned.seq, pruned.link))
}

/// What was removed: nobody can write to it, so it has no seal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin {
    seq: u64,
    link: Link,
    at: Timestamp,
}

fn link(before: &Link, seq: u64, event: &AuditEvent) -> Result<Link, StoreError> {
    let what = serde_json::to_string(&event.what)
        .map_err(|error| StoreError::caused("an audit event cannot be written", error))?;
    Ok(Chain::new(&[0; 32]).link(
        before,
        Content {
            seq,
            at: event.at.0,
            tenant: event.tenant.as_str(),
            login: event.login.as_deref(),
            who: event.who.as_deref(),
            address: event.address.as_deref(),
            what: &what,
        },
    ))
}

impl Memory {
    /// As `Sqlite::audit`.
    pub async fn audit(
        &self,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<(u64, AuditEvent)>, StoreError> {
        Ok(self
            .rows_after(after, rows_max)
            .await?
            .into_iter()
            .map(|row| (row.seq, row.event))
            .collect())
    }

    fn row(seq: u64, (event, link): &(AuditEvent, Link)) -> Row {
        Row {
            seq,
            event: event.clone(),
            link: hex::encode(link),
        }
    }
}

#[async_trait]
impl AuditTrail for Memory {
    async fn rows_before(
        &self,
        before: Option<u64>,
        rows_max: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let tables = self.tables();
        let (removed, _) = begins_after(&tables);
        let end = before.map_or(usize::MAX, |before| {
            usize::try_from(before.saturating_sub(removed + 1)).unwrap_or(usize::MAX)
        });
        let rows = (removed + 1..).zip(&tables.audit).take(end);
        let rows: Vec<_> = rows.collect();
        let newest = rows.into_iter().rev().take(rows_max as usize);
        Ok(newest.map(|(seq, row)| Self::row(seq, row)).collect())
    }

    async fn rows_after(&self, after: u64, rows_max: u32) -> Result<Vec<Row>, StoreError> {
        let tables = self.tables();
        let (removed, _) = begins_after(&tables);
        let rows = (removed + 1..).zip(&tables.audit);
        let skipped = after.saturating_sub(removed);
        Ok(rows
            .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
            .take(rows_max as usize)
            .map(|(seq, row)| Self::row(seq, row))
            .collect())
    }

    async fn check_chain(
        &self,
        last: Option<&postern_admin::audit::Link>,
        rows_max: u32,
    ) -> Result<Checked, StoreError> {
        let (removed, anchor) = begins_after(&self.tables());
        let after = last.map_or(removed, |last| last.seq);
        let mut before = last.map_or_else(|| hex::encode(anchor), |last| last.link.clone());
        let rows = self.rows_after(after, rows_max).await?;
        let Some(end) = rows.last().map(|row| row.seq) else {
            return Ok(Checked::End);
        };
        for row in &rows {
            let mut earlier = START;
            let broken = |why: &str| Checked::Broken {
                seq: row.seq,
                why: why.to_owned(),
            };
            if hex::decode_to_slice(&before, &mut earlier).is_err()
                || hex::encode(link(&earlier, row.seq, &row.event)?) != row.link
            {
                return Ok(broken("it is not as it was written"));
            }
            before = row.link.clone();
        }
        Ok(Checked::Onward {
            rows: rows.len() as u64,
            last: postern_admin::audit::Link {
                seq: end,
                link: before,
            },
        })
    }

    async fn pruned(&self) -> Result<Option<Pruned>, StoreError> {
        Ok(self.tables().audit_pruned.map(|begin| Pruned {
            through: postern_admin::audit::Link {
                seq: begin.seq,
                link: hex::encode(begin.link),
            },
            at: begin.at,
        }))
    }

    async fn prune(
        &self,
        through: &postern_admin::audit::Link,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let (removed, _) = begins_after(&tables);
        let count = usize::try_from(through.seq.saturating_sub(removed)).unwrap_or(usize::MAX);
        let last = count.checked_sub(1).and_then(|at| tables.audit.get(at));
        let Some(link) = last.map(|(_, link)| *link) else {
            return Ok(false);
        };
        if !hex::encode(link).eq_ignore_ascii_case(&through.link) {
            return Ok(false);
        }
        tables.audit.drain(..count);
        tables.audit_pruned = Some(Begin {
            seq: through.seq,
            link,
            at: now,
        });
        Ok(true)
    }
}
