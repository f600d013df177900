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
use postern_federation::scim::outbound::{Connector, Failure, Holders, Peer, Version};
use postern_federation::scim::ports::{Deliveries, Delivery, Remote, What};
use postern_federation::scim::{Groups, People};
use postern_federation::{Moment, Secret};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Clock, DirectoryError};
use postern_store::directory::watched::BLOCKED;
use postern_store::directory::{Happened, Journal};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

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
/// A peer that did not answer in time may still do what it was asked: it is told only after this that it
/// is gone. Longer than a request lives on either side.
const LATE: Duration = Duration::from_secs(60);
/// Changes of one user that a blocking peer is told before the one it must agree to.
const BEFORE_MAX: usize = 16;

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

    /// Those that send passwords on. For no others one is kept.
    fn take_passwords(&self) -> Vec<String> {
        self.current()
            .iter()
            .filter(|connector| connector.enabled && connector.password_provisioning)
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
        let take = self.take_passwords();
        let password = password
            .as_ref()
            .map(|password| (password, take.as_slice()));
        self.parts
            .deliveries
            .confirm(tenant.as_str(), begun, gone, password, self.now())
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
            // Two of ours that are one name there come one after the other: else neither sees that the
            // other one has the account already.
            let mut names = HashSet::new();
            let apart = due.iter().filter(|delivery| {
                let name = connector.user_name(&delivery.subject).to_lowercase();
                delivery.what != What::User || names.insert(name)
            });
            let told = apart.map(|delivery| self.tell(connector, delivery));
            let outcomes = futures_util::future::join_all(told).await;
            // One that could not even be written down stops no other of them.
            for outcome in outcomes {
                outcome?;
            }
        }
    }

    /// Tells one, and writes down how it went. `None`: told.
    async fn tell(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Option<Failure>, PortError> {
        let tenant = self.parts.tenant.as_str();
        let outcome = match delivery.what {
            What::User => self.user(connector, delivery).await,
            What::Group => self.group(connector, delivery).await,
            What::Everybody => match self.expand(connector, delivery).await {
                Ok(()) => return Ok(None),
                Err(source) => Err(source),
            },
        };
        // A fault of our own (a user store that is away) waits like a peer that is away, so that others
        // get their turn, and is never given up: the peer has said nothing.
        let ours = outcome.is_err();
        let outcome = outcome.unwrap_or_else(|source| {
            Err(Failure {
                words: format!("a fault here, not the peer's: {}", source.what),
                refused: false,
                source: Some(source),
            })
        });
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
        let given_up = !ours && attempts >= most;
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
        Ok(Some(failure))
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
        let holders = Others {
            deliveries: deliveries.as_ref(),
            tenant,
            connector: name,
            account,
        };
        let done = match &person {
            Some(person) => {
                let password = delivery.password.as_ref().map(Secret::expose);
                peer.put_user(person, password, remote.as_ref(), &holders)
                    .await
            }
            None if remote.is_some() => peer.delete_user(account, remote.as_ref()).await,
            None => match peer.user_id(account).await {
                Ok(Some(found)) if holders.another_holds(&found).await? => {
                    // Another one's of ours by that name: this one was never there.
                    return Ok(Ok(()));
                }
                Ok(Some(id)) => {
                    let there = Remote {
                        id,
                        told: String::new(),
                    };
                    peer.delete_user(account, Some(&there)).await
                }
                Ok(None) => return Ok(Ok(())),
                Err(failure) => Err(failure),
            },
        };
        Ok(match done {
            Ok(done) => {
                let there = done.remote.as_ref();
                let kept = done.remote == remote
                    || deliveries
                        .remember(tenant, name, what, account, there)
                        .await?;
                if kept { Ok(()) } else { Err(Failure::held()) }
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
                    Ok(Some(found)) => {
                        let holder = deliveries.holder(tenant, name, What::User, &found).await?;
                        // Another one's of ours is not this member.
                        holder
                            .is_none_or(|holder| holder == *account)
                            .then_some(found)
                    }
                    Ok(None) => None,
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
                let kept = done.remote == remote
                    || deliveries
                        .remember(tenant, name, what, id, done.remote.as_ref())
                        .await?;
                if kept { Ok(()) } else { Err(Failure::held()) }
            }
            Err(failure) => Err(failure),
        })
    }

    /// Tells the blocking ones now, up to the change that was begun; what the first of them that did not
    /// take it said.
    async fn block(
        &self,
        account: &str,
        begun: &[u64],
        held: &Held,
        until: Instant,
    ) -> Result<(), Blocked> {
        let connectors = self.current();
        let blocking: Vec<_> = connectors
            .iter()
            .filter(|connector| connector.blocking && connector.enabled)
            .collect();
        if blocking.is_empty() || self.outbound.get().is_none() {
            return Ok(());
        }
        if let Some(missing) = blocking.iter().find(|c| !held.contains_key(&c.name)) {
            return Err(Blocked {
                words: format!("{}: it is being told of others all the time", missing.name),
                untouched: None,
                late: None,
            });
        }
        // Whom the peer is that was asked last.
        let asked: Mutex<Option<String>> = Mutex::default();
        let all = async {
            for connector in blocking {
                *asked.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(connector.name.clone());
                self.agree(connector, account, begun).await?;
            }
            Ok(())
        };
        let late = tokio::time::sleep_until(until);
        tokio::select! {
            // A request that gives up in the same moment gives up because of the time.
            biased;
            () = late => Err(Blocked {
                words: "it took too long".to_owned(),
                untouched: None,
                late: asked.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            }),
            outcome = all => outcome,
        }
    }

    /// The turns of the blocking peers, as far as they are to be had in time.
    async fn hold(&self, until: Instant) -> Held {
        let mut held = Held::new();
        let all = async {
            for connector in self.current().iter().filter(|c| c.blocking && c.enabled) {
                let turn = self.turns_of(&connector.name).telling.lock_owned().await;
                held.insert(connector.name.clone(), turn);
            }
        };
        // Whose turn is missing then has not agreed.
        let _ = tokio::time::timeout_at(until, all).await;
        held
    }

    /// What waits for the blocking peer of this user, in order, up to what was begun.
    async fn agree(
        &self,
        connector: &Connector,
        account: &str,
        begun: &[u64],
    ) -> Result<(), Blocked> {
        let (tenant, deliveries) = (self.parts.tenant.as_str(), &self.parts.deliveries);
        let name = connector.name.as_str();
        let plainly = |words: String| Blocked {
            words,
            untouched: None,
            late: None,
        };
        let fault = |error: PortError| plainly(format!("{name}: {}", error.what));
        // A deletion that could not be told yet goes before whoever is made now.
        deliveries
            .hasten(tenant, name, What::User, account, self.now())
            .await
            .map_err(fault)?;
        for _ in 0..BEFORE_MAX {
            let mine = deliveries
                .due_of(tenant, name, What::User, account, self.now())
                .await
                .map_err(fault)?;
            let Some(mine) = mine else {
                let waits = deliveries.waits(tenant, name, What::User, account).await;
                if waits.map_err(fault)? {
                    break;
                }
                return Ok(());
            };
            if let Some(failure) = self.tell(connector, &mine).await.map_err(fault)? {
                return Err(Blocked {
                    words: format!("{name}: {failure}"),
                    untouched: failure.left_no_trace().then(|| name.to_owned()),
                    late: None,
                });
            }
            if begun
                .iter()
                .any(|seq| (mine.seq..=mine.through).contains(seq))
            {
                return Ok(());
            }
        }
        Err(plainly(format!(
            "{name}: an earlier change of this user waits for it"
        )))
    }

    /// A creation that does not stay. Whoever took it, or may have taken it, is told that the user is
    /// gone, whatever is there by that name later; whoever was not asked yet is told nothing.
    async fn taken_back(
        &self,
        tenant: &TenantId,
        account: &str,
        begun: &[u64],
        blocked: &Blocked,
        held: &Held,
    ) -> Result<(), PortError> {
        let deliveries = &self.parts.deliveries;
        let mut rows = Vec::with_capacity(begun.len());
        for seq in begun {
            let row = deliveries.waiting(tenant.as_str(), seq - 1, 1).await?.pop();
            rows.extend(row.filter(|row| row.seq == *seq));
        }
        let mut gone = Vec::new();
        let mut late = Vec::new();
        for connector in self.told_of(What::User) {
            let row = rows.iter().find(|row| row.connector == connector);
            // While it is held nobody tells this peer anything.
            let turns = self.turns_of(&connector);
            let turn = turns.telling.try_lock();
            let ours = turn.is_ok() || held.contains_key(&connector);
            let timely = ours && blocked.late.as_deref() != Some(connector.as_str());
            let never = timely && row.is_some_and(|row| row.attempts == 0);
            // By the one attempt there was.
            let untouched = row.is_some_and(|row| row.attempts <= 1)
                && blocked.untouched.as_deref() == Some(connector.as_str());
            match row {
                Some(row) if never || untouched => {
                    deliveries.withdraw(tenant.as_str(), &[row.seq]).await?;
                }
                _ if timely => gone.push(connector),
                _ => late.push(connector),
            }
        }
        for (connectors, due) in [(gone, self.now()), (late, self.now().plus(LATE))] {
            let announced = deliveries
                .announce(
                    tenant.as_str(),
                    &connectors,
                    What::User,
                    account,
                    due.plus(ANNOUNCED_FOR),
                    self.now(),
                )
                .await?;
            deliveries
                .confirm(tenant.as_str(), &announced, true, None, due)
                .await?;
        }
        // Only now: a host that dies before has both, and ends with the deletion.
        deliveries.withdraw(tenant.as_str(), begun).await?;
        self.work.notify_one();
        Ok(())
    }
}

