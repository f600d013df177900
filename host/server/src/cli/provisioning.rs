//! `postern provisioning`: the peers that are told of users and groups, and what waits for them.

use super::{ConfigFile, output, store};
use crate::desk::{Reply, Request};
use anyhow::bail;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the connectors and what waits for each, with the reason.
    #[command(after_help = "Example: postern provisioning list --json")]
    List {
        /// Only what comes after this number: the next page.
        #[arg(long, default_value_t = 0)]
        after: u64,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Tell a peer again now, everything or one change.
    #[command(after_help = "Example: postern provisioning retry external")]
    Retry {
        connector: String,
        /// The number of one change.
        #[arg(long)]
        number: Option<u64>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Tell a peer of everybody there is: users and groups that were there before it. Those it knows
    /// are told as changes. It goes on after a restart; `list` shows how far it is, `drop` ends it.
    #[command(after_help = "Example: postern provisioning push external")]
    Push {
        connector: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Give one change up: the peer is not told.
    #[command(after_help = "Example: postern provisioning drop 17")]
    Drop {
        number: u64,
        #[command(flatten)]
        file: ConfigFile,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    const OTHER: &str = "the host answered something else: is it of another version?";
    match command {
        Command::List { after, json, file } => {
            let Reply::Queue(queue) =
                store::ask(&file.config, Request::ProvisioningList { after })?
            else {
                bail!(OTHER);
            };
            if json {
                return output::json(&queue);
            }
            if queue.connectors.is_empty() {
                output::aside(
                    "no peer is told of anybody: `postern connector put` or `[provisioning.NAME]` names one",
                );
            }
            let rows: Vec<_> = queue
                .connectors
                .into_iter()
                .map(|connector| {
                    vec![
                        connector.name,
                        connector.version,
                        connector.user_endpoint,
                        if connector.enabled { "yes" } else { "no" }.to_owned(),
                        connector.waiting.to_string(),
                    ]
                })
                .collect();
            output::table(&["NAME", "SCIM", "USERS AT", "ENABLED", "WAITING"], &rows);
            if queue.waiting.is_empty() {
                return Ok(());
            }
            output::line("");
            let rows: Vec<_> = queue
                .waiting
                .into_iter()
                .map(|row| {
                    vec![
                        row.seq.to_string(),
                        row.connector,
                        format!("{} {}", row.what, row.subject),
                        row.attempts.to_string(),
                        if row.given_up { "given up" } else { "waits" }.to_owned(),
                        row.trouble.unwrap_or_default(),
                    ]
                })
                .collect();
            output::table(
                &["NUMBER", "CONNECTOR", "OF", "ATTEMPTS", "STATE", "WHY"],
                &rows,
            );
        }
        Command::Retry {
            connector,
            number,
            file,
        } => {
            let request = Request::ProvisioningRetry { connector, number };
            let Reply::Ended(count) = store::ask(&file.config, request)? else {
                bail!(OTHER);
            };
            output::line(format!("{count} changes are told again"));
        }
        Command::Push { connector, file } => {
            let request = Request::ProvisioningPush {
                connector: connector.clone(),
            };
            store::ask(&file.config, request)?;
            output::line(format!("{connector} is told of everybody"));
        }
        Command::Drop { number, file } => {
            store::ask(&file.config, Request::ProvisioningDrop { number })?;
            output::line(format!("change {number} was given up"));
        }
    }
    Ok(())
}
