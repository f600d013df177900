//! The users of every store as provisioning takes them: each with an id, and found by a condition.
//!
//! A store that can search does; the users of another one are looked at one by one, a bounded number
//! of them.

use super::identities::{Identities, Identity};
use super::name;
use super::secondary::Secondary;
use super::user_store::Record;
use crate::port::to_port;
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::PortError;
use postern_federation::scim::filter::{Compared, Operator};
use postern_federation::scim::limits::LOOKED_AT_MAX;
use postern_federation::scim::{Condition, Field, Page, People, Person, SearchError};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Clock, DirectoryError};
use postern_otp::Timestamp;
use std::sync::Arc;

/// Users looked at in one go.
const PAGE: u32 = 500;

pub struct Provisionable {
    stores: Arc<Secondary>,
    identities: Arc<dyn Identities>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Provisionable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Provisionable")
    }
}

/// An account's name by its key, as identities have it.
pub(super) fn account_key(account: &str) -> Option<String> {
    let (domain, bare) = name::split(account);
    let key = name::key(bare)?;
    Some(name::qualified(&domain.unwrap_or_default(), &key))
}

impl Provisionable {
    pub fn new(
        stores: Arc<Secondary>,
        identities: Arc<dyn Identities>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            stores,
            identities,
            clock,
        }
    }

    async fn persons(
        &self,
        tenant: &TenantId,
        records: Vec<Record>,
    ) -> Result<Vec<Person>, StoreError> {
        let mut named = Vec::with_capacity(records.len());
        for record in records {
            // A name that is none of ours (a directory may hold such) cannot be provisioned.
            if let Some(account) = account_key(&record.name) {
                named.push((account, record));
            }
        }
        let accounts: Vec<String> = named.iter().map(|(account, _)| account.clone()).collect();
        let now = self.clock.now();
        let identities = self.identities.identities(tenant, &accounts, now).await?;
        let mut persons = Vec::with_capacity(named.len());
        for ((_, record), identity) in named.into_iter().zip(identities) {
            let groups = self.identities.groups_of(tenant, &identity.id).await?;
            persons.push(person(record, identity, groups));
        }
        Ok(persons)
    }

    async fn one(
        &self,
        tenant: &TenantId,
        account: &str,
    ) -> Result<Option<Person>, DirectoryError> {
        let (domain, bare) = name::split(account);
        let domain = domain.unwrap_or_default();
        if !self.stores.knows(&domain) {
            // Nobody knows whether they are there: they are not gone.
            return Err(StoreError::new("the account's user store is not configured").into());
        }
        let Some(record) = self
            .stores
            .get_in(tenant, &domain, &name::qualified(&domain, bare))
            .await?
        else {
            return Ok(None);
        };
        Ok(self.persons(tenant, vec![record]).await?.pop())
    }

    /// Everybody of a store, looked at.
    async fn looked_at(
        &self,
        tenant: &TenantId,
        domain: &str,
        condition: &Condition,
    ) -> Result<Vec<Person>, SearchError> {
        if !self.stores.knows(domain) {
            return Ok(Vec::new());
        }
        if let Condition::Compare(Field::UserName, Operator::Equal, Compared::Text(name)) =
            condition
        {
            let (named, bare) = name::split(name);
            if named.unwrap_or_default() != domain {
                return Ok(Vec::new());
            }
            let account = name::qualified(domain, bare);
            let found = self.one(tenant, &account).await.map_err(failed)?;
            return Ok(found.into_iter().collect());
        }
        let narrowed = self
            .stores
            .candidates_in(tenant, domain, condition, LOOKED_AT_MAX)
            .await
            .map_err(failed)?;
        if let Some(candidates) = narrowed {
            if !candidates.all {
                return Err(SearchError::TooMany);
            }
            let persons = self.persons(tenant, candidates.records).await;
            let mut persons = persons.map_err(|error| failed(error.into()))?;
            persons.retain(|person| condition.holds(person));
            return Ok(persons);
        }
        let mut fitting = Vec::new();
        let mut looked_at = 0;
        let mut from: Option<String> = None;
        loop {
            let page = self
                .stores
                .list_in(tenant, domain, from.as_deref(), PAGE)
                .await
                .map_err(failed)?;
            let full = page.len() >= PAGE as usize;
            looked_at += page.len();
            if looked_at > LOOKED_AT_MAX {
                return Err(SearchError::TooMany);
            }
            from = page.last().map(|record| record.name.clone());
            let persons = self
                .persons(tenant, page)
                .await
                .map_err(|error| failed(error.into()))?;
            fitting.extend(persons.into_iter().filter(|person| condition.holds(person)));
            if !full {
                return Ok(fitting);
            }
        }
    }
}

