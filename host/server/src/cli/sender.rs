//! `postern sender`: how the senders stand, and a test message.

use super::{OfTenant, output, store};
use crate::desk::{Reply, Request};
use anyhow::bail;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How each sender of the running host stands.
    #[command(after_help = "Example: postern sender list --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Send a real message with the code 123456 and show the exact requests, secrets masked, and the
    /// verdict.
    #[command(after_help = "Example: postern sender test twilio +12025550142")]
    Test {
        name: String,
        number: String,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    const OTHER: &str = "the host answered something else: is it of another version?";
    match command {
        Command::List { json, file } => {
            let Reply::Senders(senders) = store::ask_of(&file, Request::SenderList)? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&senders);
            }
            let rows: Vec<_> = senders
                .into_iter()
                .map(|sender| {
                    let ready = if sender.ready { "yes" } else { "no" }.to_owned();
                    vec![
                        sender.name,
                        sender.plugin,
                        sender.version.unwrap_or_default(),
                        ready,
                        sender.problems.join("; "),
                    ]
                })
                .collect();
            output::table(&["NAME", "PLUGIN", "VERSION", "READY", "PROBLEMS"], &rows);
        }
        Command::Test {
            name,
            number,
            json,
            file,
        } => {
            let Reply::Test(outcome) = store::ask_of(&file, Request::SenderTest { name, number })?
            else {
                bail!(OTHER);
            };
            if json {
                output::json(&outcome)?;
            } else {
                for request in &outcome.requests {
                    output::line(format!("{} {}", request.method, request.url));
                    for (name, value) in &request.headers {
                        output::line(format!("{name}: {value}"));
                    }
                    output::line(format!("\n{}\n", request.body));
                }
            }
            if !outcome.accepted {
                bail!("not accepted: {}: {}", outcome.verdict, outcome.detail);
            }
            if !json {
                output::line(format!("accepted {}", outcome.detail).trim_end());
            }
        }
    }
    Ok(())
}
