//! The one handle to all plugins, whether they run in a worker process or in this one.
//!
//! Owns: the order of admission, the turns of each plugin's callers, and what a guest's log lines
//! become. Knows nothing of how a call is carried out (`engine`, `client`).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admission::{self, Candidate};
use crate::cache::{Cache, CachePlace, Known};
use crate::client::{Client, Code, Strikes, WorkerCommand};
use crate::contract;
use crate::engine::{self, Engine, Space};
use crate::error::{Fault, FaultKind, Refusal, Stage, StartError, one_line};
use crate::limits::Limits;
use crate::manifest::{Kind, Manifest};
use crate::wire::{Answer, CallRef, Level, Log, Outcome, Shape};
use crate::{provider, resolver, types};

/// Where plugins run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// In this process. For tests, and for measuring what the wall costs.
    InProcess,
    /// In a worker process that has nothing to steal.
    Worker(WorkerCommand),
}

/// How to start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where plugins run.
    pub isolation: Isolation,
    /// What bounds them.
    pub limits: Limits,
    /// Where compiled code is kept between starts; without it every start compiles again.
    pub cache: Option<CachePlace>,
}

/// All plugins. Clones are the same handle.
#[derive(Clone)]
pub struct Plugins {
    host: Arc<Host>,
}

struct Host {
    limits: Limits,
    place: Place,
    last_number: AtomicU32,
    cache: Option<Arc<Cache>>,
    /// One compilation at a time: it is the most expensive thing a file can ask for.
    compiling: Semaphore,
    /// Files the compiler refused, by SHA-256, so that none is compiled twice.
    verdicts: Mutex<HashMap<[u8; 32], Refusal>>,
    /// By SHA-256, so that a file that is judged again is not a new one.
    strikes: Mutex<HashMap<[u8; 32], Arc<Strikes>>>,
}

/// Verdicts remembered at most; a folder holds far fewer files.
const VERDICTS: usize = 1_024;

enum Place {
    Here(Box<Engine>),
    Worker(Client),
}

/// An admitted plugin. It stays loaded as long as a clone of this exists.
#[derive(Clone)]
pub struct PluginHandle {
    entry: Arc<Entry>,
}

struct Entry {
    number: u32,
    id: String,
    version: String,
    shape: Shape,
    turns: Semaphore,
    waiting: AtomicUsize,
    grown: AtomicU64,
    strikes: Arc<Strikes>,
    host: Arc<Host>,
}

/// What admission gives back.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// For the calls.
    pub handle: PluginHandle,
    /// What the plugin says about itself.
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the file.
    pub size: usize,
}

