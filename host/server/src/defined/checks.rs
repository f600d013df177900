//! What is wrong with a definition beside everything else that there is: when it is saved, and when the
//! file changes under it.

use super::dialects;
use super::merged::{Merged, Sending, of_the_console};
use super::{Defined, SMS_OTP, connectors};
use crate::config::{Config, provisioning};
use postern_admin::definitions::{
    DIALECT, Definition, IDENTITY_PROVIDER, RESIDENT, SMS_ENTRY, Sort, sends,
};
use postern_federation::{Problem, RelyingParty};
use postern_login::TenantId;
use std::sync::Arc;

impl Defined {
    /// What is wrong with it, field by field, beside everything that there is.
    pub(super) async fn problems_of(
        &self,
        sort: Sort,
        name: &str,
        definition: &Definition,
    ) -> Vec<(String, String)> {
        if definition.form == SMS_ENTRY {
            let words = "only in the file: expected the form of a plugin, as `sms-otp/twilio`";
            return vec![("form".to_owned(), words.to_owned())];
        }
        if sort == Sort::IdentityProvider && sends(&definition.form) {
            let read = self
                .entry(definition, &self.file().limits)
                .and_then(|_| self.sender(name, definition));
            let sender = match read {
                Ok(sender) => sender,
                Err(problems) => return problems,
            };
            match self.misplaced(name, definition).await {
                Ok(problems) if problems.is_empty() => {}
                Ok(problems) => return problems,
                Err(error) => return vec![(String::new(), format!("{error:#}"))],
            }
            let found = self.gateway.check(&[sender]).await;
            return found
                .into_iter()
                .map(|problem| {
                    let field = match problem.setting {
                        Some(setting) if matches!(setting.as_str(), "plugin" | "allow") => setting,
                        Some(setting) => format!("settings.{setting}"),
                        None => String::new(),
                    };
                    (field, problem.message)
                })
                .collect();
        }
        let failed = |error: anyhow::Error| vec![(String::new(), format!("{error:#}"))];
        if sort == Sort::ClaimDialect {
            let problems = dialects::check(definition);
            return match self.broken_by(name, definition).await {
                Ok(_) if !problems.is_empty() => problems,
                Ok(broken) => broken,
                Err(error) => failed(error),
            };
        }
        if sort == Sort::Inbound {
            return match connectors::read_inbound(definition) {
                Ok(inbound) => connectors::unknown_stores(&inbound, &self.file().user_stores),
                Err(problems) => problems,
            };
        }
        let (merged, dialects) = match (self.merged(&self.file()).await, self.dialects().await) {
            (Ok(merged), Ok(dialects)) => (merged, dialects),
            (Err(error), _) | (_, Err(error)) => return failed(error),
        };
        let mut entries = merged.entries;
        let section = match sort {
            Sort::IdentityProvider => match self.identity_provider(name, definition, &dialects) {
                Ok(provider) => {
                    let all = &mut entries.identity_providers;
                    all.retain(|one| one.name != name);
                    all.push(Arc::new(provider));
                    "identity_provider"
                }
                Err(problems) => return problems,
            },
            Sort::Connector => {
                return match connectors::read(name, definition) {
                    Ok(connector) => provisioning::unknown_provider(&connector, &entries)
                        .map(|words| (IDENTITY_PROVIDER.to_owned(), words))
                        .into_iter()
                        .collect(),
                    Err(problems) => problems,
                };
            }
            Sort::ServiceProvider | Sort::ClaimDialect | Sort::Inbound => {
                match self.relying_party(name, definition, &dialects) {
                    Ok(party) => {
                        let file = self.file();
                        if let Some(words) = unknown_entry(&party, &file, &merged.sending) {
                            return vec![(SMS_OTP.to_owned(), words)];
                        }
                        let all = &mut entries.relying_parties;
                        all.retain(|one| one.name != name);
                        all.push(Arc::new(party));
                        "relying_party"
                    }
                    Err(problems) => return problems,
                }
            }
        };
        below(&entries.check(), &format!("{section}.{name}"))
    }

    /// What a changed dialect breaks of the providers that speak it.
    async fn broken_by(
        &self,
        dialect: &str,
        definition: &Definition,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let tenant = TenantId::super_tenant();
        let mut dialects = self.dialects().await?;
        dialects.insert(dialect.to_owned(), dialects::of(definition));
        let mut problems = Vec::new();
        for sort in [Sort::IdentityProvider, Sort::ServiceProvider] {
            for document in self.documents.list(&tenant, sort.kind()).await? {
                let speaker: Definition = serde_json::from_str(&document.body)?;
                if speaker.values.get(DIALECT).map(String::as_str) != Some(dialect) {
                    continue;
                }
                let name = &document.key.name;
                let read = match sort {
                    Sort::IdentityProvider => self
                        .identity_provider(name, &speaker, &dialects)
                        .map(|_| ()),
                    Sort::ServiceProvider
                    | Sort::ClaimDialect
                    | Sort::Connector
                    | Sort::Inbound => self.relying_party(name, &speaker, &dialects).map(|_| ()),
                };
                for (_, words) in read.err().unwrap_or_default() {
                    let message = format!("the {} `{name}`: {words}", sort.what());
                    problems.push(("claims".to_owned(), message));
                }
            }
        }
        Ok(problems)
    }

