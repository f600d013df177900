//! Telling peers about users and groups: every change is written down before it is made, told afterwards
//! in the order in which it happened to each user, and kept until the peer took it.
//!
//! What is written down is that somebody changed, not how: a peer is told how they are when it is told.
//! So a host that died in between tells nothing wrong, and a peer that was away for a day hears the last
//! word and not the whole story.

mod blocking;
mod everybody;
mod journal;
mod outgoing;
mod telling;
#[cfg(test)]
mod tests;

use crate::shutdown::Shutdown;
use postern_federation::ports::{Outbound, PortError};
use postern_federation::scim::outbound::{Connector, Failure, Outlook};
use postern_federation::scim::ports::{Deliveries, Delivery, Failed, Remote, Waits, What};
use postern_federation::scim::{Groups, People};
use postern_federation::{Moment, Secret};
use postern_login::TenantId;
use postern_login::ports::Clock;
use std::collections::{HashMap, HashSet};
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
/// Of the peer's failures. With the waits above, more than two days; then it waits for an administrator.
const ATTEMPTS_MAX: u32 = 60;
/// What the peer refuses is given up after so many refusals: a few may be a passing fault of its own.
const REFUSALS_MAX: u32 = 5;
/// What fails here says nothing of the peer, and has a count and waits of its own: with them about a month.
/// A user store that is away longer does not come back by itself.
const FAULTS_MAX: u32 = 720;
/// Why a deletion is given up that waited when its connector was led to another address.
const MOVED: &str = "the connector led to another address when this was deleted: look whose the account of \
                     that name is at the new one; a retry deletes it there, by its name";
/// Told at once, and looked at in one go: memory is bounded by it whatever waits.
const AT_ONCE: usize = 8;
/// Before a group is told again of a member who came: others who come meanwhile are told with them.
const JOINED_WAIT: Duration = Duration::from_secs(5);
/// Without a change of ours something may still be due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
            self.know(connector).await?;
            let now = self.now();
            let deliveries = &self.parts.deliveries;
            let due = deliveries.due(tenant, &one, now, AT_ONCE).await?;
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
            // Groups after users: they name them by the ids that these get.
            let (groups, others): (Vec<_>, Vec<_>) =
                apart.partition(|delivery| delivery.what == What::Group);
            for some in [others, groups] {
                let told = some
                    .into_iter()
                    .map(|delivery| self.tell(connector, delivery));
                let outcomes = futures_util::future::join_all(told).await;
                // One that could not even be written down stops no other of them.
                for outcome in outcomes {
                    outcome?;
                }
            }
        }
    }

    /// The ids that are remembered are one peer's. At another one they are somebody else's, who would be
    /// given our users' names and passwords.
    async fn know(&self, connector: &Connector) -> Result<(), PortError> {
        let (tenant, name) = (self.parts.tenant.as_str(), connector.name.as_str());
        let deliveries = &self.parts.deliveries;
        let known = deliveries.remote(tenant, name, What::Everybody, "").await?;
        let groups_were = known.as_ref().map_or("", |known| known.told.as_str());
        let here = Remote {
            id: connector.user_endpoint.clone(),
            // One that is told of no groups for a while knows where it told of them last.
            told: connector
                .group_endpoint
                .clone()
                .unwrap_or_else(|| groups_were.to_owned()),
        };
        if known.as_ref() == Some(&here) {
            return Ok(());
        }
        let groups_moved = !groups_were.is_empty() && groups_were != here.told;
        if groups_moved || known.is_some_and(|known| known.id != here.id) {
            tracing::warn!(
                connector = %name,
                "the connector leads to another address than before: users and groups are looked for \
                 there by their names, and deletions of users that waited are given up"
            );
            deliveries.forget_remotes(tenant, name, MOVED).await?;
        }
        deliveries
            .remember(tenant, name, What::Everybody, "", Some(&here))
            .await?;
        Ok(())
    }

    /// Tells one that is due, and writes down how it went. `None`: told.
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
        // get their turn.
        let outcome = outcome.unwrap_or_else(|source| {
            Err(Failure {
                words: format!("a fault here, not the peer's: {}", source.what),
                outlook: Outlook::Ours,
                source: Some(source),
            })
        });
        let Err(failure) = outcome else {
            self.parts.deliveries.told(tenant, delivery).await?;
            return Ok(None);
        };
        let attempts = delivery.attempts.saturating_add(1);
        let of_the_peer = delivery.attempts.saturating_sub(delivery.faults);
        let (before, given_up) = match failure.outlook {
            Outlook::Passes => (of_the_peer, of_the_peer.saturating_add(1) >= ATTEMPTS_MAX),
            // Of refusals alone: what it waited for before was not the peer's last word.
            Outlook::Refused => {
                let refusals = delivery.refusals.saturating_add(1);
                (of_the_peer, refusals >= REFUSALS_MAX)
            }
            Outlook::Never => (of_the_peer, true),
            Outlook::Ours => {
                let faults = delivery.faults.saturating_add(1);
                (delivery.faults, faults >= FAULTS_MAX)
            }
        };
        let wait = FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT);
        let trouble = failure.to_string();
        let ended_at = self.now();
        let failed = Failed {
            trouble: trouble.clone(),
            outlook: failure.outlook,
            ended_at: Some(ended_at),
            due_at: ended_at.plus(wait),
            given_up,
        };
        let deliveries = &self.parts.deliveries;
        let became = deliveries.failed(tenant, delivery, failed).await;
        tracing::error!(
            connector = %connector.name,
            attempts,
            given_up = matches!(became, Ok(Waits::GivenUp)),
            "SCIM - {} {} was not provisioned: {trouble}{}",
            delivery.what.as_str(),
            printable(&delivery.subject),
            failure
                .source
                .as_ref()
                .map(|source| format!(" ({})", chain(source)))
                .unwrap_or_default()
        );
        became?;
        Ok(Some(failure))
    }
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
