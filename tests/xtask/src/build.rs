//! Building: the host, the stand-in gateway, the plugins.

use crate::{machine, processes};
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// The programs, in the profile that demo and tests share, of the whole workspace: a selection of crates
/// would be resolved with other features, and the engine compiled once more for it. One small test is among
/// them because features of what only tests need count as soon as there is one.
pub(crate) fn host() -> Result<PathBuf> {
    let first = !machine::target_folder()?.join("debug/postern").is_file();
    let what = if first {
        "building (some 25 minutes the first time on two cores: the engine is compiled with optimizations)"
    } else {
        "building"
    };
    processes::run(
        what,
        processes::cargo()
            .args(["build", "--workspace", "--lib", "--bins"])
            .args(["--test", "documents"]),
    )?;
    Ok(machine::target_folder()?.join("debug/postern"))
}

/// All plugins, as components in `target/plugins`.
pub(crate) fn plugins() -> Result<()> {
    machine::wasm_target()?;
    let postern = host()?;
    processes::run(
        "building the plugins",
        Command::new(postern)
            .current_dir(machine::workspace())
            .args(["plugin", "build", "--all", "plugins", "--out"])
            .arg(machine::target_folder()?.join("plugins")),
    )
}
