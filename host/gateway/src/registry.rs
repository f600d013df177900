//! Which version of which plugin serves, which sender uses it, and who still holds an older one.
//!
//! Owns: the table every conversation reads once, without a lock, and keeps: a conversation ends
//! on the version it began with. Changes build a new table and swap it. Knows nothing of files and
//! nothing of messages.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use postern_egress::{Route, Secrets};
use postern_login::tenant::TenantId;
use postern_wasm::manifest::{Kind, Manifest};
use postern_wasm::types::Pair;
use postern_wasm::{Fault, FaultKind};

use crate::breaker::{Breaker, BreakerPolicy, Quarantine, QuarantinePolicy};
use crate::folder::Sha;
use crate::guest::{Admitted, Guest};
use crate::provider::{Problem, SenderConfig};

/// One admitted content of a plugin file.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) manifest: Arc<Manifest>,
    /// The manifest's version as text, for logs.
    pub(crate) version: String,
    pub(crate) sha256: Sha,
    pub(crate) size: usize,
    /// `None` once it was retired.
    guest: Mutex<Option<Arc<dyn Guest>>>,
    pub(crate) calls: AtomicU64,
    pub(crate) faults: AtomicU64,
    last_fault: Mutex<Option<String>>,
    health: Mutex<Quarantine>,
    /// It misbehaved, and the version before it serves in its place for good.
    condemned: AtomicBool,
}

impl Version {
    pub(crate) fn new(admitted: Admitted, policy: QuarantinePolicy, now: Instant) -> Self {
        Version {
            version: admitted.manifest.version.to_string(),
            manifest: admitted.manifest,
            sha256: admitted.sha256,
            size: admitted.size,
            guest: Mutex::new(Some(admitted.guest)),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            last_fault: Mutex::new(None),
            health: Mutex::new(Quarantine::activated(policy, now)),
            condemned: AtomicBool::new(false),
        }
    }

    /// The loaded plugin, for one call.
    ///
    /// # Errors
    /// If the version was retired: its conversations had their time.
    pub(crate) fn guest(&self) -> Result<Arc<dyn Guest>, Fault> {
        held(&self.guest).clone().ok_or_else(|| Fault {
            kind: FaultKind::Misuse,
            detail: format!(
                "version {} of plugin `{}` was retired meanwhile",
                self.version,
                self.id()
            ),
        })
    }

    /// Calls in which its memory grew; none of a version that was retired.
    pub(crate) fn grown(&self) -> u64 {
        held(&self.guest).as_ref().map_or(0, |guest| guest.grown())
    }

    /// Unloads it, whoever still holds it. A call under way ends first.
    pub(crate) fn retire(&self) {
        drop(held(&self.guest).take());
    }

    pub(crate) fn id(&self) -> &str {
        &self.manifest.id
    }

    pub(crate) fn kind(&self) -> Kind {
        self.manifest.kind
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Quarantine> {
        held(&self.health)
    }

    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Relaxed)
    }

    pub(crate) fn remember_fault(&self, words: String) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        *held(&self.last_fault) = Some(words);
    }

    pub(crate) fn last_fault(&self) -> Option<String> {
        held(&self.last_fault).clone()
    }
}

/// A lock that is only ever held for a few instructions that do not panic.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The versions of one plugin.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) serving: Arc<Version>,
    /// What served before, if it served well: it returns when `serving` is condemned.
    pub(crate) last_good: Option<Arc<Version>>,
}

impl Slot {
    /// The version a call goes to now.
    pub(crate) fn in_use(&self) -> &Arc<Version> {
        match &self.last_good {
            Some(good) if self.serving.is_condemned() => good,
            _ => &self.serving,
        }
    }
}

/// A sender that can be used.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) version: Arc<Version>,
    pub(crate) settings: Vec<Pair>,
    pub(crate) secrets: Secrets,
    /// Its grant, its connections and whom it believes.
    pub(crate) route: Route,
}

/// What a sender has been through; it outlives the versions of its plugin.
#[derive(Debug)]
pub(crate) struct Experience {
    pub(crate) breaker: Mutex<Breaker>,
    /// Whether its last message carried an idempotency key.
    pub(crate) idempotent: AtomicBool,
}

impl Experience {
    /// Of a sender that has done nothing wrong yet.
    pub(crate) fn none(policy: BreakerPolicy) -> Self {
        Experience {
            breaker: Mutex::new(Breaker::closed(policy)),
            idempotent: AtomicBool::new(false),
        }
    }
}

/// A configured sender and how it stands.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) config: Arc<SenderConfig>,
    pub(crate) experience: Arc<Experience>,
    /// What keeps it from sending, if it is not bound.
    pub(crate) bound: Result<Arc<Bound>, Vec<Problem>>,
    /// The same with the last good version, so that a roll-back takes no time.
    pub(crate) fallback: Option<Arc<Bound>>,
}

impl Sender {
    /// The version a message goes through now.
    pub(crate) fn in_use(&self) -> Option<&Arc<Bound>> {
        let bound = self.bound.as_ref().ok()?;
        match &self.fallback {
            Some(fallback) if bound.version.is_condemned() => Some(fallback),
            _ => Some(bound),
        }
    }
}

/// Everything a message needs to find its way. Never changed, only replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) plugins: HashMap<String, Slot>,
    senders: HashMap<TenantId, HashMap<String, Sender>>,
}

impl Table {
    pub(crate) fn of(plugins: HashMap<String, Slot>) -> Self {
        Table {
            plugins,
            senders: HashMap::new(),
        }
    }

    pub(crate) fn sender(&self, tenant: &TenantId, name: &str) -> Option<&Sender> {
        self.senders.get(tenant)?.get(name)
    }

    pub(crate) fn senders(&self) -> impl Iterator<Item = &Sender> {
        self.senders.values().flat_map(HashMap::values)
    }

    pub(crate) fn put_sender(&mut self, sender: Sender) {
        self.senders
            .entry(sender.config.tenant.clone())
            .or_default()
            .insert(sender.config.name.clone(), sender);
    }

    /// The slot of a plugin by id or alias. An id always wins over somebody's alias.
    pub(crate) fn plugin(&self, name: &str) -> Option<&Slot> {
        self.plugins.get(name).or_else(|| {
            self.plugins
                .values()
                .filter(|slot| {
                    slot.serving
                        .manifest
                        .aliases
                        .iter()
                        .any(|alias| alias == name)
                })
                .min_by(|a, b| a.serving.id().cmp(b.serving.id()))
        })
    }
}
