//! Answers kept for requests that carried an idempotency key.

use super::{Memory, Reply, remove_over};
use crate::KEPT;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{ApiClient, Idempotency, Reservation};
use postern_otp::Timestamp;

#[async_trait]
impl Idempotency for Memory {
    async fn reserve(
        &self,
        client: &ApiClient,
        key: &str,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let mut tables = self.tables();
        let name = named(client, key);
        if let Some(reply) = tables.replies.get(&name).filter(|r| r.expires_at > now) {
            return Ok(if reply.fingerprint != *fingerprint {
                Reservation::Differs
            } else {
                reply
                    .answer
                    .clone()
                    .map_or(Reservation::InProgress, Reservation::Answered)
            });
        }
        tables.replies.insert(
            name,
            Reply {
                fingerprint: *fingerprint,
                answer: None,
                expires_at: now.plus(KEPT),
            },
        );
        Ok(Reservation::Reserved)
    }

    async fn fill(&self, client: &ApiClient, key: &str, answer: &str) -> Result<(), StoreError> {
        let name = named(client, key);
        if let Some(reply) = self.tables().replies.get_mut(&name) {
            reply.answer = Some(answer.to_owned());
        }
        Ok(())
    }

    async fn release(&self, client: &ApiClient, key: &str) -> Result<(), StoreError> {
        let name = named(client, key);
        let mut tables = self.tables();
        if tables
            .replies
            .get(&name)
            .is_some_and(|r| r.answer.is_none())
        {
            tables.replies.remove(&name);
        }
        Ok(())
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        Ok(remove_over(&mut self.tables().replies, rows_max, |reply| {
            reply.expires_at <= now
        }))
    }
}

/// A client's key, by tenant and name of the client.
pub(super) type Named = (TenantId, String, String);

fn named(client: &ApiClient, key: &str) -> Named {
    (client.tenant.clone(), client.name.clone(), key.to_owned())
}
