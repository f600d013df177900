//! The tables of the file that the console lists, as they are written there: for who looks at them and
//! cannot change them.

use std::collections::BTreeMap;
use std::fmt;
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
#[derive(Clone, Default)]
pub(crate) struct Written(BTreeMap<String, Entry>);

#[derive(Clone)]
struct Entry {
    /// `postern.toml, [identity_provider.corp]`
    place: String,
    table: toml::Table,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any value may be a secret: only the forms know.
        f.write_str("Written")
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
                if let toml::Value::Table(table) = value {
                    let key = key(section, name);
                    let entry = Entry {
                        place: format!("{file}, [{key}]"),
                        table: table.clone(),
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

    pub(crate) fn table(&self, section: &str, name: &str) -> Option<&toml::Table> {
        self.0.get(&key(section, name)).map(|entry| &entry.table)
    }
}

fn key(section: &str, name: &str) -> String {
    format!("{section}.{name}")
}
