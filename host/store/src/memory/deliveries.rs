//! What peers wait to be told.

use super::Memory;
use async_trait::async_trait;
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::Outlook;
use postern_federation::scim::ports::{Deliveries, Delivery, Failed, Remote, Waits, What};
use postern_federation::{Moment, Secret};
use std::collections::HashMap;

/// Tenant, connector, kind and subject.
pub(super) type Whose = (String, String, What, String);

pub(super) struct Row {
    tenant: String,
    delivery: Delivery,
    /// Not only announced.
    made: bool,
}

impl Row {
    fn whose(&self) -> Whose {
        let told = &self.delivery;
        (
            self.tenant.clone(),
            told.connector.clone(),
            told.what,
            told.subject.clone(),
        )
    }

    /// Tried anew for a change, and to wait for one that came before that: it waits no longer.
    fn hurry(&mut self, by: Moment) {
        let told = &mut self.delivery;
        if told.attempts == 0 && told.trouble.is_some() && !told.given_up {
            told.due_at = told.due_at.min(by);
        }
    }

    /// Since it was looked up as `tried`, it was to be tried from the first attempt on.
    fn is_retried(&self, tried: &Delivery) -> bool {
        let now = &self.delivery;
        let anew = now.attempts == 0 && (tried.attempts > 0 || now.due_at > tried.due_at);
        anew && !now.given_up
    }

    /// From the first attempt on.
    fn anew(&mut self) {
        self.delivery.attempts = 0;
        self.delivery.refusals = 0;
        self.delivery.faults = 0;
    }
}

#[async_trait]
impl Deliveries for Memory {
    async fn announce(
        &self,
        tenant: &str,
        connectors: &[String],
        what: What,
        subject: &str,
        due_at: Moment,
        now: Moment,
    ) -> Result<Vec<u64>, PortError> {
        let mut tables = self.tables();
        let mut announced = Vec::new();
        for connector in connectors {
            tables.deliveries_ever += 1;
            let seq = tables.deliveries_ever;
            let delivery = Delivery {
                seq,
                through: seq,
                behind: 0,
                connector: connector.clone(),
                what,
                subject: subject.to_owned(),
                gone: false,
                password: None,
                attempts: 0,
                refusals: 0,
                faults: 0,
                due_at,
                created_at: now,
                trouble: None,
                given_up: false,
            };
            let row = Row {
                tenant: tenant.to_owned(),
                delivery,
                made: due_at <= now,
            };
            tables.deliveries.insert(seq, row);
            announced.push(seq);
        }
        Ok(announced)
    }

    async fn confirm(
        &self,
        tenant: &str,
        announced: &[u64],
        gone: bool,
        password: Option<(&Secret, &[String])>,
        now: Moment,
    ) -> Result<(), PortError> {
        let mut tables = self.tables();
        for seq in announced {
            let Some(row) = tables.deliveries.get_mut(seq) else {
                continue;
            };
            if row.tenant != tenant {
                continue;
            }
            row.made = true;
            row.delivery.due_at = now;
            row.delivery.gone = gone;
            row.delivery.password = password
                .filter(|(_, connectors)| connectors.contains(&row.delivery.connector))
                .map(|(password, _)| password.clone());
            let whose = row.whose();
            tables.deliveries.retain(|before, row| {
                if before < seq && row.whose() == whose {
                    row.hurry(now);
                }
                let given_up = before < seq && row.delivery.given_up && row.whose() == whose;
                if given_up && !gone {
                    row.delivery.due_at = now;
                    row.delivery.given_up = false;
                    row.anew();
                }
                !(given_up && gone)
            });
        }
        Ok(())
    }

    async fn hasten(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        by: Moment,
    ) -> Result<(), PortError> {
        for row in self.tables().deliveries.values_mut() {
            let told = &row.delivery;
            if row.tenant == tenant
                && told.connector == connector
                && told.what == what
                && told.subject == subject
                && told.attempts > 0
                && told.due_at > by
                && !told.given_up
            {
                row.anew();
                row.delivery.due_at = by;
                row.delivery.attempts = 1;
            }
        }
        Ok(())
    }

