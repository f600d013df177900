//! The whole: senders and resolvers as the login sees them, over plugins that come and go.
//!
//! Owns: the order of things when a file, a configuration or a plugin's health changes, and the
//! keeping of the two scores, the provider's and the plugin's. One pass of [`Gateway::reconcile`]
//! brings everything up to date; the background task only decides when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use postern_egress::{KeptValues, Shown};
use postern_login::ports::{
    Clock, Delivery, Directory, Entropy, FailureReason, FederatedLogin, Message, Resolution,
    Senders, UserResolver,
};
use postern_login::tenant::TenantId;
use postern_wasm::manifest::Kind;
use postern_wasm::{Blame, Fault, types};
use tokio::sync::Notify;

use crate::archive::{Archive, write_whole};
use crate::breaker::Sentence;
use crate::conversation::{Ended, Place, Wire, failed, lead};
use crate::folder::{Candidate, Folder, Refused, Sha, Standing};
use crate::guest::Loader;
use crate::last_good::{Kept, LastGood};
use crate::provider::{Problem, SenderConfig, Shipped, Terms, agree, secrets_that_would_be_read};
use crate::registry::{Bound, Experience, Sender, Slot, Table, Version, held};
use crate::report::{FileState, PluginReport, RefusedReport, SenderReport};
use crate::resolver;

/// How long conversations may go on after their version was replaced. What is left then is cut short:
/// the version is unloaded, and its next step fails.
pub const DRAIN: Duration = Duration::from_secs(20);

/// The part of a gateway that the world outside decides.
pub(crate) struct Parts {
    pub(crate) folder: PathBuf,
    pub(crate) file_bytes_max: u64,
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
    file_bytes_max: u64,
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
                file_bytes_max: parts.file_bytes_max,
                drain: parts.drain,
                last_good: parts.last_good.map(|place| Arc::new(LastGood::new(place))),
                kept: KeptValues::default(),
                table: ArcSwap::default(),
                pass: tokio::sync::Mutex::new(()),
                state: Mutex::new(State {
                    folder: Folder::new(parts.folder, parts.file_bytes_max),
                    senders: Vec::new(),
                    admitted: BTreeMap::new(),
                    draining: Vec::new(),
                    beyond_help: BTreeSet::new(),
                }),
                wake: Notify::new(),
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

