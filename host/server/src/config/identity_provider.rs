//! `[identity_provider.NAME]`: a server that says who somebody is.

use super::network;
use super::saml;
use super::secret::{self, Surroundings};
use super::section::Section;
use postern_federation::IdentityProvider;
use postern_federation::identity_provider::{ClaimMapping, Protocol};
use postern_federation::oidc::upstream::{ClientAuthentication, OAuth2, OpenId, Registration};
use postern_login::tenant::SUPER_TENANT;
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Copy)]
enum Spoken {
    Oidc,
    OAuth2,
    Saml,
}

pub(super) fn read_all(
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Vec<Arc<IdentityProvider>> {
    let mut providers = Vec::new();
    for (name, value) in section.entries() {
        let toml::Value::Table(table) = value else {
            section.problem(
                &name,
                format!("expected a table, `[identity_provider.{name}]`"),
            );
            continue;
        };
        let path = section.key(&name);
        let below = Section::at(path, table, section.findings());
        providers.push(Arc::new(read(&name, below, base, surroundings)));
    }
    providers
}

pub(super) fn read(
    name: &str,
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> IdentityProvider {
    let s = &mut section;
    let display_name = s.or("display_name", "a text", name.to_owned());
    let enabled = s.flag("enabled", true);
    let spoken = s.word(
        "protocol",
        &[
            ("oidc", Spoken::Oidc),
            ("oauth2", Spoken::OAuth2),
            ("saml", Spoken::Saml),
        ],
    );
    let protocol = match spoken {
        Spoken::Oidc => Protocol::Oidc(OpenId {
            issuer: s.or("issuer", "the issuer's address", String::new()),
            client: registration(s, &["openid"], base, surroundings),
            subject: s.or("subject", "a member of the ID token", "sub".to_owned()),
            userinfo: s.flag("userinfo", true),
            trust_email: s.flag("trust_email", false),
        }),
        Spoken::OAuth2 => Protocol::OAuth2(OAuth2 {
            token_parameter: token_parameter(s),
            authorization_endpoint: address(s, "authorization_endpoint"),
            token_endpoint: address(s, "token_endpoint"),
            userinfo_endpoint: address(s, "userinfo_endpoint"),
            issuer: s.optional("issuer", "the issuer's address"),
            client: registration(s, &[], base, surroundings),
            subject: s.or("subject", "where userinfo names the person", String::new()),
        }),
        Spoken::Saml => Protocol::Saml(saml::upstream(s, base, surroundings)),
    };
    let claims = read_claims(s.table("claims"))
        .into_iter()
        .map(|(from, to)| ClaimMapping { from, to })
        .collect();
    let user_attribute = s.optional("user_attribute", "the name of an attribute");
    let mobile_attribute = s.optional("mobile_attribute", "the name of an attribute");
    let network = network::read(s, "provider", base, surroundings);
    let provider = IdentityProvider {
        tenant: SUPER_TENANT.to_owned(),
        name: name.to_owned(),
        display_name,
        enabled,
        protocol,
        claims,
        user_attribute,
        mobile_attribute,
        network,
    };
    for problem in provider.check() {
        s.problem(&problem.key, problem.message);
    }
    section.finish();
    provider
}

fn token_parameter(s: &mut Section<'_>) -> Option<String> {
    let name = s.optional("token_parameter", "the name of a parameter");
    if name.is_some() {
        s.warning("token_parameter", "the provider's logs, and those of whatever lies between, have the access token with the address: meant for one that takes it nowhere else");
    }
    name
}

fn address(section: &mut Section<'_>, key: &str) -> String {
    section.or(key, "an address", String::new())
}

fn registration(
    s: &mut Section<'_>,
    scopes: &[&str],
    base: &Path,
    surroundings: &Surroundings,
) -> Registration {
    let client_secret = secret::read(s, "client_secret", base, surroundings);
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let pkce = s.flag("pkce", true);
    if !pkce {
        s.warning("pkce", "a code that is stolen on its way back is worth a sign-in, unless an ID token repeats our nonce: meant for a provider that refuses PKCE of a client with a secret");
    }
    Registration {
        client_id: s.or("client_id", "a text", String::new()),
        client_secret,
        authentication: s.word(
            "client_authentication",
            &[
                (
                    "client_secret_basic",
                    ClientAuthentication::ClientSecretBasic,
                ),
                ("client_secret_post", ClientAuthentication::ClientSecretPost),
            ],
        ),
        pkce,
        scopes: s.or("scopes", "a list of words", scopes),
        parameters: read_claims(s.table("parameters")),
    }
}

/// A table of texts: `claims` and `parameters`.
pub(super) fn read_claims(mut section: Section<'_>) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    for (key, value) in section.entries() {
        match value {
            toml::Value::String(text) => claims.push((key, text)),
            _ => section.problem(&key, "expected a text"),
        }
    }
    claims
}
