//! What the file says, as the forms have it: the way back from a section to the values of its fields. Of
//! a secret it says that it is set, and never more.

use super::{BOTH, connectors, dialects};
use crate::config::{Config, SMS_OTP_ENTRY, Value, holds_a_credential, names_a_secret};
use postern_admin::definitions::{Declared, RESIDENT, SMS, SMS_ENTRY, Sort, sends};
use postern_admin::form::{Field, FieldKind, Values};
use postern_federation::identity_provider::Protocol;

/// The tables of the file that are shown as this.
pub(super) fn section(sort: Sort, form: &str) -> Option<&'static str> {
    match sort {
        Sort::IdentityProvider if form == SMS_ENTRY => Some(SMS_OTP_ENTRY),
        Sort::IdentityProvider if sends(form) => Some("sender"),
        Sort::IdentityProvider => Some("identity_provider"),
        Sort::ServiceProvider => Some("relying_party"),
        Sort::Connector => Some("provisioning"),
        Sort::ClaimDialect | Sort::Inbound => None,
    }
}

/// What the file defines, by name and place only.
pub(super) fn declared(config: &Config, sort: Sort) -> Vec<Declared> {
    let one = |name: &str, form: &str, enabled: bool| Declared {
        name: name.to_owned(),
        form: form.to_owned(),
        enabled,
        default: false,
        place: section(sort, form)
            .map_or_else(String::new, |section| config.written.place(section, name)),
        values: Values::new(),
        set: Vec::new(),
    };
    match sort {
        Sort::IdentityProvider => {
            let providers = config.federation.identity_providers.iter().map(|provider| {
                let form = match provider.protocol {
                    Protocol::Oidc(_) => "oidc",
                    Protocol::OAuth2(_) => "oauth2",
                    Protocol::Saml(_) => "saml",
                };
                one(&provider.name, form, provider.enabled)
            });
            let senders = config.senders.values();
            let senders =
                senders.map(|sender| one(&sender.name, &format!("{SMS}{}", sender.plugin), true));
            // One that is off is there as well.
            let entries = config.written.names(SMS_OTP_ENTRY).map(|name| {
                let entry = config.sms_otp.entries.get(name);
                Declared {
                    default: entry.is_some_and(|entry| entry.default),
                    ..one(name, SMS_ENTRY, entry.is_some())
                }
            });
            providers.chain(senders).chain(entries).collect()
        }
        Sort::ServiceProvider => {
            let parties = config.federation.relying_parties.iter();
            parties
                .map(|party| {
                    let form = match (&party.oidc, &party.saml) {
                        (Some(_), Some(_)) => BOTH,
                        (None, Some(_)) => "saml",
                        _ => "oidc",
                    };
                    one(&party.name, form, party.enabled)
                })
                .collect()
        }
        Sort::ClaimDialect => dialects::declared(),
        Sort::Connector => {
            let connectors = config.connectors.iter();
            connectors
                .map(|connector| one(&connector.name, connectors::FORM, connector.enabled))
                .collect()
        }
        Sort::Inbound => {
            let file = config.files.first().and_then(|file| file.file_name());
            let file = file.unwrap_or_default().to_string_lossy();
            let rule = config.inbound.iter();
            rule.map(|inbound| Declared {
                place: format!("{file}, [scim]"),
                values: connectors::shown(inbound),
                ..one(RESIDENT, connectors::FORM, true)
            })
            .collect()
        }
    }
}

/// What a form leaves out because it names files of this machine.
pub(super) const FILE_ONLY: [&str; 2] = ["ca_files", "sha256"];

/// What may be shown of a section, and what of it is set and not shown.
pub(super) fn read(fields: &[Field], table: &Value) -> (Values, Vec<String>) {
    let mut values = Values::new();
    let mut set = Vec::new();
    for field in fields {
        let Some(value) = at(table, &field.name) else {
            continue;
        };
        // A manifest may have forgotten to say that its `auth_token` is one.
        let forgotten = field.name.starts_with("settings.") && names_a_secret(&field.name);
        let literal = match value {
            Value::Text(_) => true,
            // A `pin` is a secret without quotes too; a `token_length` is none.
            Value::Plain(_) => {
                !matches!(field.kind, FieldKind::Integer { .. } | FieldKind::Boolean)
            }
            Value::List(_) | Value::Table(_) => false,
        };
        let secret = field.secret || (literal && forgotten);
        match text(&field.kind, value).filter(|_| !secret) {
            Some(text) => {
                values.insert(field.name.clone(), text);
            }
            None => set.push(field.name.clone()),
        }
    }
    for name in FILE_ONLY {
        if let Some(value) = table.get(name)
            && let Some(text) = text(&FieldKind::List, value)
        {
            values.entry(name.to_owned()).or_insert(text);
        }
    }
    (values, set)
}

/// One name is one page: what else the file calls so is said on it, after what it is.
pub(super) fn together(all: Vec<Declared>) -> Vec<Declared> {
    let mut pages: Vec<Declared> = Vec::new();
    for one in all {
        let Some(page) = pages.iter_mut().find(|page| page.name == one.name) else {
            pages.push(one);
            continue;
        };
        // What an entry says has these names in a sender's form as well.
        let (what, key, said) = match one.form.strip_prefix(SMS) {
            Some(plugin) => ("sender", "plugin", plugin.to_owned()),
            None => ("entry", "enable", one.enabled.to_string()),
        };
        let of = |key: &str| format!("{what}.{key}");
        page.place = format!("{} and {}", page.place, one.place);
        // A server that says who somebody is has no default: the entry beside it may be one.
        page.default |= one.default && sends(&page.form);
        if one.default {
            page.values.insert(of("default"), "true".to_owned());
        }
        page.values.insert(of(key), said);
        let values = one.values.into_iter();
        page.values
            .extend(values.map(|(key, value)| (of(&key), value)));
        page.set.extend(one.set.iter().map(|key| of(key)));
    }
    pages
}

