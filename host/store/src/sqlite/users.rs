//! Users, their claims and their links.

use super::{Fault, Sqlite, matching};
use crate::directory::users::{Change, User, Users};
use async_trait::async_trait;
use postern_admin::definitions::Links;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Association, FirstNumber};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

const COLUMNS: &str = "id, tenant, domain, key, looks, name, display_name, number, opted_out, \
                       locked, had_factor, password";

#[async_trait]
impl Users for Sqlite {
    async fn user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<Option<User>, StoreError> {
        self.read(|db| {
            one(
                db,
                &format!("SELECT {COLUMNS} FROM users WHERE tenant = ? AND domain = ? AND key = ?"),
                [tenant.as_str(), domain, key],
            )
        })
    }

    async fn create_user(&self, user: &User) -> Result<bool, StoreError> {
        let user = user.clone();
        self.write(move |db| create(db, &user)).await
    }

    async fn change_user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        change: &Change,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        let change = change.clone();
        self.write(move |db| self::change(db, &whose, &change))
            .await
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        number: &str,
    ) -> Result<Option<FirstNumber>, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        let number = number.to_owned();
        self.write(move |db| first_number(db, &whose, &number))
            .await
    }

    async fn unmark_factor(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<(), StoreError> {
        let whose = Whose::of(tenant, domain, key);
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE users SET had_factor = 0
                 WHERE tenant = ? AND domain = ? AND key = ? AND number IS NULL",
            )?
            .execute(params![whose.tenant, whose.domain, whose.key])?;
            Ok(())
        })
        .await
    }

    async fn replace_password(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        seen: &str,
        new: &str,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        let (seen, new) = (seen.to_owned(), new.to_owned());
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "UPDATE users SET password = ?
                     WHERE tenant = ? AND domain = ? AND key = ? AND password = ?",
                )?
                .execute(params![new, whose.tenant, whose.domain, whose.key, seen])?;
            Ok(rows == 1)
        })
        .await
    }

    async fn take_claim(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        uri: &str,
        seen: &str,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        let (uri, seen) = (uri.to_owned(), seen.to_owned());
        self.write(move |db| {
            let Some(id) = whose.id(db)? else {
                return Ok(false);
            };
            let rows = db
                .prepare_cached("DELETE FROM claims WHERE user = ? AND uri = ? AND value = ?")?
                .execute(params![id, uri, seen])?;
            Ok(rows == 1)
        })
        .await
    }

    async fn delete_user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        self.write(move |db| {
            let Some(id) = whose.id(db)? else {
                return Ok(false);
            };
            for sql in [
                "DELETE FROM claims WHERE user = ?",
                "DELETE FROM associations WHERE user = ?",
                "DELETE FROM users WHERE id = ?",
            ] {
                db.prepare_cached(sql)?.execute([id])?;
            }
            Ok(true)
        })
        .await
    }

    async fn users(
        &self,
        tenant: &TenantId,
        domain: &str,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.read(|db| {
            // No key is empty, so all come after the empty one.
            let rows = db
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM users WHERE tenant = ? AND domain = ? AND key > ?
                     ORDER BY key LIMIT ?"
                ))?
                .query_map(
                    params![tenant.as_str(), domain, from.unwrap_or_default(), rows_max],
                    read,
                )?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            rows.into_iter().map(|row| with_claims(db, row)).collect()
        })
    }

    async fn matching(
        &self,
        tenant: &TenantId,
        domain: &str,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<(usize, Vec<User>)>, StoreError> {
        let Some((sql, values)) = matching::condition(condition) else {
            return Ok(None);
        };
        let from = format!(
            "FROM users u
             LEFT JOIN identities i ON i.tenant = u.tenant AND i.account = {}
             WHERE u.tenant = ? AND u.domain = ? AND ({sql})",
            matching::ACCOUNT
        );
        let whose = [
            Value::from(tenant.as_str().to_owned()),
            Value::from(domain.to_owned()),
        ];
        self.scan(move |db| {
            let bound = |more: &[usize]| {
                let more = more
                    .iter()
                    .map(|number| Value::from(i64::try_from(*number).unwrap_or(i64::MAX)));
                let all = whose.iter().cloned().chain(values.iter().cloned());
                params_from_iter(all.chain(more).collect::<Vec<_>>())
            };
            // One snapshot: the number is that of those who are shown.
            let snapshot = db.unchecked_transaction()?;
            let total: i64 = snapshot
                .prepare(&format!("SELECT count(*) {from}"))?
                .query_row(bound(&[]), |row| row.get(0))?;
            let columns = COLUMNS
                .split(", ")
                .map(|column| format!("u.{}", column.trim()))
                .collect::<Vec<_>>()
                .join(", ");
            let rows = snapshot
                .prepare(&format!(
                    "SELECT {columns} {from} ORDER BY u.key LIMIT ? OFFSET ?"
                ))?
                .query_map(bound(&[count, start]), read)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let users = rows
                .into_iter()
                .map(|row| with_claims(&snapshot, row))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Some((usize::try_from(total).unwrap_or(0), users)))
        })
        .await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        let (provider, subject) = (identity_provider.to_owned(), subject.to_owned());
        self.write(move |db| {
            let Some(id) = whose.id(db)? else {
                return Ok(false);
            };
            let rows = db
                .prepare_cached(
                    "INSERT INTO associations (tenant, identity_provider, subject, user)
                     VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                )?
                .execute(params![whose.tenant, provider, subject, id])?;
            Ok(rows == 1)
        })
        .await
    }

    async fn linked(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
    ) -> Result<Option<User>, StoreError> {
        self.read(|db| {
            one(
                db,
                &format!(
                    "SELECT {COLUMNS} FROM users WHERE id =
                     (SELECT user FROM associations
                      WHERE tenant = ? AND identity_provider = ? AND subject = ?)"
                ),
                [tenant.as_str(), identity_provider, subject],
            )
        })
    }

    async fn links(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<Vec<Association>, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT a.identity_provider, a.subject FROM associations a
                     JOIN users u ON u.id = a.user
                     WHERE u.tenant = ? AND u.domain = ? AND u.key = ?
                     ORDER BY a.identity_provider, a.subject",
                )?
                .query_map([tenant.as_str(), domain, key], |row| {
                    Ok(Association {
                        identity_provider: row.get(0)?,
                        subject: row.get(1)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    async fn unlink(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(tenant, domain, key);
        let (provider, subject) = (identity_provider.to_owned(), subject.to_owned());
        self.write(move |db| {
            let Some(id) = whose.id(db)? else {
                return Ok(false);
            };
            let rows = db
                .prepare_cached(
                    "DELETE FROM associations
                     WHERE tenant = ? AND identity_provider = ? AND subject = ? AND user = ?",
                )?
                .execute(params![whose.tenant, provider, subject, id])?;
            Ok(rows == 1)
        })
        .await
    }
}

#[async_trait]
impl Links for Sqlite {
    async fn forget_provider(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
    ) -> Result<u64, StoreError> {
        let (tenant, provider) = (tenant.clone(), identity_provider.to_owned());
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "DELETE FROM associations WHERE tenant = ? AND identity_provider = ?",
                )?
                .execute(params![tenant.as_str(), provider])?;
            Ok(rows as u64)
        })
        .await
    }
}

