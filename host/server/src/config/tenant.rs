//! A tenant's settings document: what the configuration says of the second step, senders, user stores,
//! peers and limits, for one tenant. Read whole: a key that is missing has its default, never the super
//! tenant's value. TOML, or the older product's XML, which becomes TOML first.

use super::credential::{carries_a_password, names_a_secret};
use super::limits::Limits;
use super::problems::{Findings, Problem, Warning};
use super::secret::Surroundings;
use super::section::Section;
use super::sender::{self, Sender};
use super::sms_otp::SmsOtp;
use super::{
    Config, UserStores, account_attribute_named, entries, entries_named, senders_and_outbox,
    senders_named,
};
use crate::import;
use postern_federation::Entries;
use postern_login::TenantId;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// The folder beside the configuration file.
pub(crate) const FOLDER: &str = "tenants";

#[derive(Debug, Clone)]
pub struct TenantDocument {
    /// The name at the top of the tenant's pages.
    pub brand: Option<String>,
    pub senders: BTreeMap<String, Sender>,
    pub sms_otp: SmsOtp,
    pub user_stores: UserStores,
    /// As the document has them; `entries_of` gives them their tenant.
    federation: Entries,
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
        let mut findings = Findings::default();
        let table = table(text, host, &mut findings)?;
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
        let user_stores = UserStores::read(
            root.table("user_store"),
            &sms_otp.user_stores,
            base,
            surroundings,
        );
        let senders = sender::read_all(root.table("sender"), base, surroundings);
        let federation = entries(&mut root, base, surroundings);
        root.finish();
        for problem in federation.check() {
            findings.problem(&problem.key, problem.message);
        }
        if surroundings.is_closed() {
            refuse_files(&senders, &user_stores, &mut findings);
        }
        entries_named(&federation, &sms_otp, &mut findings);
        account_attribute_named(&federation, &sms_otp, &mut findings);
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
            user_stores,
            federation,
            limits,
            warnings,
        })
    }

    /// Whom the tenant federates with.
    pub fn entries_of(&self, tenant: &TenantId) -> Entries {
        let providers = self.federation.identity_providers.iter().map(|provider| {
            let mut provider = provider.as_ref().clone();
            provider.tenant = tenant.as_str().to_owned();
            Arc::new(provider)
        });
        let parties = self.federation.relying_parties.iter().map(|party| {
            let mut party = party.as_ref().clone();
            party.tenant = tenant.as_str().to_owned();
            Arc::new(party)
        });
        Entries {
            own_sign_in: self.federation.own_sign_in.clone(),
            identity_providers: providers.collect(),
            relying_parties: parties.collect(),
        }
    }
}

fn table(text: &str, host: &Config, findings: &mut Findings) -> Result<toml::Table, Vec<Problem>> {
    let problem = |key: String, message: String| vec![Problem { key, message }];
    if !is_xml(text) {
        return toml::from_str(text).map_err(|error| {
            // The error's own display quotes the line, which may hold a secret.
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            problem(
                format!("line {line}"),
                format!("not TOML: {}", error.message()),
            )
        });
    }
    let (table, report) =
        imported(text, host).map_err(|why| problem("the document".to_owned(), why))?;
    for line in report.lines {
        match line.what {
            import::What::Taken => {}
            import::What::Changed | import::What::Left | import::What::Note => {
                let key = if line.old.is_empty() {
                    line.new
                } else {
                    line.old
                };
                findings.warning(&key, line.message);
            }
        }
    }
    Ok(table)
}

fn is_xml(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.trim_start().starts_with('<')
}

fn imported(text: &str, host: &Config) -> Result<(toml::Table, import::Report), String> {
    let public_url = Url::parse(&host.server.public_url)
        .map_err(|error| format!("server.public_url cannot be read: {error}"))?;
    let input = import::Input {
        name: "the document",
        text,
    };
    let imported = import::for_tenant(&[input], &public_url)?;
    let table = toml::from_str(&imported.document.to_toml())
        .map_err(|error| format!("what it says cannot be read: {}", error.message()))?;
    Ok((table, imported.report))
}

/// What a document in the store says must not reach files of the host: a database file may be the one
/// that holds every tenant's rows (attack Q-10).
fn refuse_files(
    senders: &BTreeMap<String, Sender>,
    user_stores: &UserStores,
    findings: &mut Findings,
) {
    const WHY: &str = "names a file of the host: expected none, because this document is in the store; a file `tenants/NAME.toml` may";
    for sender in senders
        .values()
        .filter(|sender| !sender.ca_files.is_empty())
    {
        findings.problem(&format!("sender.{}.ca_files", sender.name), WHY);
    }
    for name in user_stores.files() {
        let name = name.to_ascii_lowercase();
        findings.problem(&format!("user_store.{name}.url"), WHY);
    }
}

