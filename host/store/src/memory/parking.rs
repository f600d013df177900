//! What waits for a browser to come back.

use super::{Memory, Tables, remove_over};
use crate::digest;
use crate::port::fits;
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::{Parked, Parking, ParkingKey, PortError};

#[async_trait]
impl Parking for Memory {
    async fn park(&self, key: &ParkingKey, parked: &Parked) -> Result<(), PortError> {
        fits(parked)?;
        let mut tables = self.tables();
        let key = digest::of(key.as_str());
        if tables.parked.contains_key(&key) {
            return Err(PortError::new("the parking key is taken"));
        }
        tables.parked_ever += 1;
        let number = tables.parked_ever;
        tables.parked.insert(key, (number, parked.clone()));
        Ok(())
    }

    async fn parked(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError> {
        let tables = self.tables();
        let found = tables.parked.get(&digest::of(key.as_str()));
        let found = found.map(|(_, parked)| parked);
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
        let mut tables = self.tables();
        let key = digest::of(key.as_str());
        let there = tables.parked.get(&key);
        if !there.is_some_and(|(_, parked)| is(parked, tenant, kind, now)) {
            return Ok(None);
        }
        Ok(tables.parked.remove(&key).map(|(_, parked)| parked))
    }

    async fn group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        Ok(of_group(&self.tables(), tenant, kind, group, now))
    }

    async fn claim_group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        let mut tables = self.tables();
        let taken = of_group(&tables, tenant, kind, group, now);
        tables.parked.retain(|_, (_, parked)| {
            !(parked.tenant == tenant && parked.kind == kind && belongs(parked, group))
        });
        Ok(taken)
    }

    async fn remove_expired(&self, now: Moment, rows_max: u32) -> Result<u64, PortError> {
        Ok(remove_over(
            &mut self.tables().parked,
            rows_max,
            |(_, parked)| parked.expires_at <= now,
        ))
    }
}

fn of_group(tables: &Tables, tenant: &str, kind: &str, group: &str, now: Moment) -> Vec<Parked> {
    let mut found: Vec<_> = tables
        .parked
        .values()
        .filter(|(_, parked)| is(parked, tenant, kind, now) && belongs(parked, group))
        .cloned()
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, parked)| parked).collect()
}

fn is(parked: &Parked, tenant: &str, kind: &str, now: Moment) -> bool {
    parked.tenant == tenant && parked.kind == kind && now < parked.expires_at
}

fn belongs(parked: &Parked, group: &str) -> bool {
    !group.is_empty() && parked.group == group
}
