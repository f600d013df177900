//! Budgets. A window begins with the first spending, or anew with each where the budget says so, and
//! ends with everything in it: what is told to whoever must wait is exact, and a budget is one row.

use super::{Fault, Outlives, Sqlite, column, timestamp};
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{Begins, Budget, Counters, Spending};
use postern_otp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl Counters for Sqlite {
    async fn spend(&self, budgets: &[Budget], now: Timestamp) -> Result<Spending, StoreError> {
        let budgets = budgets.to_vec();
        // What a power failure takes of a budget is what was counted in the second before it.
        self.write_to_outlive(Outlives::Process, move |db| spend(db, &budgets, now))
            .await
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.write(move |db| remove_expired(db, now, rows_max))
            .await
    }
}

fn spend(db: &Connection, budgets: &[Budget], now: Timestamp) -> Result<Spending, Fault> {
    // All are looked at before any is raised.
    for (index, budget) in budgets.iter().enumerate() {
        let row: Option<(u32, i64)> = db
            .prepare_cached(
                "SELECT count, ends_at FROM counters WHERE key = ? AND window = ? AND ends_at > ?",
            )?
            .query_row(params![budget.key, window(budget), column(now)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (count, ends_at) = match row {
            Some((count, ends_at)) => (count, timestamp(ends_at)?),
            None => (0, now.plus(budget.window)),
        };
        if count >= budget.max {
            return Ok(Spending::Spent { index, at: ends_at });
        }
    }
    for budget in budgets {
        db.prepare_cached(
            "INSERT INTO counters (key, window, count, ends_at) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (key, window) DO UPDATE SET
                 count = CASE WHEN ends_at > ?4 THEN count + 1 ELSE 1 END,
                 ends_at = CASE WHEN ends_at > ?4 AND NOT ?5 THEN ends_at ELSE excluded.ends_at END",
        )?
        .execute(params![
            budget.key,
            window(budget),
            column(now.plus(budget.window)),
            column(now),
            budget.begins == Begins::Last
        ])?;
    }
    Ok(Spending::Granted)
}

pub(super) fn remove_expired(db: &Connection, now: Timestamp, rows_max: u32) -> Result<u64, Fault> {
    let rows = db
        .prepare_cached(
            "DELETE FROM counters WHERE (key, window) IN
             (SELECT key, window FROM counters WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)",
        )?
        .execute(params![column(now), rows_max])?;
    Ok(rows as u64)
}

fn window(budget: &Budget) -> i64 {
    i64::try_from(budget.window.as_millis()).unwrap_or(i64::MAX)
}