/// Every value that may be a secret as `"[hidden]"`: those of senders, and those whose names say so.
/// XML is shown as the TOML it becomes; what cannot be read is hidden whole.
pub(crate) fn hide_secrets(text: &str, host: &Config) -> String {
    let read = match is_xml(text) {
        true => imported(text, host).ok().map(|(table, _)| table),
        false => toml::from_str::<toml::Table>(text).ok(),
    };
    let Some(mut table) = read else {
        return "# this document cannot be read, so nothing of it is shown".to_owned();
    };
    hide(&mut table, false);
    toml::to_string_pretty(&table).unwrap_or_default()
}

fn hide(table: &mut toml::Table, all: bool) {
    for (name, value) in table.iter_mut() {
        let below = all || matches!(name.as_str(), "settings" | "secrets" | "parameters");
        match value {
            toml::Value::Table(table) => hide(table, below),
            // `token_length` names one and is a number.
            toml::Value::Integer(_) | toml::Value::Boolean(_) if !below => {}
            _ if below
                || names_a_secret(name)
                || value.as_str().is_some_and(carries_a_password) =>
            {
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
            (
                "[sms_otp]\nusecase = \"userAttribute\"\n",
                "sms_otp.user_attribute: missing",
            ),
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
        let shown = hide_secrets(GOOD, &host());
        assert!(shown.contains("Acme") && shown.contains("nexmo"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(!hide_secrets("token = k-canary", &host()).contains("canary"));
    }

    ///
    #[test]
    fn a_document_in_the_store_names_no_file_of_the_host() {
        for (text, expected) in [
            (
                "[user_store.primary]\nkind = \"sql\"\nurl = \"sqlite:///var/lib/postern/postern.db\"\n",
                "user_store.primary.url: names a file",
            ),
            (
                "[sms_otp]\nsenders = [\"own\"]\n[sender.own]\nplugin = \"nexmo\"\nca_files = [\"/etc/passwd\"]\n",
                "sender.own.ca_files: names a file",
            ),
        ] {
            let problems = read(text).unwrap_err();
            assert!(
                problems.iter().any(|problem| problem.contains(expected)),
                "{text}: {problems:?}"
            );
        }
    }

    /// sms-otp 6: the same XML format as the local file.
    #[test]
    fn the_older_products_xml_is_a_document() {
        let xml = "<?xml version=\"1.0\"?>\n<ApplicationAuthentication><AuthenticatorConfigs><AuthenticatorConfig name=\"SMSOTP\" enabled=\"true\"><Parameter name=\"SMSOTPMandatory\">true</Parameter><Parameter name=\"TokenLength\">8</Parameter></AuthenticatorConfig></AuthenticatorConfigs></ApplicationAuthentication>";
        let document = read(xml).unwrap();
        assert_eq!(document.sms_otp.factor.challenge.format.length, 8);
        // What the file does not say is absent as in the older product, not the super tenant's.
        assert!(!document.sms_otp.factor.retry);
        assert!(hide_secrets(xml, &host()).contains("token_length = 8"));
    }

    #[test]
    fn xml_that_is_broken_or_dangerous_is_refused() {
        for xml in [
            "<ApplicationAuthentication>",
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
            "<a/>",
        ] {
            let problems = read(xml).unwrap_err();
            assert_eq!(problems.len(), 1, "{xml}: {problems:?}");
        }
    }

    #[test]
    fn whom_a_tenant_federates_with_is_its_own() {
        let text = "[sign_in]\nfirst_step = [\"corp\"]\n[identity_provider.corp]\nprotocol = \"oidc\"\nissuer = \"https://idp.example\"\nclient_id = \"postern\"\nclient_secret = \"k-canary-k-canary\"\n";
        let tenant = TenantId::parse("a.example").unwrap();
        let entries = read(text).unwrap().entries_of(&tenant);
        assert_eq!(entries.identity_providers[0].tenant, "a.example");
        assert_eq!(entries.own_sign_in.identity_providers, ["corp"]);
        assert!(!hide_secrets(text, &host()).contains("canary"));
        let database =
            "[user_store.primary]\nkind = \"sql\"\nurl = \"postgres://u:k-canary@db/x\"\n";
        assert!(!hide_secrets(database, &host()).contains("canary"));
    }
}
