//! The forms, field by field as the configuration file names them.

use super::{SMS_OTP, dialects, saml};
use postern_admin::form::{Field, FieldKind, Section};

pub(super) fn section(title: &str, help: &str, fields: Vec<Field>) -> Section {
    Section {
        title: title.to_owned(),
        help: help.to_owned(),
        fields,
    }
}

pub(super) fn text(name: &str, label: &str, help: &str) -> Field {
    Field::text(name, label, help)
}

pub(super) fn choice(words: &[&str]) -> FieldKind {
    FieldKind::Choice(words.iter().map(|word| (*word).to_owned()).collect())
}

fn registration() -> Vec<Field> {
    vec![
        text("client_id", "Client id", "As the provider calls Postern.").required(),
        text("client_secret", "Client secret", "").secret(),
        text("client_authentication", "Client authentication", "")
            .of(choice(&["client_secret_basic", "client_secret_post"]))
            .or("client_secret_basic"),
        text(
            "pkce",
            "PKCE",
            "Off only for a provider that refuses it of a client with a secret.",
        )
        .of(FieldKind::Boolean)
        .or("true"),
        text("scopes", "Scopes", "").of(FieldKind::List),
        text("parameters", "Further parameters", "Sent with the request.").of(FieldKind::Pairs),
    ]
}

pub(super) fn people() -> Section {
    section(
        "People and claims",
        "How what the provider says becomes what is known here.",
        vec![
            dialects::field(),
            text(
                "claims",
                "Claim mapping",
                "What the provider calls it = what it is called here.",
            )
            .of(FieldKind::Pairs),
            text(
                "user_attribute",
                "User attribute",
                "Names the local account, for the rule user-attribute (SMSOTP-userAttribute).",
            ),
            text(
                "mobile_attribute",
                "Mobile attribute",
                "Holds the number, where codes may go to it (federatedMobileAttributeKey).",
            ),
        ],
    )
}

pub(super) fn shown() -> Section {
    section(
        "On the sign-in page",
        "",
        vec![text("display_name", "Display name", "On its button.")],
    )
}

fn reach() -> Field {
    text(
        "allow_private_networks",
        "May be in a private network",
        "Lets it be at a loopback or private address.",
    )
    .of(FieldKind::Boolean)
    .or("false")
}

pub(super) fn openid() -> Vec<Section> {
    let mut provider = vec![
        text("issuer", "Issuer", "Its address; the rest is discovered.")
            .of(FieldKind::Url)
            .required(),
    ];
    provider.extend(registration());
    provider.extend([
        text(
            "subject",
            "Subject",
            "The member of the ID token that names the person.",
        )
        .or("sub"),
        text("userinfo", "Ask userinfo", "")
            .of(FieldKind::Boolean)
            .or("true"),
        text(
            "trust_email",
            "Trust its addresses",
            "Only where the provider owns the addresses it names.",
        )
        .of(FieldKind::Boolean)
        .or("false"),
        reach(),
    ]);
    vec![shown(), section("Provider", "", provider), people()]
}

pub(super) fn oauth2() -> Vec<Section> {
    let mut provider = vec![
        text("authorization_endpoint", "Authorization endpoint", "")
            .of(FieldKind::Url)
            .required(),
        text("token_endpoint", "Token endpoint", "")
            .of(FieldKind::Url)
            .required(),
        text("userinfo_endpoint", "Userinfo endpoint", "")
            .of(FieldKind::Url)
            .required(),
        text(
            "token_parameter",
            "Token parameter",
            "Only if that takes the token in its address and not in the header.",
        ),
        text(
            "issuer",
            "Issuer",
            "If the provider names one in its answers.",
        )
        .of(FieldKind::Url),
    ];
    provider.extend(registration());
    provider.extend([
        text(
            "subject",
            "Subject",
            "Where userinfo names the person; a dot goes one object down.",
        )
        .required(),
        reach(),
    ]);
    vec![shown(), section("Provider", "", provider), people()]
}

pub(super) fn application() -> Vec<Section> {
    vec![
        named(),
        steps(),
        section(
            "OpenID Connect",
            "",
            vec![
                text("oidc.client_id", "Client id", "").required(),
                text("oidc.client_secret", "Client secret", "Drawn at random.").secret(),
                text(
                    "oidc.public",
                    "Public client",
                    "An app that cannot keep a secret.",
                )
                .of(FieldKind::Boolean)
                .or("false"),
                text("oidc.redirect_uris", "Redirect addresses", "")
                    .of(FieldKind::List)
                    .required(),
                text(
                    "oidc.post_logout_redirect_uris",
                    "Addresses after sign-out",
                    "",
                )
                .of(FieldKind::List),
                text(
                    "oidc.access_token_lifetime",
                    "Access token lifetime",
                    "Seconds.",
                )
                .of(FieldKind::Integer { min: 30, max: 3600 }),
                text("oidc.id_token_alg", "Signature of ID tokens", "")
                    .of(choice(&["RS256", "ES256"])),
            ],
        ),
        told("Name in the token = claim here."),
    ]
}

