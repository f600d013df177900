//! Groups of Postern's own.

use super::{Fault, Sqlite, column, timestamp};
use crate::port::to_port;
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::PortError;
use postern_federation::scim::{Group, Groups};
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, name, external_id, created_at, changed_at";

type Half = (String, String, Option<String>, i64, i64);

#[async_trait]
impl Groups for Sqlite {
    async fn group(&self, tenant: &str, id: &str) -> Result<Option<Group>, PortError> {
        self.read(|db| {
            let row = db
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM groups WHERE tenant = ? AND id = ?"
                ))?
                .query_row(params![tenant, id], half)
                .optional()?;
            row.map(|row| with_members(db, tenant, row)).transpose()
        })
        .map_err(to_port)
    }

    async fn groups(
        &self,
        tenant: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Group>, PortError> {
        let after = after.map(str::to_lowercase).unwrap_or_default();
        let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
        self.read(|db| {
            let rows = db
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM groups WHERE tenant = ? AND key > ?
                     ORDER BY key LIMIT ?"
                ))?
                .query_map(params![tenant, after, rows_max], half)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            rows.into_iter()
                .map(|row| with_members(db, tenant, row))
                .collect()
        })
        .map_err(to_port)
    }

    async fn put_group(&self, tenant: &str, group: &Group, new: bool) -> Result<bool, PortError> {
        let (tenant, group) = (tenant.to_owned(), group.clone());
        self.write(move |db| put(db, &tenant, &group, new))
            .await
            .map_err(to_port)
    }

    async fn delete_group(&self, tenant: &str, id: &str) -> Result<bool, PortError> {
        let (tenant, id) = (tenant.to_owned(), id.to_owned());
        self.write(move |db| {
            db.prepare_cached("DELETE FROM group_members WHERE tenant = ? AND group_id = ?")?
                .execute(params![tenant, id])?;
            let rows = db
                .prepare_cached("DELETE FROM groups WHERE tenant = ? AND id = ?")?
                .execute(params![tenant, id])?;
            Ok::<_, Fault>(rows == 1)
        })
        .await
        .map_err(to_port)
    }
}

fn put(db: &Connection, tenant: &str, group: &Group, new: bool) -> Result<bool, Fault> {
    let key = group.display_name.to_lowercase();
    let taken: Option<String> = db
        .prepare_cached("SELECT id FROM groups WHERE tenant = ? AND key = ?")?
        .query_row(params![tenant, key], |row| row.get(0))
        .optional()?;
    if taken.is_some_and(|id| new || id != group.id) {
        return Ok(false);
    }
    let (created, changed) = (group.created_at, group.changed_at);
    let rows = if new {
        db.prepare_cached(
            "INSERT INTO groups (tenant, id, key, name, external_id, created_at, changed_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            tenant,
            group.id,
            key,
            group.display_name,
            group.external_id,
            column(Timestamp(created.0)),
            column(Timestamp(changed.0))
        ])?
    } else {
        db.prepare_cached(
            "UPDATE groups SET key = ?, name = ?, external_id = ?, changed_at = ?
             WHERE tenant = ? AND id = ?",
        )?
        .execute(params![
            key,
            group.display_name,
            group.external_id,
            column(Timestamp(changed.0)),
            tenant,
            group.id
        ])?
    };
    if rows != 1 {
        return Ok(false);
    }
    db.prepare_cached("DELETE FROM group_members WHERE tenant = ? AND group_id = ?")?
        .execute(params![tenant, group.id])?;
    for (member, _) in &group.members {
        // Somebody who was deleted meanwhile is no member.
        db.prepare_cached(
            "INSERT INTO group_members (tenant, group_id, member)
             SELECT ?1, ?2, id FROM identities WHERE tenant = ?1 AND id = ?3
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![tenant, group.id, member])?;
    }
    Ok(true)
}

fn half(row: &Row<'_>) -> rusqlite::Result<Half> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

fn with_members(db: &Connection, tenant: &str, row: Half) -> Result<Group, Fault> {
    let (id, display_name, external_id, created_at, changed_at) = row;
    let moment = |at: i64| -> Result<Moment, StoreError> { Ok(Moment(timestamp(at)?.0)) };
    let members = db
        .prepare_cached(
            "SELECT m.member, i.account FROM group_members m
             JOIN identities i ON i.tenant = m.tenant AND i.id = m.member
             WHERE m.tenant = ? AND m.group_id = ? ORDER BY i.account",
        )?
        .query_map(params![tenant, id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Group {
        id,
        display_name,
        external_id,
        created_at: moment(created_at)?,
        changed_at: moment(changed_at)?,
        members,
    })
}
