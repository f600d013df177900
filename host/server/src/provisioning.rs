//! Telling peers about users and groups: every change is written down before it is made, told afterwards
//! in the order in which it happened to each user, and kept until the peer took it.
//!
//! What is written down is that somebody changed, not how: a peer is told how they are when it is told.
//! So a host that died in between tells nothing wrong, and a peer that was away for a day hears the last
//! word and not the whole story.

use crate::shutdown::Shutdown;
use async_trait::async_trait;
use postern_admin::provisioning::{ConnectorReport, Outgoing};
use postern_federation::ports::{Outbound, PortError};
use postern_federation::scim::outbound::{Connector, Failure, Peer, Version};
use postern_federation::scim::ports::{Deliveries, Delivery, What};
use postern_federation::scim::{Groups, People};
use postern_federation::{Moment, Secret};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Clock, DirectoryError};
use postern_store::directory::watched::BLOCKED;
use postern_store::directory::{Happened, Journal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;

/// A change that was announced and neither made nor given up is looked at after this: its host died.
/// Longer than any request lives.
const ANNOUNCED_FOR: Duration = Duration::from_secs(120);
/// Between attempts: this, doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// And never longer: a peer that is back hears within the hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// With the waits above, more than two days; then it waits for an administrator.
const ATTEMPTS_MAX: u32 = 60;
/// What the peer refuses, as often as may be a passing fault of its own.
const REFUSALS_MAX: u32 = 5;
/// Told at once, and looked at in one go: memory is bounded by it whatever waits.
const AT_ONCE: usize = 8;
/// Without a change of ours something may still be due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Users put into the queue in one go when a peer is told of everybody, and groups, which have members.
const PAGE: usize = 500;
const PAGE_OF_GROUPS: usize = 20;
/// Beyond so many that wait, a push waits as well: the queue of a peer that is away does not grow with
/// the number of users.
const AHEAD_MAX: usize = 1000;
const AHEAD_WAIT: Duration = Duration::from_millis(500);
/// How far a push is: `users:` or `groups:`, and the name that was reached.
const USERS: &str = "users:";
const GROUPS: &str = "groups:";
/// How long whoever made a change waits for a blocking peer.
const BLOCKS_FOR: Duration = Duration::from_secs(10);

/// What the engine needs of the stores.
pub(crate) struct Parts {
    pub(crate) tenant: TenantId,
    pub(crate) deliveries: Arc<dyn Deliveries>,
    pub(crate) people: Arc<dyn People>,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) clock: Arc<dyn Clock>,
}

pub struct Provisioning {
    parts: Parts,
    connectors: RwLock<Arc<Vec<Connector>>>,
    /// Only a host that runs has a way out; without one all waits.
    outbound: OnceLock<Arc<dyn Outbound>>,
    work: Notify,
    turns: Mutex<HashMap<String, Turns>>,
}

/// Of one connector.
#[derive(Clone, Default)]
struct Turns {
    /// Held by the task that works off what is due.
    working: Arc<tokio::sync::Mutex<()>>,
    /// Held while something is told: whoever waits for a blocking peer comes in between.
    telling: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Provisioning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Provisioning")
    }
}

impl Provisioning {
    pub(crate) fn new(parts: Parts, connectors: Vec<Connector>) -> Self {
        Self {
            parts,
            connectors: RwLock::new(Arc::new(connectors)),
            outbound: OnceLock::new(),
            work: Notify::new(),
            turns: Mutex::default(),
        }
    }

    /// The way out. Called once, by a host.
    pub(crate) fn opens(&self, outbound: Arc<dyn Outbound>) {
        let _ = self.outbound.set(outbound);
    }

    /// Takes other connectors from now on; what waits for one that is gone goes on waiting.
    pub(crate) fn replace(&self, connectors: Vec<Connector>) {
        *self
            .connectors
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(connectors);
        self.work.notify_one();
    }

    fn now(&self) -> Moment {
        Moment(self.parts.clock.now().0)
    }

