//! `postern audit`: what happened, and that nobody changed what is written of it.

use super::{ConfigFile, OfTenant, output, store};
use crate::desk::{Reply, Request};
use anyhow::{Context, bail};
use clap::Subcommand;
use postern_admin::audit::{Filter, Link, Row, Verified, details, names};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest rows.
    #[command(after_help = "Example: postern audit list --who alice --event code-validated")]
    List {
        #[command(flatten)]
        wanted: Wanted,
        /// Rows to show, at most 200.
        #[arg(long, default_value_t = 50)]
        rows: u32,
        /// Those before this row.
        #[arg(long)]
        before: Option<u64>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Print every row as JSON lines, oldest first.
    #[command(
        after_help = "Example: postern audit export --since 2026-11-01T00:00:00Z > november.jsonl"
    )]
    Export {
        #[command(flatten)]
        wanted: Wanted,
        /// Those after this row.
        #[arg(long, default_value_t = 0)]
        after: u64,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Remove the oldest rows. The log verifies from there on, and says what was removed; rows of the
    /// last 30 days stay. `audit.keep_days` of the configuration does it by itself.
    #[command(after_help = "Example: postern audit prune --before 2026-01-01")]
    Prune {
        /// Those from before this time.
        #[arg(long)]
        before: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Check that every row is as it was written and none is missing; name the first that is not.
    #[command(after_help = "\
Example: postern audit verify --expect 4711:9f2c...

The last row's number and link are printed: keep them somewhere else, and give them to --expect
next time. That finds a log that was written anew by somebody who had the key. It also finds a row
of the last second before a power failure, which may be lost: note down one that is older.")]
    Verify {
        /// A row noted down earlier, NUMBER:LINK: it must still be there, unchanged.
        #[arg(long)]
        expect: Option<String>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// Only what this account did, or what was done to it.
    #[arg(long, default_value = "")]
    who: String,
    /// Only this event, or this act of an administrator: `code-validated`, `user set`.
    #[arg(long, default_value = "")]
    event: String,
    /// Only from this address.
    #[arg(long, default_value = "")]
    address: String,
    /// Not before this time, as 2026-11-01T00:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// Before this time.
    #[arg(long)]
    until: Option<String>,
}

impl Wanted {
    fn filter(self) -> anyhow::Result<Filter> {
        let time = |flag: &str, text: Option<String>| {
            text.map(|text| {
                postern_web::time::parse(&text).with_context(|| {
                    format!("{flag} `{text}`: expected a time as 2026-11-01T00:00:00Z")
                })
            })
            .transpose()
        };
        Ok(Filter {
            since: time("--since", self.since)?,
            until: time("--until", self.until)?,
            who: self.who,
            event: self.event,
            address: self.address,
        })
    }
}

const OTHER: &str = "the host answered something else: is it of another version?";

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List {
            wanted,
            rows,
            before,
            json,
            file,
        } => {
            let request = Request::AuditList {
                filter: wanted.filter()?,
                before,
                rows,
            };
            let Reply::Rows(page) = store::ask_of(&file, request)? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&page);
            }
            let rows: Vec<_> = page.rows.iter().map(line).collect();
            output::table(
                &["ROW", "WHEN", "WHO", "WHAT", "ON", "FROM", "DETAILS"],
                &rows,
            );
            if let Some(next) = page.next {
                output::aside(format!("older: --before {next}"));
            }
        }
        Command::Export {
            wanted,
            after,
            file,
        } => {
            let filter = wanted.filter()?;
            let mut after = Some(after);
            while let Some(from) = after {
                let request = Request::AuditExport {
                    filter: filter.clone(),
                    after: from,
                };
                let Reply::Rows(page) = store::ask_of(&file, request)? else {
                    bail!(OTHER);
                };
                for row in &page.rows {
                    output::line(serde_json::to_string(row)?);
                }
                after = page.next;
            }
        }
        Command::Prune { before, file } => {
            let before = postern_web::time::parse(&before).with_context(|| {
                format!("--before `{before}`: expected a time as 2026-11-01T00:00:00Z, or a day")
            })?;
            let Reply::Pruned(pruned) = store::ask(&file.config, Request::AuditPrune { before })?
            else {
                bail!(OTHER);
            };
            match pruned {
                Some(pruned) => output::line(format!(
                    "removed all rows up to {}:{}",
                    pruned.through.seq, pruned.through.link
                )),
                None => output::line("there were no such rows"),
            }
        }
        Command::Verify { expect, json, file } => {
            let expected = expect.as_deref().map(link).transpose()?;
            let Reply::Verified(verified) =
                store::ask(&file.config, Request::AuditVerify { expected })?
            else {
                bail!(OTHER);
            };
            if json {
                output::json(&verified)?;
            }
            match verified {
                Verified::Whole { rows, last, pruned } if !json => {
                    output::line(match rows {
                        1 => "1 row, as it was written".to_owned(),
                        _ => format!("{rows} rows, all as they were written"),
                    });
                    if let Some(pruned) = pruned {
                        output::line(format!(
                            "rows up to {}:{} were removed, last on {}",
                            pruned.through.seq,
                            pruned.through.link,
                            postern_web::time::second(pruned.at)
                        ));
                    }
                    if let Some(last) = last {
                        output::line(format!("last row: {}:{}", last.seq, last.link));
                    }
                }
                Verified::Whole { .. } => {}
                Verified::Broken { seq, why } => {
                    bail!("the audit log is broken at row {seq}: {why}")
                }
            }
        }
    }
    Ok(())
}