    /// An entry that is a second default, or that is switched off and yet named by an application: its
    /// people could not sign in.
    async fn misplaced(
        &self,
        name: &str,
        definition: &Definition,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let mut problems = Vec::new();
        if definition.enabled && definition.default {
            let other = self.default_beside(name).await?;
            let taken = default_taken(&self.file(), other.as_deref());
            problems.extend(taken.map(|words| ("default".to_owned(), words)));
        }
        if definition.enabled {
            return Ok(problems);
        }
        let tenant = TenantId::super_tenant();
        let kind = Sort::ServiceProvider.kind();
        for document in self.documents.list(&tenant, kind).await? {
            let party: Definition = serde_json::from_str(&document.body)?;
            if party
                .values
                .get(SMS_OTP)
                .is_some_and(|entry| entry.trim() == name)
            {
                let message = format!(
                    "the service provider `{}` names this entry: expected it to be enabled",
                    document.key.name
                );
                problems.push(("enabled".to_owned(), message));
            }
        }
        Ok(problems)
    }

    /// Another entry of the console that is the default.
    async fn default_beside(&self, name: &str) -> anyhow::Result<Option<String>> {
        let tenant = TenantId::super_tenant();
        let kind = Sort::IdentityProvider.kind();
        for document in self.documents.list(&tenant, kind).await? {
            let other: Definition = serde_json::from_str(&document.body)?;
            let default = sends(&other.form) && other.enabled && other.default;
            if default && document.key.name != name {
                return Ok(Some(document.key.name));
            }
        }
        Ok(None)
    }
}

/// Those of one section, by the fields of its form.
fn below(problems: &[Problem], section: &str) -> Vec<(String, String)> {
    problems
        .iter()
        .filter_map(|problem| {
            let field = problem.key.strip_prefix(section)?.strip_prefix('.')?;
            Some((field.to_owned(), problem.message.clone()))
        })
        .collect()
}

/// What is wrong with one more default entry beside those of the file and, if there is one, `other` of
/// the console: of two it would be a matter of chance which one says how codes are.
fn default_taken(config: &Config, other: Option<&str>) -> Option<String> {
    let mut files = config.sms_otp.entries.iter();
    if let Some((name, _)) = files.find(|(_, entry)| entry.default) {
        return Some(format!(
            "the file's SMSOTP entry `{name}` is the default already: expected one default entry"
        ));
    }
    let other = other?;
    Some(format!(
        "`{other}` is the default already: expected one default entry"
    ))
}

/// What is wrong if the application names an entry that is neither the file's nor one of the console's.
fn unknown_entry(party: &RelyingParty, config: &Config, sending: &Sending) -> Option<String> {
    let entry = party.sms_otp.as_ref()?;
    let known = sending.entries.contains_key(entry) || config.sms_otp.entries.contains_key(entry);
    (!known).then(|| format!("there is no SMSOTP entry `{entry}` that is enabled"))
}

/// What only shows when the console's definitions are looked at beside the file. Each was checked
/// against the file of its day; these are the same checks against this one.
pub(super) fn clashes(config: &Config, merged: &Merged) -> Vec<String> {
    let mut clashes = Vec::new();
    let mut clash = |sort: Sort, name: &str, field: &str, words: &str| {
        clashes.push(of_the_console(sort, name, "", field, words));
    };
    let ours = |name: &str| {
        let mut files = config.federation.relying_parties.iter();
        !files.any(|party| party.name == name)
    };
    let mut entries = merged.entries.clone();
    // Of two that have the same the later one is told: it shall be the console's.
    entries
        .relying_parties
        .sort_by_key(|party| ours(&party.name));
    let wrong = entries.check();
    let parties = entries.relying_parties.iter();
    for party in parties.filter(|party| ours(&party.name)) {
        for (field, words) in below(&wrong, &format!("relying_party.{}", party.name)) {
            clash(Sort::ServiceProvider, &party.name, &field, &words);
        }
        if let Some(words) = unknown_entry(party, config, &merged.sending) {
            clash(Sort::ServiceProvider, &party.name, SMS_OTP, &words);
        }
    }
    let declared = |name: &str| config.connectors.iter().any(|one| one.name == name);
    for connector in &merged.connectors {
        if !declared(&connector.name)
            && let Some(words) = provisioning::unknown_provider(connector, &merged.entries)
        {
            clash(Sort::Connector, &connector.name, IDENTITY_PROVIDER, &words);
        }
    }
    if let Some(rule) = &merged.rule {
        for (field, words) in connectors::unknown_stores(rule, &config.user_stores) {
            clash(Sort::Inbound, RESIDENT, &field, &words);
        }
    }
    let defaults = &merged.sending.first;
    for (at, name) in defaults.iter().enumerate() {
        let other = defaults[..at].first().map(String::as_str);
        if let Some(words) = default_taken(config, other) {
            clash(Sort::IdentityProvider, name, "default", &words);
        }
    }
    clashes
}
