//! File and console together, and the only place where they are: what is in effect, and what of either
//! is not.

use super::dialects::{self, Dialects};
use super::filed::declared;
use super::{Defined, checks, connectors};
use crate::assemble;
use crate::config::Config;
use postern_admin::definitions::{Definition, Sort, sends};
use postern_federation::Entries;
use postern_federation::scim::outbound::Connector;
use postern_gateway::SenderConfig;
use postern_login::TenantId;
use postern_otp::Refinement;
use postern_web::scim::Inbound;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the console's senders change of the file's second step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sending {
    /// Tried before those of the file.
    pub(crate) first: Vec<String>,
    /// Tried after them.
    pub(crate) last: Vec<String>,
    /// What the default one says of codes and words.
    pub(crate) says: Refinement,
    /// All that are enabled, for the applications that name one: each sends by itself alone.
    pub(crate) entries: BTreeMap<String, Refinement>,
}

/// File and console together.
pub(crate) struct Merged {
    pub(crate) senders: Vec<SenderConfig>,
    pub(crate) sending: Sending,
    pub(crate) entries: Entries,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) inbound: Inbound,
    /// The console's rule, also where it is switched off.
    pub(super) rule: Option<Inbound>,
    /// Names that both define: the file's are used.
    twice: Vec<String>,
    /// What of the console is not in effect, each with its reason.
    broken: Vec<String>,
    /// What is in effect and would be refused if somebody put it now: the file came to it later.
    clashes: Vec<String>,
}

impl Merged {
    /// Why a file is not taken over while the console has what it has: a sentence each.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let twice = self.twice.iter().map(|twice| {
            format!("the {twice} is defined in the console already: delete it there, or choose another name")
        });
        twice
            .chain(self.broken.iter().cloned())
            .chain(self.clashes.iter().cloned())
            .collect()
    }

    /// Says what is wrong and yet taken, as at start: a host that does not start would help nobody.
    pub(crate) fn tell(&self) {
        for twice in &self.twice {
            tracing::error!(
                "the {twice} is defined in the file and in the console: the file's is used; delete the other one"
            );
        }
        for broken in &self.broken {
            tracing::error!("{broken}");
        }
        for clash in &self.clashes {
            tracing::warn!("{clash}");
        }
    }
}

impl Defined {
    /// What would be in effect with this file.
    pub(crate) async fn merged(&self, config: &Config) -> anyhow::Result<Merged> {
        let mut merged = Merged {
            senders: assemble::senders(config)?,
            sending: Sending::default(),
            entries: config.federation.clone(),
            connectors: config.connectors.clone(),
            inbound: config.inbound.clone().unwrap_or_default(),
            rule: None,
            twice: Vec::new(),
            broken: Vec::new(),
            clashes: Vec::new(),
        };
        let tenant = TenantId::super_tenant();
        let dialects = self.dialects().await?;
        let sorts = Sort::ALL.into_iter();
        for sort in sorts.filter(|sort| *sort != Sort::ClaimDialect) {
            for document in self.documents.list(&tenant, sort.kind()).await? {
                let name = document.key.name.as_str();
                let definition: Definition = serde_json::from_str(&document.body)?;
                if declared(config, sort).iter().any(|one| one.name == name) {
                    merged.twice.push(format!("{} `{name}`", sort.what()));
                    continue;
                }
                let taken = self.take(&mut merged, config, sort, name, &definition, &dialects);
                // It was in order when it was saved: a plugin may be gone, a form have changed.
                for (field, words) in taken.err().unwrap_or_default() {
                    let broken = of_the_console(sort, name, " is not in effect", &field, &words);
                    merged.broken.push(broken);
                }
            }
        }
        let clashes = checks::clashes(config, &merged);
        merged.clashes.extend(clashes);
        connectors::switch(&mut merged.connectors, &merged.entries);
        Ok(merged)
    }

    /// The dialects that providers may name now.
    pub(super) async fn dialects(&self) -> anyhow::Result<Dialects> {
        let mut dialects = dialects::built_in();
        let tenant = TenantId::super_tenant();
        let kind = Sort::ClaimDialect.kind();
        for document in self.documents.list(&tenant, kind).await? {
            let definition: Definition = serde_json::from_str(&document.body)?;
            dialects
                .entry(document.key.name)
                .or_insert_with(|| dialects::of(&definition));
        }
        Ok(dialects)
    }

    fn take(
        &self,
        merged: &mut Merged,
        config: &Config,
        sort: Sort,
        name: &str,
        definition: &Definition,
        dialects: &Dialects,
    ) -> Result<(), Vec<(String, String)>> {
        match sort {
            Sort::IdentityProvider if sends(&definition.form) => {
                if !definition.enabled {
                    return Ok(());
                }
                merged.senders.push(self.sender(name, definition)?);
                let sending = &mut merged.sending;
                let says = self.entry(definition, &config.limits)?;
                let alone = Refinement {
                    senders: Some(vec![name.to_owned()]),
                    ..says.clone()
                };
                sending.entries.insert(name.to_owned(), alone);
                if definition.default {
                    sending.first.push(name.to_owned());
                    sending.says = says;
                } else {
                    sending.last.push(name.to_owned());
                }
            }
            Sort::IdentityProvider => {
                let provider = self.identity_provider(name, definition, dialects)?;
                merged.entries.identity_providers.push(Arc::new(provider));
                let all = &mut merged.entries.identity_providers;
                all.sort_by(|a, b| a.name.cmp(&b.name));
            }
            Sort::ClaimDialect => {}
            Sort::Connector => merged.connectors.push(connectors::read(name, definition)?),
            Sort::Inbound => {
                let inbound = connectors::read_inbound(definition)?;
                if definition.enabled {
                    merged.inbound = inbound.clone();
                }
                merged.rule = Some(inbound);
            }
            Sort::ServiceProvider => {
                let party = self.relying_party(name, definition, dialects)?;
                merged.entries.relying_parties.push(Arc::new(party));
                let all = &mut merged.entries.relying_parties;
                all.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        Ok(())
    }
}

pub(super) fn of_the_console(sort: Sort, name: &str, is: &str, field: &str, words: &str) -> String {
    let place = match field.is_empty() {
        true => String::new(),
        false => format!("{field}: "),
    };
    format!(
        "the {} `{name}` of the console{is}: {place}{words}",
        sort.what()
    )
}
