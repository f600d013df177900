//! `postern config import FILE...`

use super::output;
use crate::import::{Imported, Input, Secrets, import, secret_file};
use anyhow::{Context, bail};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use url::Url;

/// Beside the written file.
const SECRETS_FOLDER: &str = "secrets";
/// More than an import reads of one file.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The older product's files, in any order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the configuration goes: a file that does not exist yet, readable by you alone. Without
    /// it, standard output.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Give each credential of a recipe a file of its own (mode 0600) in `secrets/` beside --out.
    #[arg(long, requires = "out")]
    split_secrets: bool,
    /// What browsers will see of the new host: pages of your own must be of the same site.
    #[arg(long, default_value = "http://localhost:9443")]
    public_url: Url,
    /// The report as JSON, on standard error: [{"what", "old", "new", "message"}].
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Import) -> anyhow::Result<()> {
    let files = arguments
        .files
        .iter()
        .map(|path| Ok((path.display().to_string(), read(path)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let inputs: Vec<Input<'_>> = files
        .iter()
        .map(|(name, text)| Input { name, text })
        .collect();
    let keep = if arguments.split_secrets {
        Secrets::Files(SECRETS_FOLDER)
    } else {
        Secrets::Literal
    };
    let imported = match import(&inputs, &arguments.public_url, keep) {
        Ok(imported) => imported,
        Err(why) => bail!("{why}"),
    };
    write(arguments, &imported)?;
    if arguments.json {
        output::aside(serde_json::to_string_pretty(&imported.report.lines)?);
    } else {
        output::aside(imported.report.to_string().trim_end());
    }
    if let Some(out) = &arguments.out {
        output::aside(format!(
            "wrote `{}`: next, `postern check-config --config {}`",
            out.display(),
            out.display()
        ));
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read `{}` as UTF-8 text", path.display()))?;
    Ok(text)
}

fn write(arguments: &Import, imported: &Imported) -> anyhow::Result<()> {
    let text = imported.document.to_toml();
    let Some(out) = &arguments.out else {
        output::line(text.trim_end());
        return Ok(());
    };
    // Each exists not yet: a second import never mixes with the first.
    put(out, &text)?;
    if arguments.split_secrets && !imported.secrets.is_empty() {
        let folder = out.parent().unwrap_or(Path::new("")).join(SECRETS_FOLDER);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        for secret in &imported.secrets {
            put(&folder.join(secret_file(secret)), &secret.value)?;
        }
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| {
            format!(
                "cannot make `{}`: an existing file is never overwritten",
                path.display()
            )
        })?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
