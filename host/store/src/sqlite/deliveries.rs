//! What peers wait to be told. Passwords on their way are sealed.

use super::{Fault, Sqlite};
use crate::port::to_port;
use async_trait::async_trait;
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::Outlook;
use postern_federation::scim::ports::{Deliveries, Delivery, Failed, Remote, Waits, What};
use postern_federation::{Moment, Secret};
use postern_login::error::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "seq, connector, kind, subject, gone, password, attempts, due_at, created_at, \
                       trouble, given_up, refusals, faults";

/// From the first attempt on.
const ANEW: &str = "attempts = 0, refusals = 0, faults = 0";

/// Of the same tenant, connector and subject as the row `?2` of the tenant `?1`.
const OF_ITS_SUBJECT: &str = "tenant = ?1 AND (connector, kind, subject) =
                                  (SELECT connector, kind, subject FROM deliveries
                                   WHERE tenant = ?1 AND seq = ?2)";

/// Told with the first of a subject in one go: memory is bounded by it, however many wait.
const FOLLOWERS_MAX: usize = 100;

type Half = (Delivery, String, Option<Vec<u8>>);

#[async_trait]
impl Deliveries for Sqlite {
    async fn announce(
        &self,
        tenant: &str,
        connectors: &[String],
        what: What,
        subject: &str,
        due_at: Moment,
        now: Moment,
    ) -> Result<Vec<u64>, PortError> {
        let (tenant, subject) = (tenant.to_owned(), subject.to_owned());
        let connectors = connectors.to_vec();
        self.write(move |db| {
            connectors
                .iter()
                .map(|connector| insert(db, &tenant, connector, what, &subject, due_at, now))
                .collect()
        })
        .await
        .map_err(to_port)
    }