    /// Judges one file. The plugin's id if something new may serve.
    async fn judge(&self, candidate: Candidate, now: Instant) -> Option<String> {
        let Candidate {
            file,
            sha256,
            bytes,
        } = candidate;
        let known = self.loaded(&sha256);
        let condemned = self
            .last_good(&file, move |kept, file| kept.is_condemned(file, &sha256))
            .await
            .unwrap_or_default();
        let version = match known {
            _ if condemned => Err((
                Refused {
                    sha256: Some(sha256),
                    stage: "observe".into(),
                    reason: "it misbehaved before the last start and was taken out of service: \
                             put another version here, or take the file away and put it back to \
                             try it again"
                        .into(),
                },
                true,
            )),
            Some(version) => Ok(version),
            None => match self.inner.loader.admit(Arc::clone(&bytes)).await {
                Ok(admitted) => Ok(Arc::new(Version::new(admitted, now))),
                Err(refusal) => Err((
                    Refused {
                        sha256: Some(sha256),
                        stage: refusal.stage.as_str().into(),
                        reason: refusal.reason.clone(),
                    },
                    refusal.is_final(),
                )),
            },
        };
        let judged = match version {
            Ok(version) => match self.fits_the_senders(&version).await {
                Ok(()) => Ok(version),
                Err(problem) => Err((
                    Refused {
                        sha256: Some(sha256),
                        stage: problem.0.into(),
                        reason: problem.1,
                    },
                    true,
                )),
            },
            Err(refused) => Err(refused),
        };
        if let (Ok(version), Some(archive)) = (&judged, &self.inner.archive)
            && let Err(error) = archive.keep(version.id(), &version.version, &sha256, &bytes)
        {
            tracing::warn!({ plugin.file = file, error = %error }, "{file} could not be kept: there will be no way back to it");
        }
        let mut state = held(&self.inner.state);
        match judged {
            Ok(version) => {
                tracing::info!(
                    { plugin.id = version.id(), plugin.version = version.version, plugin.file = file },
                    "plugin `{}` {} admitted from {file}", version.id(), version.version
                );
                state.folder.admitted(&file, sha256);
                state.beyond_help.remove(&file);
                let before = state.admitted.insert(file.clone(), Arc::clone(&version));
                if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &version)) {
                    state.drain(&before, &file, now);
                }
                Some(version.id().to_owned())
            }
            Err((refused, lasting)) => {
                let serves = state
                    .admitted
                    .get(&file)
                    .map(|version| version.version.clone());
                let on = serves.map_or_else(String::new, |version| {
                    format!("; version {version} serves on")
                });
                tracing::warn!(
                    { plugin.file = file, plugin.stage = refused.stage },
                    "{file} refused at {}: {}{on}", refused.stage, refused.reason
                );
                state.folder.refused(&file, refused, lasting, now);
                None
            }
        }
    }

    /// For each file whose content is refused and of which nothing serves, the last good content of an
    /// earlier start, judged like any file. True if something new may serve.
    async fn recover(&self, now: Instant) -> bool {
        if self.inner.last_good.is_none() {
            return false;
        }
        let lost: Vec<(String, Refused)> = {
            let state = held(&self.inner.state);
            let refusals = state.folder.refusals();
            refusals
                .filter(|(file, _)| !state.admitted.contains_key(*file))
                .filter(|(file, _)| !state.beyond_help.contains(*file))
                .map(|(file, refused)| (file.to_owned(), refused.clone()))
                .collect()
        };
        let mut changed = false;
        for (file, refused) in lost {
            let bytes_max = self.inner.file_bytes_max;
            let kept = self
                .last_good(&file, move |kept, file| kept.of_file(file, bytes_max))
                .await
                .unwrap_or_default();
            let other = kept
                .into_iter()
                .filter(|kept| Some(kept.sha256) != refused.sha256);
            let mut found = None;
            for kept in other {
                found = self.admit_again(&file, kept, now).await;
                if found.is_some() {
                    break;
                }
            }
            let mut state = held(&self.inner.state);
            match found {
                Some(version) => {
                    tracing::warn!(
                        { plugin.id = version.id(), plugin.version = version.version, plugin.file = file },
                        "{file} is refused ({}): version {} of plugin `{}`, kept from before, serves on",
                        refused.reason, version.version, version.id()
                    );
                    state.admitted.insert(file, version);
                    changed = true;
                }
                None => {
                    state.beyond_help.insert(file);
                }
            }
        }
        changed
    }

    async fn admit_again(&self, file: &str, kept: Kept, now: Instant) -> Option<Arc<Version>> {
        let passed_over = |reason: &str| {
            tracing::warn!(
                { plugin.file = file },
                "a kept version of {file} does not serve: {reason}"
            );
        };
        let version = match self.loaded(&kept.sha256) {
            Some(version) => version,
            None => match self.inner.loader.admit(kept.bytes.into()).await {
                Ok(admitted) => Arc::new(Version::new(admitted, now)),
                Err(refusal) => {
                    passed_over(&refusal.reason);
                    return None;
                }
            },
        };
        match self.fits_the_senders(&version).await {
            Ok(()) => Some(version),
            Err((_, reason)) => {
                passed_over(&reason);
                None
            }
        }
    }

    /// Reads or writes what is kept of a file, off the runtime's threads. `None` if nothing is kept.
    async fn last_good<T: Send + 'static>(
        &self,
        file: &str,
        act: impl FnOnce(&LastGood, &str) -> T + Send + 'static,
    ) -> Option<T> {
        let (kept, file) = (Arc::clone(self.inner.last_good.as_ref()?), file.to_owned());
        tokio::task::spawn_blocking(move || act(&kept, &file))
            .await
            .ok()
    }

    fn remove(&self, file: &str, now: Instant) {
        let mut state = held(&self.inner.state);
        state.beyond_help.remove(file);
        if let Some(version) = state.admitted.remove(file) {
            tracing::info!(
                { plugin.id = version.id(), plugin.version = version.version, plugin.file = file },
                "{file} is gone: plugin `{}` {} is retired", version.id(), version.version
            );
            state.drain(&version, file, now);
        }
    }

    fn loaded(&self, sha256: &Sha) -> Option<Arc<Version>> {
        let state = held(&self.inner.state);
        let found = state
            .admitted
            .values()
            .find(|version| version.sha256 == *sha256);
        let kept = || {
            let table = self.inner.table.load();
            table
                .plugins
                .values()
                .flat_map(|slot| [Some(Arc::clone(&slot.serving)), slot.last_good.clone()])
                .flatten()
                .find(|version| version.sha256 == *sha256)
        };
        found
            .cloned()
            .or_else(kept)
            .filter(|version| !version.is_condemned())
    }

    /// Whether a new version may take its place: no sender that works would stop working, and if
    /// there are senders at all, one of them can use it.
    async fn fits_the_senders(&self, version: &Arc<Version>) -> Result<(), (&'static str, String)> {
        let configs = held(&self.inner.state).senders.clone();
        let table = self.inner.table.load_full();
        let mut first_problem = None;
        let mut usable = 0;
        for config in configs
            .iter()
            .filter(|config| names(&config.plugin, version))
        {
            let serving = table
                .sender(&config.tenant, &config.name)
                .and_then(|sender| sender.in_use());
            let opened = serving.and_then(|bound| {
                secrets_that_would_be_read(config, &bound.version.manifest, &version.manifest)
            });
            let fits = match opened {
                Some(problem) => Err(vec![problem]),
                None => self.terms(config, version).await.map(|_| ()),
            };
            match fits {
                Ok(()) => usable += 1,
                Err(problems) => {
                    let stage = match problems
                        .iter()
                        .any(|problem| problem.setting.as_deref() == Some("allow"))
                    {
                        true => "grant",
                        false => "settings",
                    };
                    let words = problems
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join("; ");
                    if serving.is_some() {
                        return Err((stage, words));
                    }
                    first_problem.get_or_insert((stage, words));
                }
            }
        }
        match first_problem {
            Some(problem) if usable == 0 => Err(problem),
            _ => Ok(()),
        }
    }

    /// Builds the table anew from what is admitted and configured, and swaps it in.
    async fn bind(&self, now: Instant) {
        let before = self.inner.table.load_full();
        let (configs, plugins) = {
            let mut state = held(&self.inner.state);
            let plugins = choose(&state.admitted, &before.plugins);
            for (id, slot) in &before.plugins {
                let replaced = plugins
                    .get(id)
                    .is_none_or(|next| !Arc::ptr_eq(&next.serving, &slot.serving));
                if replaced {
                    let file = slot.serving.id().to_owned();
                    state.drain(&slot.serving, &file, now);
                }
            }
            (state.senders.clone(), plugins)
        };
        for (id, slot) in &plugins {
            if before
                .plugins
                .get(id)
                .is_none_or(|old| !Arc::ptr_eq(&old.serving, &slot.serving))
            {
                tracing::info!(
                    { plugin.id = id, plugin.version = slot.serving.version },
                    "plugin `{id}` {} serves", slot.serving.version
                );
            }
        }
        let mut table = Table::of(plugins);
        let outbox_problems = self.outbox_problems(configs.iter().map(|config| &**config));
        for config in configs {
            let old = before.sender(&config.tenant, &config.name);
            let mut sender = Sender {
                bound: self.bind_again(&table, &config, old).await,
                fallback: None,
                // A sender that was configured anew has done nothing wrong yet.
                experience: old
                    .filter(|old| Arc::ptr_eq(&old.config, &config))
                    .map(|old| Arc::clone(&old.experience))
                    .unwrap_or_default(),
                config,
            };
            if let Some(problem) = outbox_problems
                .iter()
                .find(|problem| problem.sender == sender.config.name)
            {
                sender.bound = Err(vec![problem.clone()]);
            }
            sender.fallback = self.fallback(&table, &sender).await;
            if let Err(problems) = &sender.bound
                && old.is_none_or(|old| old.bound.as_ref().err() != Some(problems))
            {
                for problem in problems {
                    tracing::warn!({ sender.name = sender.config.name }, "{problem}");
                }
            }
            table.put_sender(sender);
        }
        self.inner.table.store(Arc::new(table));
    }

    async fn bind_again(
        &self,
        table: &Table,
        config: &Arc<SenderConfig>,
        old: Option<&Sender>,
    ) -> Result<Arc<Bound>, Vec<Problem>> {
        let slot = table.plugin(&config.plugin);
        if let (Some(slot), Some(old)) = (slot, old)
            && let Ok(bound) = &old.bound
            && Arc::ptr_eq(&bound.version, &slot.serving)
            && Arc::ptr_eq(&old.config, config)
        {
            return Ok(Arc::clone(bound));
        }
        self.bind_one(table, config).await.map(Arc::new)
    }

    async fn fallback(&self, table: &Table, sender: &Sender) -> Option<Arc<Bound>> {
        let good = table.plugin(&sender.config.plugin)?.last_good.as_ref()?;
        let terms = self.terms(&sender.config, good).await.ok()?;
        Some(Arc::new(bound(terms, good)))
    }

    async fn bind_one(&self, table: &Table, config: &SenderConfig) -> Result<Bound, Vec<Problem>> {
        let Some(slot) = table.plugin(&config.plugin) else {
            return Err(vec![Problem {
                sender: config.name.clone(),
                setting: Some("plugin".into()),
                message: format!(
                    "there is no plugin `{}` in the plugin folder",
                    config.plugin
                ),
            }]);
        };
        let terms = self.terms(config, &slot.serving).await?;
        Ok(bound(terms, &slot.serving))
    }

    /// What a configuration and a version agree on, the plugin's own `check` included.
    async fn terms(&self, config: &SenderConfig, version: &Version) -> Result<Terms, Vec<Problem>> {
        let problem = |setting: Option<&str>, message: String| Problem {
            sender: config.name.clone(),
            setting: setting.map(Into::into),
            message,
        };
        if version.kind() != Kind::SmsProvider {
            let words = format!(
                "plugin `{}` is a {}, not an sms-provider",
                version.id(),
                version.kind().as_str()
            );
            return Err(vec![problem(Some("plugin"), words)]);
        }
        if config
            .expected_sha256
            .is_some_and(|expected| expected != version.sha256)
        {
            let words = format!(
                "the file of plugin `{}` has the SHA-256 {}, which is not the one expected",
                version.id(),
                hex::encode(version.sha256)
            );
            return Err(vec![problem(Some("sha256"), words)]);
        }
        let terms = agree(config, &version.manifest, &self.inner.shipped)?;
        let checked = match version.guest() {
            Ok(guest) => guest.check(&terms.settings).await,
            Err(retired) => Err(retired),
        };
        match checked {
            Ok(found) if found.is_empty() => Ok(terms),
            Ok(found) => Err(found
                .into_iter()
                .map(|found| {
                    let setting = Some(found.setting.as_str()).filter(|name| !name.is_empty());
                    problem(setting, crate::text::one_line(&found.message, 512))
                })
                .collect()),
            // The host's own trouble says nothing about the settings, and what protects anybody
            // was checked above.
            Err(fault) if fault.blame() == Blame::Host => {
                tracing::warn!(
                    { sender.name = config.name },
                    "settings not checked by the plugin: {fault}"
                );
                Ok(terms)
            }
            Err(fault) => Err(vec![problem(
                None,
                format!("the plugin could not check the settings: {fault}"),
            )]),
        }
    }

    /// The outbox answers in a provider's place: beside a real sender somebody could believe that
    /// messages arrive.
    fn outbox_problems<'a>(&self, configs: impl Iterator<Item = &'a SenderConfig>) -> Vec<Problem> {
        configs
            .filter(|config| self.inner.outbox != (config.plugin == crate::outbox::PLUGIN))
            .map(|config| Problem {
                sender: config.name.clone(),
                setting: Some("plugin".into()),
                message: match self.inner.outbox {
                    true => "the test outbox is on: every sender must use the plugin `fake`".into(),
                    false => "the plugin `fake` sends to the test outbox, which is off".into(),
                },
            })
            .collect()
    }

    /// Files whose version was condemned since the last pass are kept out by content.
    async fn condemn_the_condemned(&self) -> bool {
        let condemned: Vec<(String, Arc<Version>)> = {
            let state = held(&self.inner.state);
            state
                .admitted
                .iter()
                .filter(|(_, version)| version.is_condemned())
                .map(|(file, version)| (file.clone(), Arc::clone(version)))
                .collect()
        };
        for (file, version) in &condemned {
            let (id, sha256) = (version.id().to_owned(), version.sha256);
            self.last_good(file, move |kept, file| kept.condemn(file, &id, &sha256))
                .await;
        }
        let mut state = held(&self.inner.state);
        for (_, version) in &condemned {
            let refused = Refused {
                sha256: Some(version.sha256),
                stage: "observe".into(),
                reason: format!(
                    "it misbehaved and was taken out of service: {}",
                    version.last_fault().unwrap_or_default()
                ),
            };
            state.folder.condemn(version.sha256, &refused);
        }
        let table = self.inner.table.load();
        condemned.iter().any(|(_, version)| {
            table
                .plugins
                .get(version.id())
                .is_some_and(|slot| Arc::ptr_eq(&slot.serving, version))
        })
    }

    /// Runs the self-test of what is quarantined and has waited long enough.
    async fn heal(&self, now: Instant) {
        let table = self.inner.table.load_full();
        for slot in table.plugins.values() {
            let version = slot.in_use();
            if !version.health().due(now) {
                continue;
            }
            let tested = match version.guest() {
                Ok(guest) => guest.self_test().await,
                // Not in use any more; the next pass does not come here.
                Err(_) => continue,
            };
            if let Err(words) = &tested {
                version.remember_fault(format!("self-test: {words}"));
            }
            if let Sentence::Serves = version.health().tested(tested.is_ok(), now) {
                tracing::info!(
                    { plugin.id = version.id(), plugin.version = version.version },
                    "plugin `{}` passed its self-test and gets one call", version.id()
                );
            }
        }
    }

    fn healing_due_in(&self, now: Instant) -> Option<Duration> {
        let table = self.inner.table.load();
        let waits = table
            .plugins
            .values()
            .filter_map(|slot| slot.in_use().health().due_in(now));
        waits.min()
    }

    /// Lets go of replaced versions whose conversations ended, and of those that had their time. The
    /// periodic pass is often enough: a little late is no harm.
    fn watch_drains(&self, now: Instant) {
        let table = self.inner.table.load_full();
        let mut state = held(&self.inner.state);
        let State {
            draining, admitted, ..
        } = &mut *state;
        draining.retain_mut(|draining| {
            let Some(version) = draining.version.upgrade() else {
                return false;
            };
            if in_reserve(&version, &table, admitted) {
                draining.since = now;
                return true;
            }
            if now.saturating_duration_since(draining.since) < self.inner.drain {
                return true;
            }
            tracing::warn!(
                { plugin.id = version.id(), plugin.version = version.version, plugin.file = draining.file },
                "plugin `{}` {} was replaced {} s ago and is unloaded: a conversation that still holds it ends",
                version.id(), version.version, self.inner.drain.as_secs()
            );
            version.retire();
            false
        });
    }

    /// Sends a test message for the operator, and shows what was sent.
    pub async fn test_message(
        &self,
        sender: &str,
        message: &Message,
        deadline: Instant,
    ) -> TestReport {
        let (delivery, requests) = self.deliver(sender, message, deadline, true).await;
        TestReport { requests, delivery }
    }

    async fn deliver(
        &self,
        name: &str,
        message: &Message,
        deadline: Instant,
        show: bool,
    ) -> (Delivery, Vec<Shown>) {
        let now = Instant::now();
        let deadline = deadline.min(now + DRAIN);
        let turned_away = |reason, words: &str| (failed(reason, None, words), Vec::new());
        // The table is given back before the first wait; what is kept is this one sender.
        let (bound, experience) = {
            let table = self.inner.table.load();
            match table.sender(&message.tenant, name) {
                None => {
                    return turned_away(
                        FailureReason::Misconfigured,
                        "there is no sender of this name",
                    );
                }
                Some(sender) => match sender.in_use() {
                    None => {
                        return turned_away(
                            FailureReason::Misconfigured,
                            "the sender is not in order",
                        );
                    }
                    Some(bound) => (Arc::clone(bound), Arc::clone(&sender.experience)),
                },
            }
        };
        // The breaker is asked before the plugin, whose one trial call is then not wasted. An
        // operator who tests what he has just mended is not turned away by it.
        if !held(&experience.breaker).enter(now) && !show {
            return turned_away(
                FailureReason::ProviderDown,
                "the provider failed several times and is left alone",
            );
        }
        if !bound.version.health().enter(now) {
            return turned_away(FailureReason::PluginFault, "the plugin is quarantined");
        }

        let place = Place {
            sender: name,
            bound: &bound,
            wire: &*self.inner.wire,
            kept: &self.inner.kept,
            clock: &*self.inner.clock,
            entropy: &*self.inner.entropy,
        };
        let ended = lead(place, message, deadline, show).await;
        self.score(name, &bound, &experience, &ended);
        (ended.delivery, ended.shown)
    }

    /// Enters the end of a conversation in the two scores.
    fn score(&self, name: &str, bound: &Bound, experience: &Experience, ended: &Ended) {
        let now = Instant::now();
        if let Some(idempotent) = ended.idempotent {
            experience.idempotent.store(idempotent, Ordering::Relaxed);
        }
        let version = &bound.version;
        if let Some(fault) = &ended.fault {
            self.plugin_faulted(version, fault);
        } else if ended.orderly {
            version.health().behaved(now);
        }
        match &ended.delivery {
            Delivery::Accepted { .. } => held(&experience.breaker).answered(),
            Delivery::Failed(failure) => {
                tracing::warn!(
                    { sender.name = name, plugin.id = version.id(), plugin.version = version.version },
                    "sender `{name}` did not take a message: {:?}: {}", failure.reason, failure.detail
                );
                if ended.fault.is_some() {
                    // Whatever became of the message, it was not the provider's doing.
                } else if fails_the_provider(failure.reason) {
                    if held(&experience.breaker).failed(now) {
                        tracing::warn!(
                            { sender.name = name },
                            "sender `{name}` is left alone for {} s",
                            crate::breaker::OPEN.as_secs()
                        );
                    }
                } else if failure.reason != FailureReason::PluginFault {
                    held(&experience.breaker).answered();
                }
            }
        }
    }

    fn plugin_faulted(&self, version: &Arc<Version>, fault: &Fault) {
        version.remember_fault(fault.to_string());
        let sentence = version.health().faulted(Instant::now());
        let Sentence::Quarantined { for_ } = sentence else {
            return;
        };
        let table = self.inner.table.load();
        let slot = table.plugins.get(version.id());
        let good = slot
            .filter(|slot| Arc::ptr_eq(&slot.serving, version))
            .and_then(|slot| slot.last_good.as_ref());
        match good {
            Some(good) => {
                version.condemn();
                tracing::warn!(
                    { plugin.id = version.id(), plugin.version = version.version },
                    "plugin `{}` {} is quarantined: {fault}; version {} serves again",
                    version.id(), version.version, good.version
                );
            }
            None => tracing::warn!(
                { plugin.id = version.id(), plugin.version = version.version },
                "plugin `{}` {} is quarantined for {} s: {fault}",
                version.id(), version.version, for_.as_secs()
            ),
        }
        self.rescan();
    }

    /// Puts the content that the plugin's file had before back into the folder, in its place, and
    /// gives its version. What serves on until it is admitted is the one that serves now.
    pub async fn roll_back(&self, id: &str) -> Result<String, String> {
        let _turn = self.inner.pass.lock().await;
        let archive = self.inner.archive.as_ref();
        let archive = archive.ok_or("no earlier contents are kept here")?;
        let (file, serving) = {
            let state = held(&self.inner.state);
            let table = self.inner.table.load();
            let serving = table.plugins.get(id).map(|slot| slot.in_use().sha256);
            let serving = serving.ok_or_else(|| format!("there is no plugin `{id}`"))?;
            let file = state
                .admitted
                .iter()
                .find(|(_, version)| version.sha256 == serving)
                .map(|(file, _)| state.folder.path().join(file));
            (file, serving)
        };
        let file = file.ok_or_else(|| {
            format!(
                "plugin `{id}` serves an earlier version already: its file was taken out of service"
            )
        })?;
        let kept = archive
            .before(id, &serving)
            .ok_or_else(|| format!("no earlier content of plugin `{id}` is kept"))?;
        let put = std::fs::read(&kept.path).and_then(|bytes| write_whole(&file, &bytes));
        put.map_err(|error| {
            format!(
                "`{}` cannot be written ({error}): the plugin folder must be writable by the host for this",
                file.display()
            )
        })?;
        tracing::info!(
            { plugin.id = id },
            "plugin `{id}` goes back to {}",
            kept.version
        );
        self.rescan();
        Ok(kept.version)
    }

    /// What is in the folder and how it stands.
    pub fn plugins(&self) -> Vec<PluginReport> {
        let state = held(&self.inner.state);
        let table = self.inner.table.load();
        let mut rows: Vec<PluginReport> = state
            .folder
            .standings()
            .map(|(file, standing)| {
                let version = state.admitted.get(file);
                let mut row = row(file, &standing, version, &table);
                if let (Some(version), Some(archive)) = (version, &self.inner.archive) {
                    let before = archive.before(version.id(), &version.sha256);
                    row.previous = before.map(|kept| kept.version);
                }
                if let Some(version) = version {
                    row.origins_granted = self.granted(version, &state.senders);
                }
                row
            })
            .collect();
        rows.sort_by(|a, b| a.file.cmp(&b.file));
        rows
    }

    /// What each sender of this plugin allows it.
    fn granted(
        &self,
        version: &Version,
        senders: &[Arc<SenderConfig>],
    ) -> Vec<(String, Vec<String>)> {
        let own = self.inner.shipped.0.get(version.id());
        let own = own.map_or(&[][..], |shipped| &shipped.origins);
        senders
            .iter()
            .filter(|sender| names(&sender.plugin, version))
            .map(|sender| {
                let all = own.iter().chain(&sender.allow).cloned().collect();
                (sender.name.clone(), all)
            })
            .collect()
    }

    /// Why the plugin folder cannot be used, if it cannot.
    pub fn folder_trouble(&self) -> Option<String> {
        held(&self.inner.state).folder.trouble().map(Into::into)
    }

    /// How each sender stands.
    pub fn senders(&self) -> Vec<SenderReport> {
        let now = Instant::now();
        let table = self.inner.table.load();
        let mut rows: Vec<SenderReport> = table
            .senders()
            .map(|sender| {
                let in_use = sender.in_use();
                let mut problems: Vec<String> = match &sender.bound {
                    Ok(_) => Vec::new(),
                    Err(problems) => problems.iter().map(ToString::to_string).collect(),
                };
                if in_use.is_some_and(|bound| !bound.version.health().ready(now)) {
                    problems.push("its plugin is quarantined".into());
                }
                if !held(&sender.experience.breaker).ready(now) {
                    problems.push(
                        "its provider failed several times and is left alone for a while".into(),
                    );
                }
                SenderReport {
                    tenant: sender.config.tenant.as_str().to_owned(),
                    name: sender.config.name.clone(),
                    plugin: sender.config.plugin.clone(),
                    version: in_use.map(|bound| bound.version.version.clone()),
                    ready: problems.is_empty(),
                    problems,
                }
            })
            .collect();
        rows.sort_by(|a, b| (&a.tenant, &a.name).cmp(&(&b.tenant, &b.name)));
        rows
    }
}

