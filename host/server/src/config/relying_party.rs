//! `[relying_party.NAME]`: an application that lets us sign its people in.

use super::identity_provider::read_claims;
use super::saml;
use super::secret::{self, Surroundings};
use super::section::Section;
use super::sign_in::read_first_step;
use postern_federation::RelyingParty;
use postern_federation::oidc::client::{Client, ClientSecret, SECRET_CHARS_MIN, SigningAlgorithm};
use postern_federation::relying_party::{ReleasedClaim, SecondStep};
use postern_login::tenant::SUPER_TENANT;
use std::path::Path;
use std::sync::Arc;

pub(super) fn read_all(
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Vec<Arc<RelyingParty>> {
    let mut parties = Vec::new();
    for (name, value) in section.entries() {
        let toml::Value::Table(table) = value else {
            section.problem(&name, format!("expected a table, `[relying_party.{name}]`"));
            continue;
        };
        let path = section.key(&name);
        let below = Section::at(path, table, section.findings());
        parties.push(Arc::new(read(&name, below, base, surroundings)));
    }
    parties
}

pub(super) fn read(
    name: &str,
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> RelyingParty {
    let s = &mut section;
    let display_name = s.or("display_name", "a text", name.to_owned());
    let enabled = s.flag("enabled", true);
    let first_step = read_first_step(s);
    let second_step = s.word(
        "second_step",
        &[("sms-otp", SecondStep::SmsOtp), ("none", SecondStep::None)],
    );
    let sms_otp = s.optional::<String>("sms_otp", "the name of an SMSOTP entry");
    let claims = read_claims(s.table("claims"))
        .into_iter()
        .map(|(name, claim)| ReleasedClaim { claim, name })
        .collect();
    let oidc = s
        .optional_table("oidc")
        .map(|below| client(below, base, surroundings));
    let saml = s
        .optional_table("saml")
        .map(|below| saml::service_provider(below, base, surroundings));
    let party = RelyingParty {
        tenant: SUPER_TENANT.to_owned(),
        name: name.to_owned(),
        display_name,
        enabled,
        saml,
        oidc,
        first_step,
        second_step,
        sms_otp,
        claims,
    };
    for problem in party.check() {
        s.problem(&problem.key, problem.message);
    }
    section.finish();
    party
}

fn client(mut section: Section<'_>, base: &Path, surroundings: &Surroundings) -> Client {
    let s = &mut section;
    let public = s.flag("public", false);
    let given = s.optional::<toml::Value>("client_secret", "a text or a reference");
    let secret = match (given, public) {
        (Some(_), true) => {
            s.problem(
                "client_secret",
                "a public client keeps no secret: expected no such key beside `public = true`",
            );
            None
        }
        (None, true) => None,
        (None, false) => {
            s.problem("client_secret", "missing: expected a secret drawn at random, or `public = true` for an app that cannot keep one");
            None
        }
        (Some(value), false) => match secret::resolve(&value, base, surroundings) {
            Ok(resolved) => {
                if !resolved.referenced {
                    s.warning("client_secret", "the secret stands in the file: `{ env = \"NAME\" }` or `{ file = \"PATH\" }` keeps it out of copies and backups");
                }
                let secret = ClientSecret::new(resolved.value.expose());
                if secret.is_none() {
                    s.problem("client_secret", format!("too short: expected at least {SECRET_CHARS_MIN} characters drawn at random"));
                }
                secret
            }
            Err(message) => {
                s.problem("client_secret", message);
                None
            }
        },
    };
    let addresses = "a list of addresses such as [\"https://shop.example/callback\"]";
    let client = Client {
        client_id: s.or("client_id", "a text", String::new()),
        secret,
        redirect_uris: s.or("redirect_uris", addresses, Vec::new()),
        post_logout_redirect_uris: s.or("post_logout_redirect_uris", addresses, Vec::new()),
        access_token_lifetime: s.seconds("access_token_lifetime", 30..=3600, "", 300),
        id_token_alg: s.word(
            "id_token_alg",
            &[
                ("RS256", SigningAlgorithm::RS256),
                ("ES256", SigningAlgorithm::ES256),
            ],
        ),
    };
    section.finish();
    client
}
