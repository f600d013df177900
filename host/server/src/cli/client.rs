//! `postern client`: applications that call the JSON API.

use super::{OfTenant, output, store};
use crate::desk::{Reply, Request};
use anyhow::bail;
use clap::Subcommand;
use postern_login::ports::Scope;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an application and print its token, once: it is stored as a hash only.
    #[command(
        after_help = "Example: POSTERN_TOKEN=$(postern client add billing)\n         postern client add hr --scope scim:read --scope scim:write --scope scim:phone"
    )]
    Add {
        name: String,
        /// What the token is good for, once for each: `challenges` (codes of its own people),
        /// `messages` (finished messages), `scim:read`, `scim:write`, `scim:phone` (users and groups,
        /// docs/scim.md). The first two if absent.
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<Scope>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// List the applications.
    #[command(after_help = "Example: postern client list --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: OfTenant,
    },
    /// Take an application's token away, at once.
    #[command(after_help = "Example: postern client revoke billing")]
    Revoke {
        name: String,
        #[command(flatten)]
        file: OfTenant,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("expected one of {}", known.join(", "))
    })
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    const OTHER: &str = "the host answered something else: is it of another version?";
    match command {
        Command::Add {
            name,
            scopes,
            json,
            file,
        } => {
            let scopes = match scopes.is_empty() {
                true => Scope::UNNAMED.to_vec(),
                false => scopes,
            };
            let request = Request::ClientAdd {
                name: name.clone(),
                scopes,
            };
            let Reply::Token(token) = store::ask_of(&file, request)? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&serde_json::json!({ "name": name, "token": token }));
            }
            output::aside(format!("The token of {name}. It is not shown again."));
            output::line(token);
        }
        Command::List { json, file } => {
            let Reply::Clients(clients) = store::ask_of(&file, Request::ClientList)? else {
                bail!(OTHER);
            };
            if json {
                return output::json(&clients);
            }
            if clients.is_empty() {
                output::aside("there are no API clients yet: `postern client add NAME` adds one");
                return Ok(());
            }
            let rows: Vec<_> = clients
                .into_iter()
                .map(|client| {
                    let scopes: Vec<_> = client.scopes.iter().map(|s| s.as_str()).collect();
                    let since = postern_web::time::second(client.created_at);
                    vec![
                        client.name,
                        client.tenant.to_string(),
                        scopes.join(", "),
                        since,
                    ]
                })
                .collect();
            output::table(&["NAME", "TENANT", "SCOPES", "SINCE"], &rows);
        }
        Command::Revoke { name, file } => {
            store::ask_of(&file, Request::ClientRevoke { name: name.clone() })?;
            output::line(format!("revoked {name}"));
        }
    }
    Ok(())
}
