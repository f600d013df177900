//! `postern saml`: what peers need before the host runs for the first time.

use super::{ConfigFile, output};
use crate::config::Config;
use crate::keys::Keys;
use crate::saml_keys::FileSamlKeys;
use clap::Subcommand;
use postern_federation::Moment;
use postern_federation::saml::keys::OwnKeys;
use postern_web::PublicUrl;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the metadata of both roles, as `/saml/metadata` does. Makes the signing key if there is none.
    #[command(after_help = "Example: postern saml metadata > postern.xml")]
    Metadata(ConfigFile),
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    let Command::Metadata(file) = command;
    let config = Config::load(&file.config)?;
    let public_url = PublicUrl::parse(&config.server.public_url)?;
    let origin = public_url.origin();
    let keys = FileSamlKeys::new(Keys::open(&config.server.data_dir)?, origin);
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let security = keys.security(Moment::from_seconds(since.as_secs()))?;
    let entity_id = config.saml_entity_id.as_deref().map_or_else(
        || format!("{}/saml/metadata", config.server.public_url),
        str::to_owned,
    );
    let certificates = security.certificates();
    output::line(postern_web::saml::metadata::document(
        &entity_id,
        origin,
        &certificates,
    ));
    Ok(())
}
