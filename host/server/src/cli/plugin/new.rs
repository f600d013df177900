//! `postern plugin new`: the template of the SDK, with the SDK itself and the interface vendored
//! beside it, so that it builds wherever it lies and whatever this host becomes.

use super::{Kind, output};
use anyhow::{Context, bail};
use include_dir::{Dir, DirEntry, include_dir};
use std::fs;
use std::path::Path;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/templates");
static SDK_SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/src");
const SDK_MANIFEST: &str = include_str!("../../../../../sdk/Cargo.toml");
const WIT: &str = include_str!("../../../../../wit/plugin.wit");

pub(super) fn run(name: &str, kind: Kind) -> anyhow::Result<()> {
    let orderly = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !orderly {
        bail!(
            "`{}` is no name of a plugin: expected 1 to 64 of a-z, 0-9 and `-`, beginning with a letter",
            name.escape_debug()
        );
    }
    let folder = Path::new(name);
    fs::create_dir(folder).with_context(|| {
        format!("cannot make the folder `{name}`: choose a name that is free here")
    })?;
    let template = match kind {
        Kind::SmsProvider => "sms-provider",
        Kind::UserResolver => "user-resolver",
    };
    let template = TEMPLATES
        .get_dir(template)
        .context("the program carries no such template")?;
    write(template, template.path(), folder, name)?;
    let sdk = folder.join("vendor/sdk");
    write(&SDK_SOURCES, Path::new(""), &sdk.join("src"), name)?;
    put(&sdk.join("Cargo.toml"), SDK_MANIFEST.as_bytes())?;
    put(&folder.join("vendor/wit/plugin.wit"), WIT.as_bytes())?;
    output::line(format!(
        "made `{name}/`. Next:\n  cd {name}\n  cargo test              the vectors, natively\n  postern plugin build    writes {name}.wasm\nThe request and the verdict are in src/lib.rs, what operators see in plugin.toml."
    ));
    Ok(())
}

/// Every file of an embedded folder; `{{name}}` becomes the plugin's name.
fn write(dir: &Dir<'_>, base: &Path, folder: &Path, name: &str) -> anyhow::Result<()> {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => write(dir, base, folder, name)?,
            DirEntry::File(file) => {
                let inside = file
                    .path()
                    .strip_prefix(base)
                    .expect("an entry lies below its folder");
                let target = folder.join(inside);
                match file.contents_utf8() {
                    Some(text) => put(&target, text.replace("{{name}}", name).as_bytes())?,
                    None => put(&target, file.contents())?,
                }
            }
        }
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}