    async fn withdraw(&self, tenant: &str, announced: &[u64]) -> Result<(), PortError> {
        let mut tables = self.tables();
        for seq in announced {
            let mine = tables.deliveries.get(seq);
            let Some(row) = mine.filter(|row| row.tenant == tenant) else {
                continue;
            };
            let (whose, announced_at) = (row.whose(), row.delivery.created_at);
            for (_, row) in tables.deliveries.range_mut(..*seq) {
                if row.whose() == whose {
                    row.hurry(announced_at);
                }
            }
            tables.deliveries.remove(seq);
        }
        Ok(())
    }

    async fn due(
        &self,
        tenant: &str,
        connectors: &[String],
        now: Moment,
        rows_max: usize,
    ) -> Result<Vec<Delivery>, PortError> {
        Ok(self.heads(tenant, connectors, None, now, rows_max))
    }

    async fn due_of(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        now: Moment,
    ) -> Result<Option<Delivery>, PortError> {
        let connectors = [connector.to_owned()];
        let of = Some((what, subject));
        Ok(self.heads(tenant, &connectors, of, now, 1).pop())
    }

    async fn waits(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
    ) -> Result<Waits, PortError> {
        let whose = (
            tenant.to_owned(),
            connector.to_owned(),
            what,
            subject.to_owned(),
        );
        let tables = self.tables();
        let first = tables.deliveries.values().find(|row| row.whose() == whose);
        Ok(match first.map(|row| row.delivery.given_up) {
            None => Waits::Nothing,
            Some(false) => Waits::Comes,
            Some(true) => Waits::GivenUp,
        })
    }

    async fn told(&self, tenant: &str, delivery: &Delivery) -> Result<(), PortError> {
        self.tables().deliveries.retain(|seq, row| {
            let told = &row.delivery;
            row.tenant != tenant
                || told.connector != delivery.connector
                || told.what != delivery.what
                || told.subject != delivery.subject
                || !(delivery.seq..=delivery.through).contains(seq)
        });
        Ok(())
    }

    async fn failed(
        &self,
        tenant: &str,
        delivery: &Delivery,
        failed: Failed,
    ) -> Result<Waits, PortError> {
        let seq = delivery.seq;
        let mut tables = self.tables();
        let Some(row) = tables.deliveries.get_mut(&seq) else {
            return Ok(Waits::Nothing);
        };
        if row.tenant != tenant {
            return Ok(Waits::Nothing);
        }
        if row.is_retried(delivery) {
            row.delivery.trouble = Some(failed.trouble);
            return Ok(Waits::Comes);
        }
        row.delivery.attempts += 1;
        row.delivery.refusals += u32::from(failed.outlook == Outlook::Refused);
        row.delivery.faults += u32::from(failed.outlook == Outlook::Ours);
        row.delivery.trouble = Some(failed.trouble);
        row.delivery.due_at = failed.due_at;
        row.delivery.given_up = failed.given_up;
        if !failed.given_up {
            return Ok(Waits::Comes);
        }
        let whose = row.whose();
        let mut later = tables.deliveries.range(seq + 1..);
        let deletion = later.find(|(_, row)| row.delivery.gone && row.whose() == whose);
        if let Some(deletion) = deletion.map(|(deletion, _)| *deletion) {
            for (_, row) in tables.deliveries.range_mut(seq..deletion) {
                if row.whose() == whose {
                    row.delivery.password = None;
                }
            }
            tables.deliveries.remove(&seq);
            return Ok(Waits::Nothing);
        }
        let behind = tables.deliveries.range(delivery.through + 1..);
        let behind = behind
            .map(|(_, row)| row)
            .filter(|row| row.whose() == whose);
        let anew = failed.ended_at.and_then(|ended_at| {
            let (mut came, mut reached, mut by) = (0, ended_at, None);
            for row in behind.take_while(|row| !row.delivery.given_up) {
                let due_at = row.delivery.due_at;
                reached = reached.max(due_at);
                if row.made || due_at <= ended_at {
                    came += 1;
                    by = Some(reached);
                }
            }
            by.filter(|_| came > delivery.behind)
        });
        if let Some(by) = anew {
            if let Some(row) = tables.deliveries.get_mut(&seq) {
                row.delivery.due_at = by;
                row.delivery.given_up = false;
                row.anew();
            }
            return Ok(Waits::Comes);
        }
        for (_, row) in tables.deliveries.range_mut(seq..) {
            if row.whose() == whose {
                row.delivery.password = None;
            }
        }
        Ok(Waits::GivenUp)
    }