/// What either form has, once.
pub(super) fn both() -> Vec<Section> {
    let mut all = application();
    for section in saml::application() {
        if !all.iter().any(|one| one.title == section.title) {
            all.push(section);
        }
    }
    all
}

/// Of an application, whatever it speaks.
pub(super) fn named() -> Section {
    section(
        "Application",
        "",
        vec![text(
            "display_name",
            "Display name",
            "What people are told they sign in to.",
        )],
    )
}

/// Of an application, whatever it speaks.
pub(super) fn steps() -> Section {
    section(
        "Steps",
        "How people sign in who come from here.",
        vec![
            text(
                "first_step",
                "First step",
                "password (basic), and names of identity providers (federated), in the order of the page.",
            )
            .of(FieldKind::List)
            .or("password"),
            text("second_step", "Second step", "")
                .of(choice(&["sms-otp", "none"]))
                .or("sms-otp"),
            text(
                SMS_OTP,
                "SMSOTP entry",
                "Sends its codes, and says how they are; empty: in the order of all, by the default entry.",
            ),
        ],
    )
}

pub(super) fn told(help: &str) -> Section {
    section(
        "Claims",
        "What the application is told about a person.",
        vec![
            dialects::field(),
            text("claims", "Claims", help).of(FieldKind::Pairs),
        ],
    )
}

/// The seeds' SMSOTP Configuration, its connector drawn from the plugin's manifest.
pub(super) fn sender(plugin: &str, settings: Vec<Field>) -> Vec<Section> {
    let mut reach = vec![
        text(
            "allow",
            "Origins it may reach",
            "Beside a shipped plugin's own, as https://sms.example.",
        )
        .of(FieldKind::List),
        reach(),
    ];
    if plugin == "http-recipe" {
        reach.insert(
            0,
            text(
                "secrets",
                "Secrets",
                "Written as $secret.NAME in the address, headers or payload.",
            )
            .of(FieldKind::Pairs)
            .secret(),
        );
    }
    vec![
        section("SMSOTP Configuration", "How a message is sent.", settings),
        section("Reach", "", reach),
        codes("entry."),
    ]
}

/// An entry of the file that sends by senders of the file.
pub(super) fn entry() -> Vec<Section> {
    let senders = text("senders", "Senders", "In the order of fail-over.").of(FieldKind::List);
    vec![
        section("SMSOTP Configuration", "", vec![senders]),
        codes(""),
    ]
}

