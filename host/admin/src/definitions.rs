//! Identity providers, service providers, claim dialects, connectors and the rule of inbound
//! provisioning that are defined in the console: the same things as the configuration file's sections,
//! checked by the same reader, effective at once.
//!
//! What the file defines is shown here and changed there; one name is defined in one place.

use crate::documents::{Document, Key, Kind, Put, written};
use crate::form::{self, Field, Section, Values};
use crate::{Act, Actor, AdminError, Administration, act};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use serde::{Deserialize, Serialize};

/// What is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    IdentityProvider,
    ServiceProvider,
    /// What others call the claims that are known here.
    ClaimDialect,
    /// A peer that is told of users and groups here.
    Connector,
    /// Into which user store others put users: one rule, called `resident`.
    Inbound,
}

/// The name of the only rule of inbound provisioning.
pub const RESIDENT: &str = "resident";

impl Sort {
    pub const ALL: [Self; 5] = [
        Self::IdentityProvider,
        Self::ServiceProvider,
        Self::ClaimDialect,
        Self::Connector,
        Self::Inbound,
    ];

    pub fn kind(self) -> Kind {
        match self {
            Self::IdentityProvider => Kind::IdentityProvider,
            Self::ServiceProvider => Kind::ServiceProvider,
            Self::ClaimDialect => Kind::Claim,
            Self::Connector => Kind::Connector,
            Self::Inbound => Kind::Inbound,
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::IdentityProvider => "identity provider",
            Self::ServiceProvider => "service provider",
            Self::ClaimDialect => "claim dialect",
            Self::Connector => "connector",
            Self::Inbound => "inbound rule",
        }
    }

    fn acts(self) -> [Act; 4] {
        match self {
            Self::IdentityProvider => [act::IDP_LIST, act::IDP_SHOW, act::IDP_PUT, act::IDP_DELETE],
            Self::ServiceProvider => [act::SP_LIST, act::SP_SHOW, act::SP_PUT, act::SP_DELETE],
            Self::ClaimDialect => [
                act::CLAIM_LIST,
                act::CLAIM_SHOW,
                act::CLAIM_PUT,
                act::CLAIM_DELETE,
            ],
            Self::Connector => [
                act::CONNECTOR_LIST,
                act::CONNECTOR_SHOW,
                act::CONNECTOR_PUT,
                act::CONNECTOR_DELETE,
            ],
            Self::Inbound => [
                act::INBOUND_LIST,
                act::INBOUND_SHOW,
                act::INBOUND_PUT,
                act::INBOUND_DELETE,
            ],
        }
    }
}

/// Forms of SMSOTP entries are this and the plugin's id.
pub const SMS: &str = "sms-otp/";

/// An SMSOTP entry without a connector of its own, as the file's may be: it names its senders.
pub const SMS_ENTRY: &str = "sms-otp";

/// Whether what has this form is an SMSOTP entry, by which a second step sends. Every other identity
/// provider is a server that says who somebody is.
pub fn sends(form: &str) -> bool {
    form == SMS_ENTRY || form.starts_with(SMS)
}

/// A definition as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// `oidc`, `sms-otp/twilio`: which form it has.
    pub form: String,
    pub enabled: bool,
    /// Of several second factors by message the one that is tried first.
    pub default: bool,
    pub values: Values,
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Any value may be a secret: only the form knows.
        write!(f, "Definition({})", self.form)
    }
}

/// A form that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormName {
    pub form: String,
    pub label: String,
}

/// Something the configuration file defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub name: String,
    pub form: String,
    pub enabled: bool,
    /// Of SMSOTP entries the one that holds where none is named.
    pub default: bool,
    /// `postern.toml, [identity_provider.corp]`
    pub place: String,
    /// What may be shown of it, by the fields of its form and what the file alone can say.
    pub values: Values,
    /// What is set and not shown.
    pub set: Vec<String>,
}

/// What the host knows of definitions.
/// Which subjects of identity providers are whose.
#[async_trait]
pub trait Links: Send + Sync {
    /// Removes every user's link to an identity provider; how many there were.
    async fn forget_provider(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
    ) -> Result<u64, StoreError>;
}