impl State {
    fn drain(&mut self, version: &Arc<Version>, file: &str, now: Instant) {
        let version = Arc::downgrade(version);
        if !self
            .draining
            .iter()
            .any(|draining| draining.version.ptr_eq(&version))
        {
            self.draining.push(Draining {
                version,
                file: file.to_owned(),
                since: now,
            });
        }
    }
}

/// Whether a version that does not serve may yet: it is what a plugin falls back on, or a file's.
fn in_reserve(
    version: &Arc<Version>,
    table: &Table,
    admitted: &BTreeMap<String, Arc<Version>>,
) -> bool {
    let same = |other: &Arc<Version>| Arc::ptr_eq(other, version);
    admitted.values().any(same)
        || table
            .plugins
            .values()
            .any(|slot| same(&slot.serving) || slot.last_good.as_ref().is_some_and(same))
}

/// For each plugin id the version that serves: the highest; among equals the one that serves
/// already, then the first by file name. What was condemned serves only if there is nothing else.
fn choose(
    admitted: &BTreeMap<String, Arc<Version>>,
    before: &std::collections::HashMap<String, Slot>,
) -> std::collections::HashMap<String, Slot> {
    let mut chosen: std::collections::HashMap<String, Slot> = std::collections::HashMap::new();
    let mut best: BTreeMap<&str, &Arc<Version>> = BTreeMap::new();
    for version in admitted.values() {
        let old = before.get(version.id());
        let serves =
            |version: &Arc<Version>| old.is_some_and(|slot| Arc::ptr_eq(&slot.serving, version));
        let rank = |version: &Arc<Version>| {
            (
                !version.is_condemned(),
                version.manifest.version.clone(),
                serves(version),
            )
        };
        match best.get(version.id()) {
            Some(known) if rank(known) >= rank(version) => {}
            _ => {
                best.insert(version.id(), version);
            }
        }
    }
    for (id, version) in best {
        let old = before.get(id);
        let slot = match old {
            // The last good version stays in place of one that was condemned.
            Some(old) if version.is_condemned() => match old.last_good.as_ref() {
                Some(good) => Slot {
                    serving: Arc::clone(good),
                    last_good: None,
                },
                None if old.serving.is_condemned() => Slot {
                    serving: Arc::clone(version),
                    last_good: None,
                },
                None => old.clone(),
            },
            Some(old) if Arc::ptr_eq(&old.serving, version) => old.clone(),
            Some(old) => Slot {
                serving: Arc::clone(version),
                last_good: match old.serving.is_condemned() || old.serving.health().quarantined() {
                    true => old.last_good.clone(),
                    false => Some(Arc::clone(&old.serving)),
                },
            },
            None => Slot {
                serving: Arc::clone(version),
                last_good: None,
            },
        };
        chosen.insert(id.to_owned(), slot);
    }
    chosen
}

