//! The reference says what the code does.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::section::asked;
use crate::config::tests::load_with;
use crate::config::{Config, ConfigError};
use std::collections::BTreeSet;

/// As an operator would: every key in force.
fn uncommented() -> String {
    let in_force = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    commented_file()
        .lines()
        .map(in_force)
        .collect::<Vec<_>>()
        .join("\n")
        // The first configuration names no sender; this one has them all.
        .replace("senders = []", "senders = [\"twilio\"]")
}

/// The test outbox never stands beside a real sender.
fn without(text: &str, table: &str) -> String {
    let mut kept = Vec::new();
    let mut keeps = true;
    for line in text.lines() {
        if line.starts_with('[') {
            keeps = line != format!("[{table}]");
        }
        if keeps {
            kept.push(line);
        }
    }
    kept.join("\n")
}

fn load(text: &str) -> Result<Config, ConfigError> {
    use postern_federation::saml::{Certificate, metadata::Own};
    let pem = include_str!("../../../../federation/tests/saml/keys/sp.crt");
    let certificates = [Certificate::from_pem(pem).unwrap()];
    let metadata = |entity_id: &str| {
        Own {
            entity_id,
            certificates: &certificates,
            sso_url: "https://peer.example/sso",
            consumer_url: "https://peer.example/acs",
            wants_signed_requests: false,
        }
        .write()
    };
    load_with(
        text,
        &[
            ("/etc/postern/partner.pem", pem),
            ("/etc/postern/shop.pem", pem),
            (
                "/etc/postern/partner.xml",
                &metadata("https://partner.example/saml"),
            ),
            (
                "/etc/postern/shop.xml",
                &metadata("https://shop.example/saml"),
            ),
        ],
    )
}

#[test]
fn the_commented_file_is_a_configuration() {
    let config = load(&commented_file()).unwrap();
    assert!(config.sms_otp.factor.mandatory);
    assert!(config.outbox.is_none() && config.tls.is_none() && config.senders.is_empty());
}

#[test]
fn the_commented_file_with_every_key_in_force_is_a_configuration() {
    let all = uncommented();
    let config = load(&without(&all, "outbox")).unwrap();
    assert!(config.senders.contains_key("twilio"));
    assert!(config.sms_otp.entries.contains_key("bank"));
    assert_eq!(config.sms_otp.factor.resolver_settings_after.len(), 1);
}

/// Nothing is read that is not written down, and nothing is written down that is not read.
#[test]
fn every_key_of_the_code_is_in_the_reference_and_no_other() {
    let _ = asked::taken();
    load(&without(&uncommented(), "outbox")).unwrap();
    load("[outbox]\n[sender.test]\nplugin = \"fake\"\n").unwrap();
    let mut tables_of_code = BTreeSet::new();
    let mut keys_of_code = BTreeSet::new();
    for key in asked::taken() {
        let is_table =
            tables().any(|table| is_named(table.path, &key) || is_above(table.path, &key));
        if is_table {
            tables_of_code.insert(key);
        } else {
            keys_of_code.insert(key);
        }
    }
    for key in &keys_of_code {
        assert!(
            help(key).is_some(),
            "`{key}` is read, but `config/reference` does not say what it is"
        );
    }
    for table in tables().filter(|table| !by_serde(table)) {
        for key in table.keys {
            let read = keys_of_code.iter().any(|read| {
                read.rsplit_once('.')
                    .is_some_and(|(path, name)| is_named(table.path, path) && name == key.name)
            });
            let free = FREE.contains(&table.path);
            assert!(
                read || free,
                "`{}.{}` is in the reference, but nothing reads it",
                table.path,
                key.name
            );
        }
    }
}

/// Tables whose keys are names of the operator's own.
const FREE: &[&str] = &[
    "sms_otp.text",
    "identity_provider.NAME.claims",
    "identity_provider.NAME.parameters",
    "relying_party.NAME.claims",
    "user_store.NAME.claims",
];

/// The wasm crate reads these; the next test holds them to it.
fn by_serde(table: &Table) -> bool {
    table.path.starts_with("limits.plugin")
}

fn is_above(reference: &str, path: &str) -> bool {
    let depth = path.split('.').count();
    let above: Vec<&str> = reference.split('.').take(depth).collect();
    reference.split('.').count() > depth && is_named(&above.join("."), path)
}

#[test]
fn the_limits_of_plugins_are_those_of_the_code() {
    let defaults = toml::Table::try_from(postern_wasm::Limits::default()).unwrap();
    for table in tables().filter(|table| by_serde(table)) {
        let of_code = match table.path.strip_prefix("limits.plugin.") {
            Some(class) => defaults[class].as_table().unwrap().clone(),
            None => defaults
                .clone()
                .into_iter()
                .filter(|(_, value)| !value.is_table())
                .collect(),
        };
        let of_reference: toml::Table = table
            .keys
            .iter()
            .map(|key| (key.name.to_owned(), value(key)))
            .collect();
        assert_eq!(of_reference, of_code, "{}", table.path);
    }
}

fn value(key: &Key) -> toml::Value {
    let table: toml::Table = toml::from_str(&format!("x = {}", key.shown())).unwrap();
    table["x"].clone()
}

/// A default that is written out changes nothing.
#[test]
fn the_defaults_are_those_of_the_code() {
    let unsaid = format!("{:?}", load("").unwrap());
    for table in tables() {
        let optional = table.path.contains("NAME") || matches!(table.path, "tls" | "outbox");
        if optional {
            continue;
        }
        for key in table.keys {
            if let Value::Default(default) = key.value {
                let text = format!("[{}]\n{} = {default}\n", table.path, key.name);
                let said = load(&text).unwrap_or_else(|error| panic!("{text}{error}"));
                assert_eq!(format!("{said:?}"), unsaid, "{text}");
            }
        }
    }
}

/// Where there is no default, the example is not it.
#[test]
fn an_example_is_no_default() {
    let unsaid = format!("{:?}", load("").unwrap().sms_otp);
    let step = tables().find(|table| table.path == "sms_otp").unwrap();
    for key in step.keys {
        // Three is what `limits.resends_per_challenge` is as well.
        if matches!(key.value, Value::Example(_)) && key.name != "maximum_resend_attempts" {
            let sender = "[sender.twilio]\nplugin = \"twilio\"\n";
            let text = format!("{sender}[sms_otp]\n{} = {}\n", key.name, key.shown());
            let said = load(&text).unwrap_or_else(|error| panic!("{text}{error}"));
            assert_ne!(format!("{:?}", said.sms_otp), unsaid, "{text}");
        }
    }
}

#[test]
fn help_is_one_line_and_finds_free_names() {
    for table in tables() {
        for key in table.keys {
            assert!(!key.help.is_empty() && !key.help.contains('\n'));
            assert!(!key.help.ends_with('.'), "{}: {}", table.path, key.name);
        }
    }
    assert!(help("sender.acme.plugin").is_some());
    assert!(help("sms_otp.identity_provider.bank.sms_otp_length").is_some());
    assert_eq!(help("sms_otp.nothing"), None);
    assert_eq!(help("nothing"), None);
}

/// The page is generated: `postern config reference > docs/configuration.md`, or this test with
/// `REWRITE_DOCS` in its environment.
#[test]
fn the_page_of_the_documentation_is_this_reference() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("REWRITE_DOCS").is_some() {
        std::fs::write(file, page()).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        written == page(),
        "docs/configuration.md is older than the reference: `postern config reference > docs/configuration.md` brings it up to date"
    );
}
