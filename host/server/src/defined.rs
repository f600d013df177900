//! What is defined in the console beside the file, and that it takes effect at once. One name is defined
//! in one place.

mod checks;
pub(crate) mod connectors;
mod dialects;
mod filed;
mod forms;
mod meanings;
mod merged;
mod saml;
mod sections;

pub(crate) use merged::{Merged, Sending};

use crate::config::Config;
use crate::console::field;
use crate::keys::Keys;
use crate::peers::FilePeers;
use crate::provisioning::Provisioning;
use crate::tenants::{HostSide, TenantBook};
use async_trait::async_trait;
use postern_admin::definitions::{
    Declared, Definition, Definitions, FormName, Meaning, SMS, SMS_ENTRY, Sort,
};
use postern_admin::documents::Documents;
use postern_admin::form::{self, Field, Section};
use postern_federation::relying_party::PASSWORD;
use postern_gateway::Gateway;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::Clock;
use postern_web::scim::Rule;
use std::sync::{Arc, PoisonError, RwLock};

/// In an application's form: the entry that its second step uses.
const SMS_OTP: &str = "sms_otp";
/// An application that speaks both, as the file's may.
const BOTH: &str = "oidc and saml";

pub struct Defined {
    pub(crate) gateway: Gateway,
    pub(crate) tenants: Arc<TenantBook>,
    pub(crate) peers: Arc<FilePeers>,
    pub(crate) provisioning: Arc<Provisioning>,
    pub(crate) inbound: Rule,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    /// The file as it is now.
    pub(crate) file: RwLock<Arc<Config>>,
    /// One change at a time takes effect.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Defined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Defined")
    }
}

impl Defined {
    fn file(&self) -> Arc<Config> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&file)
    }

    /// The file was read again and taken over.
    pub fn follow(&self, config: &Config) {
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
    }

    fn fields(&self, sort: Sort, form: &str) -> Result<Vec<Field>, Vec<(String, String)>> {
        match self.form(sort, form) {
            Some(sections) => Ok(sections
                .into_iter()
                .flat_map(|section| section.fields)
                .collect()),
            None => Err(vec![(
                "form".to_owned(),
                format!("there is no `{form}` now"),
            )]),
        }
    }
}

#[async_trait]
impl Definitions for Defined {
    fn forms(&self, sort: Sort) -> Vec<FormName> {
        let name = |form: &str, label: &str| FormName {
            form: form.to_owned(),
            label: label.to_owned(),
        };
        match sort {
            Sort::IdentityProvider => {
                let mut forms = vec![
                    name("oidc", "OpenID Connect"),
                    name("oauth2", "OAuth 2.0"),
                    name("saml", "SAML 2.0"),
                ];
                let plugins = self.gateway.plugins();
                let mut ids: Vec<String> = plugins
                    .into_iter()
                    .filter(|plugin| plugin.kind.as_deref() == Some("sms-provider"))
                    .filter_map(|plugin| plugin.id)
                    .collect();
                ids.sort();
                ids.dedup();
                for id in ids {
                    let label = match id.as_str() {
                        "http-recipe" => "SMS OTP by HTTP request".to_owned(),
                        id => format!("SMS OTP through {id}"),
                    };
                    forms.push(name(&format!("{SMS}{id}"), &label));
                }
                forms
            }
            Sort::ServiceProvider => vec![
                name("oidc", "OpenID Connect application"),
                name("saml", "SAML application"),
            ],
            Sort::ClaimDialect => vec![name(dialects::FORM, "Claim dialect")],
            Sort::Connector => vec![name(connectors::FORM, "SCIM connector")],
            Sort::Inbound => vec![name(connectors::FORM, "Rule")],
        }
    }

