//! What each tenant's logins run by: settings, senders, directory, brand. The super tenant's come
//! from the configuration, another's from its settings document, or from the super tenant's values
//! where it has none.
//!
//! What belongs to one tenant is made whole or not at all; one whose parts cannot be made fails its
//! own logins and nobody else's.

use crate::assemble::{sender, senders};
use crate::config::{Config, FILE_BYTES_MAX, Surroundings, TenantDocument, hide_secrets};
use crate::directories::Directories;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use postern_admin::tenants::{DocumentCheck, TenantDocuments};
use postern_gateway::{Gateway, SenderConfig};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Directory, SettingsSource, TenantRecord, TenantSettings, TenantStore};
use postern_otp::KeyRing;
use postern_web::{Face, Tenants};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// All tenants of this host as they are now.
pub struct TenantBook {
    store: Arc<dyn TenantStore>,
    gateway: Gateway,
    directories: Arc<Directories>,
    /// One change at a time.
    turn: Mutex<()>,
    page: ArcSwap<Page>,
}

/// One state of everything; replaced whole.
struct Page {
    host: Arc<HostSide>,
    super_tenant: Running,
    others: HashMap<TenantId, Standing>,
}

/// What the configuration gives to every tenant.
struct HostSide {
    config: Config,
    keys: KeyRing,
}

enum Standing {
    Runs(Running),
    /// Its logins fail; why is for the operator only.
    Broken {
        reason: String,
        face: Arc<Face>,
    },
}

#[derive(Clone)]
struct Running {
    settings: Arc<TenantSettings>,
    face: Arc<Face>,
    /// What its senders lack: they are not ready, the rest runs.
    lacks: Option<String>,
}

/// A tenant's parts, before anybody runs by them.
struct Made {
    running: Running,
    senders: Vec<SenderConfig>,
    directory: Arc<dyn Directory>,
}

impl std::fmt::Debug for TenantBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TenantBook")
    }
}

impl TenantBook {
    /// All senders are configured and every document is read when this returns.
    pub(crate) async fn open(
        config: &Config,
        keys: KeyRing,
        store: Arc<dyn TenantStore>,
        gateway: Gateway,
        directories: Arc<Directories>,
    ) -> anyhow::Result<Self> {
        // What is wrong with these stops the start; what is wrong with a tenant does not.
        let _readable = senders(config)?;
        let host = Arc::new(HostSide {
            config: config.clone(),
            keys,
        });
        let book = Self {
            store,
            gateway,
            directories,
            turn: Mutex::new(()),
            page: ArcSwap::from_pointee(Page {
                super_tenant: host.super_tenant(),
                others: HashMap::new(),
                host: host.clone(),
            }),
        };
        book.turn_page(host).await?;
        Ok(book)
    }

    /// The configuration was replaced: documents are read against the new one.
    pub(crate) async fn replace(&self, config: &Config, keys: KeyRing) -> Result<(), StoreError> {
        self.turn_page(Arc::new(HostSide {
            config: config.clone(),
            keys,
        }))
        .await
    }