fn bound(terms: Terms, version: &Arc<Version>) -> Bound {
    Bound {
        version: Arc::clone(version),
        settings: terms.settings,
        secrets: terms.secrets,
        route: terms.route,
    }
}

fn names(plugin: &str, version: &Version) -> bool {
    plugin == version.id() || version.manifest.aliases.iter().any(|alias| alias == plugin)
}

/// Whether a verdict speaks against the provider rather than against the message.
fn fails_the_provider(reason: FailureReason) -> bool {
    match reason {
        FailureReason::ProviderDown
        | FailureReason::OutcomeUnknown
        | FailureReason::AuthFailed
        | FailureReason::AccountSuspended
        | FailureReason::InsufficientFunds
        | FailureReason::Misconfigured => true,
        // A provider that says "slower" is there; leaving it alone for half a minute would turn a
        // crowd into an outage.
        FailureReason::Throttled
        | FailureReason::RecipientThrottled
        | FailureReason::InvalidRecipient
        | FailureReason::Unroutable
        | FailureReason::OptedOut
        | FailureReason::ContentRejected
        | FailureReason::SenderRejected
        | FailureReason::RegionBlocked
        | FailureReason::TrialRestricted
        | FailureReason::PluginFault
        | FailureReason::Unknown => false,
    }
}

