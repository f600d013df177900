//! Budgets.

use super::{Memory, remove_over};
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{Begins, Budget, Counters, Spending};
use postern_otp::Timestamp;

#[async_trait]
impl Counters for Memory {
    async fn spend(&self, budgets: &[Budget], now: Timestamp) -> Result<Spending, StoreError> {
        let mut tables = self.tables();
        let name = |budget: &Budget| (budget.key.clone(), budget.window.as_millis());
        // All are looked at before any is raised.
        for (index, budget) in budgets.iter().enumerate() {
            let (count, at) = tables
                .counters
                .get(&name(budget))
                .filter(|(_, ends_at)| *ends_at > now)
                .copied()
                .unwrap_or((0, now.plus(budget.window)));
            if count >= budget.max {
                return Ok(Spending::Spent { index, at });
            }
        }
        for budget in budgets {
            let fresh = (0, now.plus(budget.window));
            let row = tables.counters.entry(name(budget)).or_insert(fresh);
            if row.1 <= now {
                *row = fresh;
            }
            row.0 += 1;
            if budget.begins == Begins::Last {
                row.1 = fresh.1;
            }
        }
        Ok(Spending::Granted)
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        Ok(remove_over(
            &mut self.tables().counters,
            rows_max,
            |(_, ends_at)| *ends_at <= now,
        ))
    }
}
