//! The tenants beside the super tenant: made, given a settings document, switched off, removed.
//!
//! A tenant's document comes from one of two places: a file beside the configuration, which is
//! read-only here, or the store, where these use cases keep it. It is replaced whole. A tenant
//! without one runs by the super tenant's values. What a document may say is the port's business.

use crate::{Act, Actor, AdminError, Administration, act};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Added, Clock, TenantRecord, TenantStore};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a document: some dozens of senders and texts fit.
pub const DOCUMENT_BYTES_MAX: usize = 128 * 1024;

/// One tenant as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantReport {
    pub tenant: TenantId,
    /// Switched off: its addresses answer like addresses that are not there; what it has is kept.
    pub enabled: bool,
    pub document: DocumentPlace,
    /// Why its logins fail now.
    pub trouble: Option<String>,
}

/// Where a tenant's settings document is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentPlace {
    /// It runs by the super tenant's values.
    None,
    File(String),
    Store,
}

/// A report, and the document with its secrets hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantShown {
    pub report: TenantReport,
    pub document: Option<String>,
}

/// What is said of a document before it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentCheck {
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

/// Reads documents and lets logins run by them.
#[async_trait]
pub trait TenantDocuments: Send + Sync {
    /// As it would be read if it were kept in the store.
    async fn check(&self, tenant: &TenantId, text: &str) -> DocumentCheck;
    /// The tenants that have a file, and which.
    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError>;
    /// The file's text.
    async fn file_text(&self, tenant: &TenantId) -> Result<Option<String>, StoreError>;
    /// The document without what nobody may read.
    fn hide_secrets(&self, text: &str) -> String;
    /// Reads all documents again: the next login runs by them.
    async fn reload(&self) -> Result<(), StoreError>;
    /// Why this tenant's logins fail now. `None` where they run, or where no host does.
    fn trouble(&self, tenant: &TenantId) -> Option<String>;
    /// The region by which the tenant's logins read a number without a country code, at this moment;
    /// the super tenant's too. None as well where its settings cannot be used: such a number is refused
    /// rather than read as another country's.
    async fn default_region(&self, tenant: &TenantId) -> Result<Option<String>, StoreError>;
}

#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    #[error("there is no tenant `{0}`: `postern tenant list` names them")]
    Unknown(TenantId),
    #[error("there is a tenant `{0}` already")]
    Exists(TenantId),
    #[error("`{0}` is the super tenant: the configuration file is its document")]
    SuperTenant(TenantId),
    #[error("tenant `{tenant}` is defined by `{file}`: change or remove that file")]
    FromFile { tenant: TenantId, file: String },
    #[error("the document has {} bytes: expected at most {DOCUMENT_BYTES_MAX}", .bytes)]
    TooLarge { bytes: usize },
    #[error("the document cannot be used:\n  {}", .0.join("\n  "))]
    Wrong(Vec<String>),
    #[error("everything tenant `{0}` has would be gone: confirm with its name, or switch it off")]
    NotConfirmed(TenantId),
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Tenants {
    store: Arc<dyn TenantStore>,
    documents: Arc<dyn TenantDocuments>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tenants")
    }
}