    /// Reads every document and puts what came of it in place: senders and directories first, so that
    /// no settings name one that is not there yet.
    async fn turn_page(&self, host: Arc<HostSide>) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let mut configured = senders(&host.config)
            .map_err(|error| StoreError::new(format!("the senders cannot be read: {error:#}")))?;
        let mut others = HashMap::new();
        let mut directories = HashMap::new();
        for (tenant, made) in self.make_all(&host).await? {
            let standing = match made {
                Ok(mut made) => {
                    made.running.lacks = self.lacking(&made.senders).await;
                    configured.extend(made.senders);
                    directories.insert(tenant.clone(), made.directory);
                    Standing::Runs(made.running)
                }
                Err(reason) => Standing::Broken {
                    reason,
                    face: host.face(None),
                },
            };
            others.insert(tenant, standing);
        }
        let before = self.page.load_full();
        // The gateway has logged what is wrong with a sender; the others serve.
        let _ = self.gateway.configure(configured).await;
        self.directories.replace(directories);
        tell_changes(&before, &others);
        self.page.store(Arc::new(Page {
            super_tenant: host.super_tenant(),
            others,
            host,
        }));
        Ok(())
    }

    /// Every tenant that is on, with its parts or the reason why it has none.
    async fn make_all(
        &self,
        host: &HostSide,
    ) -> Result<Vec<(TenantId, Result<Made, String>)>, StoreError> {
        let mut files = files(&host.config.tenants_folder)?;
        let mut all = Vec::new();
        for record in self.store.tenants().await? {
            let file = files.remove(&record.tenant);
            if record.enabled {
                let made = self.make(host, &record, file.as_deref());
                all.push((record.tenant, made));
            }
        }
        for (tenant, file) in files {
            let made = self.by_file(host, &tenant, &file);
            all.push((tenant, made));
        }
        Ok(all)
    }

    fn make(
        &self,
        host: &HostSide,
        record: &TenantRecord,
        file: Option<&Path>,
    ) -> Result<Made, String> {
        let tenant = &record.tenant;
        match (file, &record.document) {
            (None, None) => self.without_document(host, tenant),
            (None, Some(text)) => self.by_document(host, tenant, text, &Surroundings::closed()),
            (Some(file), None) => self.by_file(host, tenant, file),
            (Some(file), Some(_)) => Err(format!(
                "it has two documents, `{}` and one in the store: remove one of them",
                file.display()
            )),
        }
    }

    fn by_file(&self, host: &HostSide, tenant: &TenantId, file: &Path) -> Result<Made, String> {
        let text = read(file)?;
        self.by_document(host, tenant, &text, &Surroundings::real())
            .map_err(|reason| format!("`{}`: {reason}", file.display()))
    }

    fn by_document(
        &self,
        host: &HostSide,
        tenant: &TenantId,
        text: &str,
        surroundings: &Surroundings,
    ) -> Result<Made, String> {
        let document = host.read(text, surroundings)?;
        let senders = document.senders.values();
        let senders = senders
            .map(|one| sender(one, tenant))
            .collect::<anyhow::Result<_>>()
            .map_err(|error| format!("{error:#}"))?;
        let directory = self
            .directories
            .made(&document.sms_otp.user_stores)
            .map_err(|error| format!("{error:#}"))?;
        Ok(Made {
            running: Running {
                face: host.face(document.brand.as_deref()),
                settings: Arc::new(host.settings(&document)),
                lacks: None,
            },
            senders,
            directory,
        })
    }

    /// The super tenant's values under the tenant's name: its senders' accounts, texts and limits;
    /// users, counters and sessions are the tenant's own.
    fn without_document(&self, host: &HostSide, tenant: &TenantId) -> Result<Made, String> {
        let senders = host.config.senders.values();
        let senders = senders
            .map(|one| sender(one, tenant))
            .collect::<anyhow::Result<_>>()
            .map_err(|error| format!("{error:#}"))?;
        let directory = self
            .directories
            .made(&host.config.sms_otp.user_stores)
            .map_err(|error| format!("{error:#}"))?;
        Ok(Made {
            running: host.super_tenant(),
            senders,
            directory,
        })
    }

    async fn lacking(&self, senders: &[SenderConfig]) -> Option<String> {
        let problems = self.gateway.check(senders).await;
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

impl HostSide {
    fn super_tenant(&self) -> Running {
        let config = &self.config;
        let limits = &config.limits;
        Running {
            settings: Arc::new(TenantSettings {
                factor: config.sms_otp.factor.clone(),
                keys: self.keys.clone(),
                templates: config.sms_otp.templates.clone(),
                brand: config.server.brand.clone(),
                limits: limits.send.clone(),
                login_lifetime: limits.login_lifetime,
                session_lifetime: limits.session_lifetime,
                failures_per_hour: limits.failures_per_hour,
            }),
            face: self.face(None),
            lacks: None,
        }
    }

    fn settings(&self, document: &TenantDocument) -> TenantSettings {
        let limits = &document.limits;
        TenantSettings {
            factor: document.sms_otp.factor.clone(),
            keys: self.keys.clone(),
            templates: document.sms_otp.templates.clone(),
            brand: self.brand(document.brand.as_deref()).to_owned(),
            limits: limits.send.clone(),
            login_lifetime: limits.login_lifetime,
            session_lifetime: limits.session_lifetime,
            failures_per_hour: limits.failures_per_hour,
        }
    }

    fn read(&self, text: &str, surroundings: &Surroundings) -> Result<TenantDocument, String> {
        let base = &self.config.tenants_folder;
        TenantDocument::read(text, &self.config, base, surroundings).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            problems.join("; ")
        })
    }

    /// A brand is no protection: a document without one shows the host's.
    fn brand<'a>(&'a self, own: Option<&'a str>) -> &'a str {
        own.unwrap_or(&self.config.server.brand)
    }

    fn face(&self, brand: Option<&str>) -> Arc<Face> {
        Arc::new(Face {
            brand: self.brand(brand).to_owned(),
        })
    }
}

