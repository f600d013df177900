//! A tenant's settings document: what the configuration says of the second step, senders and limits,
//! for one tenant. Read whole: a key that is missing has its default, never the super tenant's value.

use super::limits::Limits;
use super::problems::{Findings, Problem, Warning};
use super::secret::Surroundings;
use super::section::Section;
use super::sender::{self, Sender};
use super::sms_otp::SmsOtp;
use super::{Config, senders_and_outbox, senders_named};
use std::collections::BTreeMap;
use std::path::Path;

/// The folder beside the configuration file.
pub(crate) const FOLDER: &str = "tenants";

#[derive(Debug, Clone)]
pub struct TenantDocument {
    /// The name at the top of the tenant's pages.
    pub brand: Option<String>,
    pub senders: BTreeMap<String, Sender>,
    pub sms_otp: SmsOtp,
    pub limits: Limits,
    pub warnings: Vec<Warning>,
}

impl TenantDocument {
    /// `host` gives what no tenant may set: the public address, and the bounds of plugins and
    /// requests. References are resolved in `surroundings`, paths below `base`.
    pub fn read(
        text: &str,
        host: &Config,
        base: &Path,
        surroundings: &Surroundings,
    ) -> Result<Self, Vec<Problem>> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            // The error's own display quotes the line, which may hold a secret.
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            vec![Problem {
                key: format!("line {line}"),
                message: format!("not TOML: {}", error.message()),
            }]
        })?;
        let mut findings = Findings::default();
        let mut root = Section::root(table, &mut findings);
        let brand = root
            .optional::<String>("brand", "the name at the top of the pages")
            .filter(|brand| !brand.trim().is_empty());
        if brand
            .as_ref()
            .is_some_and(|brand| brand.chars().count() > 64 || brand.contains(char::is_control))
        {
            root.problem("brand", "expected one line of at most 64 characters");
        }
        let limits = Limits::read_for_tenant(root.table("limits"), &host.limits);
        let sms_otp = SmsOtp::read(root.table("sms_otp"), &host.server, &limits);
        let senders = sender::read_all(root.table("sender"), base, surroundings);
        root.finish();
        senders_named(&senders, &sms_otp, &mut findings);
        senders_and_outbox(&senders, host.outbox.is_some(), &mut findings);
        let Findings { problems, warnings } = findings;
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            brand,
            senders,
            sms_otp,
            limits,
            warnings,
        })
    }
}

/// Every value that may be a secret as `"[hidden]"`: those of senders, and those whose names say so.
/// What is no TOML is hidden whole.
pub(crate) fn hide_secrets(text: &str) -> String {
    let Ok(mut table) = toml::from_str::<toml::Table>(text) else {
        return "# this document is not TOML, so nothing of it is shown".to_owned();
    };
    hide(&mut table, false);
    toml::to_string_pretty(&table).unwrap_or_default()
}

fn hide(table: &mut toml::Table, all: bool) {
    for (name, value) in table.iter_mut() {
        let below = all || name == "settings" || name == "secrets";
        match value {
            toml::Value::Table(table) => hide(table, below),
            _ if below || sender::names_a_secret(name) => {
                *value = toml::Value::String("[hidden]".to_owned());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host() -> Config {
        let text = "[server]\npublic_url = \"http://localhost:9443\"\n[sms_otp]\nsenders = [\"main\"]\ntoken_length = 8\n[sender.main]\nplugin = \"twilio\"\n";
        let surroundings = Surroundings::pretended(&[], &[("postern.toml", text)]);
        Config::load_in(Path::new("postern.toml"), &surroundings).unwrap()
    }

    fn read(text: &str) -> Result<TenantDocument, Vec<String>> {
        let read = TenantDocument::read(text, &host(), Path::new(""), &Surroundings::closed());
        read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    const GOOD: &str = "brand = \"Acme\"\n[sms_otp]\nsenders = [\"own\"]\n[sender.own]\nplugin = \"nexmo\"\nsettings = { api_key = \"k-canary\" }\n[limits]\nsends_per_account = 2\n";

    /// sms-otp 6: never merged key by key.
    #[test]
    fn what_a_document_does_not_say_has_its_default_and_not_the_super_tenants_value() {
        let document = read(GOOD).unwrap();
        assert_eq!(document.brand.as_deref(), Some("Acme"));
        assert_eq!(document.sms_otp.factor.challenge.format.length, 6);
        assert_eq!(document.limits.send.per_account.0, 2);
        assert_eq!(document.limits.send.per_number.0, 5);
        assert_eq!(document.senders.keys().collect::<Vec<_>>(), ["own"]);
    }

    #[test]
    fn a_document_names_no_sender_of_the_super_tenant_and_nothing_of_the_host() {
        for (text, expected) in [
            (
                "[sms_otp]\nsenders = [\"main\"]\n",
                "there is no sender `main`",
            ),
            (
                "[server]\npublic_url = \"http://x\"\n",
                "server: unknown key",
            ),
            ("[plugins]\nfolder = \"/\"\n", "plugins: unknown key"),
            (
                "[limits.request]\nin_flight = 1\n",
                "limits.request: unknown key",
            ),
            ("[limits.plugin]\n", "limits.plugin: unknown key"),
            (
                "[limits]\nattempts_per_challenge = 99\n",
                "limits.attempts_per_challenge",
            ),
            ("brand = 1\n", "brand: found"),
        ] {
            let problems = read(text).unwrap_err();
            assert!(
                problems.iter().any(|problem| problem.contains(expected)),
                "{text}: {problems:?}"
            );
        }
    }

    /// a document in the store reaches neither files nor environment of the host.
    #[test]
    fn a_document_in_the_store_cannot_refer_to_what_the_host_holds() {
        for reference in ["{ env = \"HOME\" }", "{ file = \"keys/form.key\" }"] {
            let text = GOOD.replace("\"k-canary\"", reference);
            let problems = read(&text).unwrap_err();
            assert!(problems[0].contains("a reference"), "{problems:?}");
        }
    }

    #[test]
    fn a_document_that_is_no_toml_is_told_by_its_line_and_not_by_its_words() {
        let problems = read("brand = \"Acme\"\n[sender.own\ntoken = \"k-canary\"\n").unwrap_err();
        assert!(problems[0].starts_with("line 2: not TOML"), "{problems:?}");
        assert!(!problems[0].contains("canary"));
    }

    #[test]
    fn a_document_is_shown_without_its_secrets() {
        let shown = hide_secrets(GOOD);
        assert!(shown.contains("Acme") && shown.contains("nexmo"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(!hide_secrets("token = k-canary").contains("canary"));
    }
}
