//! What waits for a browser to come back, in memory: a sample that is started again has forgotten it.

use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::{Parked, Parking, ParkingKey, PortError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<HashMap<ParkingKey, Parked>>>);

impl Waiting {
    fn all(&self) -> MutexGuard<'_, HashMap<ParkingKey, Parked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is(parked: &Parked, tenant: &str, kind: &str, now: Moment) -> bool {
    parked.tenant == tenant && parked.kind == kind && now < parked.expires_at
}

#[async_trait]
impl Parking for Waiting {
    async fn park(&self, key: &ParkingKey, parked: &Parked) -> Result<(), PortError> {
        let mut all = self.all();
        // Whoever never came back.
        let now = crate::now();
        all.retain(|_, parked| now < parked.expires_at);
        match all.insert(key.clone(), parked.clone()) {
            None => Ok(()),
            Some(_) => Err(PortError::new("the parking key is taken")),
        }
    }

    async fn parked(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError> {
        let all = self.all();
        let found = all.get(key);
        Ok(found
            .filter(|parked| is(parked, tenant, kind, now))
            .cloned())
    }

    async fn claim(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError> {
        let mut all = self.all();
        let there = all.get(key).is_some_and(|p| is(p, tenant, kind, now));
        Ok(if there { all.remove(key) } else { None })
    }

    async fn group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        let all = self.all();
        let of_group = all
            .values()
            .filter(|p| p.group == group && is(p, tenant, kind, now));
        Ok(of_group.cloned().collect())
    }

    async fn claim_group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        let taken = self.group(tenant, kind, group, now).await?;
        self.all()
            .retain(|_, p| !(p.group == group && p.tenant == tenant && p.kind == kind));
        Ok(taken)
    }

    async fn remove_expired(&self, now: Moment, _: u32) -> Result<u64, PortError> {
        let mut all = self.all();
        let before = all.len();
        all.retain(|_, parked| now < parked.expires_at);
        Ok((before - all.len()) as u64)
    }
}