/// Says what is new since the last page, once.
fn tell_changes(before: &Page, now: &HashMap<TenantId, Standing>) {
    let trouble = |others: &HashMap<TenantId, Standing>, tenant: &TenantId| {
        others.get(tenant).and_then(Standing::trouble)
    };
    for (tenant, standing) in now {
        let (was, is) = (trouble(&before.others, tenant), standing.trouble());
        match is {
            Some(reason) if was.as_ref() != Some(&reason) => match standing {
                Standing::Broken { .. } => {
                    tracing::error!(%tenant, "the tenant's settings cannot be used, its logins fail: {reason}");
                }
                Standing::Runs(_) => {
                    tracing::error!(%tenant, "a sender of the tenant is not ready: {reason}");
                }
            },
            None if was.is_some() => {
                tracing::info!(%tenant, "the tenant's settings can be used again")
            }
            None if !before.others.contains_key(tenant) => {
                tracing::info!(%tenant, "a tenant is served")
            }
            _ => {}
        }
    }
    for tenant in before
        .others
        .keys()
        .filter(|tenant| !now.contains_key(*tenant))
    {
        tracing::info!(%tenant, "a tenant is no longer served");
    }
    let broken = now.values().filter(|standing| standing.trouble().is_some());
    metrics::gauge!("postern_tenants_in_trouble").set(broken.count() as f64);
}

impl Standing {
    fn trouble(&self) -> Option<String> {
        match self {
            Self::Runs(running) => running.lacks.clone(),
            Self::Broken { reason, .. } => Some(reason.clone()),
        }
    }
}

/// The documents of the folder, by the tenant each is named after. A file of another name is told
/// and left alone.
fn files(folder: &Path) -> Result<BTreeMap<TenantId, PathBuf>, StoreError> {
    let listed = Surroundings::real()
        .list(folder, "toml")
        .map_err(|reason| {
            StoreError::new(format!("cannot list `{}`: {reason}", folder.display()))
        })?;
    let mut files = BTreeMap::new();
    for path in listed {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match TenantId::parse(&name) {
            Ok(tenant) if tenant != TenantId::super_tenant() => {
                files.insert(tenant, path);
            }
            Ok(_) => tracing::warn!(
                "`{}` is not read: the configuration file is the super tenant's document",
                path.display()
            ),
            Err(error) => tracing::warn!("`{}` is not read: {error}", path.display()),
        }
    }
    Ok(files)
}

fn read(file: &Path) -> Result<String, String> {
    Surroundings::real()
        .read(file, FILE_BYTES_MAX)
        .map_err(|reason| format!("cannot read `{}`: {reason}", file.display()))
}

#[async_trait]
impl SettingsSource for TenantBook {
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError> {
        let page = self.page.load();
        if *tenant == TenantId::super_tenant() {
            return Ok(Some(page.super_tenant.settings.clone()));
        }
        match page.others.get(tenant) {
            Some(Standing::Runs(running)) => Ok(Some(running.settings.clone())),
            Some(Standing::Broken { reason, .. }) => Err(StoreError::new(format!(
                "the settings of tenant `{tenant}` cannot be used: {reason}"
            ))),
            None => Ok(None),
        }
    }
}