impl Tenants {
    pub fn new(
        store: Arc<dyn TenantStore>,
        documents: Arc<dyn TenantDocuments>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            documents,
            clock,
        }
    }

    /// How its numbers without a country code are read now.
    pub(crate) async fn default_region(
        &self,
        tenant: &TenantId,
    ) -> Result<Option<String>, StoreError> {
        self.documents.default_region(tenant).await
    }

    /// By name, without the super tenant.
    pub async fn list(&self) -> Result<Vec<TenantReport>, TenantsError> {
        let files = self.documents.files().await?;
        let mut reports: BTreeMap<TenantId, TenantReport> = BTreeMap::new();
        for record in self.store.tenants().await? {
            let report = self.report(&record.tenant, Some(&record), &files);
            reports.insert(record.tenant, report);
        }
        for tenant in files.keys() {
            if !reports.contains_key(tenant) {
                reports.insert(tenant.clone(), self.report(tenant, None, &files));
            }
        }
        Ok(reports.into_values().collect())
    }

    pub async fn show(&self, tenant: &TenantId) -> Result<TenantShown, TenantsError> {
        let (record, files) = self.find(tenant).await?;
        let text = match files.contains_key(tenant) {
            true => self.documents.file_text(tenant).await?,
            false => record.as_ref().and_then(|record| record.document.clone()),
        };
        Ok(TenantShown {
            report: self.report(tenant, record.as_ref(), &files),
            document: text.map(|text| self.documents.hide_secrets(&text)),
        })
    }

    /// Gives the document's warnings. Without a document the tenant runs by the super tenant's values.
    pub async fn add(
        &self,
        tenant: &TenantId,
        document: Option<String>,
    ) -> Result<Vec<String>, TenantsError> {
        refuse_super(tenant)?;
        if self.documents.files().await?.contains_key(tenant) {
            return Err(TenantsError::Exists(tenant.clone()));
        }
        let warnings = self.fit(tenant, document.as_deref()).await?;
        let record = TenantRecord {
            tenant: tenant.clone(),
            enabled: true,
            document,
            broken: None,
            changed_at: self.clock.now(),
        };
        match self.store.add_tenant(&record).await? {
            Added::Added => {}
            Added::NameTaken => return Err(TenantsError::Exists(tenant.clone())),
        }
        self.documents.reload().await?;
        Ok(warnings)
    }

    /// Replaces the document whole; `None` takes it away. A document that cannot be used changes
    /// nothing.
    pub async fn set(
        &self,
        tenant: &TenantId,
        document: Option<String>,
    ) -> Result<Vec<String>, TenantsError> {
        let (record, files) = self.find(tenant).await?;
        refuse_file(tenant, &files)?;
        let record = record.ok_or_else(|| TenantsError::Unknown(tenant.clone()))?;
        let warnings = self.fit(tenant, document.as_deref()).await?;
        let broken = None;
        self.save(TenantRecord {
            document,
            broken,
            ..record
        })
        .await?;
        Ok(warnings)
    }

    /// Switches it off and keeps what it has, or on again. A file's tenant as well: that it is off
    /// stands in the store.
    pub async fn enable(&self, tenant: &TenantId, enabled: bool) -> Result<(), TenantsError> {
        let (record, _) = self.find(tenant).await?;
        match record {
            Some(record) => self.save(TenantRecord { enabled, ..record }).await,
            None => {
                let record = TenantRecord {
                    tenant: tenant.clone(),
                    enabled,
                    document: None,
                    broken: None,
                    changed_at: self.clock.now(),
                };
                // Taken: another administrator was first, and has said it as well or will again.
                let _ = self.store.add_tenant(&record).await?;
                Ok(self.documents.reload().await?)
            }
        }
    }

    /// Removes the tenant and everything it has but its lines in the audit log. `confirmed` repeats
    /// its name. Gives how many rows there were.
    pub async fn remove(&self, tenant: &TenantId, confirmed: &str) -> Result<u64, TenantsError> {
        refuse_super(tenant)?;
        let files = self.documents.files().await?;
        refuse_file(tenant, &files)?;
        if confirmed != tenant.as_str() {
            return Err(TenantsError::NotConfirmed(tenant.clone()));
        }
        let mut records = self.store.tenants().await?.into_iter();
        if let Some(record) = records.find(|record| record.tenant == *tenant) {
            // Off first, so that no login of it writes what was just removed.
            self.save(TenantRecord {
                enabled: false,
                document: None,
                broken: None,
                ..record
            })
            .await?;
        }
        let rows = match self.store.remove_tenant(tenant).await? {
            Some(rows) => rows,
            // Its file was taken away; what it had may still be there.
            None => match self.store.remove_rows_of(tenant).await? {
                0 => return Err(TenantsError::Unknown(tenant.clone())),
                rows => rows,
            },
        };
        self.documents.reload().await?;
        Ok(rows)
    }

    async fn save(&self, record: TenantRecord) -> Result<(), TenantsError> {
        let record = TenantRecord {
            changed_at: self.clock.now(),
            ..record
        };
        if !self.store.save_tenant(&record).await? {
            return Err(TenantsError::Unknown(record.tenant));
        }
        Ok(self.documents.reload().await?)
    }

    async fn fit(
        &self,
        tenant: &TenantId,
        document: Option<&str>,
    ) -> Result<Vec<String>, TenantsError> {
        let Some(text) = document else {
            return Ok(Vec::new());
        };
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(TenantsError::TooLarge { bytes: text.len() });
        }
        let check = self.documents.check(tenant, text).await;
        if check.problems.is_empty() {
            Ok(check.warnings)
        } else {
            Err(TenantsError::Wrong(check.problems))
        }
    }

    async fn find(
        &self,
        tenant: &TenantId,
    ) -> Result<(Option<TenantRecord>, BTreeMap<TenantId, String>), TenantsError> {
        refuse_super(tenant)?;
        let files = self.documents.files().await?;
        let mut records = self.store.tenants().await?.into_iter();
        let record = records.find(|record| record.tenant == *tenant);
        if record.is_none() && !files.contains_key(tenant) {
            return Err(TenantsError::Unknown(tenant.clone()));
        }
        Ok((record, files))
    }

    fn report(
        &self,
        tenant: &TenantId,
        record: Option<&TenantRecord>,
        files: &BTreeMap<TenantId, String>,
    ) -> TenantReport {
        let in_store =
            record.is_some_and(|record| record.document.is_some() || record.broken.is_some());
        TenantReport {
            tenant: tenant.clone(),
            enabled: record.is_none_or(|record| record.enabled),
            document: match (files.get(tenant), in_store) {
                (Some(file), _) => DocumentPlace::File(file.clone()),
                (None, true) => DocumentPlace::Store,
                (None, false) => DocumentPlace::None,
            },
            trouble: self.documents.trouble(tenant),
        }
    }
}