fn row(
    file: &str,
    standing: &Standing,
    version: Option<&Arc<Version>>,
    table: &Table,
) -> PluginReport {
    let slot = version.and_then(|version| table.plugins.get(version.id()));
    let in_use = slot.map(Slot::in_use);
    let serves = version
        .zip(in_use)
        .is_some_and(|(version, in_use)| Arc::ptr_eq(version, in_use));
    let ill =
        version.is_some_and(|version| version.is_condemned() || version.health().quarantined());
    let other = in_use
        .filter(|_| !serves)
        .map(|other| other.version.clone());
    let (state, note) = match (standing, version) {
        (Standing::Gone, _) => (FileState::Retired, None),
        (_, Some(_)) if ill => (
            FileState::Quarantined,
            other.map(|other| format!("version {other} serves in its place")),
        ),
        (Standing::Pending { reason }, None) => (FileState::Pending, Some(reason.clone())),
        (Standing::Refused(_), None) => (FileState::Rejected, None),
        (Standing::Pending { reason }, Some(_)) if serves => (
            FileState::Serving,
            Some(format!("a newer content: {reason}")),
        ),
        (Standing::Refused(_), Some(version)) if serves => (
            FileState::Serving,
            Some(format!(
                "version {} serves on: the file's newest content was refused",
                version.version
            )),
        ),
        (_, _) if serves => (FileState::Serving, None),
        (_, _) => (
            FileState::Standby,
            other.map(|other| {
                format!("version {other} of the same plugin, from another file, serves")
            }),
        ),
    };
    let refused = match standing {
        Standing::Refused(refused) => Some(RefusedReport {
            sha256: refused.sha256.map(hex::encode),
            stage: refused.stage.clone(),
            reason: refused.reason.clone(),
        }),
        Standing::Pending { .. } | Standing::Admitted { .. } | Standing::Gone => None,
    };
    let manifest = version.map(|version| &version.manifest);
    PluginReport {
        file: file.to_owned(),
        id: manifest.map(|manifest| manifest.id.clone()),
        version: version.map(|version| version.version.clone()),
        kind: manifest.map(|manifest| manifest.kind.as_str().to_owned()),
        sha256: version.map(|version| hex::encode(version.sha256)),
        size: version.map(|version| version.size),
        state,
        refused,
        note,
        calls: version.map_or(0, |version| version.calls.load(Ordering::Relaxed)),
        faults: version.map_or(0, |version| version.faults.load(Ordering::Relaxed)),
        last_fault: version.and_then(|version| version.last_fault()),
        origins_asked: manifest.map_or_else(Vec::new, |manifest| {
            let named = manifest
                .origin_settings
                .iter()
                .map(|name| format!("the origin in `{name}`"));
            manifest.origins.iter().cloned().chain(named).collect()
        }),
        origins_granted: Vec::new(),
        runtime: manifest.map(|manifest| manifest.runtime),
        settings: manifest.map_or_else(Vec::new, |manifest| manifest.settings.clone()),
        previous: None,
    }
}

#[async_trait]
impl Senders for Gateway {
    async fn send(&self, sender: &str, message: &Message, deadline: Instant) -> Delivery {
        self.deliver(sender, message, deadline, false).await.0
    }

    fn ready(&self, tenant: &TenantId, sender: &str) -> bool {
        let now = Instant::now();
        let table = self.inner.table.load();
        table.sender(tenant, sender).is_some_and(|sender| {
            sender
                .in_use()
                .is_some_and(|bound| bound.version.health().ready(now))
                && held(&sender.experience.breaker).ready(now)
        })
    }