impl Tenants for TenantBook {
    fn face(&self, tenant: &TenantId) -> Option<Arc<Face>> {
        let page = self.page.load();
        if *tenant == TenantId::super_tenant() {
            return Some(page.super_tenant.face.clone());
        }
        match page.others.get(tenant)? {
            Standing::Runs(running) => Some(running.face.clone()),
            Standing::Broken { face, .. } => Some(face.clone()),
        }
    }
}

#[async_trait]
impl TenantDocuments for TenantBook {
    async fn check(&self, tenant: &TenantId, text: &str) -> DocumentCheck {
        let host = self.page.load().host.clone();
        let document = match TenantDocument::read(
            text,
            &host.config,
            &host.config.tenants_folder,
            &Surroundings::closed(),
        ) {
            Ok(document) => document,
            Err(problems) => {
                return DocumentCheck {
                    problems: problems.iter().map(ToString::to_string).collect(),
                    warnings: Vec::new(),
                };
            }
        };
        let mut check = DocumentCheck {
            problems: Vec::new(),
            warnings: document.warnings.iter().map(ToString::to_string).collect(),
        };
        match self.by_document(&host, tenant, text, &Surroundings::closed()) {
            Ok(made) => check.problems.extend(self.lacking(&made.senders).await),
            Err(reason) => check.problems.push(reason),
        }
        check
    }

    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError> {
        let files = files(&self.page.load().host.config.tenants_folder)?;
        Ok(files
            .into_iter()
            .map(|(tenant, path)| (tenant, path.display().to_string()))
            .collect())
    }

    async fn file_text(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        let files = files(&self.page.load().host.config.tenants_folder)?;
        files
            .get(tenant)
            .map(|file| read(file).map_err(StoreError::new))
            .transpose()
    }

    fn hide_secrets(&self, text: &str) -> String {
        hide_secrets(text)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let host = self.page.load().host.clone();
        self.turn_page(host).await
    }

    fn trouble(&self, tenant: &TenantId) -> Option<String> {
        self.page.load().others.get(tenant)?.trouble()
    }
}

/// The documents where no host runs: they can be read and checked, and nobody runs by them.
pub(crate) struct BareTenants {
    config: Config,
}

impl BareTenants {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
        }
    }

    fn folder(&self) -> &Path {
        &self.config.tenants_folder
    }
}

#[async_trait]
impl TenantDocuments for BareTenants {
    /// Without the plugins: what a sender lacks shows when the host runs.
    async fn check(&self, _: &TenantId, text: &str) -> DocumentCheck {
        let surroundings = Surroundings::closed();
        match TenantDocument::read(text, &self.config, self.folder(), &surroundings) {
            Ok(document) => DocumentCheck {
                problems: Vec::new(),
                warnings: document.warnings.iter().map(ToString::to_string).collect(),
            },
            Err(problems) => DocumentCheck {
                problems: problems.iter().map(ToString::to_string).collect(),
                warnings: Vec::new(),
            },
        }
    }

    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError> {
        let files = files(self.folder())?.into_iter();
        Ok(files
            .map(|(tenant, path)| (tenant, path.display().to_string()))
            .collect())
    }

    async fn file_text(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        let files = files(self.folder())?;
        let file = files.get(tenant);
        file.map(|file| read(file).map_err(StoreError::new))
            .transpose()
    }

    fn hide_secrets(&self, text: &str) -> String {
        hide_secrets(text)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Of a file's tenant: what a host would say when it reads it.
    fn trouble(&self, tenant: &TenantId) -> Option<String> {
        let files = files(self.folder()).ok()?;
        let file = files.get(tenant)?;
        let text = match read(file) {
            Ok(text) => text,
            Err(reason) => return Some(reason),
        };
        let surroundings = Surroundings::real();
        let problems =
            TenantDocument::read(&text, &self.config, self.folder(), &surroundings).err()?;
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Some(format!("`{}`: {}", file.display(), problems.join("; ")))
    }
}
