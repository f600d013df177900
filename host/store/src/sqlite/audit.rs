//! The audit log: rows are added, never changed. Each carries its link of the chain. The oldest are
//! removed only with a sealed note of where the chain begins since.

use super::{Fault, Sqlite, column, timestamp};
use crate::audit_chain::{Chain, Content, Link, START};
use async_trait::async_trait;
use postern_admin::audit::{self as trail, AuditTrail, Checked};
use postern_login::TenantId;
use postern_login::audit::{AuditEvent, What};
use postern_login::error::StoreError;
use postern_login::ports::AuditLog;
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl AuditLog for Sqlite {
    /// All events keep the order in which they were recorded. One that decides a login is on disk
    /// when this returns; the others get there within a second, and an error says only that they could
    /// not be queued.
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let row = Row::of(event, &self.parts.chain)?;
        let decides = row.decides();
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
    chain: Chain,
}

impl Row {
    pub(super) fn of(event: AuditEvent, chain: &Chain) -> Result<Self, StoreError> {
        let what = serde_json::to_string(&event.what)
            .map_err(|error| StoreError::caused("an audit event cannot be written", error))?;
        let chain = chain.clone();
        Ok(Self { event, what, chain })
    }

    pub(super) fn decides(&self) -> bool {
        decides(&self.event.what)
    }

    /// Adds the row behind the last one. Only the writer calls this, so nothing comes between; the
    /// last link is read from the table, because a transaction that was undone takes its links with
    /// it.
    pub(super) fn add(&self, db: &Connection) -> Result<(), Fault> {
        let event = &self.event;
        let last = db
            .prepare_cached("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Link>(1)?))
            })
            .optional()?;
        // All of them may have been removed.
        let (last, before) = match last {
            Some(last) => last,
            None => Anchor::find(db)?.map_or((0, START), |anchor| (anchor.seq, anchor.link)),
        };
        let seq = last + 1;
        let link = self.chain.link(
            &before,
            Content {
                seq: seq.unsigned_abs(),
                at: column(event.at).unsigned_abs(),
                tenant: event.tenant.as_str(),
                login: event.login.as_deref(),
                who: event.who.as_deref(),
                address: event.address.as_deref(),
                what: &self.what,
            },
        );
        db.prepare_cached(
            "INSERT INTO audit (seq, at, tenant, login, who, address, what, link)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            seq,
            column(event.at),
            event.tenant.as_str(),
            event.login,
            event.who,
            event.address,
            self.what,
            link
        ])?;
        Ok(())
    }
}

/// Rows of a store from before the chain get their links: from here on they are held, too. Only for such a
/// store: links that somebody took away later stay away, and are a break.
pub(super) fn link_old_rows(db: &mut Connection, chain: &Chain) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    {
        let mut rows = transaction.prepare(COLUMNS_IN_ORDER)?;
        let mut update = transaction.prepare("UPDATE audit SET link = ? WHERE seq = ?")?;
        let mut before = START;
        let mut found = rows.query(params![0, i64::MAX])?;
        while let Some(row) = found.next()? {
            let stored = Stored::read(row)?;
            before = chain.link(&before, stored.content());
            update.execute(params![before, stored.seq])?;
        }
    }
    transaction.commit()
}

const COLUMNS_IN_ORDER: &str = "SELECT seq, at, tenant, login, who, address, what, link FROM audit
     WHERE seq > ? ORDER BY seq LIMIT ?";
const COLUMNS_BACKWARDS: &str = "SELECT seq, at, tenant, login, who, address, what, link FROM audit
     WHERE seq < ? ORDER BY seq DESC LIMIT ?";

/// The note of what was removed.
struct Anchor {
    seq: i64,
    link: Link,
    at: i64,
    seal: Link,
}

