//! `postern plugin list`, `rescan`, `roll-back`: what the running host has loaded, and its change.

use super::super::store;
use super::{ConfigFile, output};
use crate::desk::{Reply, Request};
use anyhow::bail;

pub(super) fn run(file: &ConfigFile, json: bool) -> anyhow::Result<()> {
    let Reply::Plugins(plugins) = store::ask(&file.config, Request::PluginList)? else {
        bail!("the host answered something else: is it of another version?");
    };
    if json {
        return output::json(&plugins);
    }
    if plugins.is_empty() {
        output::aside("the plugin folder is empty");
        return Ok(());
    }
    let rows: Vec<_> = plugins
        .iter()
        .map(|plugin| {
            vec![
                plugin.file.clone(),
                plugin.id.clone().unwrap_or_default(),
                plugin.version.clone().unwrap_or_default(),
                plugin.kind.clone().unwrap_or_default(),
                plugin.state.clone(),
                plugin.calls.to_string(),
                plugin.faults.to_string(),
            ]
        })
        .collect();
    output::table(
        &["FILE", "ID", "VERSION", "KIND", "STATE", "CALLS", "FAULTS"],
        &rows,
    );
    for plugin in &plugins {
        if let Some(refused) = &plugin.refused {
            output::line(format!(
                "\n{}: refused at {}: {}",
                plugin.file, refused.stage, refused.reason
            ));
        }
        if let Some(note) = &plugin.note {
            output::line(format!("\n{}: {note}", plugin.file));
        }
        if let Some(fault) = &plugin.last_fault {
            output::line(format!("\n{}: last fault: {fault}", plugin.file));
        }
    }
    Ok(())
}

pub(super) fn rescan(file: &ConfigFile) -> anyhow::Result<()> {
    store::ask(&file.config, Request::PluginRescan)?;
    output::line("the folder is looked at; `postern plugin list` tells what came of it");
    Ok(())
}

pub(super) fn roll_back(file: &ConfigFile, id: String) -> anyhow::Result<()> {
    let request = Request::PluginRollBack { id: id.clone() };
    let Reply::Version(version) = store::ask(&file.config, request)? else {
        bail!("the host answered something else: is it of another version?");
    };
    output::line(format!("{id} goes back to {version}"));
    Ok(())
}