    async fn waiting(
        &self,
        tenant: &str,
        after: u64,
        rows_max: usize,
    ) -> Result<Vec<Delivery>, PortError> {
        let tables = self.tables();
        Ok(tables
            .deliveries
            .range(after + 1..)
            .filter(|(_, row)| row.tenant == tenant)
            .take(rows_max)
            .map(|(_, row)| Delivery {
                password: None,
                ..row.delivery.clone()
            })
            .collect())
    }

    async fn counts(&self, tenant: &str) -> Result<Vec<(String, u64)>, PortError> {
        let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for row in self.tables().deliveries.values() {
            if row.tenant == tenant {
                *counts.entry(row.delivery.connector.clone()).or_default() += 1;
            }
        }
        Ok(counts.into_iter().collect())
    }

    async fn retry(
        &self,
        tenant: &str,
        connector: &str,
        seq: Option<u64>,
        now: Moment,
    ) -> Result<u64, PortError> {
        let mut count = 0;
        for (number, row) in &mut self.tables().deliveries {
            let meant = seq.is_none_or(|seq| seq == *number);
            if row.tenant == tenant && row.delivery.connector == connector && meant {
                row.delivery.due_at = now;
                row.delivery.given_up = false;
                row.anew();
                count += 1;
            }
        }
        Ok(count)
    }

    async fn drop_one(&self, tenant: &str, seq: u64) -> Result<bool, PortError> {
        let mut tables = self.tables();
        let mine = tables
            .deliveries
            .get(&seq)
            .is_some_and(|row| row.tenant == tenant);
        Ok(mine && tables.deliveries.remove(&seq).is_some())
    }

    async fn remote(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
    ) -> Result<Option<Remote>, PortError> {
        let whose = (
            tenant.to_owned(),
            connector.to_owned(),
            what,
            subject.to_owned(),
        );
        Ok(self.tables().remote_ids.get(&whose).cloned())
    }

    async fn remember(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        remote: Option<&Remote>,
    ) -> Result<bool, PortError> {
        let whose = (
            tenant.to_owned(),
            connector.to_owned(),
            what,
            subject.to_owned(),
        );
        let Some(remote) = remote else {
            self.tables().remote_ids.remove(&whose);
            return Ok(true);
        };
        let holder = self.holder(tenant, connector, what, &remote.id).await?;
        if holder.is_some_and(|holder| holder != subject) {
            return Ok(false);
        }
        self.tables().remote_ids.insert(whose, remote.clone());
        Ok(true)
    }

    async fn holder(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        remote_id: &str,
    ) -> Result<Option<String>, PortError> {
        let tables = self.tables();
        let found = tables.remote_ids.iter().find(|(whose, remote)| {
            (whose.0.as_str(), whose.1.as_str(), whose.2) == (tenant, connector, what)
                && remote.id == remote_id
        });
        Ok(found.map(|(whose, _)| whose.3.clone()))
    }