#[async_trait]
impl People for Provisionable {
    async fn accounts(
        &self,
        tenant: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<String>, PortError> {
        let tenant = parsed(tenant)?;
        // Stores by the order of their names: one that comes or goes meanwhile changes no other's turn.
        let mut domains: Vec<String> = self
            .stores
            .domains()
            .into_iter()
            .map(|(domain, _)| domain)
            .collect();
        domains.sort();
        let reached = after.map(|after| name::split(after).0.unwrap_or_default());
        let mut accounts = Vec::new();
        for domain in domains {
            let from = match &reached {
                Some(reached) if domain < *reached => continue,
                Some(reached) if domain == *reached => after,
                _ => None,
            };
            let left = rows_max - accounts.len();
            let rows = u32::try_from(left).unwrap_or(u32::MAX);
            let page = self.stores.list_in(&tenant, &domain, from, rows).await;
            let page = page.map_err(port)?;
            accounts.extend(page.into_iter().map(|record| record.name));
            if accounts.len() >= rows_max {
                break;
            }
        }
        Ok(accounts)
    }

    async fn person(&self, tenant: &str, id: &str) -> Result<Option<Person>, PortError> {
        let tenant = parsed(tenant)?;
        let identity = self.identities.identity(&tenant, id).await;
        let Some(identity) = identity.map_err(to_port)? else {
            return Ok(None);
        };
        let (domain, _) = name::split(&identity.account);
        if !self.stores.knows(&domain.unwrap_or_default()) {
            // Not shown, and not forgotten: the store may come back, and with it whoever is in it.
            return Ok(None);
        }
        let found = self.one(&tenant, &identity.account).await;
        let found = found.map_err(port)?.filter(|person| person.id == id);
        if found.is_none() {
            // Gone from its store by another door than ours.
            self.identities
                .forget_id(&tenant, id)
                .await
                .map_err(to_port)?;
        }
        Ok(found)
    }

    async fn person_named(&self, tenant: &str, account: &str) -> Result<Option<Person>, PortError> {
        self.one(&parsed(tenant)?, account).await.map_err(port)
    }

    async fn namesakes(&self, tenant: &str, account: &str) -> Result<Vec<String>, PortError> {
        let tenant = parsed(tenant)?;
        let (own, bare) = name::split(account);
        let own = own.unwrap_or_default();
        let mut namesakes = Vec::new();
        for (domain, _) in self.stores.domains() {
            if domain != own {
                let named = name::qualified(&domain, bare);
                let found = self.stores.get_in(&tenant, &domain, &named).await;
                namesakes.extend(found.map_err(port)?.map(|record| record.name));
            }
        }
        Ok(namesakes)
    }

    async fn people(
        &self,
        tenant: &str,
        domains: &[String],
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Page<Person>, SearchError> {
        let tenant = parsed(tenant)?;
        let mut page = Page {
            total: 0,
            items: Vec::new(),
        };
        for domain in domains {
            let domain = name::domain(domain);
            let skip = start.saturating_sub(page.total);
            let left = count - page.items.len();
            if times(condition) {
                self.complete(&tenant, &domain).await?;
            }
            let matched = self
                .stores
                .matching_in(&tenant, &domain, condition, skip, left)
                .await
                .map_err(failed)?;
            if let Some(matched) = matched {
                page.total += matched.total;
                let persons = self
                    .persons(&tenant, matched.records)
                    .await
                    .map_err(|error| failed(error.into()))?;
                page.items.extend(persons);
                continue;
            }
            let all = self.looked_at(&tenant, &domain, condition).await?;
            page.total += all.len();
            page.items.extend(all.into_iter().skip(skip).take(left));
        }
        Ok(page)
    }

    async fn set_external_id(
        &self,
        tenant: &str,
        account: &str,
        external_id: Option<&str>,
    ) -> Result<(), PortError> {
        let tenant = parsed(tenant)?;
        let account =
            account_key(account).ok_or_else(|| PortError::new("nobody has such a name"))?;
        let one = [account];
        let now = self.clock.now();
        self.identities
            .identities(&tenant, &one, now)
            .await
            .map_err(to_port)?;
        self.identities
            .name_outside(&tenant, &one[0], external_id)
            .await
            .map_err(to_port)?;
        let touched = self.identities.touch(&tenant, &one[0], now).await;
        touched.map_err(to_port)
    }
}

impl Provisionable {
    /// Everybody gets an identity before they are searched by its times. As many as are looked at, and
    /// no more.
    async fn complete(&self, tenant: &TenantId, domain: &str) -> Result<(), SearchError> {
        let mut from: Option<String> = None;
        let mut looked_at = 0;
        loop {
            let page = self
                .stores
                .list_in(tenant, domain, from.as_deref(), PAGE)
                .await
                .map_err(failed)?;
            let full = page.len() >= PAGE as usize;
            looked_at += page.len();
            if looked_at > LOOKED_AT_MAX {
                return Err(SearchError::TooMany);
            }
            from = page.last().map(|record| record.name.clone());
            let accounts: Vec<_> = page
                .iter()
                .filter_map(|record| account_key(&record.name))
                .collect();
            self.identities
                .identities(tenant, &accounts, self.clock.now())
                .await
                .map_err(|error| failed(error.into()))?;
            if !full {
                return Ok(());
            }
        }
    }
}

/// Whether it looks at the times of an identity, which a user nobody has asked for does not have yet.
fn times(condition: &Condition) -> bool {
    match condition {
        Condition::Compare(Field::Created | Field::Changed, ..) => true,
        Condition::Not(inner) => times(inner),
        Condition::All(items) | Condition::Any(items) => items.iter().any(times),
        Condition::Always
        | Condition::Never
        | Condition::Present(_)
        | Condition::Compare(..)
        | Condition::OneOf(..) => false,
    }
}

fn person(record: Record, identity: Identity, groups: Vec<(String, String)>) -> Person {
    let moment = |at: Timestamp| Moment(at.0);
    Person {
        id: identity.id,
        account: record.name,
        display_name: record.display_name,
        number: record.number,
        locked: record.locked,
        claims: record.claims,
        external_id: identity.external_id,
        created_at: moment(identity.created_at),
        changed_at: moment(identity.changed_at),
        groups,
    }
}

fn parsed(tenant: &str) -> Result<TenantId, PortError> {
    TenantId::parse(tenant).map_err(|error| PortError::caused("no tenant's name", error))
}

fn port(error: DirectoryError) -> PortError {
    PortError::caused("the user store failed", error)
}

fn failed(error: DirectoryError) -> SearchError {
    SearchError::Failed(port(error))
}