    fn current(&self) -> Arc<Vec<Connector>> {
        let connectors = self.connectors.read();
        connectors.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that are told of this kind of thing.
    fn told_of(&self, what: What) -> Vec<String> {
        self.current()
            .iter()
            .filter(|connector| what == What::User || connector.group_endpoint.is_some())
            .map(|connector| connector.name.clone())
            .collect()
    }

    async fn announce(
        &self,
        tenant: &TenantId,
        what: What,
        subject: &str,
    ) -> Result<Vec<u64>, PortError> {
        let connectors = self.told_of(what);
        if connectors.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let due = now.plus(ANNOUNCED_FOR);
        self.parts
            .deliveries
            .announce(tenant.as_str(), &connectors, what, subject, due, now)
            .await
    }

    async fn finish(
        &self,
        tenant: &TenantId,
        begun: &[u64],
        gone: bool,
        password: Option<&str>,
    ) -> Result<(), PortError> {
        if begun.is_empty() {
            return Ok(());
        }
        let password = password.map(Secret::new);
        self.parts
            .deliveries
            .confirm(tenant.as_str(), begun, gone, password.as_ref(), self.now())
            .await?;
        self.work.notify_one();
        Ok(())
    }

    /// Tells until it is told to stop. Each connector has a task of its own: one that hangs holds up
    /// no other.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let work = async {
            let mut tasks = tokio::task::JoinSet::new();
            loop {
                while tasks.try_join_next().is_some() {}
                for connector in self.current().iter().filter(|connector| connector.enabled) {
                    let turns = self.turns_of(&connector.name);
                    if let Ok(working) = turns.working.clone().try_lock_owned() {
                        let (engine, name) = (Arc::clone(&self), connector.name.clone());
                        tasks.spawn(async move {
                            if let Err(error) = engine.work_off(&name, &turns.telling).await {
                                tracing::warn!(
                                    connector = %name,
                                    "what a peer waits for could not be looked at: {error}"
                                );
                            }
                            drop(working);
                        });
                    }
                }
                let _ = tokio::time::timeout(LOOK_EVERY, self.work.notified()).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = shutdown.begun() => {}
        }
    }

    fn turns_of(&self, connector: &str) -> Turns {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(connector.to_owned()).or_default().clone()
    }

    /// Tells what is due, a few at once, until nothing is.
    async fn work_off(
        &self,
        name: &str,
        telling: &tokio::sync::Mutex<()>,
    ) -> Result<(), PortError> {
        if self.outbound.get().is_none() {
            return Ok(());
        }
        let tenant = self.parts.tenant.as_str();
        let one = [name.to_owned()];
        loop {
            let _turn = telling.lock().await;
            let connectors = self.current();
            let connector = connectors
                .iter()
                .find(|connector| connector.name == name && connector.enabled);
            let Some(connector) = connector else {
                return Ok(());
            };
            let due = self
                .parts
                .deliveries
                .due(tenant, &one, self.now(), AT_ONCE)
                .await?;
            if due.is_empty() {
                return Ok(());
            }
            let told = due.iter().map(|delivery| self.tell(connector, delivery));
            for outcome in futures_util::future::join_all(told).await {
                outcome?;
            }
        }
    }

    /// Tells one, and writes down how it went. `None`: told.
    async fn tell(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Option<String>, PortError> {
        let tenant = self.parts.tenant.as_str();
        let outcome = match delivery.what {
            What::User => self.user(connector, delivery).await?,
            What::Group => self.group(connector, delivery).await?,
            What::Everybody => match self.expand(connector, delivery).await {
                Ok(()) => return Ok(None),
                Err(source) => Err(Failure {
                    words: "the users or groups cannot be listed".to_owned(),
                    refused: false,
                    source: Some(source),
                }),
            },
        };
        let Err(failure) = outcome else {
            self.parts.deliveries.told(tenant, delivery).await?;
            return Ok(None);
        };
        let attempts = delivery.attempts.saturating_add(1);
        let most = if failure.refused {
            REFUSALS_MAX
        } else {
            ATTEMPTS_MAX
        };
        let given_up = attempts >= most;
        let wait = FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT);
        let words = failure.to_string();
        tracing::error!(
            connector = %connector.name,
            attempts,
            given_up,
            "SCIM - {} {} was not provisioned: {words}{}",
            delivery.what.as_str(),
            printable(&delivery.subject),
            failure
                .source
                .as_ref()
                .map(|source| format!(" ({})", chain(source)))
                .unwrap_or_default()
        );
        let due = self.now().plus(wait);
        self.parts
            .deliveries
            .failed(tenant, delivery.seq, &words, due, given_up)
            .await?;
        Ok(Some(words))
    }

