//! What of a changed file waits for a restart. Everything else holds for the next sign-in.

use super::Config;

type Differs = fn(&Config, &Config) -> bool;

/// Keys and tables whose new value nobody sees before the next start.
const WAITS: [(&str, Differs); 18] = [
    ("server.public_url", |a, b| {
        a.server.public_url != b.server.public_url
    }),
    ("server.listen", |a, b| a.server.listen != b.server.listen),
    ("server.admin_listen", |a, b| {
        a.server.admin_listen != b.server.admin_listen
    }),
    ("server.admin_url", |a, b| {
        a.server.admin_url != b.server.admin_url
    }),
    ("server.data_dir", |a, b| {
        a.server.data_dir != b.server.data_dir
    }),
    ("server.trusted_proxies", |a, b| {
        a.server.trusted_proxies != b.server.trusted_proxies
    }),
    ("server.other_hosts", |a, b| {
        a.server.other_hosts != b.server.other_hosts
    }),
    ("server.admin_token", |a, b| {
        a.server.admin_token != b.server.admin_token
    }),
    ("tls", |a, b| a.tls.is_some() != b.tls.is_some()),
    ("plugins", |a, b| a.plugins != b.plugins),
    ("outbox", |a, b| a.outbox != b.outbox),
    ("log", |a, b| a.log != b.log),
    ("audit", |a, b| a.audit_kept_for != b.audit_kept_for),
    ("saml.entity_id", |a, b| {
        a.saml_entity_id != b.saml_entity_id
    }),
    ("limits.request", |a, b| {
        a.limits.request != b.limits.request
    }),
    ("limits.plugin", |a, b| a.limits.plugin != b.limits.plugin),
    ("limits.breaker", |a, b| {
        a.limits.health.breaker != b.limits.health.breaker
    }),
    ("limits.quarantine", |a, b| {
        a.limits.health.quarantine != b.limits.health.quarantine
    }),
];

/// Those that `next` changes.
pub(crate) fn changed(before: &Config, next: &Config) -> impl Iterator<Item = &'static str> {
    WAITS
        .iter()
        .filter(move |(_, differs)| differs(before, next))
        .map(|(key, _)| *key)
}