#[async_trait]
pub trait Definitions: Send + Sync {
    /// Those of a new one.
    fn forms(&self, sort: Sort) -> Vec<FormName>;
    /// `None` if there is no such form (any more). What the file defines may have one that is not offered.
    fn form(&self, sort: Sort, form: &str) -> Option<Vec<Section>>;
    fn declared(&self, sort: Sort, tenant: &TenantId) -> Vec<Declared>;
    /// What is wrong with it, field by field, as the configuration file's reader would say.
    async fn check(
        &self,
        sort: Sort,
        tenant: &TenantId,
        name: &str,
        definition: &Definition,
    ) -> Vec<(String, String)>;
    /// The names of identity providers that a service provider sends people to.
    fn sends_to(&self, service_provider: &Definition) -> Vec<String>;
    /// Those that the file's service providers send people to, and the SMSOTP entries they name.
    fn declared_sends_to(&self, tenant: &TenantId) -> Vec<(String, Vec<String>)>;
    /// The connectors of the file that belong to an identity provider, each with its name.
    fn declared_connectors(&self, tenant: &TenantId) -> Vec<(String, String)>;
    /// What the second step reads of a person, as the file has it.
    fn meanings(&self, tenant: &TenantId) -> Vec<Meaning>;
    /// Makes what is stored now effective.
    async fn apply(&self) -> Result<(), StoreError>;
}

/// The field in which a provider names the dialect it speaks.
pub const DIALECT: &str = "dialect";

/// The field in which a connector names the identity provider its peer is.
pub const IDENTITY_PROVIDER: &str = "identity_provider";

/// A claim that means something to a login, and where each user store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// `Mobile number`
    pub what: String,
    /// Its URI.
    pub claim: String,
    /// User store, and where in it.
    pub kept: Vec<(String, String)>,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub name: String,
    pub form: String,
    pub enabled: bool,
    pub default: bool,
    /// Where it is defined, if not here.
    pub place: Option<String>,
}

/// One definition, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    #[serde(flatten)]
    pub listed: Listed,
    /// What a change must name as seen.
    pub version: Option<u64>,
    pub values: Values,
    /// Secrets that are set.
    pub set: Vec<String>,
    pub used_by: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub form: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub default: bool,
    pub values: Values,
    /// Secrets to remove; one that is left empty otherwise stays.
    #[serde(default)]
    pub unset: Vec<String>,
    /// The version that was looked at; none for a new one.
    #[serde(default)]
    pub seen: Option<u64>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wanted({})", self.form)
    }
}

fn yes() -> bool {
    true
}

impl Administration {
    pub fn forms(&self, sort: Sort) -> Result<Vec<FormName>, AdminError> {
        Ok(self.definitions()?.forms(sort))
    }

    /// Of what there is already.
    pub fn form(&self, sort: Sort, form: &str) -> Result<Vec<Section>, AdminError> {
        let found = self.definitions()?.form(sort, form);
        found.ok_or_else(|| no_form(form))
    }

    /// As `form`, of those that are offered: what only the file may have is shown and never filled in.
    pub fn new_form(&self, sort: Sort, form: &str) -> Result<Vec<Section>, AdminError> {
        let offered = self.forms(sort)?;
        if offered.iter().any(|one| one.form == form) {
            self.form(sort, form)
        } else {
            Err(no_form(form))
        }
    }