    /// The next page of everybody becomes due. Those whom the peer knows are told as changes.
    async fn expand(&self, connector: &Connector, push: &Delivery) -> Result<(), PortError> {
        let (tenant, name) = (self.parts.tenant.as_str(), connector.name.as_str());
        let deliveries = &self.parts.deliveries;
        let now = self.now();
        if deliveries.queued(tenant, name, AHEAD_MAX).await? >= AHEAD_MAX {
            let later = now.plus(AHEAD_WAIT);
            let here = push.subject.as_str();
            return deliveries
                .expand(tenant, push, &[], Some(here), later, now)
                .await;
        }
        let (page, rest) = match push.subject.strip_prefix(GROUPS) {
            None => {
                let after = push.subject.strip_prefix(USERS);
                let page = self.parts.people.accounts(tenant, after, PAGE).await?;
                let rest = match page.last() {
                    Some(last) => Some(format!("{USERS}{last}")),
                    None if connector.group_endpoint.is_some() => Some(GROUPS.to_owned()),
                    None => None,
                };
                let page = page.into_iter().map(|account| (What::User, account));
                (page.collect::<Vec<_>>(), rest)
            }
            Some(after) => {
                let after = Some(after).filter(|after| !after.is_empty());
                let page = self
                    .parts
                    .groups
                    .groups(tenant, after, PAGE_OF_GROUPS)
                    .await?;
                let rest = page
                    .last()
                    .map(|last| format!("{GROUPS}{}", last.display_name));
                let page = page.into_iter().map(|group| (What::Group, group.id));
                (page.collect(), rest)
            }
        };
        deliveries
            .expand(tenant, push, &page, rest.as_deref(), now, now)
            .await
    }