/// All of them.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    WAITS.iter().map(|(key, _)| *key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::reference::{Key, Table, tables};
    use crate::config::tests::load_with;
    use std::collections::BTreeSet;

    /// What holds at once, by table or by key; of what has a name of its own, with the tables below it.
    const AT_ONCE: [&str; 14] = [
        "server.brand",
        "sms_otp",
        "sms_otp.text",
        "sms_otp.after.NAME",
        "sms_otp.identity_provider.NAME",
        "sender.NAME",
        "user_store.NAME",
        "sign_in",
        "identity_provider.NAME",
        "relying_party.NAME",
        "scim",
        "provisioning.NAME",
        "limits",
        "limits.conversion",
    ];

    fn load(text: &str) -> Config {
        load_with(text, &[]).unwrap_or_else(|error| panic!("{text}{error}"))
    }

    fn holds_at_once(table: &str, key: &str) -> bool {
        AT_ONCE.iter().any(|known| match known.ends_with("NAME") {
            true => is_within(known, table),
            false => *known == table || *known == key,
        })
    }

    /// As what a change of this key is told, if it waits.
    fn told_as(name: &str) -> Option<&'static str> {
        keys().find(|known| is_within(known, name))
    }

    fn is_within(above: &str, name: &str) -> bool {
        let below = name.strip_prefix(above);
        below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
    }

    /// Values as TOML that are likely to be others than the one of the reference, and at last that one.
    fn values(key: &Key) -> Vec<String> {
        let read: toml::Table = toml::from_str(&format!("x = {}", key.shown())).unwrap();
        let mut values = match &read["x"] {
            toml::Value::Boolean(flag) => vec![(!flag).to_string()],
            toml::Value::Integer(n) => [n - 1, n + 1, n / 2, n * 2].map(|n| n.to_string()).to_vec(),
            toml::Value::String(text) => {
                // A word that the help names, another folder, another port.
                let words = key.help.split('`').skip(1).step_by(2);
                let mut texts: Vec<String> = words.map(str::to_owned).collect();
                texts.push(format!("{text}x"));
                texts.push(format!(
                    "{}0",
                    text.get(..text.len().saturating_sub(1)).unwrap_or_default()
                ));
                let quoted = texts.into_iter().map(|text| format!("{text:?}"));
                quoted.collect()
            }
            toml::Value::Array(_) => vec!["[\"192.0.2.1\"]".to_owned()],
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => Vec::new(),
        };
        values.push(key.shown().to_owned());
        values
    }

    /// What is told when this key changes: alone, beside the others of its table where those must be said
    /// with it, or beside another value of one of them that allows it.
    fn told_by_a_change(table: &Table, key: &Key, usual: &Config) -> Vec<&'static str> {
        let mut beside = vec![String::new(), all_but(table, key)];
        beside.extend(others(table, key).flat_map(|other| {
            let values = values(other).into_iter();
            values.map(move |value| line(other, &value))
        }));
        let told = beside.iter().find_map(|beside| {
            let each = told_beside(table, key, beside, usual);
            each.into_iter().find(|told| !told.is_empty())
        });
        told.unwrap_or_default()
    }

    fn line(key: &Key, value: &str) -> String {
        format!("{} = {value}\n", key.name)
    }

    fn others<'a>(table: &'a Table, key: &'a Key) -> impl Iterator<Item = &'a Key> {
        table
            .keys
            .iter()
            .filter(move |other| other.name != key.name)
    }

    /// The others of its table, as the reference shows them.
    fn all_but(table: &Table, key: &Key) -> String {
        let lines = others(table, key).map(|other| line(other, other.shown()));
        lines.collect()
    }

    /// What is told when this key is set beside these lines, for each of its values with which that loads.
    fn told_beside(
        table: &Table,
        key: &Key,
        beside: &str,
        usual: &Config,
    ) -> Vec<Vec<&'static str>> {
        let heading = table.path.replace("NAME", table.name);
        let without = load_with(&format!("[{heading}]\n{beside}"), &[]).ok();
        let before = without.as_ref().unwrap_or(usual);
        let mut told = Vec::new();
        for value in values(key) {
            let text = format!("[{heading}]\n{}{beside}", line(key, &value));
            if let Ok(next) = load_with(&text, &[]) {
                told.push(changed(before, &next).collect());
            }
        }
        told
    }

    /// The page of the documentation is written from the same list; here each entry is what it says. A
    /// key that is new in the reference is told, or is known to hold at once. Of one that holds at once
    /// nothing is checked beyond that where no value of it loads, alone or beside all others of its table:
    /// what needs another table, or a file, is not made here.
    #[test]
    fn each_key_of_the_reference_that_waits_is_told_by_a_change_of_it_and_no_other_key_is() {
        let before = load("");
        let mut told = BTreeSet::new();
        for table in tables() {
            for key in table.keys {
                let name = format!("{}.{}", table.path, key.name);
                let waits = told_as(&name);
                assert_ne!(
                    holds_at_once(table.path, &name),
                    waits.is_some(),
                    "`{name}` waits for a restart or holds at once: one of the two lists says so"
                );
                if let Some(waits) = waits {
                    let told_now = told_by_a_change(table, key, &before);
                    assert_eq!(told_now, [waits], "{name}");
                    told.insert(waits);
                    continue;
                }
                for beside in [String::new(), all_but(table, key)] {
                    let each = told_beside(table, key, &beside, &before);
                    assert!(each.iter().all(Vec::is_empty), "{name}: {each:?}");
                }
            }
        }
        assert_eq!(told.len(), keys().count(), "{told:?}");
        // What has a name of its own says more than one key.
        for text in [
            "[sender.acme]\nplugin = \"twilio\"\n",
            "[user_store.hr]\nkind = \"local\"\n",
        ] {
            assert_eq!(changed(&before, &load(text)).next(), None, "{text}");
        }
    }
}
