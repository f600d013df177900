//! `postern outbox`: what the test outbox was sent, and what it answers, for testers.

use super::{ConfigFile, OfTenant, output, store};
use crate::desk::{Reply, Request};
use anyhow::bail;
use clap::{Args, Subcommand};
use postern_admin::outbox::OutboxAnswer;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What was sent, the oldest first.
    #[command(after_help = "Example: postern outbox list --to +12025550142 --json")]
    List {
        /// Only to this number, as E.164.
        #[arg(long)]
        to: Option<String>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// What messages to come are answered.
    #[command(after_help = "\
Examples:
  postern outbox answer throttled --retry-after 5 --times 2   the next two messages
  postern outbox answer silence --times 1                     arrives, but no reply comes
  postern outbox answer --status 500                          from now on, every message
  postern outbox answer accepted --delay-ms 3000 --times 1 --sender slow")]
    Answer {
        #[command(flatten)]
        answer: AnswerArgs,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Forget the messages and what was said of those to come.
    #[command(after_help = "Example: postern outbox clear")]
    Clear {
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// `accepted`, a reason of the plugin interface (`throttled`, `invalid-recipient`, ...), `silence` or
    /// `unreachable`.
    #[arg(required_unless_present = "status", conflicts_with = "status")]
    verdict: Option<String>,
    /// A bare HTTP status instead, as of a broken provider.
    #[arg(long)]
    status: Option<u16>,
    /// Seconds, with a reason.
    #[arg(long)]
    retry_after: Option<u32>,
    /// What the provider would say, with a reason.
    #[arg(long, default_value = "")]
    detail: String,
    /// Milliseconds before the answer.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Only messages of this sender.
    #[arg(long, requires = "times")]
    sender: Option<String>,
    /// How many messages, after those that were said before. Without it: every message that nothing else
    /// was said about.
    #[arg(long)]
    times: Option<u32>,
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { to, json, file } => {
            let Reply::Outbox(messages) = store::ask_of(&file, Request::OutboxList { to })? else {
                bail!("the host answered something else: is it of another version?");
            };
            if json {
                return output::json(&messages);
            }
            let rows: Vec<_> = messages
                .into_iter()
                .map(|message| {
                    vec![
                        message.sender,
                        message.to,
                        message.purpose,
                        message.text.replace('\n', " "),
                    ]
                })
                .collect();
            output::table(&["SENDER", "TO", "FOR", "TEXT"], &rows);
        }
        Command::Answer { answer, file } => {
            let request = Request::OutboxAnswer(OutboxAnswer {
                verdict: answer.verdict,
                status: answer.status,
                retry_after: answer.retry_after,
                detail: answer.detail,
                delay_ms: answer.delay_ms,
                sender: answer.sender,
                times: answer.times,
            });
            store::ask(&file.config, request)?;
        }
        Command::Clear { file } => {
            store::ask(&file.config, Request::OutboxClear)?;
        }
    }
    Ok(())
}
