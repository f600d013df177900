//! What may be used once.

use super::{Memory, remove_over};
use crate::digest;
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::{Once, PortError};

#[async_trait]
impl Once for Memory {
    async fn first(
        &self,
        tenant: &str,
        kind: &str,
        id: &str,
        until: Moment,
        now: Moment,
    ) -> Result<bool, PortError> {
        let mut tables = self.tables();
        let id = digest::of_once(tenant, kind, id);
        if tables.used_once.get(&id).is_some_and(|kept| now < *kept) {
            return Ok(false);
        }
        tables.used_once.insert(id, until);
        Ok(true)
    }

    async fn remove_expired(&self, now: Moment, rows_max: u32) -> Result<u64, PortError> {
        Ok(remove_over(
            &mut self.tables().used_once,
            rows_max,
            |until| *until <= now,
        ))
    }
}
