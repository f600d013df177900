//! How plugins and senders stand, for operators.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Gateway;
use super::bind::names;
use super::health::in_reserve;
use crate::folder::Standing;
use crate::provider::SenderConfig;
use crate::registry::{Slot, Table, Version, held};
use crate::report::{FileState, PluginReport, RefusedReport, SenderReport};

impl Gateway {
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
        rows.extend(state.draining.iter().filter_map(|draining| {
            let version = draining.version.upgrade()?;
            if in_reserve(&version, &table, &state.admitted) {
                return None;
            }
            Some(PluginReport {
                state: FileState::Draining,
                note: Some("conversations under way end on it".to_owned()),
                ..row(&draining.file, &Standing::Gone, Some(&version), &table)
            })
        }));
        rows.sort_by(|a, b| a.file.cmp(&b.file));
        rows
    }

    /// What each sender of this plugin allows it.
    pub(super) fn granted(
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

pub(super) fn row(
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
        (Standing::Gone, _) => (
            FileState::Gone,
            serves.then(|| "serves on for a moment: a rename may be under way".to_owned()),
        ),
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
        grown: version.map_or(0, |version| version.grown()),
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