    fn form(&self, sort: Sort, form: &str) -> Option<Vec<Section>> {
        match (sort, form) {
            (Sort::IdentityProvider, "oidc") => Some(forms::openid()),
            (Sort::IdentityProvider, "oauth2") => Some(forms::oauth2()),
            (Sort::IdentityProvider, "saml") => Some(saml::identity_provider()),
            (Sort::IdentityProvider, SMS_ENTRY) => Some(forms::entry()),
            (Sort::ServiceProvider, "oidc") => Some(forms::application()),
            (Sort::ServiceProvider, "saml") => Some(saml::application()),
            (Sort::ServiceProvider, BOTH) => Some(forms::both()),
            (Sort::ClaimDialect, dialects::FORM) => Some(dialects::form()),
            (Sort::Connector, connectors::FORM) => Some(connectors::form()),
            (Sort::Inbound, connectors::FORM) => Some(connectors::inbound_form()),
            (Sort::IdentityProvider, form) => {
                let id = form.strip_prefix(SMS)?;
                let plugin =
                    self.gateway.plugins().into_iter().find(|plugin| {
                        plugin.id.as_deref() == Some(id) && plugin.runtime.is_some()
                    })?;
                let settings = plugin.settings.iter().map(|setting| {
                    let mut field = field(setting);
                    field.name = format!("settings.{}", field.name);
                    field
                });
                Some(forms::sender(id, settings.collect()))
            }
            _ => None,
        }
    }

    fn declared(&self, sort: Sort, tenant: &TenantId) -> Vec<Declared> {
        if *tenant != TenantId::super_tenant() {
            return Vec::new();
        }
        let file = self.file();
        let mut all = filed::declared(&file, sort);
        for one in &mut all {
            let table = filed::section(sort, &one.form)
                .and_then(|section| file.written.table(section, &one.name));
            if let Some(table) = table {
                let fields = self.fields(sort, &one.form).unwrap_or_default();
                (one.values, one.set) = filed::read(&fields, table);
            }
        }
        filed::together(all)
    }

    async fn check(
        &self,
        sort: Sort,
        _tenant: &TenantId,
        name: &str,
        definition: &Definition,
    ) -> Vec<(String, String)> {
        self.problems_of(sort, name, definition).await
    }

    fn sends_to(&self, service_provider: &Definition) -> Vec<String> {
        let values = &service_provider.values;
        let list = values.get("first_step").map_or("", String::as_str);
        let entry = values.get(SMS_OTP).map_or("", |entry| entry.trim());
        form::lines(list)
            .chain(Some(entry).filter(|entry| !entry.is_empty()))
            .filter(|name| *name != PASSWORD)
            .map(str::to_owned)
            .collect()
    }

    fn declared_sends_to(&self, tenant: &TenantId) -> Vec<(String, Vec<String>)> {
        let file = self.file();
        let parties = file.federation.relying_parties.iter();
        parties
            .filter(|party| party.tenant == tenant.as_str())
            .map(|party| {
                let providers = party.first_step.identity_providers.iter();
                let to: Vec<String> = providers.chain(&party.sms_otp).cloned().collect();
                (party.name.clone(), to)
            })
            .collect()
    }

    fn declared_connectors(&self, tenant: &TenantId) -> Vec<(String, String)> {
        if *tenant != TenantId::super_tenant() {
            return Vec::new();
        }
        let file = self.file();
        let connectors = file.connectors.iter();
        connectors
            .filter_map(|one| Some((one.name.clone(), one.identity_provider.clone()?)))
            .collect()
    }

    fn meanings(&self, tenant: &TenantId) -> Vec<Meaning> {
        if *tenant != TenantId::super_tenant() {
            return Vec::new();
        }
        meanings::of(&self.file())
    }

    async fn apply(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let file = self.file();
        let failed = |error: anyhow::Error| StoreError::new(format!("{error:#}"));
        let merged = self.merged(&file).await.map_err(failed)?;
        let ring = self.keys.ring(self.clock.now()).map_err(failed)?;
        merged.tell();
        let host = HostSide {
            config: Config::clone(&file),
            keys: ring,
            senders: merged.senders,
            sending: merged.sending,
        };
        let prepared = self.tenants.prepare(Some(host)).await?;
        self.peers.replace(merged.entries);
        self.provisioning.replace(merged.connectors);
        self.inbound.replace(merged.inbound);
        prepared.commit().await;
        Ok(())
    }
}