impl Anchor {
    fn find(db: &Connection) -> Result<Option<Self>, Fault> {
        let anchor = db
            .prepare_cached("SELECT seq, link, at, seal FROM audit_anchor")?
            .query_row([], |row| {
                Ok(Self {
                    seq: row.get(0)?,
                    link: row.get(1)?,
                    at: row.get(2)?,
                    seal: row.get(3)?,
                })
            })
            .optional()?;
        Ok(anchor)
    }

    fn is_ours(&self, chain: &Chain) -> bool {
        let (seq, at) = (self.seq.unsigned_abs(), self.at.unsigned_abs());
        chain.seal(seq, &self.link, at) == self.seal
    }
}

/// A row as it is stored.
struct Stored {
    seq: i64,
    at: i64,
    tenant: String,
    login: Option<String>,
    who: Option<String>,
    address: Option<String>,
    what: String,
    link: Option<Link>,
}

impl Stored {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            tenant: row.get(2)?,
            login: row.get(3)?,
            who: row.get(4)?,
            address: row.get(5)?,
            what: row.get(6)?,
            link: row.get(7)?,
        })
    }

    fn content(&self) -> Content<'_> {
        Content {
            seq: self.seq.unsigned_abs(),
            at: self.at.unsigned_abs(),
            tenant: &self.tenant,
            login: self.login.as_deref(),
            who: self.who.as_deref(),
            address: self.address.as_deref(),
            what: &self.what,
        }
    }

    fn into_row(self) -> Result<trail::Row, StoreError> {
        let broken = || format!("audit row {} is broken", self.seq);
        Ok(trail::Row {
            seq: self.seq.unsigned_abs(),
            event: AuditEvent {
                at: timestamp(self.at)?,
                tenant: TenantId::parse(&self.tenant)
                    .map_err(|error| StoreError::caused(broken(), error))?,
                what: serde_json::from_str(&self.what)
                    .map_err(|error| StoreError::caused(broken(), error))?,
                login: self.login,
                who: self.who,
                address: self.address,
            },
            link: self.link.map(hex::encode).unwrap_or_default(),
        })
    }
}

impl Sqlite {
    /// The events after the row `after` (0: from the first), oldest first, with their row numbers.
    pub async fn audit(
        &self,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<(u64, AuditEvent)>, StoreError> {
        let rows = self.rows_after(after, rows_max).await?;
        Ok(rows.into_iter().map(|row| (row.seq, row.event)).collect())
    }

    fn stored(&self, sql: &str, edge: i64, rows_max: u32) -> Result<Vec<Stored>, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(sql)?
                .query_map(params![edge, rows_max], Stored::read)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
    }
}

#[async_trait]
impl AuditTrail for Sqlite {
    async fn rows_before(
        &self,
        before: Option<u64>,
        rows_max: u32,
    ) -> Result<Vec<trail::Row>, StoreError> {
        let before = before.map_or(i64::MAX, |seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let rows = self.stored(COLUMNS_BACKWARDS, before, rows_max)?;
        rows.into_iter().map(Stored::into_row).collect()
    }

    async fn rows_after(&self, after: u64, rows_max: u32) -> Result<Vec<trail::Row>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = self.stored(COLUMNS_IN_ORDER, after, rows_max)?;
        rows.into_iter().map(Stored::into_row).collect()
    }

