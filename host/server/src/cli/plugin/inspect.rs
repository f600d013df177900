//! `postern plugin inspect`: what a file is and asks for. Nothing of it is compiled or run.

use super::output;
use postern_wasm::manifest::{Setting, SettingKind};
use postern_wasm::{Inspection, Limits, inspect};
use std::path::Path;

pub(super) fn run(file: &Path, json: bool) -> anyhow::Result<()> {
    let bytes = super::read(file)?;
    let found = inspect(&bytes, &Limits::default())
        .map_err(|refusal| anyhow::anyhow!("`{}` is no plugin: {refusal}", file.display()))?;
    if json {
        return output::json(&found);
    }
    show(&found);
    Ok(())
}

fn show(found: &Inspection) {
    let manifest = &found.manifest;
    let row = |name: &str, value: &str| output::line(format!("{name:<12}{value}"));
    let list = |items: &[String]| {
        if items.is_empty() {
            "none".to_owned()
        } else {
            items.join(", ")
        }
    };
    row("id", &manifest.id);
    row("version", &manifest.version.to_string());
    row("kind", manifest.kind.as_str());
    row("title", &manifest.title);
    row("does", &manifest.description);
    row(
        "interface",
        &format!("postern:plugin@{}", found.wit_version),
    );
    row("imports", &list(&found.imports));
    row("exports", &list(&found.exports));
    row("sends to", &list(&manifest.origins));
    if !manifest.origin_settings.is_empty() {
        row(
            "",
            &format!(
                "and where these settings say: {}",
                list(&manifest.origin_settings)
            ),
        );
    }
    row("vectors", &manifest.vectors.len().to_string());
    row("size", &format!("{} bytes", found.size));
    row("sha256", &found.sha256);
    if let Some(refusal) = &found.refusal {
        row("refused", &refusal.to_string());
    }
    if manifest.settings.is_empty() {
        return;
    }
    output::line("");
    let rows: Vec<_> = manifest
        .settings
        .iter()
        .map(|setting| {
            let mut traits = vec![kind(setting)];
            if setting.required {
                traits.push("required".to_owned());
            }
            if setting.secret {
                traits.push("secret".to_owned());
            }
            if let Some(default) = &setting.default {
                traits.push(format!("default {default}"));
            }
            vec![
                setting.name.clone(),
                traits.join(", "),
                setting.help.clone(),
            ]
        })
        .collect();
    output::table(&["SETTING", "KIND", "WHAT IT IS"], &rows);
}

/// How the text of a setting is read, in the words of a plugin's manifest; of a choice, what there
/// is to choose from.
fn kind(setting: &Setting) -> String {
    match setting.kind {
        SettingKind::Text => "text".to_owned(),
        SettingKind::Integer => "integer".to_owned(),
        SettingKind::Boolean => "boolean".to_owned(),
        SettingKind::Url => "url".to_owned(),
        SettingKind::Choice => format!("one of {}", setting.choices.join(" | ")),
        SettingKind::Lines => "lines".to_owned(),
    }
}
