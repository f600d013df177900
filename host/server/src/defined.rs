//! What is defined in the console beside the file: its forms, its checks, and that it takes effect at
//! once. The file and the console are merged here and nowhere else; one name is defined in one place.

pub(crate) mod connectors;
mod dialects;
mod filed;
mod meanings;
mod saml;

use crate::assemble;
use crate::config::{Config, Limits, SMS_OTP_ENTRY, defined as reader, provisioning};
use crate::console::field;
use crate::keys::Keys;
use crate::peers::FilePeers;
use crate::provisioning::Provisioning;
use crate::tenants::{HostSide, TenantBook};
use async_trait::async_trait;
use dialects::Dialects;
use postern_admin::definitions::{
    DIALECT, Declared, Definition, Definitions, FormName, IDENTITY_PROVIDER, Meaning, RESIDENT,
    SMS, SMS_ENTRY, Sort, sends,
};
use postern_admin::documents::Documents;
use postern_admin::form::{self, Field, FieldKind, Section, Values};
use postern_federation::identity_provider::Protocol;
use postern_federation::relying_party::PASSWORD;
use postern_federation::scim::outbound::Connector;
use postern_federation::{Entries, IdentityProvider, RelyingParty};
use postern_gateway::{Gateway, SenderConfig};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::Clock;
use postern_otp::Refinement;
use postern_web::scim::{Inbound, Rule};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// In an application's form: the entry that its second step uses.
const SMS_OTP: &str = "sms_otp";
/// An application that speaks both, as the file's may.
const BOTH: &str = "oidc and saml";
/// Their fields that are no sender's, but the entry's.
const ENTRY: &str = "entry";

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
    rule: Option<Inbound>,
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
    fn file(&self) -> Arc<Config> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&file)
    }

    /// The file was read again and taken over.
    pub fn follow(&self, config: &Config) {
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
    }

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
        let clashes = clashes(config, &merged);
        merged.clashes.extend(clashes);
        connectors::switch(&mut merged.connectors, &merged.entries);
        Ok(merged)
    }

    /// The dialects that providers may name now.
    async fn dialects(&self) -> anyhow::Result<Dialects> {
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

    fn sender(
        &self,
        name: &str,
        definition: &Definition,
    ) -> Result<SenderConfig, Vec<(String, String)>> {
        let plugin = definition.form.strip_prefix(SMS).unwrap_or_default();
        let fields = self.fields(Sort::IdentityProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        table.remove(ENTRY);
        // The gateway takes texts only, as the plugin's own reader does.
        if let Some(toml::Value::Table(settings)) = table.get_mut("settings") {
            for value in settings.iter_mut() {
                if !value.1.is_str() {
                    *value.1 = toml::Value::String(value.1.to_string());
                }
            }
        }
        table.insert("plugin".to_owned(), plugin.into());
        let sender = reader::sender(name, table).map_err(told)?;
        assemble::sender(&sender, &TenantId::super_tenant())
            .map_err(|error| vec![(String::new(), format!("{error:#}"))])
    }

    /// What the entry says of codes and words.
    fn entry(
        &self,
        definition: &Definition,
        limits: &Limits,
    ) -> Result<Refinement, Vec<(String, String)>> {
        let fields = self.fields(Sort::IdentityProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        let entry = match table.remove(ENTRY) {
            Some(toml::Value::Table(entry)) => entry,
            _ => toml::Table::new(),
        };
        let read = reader::entry(entry, limits);
        read.map_err(|problems| {
            let problems = told(problems).into_iter();
            problems
                .map(|(key, words)| (format!("{ENTRY}.{key}"), words))
                .collect()
        })
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

    fn identity_provider(
        &self,
        name: &str,
        definition: &Definition,
        dialects: &Dialects,
    ) -> Result<IdentityProvider, Vec<(String, String)>> {
        let fields = self.fields(Sort::IdentityProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        dialects::spell_out(&mut table, dialects)?;
        table.insert("protocol".to_owned(), definition.form.clone().into());
        table.insert("enabled".to_owned(), definition.enabled.into());
        reader::identity_provider(name, table).map_err(told)
    }

    fn relying_party(
        &self,
        name: &str,
        definition: &Definition,
        dialects: &Dialects,
    ) -> Result<RelyingParty, Vec<(String, String)>> {
        let fields = self.fields(Sort::ServiceProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        dialects::spell_out(&mut table, dialects)?;
        table.insert("enabled".to_owned(), definition.enabled.into());
        reader::relying_party(name, table).map_err(told)
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

fn told(problems: Vec<crate::config::Problem>) -> Vec<(String, String)> {
    problems
        .into_iter()
        .map(|problem| (problem.key, problem.message))
        .collect()
}

/// Those of one section, by the fields of its form.
fn below(problems: &[postern_federation::Problem], section: &str) -> Vec<(String, String)> {
    problems
        .iter()
        .filter_map(|problem| {
            let field = problem.key.strip_prefix(section)?.strip_prefix('.')?;
            Some((field.to_owned(), problem.message.clone()))
        })
        .collect()
}

fn of_the_console(sort: Sort, name: &str, is: &str, field: &str, words: &str) -> String {
    let place = match field.is_empty() {
        true => String::new(),
        false => format!("{field}: "),
    };
    format!(
        "the {} `{name}` of the console{is}: {place}{words}",
        sort.what()
    )
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
fn clashes(config: &Config, merged: &Merged) -> Vec<String> {
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

/// The values as a section of the file has them: a dot in a name goes one table down.
fn table(fields: &[Field], values: &Values) -> toml::Table {
    let mut root = toml::Table::new();
    for field in fields {
        let Some(text) = values.get(&field.name) else {
            continue;
        };
        let value = match &field.kind {
            FieldKind::Text
            | FieldKind::Url
            | FieldKind::Choice(_)
            | FieldKind::Lines
            | FieldKind::Document => text.clone().into(),
            FieldKind::Integer { .. } => text
                .parse::<i64>()
                .map_or_else(|_| text.clone().into(), toml::Value::Integer),
            FieldKind::Boolean => (text == "true").into(),
            FieldKind::List => toml::Value::Array(form::lines(text).map(Into::into).collect()),
            FieldKind::Pairs => toml::Value::Table(
                form::pairs(text)
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect(),
            ),
        };
        let mut below = &mut root;
        let mut parts = field.name.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                below.insert(part.to_owned(), value);
                break;
            }
            let next = below
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let toml::Value::Table(next) = next else {
                break;
            };
            below = next;
        }
    }
    root
}

/// What the file defines, by name and place only.
fn declared(config: &Config, sort: Sort) -> Vec<Declared> {
    let one = |name: &str, form: &str, enabled: bool| Declared {
        name: name.to_owned(),
        form: form.to_owned(),
        enabled,
        default: false,
        place: filed::section(sort, form)
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
        let mut all = declared(&file, sort);
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

/// The forms, field by field as the configuration file names them.
mod forms {
    use super::{Field, FieldKind, Section, dialects, saml};

    pub(super) fn section(title: &str, help: &str, fields: Vec<Field>) -> Section {
        Section {
            title: title.to_owned(),
            help: help.to_owned(),
            fields,
        }
    }

    pub(super) fn text(name: &str, label: &str, help: &str) -> Field {
        Field::text(name, label, help)
    }

    pub(super) fn choice(words: &[&str]) -> FieldKind {
        FieldKind::Choice(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn registration() -> Vec<Field> {
        vec![
            text("client_id", "Client id", "As the provider calls Postern.").required(),
            text("client_secret", "Client secret", "").secret(),
            text("client_authentication", "Client authentication", "")
                .of(choice(&["client_secret_basic", "client_secret_post"]))
                .or("client_secret_basic"),
            text("scopes", "Scopes", "").of(FieldKind::List),
            text("parameters", "Further parameters", "Sent with the request.").of(FieldKind::Pairs),
        ]
    }

    pub(super) fn people() -> Section {
        section(
            "People and claims",
            "How what the provider says becomes what is known here.",
            vec![
                dialects::field(),
                text(
                    "claims",
                    "Claim mapping",
                    "What the provider calls it = what it is called here.",
                )
                .of(FieldKind::Pairs),
                text(
                    "user_attribute",
                    "User attribute",
                    "Names the local account, for the rule user-attribute (SMSOTP-userAttribute).",
                ),
                text(
                    "mobile_attribute",
                    "Mobile attribute",
                    "Holds the number, where codes may go to it (federatedMobileAttributeKey).",
                ),
            ],
        )
    }

    pub(super) fn shown() -> Section {
        section(
            "On the sign-in page",
            "",
            vec![text("display_name", "Display name", "On its button.")],
        )
    }

    fn reach() -> Field {
        text(
            "allow_private_networks",
            "May be in a private network",
            "Lets it be at a loopback or private address.",
        )
        .of(FieldKind::Boolean)
        .or("false")
    }

    pub(super) fn openid() -> Vec<Section> {
        let mut provider = vec![
            text("issuer", "Issuer", "Its address; the rest is discovered.")
                .of(FieldKind::Url)
                .required(),
        ];
        provider.extend(registration());
        provider.extend([
            text(
                "subject",
                "Subject",
                "The member of the ID token that names the person.",
            )
            .or("sub"),
            text("userinfo", "Ask userinfo", "")
                .of(FieldKind::Boolean)
                .or("true"),
            text(
                "trust_email",
                "Trust its addresses",
                "Only where the provider owns the addresses it names.",
            )
            .of(FieldKind::Boolean)
            .or("false"),
            reach(),
        ]);
        vec![shown(), section("Provider", "", provider), people()]
    }

    pub(super) fn oauth2() -> Vec<Section> {
        let mut provider = vec![
            text("authorization_endpoint", "Authorization endpoint", "")
                .of(FieldKind::Url)
                .required(),
            text("token_endpoint", "Token endpoint", "")
                .of(FieldKind::Url)
                .required(),
            text("userinfo_endpoint", "Userinfo endpoint", "")
                .of(FieldKind::Url)
                .required(),
            text(
                "issuer",
                "Issuer",
                "If the provider names one in its answers.",
            )
            .of(FieldKind::Url),
        ];
        provider.extend(registration());
        provider.extend([
            text(
                "subject",
                "Subject",
                "Where userinfo names the person; a dot goes one object down.",
            )
            .required(),
            reach(),
        ]);
        vec![shown(), section("Provider", "", provider), people()]
    }

    pub(super) fn application() -> Vec<Section> {
        vec![
            section(
                "Application",
                "",
                vec![text(
                    "display_name",
                    "Display name",
                    "What people are told they sign in to.",
                )],
            ),
            steps(),
            section(
                "OpenID Connect",
                "",
                vec![
                    text("oidc.client_id", "Client id", "").required(),
                    text("oidc.client_secret", "Client secret", "Drawn at random.").secret(),
                    text(
                        "oidc.public",
                        "Public client",
                        "An app that cannot keep a secret.",
                    )
                    .of(FieldKind::Boolean)
                    .or("false"),
                    text("oidc.redirect_uris", "Redirect addresses", "")
                        .of(FieldKind::List)
                        .required(),
                    text(
                        "oidc.post_logout_redirect_uris",
                        "Addresses after sign-out",
                        "",
                    )
                    .of(FieldKind::List),
                    text(
                        "oidc.access_token_lifetime",
                        "Access token lifetime",
                        "Seconds.",
                    )
                    .of(FieldKind::Integer { min: 30, max: 3600 }),
                    text("oidc.id_token_alg", "Signature of ID tokens", "")
                        .of(choice(&["RS256", "ES256"])),
                ],
            ),
            told("Name in the token = claim here."),
        ]
    }

    /// What either form has, once.
    pub(super) fn both() -> Vec<Section> {
        let mut all = application();
        for section in saml::application() {
            if !all.iter().any(|one| one.title == section.title) {
                all.push(section);
            }
        }
        all
    }

    /// Of an application, whatever it speaks.
    pub(super) fn steps() -> Section {
        section(
            "Steps",
            "How people sign in who come from here.",
            vec![
                text(
                    "first_step",
                    "First step",
                    "password (basic), and names of identity providers (federated), in the order of the page.",
                )
                .of(FieldKind::List)
                .or("password"),
                text("second_step", "Second step", "")
                    .of(choice(&["sms-otp", "none"]))
                    .or("sms-otp"),
                text(
                    super::SMS_OTP,
                    "SMSOTP entry",
                    "Sends its codes, and says how they are; empty: in the order of all, by the default entry.",
                ),
            ],
        )
    }

    pub(super) fn told(help: &str) -> Section {
        section(
            "Claims",
            "What the application is told about a person.",
            vec![
                dialects::field(),
                text("claims", "Claims", help).of(FieldKind::Pairs),
            ],
        )
    }

    /// The seeds' SMSOTP Configuration, its connector drawn from the plugin's manifest.
    pub(super) fn sender(plugin: &str, settings: Vec<Field>) -> Vec<Section> {
        let mut reach = vec![
            text(
                "allow",
                "Origins it may reach",
                "Beside a shipped plugin's own, as https://sms.example.",
            )
            .of(FieldKind::List),
            reach(),
        ];
        if plugin == "http-recipe" {
            reach.insert(
                0,
                text(
                    "secrets",
                    "Secrets",
                    "Written as $secret.NAME in the address, headers or payload.",
                )
                .of(FieldKind::Pairs)
                .secret(),
            );
        }
        vec![
            section("SMSOTP Configuration", "How a message is sent.", settings),
            section("Reach", "", reach),
            codes("entry."),
        ]
    }

    /// An entry of the file that sends by senders of the file.
    pub(super) fn entry() -> Vec<Section> {
        let senders = text("senders", "Senders", "In the order of fail-over.").of(FieldKind::List);
        vec![
            section("SMSOTP Configuration", "", vec![senders]),
            codes(""),
        ]
    }

    /// What an entry says of codes and words, each key with what stands before it.
    fn codes(before: &str) -> Section {
        let key =
            |name: &str, label: &str, help: &str| text(&format!("{before}{name}"), label, help);
        section(
            "Codes and words",
            "In effect where this entry is the default, and for applications that name it; empty leaves what the file says.",
            vec![
                key("sms_otp_length", "SMS OTP length", "6 to 10.")
                    .of(FieldKind::Integer { min: 6, max: 10 }),
                key(
                    "sms_otp_expiry_time",
                    "SMS OTP expiry time (minutes)",
                    "1 to 10.",
                )
                .of(FieldKind::Integer { min: 1, max: 10 }),
                key(
                    "only_numeric_characters_for_sms_otp",
                    "Use only numeric characters for OTP",
                    "",
                )
                .of(FieldKind::Boolean),
                key(
                    "mobile_number_regex",
                    "Mobile number regex pattern",
                    "What a number that somebody types must look like.",
                ),
                key(
                    "mobile_number_pattern_failure_error_message",
                    "Regex violation error message",
                    "",
                ),
                key(
                    "show_detailed_error_info",
                    "Show detailed error information",
                    "What the provider says about a failed message is shown to whoever signs in.",
                )
                .of(FieldKind::Boolean),
                key("values_to_be_masked", "Mask values in error info", "").of(FieldKind::List),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_become_the_section_that_the_file_would_have() {
        let fields = vec![
            Field::text("oidc.client_id", "", ""),
            Field::text("oidc.redirect_uris", "", "").of(FieldKind::List),
            Field::text("oidc.public", "", "").of(FieldKind::Boolean),
            Field::text("oidc.access_token_lifetime", "", "")
                .of(FieldKind::Integer { min: 0, max: 1000 }),
            Field::text("claims", "", "").of(FieldKind::Pairs),
            Field::text("absent", "", ""),
        ];
        let values: Values = [
            ("oidc.client_id", "shop"),
            ("oidc.redirect_uris", "https://a/cb\n\n https://b/cb "),
            ("oidc.public", "true"),
            ("oidc.access_token_lifetime", "60"),
            ("claims", "mail = http://claims/mail\nphone=x=y"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let expected: toml::Table = toml::from_str(
            r#"
            [oidc]
            client_id = "shop"
            redirect_uris = ["https://a/cb", "https://b/cb"]
            public = true
            access_token_lifetime = 60
            [claims]
            mail = "http://claims/mail"
            phone = "x=y"
            "#,
        )
        .unwrap();
        assert_eq!(table(&fields, &values), expected);
    }

    /// Every field of a form is a key that the file's reader knows.
    #[test]
    fn the_forms_are_what_the_files_reader_takes() {
        let fill = |sections: Vec<Section>| -> (Vec<Field>, Values) {
            let fields: Vec<Field> = sections.into_iter().flat_map(|s| s.fields).collect();
            let values = fields
                .iter()
                .map(|field| {
                    let value = match (&field.kind, field.name.as_str()) {
                        (_, "oidc.public") => "false".to_owned(),
                        (_, "scopes") => "openid".to_owned(),
                        (_, "first_step") => "password".to_owned(),
                        (_, "oidc.redirect_uris" | "oidc.post_logout_redirect_uris") => {
                            "https://shop.example/callback".to_owned()
                        }
                        (FieldKind::Url, _) => "https://idp.example/x".to_owned(),
                        (FieldKind::Boolean, _) => "true".to_owned(),
                        (FieldKind::Integer { min, .. }, _) => min.to_string(),
                        (FieldKind::Choice(words), _) => words[0].clone(),
                        (FieldKind::Pairs, _) => "a = b".to_owned(),
                        _ => "a-value-that-is-long-enough-to-be-a-secret".to_owned(),
                    };
                    (field.name.clone(), value)
                })
                .collect();
            (fields, values)
        };
        for (form, sections) in [
            ("oidc", forms::openid()),
            ("oauth2", forms::oauth2()),
            ("saml", saml::identity_provider()),
        ] {
            let (fields, values) = fill(sections);
            let mut table = table(&fields, &values);
            table.remove(DIALECT);
            table.insert("protocol".to_owned(), form.into());
            let read = reader::identity_provider("corp", table);
            let unknown = read.err().unwrap_or_default();
            let unknown: Vec<_> = unknown
                .iter()
                .filter(|problem| {
                    problem.message.contains("unknown") || problem.message.contains("no such")
                })
                .collect();
            assert!(unknown.is_empty(), "{form}: {unknown:?}");
        }
        let (fields, mut values) = fill(forms::sender("http-recipe", Vec::new()));
        values.insert(
            "entry.mobile_number_regex".to_owned(),
            "^[0-9]+$".to_owned(),
        );
        let mut read = table(&fields, &values);
        let Some(toml::Value::Table(entry)) = read.remove(ENTRY) else {
            panic!("no entry in {read:?}");
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postern.toml");
        std::fs::write(&file, "[outbox]\n[sender.test]\nplugin = \"fake\"\n").unwrap();
        let config = Config::load(&file).unwrap();
        reader::entry(entry, &config.limits).unwrap();
        read.insert("plugin".to_owned(), "http-recipe".into());
        reader::sender("acme", read).unwrap();
        let (fields, mut values) = fill(connectors::form());
        values.remove("username");
        values.remove("password");
        let mut peer = table(&fields, &values);
        peer.remove("ca_files");
        reader::connector("peer", peer).unwrap();
        let (fields, values) = fill(connectors::inbound_form());
        reader::inbound(table(&fields, &values)).unwrap();
        for sections in [forms::application(), saml::application()] {
            let (fields, values) = fill(sections);
            let mut table = table(&fields, &values);
            table.remove(DIALECT);
            // What a form of one sample value each cannot be is told; that a key is unknown never is.
            let problems = reader::relying_party("shop", table).err();
            let unknown: Vec<_> = problems
                .into_iter()
                .flatten()
                .filter(|problem| problem.message.contains("unknown"))
                .collect();
            assert!(unknown.is_empty(), "{unknown:?}");
        }
    }

    /// Every key that an entry of the file may have is shown by a field, beside it, or is one.
    #[test]
    fn every_key_of_an_entry_has_a_field_by_which_it_is_shown() {
        let all = |forms: Vec<Vec<Section>>| -> Vec<String> {
            let sections = forms.into_iter().flatten();
            let fields = sections.flat_map(|section| section.fields);
            fields.map(|field| field.name).collect()
        };
        let shown = [
            (
                "identity_provider.NAME",
                all(vec![
                    forms::openid(),
                    forms::oauth2(),
                    saml::identity_provider(),
                ]),
            ),
            ("relying_party.NAME", all(vec![forms::both()])),
            ("provisioning.NAME", all(vec![connectors::form()])),
            (
                "sender.NAME",
                all(vec![forms::sender("http-recipe", Vec::new())]),
            ),
            ("sms_otp.identity_provider.NAME", all(vec![forms::entry()])),
        ];
        // All but the last one are the entry's state and form, and settings are those of its plugin.
        let beside = [
            "enabled", "enable", "default", "protocol", "plugin", "settings",
        ];
        let mut keys = 0;
        for table in crate::config::reference::tables() {
            for (section, fields) in &shown {
                let Some(below) = table.path.strip_prefix(*section) else {
                    continue;
                };
                let below = below.trim_start_matches('.');
                for key in table.keys {
                    keys += 1;
                    let name = match below {
                        "" => key.name.to_owned(),
                        below => format!("{below}.{}", key.name),
                    };
                    let known = |name: &str| fields.iter().any(|field| field == name);
                    assert!(
                        known(&name)
                            || known(below)
                            || beside.contains(&name.as_str())
                            || filed::FILE_ONLY.contains(&name.as_str()),
                        "`{section}.{name}` is shown by no field"
                    );
                }
            }
        }
        assert!(keys > 60, "{keys}");
    }
}