/// A dot in a name goes one table down.
fn at<'t>(table: &'t Value, name: &str) -> Option<&'t Value> {
    name.split('.')
        .try_fold(table, |above, part| above.get(part))
}

/// `None` if a credential stands in it, though the field is no secret.
fn text(kind: &FieldKind, value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => {
            let text = text.expose();
            (!holds_a_credential(text)).then(|| text.to_owned())
        }
        Value::List(all) => {
            let all: Option<Vec<String>> = all.iter().map(|one| text(kind, one)).collect();
            Some(all?.join("\n"))
        }
        Value::Table(table) if *kind == FieldKind::Pairs => {
            let pairs = table.iter().map(|(name, value)| {
                let value = value.as_text().unwrap_or_default();
                match holds_a_credential(&format!("{name}={value}")) {
                    true => format!("{name} = [hidden]"),
                    false => format!("{name} = {value}"),
                }
            });
            Some(pairs.collect::<Vec<_>>().join("\n"))
        }
        Value::Table(table) => table.iter().next().map(|(from, name)| {
            let name = name.as_text().unwrap_or_default();
            match from.as_str() {
                "env" => format!("what the environment variable {name} says"),
                _ => format!("what the file {name} says"),
            }
        }),
        Value::Plain(text) => Some(text.expose().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields() -> Vec<Field> {
        vec![
            Field::text("issuer", "", "").of(FieldKind::Url),
            Field::text("client_secret", "", "").secret(),
            Field::text("token", "", "").secret(),
            Field::text("userinfo", "", "").of(FieldKind::Boolean),
            Field::text("scopes", "", "").of(FieldKind::List),
            Field::text("parameters", "", "").of(FieldKind::Pairs),
            Field::text("metadata", "", "").of(FieldKind::Document),
            Field::text("settings.sms_url", "", "").of(FieldKind::Url),
            Field::text("settings.from", "", ""),
            Field::text("settings.auth_token", "", ""),
            Field::text("settings.pin", "", ""),
            Field::text("settings.token_length", "", "").of(FieldKind::Integer { min: 0, max: 99 }),
            Field::text("oidc.access_token_lifetime", "", "")
                .of(FieldKind::Integer { min: 0, max: 9 }),
            Field::text("absent", "", ""),
        ]
    }

    #[test]
    fn a_section_is_shown_by_its_forms_fields_and_its_secrets_are_only_set() {
        let table: toml::Table = toml::from_str(
            r#"
            issuer = "https://idp.example"
            client_secret = "canary-literal"
            token = { env = "CANARY" }
            userinfo = false
            scopes = ["openid", "email"]
            metadata = "partner.xml"
            ca_files = ["a.pem", "b.pem"]
            unknown = "canary-unknown"
            [parameters]
            api_key = "canary-parameter"
            prompt = "login"
            [settings]
            sms_url = "https://sms.example/send?api_key=canary-url&to=$ctx.num"
            from = { file = "from.txt" }
            auth_token = "canary-forgotten"
            pin = 5309
            token_length = 32
            [oidc]
            access_token_lifetime = 60
            "#,
        )
        .unwrap();
        let (values, set) = read(&fields(), &Value::from(toml::Value::Table(table)));
        assert_eq!(
            set,
            [
                "client_secret",
                "token",
                "settings.sms_url",
                "settings.auth_token",
                "settings.pin"
            ]
        );
        let expected = [
            ("ca_files", "a.pem\nb.pem"),
            ("issuer", "https://idp.example"),
            ("metadata", "partner.xml"),
            ("oidc.access_token_lifetime", "60"),
            ("parameters", "api_key = [hidden]\nprompt = login"),
            ("scopes", "openid\nemail"),
            ("settings.from", "what the file from.txt says"),
            ("settings.token_length", "32"),
            ("userinfo", "false"),
        ];
        let expected: Values = expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn what_the_file_calls_the_same_is_one_page_and_nothing_of_it_is_lost() {
        let one = |form: &str, default: bool, place: &str, key: &str| Declared {
            name: "corp".to_owned(),
            form: form.to_owned(),
            enabled: true,
            default,
            place: place.to_owned(),
            values: [(key.to_owned(), place.to_owned())].into(),
            set: vec!["kept".to_owned()],
        };
        let other = Declared {
            name: "other".to_owned(),
            ..one("saml", false, "d", "allow")
        };
        let pages = together(vec![
            one("oidc", false, "a", "allow"),
            one("sms-otp/twilio", false, "b", "allow"),
            other.clone(),
            one("sms-otp", true, "c", "senders"),
        ]);
        let [page, rest] = &pages[..] else {
            panic!("{pages:?}");
        };
        assert_eq!(*rest, other);
        assert_eq!((page.form.as_str(), page.default), ("oidc", false));
        assert_eq!(page.place, "a and b and c");
        assert_eq!(page.set, ["kept", "sender.kept", "entry.kept"]);
        let values: Vec<_> = page.values.iter().map(|(a, b)| (&**a, &**b)).collect();
        let expected = [
            ("allow", "a"),
            ("entry.default", "true"),
            ("entry.enable", "true"),
            ("entry.senders", "c"),
            ("sender.allow", "b"),
            ("sender.plugin", "twilio"),
        ];
        assert_eq!(values, expected);
        // What sends is the default itself.
        let pages = together(vec![
            one("sms-otp/twilio", false, "b", "allow"),
            one("sms-otp", true, "c", "senders"),
        ]);
        assert!(pages[0].default);
        assert_eq!(pages[0].values["entry.default"], "true");
    }
}
