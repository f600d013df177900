//! Versions that misbehave, that heal, and that have to go. Knows nothing of providers: their score is
//! kept where messages are sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_wasm::Fault;

use super::{Draining, Gateway, State};
use crate::breaker::Sentence;
use crate::folder::Refused;
use crate::registry::{Table, Version, held};

impl Gateway {
    pub(super) fn plugin_faulted(&self, version: &Arc<Version>, fault: &Fault) {
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

    /// Files whose version was condemned since the last pass are kept out by content.
    pub(super) async fn condemn_the_condemned(&self) -> bool {
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
    pub(super) async fn heal(&self, now: Instant) {
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

    pub(super) fn healing_due_in(&self, now: Instant) -> Option<Duration> {
        let table = self.inner.table.load();
        let waits = table
            .plugins
            .values()
            .filter_map(|slot| slot.in_use().health().due_in(now));
        waits.min()
    }

    /// Lets go of replaced versions whose conversations ended, and of those that had their time. The
    /// periodic pass is often enough: a little late is no harm.
    pub(super) fn watch_drains(&self, now: Instant) {
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
}

impl State {
    pub(super) fn drain(&mut self, version: &Arc<Version>, file: &str, now: Instant) {
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
pub(super) fn in_reserve(
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
