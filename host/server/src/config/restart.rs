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
    use crate::config::tests::load_with;
    use std::collections::BTreeSet;

    /// The page of the documentation is written from the same list; here each entry is what it says.
    #[test]
    fn each_key_that_waits_is_told_by_a_change_of_it_alone_and_no_other_key_is() {
        let load =
            |text: &str| load_with(text, &[]).unwrap_or_else(|error| panic!("{text}{error}"));
        let before = load("");
        let mut told = BTreeSet::new();
        for (table, key, value) in [
            ("server", "public_url", "\"https://login.example\""),
            ("server", "listen", "\"127.0.0.1:1\""),
            ("server", "admin_listen", "\"127.0.0.1:2\""),
            ("server", "admin_url", "\"https://admin.example\""),
            ("server", "data_dir", "\"elsewhere\""),
            ("server", "trusted_proxies", "[\"192.0.2.1\"]"),
            ("server", "other_hosts", "[\"other.example\"]"),
            ("server", "admin_token", "\"0123456789abcdef0123456789\""),
            ("tls", "certificate", "\"c.pem\"\nkey = \"k.pem\""),
            ("plugins", "folder", "\"elsewhere\""),
            ("outbox", "messages", "10"),
            ("log", "filter", "\"debug\""),
            ("audit", "keep_days", "365"),
            ("saml", "entity_id", "\"urn:login\""),
            ("limits.request", "in_flight", "7"),
            ("limits.plugin", "calls_per_plugin", "3"),
            ("limits.breaker", "failures", "3"),
            ("limits.quarantine", "faults", "3"),
        ] {
            let next = load(&format!("[{table}]\n{key} = {value}\n"));
            let changed: Vec<_> = changed(&before, &next).collect();
            let name = match keys().find(|known| *known == table) {
                Some(table) => table.to_owned(),
                None => format!("{table}.{key}"),
            };
            assert_eq!(changed, [name.as_str()]);
            told.insert(name);
        }
        assert_eq!(told.len(), keys().count(), "{told:?}");
        for text in [
            "[server]\nbrand = \"House\"\n",
            "[sms_otp]\ntoken_length = 8\n",
            "[limits]\nsends_per_account = 2\n",
            "[sign_in]\nfirst_step = [\"password\"]\n",
            "[sender.acme]\nplugin = \"twilio\"\n",
            "[scim]\nuser_store = \"PRIMARY\"\n",
            "[user_store.hr]\nkind = \"local\"\n",
        ] {
            assert_eq!(changed(&before, &load(text)).next(), None, "{text}");
        }
    }
}