    pub async fn definition_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        sort: Sort,
    ) -> Result<Vec<Listed>, AdminError> {
        let [list, ..] = sort.acts();
        self.allow(actor, tenant, list, None).await?;
        let declared = self.definitions()?.declared(sort, tenant);
        let mut all: Vec<Listed> = declared
            .into_iter()
            .map(|one| Listed {
                name: one.name,
                form: one.form,
                enabled: one.enabled,
                default: one.default,
                place: Some(one.place),
            })
            .collect();
        for document in self.ports.documents.list(tenant, sort.kind()).await? {
            let definition: Definition = document.read()?;
            all.push(listed(&document, &definition));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// What the second step reads of a person, and where it is kept.
    pub async fn claim_meanings(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<Meaning>, AdminError> {
        self.allow(actor, tenant, act::CLAIM_LIST, None).await?;
        Ok(self.definitions()?.meanings(tenant))
    }

    pub async fn definition_show(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        sort: Sort,
        name: &str,
    ) -> Result<Shown, AdminError> {
        let [_, show, ..] = sort.acts();
        self.allow(actor, tenant, show, Some(name)).await?;
        let used_by = self.used_by(tenant, sort, name).await?;
        let declared = self.definitions()?.declared(sort, tenant);
        if let Some(one) = declared.into_iter().find(|one| one.name == name) {
            return Ok(Shown {
                listed: Listed {
                    name: one.name,
                    form: one.form,
                    enabled: one.enabled,
                    default: one.default,
                    place: Some(one.place),
                },
                version: None,
                values: one.values,
                set: one.set,
                used_by,
            });
        }
        let (document, definition) = self.definition(tenant, sort, name).await?;
        let fields = self.fields(sort, &definition.form)?;
        Ok(Shown {
            listed: listed(&document, &definition),
            version: Some(document.version),
            values: form::shown(&fields, &definition.values),
            set: form::set(&fields, &definition.values),
            used_by,
        })
    }

    /// Defines it, or changes it; effective when it returns.
    pub async fn definition_put(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        sort: Sort,
        name: &str,
        wanted: &Wanted,
    ) -> Result<(), AdminError> {
        let [_, _, put, _] = sort.acts();
        self.allow(actor, tenant, put, Some(name)).await?;
        self.only_here(tenant, sort, name)?;
        let orderly = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !orderly {
            return Err(AdminError::Invalid(format!(
                "`{}` is no name of a {}: expected 1 to 32 of a-z, 0-9, `-` and `_`",
                name.escape_debug(),
                sort.what()
            )));
        }
        if sort == Sort::Inbound && name != RESIDENT {
            return Err(AdminError::Invalid(format!(
                "there is one inbound rule: it is called `{RESIDENT}`"
            )));
        }
        let key = key(tenant, sort, name);
        let known = self.ports.documents.get(&key).await?;
        let before: Option<Definition> = match (&known, wanted.seen) {
            (Some(_), None) => {
                return Err(AdminError::Exists {
                    what: sort.what(),
                    name: name.to_owned(),
                });
            }
            (None, Some(_)) => return Err(changed(name)),
            (Some(document), Some(seen)) if document.version != seen => return Err(changed(name)),
            (Some(document), Some(_)) => Some(document.read()?),
            (None, None) => None,
        };
        let fields = self.fields(sort, &wanted.form)?;
        // Whatever refers to it would find something else there: that is as good as deleting it.
        if let Some(before) = &before
            && sends(&before.form) != sends(&wanted.form)
        {
            self.unused(tenant, sort, name).await?;
        }
        // Secrets of another form are another's secrets.
        let kept = before
            .as_ref()
            .filter(|before| before.form == wanted.form)
            .map(|before| before.values.clone())
            .unwrap_or_default();
        let definition = Definition {
            form: wanted.form.clone(),
            enabled: wanted.enabled,
            default: wanted.default,
            values: form::read(&fields, &kept, &wanted.values, &wanted.unset)?,
        };
        let definitions = self.definitions()?;
        let problems = definitions.check(sort, tenant, name, &definition).await;
        if !problems.is_empty() {
            return Err(AdminError::Fields(problems));
        }
        let details = differences(before.as_ref(), &definition);
        self.announce(actor, tenant, put, Some(name), details)
            .await?;
        let written = written(&definition)?;
        let outcome = match self
            .ports
            .documents
            .put(&key, wanted.seen, &written, self.now())
            .await
        {
            Ok(Put::Written { .. }) => definitions.apply().await.map_err(AdminError::from),
            Ok(Put::Lost) => Err(changed(name)),
            Err(error) => Err(error.into()),
        };
        self.conclude(actor, tenant, put, Some(name), outcome).await
    }

    /// Refused while something refers to it.
    pub async fn definition_delete(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        sort: Sort,
        name: &str,
    ) -> Result<(), AdminError> {
        let [.., delete] = sort.acts();
        self.allow(actor, tenant, delete, Some(name)).await?;
        self.only_here(tenant, sort, name)?;
        let (document, _) = self.definition(tenant, sort, name).await?;
        self.unused(tenant, sort, name).await?;
        self.announce(actor, tenant, delete, Some(name), Vec::new())
            .await?;
        let removed = self
            .ports
            .documents
            .remove(&document.key, document.version)
            .await;
        let outcome = match removed {
            Ok(true) => match self.definitions()?.apply().await {
                Ok(()) if sort == Sort::Connector => self.forget_connector(tenant, name).await,
                Ok(()) if sort == Sort::IdentityProvider => self.forget_links(tenant, name).await,
                applied => applied.map_err(AdminError::from),
            },
            Ok(false) => Err(changed(name)),
            Err(error) => Err(error.into()),
        };
        self.conclude(actor, tenant, delete, Some(name), outcome)
            .await
    }

    /// Another one that gets the name later vouches for nobody whom this one did.
    async fn forget_links(&self, tenant: &TenantId, name: &str) -> Result<(), AdminError> {
        self.ports.links.forget_provider(tenant, name).await?;
        Ok(())
    }

    /// Refused with what refers to it.
    async fn unused(&self, tenant: &TenantId, sort: Sort, name: &str) -> Result<(), AdminError> {
        let by = self.used_by(tenant, sort, name).await?;
        if by.is_empty() {
            return Ok(());
        }
        Err(AdminError::InUse {
            name: name.to_owned(),
            by,
        })
    }

    async fn used_by(
        &self,
        tenant: &TenantId,
        sort: Sort,
        name: &str,
    ) -> Result<Vec<String>, AdminError> {
        match sort {
            Sort::IdentityProvider => {
                let mut by = self.sent_to_by(tenant, name).await?;
                by.extend(self.provisioned_by(tenant, name).await?);
                Ok(by)
            }
            Sort::ClaimDialect => self.spoken_by(tenant, name).await,
            Sort::ServiceProvider | Sort::Connector | Sort::Inbound => Ok(Vec::new()),
        }
    }

    /// Providers of the file write their claims out, so only those of the console are asked.
    async fn spoken_by(&self, tenant: &TenantId, dialect: &str) -> Result<Vec<String>, AdminError> {
        let mut by = Vec::new();
        for sort in [Sort::IdentityProvider, Sort::ServiceProvider] {
            for document in self.ports.documents.list(tenant, sort.kind()).await? {
                let definition: Definition = document.read()?;
                if definition.values.get(DIALECT).map(String::as_str) == Some(dialect) {
                    by.push(format!("{} `{}`", sort.what(), document.key.name));
                }
            }
        }
        Ok(by)
    }

    /// The connectors of the resident service provider whose peer is this identity provider.
    async fn provisioned_by(
        &self,
        tenant: &TenantId,
        provider: &str,
    ) -> Result<Vec<String>, AdminError> {
        let declared = self.definitions()?.declared_connectors(tenant);
        let mut names: Vec<String> = declared
            .into_iter()
            .filter(|(_, of)| of == provider)
            .map(|(connector, _)| connector)
            .collect();
        let kind = Sort::Connector.kind();
        for document in self.ports.documents.list(tenant, kind).await? {
            let connector: Definition = document.read()?;
            if connector.values.get(IDENTITY_PROVIDER).map(String::as_str) == Some(provider) {
                names.push(document.key.name);
            }
        }
        names.sort();
        Ok(names
            .into_iter()
            .map(|name| format!("connector `{name}` of the resident service provider"))
            .collect())
    }

    async fn sent_to_by(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, AdminError> {
        let definitions = self.definitions()?;
        let mut by: Vec<String> = definitions
            .declared_sends_to(tenant)
            .into_iter()
            .filter(|(_, to)| to.iter().any(|to| to == name))
            .map(|(party, _)| format!("service provider `{party}`"))
            .collect();
        let kind = Sort::ServiceProvider.kind();
        for document in self.ports.documents.list(tenant, kind).await? {
            let party: Definition = document.read()?;
            if definitions.sends_to(&party).iter().any(|to| to == name) {
                by.push(format!("service provider `{}`", document.key.name));
            }
        }
        by.sort();
        Ok(by)
    }

    async fn definition(
        &self,
        tenant: &TenantId,
        sort: Sort,
        name: &str,
    ) -> Result<(Document, Definition), AdminError> {
        let document = self.ports.documents.get(&key(tenant, sort, name)).await?;
        let document = document.ok_or_else(|| AdminError::NotFound {
            what: sort.what(),
            name: name.to_owned(),
        })?;
        let definition = document.read()?;
        Ok((document, definition))
    }

    fn only_here(&self, tenant: &TenantId, sort: Sort, name: &str) -> Result<(), AdminError> {
        let declared = self.definitions()?.declared(sort, tenant);
        match declared.into_iter().find(|one| one.name == name) {
            Some(one) => Err(AdminError::ReadOnly {
                name: one.name,
                place: one.place,
            }),
            None => Ok(()),
        }
    }

    fn fields(&self, sort: Sort, form: &str) -> Result<Vec<Field>, AdminError> {
        let sections = self.form(sort, form)?;
        Ok(sections
            .into_iter()
            .flat_map(|section| section.fields)
            .collect())
    }

    fn definitions(&self) -> Result<&dyn Definitions, AdminError> {
        Ok(self.host()?.definitions.as_ref())
    }
}

fn listed(document: &Document, definition: &Definition) -> Listed {
    Listed {
        name: document.key.name.clone(),
        form: definition.form.clone(),
        enabled: definition.enabled,
        default: definition.default,
        place: None,
    }
}

/// The names of what differs; never a value.
fn differences(before: Option<&Definition>, now: &Definition) -> Vec<String> {
    let Some(before) = before else {
        return vec![format!("new, {}", now.form)];
    };
    let mut names: Vec<String> = now
        .values
        .keys()
        .chain(before.values.keys())
        .filter(|name| now.values.get(*name) != before.values.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    if before.form != now.form {
        names.push(format!("form {}", now.form));
    }
    if before.enabled != now.enabled {
        names.push(format!("enabled: {}", now.enabled));
    }
    if before.default != now.default {
        names.push(format!("default: {}", now.default));
    }
    names
}

fn no_form(form: &str) -> AdminError {
    AdminError::NotFound {
        what: "form",
        name: form.to_owned(),
    }
}

fn changed(name: &str) -> AdminError {
    AdminError::Changed {
        name: name.to_owned(),
    }
}

fn key(tenant: &TenantId, sort: Sort, name: &str) -> Key {
    Key {
        tenant: tenant.clone(),
        kind: sort.kind(),
        name: name.to_owned(),
    }
}
