//! `postern check-config`, `postern config init`, `postern config reference`,
//! `postern config import`.

use super::output;
use crate::config::{Config, ConfigError, Warning, reference};
use anyhow::{Context, bail};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: super::ConfigFile,
    /// As JSON: {"problems": [{"key", "message"}], "warnings": [...]}.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a commented configuration, or write it to a file that does not exist yet.
    #[command(after_help = "Example: postern config init postern.toml")]
    Init { file: Option<PathBuf> },
    /// Make a configuration of the older product's files: application-authentication.xml, the step's
    /// section of deployment.toml, exported identity providers (XML or JSON), tenants' registry files.
    #[command(
        after_help = "Example: postern config import application-authentication.xml SMSOTP.xml --out postern.toml --split-secrets\n\nThe report on standard error says what became of each parameter."
    )]
    Import(super::import::Import),
    /// Print what every key means, as a page of the documentation.
    #[command(after_help = "Example: postern config reference > docs/configuration.md")]
    Reference,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Import(import) => super::import::run(import)?,
        Command::Reference => output::line(reference::page().trim_end()),
        Command::Init { file: None } => output::line(reference::commented_file().trim_end()),
        Command::Init { file: Some(file) } => {
            let mut created = std::fs::File::create_new(file).with_context(|| {
                format!(
                    "cannot make `{}`: an existing file is never overwritten",
                    file.display()
                )
            })?;
            std::io::Write::write_all(&mut created, reference::commented_file().as_bytes())?;
            let plugins = file.with_file_name("plugins");
            std::fs::create_dir_all(&plugins)
                .with_context(|| format!("cannot make `{}`", plugins.display()))?;
            output::line(format!(
                "wrote `{}`: put a plugin's file into `{}`, fill in a sender, then `postern check-config`",
                file.display(),
                plugins.display()
            ));
        }
    }
    Ok(())
}

/// Exit code 1 if there is a problem; warnings alone are fine.
pub(super) fn check(check: &Check) -> anyhow::Result<()> {
    let path = &check.file.config;
    let (mut problems, config) = match Config::load(path) {
        Ok(config) => (Vec::new(), config),
        // Whoever mends a file wants to know all of it: what could be read is asked about as well.
        Err(ConfigError::Wrong { problems, rest, .. }) => (problems, *rest),
        Err(other) => return Err(other.into()),
    };
    for problem in crate::assemble::sender_problems(&config)?
        .into_iter()
        .chain(crate::assemble::user_store_problems(&config)?)
    {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    let warnings = config.warnings;
    if check.json {
        let pair = |key: &str, message: &str| serde_json::json!({ "key": key, "message": message });
        output::json(&serde_json::json!({
            "problems": problems.iter().map(|p| pair(&p.key, &p.message)).collect::<Vec<_>>(),
            "warnings": warnings.iter().map(|w| pair(&w.key, &w.message)).collect::<Vec<_>>(),
        }))?;
    } else {
        for Warning { key, message } in &warnings {
            output::aside(format!("warning  {key}: {message}"));
        }
        for problem in &problems {
            output::aside(format!("problem  {problem}"));
            if let Some(help) = reference::help(&problem.key) {
                output::aside(format!("         `{}` is: {help}", problem.key));
            }
        }
    }
    match problems.len() {
        0 => {
            if !check.json {
                output::line(format!("`{}` is in order", path.display()));
            }
            Ok(())
        }
        1 => bail!("`{}` has 1 problem", path.display()),
        count => bail!("`{}` has {count} problems", path.display()),
    }
}