impl Plugins {
    /// Starts the engine or the worker.
    ///
    /// # Errors
    /// If the machine or the limits do not allow it.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        let cache = match &setup.cache {
            Some(place) => Some(Arc::new(Cache::open(place, setup.limits.cache_bytes)?)),
            None => None,
        };
        let place = match setup.isolation {
            Isolation::InProcess => {
                let engine = Engine::new(&setup.limits)?;
                engine.start_ticker()?;
                Place::Here(Box::new(engine))
            }
            Isolation::Worker(command) => {
                Place::Worker(Client::start(command, setup.limits.clone()).await?)
            }
        };
        Ok(Plugins {
            host: Arc::new(Host {
                limits: setup.limits,
                place,
                last_number: AtomicU32::new(0),
                cache,
                compiling: Semaphore::new(1),
                verdicts: Mutex::default(),
                strikes: Mutex::default(),
            }),
        })
    }

    /// Judges a file and, if nothing is wrong with it, loads it: format, manifest, imports and
    /// exports, compilation, and a real instantiation. What needs an opinion of the host's comes
    /// after: grants, settings ([`Plugins::check`]), and [`admission::self_test`].
    ///
    /// A new version is a new admission with a handle of its own; the old one serves until its
    /// last handle is gone.
    ///
    /// # Errors
    /// The stage at which the file stopped and one reason an operator can act on.
    pub async fn admit(&self, bytes: Arc<[u8]>) -> Result<Loaded, Refusal> {
        let candidate = self.examine(Arc::clone(&bytes)).await?;
        let shape = Shape {
            kind: candidate.manifest.kind,
            class: candidate.manifest.runtime,
        };
        let code = self.compiled(&bytes, &candidate).await?;
        let number = self.host.last_number.fetch_add(1, Ordering::Relaxed);
        let strikes = self.strikes_of(candidate.sha256);
        match &self.host.place {
            Place::Here(engine) => {
                let code = code.read().ok_or_else(code_is_gone)?;
                engine.load(number, shape, &code).await?;
            }
            Place::Worker(client) => client.load(number, shape, code, &strikes).await?,
        }
        Ok(Loaded {
            handle: self.handle(number, shape, &candidate.manifest, strikes),
            manifest: Arc::new(candidate.manifest),
            sha256: candidate.sha256,
            size: bytes.len(),
        })
    }

    /// One step of a conversation with an SMS provider.
    ///
    /// # Errors
    /// Whatever kept the guest from a well-formed answer within bounds.
    pub async fn provider_step(
        &self,
        plugin: &PluginHandle,
        settings: &[types::Pair],
        message: &provider::Message,
        event: &provider::Event,
        state: &[u8],
    ) -> Result<provider::Action, Fault> {
        let call = CallRef::ProviderStep {
            settings,
            message,
            event,
            state,
        };
        match self.call(plugin, call).await? {
            Answer::Provider(action) => {
                contract::check_provider(&action, &self.host.limits)?;
                Ok(action)
            }
            _ => Err(wrong_answer()),
        }
    }

    /// One step of a resolution.
    ///
    /// # Errors
    /// Whatever kept the guest from a well-formed answer within bounds; the login is then refused.
    pub async fn resolver_step(
        &self,
        plugin: &PluginHandle,
        settings: &[types::Pair],
        login: &resolver::FederatedLogin,
        event: &resolver::Event,
        state: &[u8],
    ) -> Result<resolver::Action, Fault> {
        let call = CallRef::ResolverStep {
            settings,
            login,
            event,
            state,
        };
        match self.call(plugin, call).await? {
            Answer::Resolver(action) => {
                contract::check_resolver(&action, event, &self.host.limits)?;
                Ok(action)
            }
            _ => Err(wrong_answer()),
        }
    }

    /// What the plugin finds wrong with settings; empty if nothing.
    ///
    /// # Errors
    /// Whatever kept the guest from a well-formed answer within bounds.
    pub async fn check(
        &self,
        plugin: &PluginHandle,
        settings: &[types::Pair],
    ) -> Result<Vec<types::Problem>, Fault> {
        match self.call(plugin, CallRef::Check { settings }).await? {
            Answer::Problems(problems) => {
                contract::check_problems(&problems, &self.host.limits)?;
                Ok(problems)
            }
            _ => Err(wrong_answer()),
        }
    }

    /// The worker's process id, if there is one now; for figures and logs.
    pub fn worker_pid(&self) -> Option<u32> {
        match &self.host.place {
            Place::Here(_) => None,
            Place::Worker(client) => client.pid(),
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.host.limits
    }

    async fn call(&self, plugin: &PluginHandle, call: CallRef<'_>) -> Result<Answer, Fault> {
        let entry = &plugin.entry;
        let _turn = entry.turn(&self.host.limits).await?;
        let Outcome { result, log, grew } = match &self.host.place {
            Place::Here(engine) => engine.call(entry.number, &call).await,
            Place::Worker(client) => {
                client
                    .call(entry.number, entry.shape, call, &entry.strikes)
                    .await
            }
        };
        entry.write(&log, &self.host.limits);
        entry.grown.fetch_add(u64::from(grew), Ordering::Relaxed);
        result
    }

    /// Looks at the file from outside, off the runtime's threads: a parser's panic or a long parse
    /// costs this admission only.
    async fn examine(&self, bytes: Arc<[u8]>) -> Result<Candidate, Refusal> {
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || admission::examine(&bytes, &host.limits))
            .await
            .unwrap_or_else(|_| {
                Err(Refusal::new(
                    Stage::Format,
                    "the file makes the parser fail",
                ))
            })
    }

    /// The component's compiled code: from the cache, or compiled now.
    async fn compiled(&self, bytes: &Arc<[u8]>, candidate: &Candidate) -> Result<Code, Refusal> {
        let code_key = match &self.host.place {
            Place::Here(engine) => engine.code_key(),
            Place::Worker(client) => client.code_key().await?,
        };
        let sha256 = candidate.sha256;
        if let Some(known) = self.find(sha256, code_key.clone()).await {
            return known;
        }
        let _turn = self.host.compiling.acquire().await;
        // The same file may have been compiled while this one waited.
        if let Some(known) = self.find(sha256, code_key.clone()).await {
            return known;
        }
        let compiled = match &self.host.place {
            Place::Here(_) => self.compile_here(bytes).await,
            Place::Worker(client) => client.compile(bytes).await,
        };
        self.remember(sha256, code_key, compiled).await
    }

    /// A verdict belongs to the limits it was found under: who raises them gets another one.
    fn verdict_key(&self, code_key: &str) -> String {
        let limits = &self.host.limits;
        format!(
            "{code_key}-{}-{}",
            limits.compile_seconds, limits.compile_bytes
        )
    }

    async fn find(&self, sha256: [u8; 32], code_key: String) -> Option<Result<Code, Refusal>> {
        if let Some(refusal) = self.verdicts().get(&sha256) {
            return Some(Err(refusal.clone()));
        }
        let cache = Arc::clone(self.host.cache.as_ref()?);
        let verdict_key = self.verdict_key(&code_key);
        let found =
            tokio::task::spawn_blocking(move || cache.find(&sha256, &code_key, &verdict_key)).await;
        match found.ok()?? {
            Known::Code(entry) => Some(Ok(Code::Cached(entry))),
            Known::Refused(refusal) => Some(Err(refusal)),
        }
    }

    async fn remember(
        &self,
        sha256: [u8; 32],
        code_key: String,
        compiled: Result<Vec<u8>, Refusal>,
    ) -> Result<Code, Refusal> {
        if let Err(refusal) = &compiled
            && refusal.is_final()
        {
            let mut verdicts = self.verdicts();
            if verdicts.len() >= VERDICTS {
                verdicts.clear();
            }
            verdicts.insert(sha256, refusal.clone());
        }
        let Some(cache) = self.host.cache.as_ref().map(Arc::clone) else {
            return compiled.map(Code::Memory);
        };
        let verdict_key = self.verdict_key(&code_key);
        let keep = move || match compiled {
            Ok(code) => Ok(match cache.keep_code(&sha256, &code_key, &code) {
                Some(entry) => Code::Cached(entry),
                None => Code::Memory(code),
            }),
            Err(refusal) => {
                if refusal.is_final() {
                    cache.keep_refusal(&sha256, &verdict_key, &refusal);
                }
                Err(refusal)
            }
        };
        tokio::task::spawn_blocking(keep)
            .await
            .unwrap_or_else(|_| Err(code_is_gone()))
    }

    async fn compile_here(&self, bytes: &Arc<[u8]>) -> Result<Vec<u8>, Refusal> {
        let (host, bytes) = (Arc::clone(&self.host), Arc::clone(bytes));
        let compiling = tokio::task::spawn_blocking(move || {
            engine::compile(&bytes, &host.limits, Space::here(&host.limits))
        });
        match tokio::time::timeout(self.host.limits.compile_time(), compiling).await {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(_)) => Err(Refusal::new(Stage::Host, "the compiling thread was lost")),
            // The thread goes on: only a process can be ended.
            Err(_) => Err(too_slow(&self.host.limits)),
        }
    }

    fn verdicts(&self) -> MutexGuard<'_, HashMap<[u8; 32], Refusal>> {
        // Each operation under the lock is whole in itself.
        self.host
            .verdicts
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn strikes_of(&self, sha256: [u8; 32]) -> Arc<Strikes> {
        // Each operation under the lock is whole in itself.
        let mut strikes = self
            .host
            .strikes
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if strikes.len() >= VERDICTS {
            strikes.clear();
        }
        Arc::clone(strikes.entry(sha256).or_default())
    }

    fn handle(
        &self,
        number: u32,
        shape: Shape,
        manifest: &Manifest,
        strikes: Arc<Strikes>,
    ) -> PluginHandle {
        PluginHandle {
            entry: Arc::new(Entry {
                number,
                id: manifest.id.clone(),
                version: manifest.version.to_string(),
                shape,
                turns: Semaphore::new(
                    self.host
                        .limits
                        .calls_per_plugin
                        .clamp(1, Semaphore::MAX_PERMITS),
                ),
                waiting: AtomicUsize::new(0),
                grown: AtomicU64::new(0),
                strikes,
                host: Arc::clone(&self.host),
            }),
        }
    }
}