    /// The outer error is ours, the inner one the peer's.
    async fn user(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let Some(outbound) = self.outbound.get() else {
            return Err(PortError::new("there is no way out"));
        };
        let peer = Peer {
            connector,
            outbound: outbound.as_ref(),
        };
        let (tenant, account) = (self.parts.tenant.as_str(), delivery.subject.as_str());
        let (name, what) = (connector.name.as_str(), What::User);
        let deliveries = &self.parts.deliveries;
        let remote = deliveries.remote(tenant, name, what, account).await?;
        let person = if delivery.gone {
            None
        } else {
            self.parts.people.person_named(tenant, account).await?
        };
        let done = match &person {
            Some(person) => {
                let password = delivery.password.as_ref().map(Secret::expose);
                peer.put_user(person, password, remote.as_ref()).await
            }
            None => peer.delete_user(account, remote.as_ref()).await,
        };
        Ok(match done {
            Ok(done) => {
                if done.remote != remote {
                    deliveries
                        .remember(tenant, name, what, account, done.remote.as_ref())
                        .await?;
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        })
    }

    async fn group(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let Some(outbound) = self.outbound.get() else {
            return Err(PortError::new("there is no way out"));
        };
        let peer = Peer {
            connector,
            outbound: outbound.as_ref(),
        };
        let (tenant, id) = (self.parts.tenant.as_str(), delivery.subject.as_str());
        let (name, what) = (connector.name.as_str(), What::Group);
        let deliveries = &self.parts.deliveries;
        let remote = deliveries.remote(tenant, name, what, id).await?;
        let group = if delivery.gone {
            None
        } else {
            self.parts.groups.group(tenant, id).await?
        };
        let Some(group) = group else {
            // What was never told there is not there.
            let Some(remote) = remote else {
                return Ok(Ok(()));
            };
            if let Err(failure) = peer.delete_group("", Some(&remote)).await {
                return Ok(Err(failure));
            }
            deliveries.remember(tenant, name, what, id, None).await?;
            return Ok(Ok(()));
        };
        let mut members = Vec::with_capacity(group.members.len());
        for (_, account) in &group.members {
            let known = deliveries.remote(tenant, name, What::User, account).await?;
            let known = match known {
                Some(known) => Some(known.id),
                None => match peer.user_id(account).await {
                    Ok(known) => known,
                    Err(failure) => return Ok(Err(failure)),
                },
            };
            match known {
                Some(known) => members.push(known),
                None if deliveries.waits(tenant, name, What::User, account).await? => {
                    return Ok(Err(Failure {
                        words: "a member of the group is not at the peer yet".to_owned(),
                        refused: false,
                        source: None,
                    }));
                }
                None => tracing::warn!(
                    connector = %name,
                    "a member of a group is not at the peer and is left out"
                ),
            }
        }
        let put = peer.put_group(&group, &members, remote.as_ref()).await;
        Ok(match put {
            Ok(done) => {
                if done.remote != remote {
                    deliveries
                        .remember(tenant, name, what, id, done.remote.as_ref())
                        .await?;
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        })
    }

    /// Tells the blocking ones now; what the first of them that did not take it said.
    async fn block(&self, account: &str) -> Result<(), String> {
        let connectors = self.current();
        let blocking: Vec<_> = connectors
            .iter()
            .filter(|connector| connector.blocking && connector.enabled)
            .collect();
        if blocking.is_empty() || self.outbound.get().is_none() {
            return Ok(());
        }
        let all = async {
            let (tenant, deliveries) = (self.parts.tenant.as_str(), &self.parts.deliveries);
            for connector in blocking {
                let name = connector.name.as_str();
                let turns = self.turns_of(name);
                let _turn = turns.telling.lock().await;
                let mine = deliveries
                    .due_of(tenant, name, What::User, account, self.now())
                    .await
                    .map_err(|error| error.to_string())?;
                let Some(mine) = mine else {
                    let waits = deliveries.waits(tenant, name, What::User, account).await;
                    if waits.map_err(|error| error.to_string())? {
                        return Err(format!("{name}: it was not told of this user yet"));
                    }
                    continue;
                };
                let outcome = self.tell(connector, &mine).await;
                if let Some(words) = outcome.map_err(|error| error.to_string())? {
                    return Err(format!("{name}: {words}"));
                }
            }
            Ok(())
        };
        match tokio::time::timeout(BLOCKS_FOR, all).await {
            Ok(outcome) => outcome,
            Err(_) => Err("it took too long".to_owned()),
        }
    }
}

#[async_trait]
impl Journal for Provisioning {
    async fn begin(&self, tenant: &TenantId, account: &str) -> Result<Vec<u64>, DirectoryError> {
        let begun = self.announce(tenant, What::User, account).await;
        begun.map_err(directory)
    }

    async fn happened(
        &self,
        tenant: &TenantId,
        account: &str,
        begun: Vec<u64>,
        what: Happened<'_>,
    ) -> Result<(), DirectoryError> {
        let (gone, password) = match what {
            Happened::Created(password) | Happened::Changed(password) => (false, password),
            Happened::Deleted => (true, None),
        };
        self.finish(tenant, &begun, gone, password)
            .await
            .map_err(directory)?;
        if begun.is_empty() {
            return Ok(());
        }
        match (self.block(account).await, what) {
            (Ok(()), _) => Ok(()),
            (Err(words), Happened::Created(_)) => {
                // The creation is undone, and nobody is told of it.
                self.nothing(tenant, begun).await?;
                Err(DirectoryError::Refused(format!("{BLOCKED} {words}")))
            }
            (Err(words), Happened::Changed(_) | Happened::Deleted) => {
                // Done here; it goes on waiting for the peer.
                Err(DirectoryError::Refused(format!(
                    "{BLOCKED} {words}; the change stands here and waits for the peer"
                )))
            }
        }
    }

    async fn nothing(&self, tenant: &TenantId, begun: Vec<u64>) -> Result<(), DirectoryError> {
        if begun.is_empty() {
            return Ok(());
        }
        let withdrawn = self.parts.deliveries.withdraw(tenant.as_str(), &begun);
        withdrawn.await.map_err(directory)
    }
}

#[async_trait]
impl Outgoing for Provisioning {
    fn connectors(&self) -> Vec<ConnectorReport> {
        self.current()
            .iter()
            .map(|connector| ConnectorReport {
                name: connector.name.clone(),
                enabled: connector.enabled,
                identity_provider: connector.identity_provider.clone(),
                version: match connector.version {
                    Version::One => "1.1",
                    Version::Two => "2.0",
                }
                .to_owned(),
                user_endpoint: connector.user_endpoint.clone(),
                group_endpoint: connector.group_endpoint.clone(),
                user_store_domain: connector.user_store_domain.clone(),
                blocking: connector.blocking,
                waiting: 0,
            })
            .collect()
    }

    async fn group_begins(&self, tenant: &TenantId, id: &str) -> Result<Vec<u64>, PortError> {
        self.announce(tenant, What::Group, id).await
    }

    async fn group_ends(
        &self,
        tenant: &TenantId,
        begun: Vec<u64>,
        done: bool,
        gone: bool,
    ) -> Result<(), PortError> {
        if done {
            return self.finish(tenant, &begun, gone, None).await;
        }
        if begun.is_empty() {
            return Ok(());
        }
        let deliveries = &self.parts.deliveries;
        deliveries.withdraw(tenant.as_str(), &begun).await
    }

    fn wake(&self) {
        self.work.notify_one();
    }

    async fn forget(&self, tenant: &TenantId, connector: &str) -> Result<(), PortError> {
        let turns = self.turns_of(connector);
        let _turn = turns.telling.lock().await;
        let deliveries = &self.parts.deliveries;
        deliveries
            .forget_connector(tenant.as_str(), connector)
            .await
    }
}

fn directory(error: PortError) -> DirectoryError {
    StoreError {
        what: error.what,
        source: error.source,
    }
    .into()
}

/// Somebody's name in a line of the log (attack L-01).
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}
