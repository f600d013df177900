//! The whole: senders and resolvers as the login sees them, over plugins that come and go.
//!
//! Owns: the order of things when a file, a configuration or a plugin's health changes, and the
//! keeping of the two scores, the provider's and the plugin's. One pass of [`Gateway::reconcile`]
//! brings everything up to date; the background task only decides when.

mod admit;
mod bind;
mod health;
mod serve;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use postern_egress::{KeptValues, Shown};
use postern_login::ports::{Clock, Delivery, Directory, Entropy};
use postern_wasm::Limits;
use tokio::sync::Notify;

use crate::archive::Archive;
use crate::breaker::HealthPolicy;
use crate::conversation::Wire;
use crate::folder::Folder;
use crate::guest::Loader;
use crate::last_good::LastGood;
use crate::provider::{Problem, SenderConfig, Shipped};
use crate::registry::{Table, Version, held};

/// How long conversations may go on after their version was replaced. What is left then is cut short:
/// the version is unloaded, and its next step fails.
pub const DRAIN: Duration = Duration::from_secs(20);

/// The part of a gateway that the world outside decides.
pub(crate) struct Parts {
    pub(crate) folder: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) health: HealthPolicy,
    pub(crate) kept: Option<PathBuf>,
    /// Where the last good content of each file is kept for the next start.
    pub(crate) last_good: Option<PathBuf>,
    /// How long the conversations of a replaced version may go on.
    pub(crate) drain: Duration,
    pub(crate) loader: Arc<dyn Loader>,
    pub(crate) wire: Arc<dyn Wire>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) shipped: Shipped,
    /// Whether the test outbox is on.
    pub(crate) outbox: bool,
}

/// Plugins, senders and resolvers. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    loader: Arc<dyn Loader>,
    wire: Arc<dyn Wire>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    shipped: Shipped,
    outbox: bool,
    archive: Option<Archive>,
    limits: Limits,
    health: HealthPolicy,
    drain: Duration,
    last_good: Option<Arc<LastGood>>,
    kept: KeptValues,
    table: ArcSwap<Table>,
    /// One pass at a time.
    pass: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    wake: Notify,
}

/// What only the passes change.
struct State {
    folder: Folder,
    senders: Vec<Arc<SenderConfig>>,
    /// The version each file in the folder gave last.
    admitted: BTreeMap<String, Arc<Version>>,
    draining: Vec<Draining>,
    /// Files whose kept contents were tried and do not serve either.
    beyond_help: BTreeSet<String>,
}

struct Draining {
    version: Weak<Version>,
    file: String,
    /// When it stopped serving, or was last seen in reserve.
    since: Instant,
}

/// What an operator's test message did.
#[derive(Debug)]
pub struct TestReport {
    /// The exact requests, secrets masked.
    pub requests: Vec<Shown>,
    pub delivery: Delivery,
}

impl Gateway {
    pub(crate) fn from_parts(parts: Parts) -> Self {
        Gateway {
            inner: Arc::new(Inner {
                loader: parts.loader,
                wire: parts.wire,
                directory: parts.directory,
                clock: parts.clock,
                entropy: parts.entropy,
                shipped: parts.shipped,
                outbox: parts.outbox,
                archive: parts.kept.map(Archive::new),
                health: parts.health,
                drain: parts.drain,
                last_good: parts.last_good.map(|place| Arc::new(LastGood::new(place))),
                kept: KeptValues::default(),
                table: ArcSwap::default(),
                pass: tokio::sync::Mutex::new(()),
                state: Mutex::new(State {
                    folder: Folder::new(parts.folder, parts.limits.component_bytes as u64),
                    senders: Vec::new(),
                    admitted: BTreeMap::new(),
                    draining: Vec::new(),
                    beyond_help: BTreeSet::new(),
                }),
                wake: Notify::new(),
                limits: parts.limits,
            }),
        }
    }

    /// Replaces the configured senders and says what is wrong with them. Those in order are used;
    /// whether the others are reason to refuse the whole is the caller's decision, and
    /// [`Gateway::check`] tells beforehand.
    pub async fn configure(&self, senders: Vec<SenderConfig>) -> Vec<Problem> {
        let _turn = self.inner.pass.lock().await;
        {
            let mut state = held(&self.inner.state);
            state.folder.reconsider();
            state.beyond_help.clear();
            state.senders = senders.into_iter().map(Arc::new).collect();
        }
        self.bind(Instant::now()).await;
        let table = self.inner.table.load();
        for sender in table.senders() {
            self.inner.kept.forget_sender(&sender.config.name);
        }
        let mut problems: Vec<Problem> = table
            .senders()
            .filter_map(|sender| sender.bound.as_ref().err())
            .flatten()
            .cloned()
            .collect();
        problems.sort_by(|a, b| (&a.sender, &a.setting).cmp(&(&b.sender, &b.setting)));
        drop(table);
        self.rescan();
        problems
    }

    /// Everything that is wrong with these senders, against the plugins that are loaded.
    pub async fn check(&self, senders: &[SenderConfig]) -> Vec<Problem> {
        let table = self.inner.table.load_full();
        let mut problems = self.outbox_problems(senders.iter());
        for config in senders {
            if let Err(found) = self.bind_one(&table, config).await {
                problems.extend(found);
            }
        }
        problems
    }

    /// Looks at the folder soon.
    pub fn rescan(&self) {
        self.inner.wake.notify_one();
    }

    /// Waits until somebody wants a pass.
    pub(crate) async fn woken(&self) {
        self.inner.wake.notified().await;
    }

    pub(crate) fn folder(&self) -> PathBuf {
        held(&self.inner.state).folder.path().to_owned()
    }

    /// One pass: reads the folder, judges what is new, retires what is gone, heals what is ill.
    /// Says in how long the next one is due at the latest, beside the periodic one.
    pub async fn reconcile(&self) -> Option<Duration> {
        self.reconcile_at(Instant::now()).await
    }

    pub(crate) async fn reconcile_at(&self, now: Instant) -> Option<Duration> {
        let _turn = self.inner.pass.lock().await;
        let inner = Arc::clone(&self.inner);
        let looked = tokio::task::spawn_blocking(move || held(&inner.state).folder.look(now)).await;
        let look = looked.unwrap_or_default();

        for (file, refused) in &look.unread {
            self.say_refused(&held(&self.inner.state), file, refused);
        }
        for file in &look.removed {
            self.remove(file, now);
            let pardoned = self.last_good(file, |kept, file| kept.forget(file)).await;
            let mut state = held(&self.inner.state);
            for sha256 in pardoned.unwrap_or_default() {
                state.folder.pardon(&sha256);
            }
        }
        let mut changed = !look.removed.is_empty();
        for candidate in look.candidates {
            let (file, sha256) = (candidate.file.clone(), candidate.sha256);
            let bytes = Arc::clone(&candidate.bytes);
            if let Some(id) = self.judge(candidate, now).await {
                // Live at once: the next file may take a minute to compile.
                self.bind(now).await;
                changed = false;
                self.last_good(&file, move |kept, file| {
                    kept.keep(file, &id, &sha256, &bytes);
                })
                .await;
            }
        }
        if self.recover(now).await {
            changed = true;
        }
        if self.condemn_the_condemned().await || changed {
            self.bind(now).await;
        }
        self.heal(now).await;
        self.watch_drains(now);
        let reading = held(&self.inner.state).folder.due_in(now);
        let healing = self.healing_due_in(now);
        [reading, healing].into_iter().flatten().min()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
