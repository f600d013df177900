//! `postern admin`: who administers. The console is for everything else; this is the way to it, and
//! the way back when nobody gets in.

use super::{ConfigFile, output, store};
use crate::config::Config;
use crate::desk::{Reply, Request};
use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use postern_admin::Role as AdminRole;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a link that makes an administrator: it works once, for 15 minutes. Whoever opens it
    /// chooses a password and proves a mobile number.
    #[command(after_help = "\
Example: postern admin invite alice

No sender works yet? Add the account with `postern user add alice --number ...`, print backup
codes with `postern user backup-codes alice`, make it an administrator with
`postern admin appoint alice`, and sign in with a backup code in place of the message's.")]
    Invite {
        /// Name of the account; it is made if there is none.
        name: String,
        #[arg(long, value_enum, default_value_t = Role::Administrator)]
        role: Role,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Make an account that exists an administrator, at once and without a link: with the password,
    /// the number and the backup codes it has.
    #[command(after_help = "Example: postern admin appoint alice --role auditor")]
    Appoint {
        name: String,
        #[arg(long, value_enum, default_value_t = Role::Administrator)]
        role: Role,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List who administers.
    #[command(after_help = "Example: postern admin list --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Give somebody who administers another role; their open consoles close.
    #[command(after_help = "Example: postern admin role alice auditor")]
    Role {
        name: String,
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Take the role away, at once. The account stays.
    #[command(after_help = "Example: postern admin remove alice")]
    Remove {
        name: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    Administrator,
    /// Sees everything, changes nothing.
    Auditor,
}

impl From<Role> for AdminRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Administrator => Self::Administrator,
            Role::Auditor => Self::Auditor,
        }
    }
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    const OTHER: &str = "the host answered something else: is it of another version?";
    match command {
        Command::Appoint { name, role, file } => {
            let request = Request::AdminAppoint {
                name: name.clone(),
                role: role.into(),
            };
            store::ask(&file.config, request)?;
            output::line(format!("{name} administers now"));
        }
        Command::Invite {
            name,
            role,
            json,
            file,
        } => {
            let request = Request::AdminInvite {
                name: name.clone(),
                role: role.into(),
            };
            let Reply::Invited(invited) = store::ask(&file.config, request)? else {
                bail!(OTHER);
            };
            let config = Config::load(&file.config)?;
            let link = format!(
                "{}/console/invitation/{}",
                config.server.console_url(),
                invited.secret
            );
            if json {
                return output::json(&serde_json::json!({
                    "link": link,
                    "expires_at": invited.expires_at.unix_seconds(),
                }));
            }
            output::aside(format!(
                "The way in for {name}. It works once, within 15 minutes, while the host runs."
            ));
            output::line(link);
        }
        Command::List { json, file } => {
            let Reply::Administrators(all) = store::ask(&file.config, Request::AdminList)? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&all);
            }
            if all.is_empty() {
                output::aside("nobody administers yet: `postern admin invite NAME` invites one");
                return Ok(());
            }
            let rows: Vec<_> = all
                .into_iter()
                .map(|one| vec![one.account, one.role.as_str().to_owned(), one.by])
                .collect();
            output::table(&["NAME", "ROLE", "INVITED BY"], &rows);
        }
        Command::Role { name, role, file } => {
            let request = Request::AdminRole {
                name: name.clone(),
                role: role.into(),
            };
            store::ask(&file.config, request)?;
            output::line(format!("{name} is {} now", AdminRole::from(role).as_str()));
        }
        Command::Remove { name, file } => {
            store::ask(&file.config, Request::AdminRemove { name: name.clone() })?;
            output::line(format!("{name} administers no more"));
        }
    }
    Ok(())
}
