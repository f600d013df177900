//! `postern plugin`: write, build, test and look at plugins. Works outside this repository: the
//! program carries the SDK and the interface.

mod build;
mod inspect;
mod list;
mod new;
mod test;
mod try_;

use super::{ConfigFile, output};
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use postern_gateway::suite::{AT_ADMISSION, Extent};
use postern_wasm::{Isolation, Limits, Loaded, Plugins, Setup, WorkerCommand};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a folder with a plugin that builds, and the SDK beside it.
    #[command(after_help = "Example: postern plugin new acme-sms --kind sms-provider")]
    New {
        /// Name of the folder, the package and the plugin: a-z, 0-9 and `-`.
        name: String,
        #[arg(long, value_enum, default_value_t = Kind::SmsProvider)]
        kind: Kind,
    },
    /// Compile the plugin in this folder and wrap it as a component.
    #[command(
        after_help = "Example: postern plugin build, then copy NAME.wasm into the plugin folder"
    )]
    Build {
        /// Every plugin folder below this one instead.
        #[arg(long, value_name = "FOLDER")]
        all: Option<PathBuf>,
        /// Where the components go; by default beside Cargo.toml.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Say what a file is and asks for, without running it.
    #[command(after_help = "Example: postern plugin inspect plugins/twilio.wasm")]
    Inspect {
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Run the vectors a plugin carries and the suite that every plugin passes, under the limits of a host.
    #[command(after_help = "Example: postern plugin test acme-sms.wasm")]
    Test {
        file: PathBuf,
        #[arg(long)]
        json: bool,
        /// Of the suite only what a host runs before it lets the file in.
        #[arg(long)]
        at_admission: bool,
    },
    /// Show the request a plugin makes for a message, with stand-ins for secrets; or send it.
    #[command(after_help = "\
Examples:
  postern plugin try acme-sms.wasm --setting from=ACME --secret token=test
  postern plugin try twilio.wasm --setting base_url=http://127.0.0.1:9445 ... --send --allow http://127.0.0.1:9445 --allow-private-networks")]
    Try(try_::Try),
    /// Let the running host look at its plugin folder now.
    #[command(after_help = "Example: postern plugin rescan")]
    Rescan {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Put the content that a plugin's file had before back in its place, in the folder too.
    #[command(after_help = "Example: postern plugin roll-back twilio")]
    RollBack {
        id: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// What the running host has loaded, and which files it refused and why.
    #[command(after_help = "Example: postern plugin list --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    SmsProvider,
    UserResolver,
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::New { name, kind } => new::run(&name, kind),
        Command::Build { all: None, out } => build::here(out.as_deref()),
        Command::Build {
            all: Some(all),
            out,
        } => build::all(&all, out.as_deref()),
        Command::Inspect { file, json } => inspect::run(&file, json),
        Command::Test {
            file,
            json,
            at_admission: true,
        } => test::run(&file, json, AT_ADMISSION),
        Command::Test { file, json, .. } => test::run(&file, json, Extent::Whole),
        Command::Try(try_) => try_::run(try_),
        Command::List { json, file } => list::run(&file, json),
        Command::Rescan { file } => list::rescan(&file),
        Command::RollBack { id, file } => list::roll_back(&file, id),
    }
}

/// A plugin file, read within the bound a host has.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let most = Limits::default().component_bytes as u64;
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(most + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read `{}`", file.display()))?;
    anyhow::ensure!(
        bytes.len() as u64 <= most,
        "`{}` is larger than {} MiB, which is all a host takes",
        file.display(),
        most >> 20
    );
    Ok(bytes)
}

/// A file that nobody trusts yet: it is compiled and run behind the same walls as ever.
async fn admitted(bytes: &[u8], file: &Path) -> anyhow::Result<(Plugins, Loaded)> {
    let plugins = Plugins::start(Setup {
        isolation: Isolation::Worker(WorkerCommand::this_executable()?),
        limits: Limits::default(),
        cache: None,
    })
    .await
    .context("the plugin engine cannot be started")?;
    let loaded = plugins
        .admit(bytes.into())
        .await
        .map_err(|refusal| anyhow::anyhow!("`{}` would be refused: {refusal}", file.display()))?;
    Ok((plugins, loaded))
}