/// Turns by connector, held.
type Held = HashMap<String, tokio::sync::OwnedMutexGuard<()>>;

/// Why a blocking peer did not agree.
struct Blocked {
    words: String,
    /// It is sure to have made nobody.
    untouched: Option<String>,
    /// It did not answer in time, and may still do it.
    late: Option<String>,
}

/// All of our accounts at a peer but one.
struct Others<'a> {
    deliveries: &'a dyn Deliveries,
    tenant: &'a str,
    connector: &'a str,
    account: &'a str,
}

#[async_trait]
impl Holders for Others<'_> {
    async fn another_holds(&self, remote_id: &str) -> Result<bool, PortError> {
        let holder = self
            .deliveries
            .holder(self.tenant, self.connector, What::User, remote_id)
            .await?;
        Ok(holder.is_some_and(|holder| holder != self.account))
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
        if begun.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + BLOCKS_FOR;
        let finish = self.finish(tenant, &begun, gone, password);
        let (held, finished) = if matches!(what, Happened::Created(_)) {
            // Before the user is due: each peer is asked once, and what it did is known.
            let held = self.hold(until).await;
            (held, finish.await)
        } else {
            // What stands here waits for nobody to be written down.
            let finished = finish.await;
            (self.hold(until).await, finished)
        };
        let blocked = match finished {
            Ok(()) => self.block(account, &begun, &held, until).await.err(),
            Err(error) => Some(Blocked {
                words: error.what,
                untouched: None,
                late: None,
            }),
        };
        let Some(blocked) = blocked else {
            return Ok(());
        };
        if !matches!(what, Happened::Created(_)) {
            // Done here. It goes on waiting for the peer, and is no reason to leave out what follows.
            tracing::error!(
                "a change of {} stands here and waits for a peer that must agree: {}",
                printable(account),
                blocked.words
            );
            return Ok(());
        }
        if let Err(error) = self
            .taken_back(tenant, account, &begun, &blocked, &held)
            .await
        {
            tracing::error!(
                "the creation of {} is undone, and peers that took it may keep the account: {error}",
                printable(account)
            );
            return Err(directory(PortError::caused(
                "a peer refused the user, and others could not be told that it is undone: look for \
                 the account there",
                error,
            )));
        }
        Err(DirectoryError::Refused(format!(
            "{BLOCKED} {}",
            blocked.words
        )))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::{Method, Request, Response};
    use postern_federation::identity_provider::Network;
    use postern_federation::scim::outbound::Credentials;
    use postern_federation::scim::{Condition, Page, Person, SearchError};
    use postern_otp::Timestamp;
    use postern_store::memory::Memory;
    use serde_json::{Value, json};

    const TENANT: &str = "carbon.super";

    struct Now;

    impl Clock for Now {
        fn now(&self) -> Timestamp {
            Timestamp(1_700_000_000_000)
        }
    }

    /// Everybody is there, except in a store that is away.
    struct Everybody;

    #[async_trait]
    impl People for Everybody {
        async fn accounts(
            &self,
            _: &str,
            _: Option<&str>,
            _: usize,
        ) -> Result<Vec<String>, PortError> {
            Ok(Vec::new())
        }
        async fn person(&self, _: &str, _: &str) -> Result<Option<Person>, PortError> {
            Ok(None)
        }
        async fn person_named(&self, _: &str, account: &str) -> Result<Option<Person>, PortError> {
            if account.starts_with("AWAY/") {
                return Err(PortError::new("the user store failed"));
            }
            Ok(Some(Person {
                id: format!("id-{account}"),
                account: account.to_owned(),
                display_name: None,
                number: None,
                locked: false,
                claims: Vec::new(),
                external_id: None,
                created_at: Moment(0),
                changed_at: Moment(0),
                groups: Vec::new(),
            }))
        }
        async fn people(
            &self,
            _: &str,
            _: &[String],
            _: &Condition,
            _: usize,
            _: usize,
        ) -> Result<Page<Person>, SearchError> {
            Ok(Page {
                total: 0,
                items: Vec::new(),
            })
        }
        async fn set_external_id(
            &self,
            _: &str,
            _: &str,
            _: Option<&str>,
        ) -> Result<(), PortError> {
            Ok(())
        }
    }

    /// Keeps the users it is told of, and what it was asked.
    #[derive(Default)]
    struct Peer {
        users: Mutex<Vec<Value>>,
        asked: Mutex<Vec<Method>>,
    }

    #[async_trait]
    impl Outbound for Peer {
        async fn fetch(
            &self,
            _: &str,
            _: &str,
            _: &Network,
            request: Request<Vec<u8>>,
        ) -> Result<Response<Vec<u8>>, PortError> {
            self.asked.lock().unwrap().push(request.method().clone());
            let mut users = self.users.lock().unwrap();
            let (status, body) = match *request.method() {
                Method::GET => (200, json!({ "Resources": *users })),
                Method::POST => {
                    let mut user: Value = serde_json::from_slice(request.body()).unwrap();
                    user["id"] = json!(format!("r-{}", users.len()));
                    users.push(user.clone());
                    (201, user)
                }
                _ => (200, json!({})),
            };
            let answer = Response::builder().status(status);
            Ok(answer.body(body.to_string().into_bytes()).unwrap())
        }
    }

    fn connector() -> Connector {
        Connector {
            tenant: TENANT.to_owned(),
            name: "peer".to_owned(),
            enabled: true,
            version: Version::Two,
            user_endpoint: "https://peer.example/Users".to_owned(),
            group_endpoint: None,
            credentials: Credentials::Bearer(Secret::new("t")),
            user_store_domain: Some("EXT".to_owned()),
            password_provisioning: true,
            default_password: None,
            blocking: false,
            identity_provider: None,
            network: Network::default(),
        }
    }

    fn engine(store: &Memory, connectors: Vec<Connector>) -> (Provisioning, Arc<Peer>) {
        let parts = Parts {
            tenant: TenantId::super_tenant(),
            deliveries: Arc::new(store.clone()),
            people: Arc::new(Everybody),
            groups: Arc::new(store.clone()),
            clock: Arc::new(Now),
        };
        let engine = Provisioning::new(parts, connectors);
        let peer = Arc::new(Peer::default());
        engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
        (engine, peer)
    }

    async fn changed(engine: &Provisioning, account: &str) {
        let tenant = TenantId::super_tenant();
        let begun = engine.begin(&tenant, account).await.unwrap();
        let what = Happened::Changed(Some("pass word"));
        engine
            .happened(&tenant, account, begun, what)
            .await
            .unwrap();
    }

    async fn worked_off(engine: &Provisioning) {
        let turns = engine.turns_of("peer");
        engine.work_off("peer", &turns.telling).await.unwrap();
    }

    #[tokio::test]
    async fn a_user_store_that_is_away_holds_up_nobody_elses_users_and_is_tried_again() {
        let store = Memory::new();
        let (engine, peer) = engine(&store, vec![connector()]);
        for n in 0..=AT_ONCE {
            changed(&engine, &format!("AWAY/u{n}")).await;
        }
        changed(&engine, "alice").await;
        worked_off(&engine).await;
        assert_eq!(peer.users.lock().unwrap().len(), 1);
        for attempt in 1..=ATTEMPTS_MAX + 1 {
            let waiting = store.waiting(TENANT, 0, 100).await.unwrap();
            assert_eq!(waiting.len(), AT_ONCE + 1);
            for row in waiting {
                assert_eq!((row.attempts, row.given_up), (attempt, false));
                assert!(row.due_at > engine.now());
                assert!(row.trouble.unwrap().contains("a fault here"));
                let hastened = store.hasten(TENANT, "peer", What::User, &row.subject, engine.now());
                hastened.await.unwrap();
            }
            worked_off(&engine).await;
        }
    }

    #[tokio::test]
    async fn two_users_of_ours_never_become_one_at_the_peer() {
        let store = Memory::new();
        let (engine, peer) = engine(&store, vec![connector()]);
        changed(&engine, "alice").await;
        changed(&engine, "JDBC/alice").await;
        worked_off(&engine).await;
        let names = |peer: &Peer| -> Vec<Value> {
            let users = peer.users.lock().unwrap();
            users
                .iter()
                .map(|user| user["externalId"].clone())
                .collect()
        };
        assert_eq!(names(&peer), [json!("id-alice")]);
        assert!(!peer.asked.lock().unwrap().contains(&Method::PATCH));
        let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
        let subjects: Vec<_> = waiting.iter().map(|row| row.subject.as_str()).collect();
        assert_eq!(subjects, ["JDBC/alice"]);
        let trouble = waiting[0].trouble.clone().unwrap();
        assert!(trouble.contains("another user's of ours"), "{trouble}");
        // Nor does the end of the one who was never there end the other one.
        let tenant = TenantId::super_tenant();
        store.drop_one(TENANT, waiting[0].seq).await.unwrap();
        let begun = engine.begin(&tenant, "JDBC/alice").await.unwrap();
        let gone = engine.happened(&tenant, "JDBC/alice", begun, Happened::Deleted);
        gone.await.unwrap();
        worked_off(&engine).await;
        assert!(!peer.asked.lock().unwrap().contains(&Method::DELETE));
        assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_password_is_kept_for_those_alone_who_send_it_on() {
        let store = Memory::new();
        let named = |name: &str, enabled: bool, password_provisioning: bool| Connector {
            name: name.to_owned(),
            enabled,
            password_provisioning,
            ..connector()
        };
        let connectors = vec![
            named("sends", true, true),
            named("keeps", true, false),
            named("off", false, true),
        ];
        let (engine, _) = engine(&store, connectors);
        changed(&engine, "alice").await;
        for (name, kept) in [("sends", true), ("keeps", false), ("off", false)] {
            let due = store.due_of(TENANT, name, What::User, "alice", engine.now());
            let password = due.await.unwrap().unwrap().password;
            assert_eq!(password.is_some(), kept, "{name}");
        }
    }
}
