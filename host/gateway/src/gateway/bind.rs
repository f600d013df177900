//! Which version serves each plugin, and what each sender gets of it. The table of a pass is built here
//! whole and swapped in at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use postern_wasm::manifest::Kind;
use postern_wasm::{Blame, one_line};

use super::Gateway;
use crate::provider::{Disagreement, Problem, SenderConfig, Terms, agree};
use crate::registry::{Bound, Experience, Sender, Slot, Table, Version, held};

impl Gateway {
    /// Builds the table anew from what is admitted and configured, and swaps it in.
    pub(super) async fn bind(&self, now: Instant) {
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
                    .unwrap_or_else(|| Arc::new(Experience::none(self.inner.health.breaker))),
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

    pub(super) async fn bind_again(
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

    pub(super) async fn fallback(&self, table: &Table, sender: &Sender) -> Option<Arc<Bound>> {
        let good = table.plugin(&sender.config.plugin)?.last_good.as_ref()?;
        let terms = self.terms(&sender.config, good).await.ok()?;
        Some(Arc::new(bound(terms, good)))
    }

    pub(super) async fn bind_one(
        &self,
        table: &Table,
        config: &SenderConfig,
    ) -> Result<Bound, Vec<Problem>> {
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
    pub(super) async fn terms(
        &self,
        config: &SenderConfig,
        version: &Version,
    ) -> Result<Terms, Vec<Problem>> {
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
        let agreed = agree(config, &version.manifest, &self.inner.shipped);
        let settings = match &agreed {
            Ok(terms) => &terms.settings,
            Err(disagreement) => &disagreement.settings,
        };
        let checked = match version.guest() {
            Ok(guest) => guest.check(settings).await,
            Err(retired) => Err(retired),
        };
        let found = match checked {
            Ok(found) => found
                .into_iter()
                .map(|found| {
                    let setting = Some(found.setting.as_str()).filter(|name| !name.is_empty());
                    problem(setting, one_line(&found.message, 512))
                })
                .collect(),
            // The host's own trouble says nothing about the settings, and what protects anybody
            // was checked above.
            Err(fault) if fault.blame() == Blame::Host => {
                tracing::warn!(
                    { sender.name = config.name },
                    "settings not checked by the plugin: {fault}"
                );
                Vec::new()
            }
            Err(fault) => vec![problem(
                None,
                format!("the plugin could not check the settings: {fault}"),
            )],
        };
        match agreed {
            Ok(terms) if found.is_empty() => Ok(terms),
            Ok(_) => Err(found),
            Err(Disagreement { mut problems, .. }) => {
                // The plugin was not told of a setting that has a problem already: it would miss it.
                let known: Vec<_> = problems
                    .iter()
                    .filter_map(|one| one.setting.clone())
                    .collect();
                let more = |one: &Problem| {
                    one.setting
                        .as_ref()
                        .is_none_or(|setting| !known.contains(setting))
                };
                problems.extend(found.into_iter().filter(more));
                Err(problems)
            }
        }
    }

    /// The outbox answers in a provider's place: beside a real sender somebody could believe that
    /// messages arrive.
    pub(super) fn outbox_problems<'a>(
        &self,
        configs: impl Iterator<Item = &'a SenderConfig>,
    ) -> Vec<Problem> {
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
}

/// For each plugin id the version that serves: the highest; among equals the one that serves
/// already, then the first by file name. What was condemned serves only if there is nothing else.
pub(super) fn choose(
    admitted: &BTreeMap<String, Arc<Version>>,
    before: &HashMap<String, Slot>,
) -> HashMap<String, Slot> {
    let mut chosen: HashMap<String, Slot> = HashMap::new();
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

pub(super) fn bound(terms: Terms, version: &Arc<Version>) -> Bound {
    Bound {
        version: Arc::clone(version),
        settings: terms.settings,
        secrets: terms.secrets,
        route: terms.route,
    }
}

pub(super) fn names(plugin: &str, version: &Version) -> bool {
    plugin == version.id() || version.manifest.aliases.iter().any(|alias| alias == plugin)
}
