//! Where the built things are.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The folder with the components: `POSTERN_PLUGINS`, or `plugins` in the target folder.
pub fn plugins() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("POSTERN_PLUGINS") {
        return Ok(PathBuf::from(folder));
    }
    beside(Path::new("plugins/twilio.wasm"))
        .and_then(|file| file.parent().map(Path::to_owned))
        .context("the plugins are not built: run `cargo xtask build-plugins`")
}

/// The source tree.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program `postern`.
pub fn postern() -> Result<PathBuf> {
    beside(Path::new("postern"))
        .context("the program `postern` is not built: run `cargo xtask build-plugins`")
}

/// Looked for upwards from the test's own program: target/debug/deps, target/debug, target.
fn beside(name: &Path) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program
        .ancestors()
        .skip(1)
        .take(4)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The target folder, for screenshots and the like.
pub fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(target
        .context("the test does not run from a target folder")?
        .to_owned())
}