impl PluginHandle {
    /// The plugin's id.
    pub fn id(&self) -> &str {
        &self.entry.id
    }

    /// The plugin's own version.
    pub fn version(&self) -> &str {
        &self.entry.version
    }

    /// Calls in which a memory of it grew past the size it began with: they cost three to five times
    /// as much as others.
    pub fn grown(&self) -> u64 {
        self.entry.grown.load(Ordering::Relaxed)
    }

    /// Which world it implements.
    pub fn kind(&self) -> Kind {
        self.entry.shape.kind
    }
}

impl Entry {
    /// Waits for one of the plugin's turns: bounded in number and time, so that a plugin that is
    /// slow costs its own callers only.
    async fn turn(&self, limits: &Limits) -> Result<SemaphorePermit<'_>, Fault> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _place = Waiting::join(&self.waiting, limits.calls_waiting).ok_or_else(|| {
            Fault::new(
                FaultKind::Busy,
                format!("{} calls of this plugin wait already", limits.calls_waiting),
            )
        })?;
        match tokio::time::timeout(limits.wait(), self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Fault::new(
                FaultKind::Busy,
                format!("no call of this plugin ended within {} ms", limits.wait_ms),
            )),
        }
    }

    fn write(&self, log: &Log, limits: &Limits) {
        let (id, version) = (self.id.as_str(), self.version.as_str());
        // The lines may come out of a captured worker: count and measure them again.
        let mut bytes = limits.log_bytes;
        for line in log.lines.iter().take(limits.log_lines) {
            let text = one_line(&line.text, bytes);
            bytes = bytes.saturating_sub(line.text.len());
            match line.level {
                Level::Debug => {
                    tracing::debug!(target: "plugin", { plugin.id = id, plugin.version = version }, "{text}")
                }
                Level::Info => {
                    tracing::info!(target: "plugin", { plugin.id = id, plugin.version = version }, "{text}")
                }
                Level::Warn => {
                    tracing::warn!(target: "plugin", { plugin.id = id, plugin.version = version }, "{text}")
                }
                Level::Error => {
                    tracing::error!(target: "plugin", { plugin.id = id, plugin.version = version }, "{text}")
                }
            }
        }
        if log.dropped > 0 {
            tracing::warn!(
                target: "plugin", { plugin.id = id, plugin.version = version, plugin.dropped = log.dropped },
                "log lines of plugin `{id}` were cut or dropped: at most {} bytes a step are kept", limits.log_bytes
            );
        }
    }
}

/// A place among those who wait; given up when dropped, however the waiting ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < most).then_some(n + 1)
            })
            .ok()
            .map(|_| Waiting(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        match &self.host.place {
            Place::Here(engine) => engine.unload(self.number),
            Place::Worker(client) => client.unload(self.number),
        }
    }
}

fn code_is_gone() -> Refusal {
    Refusal::new(Stage::Host, "the compiled code can no longer be read")
}

fn wrong_answer() -> Fault {
    Fault::new(FaultKind::Misuse, "the worker answered another question")
}

pub(crate) fn too_slow(limits: &Limits) -> Refusal {
    Refusal::new(
        Stage::Compile,
        format!(
            "compiling took longer than {} seconds (`compile_seconds`)",
            limits.compile_seconds
        ),
    )
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins").finish_non_exhaustive()
    }
}

impl fmt::Debug for PluginHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHandle")
            .field("id", &self.entry.id)
            .field("version", &self.entry.version)
            .finish_non_exhaustive()
    }
}