    async fn confirm(
        &self,
        tenant: &str,
        announced: &[u64],
        gone: bool,
        password: Option<(&Secret, &[String])>,
        now: Moment,
    ) -> Result<(), PortError> {
        let sealed = match password {
            Some((password, connectors)) => self
                .sealed_passwords(tenant, announced, password, connectors)
                .map_err(to_port)?,
            None => Vec::new(),
        };
        let (tenant, announced) = (tenant.to_owned(), announced.to_vec());
        self.write(move |db| {
            for seq in &announced {
                let mine = sealed.iter().find(|(row, _)| row == seq);
                db.prepare_cached(
                    "UPDATE deliveries SET made = 1, due_at = ?, gone = ?, password = ?
                     WHERE tenant = ? AND seq = ?",
                )?
                .execute(params![
                    millis(now),
                    gone,
                    mine.map(|(_, sealed)| sealed),
                    tenant,
                    number(*seq)
                ])?;
                hurried(db, &tenant, *seq, now)?;
                let given_up = "WHERE tenant = ?1 AND given_up = 1 AND seq < ?2
                                  AND (connector, kind, subject) =
                                      (SELECT connector, kind, subject FROM deliveries
                                       WHERE tenant = ?1 AND seq = ?2)";
                if gone {
                    db.prepare_cached(&format!("DELETE FROM deliveries {given_up}"))?
                        .execute(params![tenant, number(*seq)])?;
                } else {
                    db.prepare_cached(&format!(
                        "UPDATE deliveries SET due_at = ?3, given_up = 0, {ANEW} {given_up}"
                    ))?
                    .execute(params![tenant, number(*seq), millis(now)])?;
                }
            }
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn hasten(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        by: Moment,
    ) -> Result<(), PortError> {
        let (tenant, connector) = (tenant.to_owned(), connector.to_owned());
        let subject = subject.to_owned();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE deliveries SET due_at = ?1, attempts = 1, refusals = 0, faults = 0
                 WHERE tenant = ?2 AND connector = ?3
                 AND kind = ?4 AND subject = ?5 AND attempts > 0 AND due_at > ?1 AND NOT given_up",
            )?
            .execute(params![
                millis(by),
                tenant,
                connector,
                what.as_str(),
                subject
            ])?;
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn withdraw(&self, tenant: &str, announced: &[u64]) -> Result<(), PortError> {
        let (tenant, announced) = (tenant.to_owned(), announced.to_vec());
        self.write(move |db| {
            for seq in &announced {
                let announced_at: Option<i64> = db
                    .prepare_cached(
                        "SELECT created_at FROM deliveries WHERE tenant = ? AND seq = ?",
                    )?
                    .query_row(params![tenant, number(*seq)], |row| row.get(0))
                    .optional()?;
                if let Some(at) = announced_at {
                    hurried(db, &tenant, *seq, moment(at))?;
                }
                remove(db, &tenant, *seq)?;
            }
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn due(
        &self,
        tenant: &str,
        connectors: &[String],
        now: Moment,
        rows_max: usize,
    ) -> Result<Vec<Delivery>, PortError> {
        let mut found = Vec::new();
        for connector in connectors {
            let left = rows_max.saturating_sub(found.len());
            let heads = self
                .read(|db| heads(db, tenant, connector, None, now, left))
                .map_err(to_port)?;
            for rows in heads {
                found.extend(self.readable(tenant, rows).await?);
            }
        }
        Ok(found)
    }

    async fn due_of(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        now: Moment,
    ) -> Result<Option<Delivery>, PortError> {
        let of = Some((what, subject));
        let mut heads = self
            .read(|db| heads(db, tenant, connector, of, now, 1))
            .map_err(to_port)?;
        match heads.pop() {
            Some(rows) => self.readable(tenant, rows).await,
            None => Ok(None),
        }
    }

    async fn waits(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
    ) -> Result<Waits, PortError> {
        let first: Option<bool> = self
            .read(|db| {
                Ok(db
                    .prepare_cached(
                        "SELECT given_up FROM deliveries
                         WHERE tenant = ? AND connector = ? AND kind = ? AND subject = ?
                         ORDER BY seq LIMIT 1",
                    )?
                    .query_row(params![tenant, connector, what.as_str(), subject], |row| {
                        row.get(0)
                    })
                    .optional()?)
            })
            .map_err(to_port)?;
        Ok(match first {
            None => Waits::Nothing,
            Some(false) => Waits::Comes,
            Some(true) => Waits::GivenUp,
        })
    }

    async fn told(&self, tenant: &str, delivery: &Delivery) -> Result<(), PortError> {
        let (tenant, delivery) = (tenant.to_owned(), delivery.clone());
        self.write(move |db| {
            db.prepare_cached(
                "DELETE FROM deliveries WHERE tenant = ? AND connector = ? AND kind = ?
                 AND subject = ? AND seq BETWEEN ? AND ?",
            )?
            .execute(params![
                tenant,
                delivery.connector,
                delivery.what.as_str(),
                delivery.subject,
                number(delivery.seq),
                number(delivery.through)
            ])?;
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn failed(
        &self,
        tenant: &str,
        delivery: &Delivery,
        failed: Failed,
    ) -> Result<Waits, PortError> {
        let tenant = tenant.to_owned();
        let (seq, delivery) = (delivery.seq, delivery.clone());
        self.write(move |db| {
            let retried = db
                .prepare_cached(
                    "UPDATE deliveries SET trouble = ?
                     WHERE tenant = ? AND seq = ? AND attempts = 0 AND NOT given_up
                       AND (? > 0 OR due_at > ?)",
                )?
                .execute(params![
                    failed.trouble,
                    tenant,
                    number(seq),
                    delivery.attempts,
                    millis(delivery.due_at)
                ])?;
            if retried == 1 {
                return Ok(Waits::Comes);
            }
            let rows = db
                .prepare_cached(
                    "UPDATE deliveries SET attempts = attempts + 1, refusals = refusals + ?,
                        faults = faults + ?, trouble = ?, due_at = ?, given_up = ?
                     WHERE tenant = ? AND seq = ?",
                )?
                .execute(params![
                    failed.outlook == Outlook::Refused,
                    failed.outlook == Outlook::Ours,
                    failed.trouble,
                    millis(failed.due_at),
                    failed.given_up,
                    tenant,
                    number(seq)
                ])?;
            if rows == 0 {
                return Ok(Waits::Nothing);
            }
            if !failed.given_up {
                return Ok(Waits::Comes);
            }
            let deletion: Option<i64> = db
                .prepare_cached(&format!(
                    "SELECT min(seq) FROM deliveries
                     WHERE {OF_ITS_SUBJECT} AND seq > ?2 AND gone = 1"
                ))?
                .query_row(params![tenant, number(seq)], |row| row.get(0))?;
            let no_passwords = |below: i64| -> Result<(), Fault> {
                db.prepare_cached(&format!(
                    "UPDATE deliveries SET password = NULL
                     WHERE {OF_ITS_SUBJECT} AND seq >= ?2 AND seq < ?3 AND password IS NOT NULL"
                ))?
                .execute(params![tenant, number(seq), below])?;
                Ok(())
            };
            if let Some(deletion) = deletion {
                no_passwords(deletion)?;
                remove(db, &tenant, seq)?;
                return Ok(Waits::Nothing);
            }
            let anew = match failed.ended_at {
                Some(ended_at) => anew_by(db, &tenant, &delivery, ended_at)?,
                None => None,
            };
            if let Some(by) = anew {
                db.prepare_cached(&format!(
                    "UPDATE deliveries SET due_at = ?, given_up = 0, {ANEW}
                     WHERE tenant = ? AND seq = ?"
                ))?
                .execute(params![millis(by), tenant, number(seq)])?;
                return Ok(Waits::Comes);
            }
            no_passwords(i64::MAX)?;
            Ok(Waits::GivenUp)
        })
        .await
        .map_err(to_port)
    }

    async fn waiting(
        &self,
        tenant: &str,
        after: u64,
        rows_max: usize,
    ) -> Result<Vec<Delivery>, PortError> {
        let rows = self
            .read(|db| {
                Ok(db
                    .prepare_cached(&format!(
                        "SELECT {COLUMNS} FROM deliveries WHERE tenant = ? AND seq > ?
                         ORDER BY seq LIMIT ?"
                    ))?
                    .query_map(params![tenant, number(after), size(rows_max)], half)?
                    .collect::<rusqlite::Result<Vec<_>>>()?)
            })
            .map_err(to_port)?;
        rows.into_iter()
            .map(|(row, kind, _)| {
                self.open_delivery(tenant, row, &kind, None)
                    .map_err(to_port)
            })
            .collect()
    }

    async fn counts(&self, tenant: &str) -> Result<Vec<(String, u64)>, PortError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT connector, count(*) FROM deliveries WHERE tenant = ?
                     GROUP BY connector ORDER BY connector",
                )?
                .query_map([tenant], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
        .map_err(to_port)
    }

    async fn retry(
        &self,
        tenant: &str,
        connector: &str,
        seq: Option<u64>,
        now: Moment,
    ) -> Result<u64, PortError> {
        let (tenant, connector) = (tenant.to_owned(), connector.to_owned());
        self.write(move |db| {
            let rows = db
                .prepare_cached(&format!(
                    "UPDATE deliveries SET due_at = ?1, given_up = 0, {ANEW}
                     WHERE tenant = ?2 AND connector = ?3 AND (?4 IS NULL OR seq = ?4)"
                ))?
                .execute(params![millis(now), tenant, connector, seq.map(number)])?;
            Ok(rows as u64)
        })
        .await
        .map_err(to_port)
    }

    async fn drop_one(&self, tenant: &str, seq: u64) -> Result<bool, PortError> {
        let tenant = tenant.to_owned();
        self.write(move |db| remove(db, &tenant, seq))
            .await
            .map_err(to_port)
    }

    async fn remote(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
    ) -> Result<Option<Remote>, PortError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT remote_id, told FROM remote_ids
                     WHERE tenant = ? AND connector = ? AND kind = ? AND subject = ?",
                )?
                .query_row(params![tenant, connector, what.as_str(), subject], |row| {
                    Ok(Remote {
                        id: row.get(0)?,
                        told: row.get(1)?,
                    })
                })
                .optional()?)
        })
        .map_err(to_port)
    }

    async fn remember(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        remote: Option<&Remote>,
    ) -> Result<bool, PortError> {
        let (tenant, connector) = (tenant.to_owned(), connector.to_owned());
        let (subject, remote) = (subject.to_owned(), remote.cloned());
        self.write(move |db| {
            let Some(remote) = &remote else {
                db.prepare_cached(
                    "DELETE FROM remote_ids
                     WHERE tenant = ? AND connector = ? AND kind = ? AND subject = ?",
                )?
                .execute(params![tenant, connector, what.as_str(), subject])?;
                return Ok(true);
            };
            // The index on the peer's id is there for what this does not see.
            let rows = db
                .prepare_cached(
                    "INSERT INTO remote_ids (tenant, connector, kind, subject, remote_id, told)
                     SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS
                         (SELECT 1 FROM remote_ids WHERE tenant = ?1 AND connector = ?2
                          AND kind = ?3 AND remote_id = ?5 AND subject <> ?4)
                     ON CONFLICT (tenant, connector, kind, subject)
                     DO UPDATE SET remote_id = excluded.remote_id, told = excluded.told",
                )?
                .execute(params![
                    tenant,
                    connector,
                    what.as_str(),
                    subject,
                    remote.id,
                    remote.told
                ])?;
            Ok(rows == 1)
        })
        .await
        .map_err(to_port)
    }

    async fn push(&self, tenant: &str, connector: &str, now: Moment) -> Result<bool, PortError> {
        let (tenant, connector) = (tenant.to_owned(), connector.to_owned());
        self.write(move |db| {
            let under_way: bool = db
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM deliveries
                     WHERE tenant = ? AND connector = ? AND kind = ?)",
                )?
                .query_row(
                    params![tenant, connector, What::Everybody.as_str()],
                    |row| row.get(0),
                )?;
            if !under_way {
                insert(db, &tenant, &connector, What::Everybody, "", now, now)?;
            }
            Ok(!under_way)
        })
        .await
        .map_err(to_port)
    }

    async fn expand(
        &self,
        tenant: &str,
        push: &Delivery,
        page: &[(What, String)],
        rest: Option<&str>,
        next_at: Moment,
        now: Moment,
    ) -> Result<(), PortError> {
        let (tenant, connector) = (tenant.to_owned(), push.connector.clone());
        let (seq, page, rest) = (push.seq, page.to_vec(), rest.map(str::to_owned));
        self.write(move |db| {
            let there = match &rest {
                Some(rest) => {
                    db.prepare_cached(&format!(
                        "UPDATE deliveries SET subject = ?, due_at = ?, trouble = NULL, {ANEW}
                         WHERE tenant = ? AND seq = ?"
                    ))?
                    .execute(params![
                        rest,
                        millis(next_at),
                        tenant,
                        number(seq)
                    ])? == 1
                }
                None => remove(db, &tenant, seq)?,
            };
            if there {
                for (what, subject) in &page {
                    insert(db, &tenant, &connector, *what, subject, now, now)?;
                }
            }
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn queued(&self, tenant: &str, connector: &str, most: usize) -> Result<usize, PortError> {
        self.read(|db| {
            let count: i64 = db
                .prepare_cached(
                    "SELECT count(*) FROM (SELECT 1 FROM deliveries
                     WHERE tenant = ? AND connector = ? AND given_up = 0 LIMIT ?)",
                )?
                .query_row(params![tenant, connector, size(most)], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        })
        .map_err(to_port)
    }

    async fn forget_connector(&self, tenant: &str, connector: &str) -> Result<(), PortError> {
        let (tenant, connector) = (tenant.to_owned(), connector.to_owned());
        self.write(move |db| {
            for table in ["deliveries", "remote_ids"] {
                db.prepare_cached(&format!(
                    "DELETE FROM {table} WHERE tenant = ? AND connector = ?"
                ))?
                .execute(params![tenant, connector])?;
            }
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn forget_remotes(
        &self,
        tenant: &str,
        connector: &str,
        deletions: &str,
    ) -> Result<(), PortError> {
        let (tenant, connector) = (tenant.to_owned(), connector.to_owned());
        let deletions = deletions.to_owned();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM remote_ids WHERE tenant = ? AND connector = ?")?
                .execute(params![tenant, connector])?;
            let users = "tenant = ?1 AND connector = ?2 AND kind = ?3";
            let of_a_deletion = "SELECT 1 FROM deliveries d
                                 WHERE d.tenant = ?1 AND d.connector = ?2 AND d.kind = ?3
                                   AND d.subject = deliveries.subject AND d.gone = 1";
            let what = What::User.as_str();
            db.prepare_cached(&format!(
                "DELETE FROM deliveries
                 WHERE {users} AND EXISTS ({of_a_deletion} AND d.seq > deliveries.seq)"
            ))?
            .execute(params![tenant, connector, what])?;
            db.prepare_cached(&format!(
                "UPDATE deliveries SET password = NULL
                 WHERE {users} AND password IS NOT NULL AND EXISTS ({of_a_deletion})"
            ))?
            .execute(params![tenant, connector, what])?;
            db.prepare_cached(&format!(
                "UPDATE deliveries SET given_up = 1, trouble = ?4 WHERE {users} AND gone = 1"
            ))?
            .execute(params![tenant, connector, what, deletions])?;
            Ok(())
        })
        .await
        .map_err(to_port)
    }

    async fn holder(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        remote_id: &str,
    ) -> Result<Option<String>, PortError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT subject FROM remote_ids
                     WHERE tenant = ? AND connector = ? AND kind = ? AND remote_id = ?",
                )?
                .query_row(
                    params![tenant, connector, what.as_str(), remote_id],
                    |row| row.get(0),
                )
                .optional()?)
        })
        .map_err(to_port)
    }
}

