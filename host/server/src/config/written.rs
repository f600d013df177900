//! The tables of the file that the console lists, as they are written there: for who looks at them and
//! cannot change them.

use postern_federation::Secret;
use std::collections::BTreeMap;
use std::path::Path;

const LISTED: [&str; 5] = [
    "identity_provider",
    "relying_party",
    "provisioning",
    SENDER,
    SMS_OTP_ENTRY,
];
const SENDER: &str = "sender";
pub(crate) const SMS_OTP_ENTRY: &str = "sms_otp.identity_provider";

/// By what they are called in the file, as `identity_provider.corp`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(BTreeMap<String, Entry>);

#[derive(Debug, Clone)]
struct Entry {
    /// `postern.toml, [identity_provider.corp]`
    place: String,
    table: Value,
}

/// A value as it stands in the file. Which of them is a secret only forms and plugins say (a `pin` is one
/// without quotes too), so that each is wiped when it goes.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Secret),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
    /// A number, a flag or a date, as it is written.
    Plain(Secret),
}

impl From<toml::Value> for Value {
    fn from(value: toml::Value) -> Self {
        match value {
            toml::Value::String(text) => Self::Text(Secret::new(text)),
            toml::Value::Array(all) => Self::List(all.into_iter().map(Self::from).collect()),
            toml::Value::Table(table) => {
                let below = table.into_iter();
                Self::Table(below.map(|(name, value)| (name, value.into())).collect())
            }
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => Self::Plain(Secret::new(value.to_string())),
        }
    }
}

impl Value {
    /// What a table has under this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Table(below) => below.get(name),
            Self::Text(_) | Self::List(_) | Self::Plain(_) => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.expose()),
            Self::Table(_) | Self::List(_) | Self::Plain(_) => None,
        }
    }
}

impl Written {
    pub(super) fn of(file: &Path, root: &toml::Table) -> Self {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        let mut all = BTreeMap::new();
        for section in LISTED {
            let mut parts = section.split('.');
            let Some(named) = parts.try_fold(root, |above, part| above.get(part)?.as_table())
            else {
                continue;
            };
            for (name, value) in named {
                if value.is_table() {
                    let key = key(section, name);
                    let entry = Entry {
                        place: format!("{file}, [{key}]"),
                        table: value.clone().into(),
                    };
                    all.insert(key, entry);
                }
            }
        }
        Self(all)
    }

    /// A sender with a file of its own.
    pub(super) fn add_sender(&mut self, file: &Path, text: &str) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        if let Ok(table) = toml::from_str(text) {
            let place = format!("{}/{name}.toml", super::sender::FOLDER);
            let table = toml::Value::Table(table).into();
            self.0.insert(key(SENDER, &name), Entry { place, table });
        }
    }

    pub(crate) fn names(&self, section: &str) -> impl Iterator<Item = &str> {
        let before = key(section, "");
        let keys = self.0.keys();
        keys.filter_map(move |key| key.strip_prefix(&before))
    }

    pub(crate) fn place(&self, section: &str, name: &str) -> String {
        let entry = self.0.get(&key(section, name));
        entry.map_or_else(String::new, |entry| entry.place.clone())
    }

    pub(crate) fn table(&self, section: &str, name: &str) -> Option<&Value> {
        self.0.get(&key(section, name)).map(|entry| &entry.table)
    }
}

fn key(section: &str, name: &str) -> String {
    format!("{section}.{name}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is wiped prints as `[secret]`, and everything else as it is.
    #[test]
    fn no_value_of_the_file_is_kept_but_in_what_is_wiped() {
        let root: toml::Table = toml::from_str(
            r#"
            [identity_provider.corp]
            client_secret = "canary-client"
            parameters = { api_key = "canary-parameter" }
            [relying_party.shop.oidc]
            client_secret = "canary-shop"
            access_token_lifetime = 60
            [provisioning.peer]
            token = "canary-token"
            default_password = { file = "canary.txt" }
            [sender.acme.settings]
            sid = "canary-of-the-plugin"
            pin = 530917
            [sender.acme.secrets]
            key = "canary-secret"
            [sms_otp.identity_provider.bank]
            values_to_be_masked = ["canary-masked"]
            "#,
        )
        .unwrap();
        let mut written = Written::of(Path::new("postern.toml"), &root);
        let own = "[settings]\nauth_token = \"canary-own\"\n";
        written.add_sender(Path::new("senders/own.toml"), own);
        let kept = format!("{written:?}");
        for name in [
            "identity_provider.corp",
            "relying_party.shop",
            "provisioning.peer",
            "sender.acme",
            "sms_otp.identity_provider.bank",
            "sender.own",
            "auth_token",
            "pin",
        ] {
            assert!(kept.contains(name), "{name}: {kept}");
        }
        for value in ["canary", "530917"] {
            assert!(!kept.contains(value), "{value}: {kept}");
        }
        let settings = written.table("sender", "own").unwrap().get("settings");
        let token = settings.unwrap().get("auth_token").unwrap();
        assert_eq!(token.as_text(), Some("canary-own"));
    }
}
