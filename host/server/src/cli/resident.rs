//! `postern resident`: what this host is to others, for whoever sets up a peer.

use super::{ConfigFile, output, store};
use crate::desk::{Reply, Request};
use anyhow::bail;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show its names, addresses and certificates as an identity provider, and where it takes users.
    #[command(after_help = "Example: postern resident show --json")]
    Show {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    let Command::Show { json, file } = command;
    let Reply::Resident(resident) = store::ask(&file.config, Request::ResidentShow)? else {
        bail!("the host answered something else: is it of another version?");
    };
    if json {
        return output::json(&resident);
    }
    let row = |what: &str, value: &str| vec![what.to_owned(), value.to_owned()];
    let saml = &resident.saml;
    let mut rows = vec![
        row("SAML entity id", &saml.entity_id),
        row("SAML metadata", &saml.metadata),
        row("SAML single sign-on", &saml.single_sign_on),
        row("SAML single logout", &saml.single_logout),
        row("SAML assertion consumer", &saml.consumer),
    ];
    for certificate in &saml.certificates {
        let what = if certificate.signs {
            "signing certificate"
        } else {
            "further certificate"
        };
        rows.push(row(what, &certificate.fingerprint));
    }
    rows.push(row("OpenID issuer", &resident.openid.issuer));
    rows.push(row("OpenID discovery", &resident.openid.discovery));
    let scim = &resident.scim;
    rows.extend([
        row("SCIM 2.0", &scim.base),
        row("SCIM 1.1 users", &scim.users),
        row("SCIM 1.1 groups", &scim.groups),
    ]);
    rows.push(match &scim.user_store {
        Some(domain) => row("users go into", domain),
        None => row("users may be of", &scim.user_stores.join(", ")),
    });
    output::table(&["WHAT", "VALUE"], &rows);
    Ok(())
}