    fn idempotent(&self, tenant: &TenantId, sender: &str) -> bool {
        let table = self.inner.table.load();
        table
            .sender(tenant, sender)
            .is_some_and(|sender| sender.experience.idempotent.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl UserResolver for Gateway {
    async fn resolve(
        &self,
        usecase: &str,
        settings: &[(String, String)],
        login: &FederatedLogin,
    ) -> Resolution {
        let now = Instant::now();
        let id = resolver::plugin_id(usecase);
        let version = {
            let table = self.inner.table.load();
            match table.plugin(id).map(Slot::in_use) {
                Some(version) if version.kind() == Kind::UserResolver => Arc::clone(version),
                Some(_) => {
                    return resolver::refuse(format!("plugin `{id}` is not a user-resolver"));
                }
                None => {
                    return resolver::refuse(format!(
                        "there is no plugin `{id}` for usecase `{usecase}`"
                    ));
                }
            }
        };
        if !version.health().enter(now) {
            return resolver::refuse(format!("plugin `{id}` is quarantined"));
        }
        let settings: Vec<types::Pair> = settings.to_vec();
        let resolved = resolver::resolve(
            &version,
            &settings,
            login,
            &*self.inner.directory,
            resolver::TIME_MAX,
        )
        .await;
        if let Some(fault) = &resolved.fault {
            self.plugin_faulted(&version, fault);
        } else if resolved.orderly {
            version.health().behaved(Instant::now());
        }
        resolved.resolution
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::folder::REMOVAL_WAIT;
    use crate::outbox::Outbox;
    use crate::scripted::*;
    use std::fs;
    use std::sync::atomic::AtomicBool;

    /// A gateway over a folder, with scripted plugins and a scripted provider.
    struct Desk {
        home: tempfile::TempDir,
        gateway: Gateway,
        loader: Arc<ScriptedLoader>,
        wire: Arc<ScriptedWire>,
        now: Instant,
    }

    impl Desk {
        fn new(answers: impl IntoIterator<Item = Answers>) -> Self {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir(home.path().join("plugins")).unwrap();
            let loader = Arc::new(ScriptedLoader::default());
            let wire = Arc::new(ScriptedWire::answering(answers));
            let gateway = Gateway::from_parts(parts(&home, &loader, &wire));
            Desk {
                home,
                gateway,
                loader,
                wire,
                now: Instant::now(),
            }
        }

        /// With one sender, whose plugin is `acme` 1.0.0.
        async fn serving(answers: impl IntoIterator<Item = Answers>) -> Self {
            let mut desk = Desk::new(answers);
            desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
            desk.settle().await;
            assert_eq!(desk.gateway.configure(vec![config(&[])]).await, []);
            desk
        }

        /// The same folders and another process, whose first look comes before its senders.
        async fn restarted(self) -> Self {
            let loader = Arc::new(ScriptedLoader::default());
            let wire = Arc::new(ScriptedWire::default());
            let gateway = Gateway::from_parts(parts(&self.home, &loader, &wire));
            gateway.reconcile_at(self.now).await;
            let _ = gateway.configure(vec![config(&[])]).await;
            gateway.reconcile_at(self.now).await;
            Desk {
                gateway,
                loader,
                wire,
                ..self
            }
        }

        fn put(&self, name: &str, content: &[u8]) {
            let outside = self.home.path().join("outside");
            fs::write(&outside, content).unwrap();
            fs::rename(outside, self.home.path().join("plugins").join(name)).unwrap();
        }

        fn remove(&self, name: &str) {
            fs::remove_file(self.home.path().join("plugins").join(name)).unwrap();
        }

        /// Passes until nothing is due any more; the clock runs as far as it has to.
        async fn settle(&mut self) {
            for _ in 0..20 {
                match self.gateway.reconcile_at(self.now).await {
                    Some(wait) => self.now += wait.max(Duration::from_millis(1)),
                    None => return,
                }
            }
            panic!("the gateway does not settle");
        }

        async fn send(&self) -> Delivery {
            self.gateway.send("main", &message(), soon()).await
        }

        fn row(&self, file: &str) -> PluginReport {
            let rows = self.gateway.plugins();
            let found = rows.iter().find(|row| row.file == file);
            found
                .unwrap_or_else(|| panic!("{file} in {rows:?}"))
                .clone()
        }

        fn version(&self) -> Option<String> {
            self.gateway
                .senders()
                .first()
                .and_then(|sender| sender.version.clone())
        }
    }

    /// The clock of these tests runs in leaps, that of conversations does not.
    const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

    fn parts(
        home: &tempfile::TempDir,
        loader: &Arc<ScriptedLoader>,
        wire: &Arc<ScriptedWire>,
    ) -> Parts {
        Parts {
            kept: Some(home.path().join("kept")),
            folder: home.path().join("plugins"),
            file_bytes_max: 1 << 20,
            last_good: Some(home.path().join("last-good")),
            drain: PATIENCE,
            loader: Arc::clone(loader) as Arc<dyn Loader>,
            wire: Arc::clone(wire) as Arc<dyn Wire>,
            directory: Arc::new(Names::default()),
            clock: Arc::new(StoppedClock),
            entropy: Arc::new(Zeros),
            shipped: Shipped::default(),
            outbox: false,
        }
    }

    fn config(allow: &[&str]) -> SenderConfig {
        let allow = if allow.is_empty() { &[ORIGIN] } else { allow };
        SenderConfig {
            name: "main".into(),
            tenant: TenantId::super_tenant(),
            plugin: "acme".into(),
            settings: vec![("from".into(), "Acme".into()), ("key".into(), KEY.into())],
            secrets: Vec::new(),
            allow: allow.iter().map(|line| (*line).into()).collect(),
            allow_private_networks: false,
            ca_pems: Vec::new(),
            expected_sha256: None,
        }
    }

    fn reason(delivery: &Delivery) -> Option<FailureReason> {
        match delivery {
            Delivery::Accepted { .. } => None,
            Delivery::Failed(failure) => Some(failure.reason),
        }
    }

    #[tokio::test]
    async fn a_file_dropped_in_serves_after_one_pass() {
        let mut desk = Desk::new([]);
        let problems = desk.gateway.configure(vec![config(&[])]).await;
        assert_eq!(
            problems[0].message,
            "there is no plugin `acme` in the plugin folder"
        );
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::Misconfigured)
        );
        assert!(!desk.gateway.ready(&TenantId::super_tenant(), "main"));
        desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
        desk.gateway.reconcile_at(desk.now).await;
        assert_eq!(reason(&desk.send().await), None);
        assert!(desk.gateway.ready(&TenantId::super_tenant(), "main"));
        let row = desk.row("acme.wasm");
        assert_eq!(
            (row.state, row.version.as_deref(), row.calls),
            (FileState::Serving, Some("1.0.0"), 2)
        );
        desk.settle().await;
        assert_eq!(
            desk.loader.admissions.load(Ordering::Relaxed),
            1,
            "and is compiled once"
        );
    }

    #[tokio::test]
    async fn a_sender_belongs_to_its_tenant() {
        let desk = Desk::serving([]).await;
        let other = Message {
            tenant: TenantId::parse("other.example").unwrap(),
            ..message()
        };
        let delivery = desk.gateway.send("main", &other, soon()).await;
        assert_eq!(reason(&delivery), Some(FailureReason::Misconfigured));
        assert!(!desk.gateway.ready(&other.tenant, "main"));
    }

    #[tokio::test]
    async fn replacing_the_file_replaces_the_version_upwards_and_downwards() {
        let mut desk = Desk::serving([]).await;
        for version in ["2.0.0", "1.5.0", "1.0.0"] {
            desk.put("acme.wasm", &file("acme", version, "sends"));
            desk.settle().await;
            assert_eq!(desk.version().as_deref(), Some(version));
            assert_eq!(reason(&desk.send().await), None);
        }
    }

    #[tokio::test]
    async fn a_bad_file_leaves_the_old_version_serving_and_says_why() {
        let mut desk = Desk::serving([]).await;
        for (content, stage) in [
            (b"half a file".to_vec(), "format"),
            (file("acme", "2.0.0", "fails-vectors"), "self-test"),
            (
                asking("acme", "2.0.0", "sends", &[ORIGIN, "https://more.example"]),
                "grant",
            ),
        ] {
            desk.put("acme.wasm", &content);
            desk.settle().await;
            let row = desk.row("acme.wasm");
            assert_eq!(
                (row.state, row.version.as_deref()),
                (FileState::Serving, Some("1.0.0"))
            );
            assert_eq!(row.refused.unwrap().stage, stage);
            assert_eq!(reason(&desk.send().await), None);
        }
        let row = desk.row("acme.wasm");
        let why = row.refused.unwrap().reason;
        assert!(
            why.contains("allow = [\"https://api.sms.example\", \"https://more.example\"]"),
            "{why}"
        );
    }

    #[tokio::test]
    async fn a_file_refused_for_its_grant_is_admitted_when_the_operator_allows_it() {
        let mut desk = Desk::serving([]).await;
        desk.put(
            "acme.wasm",
            &asking("acme", "2.0.0", "sends", &[ORIGIN, "https://more.example"]),
        );
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));
        desk.gateway
            .configure(vec![config(&[ORIGIN, "https://more.example"])])
            .await;
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("2.0.0"));
    }

    #[tokio::test]
    async fn a_version_that_would_read_a_secret_is_kept_out() {
        let mut desk = Desk::serving([]).await;
        desk.put("acme.wasm", &file("acme", "2.0.0", "opens-the-key"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));
        let why = desk.row("acme.wasm").refused.unwrap().reason;
        assert!(why.contains("`key`") && !why.contains(KEY), "{why}");
    }

    #[tokio::test]
    async fn only_the_expected_content_is_accepted() {
        let content = file("acme", "1.0.0", "sends");
        let mut desk = Desk::new([]);
        desk.put("acme.wasm", &content);
        desk.settle().await;
        let expecting = |sha| SenderConfig {
            expected_sha256: Some(sha),
            ..config(&[])
        };
        let problems = desk.gateway.check(&[expecting([0; 32])]).await;
        assert!(problems[0].message.contains("SHA-256"), "{problems:?}");
        let right = sha2::Digest::finalize(sha2::Digest::chain_update(
            <sha2::Sha256 as sha2::Digest>::new(),
            &content,
        ));
        assert_eq!(desk.gateway.check(&[expecting(right.into())]).await, []);
    }

    #[tokio::test]
    async fn of_two_files_of_one_plugin_the_higher_version_serves_and_the_other_says_so() {
        let mut desk = Desk::serving([]).await;
        desk.put("zz.wasm", &file("acme", "1.10.0", "sends"));
        desk.settle().await;
        desk.put("aa.wasm", &file("acme", "1.9.0", "sends"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.10.0"));
        let row = desk.row("aa.wasm");
        assert_eq!(row.state, FileState::Standby);
        assert!(row.note.unwrap().contains("1.10.0"));
        desk.remove("zz.wasm");
        desk.settle().await;
        assert_eq!(
            desk.version().as_deref(),
            Some("1.9.0"),
            "and takes over when it goes"
        );
    }

    #[tokio::test]
    async fn removal_retires_after_a_pause_and_lets_conversations_end() {
        let mut desk = Desk::serving([Answers::Status(200, "")]).await;
        desk.remove("acme.wasm");
        desk.gateway.reconcile_at(desk.now).await;
        assert_eq!(
            reason(&desk.send().await),
            None,
            "a rename may be under way"
        );
        assert_eq!(desk.row("acme.wasm").state, FileState::Retired);
        let weak = {
            let table = desk.gateway.inner.table.load();
            Arc::downgrade(&table.plugins["acme"].serving)
        };
        let pinned = {
            let table = desk.gateway.inner.table.load();
            Arc::clone(
                table
                    .sender(&TenantId::super_tenant(), "main")
                    .unwrap()
                    .in_use()
                    .unwrap(),
            )
        };
        desk.now += REMOVAL_WAIT;
        desk.settle().await;
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::Misconfigured)
        );
        assert!(weak.upgrade().is_some(), "whoever talks keeps it");
        drop(pinned);
        assert!(
            weak.upgrade().is_none(),
            "and the last one puts out the light"
        );
    }

    /// plugin_crash_loop
    #[tokio::test]
    async fn a_version_that_traps_is_quarantined_and_the_last_good_one_returns_at_once() {
        let mut desk = Desk::serving([]).await;
        assert_eq!(reason(&desk.send().await), None);
        desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
        desk.gateway.reconcile_at(desk.now).await;
        for _ in 0..2 {
            assert_eq!(reason(&desk.send().await), Some(FailureReason::PluginFault));
        }
        assert_eq!(
            reason(&desk.send().await),
            None,
            "without waiting for a pass"
        );
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));
        let row = desk.row("acme.wasm");
        assert_eq!((row.state, row.faults), (FileState::Quarantined, 2));
        assert_eq!(row.refused.unwrap().stage, "observe");
        assert!(row.note.unwrap().contains("1.0.0"));
        // The same content again is not tried again; another is.
        desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));
        desk.put("acme.wasm", &file("acme", "2.0.1", "sends"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("2.0.1"));
        assert_eq!(reason(&desk.send().await), None);
    }

    /// By hand, and in the folder: what serves afterwards survives a restart.
    #[tokio::test]
    async fn an_operator_goes_back_to_the_content_before() {
        let mut desk = Desk::serving([]).await;
        let refused = desk.gateway.roll_back("acme").await.unwrap_err();
        assert!(refused.contains("no earlier content"), "{refused}");
        assert!(desk.gateway.roll_back("nobody").await.is_err());
        desk.put("acme.wasm", &file("acme", "2.0.0", "sends"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("2.0.0"));
        assert_eq!(desk.row("acme.wasm").previous.as_deref(), Some("1.0.0"));
        assert_eq!(desk.gateway.roll_back("acme").await.as_deref(), Ok("1.0.0"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));
        assert_eq!(reason(&desk.send().await), None);
        let there = fs::read(desk.home.path().join("plugins/acme.wasm")).unwrap();
        assert_eq!(there, file("acme", "1.0.0", "sends"));
    }

    /// plugin_crash_loop
    #[tokio::test]
    async fn without_a_good_version_a_plugin_that_traps_waits_for_its_self_test() {
        let desk = Desk::new([]);
        desk.put("acme.wasm", &file("acme", "1.0.0", "trap"));
        desk.gateway.reconcile_at(desk.now).await;
        desk.gateway.configure(vec![config(&[])]).await;
        for _ in 0..2 {
            let _ = desk.send().await;
        }
        assert!(!desk.gateway.ready(&TenantId::super_tenant(), "main"));
        assert_eq!(desk.row("acme.wasm").state, FileState::Quarantined);
        let due = desk.gateway.reconcile_at(Instant::now()).await;
        assert!(
            due.is_some_and(|due| due <= Duration::from_secs(1)),
            "{due:?}"
        );
        // Its self-test fails too: the pause doubles.
        let later = Instant::now() + Duration::from_secs(1);
        let due = desk.gateway.reconcile_at(later).await.unwrap();
        assert!(
            due > Duration::from_secs(1) && due <= Duration::from_secs(2),
            "{due:?}"
        );
        assert_eq!(reason(&desk.send().await), Some(FailureReason::PluginFault));
    }

    #[tokio::test]
    async fn five_provider_errors_open_the_breaker_and_leave_the_plugin_alone() {
        let desk = Desk::serving([Answers::Status(503, "")]).await;
        for _ in 0..5 {
            assert_eq!(
                reason(&desk.send().await),
                Some(FailureReason::ProviderDown)
            );
        }
        assert!(!desk.gateway.ready(&TenantId::super_tenant(), "main"));
        let asked = desk.wire.count.load(Ordering::Relaxed);
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::ProviderDown)
        );
        assert_eq!(
            desk.wire.count.load(Ordering::Relaxed),
            asked,
            "the provider is left alone"
        );
        assert_eq!(desk.row("acme.wasm").state, FileState::Serving);
        assert!(desk.gateway.senders()[0].problems[0].contains("left alone"));
    }

    #[tokio::test]
    async fn verdicts_about_recipients_do_not_open_the_breaker() {
        let desk = Desk::serving([Answers::Status(400, "")]).await;
        for _ in 0..20 {
            assert_eq!(
                reason(&desk.send().await),
                Some(FailureReason::InvalidRecipient)
            );
        }
        assert!(desk.gateway.ready(&TenantId::super_tenant(), "main"));
    }

    #[tokio::test]
    async fn trouble_of_the_host_is_not_held_against_a_file() {
        let mut desk = Desk::new([]);
        desk.put("acme.wasm", &file("acme", "1.0.0", "host-trouble"));
        for _ in 0..4 {
            let wait = desk.gateway.reconcile_at(desk.now).await;
            desk.now += wait.expect("it is tried again");
        }
        assert!(desk.loader.admissions.load(Ordering::Relaxed) >= 3);
    }

    /// P-27, P-32: copies, moves, truncations and removals at random, with messages all the while.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_hundred_swaps_under_load_lose_no_message() {
        let mut desk = Desk::serving([]).await;
        let over = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..8)
            .map(|_| {
                let (gateway, over) = (desk.gateway.clone(), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut sent = 0_u32;
                    while !over.load(Ordering::Relaxed) {
                        let delivery = gateway.send("main", &message(), soon()).await;
                        assert_eq!(reason(&delivery), None, "{delivery:?}");
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        let mut versions = Vec::new();
        for n in 0..100_u32 {
            let content = file("acme", &format!("1.{}.0", n + 1), "sends");
            match n % 5 {
                0 => fs::write(desk.home.path().join("plugins/acme.wasm"), &content).unwrap(),
                1 => {
                    desk.put("acme.wasm", &content[..content.len() / 2]);
                    desk.gateway.reconcile_at(desk.now).await;
                    desk.put("acme.wasm", &content);
                }
                2 => {
                    desk.put("acme.wasm", &file("acme", "9.0.0", "fails-vectors"));
                    desk.gateway.reconcile_at(desk.now).await;
                    desk.put("acme.wasm", &content);
                }
                3 => {
                    desk.remove("acme.wasm");
                    desk.gateway.reconcile_at(desk.now).await;
                    desk.put("acme.wasm", &content);
                }
                _ => desk.put("acme.wasm", &content),
            }
            desk.settle().await;
            let table = desk.gateway.inner.table.load();
            let serving = &table.plugins["acme"].serving;
            assert_eq!(serving.version, format!("1.{}.0", n + 1));
            versions.push(Arc::downgrade(serving));
        }
        over.store(true, Ordering::Relaxed);
        let mut sent = 0;
        for task in load {
            sent += task.await.unwrap();
        }
        assert!(
            sent > 100,
            "{sent} messages while a hundred versions passed"
        );
        let alive = versions
            .iter()
            .filter(|version| version.strong_count() > 0)
            .count();
        assert!(
            alive <= 2,
            "the one that serves and the last good one; {alive} are alive"
        );
        let seen = held(&desk.wire.seen).len();
        assert_eq!(seen, sent as usize, "each message left exactly once");
    }

    /// P-20: here nothing queues; what bounds them are the plugin's turns and the edge's permits.
    #[tokio::test]
    async fn ten_thousand_sends_at_once_are_all_answered() {
        let desk = Desk::serving([]).await;
        let message = message();
        let sends = (0..10_000).map(|_| desk.gateway.send("main", &message, soon()));
        let mut accepted = 0;
        let mut sends: Vec<_> = sends.map(Box::pin).collect();
        for send in &mut sends {
            // Each is begun before any is waited for to its end.
            tokio::select! {
                biased;
                delivery = send.as_mut() => accepted += usize::from(reason(&delivery).is_none()),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(accepted, 0, "none ends at its first poll");
        for send in sends {
            accepted += usize::from(reason(&send.await).is_none());
        }
        assert_eq!(accepted, 10_000);
    }

    #[tokio::test]
    async fn the_outbox_is_never_beside_a_real_sender() {
        let mut desk = Desk::new([]);
        desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
        desk.put("fake.wasm", &file("fake", "1.0.0", "sends"));
        desk.settle().await;
        let fake = SenderConfig {
            name: "test".into(),
            plugin: "fake".into(),
            ..config(&[])
        };
        let problems = desk.gateway.check(&[config(&[]), fake.clone()]).await;
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].to_string().contains("which is off"),
            "{problems:?}"
        );

        let parts = Parts {
            kept: None,
            folder: desk.home.path().join("plugins"),
            file_bytes_max: 1 << 20,
            last_good: None,
            drain: PATIENCE,
            loader: Arc::clone(&desk.loader) as Arc<dyn Loader>,
            wire: Arc::clone(&desk.wire) as Arc<dyn Wire>,
            directory: Arc::new(Names::default()),
            clock: Arc::new(StoppedClock),
            entropy: Arc::new(Zeros),
            shipped: Shipped::default(),
            outbox: true,
        };
        let gateway = Gateway::from_parts(parts);
        gateway.reconcile_at(desk.now).await;
        let problems = gateway.configure(vec![config(&[]), fake]).await;
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].sender, "main");
        assert!(!gateway.ready(&TenantId::super_tenant(), "main"));
        assert!(gateway.ready(&TenantId::super_tenant(), "test"));
        let _ = Outbox::new();
    }

    #[tokio::test]
    async fn after_a_restart_with_a_bad_file_the_last_good_version_serves_and_says_why() {
        let mut desk = Desk::serving([]).await;
        for (content, stage) in [
            (b"half a file".to_vec(), "format"),
            (file("acme", "2.0.0", "fails-vectors"), "self-test"),
            (vec![b' '; 2 << 20], "file"),
        ] {
            desk.put("acme.wasm", &content);
            desk = desk.restarted().await;
            assert_eq!(reason(&desk.send().await), None, "{stage}");
            let row = desk.row("acme.wasm");
            assert_eq!(
                (row.state, row.version.as_deref()),
                (FileState::Serving, Some("1.0.0"))
            );
            assert_eq!(row.refused.unwrap().stage, stage);
            assert!(row.note.unwrap().contains("1.0.0 serves on"));
        }
        // A file in order takes over again.
        desk.put("acme.wasm", &file("acme", "2.0.0", "sends"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("2.0.0"));
    }

    #[tokio::test]
    async fn what_the_operator_took_away_does_not_come_back() {
        let mut desk = Desk::serving([]).await;
        desk.remove("acme.wasm");
        desk.settle().await;
        desk.put("acme.wasm", b"half a file");
        let desk = desk.restarted().await;
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::Misconfigured)
        );
        assert_eq!(desk.row("acme.wasm").state, FileState::Rejected);
    }

    /// A kept version is judged like any file: what it may do is decided anew.
    #[tokio::test]
    async fn a_kept_version_that_may_no_longer_serve_stays_out() {
        let desk = Desk::serving([]).await;
        let kept = desk.home.path().join("last-good/acme.wasm");
        for entry in fs::read_dir(kept).unwrap() {
            fs::write(entry.unwrap().path(), file("acme", "9.0.0", "sends")).unwrap();
        }
        desk.put("acme.wasm", b"half a file");
        let desk = desk.restarted().await;
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::Misconfigured)
        );
        let row = desk.row("acme.wasm");
        assert_eq!((row.state, row.version), (FileState::Rejected, None));
    }

    #[tokio::test]
    async fn what_misbehaved_is_not_tried_again_by_a_restart() {
        let mut desk = Desk::serving([]).await;
        desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("2.0.0"));
        for _ in 0..crate::breaker::FAULTS_WHEN_NEW {
            assert!(reason(&desk.send().await).is_some());
        }
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));

        let mut desk = desk.restarted().await;
        assert_eq!(desk.version().as_deref(), Some("1.0.0"));
        assert_eq!(reason(&desk.send().await), None);
        assert_eq!(desk.row("acme.wasm").refused.unwrap().stage, "observe");

        // Taken away and put back it is a file like any other.
        desk.remove("acme.wasm");
        desk.settle().await;
        desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some("2.0.0"));
    }

    /// A conversation ends on the version it began with, and not later than the bound.
    #[tokio::test]
    async fn a_replaced_version_is_unloaded_when_its_conversations_had_their_time() {
        let told = Arc::new(Notify::new());
        let mut desk = Desk::serving([
            Answers::Waits(Arc::clone(&told)),
            Answers::Waits(Arc::clone(&told)),
            Answers::Status(200, "{}"),
        ])
        .await;
        let old = {
            let table = desk.gateway.inner.table.load();
            Arc::downgrade(&table.plugins["acme"].serving)
        };
        let begin = || {
            let gateway = desk.gateway.clone();
            tokio::spawn(async move { gateway.send("main", &message(), soon()).await })
        };
        let (in_time, too_late) = (begin(), begin());
        while desk.wire.count.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        // Twice, so that it is no longer what the next one falls back on.
        for version in ["2.0.0", "3.0.0"] {
            desk.now += Duration::from_secs(1);
            desk.put("acme.wasm", &file("acme", version, "sends"));
            desk.gateway.reconcile_at(desk.now).await;
        }
        assert_eq!(desk.version().as_deref(), Some("3.0.0"));
        let almost = desk.now + PATIENCE - Duration::from_secs(2);
        desk.gateway.reconcile_at(almost).await;
        told.notify_one();
        assert_eq!(reason(&in_time.await.unwrap()), None);

        desk.now += PATIENCE;
        desk.gateway.reconcile_at(desk.now).await;
        let version = old.upgrade().expect("the conversation holds it");
        assert!(version.guest().is_err(), "unloaded all the same");
        drop(version);
        told.notify_one();
        let cut_short = too_late.await.unwrap();
        assert_eq!(reason(&cut_short), Some(FailureReason::OutcomeUnknown));
        assert!(old.upgrade().is_none());
        assert_eq!(reason(&desk.send().await), None);
        assert_eq!(desk.row("acme.wasm").faults, 0, "nobody's fault");
    }

    /// The events are enough: the periodic look is ten seconds away.
    #[tokio::test]
    async fn a_renamed_file_is_seen_without_waiting_for_the_periodic_look() {
        let desk = Desk::new([]);
        desk.gateway.configure(vec![config(&[])]).await;
        let watch = desk.gateway.watch();
        let tenant = TenantId::super_tenant();
        let seen = async {
            // A file of the first look tells that the watch, which comes before it, is armed.
            desk.put("first.wasm", &file("first", "1.0.0", "sends"));
            while desk.gateway.plugins().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
            while !desk.gateway.ready(&tenant, "main") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(
            tokio::time::timeout(crate::watch::PERIOD / 2, seen)
                .await
                .is_ok()
        );
        watch.abort();
    }

    #[tokio::test]
    async fn a_resolver_that_is_not_there_refuses() {
        let desk = Desk::serving([]).await;
        let login = FederatedLogin {
            tenant: TenantId::super_tenant(),
            identity_provider: "corp".into(),
            subject: "alice".into(),
            subject_identifier: "alice".into(),
            attributes: Vec::new(),
            settings: Vec::new(),
        };
        for usecase in ["userAttribute", "acme", "../../etc"] {
            let resolution = desk.gateway.resolve(usecase, &[], &login).await;
            assert!(matches!(resolution, Resolution::Refuse { .. }), "{usecase}");
        }
    }
}
