//! Logins in progress.

use super::audit::Row;
use super::{Fault, Outlives, Sqlite, column, sessions, timestamp};
use crate::{digest, row};
use async_trait::async_trait;
use postern_login::audit::AuditEvent;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Advanced, AttemptStore, AuditLog, Closings, Ending, LoginStore, SessionStore,
    Settlement, Subject,
};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

#[async_trait]
impl LoginStore for Sqlite {
    async fn insert(&self, login: &Login) -> Result<(), StoreError> {
        let id = digest::of(login.id.as_str());
        let version = version_column(login.version)?;
        let expires_at = column(login.expires_at);
        let account = account_column(&login.tenant, &login.state);
        let body = row::of_login(login, &login.state)?;
        let tenant = login.tenant.clone();
        self.write_to_outlive(Outlives::Process, move |db| {
            db.prepare_cached(
                "INSERT INTO logins (id, version, expires_at, account, body, tenant)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                id,
                version,
                expires_at,
                account,
                body,
                tenant.as_str()
            ])?;
            Ok(())
        })
        .await
    }

    async fn load(
        &self,
        tenant: &TenantId,
        id: &LoginId,
        now: Timestamp,
    ) -> Result<Option<Login>, StoreError> {
        let found = self.read(|db| {
            let row: Option<(i64, i64, Vec<u8>)> = db
                .prepare_cached(
                    "SELECT version, expires_at, body FROM logins WHERE id = ? AND tenant = ?",
                )?
                .query_row(params![digest::of(id.as_str()), tenant.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            Ok(row)
        })?;
        let Some((version, expires_at, body)) = found else {
            return Ok(None);
        };
        let expires_at = timestamp(expires_at)?;
        let login = row::to_login(&body, id.clone(), version_of(version)?, expires_at)?;
        Ok((now < expires_at).then_some(login))
    }

    async fn advance_as(
        &self,
        seen: &Login,
        next: State,
        id: LoginId,
        since: Option<Closings>,
    ) -> Result<Advanced, StoreError> {
        self.swap(seen, next, id, since, Follows::default()).await
    }

    fn closings(&self) -> Closings {
        self.parts.closed.ever()
    }

    /// The move, the cleared counter and the audit rows in one transaction: nobody gets in without
    /// a row that says so, and there is one commit to wait for.
    async fn settle(
        &self,
        seen: &Login,
        next: State,
        then: Settlement,
        _attempts: &dyn AttemptStore,
        audit: &dyn AuditLog,
    ) -> Result<Advanced, StoreError> {
        let id = then.rename.unwrap_or_else(|| seen.id.clone());
        let follows = self.following(then.clear, &then.events)?;
        let advanced = self.swap(seen, next, id, then.since, follows).await?;
        if let Advanced::Won(_) = advanced {
            for event in &then.events {
                audit.heard(event);
            }
        }
        Ok(advanced)
    }

    async fn take(&self, seen: &Login) -> Result<Option<Login>, StoreError> {
        let id = digest::of(seen.id.as_str());
        let version = version_column(seen.version)?;
        let taken = self.write(move |db| take(db, id, version)).await?;
        Ok(taken.then(|| seen.clone()))
    }

    async fn finish(
        &self,
        seen: &Login,
        then: Ending,
        _attempts: &dyn AttemptStore,
        _sessions: &dyn SessionStore,
        audit: &dyn AuditLog,
    ) -> Result<Option<Login>, StoreError> {
        let id = digest::of(seen.id.as_str());
        let version = version_column(seen.version)?;
        let session = sessions::Row::of(&then.session)?;
        let follows = self.following(then.clear, &then.events)?;
        let taken = self
            .write(move |db| {
                let taken = take(db, id, version)?;
                if taken {
                    session.add(db)?;
                    follows.write(db)?;
                }
                Ok(taken)
            })
            .await?;
        if taken {
            for event in &then.events {
                audit.heard(event);
            }
        }
        Ok(taken.then(|| seen.clone()))
    }

    async fn close_logins_of(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        except: Option<&LoginId>,
    ) -> Result<u64, StoreError> {
        let (tenant, account) = (tenant.clone(), account.clone());
        let except = except.map(|id| digest::of(id.as_str()));
        let noted = Arc::clone(&self.parts.closed);
        self.write(move |db| {
            // If it is undone after all, somebody is refused who need not have been.
            noted.note(digest::of_account(tenant.as_str(), &account.name));
            close_logins_of(db, &tenant, &account, except)
        })
        .await
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.write(move |db| remove_expired(db, now, rows_max))
            .await
    }
}

fn take(db: &Connection, id: [u8; 32], version: i64) -> Result<bool, Fault> {
    let rows = db
        .prepare_cached("DELETE FROM logins WHERE id = ? AND version = ?")?
        .execute(params![id, version])?;
    Ok(rows == 1)
}

/// What the one that wins a move writes beside it.
#[derive(Default)]
struct Follows {
    /// The subject whose counter is cleared.
    clear: Option<String>,
    rows: Vec<Row>,
}

impl Follows {
    /// A code is used up, or somebody is in: what must not be undone by a power failure.
    fn decides(&self) -> bool {
        self.clear.is_some() || self.rows.iter().any(Row::decides)
    }

    fn write(&self, db: &Connection) -> Result<(), Fault> {
        if let Some(subject) = &self.clear {
            super::attempts::clear(db, subject)?;
        }
        self.rows.iter().try_for_each(|row| row.add(db))
    }
}

impl Sqlite {
    fn following(
        &self,
        clear: Option<Subject>,
        events: &[AuditEvent],
    ) -> Result<Follows, StoreError> {
        let rows = events.iter().cloned();
        let rows = rows.map(|event| Row::of(event, &self.parts.chain));
        Ok(Follows {
            clear: clear.map(|subject| subject.key()),
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// The attempts already paid stay with the row, whatever its id becomes.
    async fn swap(
        &self,
        seen: &Login,
        next: State,
        id: LoginId,
        since: Option<Closings>,
        follows: Follows,
    ) -> Result<Advanced, StoreError> {
        let old = digest::of(seen.id.as_str());
        let new = digest::of(id.as_str());
        let version = version_column(seen.version)?;
        let account = account_column(&seen.tenant, &next);
        let body = row::of_login(seen, &next)?;
        let renamed = old != new;
        let final_move = matches!(next, State::Stopped(_)) || follows.decides();
        let outlives = match final_move {
            true => Outlives::Power,
            false => Outlives::Process,
        };
        let closed = Arc::clone(&self.parts.closed);
        let opens = since.zip(account);
        let won = self
            .write_to_outlive(outlives, move |db| {
                if opens.is_some_and(|(since, account)| closed.since(since, account)) {
                    return Ok(false);
                }
                let rows = if renamed {
                    db.prepare_cached(
                        "UPDATE logins SET id = ?, version = version + 1, account = ?, body = ?
                         WHERE id = ? AND version = ?",
                    )?
                    .execute(params![new, account, body, old, version])?
                } else {
                    db.prepare_cached(
                        "UPDATE logins SET version = version + 1, account = ?, body = ?
                         WHERE id = ? AND version = ?",
                    )?
                    .execute(params![account, body, old, version])?
                };
                let won = rows == 1;
                if won {
                    follows.write(db)?;
                }
                Ok(won)
            })
            .await?;
        Ok(if won {
            Advanced::Won(Login {
                id,
                version: seen.version + 1,
                state: next,
                ..seen.clone()
            })
        } else {
            Advanced::Lost
        })
    }
}

fn close_logins_of(
    db: &Connection,
    tenant: &TenantId,
    account: &AccountRef,
    except: Option<[u8; 32]>,
) -> Result<u64, Fault> {
    let mut select = db.prepare_cached(
        "SELECT rowid, expires_at, body FROM logins WHERE account = ? AND id IS NOT ?",
    )?;
    let rows = select
        .query_map(
            params![digest::of_account(tenant.as_str(), &account.name), except],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .collect::<rusqlite::Result<Vec<(i64, i64, Vec<u8>)>>>()?;
    let mut closed = 0;
    for (rowid, expires_at, body) in rows {
        let login = row::to_login(&body, nameless(), 0, timestamp(expires_at)?)?;
        if !login.is_open_for(tenant, account) {
            continue;
        }
        let body = row::of_login(&login, &State::closed())?;
        db.prepare_cached(
            "UPDATE logins SET version = version + 1, account = NULL, body = ? WHERE rowid = ?",
        )?
        .execute(params![body, rowid])?;
        closed += 1;
    }
    Ok(closed)
}

pub(super) fn remove_expired(db: &Connection, now: Timestamp, rows_max: u32) -> Result<u64, Fault> {
    let rows = db
        .prepare_cached(
            "DELETE FROM logins WHERE rowid IN
             (SELECT rowid FROM logins WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        )?
        .execute(params![column(now), rows_max])?;
    Ok(rows as u64)
}

/// Only what `close_logins_of` closes is looked up by account; the index holds nothing else.
fn account_column(tenant: &TenantId, state: &State) -> Option<i64> {
    let account = state.open_for()?;
    Some(digest::of_account(tenant.as_str(), &account.name))
}

/// A row read for its state only has no id: the store does not know it.
fn nameless() -> LoginId {
    LoginId::parse(&"-".repeat(43)).expect("43 characters of base64url are an id")
}

fn version_column(version: u64) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(|_| StoreError::new("the login's version is beyond all bounds"))
}

fn version_of(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::new("the login's row is broken: its version"))
}