struct Whose {
    tenant: String,
    domain: String,
    key: String,
}

impl Whose {
    fn of(tenant: &TenantId, domain: &str, key: &str) -> Self {
        Self {
            tenant: tenant.as_str().to_owned(),
            domain: domain.to_owned(),
            key: key.to_owned(),
        }
    }

    fn id(&self, db: &Connection) -> Result<Option<i64>, Fault> {
        Ok(db
            .prepare_cached("SELECT id FROM users WHERE tenant = ? AND domain = ? AND key = ?")?
            .query_row([&self.tenant, &self.domain, &self.key], |row| row.get(0))
            .optional()?)
    }
}

fn create(db: &Connection, user: &User) -> Result<bool, Fault> {
    let rows = db
        .prepare_cached(
            "INSERT INTO users (tenant, domain, key, looks, name, display_name, number, opted_out,
                                locked, had_factor, password)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            user.tenant.as_str(),
            user.domain,
            user.key,
            user.looks,
            user.name,
            user.display_name,
            user.number,
            user.opted_out,
            user.locked,
            user.had_factor,
            user.password
        ])?;
    if rows == 1 {
        set_claims(db, db.last_insert_rowid(), &user.claims)?;
    }
    Ok(rows == 1)
}

fn change(db: &Connection, whose: &Whose, change: &Change) -> Result<bool, Fault> {
    let Some(id) = whose.id(db)? else {
        return Ok(false);
    };
    let has_number = matches!(change.number, Some(Some(_)));
    db.prepare_cached(
        "UPDATE users SET
             display_name = coalesce(?, display_name),
             number = CASE WHEN ? THEN ? ELSE number END,
             had_factor = had_factor OR ?,
             opted_out = coalesce(?, opted_out),
             locked = coalesce(?, locked),
             password = coalesce(?, password)
         WHERE id = ?",
    )?
    .execute(params![
        change.display_name,
        change.number.is_some(),
        change.number.as_ref().and_then(Option::as_ref),
        has_number,
        change.opted_out,
        change.locked,
        change.password,
        id
    ])?;
    set_claims(db, id, &change.claims)?;
    Ok(true)
}