fn line(row: &Row) -> Vec<String> {
    let (event, act, on) = names(&row.event);
    vec![
        row.seq.to_string(),
        postern_web::time::second(row.event.at),
        row.event.who.clone().unwrap_or_default(),
        act.unwrap_or(event),
        on.unwrap_or_default(),
        row.event.address.clone().unwrap_or_default(),
        details(&row.event).join(", "),
    ]
    .into_iter()
    .map(|cell| output::visible(&cell))
    .collect()
}

fn link(text: &str) -> anyhow::Result<Link> {
    let (seq, link) = text
        .split_once(':')
        .with_context(|| format!("--expect `{text}`: expected NUMBER:LINK"))?;
    let orderly = link.len() == 64 && link.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(Link {
        seq: seq
            .parse()
            .ok()
            .filter(|seq| *seq > 0 && orderly)
            .with_context(|| format!("--expect `{text}`: expected NUMBER:LINK"))?,
        link: link.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_login::TenantId;
    use postern_login::audit::{AuditEvent, What};
    use postern_otp::Timestamp;

    /// L-01
    #[test]
    fn a_row_is_one_line_whatever_a_name_holds() {
        let row = Row {
            seq: 7,
            event: AuditEvent {
                at: Timestamp(1_795_310_100_000),
                tenant: TenantId::super_tenant(),
                login: None,
                who: Some("al\r\nice\u{1b}[31m\u{2028}\u{202e}".to_owned()),
                address: None,
                what: What::ConsoleClosed,
            },
            link: String::new(),
        };
        let cells = line(&row);
        assert_eq!(cells[2], "al\\u{d}\\u{a}ice\\u{1b}[31m\\u{2028}\\u{202e}");
        assert_eq!(cells[3], "console-closed");
    }

    #[test]
    fn a_noted_row_is_a_number_and_a_link() {
        let whole = format!("4711:{}", "9f".repeat(32));
        assert_eq!(link(&whole).unwrap().seq, 4711);
        for bad in [
            "4711",
            "4711:9f",
            "x:9f",
            "0:",
            &whole[1..].replace(':', ";"),
        ] {
            assert!(link(bad).is_err(), "{bad}");
        }
    }
}
