//! Connectors and the rule of inbound provisioning: the resident service provider's part of what the
//! console defines.

use super::filed::declared;
use super::forms::{choice, section, text};
use super::sections::{table, told};
use crate::config::{Config, UserStores, defined as reader, provisioning};
use postern_admin::definitions::{Definition, IDENTITY_PROVIDER, Sort};
use postern_admin::documents::Documents;
use postern_admin::form::{Field, FieldKind, Section, Values};
use postern_federation::Entries;
use postern_federation::scim::outbound::Connector;
use postern_login::TenantId;
use postern_web::scim::Inbound;

/// The only form of either.
pub(super) const FORM: &str = "scim";

type Problems = Vec<(String, String)>;

fn flag(name: &str, label: &str, default: &str, help: &str) -> Field {
    text(name, label, help).of(FieldKind::Boolean).or(default)
}

/// The seeds' outbound provisioning connector.
pub(super) fn form() -> Vec<Section> {
    vec![
        section(
            "Peer",
            "Who is told of users and groups here, and how it is reached.",
            vec![
                text("version", "SCIM", "")
                    .of(choice(&["2.0", "1.1"]))
                    .or("2.0"),
                text(
                    "user_endpoint",
                    "User endpoint",
                    "Where its users are, as https://peer.example/wso2/scim/Users.",
                )
                .of(FieldKind::Url)
                .required(),
                text(
                    "group_endpoint",
                    "Group endpoint",
                    "Left empty, it is told of no groups.",
                )
                .of(FieldKind::Url),
                text("username", "User name", "With the password: HTTP Basic."),
                text("password", "Password", "").secret(),
                text(
                    "token",
                    "Bearer token",
                    "In place of user name and password.",
                )
                .secret(),
                text(
                    "ca_files",
                    "Certificate authorities",
                    "Further ones that it may be certified by: PEM, one after the other.",
                )
                .of(FieldKind::Document),
                flag(
                    "allow_private_networks",
                    "May be in a private network",
                    "false",
                    "Lets it be at a loopback or private address.",
                ),
                text(
                    IDENTITY_PROVIDER,
                    "Identity provider",
                    "The one that the peer is: it is told nothing while that is off, and that cannot be deleted before this connector.",
                ),
            ],
        ),
        section(
            "Users",
            "What it is told of them.",
            vec![
                text(
                    "user_store_domain",
                    "User store domain",
                    "Stands before a name there, in place of what stands before it here.",
                ),
                flag(
                    "password_provisioning",
                    "Enable password provisioning",
                    "true",
                    "A password that is set here is set there.",
                ),
                text(
                    "default_password",
                    "Default password",
                    "What a new user gets there whose password is not known.",
                )
                .secret(),
                flag(
                    "blocking",
                    "Blocking",
                    "false",
                    "Whoever changes a user waits for the peer, and a new user whom it does not take is not made.",
                ),
            ],
        ),
    ]
}

/// The seeds' inbound provisioning configuration of the resident service provider.
pub(super) fn inbound_form() -> Vec<Section> {
    vec![section(
        "Into which user store",
        "With neither, everybody goes into the primary store and another prefix is refused.",
        vec![
            text(
                "user_store",
                "User store domain",
                "Everybody goes into this one, and what stands before a name is dropped. PRIMARY is the primary one.",
            ),
            text(
                "user_stores",
                "User stores that may stand before a name",
                "Where no domain is chosen: a name alone is the primary store's.",
            )
            .of(FieldKind::List),
        ],
    )]
}

fn fields(sections: Vec<Section>) -> Vec<Field> {
    sections
        .into_iter()
        .flat_map(|section| section.fields)
        .collect()
}

pub(super) fn read(name: &str, definition: &Definition) -> Result<Connector, Problems> {
    let mut table = table(&fields(form()), &definition.values);
    table.insert("enabled".to_owned(), definition.enabled.into());
    reader::connector(name, table).map_err(told)
}

pub(super) fn read_inbound(definition: &Definition) -> Result<Inbound, Problems> {
    let both = ["user_store", "user_stores"]
        .iter()
        .all(|name| definition.values.contains_key(*name));
    if both {
        let words = "not beside a user store domain, which takes everybody";
        return Err(vec![("user_stores".to_owned(), words.to_owned())]);
    }
    reader::inbound(table(&fields(inbound_form()), &definition.values)).map_err(told)
}

/// The user stores of the rule that are not there, by the field that names them.
pub(super) fn unknown_stores(inbound: &Inbound, stores: &UserStores) -> Problems {
    let field = match inbound.domain() {
        Some(_) => "user_store",
        None => "user_stores",
    };
    let unknown = provisioning::unknown_stores(inbound, stores).into_iter();
    unknown.map(|words| (field.to_owned(), words)).collect()
}

/// The rule as its form has it.
pub(super) fn shown(inbound: &Inbound) -> Values {
    let (name, value) = match inbound.domain() {
        Some(domain) => ("user_store", domain.to_owned()),
        None => ("user_stores", inbound.domains().join("\n")),
    };
    [(name.to_owned(), value)].into()
}

/// A connector of an identity provider that is off, or not there, is off.
pub(super) fn switch(connectors: &mut [Connector], entries: &Entries) {
    for connector in connectors {
        let Some(named) = &connector.identity_provider else {
            continue;
        };
        connector.enabled &= entries
            .identity_providers
            .iter()
            .any(|provider| provider.name == *named && provider.enabled);
    }
}

/// Those of file and console, for a store that no host runs on: what it changes waits for them.
pub(crate) async fn all(
    config: &Config,
    documents: &dyn Documents,
) -> anyhow::Result<Vec<Connector>> {
    let mut all = config.connectors.clone();
    let tenant = TenantId::super_tenant();
    let declared = declared(config, Sort::Connector);
    for document in documents.list(&tenant, Sort::Connector.kind()).await? {
        let name = document.key.name;
        let definition: Definition = serde_json::from_str(&document.body)?;
        if declared.iter().any(|one| one.name == name) {
            continue;
        }
        match read(&name, &definition) {
            Ok(connector) => all.push(connector),
            Err(problems) => {
                for (key, message) in problems {
                    tracing::error!(
                        "the connector `{name}` of the console is not in effect: {key}: {message}"
                    );
                }
            }
        }
    }
    Ok(all)
}