fn first_number(
    db: &Connection,
    whose: &Whose,
    number: &str,
) -> Result<Option<FirstNumber>, Fault> {
    let Some(id) = whose.id(db)? else {
        return Ok(None);
    };
    let saved = db
        .prepare_cached(
            "UPDATE users SET number = ?, had_factor = 1
             WHERE id = ? AND NOT had_factor AND number IS NULL",
        )?
        .execute(params![number, id])?;
    if saved == 1 {
        return Ok(Some(FirstNumber::Saved));
    }
    let known: Option<String> = db
        .prepare_cached("SELECT number FROM users WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    Ok(Some(if known.as_deref() == Some(number) {
        FirstNumber::Known
    } else {
        FirstNumber::Taken
    }))
}

fn set_claims(db: &Connection, id: i64, claims: &[(String, String)]) -> Result<(), Fault> {
    for (uri, value) in claims {
        if value.is_empty() {
            db.prepare_cached("DELETE FROM claims WHERE user = ? AND uri = ?")?
                .execute(params![id, uri])?;
        } else {
            db.prepare_cached("INSERT OR REPLACE INTO claims (user, uri, value) VALUES (?, ?, ?)")?
                .execute(params![id, uri, value])?;
        }
    }
    Ok(())
}

fn one(db: &Connection, sql: &str, by: [&str; 3]) -> Result<Option<User>, Fault> {
    // One snapshot: the claims are those of the row.
    let snapshot = db.unchecked_transaction()?;
    let row = snapshot
        .prepare_cached(sql)?
        .query_row(by, read)
        .optional()?;
    row.map(|row| with_claims(&snapshot, row)).transpose()
}

type Half = (i64, String, User);

/// Everything but the claims; the tenant is read by `with_claims`, where it may fail by its name.
fn read(row: &Row<'_>) -> rusqlite::Result<Half> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        User {
            tenant: TenantId::super_tenant(),
            domain: row.get(2)?,
            key: row.get(3)?,
            looks: row.get(4)?,
            name: row.get(5)?,
            display_name: row.get(6)?,
            number: row.get(7)?,
            opted_out: row.get(8)?,
            locked: row.get(9)?,
            had_factor: row.get(10)?,
            password: row.get(11)?,
            claims: Vec::new(),
        },
    ))
}

fn with_claims(db: &Connection, (id, tenant, user): Half) -> Result<User, Fault> {
    Ok(User {
        tenant: TenantId::parse(&tenant)
            .map_err(|error| StoreError::caused("a user's row is broken", error))?,
        claims: db
            .prepare_cached("SELECT uri, value FROM claims WHERE user = ? ORDER BY uri")?
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?,
        ..user
    })
}
