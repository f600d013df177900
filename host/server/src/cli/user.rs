//! `postern user`: the people of the embedded store.

use super::{OfTenant, output, store};
use crate::desk::{Change, Reply, Request};
use anyhow::{Context, bail};
use clap::Subcommand;
use postern_admin::Password;
use postern_admin::users::{UserRecord, UserShown};
use postern_otp::Timestamp;
use postern_web::time;
use std::io::{IsTerminal, Read};
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a person. The password is asked for, or is the one line of standard input; never an
    /// argument, because every user of the machine can read those.
    #[command(
        after_help = "Example: postern user add alice --number +12025550142 --display-name 'Alice Example'"
    )]
    Add {
        name: String,
        #[command(flatten)]
        facts: Facts,
        #[command(flatten)]
        file: OfTenant,
    },
    /// List the people, numbers masked.
    #[command(
        after_help = "Examples: postern user list --json\n          postern user list --search alice"
    )]
    List {
        /// Only those whose name, display name or number contains this.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// As JSON, numbers in full.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Show one person: the account, its role, how wrong codes stand, backup codes left, sessions.
    #[command(after_help = "Example: postern user show alice --json")]
    Show {
        name: String,
        /// As JSON, the number in full.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Change what is known about a person.
    #[command(
        after_help = "Example: postern user set alice --number +12025550143 --opted-out false"
    )]
    Set {
        name: String,
        #[command(flatten)]
        facts: Facts,
        /// Remove the mobile number.
        #[arg(long, conflicts_with = "number")]
        no_number: bool,
        /// Whether the person has switched SMS codes off.
        #[arg(long)]
        opted_out: Option<bool>,
        /// Whether the account is locked by an administrator.
        #[arg(long)]
        locked: Option<bool>,
        /// Lift a lock that too many wrong codes brought.
        #[arg(long)]
        unlock_codes: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Lift one person's locks, an administrator's and the one that too many wrong codes brought.
    /// Failures are counted anew, and the next lock is a longer one.
    #[command(after_help = "Example: postern user unlock alice")]
    Unlock {
        name: String,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Lift what too many wrong codes brought, from everybody who is locked now: after an attack that
    /// locked many. Failures are counted anew, and the next lock is a longer one.
    #[command(after_help = "Example: postern user unlock-all --json")]
    UnlockAll {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Set a new password. It is asked for, or is the one line of standard input, as for `add`.
    #[command(after_help = "Example: postern user passwd alice")]
    Passwd {
        name: String,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Lock the account: its sessions end, and nobody signs in with it.
    #[command(after_help = "Example: postern user lock alice")]
    Lock {
        name: String,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Sign the person out everywhere.
    #[command(after_help = "Example: postern user end-sessions alice")]
    EndSessions {
        name: String,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Delete the account and everything that hangs on it.
    #[command(after_help = "Example: postern user delete alice")]
    Delete {
        name: String,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Make ten new backup codes and print them, once; all earlier ones are dead.
    #[command(after_help = "Example: postern user backup-codes alice")]
    BackupCodes {
        name: String,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Facts {
    /// Mobile number with its country code.
    #[arg(long)]
    number: Option<String>,
    /// The name people see.
    #[arg(long)]
    display_name: Option<String>,
    /// A further claim, URI=VALUE; may be given more than once.
    #[arg(long = "claim", value_name = "URI=VALUE")]
    claims: Vec<String>,
}

/// The first line: what is kept with a password in `pass` is not part of it.
const PIPED: &str = "pass show postern/alice | head -n 1 | postern user add alice";

const OTHER: &str = "the host answered something else: is it of another version?";

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { name, facts, file } => {
            let change = Change {
                password: Some(password()?),
                ..facts.change()?
            };
            let request = Request::UserAdd {
                name: name.clone(),
                change,
            };
            store::ask_of(&file, request)?;
            output::line(format!("added user {name}"));
        }
        Command::List { search, json, file } => list(search.as_deref(), json, &file)?,
        Command::Show { name, json, file } => {
            let Reply::User(shown) = store::ask_of(&file, Request::UserShow { name })? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&shown);
            }
            show(&shown);
        }
        Command::Set {
            name,
            facts,
            no_number,
            opted_out,
            locked,
            unlock_codes,
            file,
        } => {
            let mut change = Change {
                opted_out,
                locked,
                unlock_codes,
                ..facts.change()?
            };
            if no_number {
                change.number = Some(None);
            }
            store::ask_of(
                &file,
                Request::UserSet {
                    name: name.clone(),
                    change,
                },
            )?;
            output::line(format!("changed user {name}"));
        }
        Command::Unlock { name, file } => {
            store::ask_of(&file, Request::UserUnlock { name: name.clone() })?;
            output::line(format!("unlocked user {name}"));
        }
        Command::UnlockAll { json, file } => unlock_all(json, &file)?,
        Command::Passwd { name, file } => {
            let request = Request::UserPasswd {
                name: name.clone(),
                password: password()?,
            };
            store::ask_of(&file, request)?;
            output::line(format!("changed the password of {name}"));
        }
        Command::Lock { name, file } => {
            store::ask_of(&file, Request::UserLock { name: name.clone() })?;
            output::line(format!("locked user {name}"));
        }
        Command::EndSessions { name, file } => {
            let request = Request::UserEndSessions { name: name.clone() };
            let Reply::Ended(count) = store::ask_of(&file, request)? else {
                bail!(OTHER);
            };
            output::line(format!("ended {count} sessions of {name}"));
        }
        Command::Delete { name, file } => {
            store::ask_of(&file, Request::UserDelete { name: name.clone() })?;
            output::line(format!("deleted user {name}"));
        }
        Command::BackupCodes { name, json, file } => {
            let reply = store::ask_of(&file, Request::UserBackupCodes { name: name.clone() })?;
            let Reply::BackupCodes(codes) = reply else {
                bail!(OTHER);
            };
            if json {
                return output::json(&codes);
            }
            output::aside(format!(
                "Backup codes of {name}. Each works once; they are not shown again."
            ));
            for code in codes {
                output::line(code);
            }
        }
    }
    Ok(())
}

fn unlock_all(json: bool, file: &OfTenant) -> anyhow::Result<()> {
    let Reply::Unlocked(unlocked) = store::ask_of(file, Request::UserUnlockAll)? else {
        bail!(OTHER);
    };
    if json {
        return output::json(&unlocked);
    }
    if unlocked.is_empty() {
        output::aside("nobody is locked");
    }
    for name in unlocked {
        output::line(format!("unlocked user {name}"));
    }
    Ok(())
}

fn list(search: Option<&str>, json: bool, file: &OfTenant) -> anyhow::Result<()> {
    let users = match search {
        Some(search) => found(search, file)?,
        None => everybody(file)?,
    };
    if json {
        return output::json(&users);
    }
    if users.is_empty() && search.is_some() {
        output::aside("nobody's name, display name or number contains that");
        return Ok(());
    }
    if users.is_empty() {
        output::aside(
            "there are no users yet: `postern user add NAME --number +12025550142` adds one",
        );
        return Ok(());
    }
    let yes = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    let rows: Vec<_> = users
        .into_iter()
        .map(|user| {
            vec![
                user.name,
                user.display_name.unwrap_or_default(),
                user.number
                    .as_deref()
                    .map(output::masked)
                    .unwrap_or_default(),
                yes(user.opted_out),
                yes(user.locked),
            ]
        })
        .collect();
    output::table(
        &["NAME", "DISPLAY NAME", "NUMBER", "OPTED OUT", "LOCKED"],
        &rows,
    );
    Ok(())
}

fn everybody(file: &OfTenant) -> anyhow::Result<Vec<UserRecord>> {
    let mut users = Vec::new();
    let mut from = None;
    loop {
        let Reply::Users(page) = store::ask_of(file, Request::UserList { from: from.take() })?
        else {
            bail!(OTHER);
        };
        let Some(last) = page.last() else { break };
        from = Some(last.name.clone());
        users.extend(page);
    }
    Ok(users)
}

fn found(search: &str, file: &OfTenant) -> anyhow::Result<Vec<UserRecord>> {
    let mut users: Vec<UserRecord> = Vec::new();
    let mut from = None;
    loop {
        let request = Request::UserFind {
            search: search.to_owned(),
            from,
        };
        let Reply::Found(page) = store::ask_of(file, request)? else {
            bail!(OTHER);
        };
        for user in page.users {
            // Whoever has the very name comes first, and again at their place.
            if !users.iter().any(|known| known.name == user.name) {
                users.push(user);
            }
        }
        if page.next.is_none() {
            return Ok(users);
        }
        from = page.next;
    }
}

fn show(shown: &UserShown) {
    let user = &shown.user;
    let minute = |seconds: u64| time::minute(Timestamp(seconds.saturating_mul(1000)));
    let codes = match (shown.codes_locked, shown.codes_locked_until) {
        (true, Some(until)) => format!("locked by wrong codes until {}", minute(until)),
        (true, None) => "disabled by too many wrong codes in a row".to_owned(),
        (false, _) if user.opted_out => "switched off by the person".to_owned(),
        (false, _) => "work".to_owned(),
    };
    let account = if user.locked {
        "locked by an administrator"
    } else {
        "open"
    };
    let number = user.number.as_deref().map(output::masked);
    let role = shown.role.map_or("none", |role| role.as_str());
    let mut rows = vec![
        ("name", user.name.clone()),
        (
            "display name",
            user.display_name.clone().unwrap_or_default(),
        ),
        ("mobile number", number.unwrap_or_default()),
        ("account", account.to_owned()),
        ("role", role.to_owned()),
        ("codes", codes),
        ("failures in a row", shown.failures_in_a_row.to_string()),
        ("backup codes left", shown.backup_codes_left.to_string()),
        ("sessions", shown.sessions.len().to_string()),
    ];
    for (uri, value) in &user.claims {
        rows.push((uri.as_str(), value.clone()));
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(what, value)| vec![output::visible(what), output::visible(&value)])
        .collect();
    output::table(&["WHAT", "VALUE"], &rows);
    if shown.sessions.is_empty() {
        return;
    }
    output::line("");
    let rows: Vec<_> = shown
        .sessions
        .iter()
        .map(|session| {
            vec![
                minute(session.since),
                output::visible(&session.address),
                output::visible(&session.user_agent),
            ]
        })
        .collect();
    output::table(&["SINCE", "FROM", "BROWSER"], &rows);
}

impl Facts {
    fn change(self) -> anyhow::Result<Change> {
        let claims = self
            .claims
            .into_iter()
            .map(|claim| match claim.rsplit_once('=') {
                Some((uri, value)) if !uri.is_empty() => Ok((uri.to_owned(), value.to_owned())),
                _ => bail!("--claim `{claim}`: expected URI=VALUE"),
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Change {
            display_name: self.display_name,
            number: self.number.map(Some),
            claims,
            ..Change::default()
        })
    }
}

/// From a terminal: asked for, without being shown. Otherwise: the one line of standard input.
fn password() -> anyhow::Result<Password> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return one_line(stdin.lock());
    }
    let asked = rpassword::prompt_password("Password (at least 8 characters; it is not shown): ");
    let asked = Zeroizing::new(asked.context("cannot ask for the password")?);
    one_line(asked.as_bytes())
}

/// A second line is refused: a password that was piped in twice would be one that nobody types.
fn one_line(input: impl Read) -> anyhow::Result<Password> {
    let mut text = Zeroizing::new(String::new());
    input.take(4096).read_to_string(&mut text)?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        bail!("no password was given: type it, or pipe it in as in `{PIPED}`");
    }
    if line.contains(['\r', '\n']) {
        bail!(
            "the password is more than one line: pipe it in once and nothing else, as in `{PIPED}`"
        );
    }
    Ok(Password::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_without_its_end() {
        let read = |text: &str| {
            let password = one_line(text.as_bytes()).ok();
            password.map(|password| password.expose().to_owned())
        };
        for text in ["correct horse", "correct horse\n", "correct horse\r\n\n"] {
            assert_eq!(read(text).as_deref(), Some("correct horse"), "{text:?}");
        }
        assert_eq!(
            read(" correct horse \n").as_deref(),
            Some(" correct horse ")
        );
        for text in [
            "",
            "\n",
            "correct horse\ncorrect horse\n",
            "correct horse\rcorrect horse",
            "\ncorrect horse\n",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
