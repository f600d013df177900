//! `[scim]`: into which user store others put users. `[provisioning.NAME]`: a peer that is told of ours.

use super::network;
use super::secret::{self, Surroundings};
use super::section::Section;
use super::user_store::{PRIMARY, UserStores};
use postern_federation::scim::outbound::{Connector, Credentials, Version};
use postern_federation::{Entries, Secret};
use postern_login::tenant::SUPER_TENANT;
use postern_web::scim::Inbound;
use std::path::Path;

pub(super) fn read_inbound(mut section: Section<'_>) -> Inbound {
    let domain: Option<String> = section.optional("user_store", "the name of a user store");
    let domains: Vec<String> = section.or("user_stores", "a list of user stores", Vec::new());
    if domain.is_some() && !domains.is_empty() {
        section.warning(
            "user_stores",
            "not in effect: `user_store` takes everybody, whatever stands before a name",
        );
    }
    section.finish();
    Inbound::new(domain.as_deref(), &domains)
}

/// The user stores the rule opens that are not there.
pub(crate) fn unknown_stores(inbound: &Inbound, stores: &UserStores) -> Vec<String> {
    let known = |domain: &str| {
        domain == PRIMARY
            || stores
                .stores
                .keys()
                .any(|name| name.eq_ignore_ascii_case(domain))
    };
    let domains = inbound.domains().iter();
    domains
        .filter(|domain| !known(domain))
        .map(|domain| {
            format!("there is no user store `{domain}`: expected PRIMARY or a `[user_store.NAME]`")
        })
        .collect()
}

/// What is wrong if the connector is of an identity provider that is not there.
pub(crate) fn unknown_provider(connector: &Connector, entries: &Entries) -> Option<String> {
    let named = connector.identity_provider.as_ref()?;
    let known = entries
        .identity_providers
        .iter()
        .any(|provider| provider.name == *named);
    (!known).then(|| format!("there is no identity provider `{named}`"))
}

pub(super) fn read_all(
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Vec<Connector> {
    let mut connectors = Vec::new();
    for (name, value) in section.entries() {
        let toml::Value::Table(table) = value else {
            section.problem(&name, format!("expected a table, `[provisioning.{name}]`"));
            continue;
        };
        let path = section.key(&name);
        let below = Section::at(path, table, section.findings());
        connectors.push(read(&name, below, base, surroundings));
    }
    connectors
}

pub(super) fn read(
    name: &str,
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Connector {
    let s = &mut section;
    let enabled = s.flag("enabled", true);
    let identity_provider = s.optional("identity_provider", "the name of an identity provider");
    let version = s.word("version", &[("2.0", Version::Two), ("1.1", Version::One)]);
    let user_endpoint = s.or("user_endpoint", "an address", String::new());
    let group_endpoint = s.optional("group_endpoint", "an address");
    let username: Option<String> = s.optional("username", "a text");
    let password = secret::read(s, "password", base, surroundings);
    let token = secret::read(s, "token", base, surroundings);
    let credentials = match (username, password, token) {
        (Some(username), Some(password), None) => Credentials::Basic { username, password },
        (None, None, Some(token)) => Credentials::Bearer(token),
        _ => {
            s.problem("username", "expected `username` and `password`, or `token`");
            Credentials::Bearer(Secret::new(""))
        }
    };
    let user_store_domain = s.optional("user_store_domain", "the name of a user store");
    let password_provisioning = s.flag("password_provisioning", true);
    let default_password = secret::read(s, "default_password", base, surroundings);
    let blocking = s.flag("blocking", false);
    let network = network::read(s, "peer", base, surroundings);
    let connector = Connector {
        tenant: SUPER_TENANT.to_owned(),
        name: name.to_owned(),
        enabled,
        identity_provider,
        version,
        user_endpoint,
        group_endpoint,
        credentials,
        user_store_domain,
        password_provisioning,
        default_password,
        blocking,
        network,
    };
    for problem in connector.check() {
        s.problem(&problem.key, problem.message);
    }
    section.finish();
    connector
}
