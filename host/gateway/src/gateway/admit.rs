//! A file's way in: judged once, against the plugin's own vectors and the senders that would use it, and
//! kept; and the way back to a content that served before.

use std::sync::Arc;
use std::time::Instant;

use super::bind::names;
use super::{Gateway, State};
use crate::archive::write_whole;
use crate::folder::{Candidate, Refused, Sha};
use crate::guest::{Admitted, Trial};
use crate::last_good::{Kept, LastGood};
use crate::provider::secrets_that_would_be_read;
use crate::registry::{Version, held};

impl Gateway {
    fn activated(&self, admitted: Admitted, now: Instant) -> Arc<Version> {
        Arc::new(Version::new(admitted, self.inner.health.quarantine, now))
    }

    /// Judges one file. The plugin's id if something new may serve.
    pub(super) async fn judge(&self, candidate: Candidate, now: Instant) -> Option<String> {
        let Candidate {
            file,
            sha256,
            bytes,
        } = candidate;
        let known = self.loaded(&sha256);
        let (condemned, trial) = self
            .last_good(&file, move |kept, file| {
                let trial = match kept.is_kept(file, &sha256) {
                    true => Trial::Vectors,
                    false => Trial::Whole,
                };
                (kept.is_condemned(file, &sha256), trial)
            })
            .await
            .unwrap_or((false, Trial::Whole));
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
            None => match self.inner.loader.admit(Arc::clone(&bytes), trial).await {
                Ok(admitted) => Ok(self.activated(admitted, now)),
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
                self.say_refused(&state, &file, &refused);
                state.folder.refused(&file, refused, lasting, now);
                None
            }
        }
    }

    /// Tells the operator, and what of the file serves all the same.
    pub(super) fn say_refused(&self, state: &State, file: &str, refused: &Refused) {
        let table = self.inner.table.load();
        let serving = state.admitted.get(file).filter(|version| {
            let slot = table.plugins.get(version.id());
            slot.is_some_and(|slot| Arc::ptr_eq(slot.in_use(), version))
        });
        let on = serving.map_or_else(String::new, |version| {
            format!("; version {} serves on", version.version)
        });
        tracing::warn!(
            { plugin.file = file, plugin.stage = refused.stage },
            "{file} refused at {}: {}{on}", refused.stage, refused.reason
        );
    }

    /// For each file whose content is refused and of which nothing serves, the last good content of an
    /// earlier start, judged like any file. True if something new may serve.
    pub(super) async fn recover(&self, now: Instant) -> bool {
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
            let bytes_max = self.inner.limits.component_bytes as u64;
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

    pub(super) async fn admit_again(
        &self,
        file: &str,
        kept: Kept,
        now: Instant,
    ) -> Option<Arc<Version>> {
        let passed_over = |reason: &str| {
            tracing::warn!(
                { plugin.file = file },
                "a kept version of {file} does not serve: {reason}"
            );
        };
        let version = match self.loaded(&kept.sha256) {
            Some(version) => version,
            None => match self
                .inner
                .loader
                .admit(kept.bytes.into(), Trial::Vectors)
                .await
            {
                Ok(admitted) => self.activated(admitted, now),
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
    pub(super) async fn last_good<T: Send + 'static>(
        &self,
        file: &str,
        act: impl FnOnce(&LastGood, &str) -> T + Send + 'static,
    ) -> Option<T> {
        let (kept, file) = (Arc::clone(self.inner.last_good.as_ref()?), file.to_owned());
        tokio::task::spawn_blocking(move || act(&kept, &file))
            .await
            .ok()
    }

    pub(super) fn remove(&self, file: &str, now: Instant) {
        let mut state = held(&self.inner.state);
        state.beyond_help.remove(file);
        if let Some(version) = state.admitted.remove(file) {
            match state.folder.ignored(file) {
                None => tracing::info!(
                    { plugin.id = version.id(), plugin.version = version.version, plugin.file = file },
                    "{file} is gone: plugin `{}` {} is retired", version.id(), version.version
                ),
                Some(reason) => tracing::warn!(
                    { plugin.id = version.id(), plugin.version = version.version, plugin.file = file },
                    "{file} is ignored ({reason}): plugin `{}` {} is retired",
                    version.id(), version.version
                ),
            }
            state.drain(&version, file, now);
        }
    }

    pub(super) fn loaded(&self, sha256: &Sha) -> Option<Arc<Version>> {
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
    pub(super) async fn fits_the_senders(
        &self,
        version: &Arc<Version>,
    ) -> Result<(), (&'static str, String)> {
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
}