    async fn check_chain(
        &self,
        last: Option<&trail::Link>,
        rows_max: u32,
    ) -> Result<Checked, StoreError> {
        let mut before = START;
        let mut seq = 0;
        let anchor = match last {
            None => self.read(Anchor::find)?,
            Some(_) => None,
        };
        if let Some(anchor) = anchor {
            if !anchor.is_ours(&self.parts.chain) {
                return Ok(Checked::Broken {
                    seq: anchor.seq.unsigned_abs(),
                    why: "the note of what was removed up to it is not as it was written"
                        .to_owned(),
                });
            }
            (before, seq) = (anchor.link, anchor.seq);
        }
        if let Some(last) = last {
            hex::decode_to_slice(&last.link, &mut before)
                .map_err(|error| StoreError::caused("a link is 64 hexadecimal digits", error))?;
            seq = i64::try_from(last.seq).unwrap_or(i64::MAX);
        }
        let broken = |seq: i64, why: &str| {
            Ok(Checked::Broken {
                seq: seq.unsigned_abs(),
                why: why.to_owned(),
            })
        };
        let rows = self.stored(COLUMNS_IN_ORDER, seq, rows_max)?;
        if rows.is_empty() {
            // SQLite remembers the highest number it gave: rows cut off at the end are missed.
            let given: Option<i64> = self.read(|db| {
                Ok(db
                    .query_row(
                        "SELECT seq FROM sqlite_sequence WHERE name = 'audit'",
                        [],
                        |row| row.get(0),
                    )
                    .optional()?)
            })?;
            return match given {
                Some(given) if given > seq => broken(seq + 1, "it is missing"),
                _ => Ok(Checked::End),
            };
        }
        let count = rows.len() as u64;
        for row in &rows {
            if row.seq != seq + 1 {
                return broken(seq + 1, "it is missing");
            }
            let link = self.parts.chain.link(&before, row.content());
            if row.link != Some(link) {
                return broken(row.seq, "it is not as it was written");
            }
            (before, seq) = (link, row.seq);
        }
        Ok(Checked::Onward {
            rows: count,
            last: trail::Link {
                seq: seq.unsigned_abs(),
                link: hex::encode(before),
            },
        })
    }

    async fn pruned(&self) -> Result<Option<trail::Pruned>, StoreError> {
        let Some(anchor) = self.read(Anchor::find)? else {
            return Ok(None);
        };
        Ok(Some(trail::Pruned {
            through: trail::Link {
                seq: anchor.seq.unsigned_abs(),
                link: hex::encode(anchor.link),
            },
            at: timestamp(anchor.at)?,
        }))
    }

    async fn prune(&self, through: &trail::Link, now: Timestamp) -> Result<bool, StoreError> {
        let mut link = START;
        hex::decode_to_slice(&through.link, &mut link)
            .map_err(|error| StoreError::caused("a link is 64 hexadecimal digits", error))?;
        let seq = i64::try_from(through.seq).unwrap_or(i64::MAX);
        let at = column(now);
        let seal = self.parts.chain.seal(through.seq, &link, at.unsigned_abs());
        self.write(move |db| {
            let there = db
                .prepare_cached("SELECT 1 FROM audit WHERE seq = ? AND link = ?")?
                .exists(params![seq, link])?;
            if !there {
                return Ok(false);
            }
            db.prepare_cached(
                "INSERT INTO audit_anchor (only, seq, link, at, seal) VALUES (1, ?, ?, ?, ?)
                 ON CONFLICT (only) DO UPDATE SET seq = excluded.seq, link = excluded.link,
                    at = excluded.at, seal = excluded.seal",
            )?
            .execute(params![seq, link, at, seal])?;
            db.prepare_cached("DELETE FROM audit WHERE seq <= ?")?
                .execute([seq])?;
            Ok(true)
        })
        .await
    }
}

/// Whether somebody gets in, or what it takes to get in changes, because of what happened: then it
/// must be known before the answer goes out. What an attempt was is the end of what was paid for it.
fn decides(what: &What) -> bool {
    match what {
        What::CodeValidated { .. }
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
        | What::PasswordChanged
        | What::FactorUnlocked { .. }
        | What::CodeAccepted
        | What::Administered { .. }
        | What::AdministrationRefused { .. }
        | What::AdministrationFailed { .. }
        | What::ConsoleOpened { .. }
        | What::ConsoleClosed => true,
        What::FirstStepPassed
        | What::FirstStepFailed
        | What::CodeSent { .. }
        | What::CodeNotSent { .. }
        | What::CodeRefused { .. }
        | What::SendingStopped { .. }
        | What::LoginStopped { .. }
        | What::SessionClosed
        | What::TenantBudgetSpent
        | What::PasswordChangeRefused
        | What::Relayed { .. }
        | What::RelayFailed { .. } => false,
    }
}