    async fn push(&self, tenant: &str, connector: &str, now: Moment) -> Result<bool, PortError> {
        let under_way = self.tables().deliveries.values().any(|row| {
            row.tenant == tenant
                && row.delivery.connector == connector
                && row.delivery.what == What::Everybody
        });
        if !under_way {
            let one = [connector.to_owned()];
            self.announce(tenant, &one, What::Everybody, "", now, now)
                .await?;
        }
        Ok(!under_way)
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
        {
            let mut tables = self.tables();
            let Some(row) = tables.deliveries.get_mut(&push.seq) else {
                return Ok(());
            };
            if row.tenant != tenant {
                return Ok(());
            }
            match rest {
                Some(rest) => {
                    row.delivery.subject = rest.to_owned();
                    row.delivery.due_at = next_at;
                    row.anew();
                    row.delivery.trouble = None;
                }
                None => {
                    tables.deliveries.remove(&push.seq);
                }
            }
        }
        let one = [push.connector.clone()];
        for (what, subject) in page {
            self.announce(tenant, &one, *what, subject, now, now)
                .await?;
        }
        Ok(())
    }

    async fn queued(&self, tenant: &str, connector: &str, most: usize) -> Result<usize, PortError> {
        let tables = self.tables();
        let mine = tables.deliveries.values().filter(|row| {
            row.tenant == tenant && row.delivery.connector == connector && !row.delivery.given_up
        });
        Ok(mine.take(most).count())
    }

    async fn forget_connector(&self, tenant: &str, connector: &str) -> Result<(), PortError> {
        self.tables()
            .deliveries
            .retain(|_, row| row.tenant != tenant || row.delivery.connector != connector);
        self.forget_remotes(tenant, connector, "").await
    }

    async fn forget_remotes(
        &self,
        tenant: &str,
        connector: &str,
        deletions: &str,
    ) -> Result<(), PortError> {
        let mut tables = self.tables();
        tables
            .remote_ids
            .retain(|whose, _| whose.0 != tenant || whose.1 != connector);
        let mut last: HashMap<Whose, u64> = HashMap::new();
        for (seq, row) in &tables.deliveries {
            let whose = row.whose();
            if (whose.0.as_str(), whose.1.as_str(), whose.2) == (tenant, connector, What::User)
                && row.delivery.gone
            {
                last.insert(whose, *seq);
            }
        }
        tables.deliveries.retain(|seq, row| {
            let Some(deletion) = last.get(&row.whose()) else {
                return true;
            };
            row.delivery.password = None;
            if seq == deletion {
                row.delivery.given_up = true;
                row.delivery.trouble = Some(deletions.to_owned());
            }
            seq >= deletion
        });
        Ok(())
    }
}

impl Memory {
    fn heads(
        &self,
        tenant: &str,
        connectors: &[String],
        of: Option<(What, &str)>,
        now: Moment,
        rows_max: usize,
    ) -> Vec<Delivery> {
        let tables = self.tables();
        let mut seen: Vec<Whose> = Vec::new();
        let mut found = Vec::new();
        for row in tables.deliveries.values() {
            let whose = row.whose();
            if row.tenant != tenant
                || !connectors.contains(&row.delivery.connector)
                || seen.contains(&whose)
                || of.is_some_and(|of| of != (whose.2, whose.3.as_str()))
            {
                continue;
            }
            seen.push(whose.clone());
            let mut told = row.delivery.clone();
            if told.due_at > now || told.given_up || found.len() == rows_max {
                continue;
            }
            let followers = tables
                .deliveries
                .range(told.seq + 1..)
                .map(|(_, row)| row)
                .filter(|row| row.whose() == whose)
                .map(|row| &row.delivery)
                .take_while(|next| !next.given_up);
            if told.gone {
                told.behind = followers.filter(|next| next.due_at <= now).count() as u64;
            } else {
                for next in followers.take_while(|next| !next.gone && next.due_at <= now) {
                    told.through = next.seq;
                    told.password = next.password.clone().or(told.password);
                }
            }
            found.push(told);
        }
        found
    }
}
