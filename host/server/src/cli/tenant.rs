//! `postern tenant`: the tenants beside the super tenant, and their settings documents.

use super::{ConfigFile, output, store};
use crate::config::Config;
use crate::desk::{Reply, Request};
use crate::import::{Input, for_tenant};
use anyhow::{Context, bail};
use clap::Subcommand;
use postern_admin::tenants::{DOCUMENT_BYTES_MAX, DocumentPlace, TenantReport};
use postern_login::TenantId;
use std::io::Read;
use std::path::{Path, PathBuf};
use url::Url;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a tenant; its people sign in at /t/NAME/sign-in. Without a document it runs by the values
    /// of the configuration file.
    #[command(after_help = "Example: postern tenant add acme.example --document acme.toml")]
    Add {
        tenant: TenantId,
        /// The settings document, kept in the store; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        document: Option<PathBuf>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List the tenants, and what is wrong with any.
    #[command(after_help = "Example: postern tenant list --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Replace a tenant's settings document whole. The next login runs by it.
    #[command(after_help = "Example: postern tenant set acme.example --document acme.toml")]
    Set {
        tenant: TenantId,
        /// The settings document; `-` reads standard input.
        #[arg(long, value_name = "FILE", required_unless_present = "no_document")]
        document: Option<PathBuf>,
        /// Take the document away: the values of the configuration file hold.
        #[arg(long, conflicts_with = "document")]
        no_document: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Make a tenant's document of the older product's files: its registry file
    /// application-authentication.xml and its exported identity providers. Adds the tenant if it is
    /// not there yet; replaces its document whole if it is.
    #[command(
        after_help = "Example: postern tenant import acme.example application-authentication.xml SMSOTP.xml\n\nThe report on standard error says what became of each parameter."
    )]
    Import {
        tenant: TenantId,
        /// The files, in any order.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Show a tenant and its document, secrets hidden.
    #[command(after_help = "Example: postern tenant show acme.example")]
    Show {
        tenant: TenantId,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Switch a tenant off and keep what it has.
    #[command(after_help = "Example: postern tenant disable acme.example")]
    Disable {
        tenant: TenantId,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Switch a tenant on again.
    #[command(after_help = "Example: postern tenant enable acme.example")]
    Enable {
        tenant: TenantId,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Remove a tenant with its users, sessions, clients and counters. The audit log stays.
    #[command(after_help = "Example: postern tenant remove acme.example --confirm acme.example")]
    Remove {
        tenant: TenantId,
        /// The tenant's name again: what it has cannot be brought back.
        #[arg(long, value_name = "NAME", default_value = "")]
        confirm: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

const OTHER: &str = "the host answered something else: is it of another version?";

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add {
            tenant,
            document,
            file,
        } => {
            let document = document.as_deref().map(read).transpose()?;
            let request = Request::TenantAdd {
                tenant: tenant.clone(),
                document,
            };
            warn(store::ask(&file.config, request)?)?;
            output::line(format!("added tenant {tenant}"));
        }
        Command::List { json, file } => list(json, &file)?,
        Command::Set {
            tenant,
            document,
            no_document: _,
            file,
        } => {
            let document = document.as_deref().map(read).transpose()?;
            let request = Request::TenantSet {
                tenant: tenant.clone(),
                document,
            };
            warn(store::ask(&file.config, request)?)?;
            output::line(format!("changed tenant {tenant}"));
        }
        Command::Import {
            tenant,
            files,
            file,
        } => bring(tenant, &files, &file)?,
        Command::Show { tenant, json, file } => {
            let request = Request::TenantShow { tenant };
            let Reply::Tenant(shown) = store::ask(&file.config, request)? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&shown);
            }
            output::aside(sentence(&shown.report));
            if let Some(document) = shown.document {
                output::line(document);
            }
        }
        Command::Disable { tenant, file } => {
            enable(&tenant, false, &file)?;
            output::line(format!("switched tenant {tenant} off"));
        }
        Command::Enable { tenant, file } => {
            enable(&tenant, true, &file)?;
            output::line(format!("switched tenant {tenant} on"));
        }
        Command::Remove {
            tenant,
            confirm,
            file,
        } => {
            let request = Request::TenantRemove {
                tenant: tenant.clone(),
                confirmed: confirm,
            };
            let Reply::Removed(rows) = store::ask(&file.config, request)? else {
                bail!(OTHER);
            };
            output::line(format!("removed tenant {tenant} and {rows} rows"));
        }
    }
    Ok(())
}

fn bring(tenant: TenantId, files: &[PathBuf], file: &ConfigFile) -> anyhow::Result<()> {
    let files = files
        .iter()
        .map(|path| Ok((path.display().to_string(), super::import::read(path)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let inputs: Vec<Input<'_>> = files
        .iter()
        .map(|(name, text)| Input { name, text })
        .collect();
    let config = Config::load(&file.config)?;
    let imported = match for_tenant(&inputs, &Url::parse(&config.server.public_url)?) {
        Ok(imported) => imported,
        Err(why) => bail!("{why}"),
    };
    output::aside(imported.report.to_string().trim_end());
    let document = Some(imported.document.to_toml());
    let Reply::Tenants(known) = store::ask(&file.config, Request::TenantList)? else {
        bail!(OTHER);
    };
    let request = match known.iter().any(|known| known.tenant == tenant) {
        true => Request::TenantSet {
            tenant: tenant.clone(),
            document,
        },
        false => Request::TenantAdd {
            tenant: tenant.clone(),
            document,
        },
    };
    warn(store::ask(&file.config, request)?)?;
    output::line(format!("tenant {tenant} runs by what was imported"));
    Ok(())
}

fn enable(tenant: &TenantId, enabled: bool, file: &ConfigFile) -> anyhow::Result<()> {
    let request = Request::TenantEnable {
        tenant: tenant.clone(),
        enabled,
    };
    store::ask(&file.config, request).map(drop)
}

fn list(json: bool, file: &ConfigFile) -> anyhow::Result<()> {
    let Reply::Tenants(tenants) = store::ask(&file.config, Request::TenantList)? else {
        bail!(OTHER);
    };
    if json {
        return output::json(&tenants);
    }
    if tenants.is_empty() {
        output::aside("there is only the super tenant: `postern tenant add NAME` adds another");
        return Ok(());
    }
    let rows: Vec<_> = tenants
        .into_iter()
        .map(|tenant| {
            vec![
                tenant.tenant.to_string(),
                if tenant.enabled { "on" } else { "off" }.to_owned(),
                match tenant.document {
                    DocumentPlace::None => "none".to_owned(),
                    DocumentPlace::File(file) => file,
                    DocumentPlace::Store => "in the store".to_owned(),
                },
                tenant.trouble.unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&["TENANT", "STATE", "DOCUMENT", "TROUBLE"], &rows);
    Ok(())
}

fn sentence(report: &TenantReport) -> String {
    let state = if report.enabled { "on" } else { "off" };
    let document = match &report.document {
        DocumentPlace::None => "without a document: the configuration file's values hold".into(),
        DocumentPlace::File(file) => format!("its document is `{file}`"),
        DocumentPlace::Store => "its document is in the store".into(),
    };
    match &report.trouble {
        Some(trouble) => format!("{} is {state}, {document}; {trouble}", report.tenant),
        None => format!("{} is {state}, {document}", report.tenant),
    }
}

fn warn(reply: Reply) -> anyhow::Result<()> {
    let Reply::Warnings(warnings) = reply else {
        bail!(OTHER);
    };
    for warning in warnings {
        output::aside(format!("warning: {warning}"));
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    // One byte more than is taken, so that the size is refused and not cut.
    let bytes_max = DOCUMENT_BYTES_MAX as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin().take(bytes_max).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(bytes_max).read_to_string(&mut text))
            .with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    Ok(text)
}