impl From<TenantsError> for AdminError {
    fn from(error: TenantsError) -> Self {
        let named = |tenant: &TenantId| ("tenant", tenant.to_string());
        match error {
            TenantsError::Unknown(tenant) => {
                let (what, name) = named(&tenant);
                Self::NotFound { what, name }
            }
            TenantsError::Exists(tenant) => {
                let (what, name) = named(&tenant);
                Self::Exists { what, name }
            }
            TenantsError::FromFile { tenant, file } => Self::ReadOnly {
                name: tenant.to_string(),
                place: format!("`{file}`"),
            },
            error @ (TenantsError::SuperTenant(_)
            | TenantsError::TooLarge { .. }
            | TenantsError::Wrong(_)
            | TenantsError::NotConfirmed(_)) => Self::Invalid(error.to_string()),
            TenantsError::Failed(error) => Self::Unavailable(error),
        }
    }
}

/// The acts. Tenants are the host's: what is done to one is written into the super tenant's log.
impl Administration {
    pub async fn tenant_list(&self, actor: &Actor) -> Result<Vec<TenantReport>, AdminError> {
        self.allow(actor, &TenantId::super_tenant(), act::TENANT_LIST, None)
            .await?;
        Ok(self.ports.tenants.list().await?)
    }

    pub async fn tenant_show(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<TenantShown, AdminError> {
        let host = TenantId::super_tenant();
        let on = Some(tenant.as_str());
        self.allow(actor, &host, act::TENANT_SHOW, on).await?;
        Ok(self.ports.tenants.show(tenant).await?)
    }

    /// Gives what is unwise about the document.
    pub async fn tenant_add(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        document: Option<String>,
    ) -> Result<Vec<String>, AdminError> {
        let adding = self.ports.tenants.add(tenant, document);
        self.to_tenant(actor, tenant, act::TENANT_ADD, adding).await
    }

    pub async fn tenant_set(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        document: Option<String>,
    ) -> Result<Vec<String>, AdminError> {
        let setting = self.ports.tenants.set(tenant, document);
        self.to_tenant(actor, tenant, act::TENANT_SET, setting)
            .await
    }

    pub async fn tenant_enable(&self, actor: &Actor, tenant: &TenantId) -> Result<(), AdminError> {
        let switching = self.ports.tenants.enable(tenant, true);
        self.to_tenant(actor, tenant, act::TENANT_ENABLE, switching)
            .await
    }

    pub async fn tenant_disable(&self, actor: &Actor, tenant: &TenantId) -> Result<(), AdminError> {
        let switching = self.ports.tenants.enable(tenant, false);
        self.to_tenant(actor, tenant, act::TENANT_DISABLE, switching)
            .await
    }

    /// Gives how many rows there were.
    pub async fn tenant_remove(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        confirmed: &str,
    ) -> Result<u64, AdminError> {
        let removing = self.ports.tenants.remove(tenant, confirmed);
        self.to_tenant(actor, tenant, act::TENANT_REMOVE, removing)
            .await
    }

    /// Allowed, written down, done. `doing` does nothing before it is awaited.
    async fn to_tenant<T>(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        act: Act,
        doing: impl Future<Output = Result<T, TenantsError>>,
    ) -> Result<T, AdminError> {
        let (host, on) = (TenantId::super_tenant(), Some(tenant.as_str()));
        self.allow(actor, &host, act, on).await?;
        self.announce(actor, &host, act, on, Vec::new()).await?;
        let outcome = doing.await.map_err(AdminError::from);
        self.conclude(actor, &host, act, on, outcome).await
    }
}

fn refuse_super(tenant: &TenantId) -> Result<(), TenantsError> {
    if *tenant == TenantId::super_tenant() {
        return Err(TenantsError::SuperTenant(tenant.clone()));
    }
    Ok(())
}

fn refuse_file(tenant: &TenantId, files: &BTreeMap<TenantId, String>) -> Result<(), TenantsError> {
    match files.get(tenant) {
        Some(file) => Err(TenantsError::FromFile {
            tenant: tenant.clone(),
            file: file.clone(),
        }),
        None => Ok(()),
    }
}