/// What an entry says of codes and words, each key with what stands before it.
fn codes(before: &str) -> Section {
    let key = |name: &str, label: &str, help: &str| text(&format!("{before}{name}"), label, help);
    section(
        "Codes and words",
        "In effect where this entry is the default, and for applications that name it; empty leaves what the file says.",
        vec![
            key("sms_otp_length", "SMS OTP length", "6 to 10.")
                .of(FieldKind::Integer { min: 6, max: 10 }),
            key(
                "sms_otp_expiry_time",
                "SMS OTP expiry time (minutes)",
                "1 to 10.",
            )
            .of(FieldKind::Integer { min: 1, max: 10 }),
            key(
                "only_numeric_characters_for_sms_otp",
                "Use only numeric characters for OTP",
                "",
            )
            .of(FieldKind::Boolean),
            key(
                "mobile_number_regex",
                "Mobile number regex pattern",
                "What a number that somebody types must look like.",
            ),
            key(
                "mobile_number_pattern_failure_error_message",
                "Regex violation error message",
                "",
            ),
            key(
                "show_detailed_error_info",
                "Show detailed error information",
                "What the provider says about a failed message is shown to whoever signs in.",
            )
            .of(FieldKind::Boolean),
            key("values_to_be_masked", "Mask values in error info", "").of(FieldKind::List),
        ],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sections::{ENTRY, table};
    use super::super::{connectors, filed};
    use super::*;
    use crate::config::{Config, defined as reader, reference};
    use postern_admin::definitions::DIALECT;
    use postern_admin::form::Values;

    /// Every field of a form is a key that the file's reader knows.
    #[test]
    fn the_forms_are_what_the_files_reader_takes() {
        let fill = |sections: Vec<Section>| -> (Vec<Field>, Values) {
            let fields: Vec<Field> = sections.into_iter().flat_map(|s| s.fields).collect();
            let values = fields
                .iter()
                .map(|field| {
                    let value = match (&field.kind, field.name.as_str()) {
                        (_, "oidc.public") => "false".to_owned(),
                        (_, "scopes") => "openid".to_owned(),
                        (_, "first_step") => "password".to_owned(),
                        (_, "oidc.redirect_uris" | "oidc.post_logout_redirect_uris") => {
                            "https://shop.example/callback".to_owned()
                        }
                        (FieldKind::Url, _) => "https://idp.example/x".to_owned(),
                        (FieldKind::Boolean, _) => "true".to_owned(),
                        (FieldKind::Integer { min, .. }, _) => min.to_string(),
                        (FieldKind::Choice(words), _) => words[0].clone(),
                        (FieldKind::Pairs, _) => "a = b".to_owned(),
                        _ => "a-value-that-is-long-enough-to-be-a-secret".to_owned(),
                    };
                    (field.name.clone(), value)
                })
                .collect();
            (fields, values)
        };
        for (form, sections) in [
            ("oidc", openid()),
            ("oauth2", oauth2()),
            ("saml", saml::identity_provider()),
        ] {
            let (fields, values) = fill(sections);
            let mut table = table(&fields, &values);
            table.remove(DIALECT);
            table.insert("protocol".to_owned(), form.into());
            let read = reader::identity_provider("corp", table);
            let unknown = read.err().unwrap_or_default();
            let unknown: Vec<_> = unknown
                .iter()
                .filter(|problem| {
                    problem.message.contains("unknown") || problem.message.contains("no such")
                })
                .collect();
            assert!(unknown.is_empty(), "{form}: {unknown:?}");
        }
        let (fields, mut values) = fill(sender("http-recipe", Vec::new()));
        values.insert(
            "entry.mobile_number_regex".to_owned(),
            "^[0-9]+$".to_owned(),
        );
        let mut read = table(&fields, &values);
        let Some(toml::Value::Table(entry)) = read.remove(ENTRY) else {
            panic!("no entry in {read:?}");
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postern.toml");
        std::fs::write(&file, "[outbox]\n[sender.test]\nplugin = \"fake\"\n").unwrap();
        let config = Config::load(&file).unwrap();
        reader::entry(entry, &config.limits).unwrap();
        read.insert("plugin".to_owned(), "http-recipe".into());
        reader::sender("acme", read).unwrap();
        let (fields, mut values) = fill(connectors::form());
        values.remove("username");
        values.remove("password");
        let mut peer = table(&fields, &values);
        peer.remove("ca_files");
        reader::connector("peer", peer).unwrap();
        let (fields, values) = fill(connectors::inbound_form());
        reader::inbound(table(&fields, &values)).unwrap();
        for sections in [application(), saml::application()] {
            let (fields, values) = fill(sections);
            let mut table = table(&fields, &values);
            table.remove(DIALECT);
            // What a form of one sample value each cannot be is told; that a key is unknown never is.
            let problems = reader::relying_party("shop", table).err();
            let unknown: Vec<_> = problems
                .into_iter()
                .flatten()
                .filter(|problem| problem.message.contains("unknown"))
                .collect();
            assert!(unknown.is_empty(), "{unknown:?}");
        }
    }

    /// Every key that an entry of the file may have is shown by a field, beside it, or is one.
    #[test]
    fn every_key_of_an_entry_has_a_field_by_which_it_is_shown() {
        let all = |forms: Vec<Vec<Section>>| -> Vec<String> {
            let sections = forms.into_iter().flatten();
            let fields = sections.flat_map(|section| section.fields);
            fields.map(|field| field.name).collect()
        };
        let shown = [
            (
                "identity_provider.NAME",
                all(vec![openid(), oauth2(), saml::identity_provider()]),
            ),
            ("relying_party.NAME", all(vec![both()])),
            ("provisioning.NAME", all(vec![connectors::form()])),
            ("sender.NAME", all(vec![sender("http-recipe", Vec::new())])),
            ("sms_otp.identity_provider.NAME", all(vec![entry()])),
        ];
        // All but the last one are the entry's state and form, and settings are those of its plugin.
        let beside = [
            "enabled", "enable", "default", "protocol", "plugin", "settings",
        ];
        let mut keys = 0;
        for table in reference::tables() {
            for (section, fields) in &shown {
                let Some(below) = table.path.strip_prefix(*section) else {
                    continue;
                };
                let below = below.trim_start_matches('.');
                for key in table.keys {
                    keys += 1;
                    let name = match below {
                        "" => key.name.to_owned(),
                        below => format!("{below}.{}", key.name),
                    };
                    let known = |name: &str| fields.iter().any(|field| field == name);
                    assert!(
                        known(&name)
                            || known(below)
                            || beside.contains(&name.as_str())
                            || filed::FILE_ONLY.contains(&name.as_str()),
                        "`{section}.{name}` is shown by no field"
                    );
                }
            }
        }
        assert!(keys > 60, "{keys}");
    }
}