impl Sqlite {
    /// The password for those of the rows whose connector is to get it, each sealed for its row's
    /// connector and subject.
    fn sealed_passwords(
        &self,
        tenant: &str,
        announced: &[u64],
        password: &Secret,
        connectors: &[String],
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self.read(|db| {
            let mut rows = Vec::with_capacity(announced.len());
            for seq in announced {
                let row: Option<(String, String)> = db
                    .prepare_cached(
                        "SELECT connector, subject FROM deliveries WHERE tenant = ? AND seq = ?",
                    )?
                    .query_row(params![tenant, number(*seq)], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()?;
                rows.extend(row.map(|(connector, subject)| (*seq, connector, subject)));
            }
            Ok(rows)
        })?;
        rows.into_iter()
            .filter(|(_, connector, _)| connectors.contains(connector))
            .map(|(seq, connector, subject)| {
                let bound = bound(tenant, &connector, &subject);
                let sealed = self.parts.seal.close_text(&bound, password.expose())?;
                Ok((seq, sealed))
            })
            .collect()
    }

    /// Rows that are told together, as the first of them, up to one that cannot be read: that one is
    /// given up, and waits for an administrator.
    async fn readable(&self, tenant: &str, rows: Vec<Half>) -> Result<Option<Delivery>, PortError> {
        let mut told: Option<Delivery> = None;
        for (row, kind, password) in rows {
            let closed = row.clone();
            let row = match self.open_delivery(tenant, row, &kind, password) {
                Ok(row) => row,
                Err(error) => {
                    let (seq, connector) = (closed.seq, &closed.connector);
                    tracing::error!(%connector, seq, "a change on its way to a peer cannot be read: {error}");
                    let trouble = "what is kept of it cannot be read: the password on its way was \
                                   sealed with another key, or changed";
                    let failed = Failed {
                        trouble: trouble.to_owned(),
                        outlook: Outlook::Never,
                        ended_at: None,
                        due_at: closed.due_at,
                        given_up: true,
                    };
                    Deliveries::failed(self, tenant, &closed, failed).await?;
                    break;
                }
            };
            match &mut told {
                None => told = Some(row),
                Some(told) => {
                    told.through = row.seq;
                    told.password = row.password.or(told.password.take());
                }
            }
        }
        Ok(told)
    }

    fn open_delivery(
        &self,
        tenant: &str,
        row: Delivery,
        kind: &str,
        password: Option<Vec<u8>>,
    ) -> Result<Delivery, StoreError> {
        let what = What::parse(kind)
            .ok_or_else(|| StoreError::new("a delivery is of no kind that is known"))?;
        let password = password
            .map(|sealed| {
                let bound = bound(tenant, &row.connector, &row.subject);
                self.parts.seal.open_text(&bound, &sealed)
            })
            .transpose()?
            .map(|password| Secret::new(password.as_str()));
        Ok(Delivery {
            what,
            password,
            ..row
        })
    }
}

/// A sealed password opens in the row it was sealed for, and in no other one.
fn bound(tenant: &str, connector: &str, subject: &str) -> String {
    let part = |text: &str| format!("{}:{text}", text.len());
    format!(
        "postern password on its way {}{}{}",
        part(tenant),
        part(connector),
        part(subject)
    )
}

fn insert(
    db: &Connection,
    tenant: &str,
    connector: &str,
    what: What,
    subject: &str,
    due_at: Moment,
    now: Moment,
) -> Result<u64, Fault> {
    db.prepare_cached(
        "INSERT INTO deliveries
             (tenant, connector, kind, subject, gone, attempts, due_at, created_at, given_up, made)
         VALUES (?, ?, ?, ?, 0, 0, ?, ?, 0, ?)",
    )?
    .execute(params![
        tenant,
        connector,
        what.as_str(),
        subject,
        millis(due_at),
        millis(now),
        due_at <= now
    ])?;
    Ok(db.last_insert_rowid().unsigned_abs())
}

/// What is tried anew for a change, and was to wait for this row that came before the change, waits no longer.
fn hurried(db: &Connection, tenant: &str, seq: u64, by: Moment) -> Result<(), Fault> {
    db.prepare_cached(&format!(
        "UPDATE deliveries SET due_at = ?3
         WHERE {OF_ITS_SUBJECT} AND seq < ?2 AND due_at > ?3
           AND attempts = 0 AND trouble IS NOT NULL AND NOT given_up"
    ))?
    .execute(params![tenant, number(seq), millis(by)])?;
    Ok(())
}

fn remove(db: &Connection, tenant: &str, seq: u64) -> Result<bool, Fault> {
    let rows = db
        .prepare_cached("DELETE FROM deliveries WHERE tenant = ? AND seq = ?")?
        .execute(params![tenant, number(seq)])?;
    Ok(rows == 1)
}

/// When what would be given up is due with the changes that came during its last attempt, if any did: there
/// are more behind it than when it was looked up, whatever times they bear. All up to the last of them is due
/// by then, so that no change has it tried anew twice.
fn anew_by(
    db: &Connection,
    tenant: &str,
    delivery: &Delivery,
    ended_at: Moment,
) -> Result<Option<Moment>, Fault> {
    let (seq, through) = (number(delivery.seq), number(delivery.through));
    let mut behind = db.prepare_cached(&format!(
        "SELECT given_up, made, due_at FROM deliveries
         WHERE {OF_ITS_SUBJECT} AND seq > ?3 ORDER BY seq"
    ))?;
    let mut rows = behind.query(params![tenant, seq, through])?;
    let (mut came, mut reached, mut by) = (0, ended_at, None);
    while let Some(row) = rows.next()? {
        let (given_up, made): (bool, bool) = (row.get(0)?, row.get(1)?);
        let due_at = moment(row.get(2)?);
        if given_up {
            break;
        }
        reached = reached.max(due_at);
        if made || due_at <= ended_at {
            came += 1;
            by = Some(reached);
        }
    }
    Ok(by.filter(|_| came > delivery.behind))
}

/// How many of the subject are due behind the last that is told with the row `seq`, up to what is given up.
fn due_behind(
    db: &Connection,
    tenant: &str,
    seq: u64,
    through: u64,
    now: Moment,
) -> Result<u64, Fault> {
    let count: i64 = db
        .prepare_cached(&format!(
            "SELECT count(*) FROM deliveries
             WHERE {OF_ITS_SUBJECT} AND seq > ?3 AND due_at <= ?4
               AND seq < ifnull((SELECT min(seq) FROM deliveries
                                 WHERE {OF_ITS_SUBJECT} AND seq > ?3 AND given_up = 1),
                                9223372036854775807)"
        ))?
        .query_row(
            params![tenant, number(seq), number(through), millis(now)],
            |row| row.get(0),
        )?;
    Ok(count.unsigned_abs())
}

/// For each subject whose first row is due: that row and those that are told with it.
fn heads(
    db: &Connection,
    tenant: &str,
    connector: &str,
    of: Option<(What, &str)>,
    now: Moment,
    rows_max: usize,
) -> Result<Vec<Vec<Half>>, Fault> {
    let snapshot = db.unchecked_transaction()?;
    let first = match of {
        // The first of the subject, if it is due.
        Some((what, subject)) => snapshot
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM deliveries
                 WHERE tenant = ? AND connector = ? AND kind = ? AND subject = ?
                 ORDER BY seq LIMIT 1"
            ))?
            .query_map(params![tenant, connector, what.as_str(), subject], half)?
            .filter(|row| {
                row.as_ref()
                    .map_or(true, |(row, ..)| row.due_at <= now && !row.given_up)
            })
            .collect::<rusqlite::Result<Vec<_>>>()?,
        // In the order of the index, so that the first few of many thousand are found by looking at
        // a few: without it every batch would sort the whole queue.
        None => snapshot
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM deliveries d INDEXED BY deliveries_by_turn
                 WHERE tenant = ? AND connector = ? AND given_up = 0 AND due_at <= ?
                   AND NOT EXISTS (SELECT 1 FROM deliveries e
                                   WHERE e.tenant = d.tenant AND e.connector = d.connector
                                     AND e.kind = d.kind AND e.subject = d.subject
                                     AND e.seq < d.seq)
                 ORDER BY due_at, seq LIMIT ?"
            ))?
            .query_map(
                params![tenant, connector, millis(now), size(rows_max)],
                half,
            )?
            .collect::<rusqlite::Result<Vec<_>>>()?,
    };
    let mut heads = Vec::with_capacity(first.len());
    for head in first {
        let mut run = Vec::new();
        let followers = snapshot
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM deliveries
                 WHERE tenant = ? AND connector = ? AND kind = ? AND subject = ? AND seq > ?
                 ORDER BY seq LIMIT ?"
            ))?
            .query_map(
                params![
                    tenant,
                    connector,
                    head.1,
                    head.0.subject,
                    number(head.0.seq),
                    size(FOLLOWERS_MAX)
                ],
                half,
            )?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let alone = head.0.gone;
        run.push(head);
        if !alone {
            run.extend(
                followers
                    .into_iter()
                    .take_while(|(row, ..)| !row.gone && !row.given_up && row.due_at <= now),
            );
        }
        if alone || run.len() > FOLLOWERS_MAX {
            let (seq, through) = (run[0].0.seq, run[run.len() - 1].0.seq);
            run[0].0.behind = due_behind(&snapshot, tenant, seq, through, now)?;
        }
        heads.push(run);
    }
    Ok(heads)
}

