//! `postern plugin build`: cargo compiles to wasm32-unknown-unknown, the module is wrapped as a
//! component, and the component is looked at as a host would.

use super::output;
use anyhow::{Context, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// Quick, and an abort is a trap; whether or not the workspace says so itself.
const PROFILE: &[&str] = &[
    "profile.plugin.inherits=\"release\"",
    "profile.plugin.opt-level=3",
    "profile.plugin.lto=true",
    "profile.plugin.codegen-units=1",
    "profile.plugin.panic=\"abort\"",
    "profile.plugin.strip=true",
];

/// The plugin of the current folder.
pub(super) fn here(out: Option<&Path>) -> anyhow::Result<()> {
    if !Path::new("plugin.toml").is_file() {
        bail!(
            "there is no plugin.toml here: change into the plugin's folder, or make one with `postern plugin new NAME`"
        );
    }
    let out = out.unwrap_or(Path::new("."));
    for module in compile(Path::new("."), &[])? {
        wrap(&module, out)?;
    }
    Ok(())
}

/// Every folder below `all` that holds a plugin.toml, in one call of cargo.
pub(super) fn all(all: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let mut packages = Vec::new();
    let entries =
        fs::read_dir(all).with_context(|| format!("cannot read the folder `{}`", all.display()))?;
    for entry in entries {
        let folder = entry?.path();
        if folder.join("plugin.toml").is_file() {
            packages.push(package(&folder)?);
        }
    }
    packages.sort();
    if packages.is_empty() {
        bail!("no folder below `{}` holds a plugin.toml", all.display());
    }
    let mut failed = 0;
    for module in compile(all, &packages)? {
        // One that is refused keeps no other from being built.
        if let Err(error) = wrap(&module, out.unwrap_or(all)) {
            output::aside(format!("{error:#}"));
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        1 => bail!("1 plugin is not in order"),
        _ => bail!("{failed} plugins are not in order"),
    }
}

fn package(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("Cargo.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let manifest: toml::Table =
        toml::from_str(&text).with_context(|| format!("`{}` is not TOML", path.display()))?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let name = name.and_then(toml::Value::as_str);
    Ok(name
        .with_context(|| format!("`{}` names no package", path.display()))?
        .to_owned())
}

/// The core modules cargo made. Its progress and errors go straight to the terminal.
fn compile(folder: &Path, packages: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(folder)
        .args(["build", "--lib", "--target", TARGET, "--profile", "plugin"])
        .arg("--message-format=json-render-diagnostics")
        // A component is the same whoever builds it: flags meant for the machine's own code stay out.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit());
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    for package in packages {
        command.args(["-p", package]);
    }
    let output = command
        .output()
        .context("cannot run cargo: install Rust by https://rustup.rs")?;
    if !output.status.success() {
        bail!("cargo did not build it; if it lacks the target: `rustup target add {TARGET}`");
    }
    let modules: Vec<PathBuf> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| {
            let files = message["filenames"].as_array()?;
            let files = files
                .iter()
                .filter_map(serde_json::Value::as_str)
                .map(PathBuf::from);
            files
                .into_iter()
                .find(|file| file.extension().is_some_and(|found| found == "wasm"))
        })
        .collect();
    if modules.is_empty() {
        bail!("cargo made no module: the crate needs `crate-type = [\"cdylib\", \"rlib\"]`");
    }
    Ok(modules)
}

/// Wraps a module and puts it under its id, whole or not at all: the folder may be a running host's.
fn wrap(module: &Path, out: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read `{}`", module.display()))?;
    let component = postern_wasm::package::component(&bytes)
        .with_context(|| format!("`{}`", module.display()))?;
    let found = postern_wasm::inspect(&component, &postern_wasm::Limits::default())
        .map_err(|refusal| anyhow::anyhow!("`{}` would be refused: {refusal}", module.display()))?;
    if let Some(refusal) = found.refusal {
        bail!("`{}` would be refused: {refusal}", module.display());
    }
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder `{}`", out.display()))?;
    let file = out.join(format!("{}.wasm", found.manifest.id));
    let beside = out.join(format!(".{}.wasm.new", found.manifest.id));
    fs::write(&beside, &component)
        .and_then(|()| fs::rename(&beside, &file))
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    output::line(format!(
        "{}  {} KiB",
        file.display(),
        component.len().div_ceil(1024)
    ));
    Ok(())
}