fn half(row: &Row<'_>) -> rusqlite::Result<Half> {
    let seq = row.get::<_, i64>(0)?.unsigned_abs();
    Ok((
        Delivery {
            seq,
            through: seq,
            behind: 0,
            connector: row.get(1)?,
            what: What::User,
            subject: row.get(3)?,
            gone: row.get(4)?,
            password: None,
            attempts: row.get(6)?,
            due_at: moment(row.get(7)?),
            created_at: moment(row.get(8)?),
            trouble: row.get(9)?,
            given_up: row.get(10)?,
            refusals: row.get(11)?,
            faults: row.get(12)?,
        },
        row.get(2)?,
        row.get(5)?,
    ))
}

fn moment(at: i64) -> Moment {
    Moment(u64::try_from(at).unwrap_or(0))
}

fn millis(at: Moment) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn size(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sqlite::Options;
    use std::time::Duration;

    /// A password that was moved to another row, or sealed with another key.
    #[tokio::test]
    async fn a_row_that_cannot_be_read_is_given_up_and_stops_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(dir.path(), Options::default()).unwrap();
        let (peer, now) = ([String::from("peer")], Moment(1_000));
        for subject in ["alice", "bob", "carol"] {
            let announced = store
                .announce("t", &peer, What::User, subject, now, now)
                .await
                .unwrap();
            let password = Secret::new("pass word");
            store
                .confirm("t", &announced, false, Some((&password, &peer)), now)
                .await
                .unwrap();
        }
        store
            .write(|db| {
                db.execute(
                    "UPDATE deliveries SET password =
                         (SELECT password FROM deliveries WHERE subject = 'bob')
                     WHERE subject = 'alice'",
                    [],
                )?;
                Ok(())
            })
            .await
            .unwrap();
        let later = now.plus(Duration::from_secs(1));
        let due = store.due("t", &peer, later, 10).await.unwrap();
        let subjects: Vec<_> = due.iter().map(|row| row.subject.as_str()).collect();
        assert_eq!(subjects, ["bob", "carol"]);
        let waiting = store.waiting("t", 0, 10).await.unwrap();
        let alice = waiting.iter().find(|row| row.subject == "alice").unwrap();
        assert!(
            alice.given_up && alice.trouble.is_some(),
            "{:?}",
            alice.trouble
        );
        // Whoever looks at it tells it without the password, which is gone.
        store.retry("t", "peer", None, now).await.unwrap();
        let alice = store.due_of("t", "peer", What::User, "alice", later).await;
        assert_eq!(alice.unwrap().unwrap().password, None);
    }
}
