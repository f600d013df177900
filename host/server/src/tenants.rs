//! What each tenant's logins run by: settings, senders, directory, brand. The super tenant's come
//! from the configuration, another's from its settings document, or from the super tenant's values
//! where it has none.
//!
//! What belongs to one tenant is made whole or not at all; one whose parts cannot be made fails its
//! own logins and nobody else's.

use crate::assemble::sender;
use crate::config::{
    Config, FILE_BYTES_MAX, Surroundings, TenantDocument, UserStores, hide_secrets,
};
use crate::defined::Sending;
use crate::directories::{Directories, Held};
use crate::peers::FilePeers;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use postern_admin::tenants::{DocumentCheck, TenantDocuments};
use postern_federation::Entries;
use postern_gateway::{Gateway, SenderConfig};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{SettingsSource, TenantSettings, TenantStore};
use postern_otp::{FactorSettings, KeyRing};
use postern_web::{Face, Tenants};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// All tenants of this host as they are now.
pub struct TenantBook {
    store: Arc<dyn TenantStore>,
    gateway: Gateway,
    directories: Arc<Directories>,
    peers: Arc<FilePeers>,
    /// Where the pages are since this host was started.
    public_url: String,
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

/// What the configuration and the console give.
pub(crate) struct HostSide {
    pub(crate) config: Config,
    pub(crate) keys: KeyRing,
    /// The super tenant's, those of the console among them.
    pub(crate) senders: Vec<SenderConfig>,
    pub(crate) sending: Sending,
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
    entries: Entries,
}

/// A page that is written and not turned yet: whoever holds it is the only one who can.
pub(crate) struct Prepared<'a> {
    book: &'a TenantBook,
    _turn: MutexGuard<'a, ()>,
    page: Page,
    senders: Vec<SenderConfig>,
    directories: HashMap<TenantId, Held>,
    entries: HashMap<TenantId, Entries>,
}

impl std::fmt::Debug for TenantBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TenantBook")
    }
}

impl TenantBook {
    /// With the super tenant alone; the first page that is turned brings the others.
    pub(crate) fn new(
        host: HostSide,
        store: Arc<dyn TenantStore>,
        gateway: Gateway,
        directories: Arc<Directories>,
        peers: Arc<FilePeers>,
    ) -> Self {
        let host = Arc::new(host);
        Self {
            store,
            gateway,
            directories,
            peers,
            public_url: host.config.server.public_url.clone(),
            turn: Mutex::new(()),
            page: ArcSwap::from_pointee(Page {
                super_tenant: host.super_tenant(),
                others: HashMap::new(),
                host,
            }),
        }
    }

    /// Reads every document, against `host` or what was in effect before. What can fail fails here.
    pub(crate) async fn prepare(&self, host: Option<HostSide>) -> Result<Prepared<'_>, StoreError> {
        let turn = self.turn.lock().await;
        let host = match host {
            Some(mut host) => {
                // A new address waits for the next start. A message that named it before would bind
                // its code to a host where the pages are not yet.
                host.config.server.public_url.clone_from(&self.public_url);
                Arc::new(host)
            }
            None => self.page.load().host.clone(),
        };
        let mut prepared = Prepared {
            book: self,
            _turn: turn,
            senders: host.senders.clone(),
            directories: HashMap::new(),
            entries: HashMap::new(),
            page: Page {
                super_tenant: host.super_tenant(),
                others: HashMap::new(),
                host: host.clone(),
            },
        };
        for one in every(&host.config, &*self.store).await? {
            let (tenant, document) = (one.tenant, one.document);
            let directory = document
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|document| {
                    let stores = user_stores(&host.config, document.as_ref());
                    let made = self.directories.made(&tenant, &stores);
                    made.map_err(|error| format!("{error:#}"))
                });
            // Whoever administers the users of a tenant that is switched off finds them.
            if let Ok(directory) = &directory {
                prepared
                    .directories
                    .insert(tenant.clone(), directory.clone());
            }
            if !one.enabled {
                continue;
            }
            let made = directory
                .and(document)
                .and_then(|document| host.make(&tenant, document.as_ref()));
            let standing = match made {
                Ok(mut made) => {
                    made.running.lacks = self.lacking(&made.senders).await;
                    prepared.senders.extend(made.senders);
                    prepared.entries.insert(tenant.clone(), made.entries);
                    Standing::Runs(made.running)
                }
                Err(reason) => Standing::Broken {
                    reason,
                    face: host.face(None),
                },
            };
            prepared.page.others.insert(tenant, standing);
        }
        Ok(prepared)
    }

    async fn lacking(&self, senders: &[SenderConfig]) -> Option<String> {
        let problems = self.gateway.check(senders).await;
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

impl Prepared<'_> {
    /// Puts it in place: senders and directories first, so that no settings name one that is not
    /// there yet.
    pub(crate) async fn commit(self) {
        // The gateway has logged what is wrong with a sender; the others serve.
        let _ = self.book.gateway.configure(self.senders).await;
        self.book.directories.replace(self.directories);
        self.book.peers.replace_others(self.entries);
        tell_changes(&self.book.page.load(), &self.page.others);
        self.book.page.store(Arc::new(self.page));
    }
}

/// A tenant that there is, and what its logins shall run by: `None` where it has no document.
struct One {
    tenant: TenantId,
    enabled: bool,
    document: Result<Option<TenantDocument>, String>,
}

async fn every(config: &Config, store: &dyn TenantStore) -> Result<Vec<One>, StoreError> {
    let mut files = files(&config.tenants_folder)?;
    let mut all = Vec::new();
    for record in store.tenants().await? {
        let files = files.remove(&record.tenant).unwrap_or_default();
        all.push(One {
            document: match record.broken {
                Some(reason) => Err(reason),
                None => document(config, record.document.as_deref(), &files),
            },
            tenant: record.tenant,
            enabled: record.enabled,
        });
    }
    for (tenant, files) in files {
        all.push(One {
            tenant,
            enabled: true,
            document: document(config, None, &files),
        });
    }
    Ok(all)
}

fn document(
    config: &Config,
    stored: Option<&str>,
    files: &[PathBuf],
) -> Result<Option<TenantDocument>, String> {
    match (files, stored) {
        ([], None) => Ok(None),
        ([], Some(text)) => parsed(text, config, &Surroundings::closed()).map(Some),
        ([file], None) => parsed(&read(file)?, config, &Surroundings::real())
            .map(Some)
            .map_err(|reason| format!("`{}`: {reason}", file.display())),
        (files, stored) => {
            let files = files.iter().map(|file| format!("`{}`", file.display()));
            let all: Vec<_> = files
                .chain(stored.map(|_| "one in the store".to_owned()))
                .collect();
            Err(format!(
                "it has several documents, {}: leave one of them",
                all.join(" and ")
            ))
        }
    }
}

/// How a tenant whose logins nobody serves now would read a number without a country code.
async fn region_of(
    config: &Config,
    store: &dyn TenantStore,
    tenant: &TenantId,
) -> Result<Option<String>, StoreError> {
    let of_the_file = config.sms_otp.factor.default_region.clone();
    if *tenant == TenantId::super_tenant() {
        return Ok(of_the_file);
    }
    let all = every(config, store).await?;
    let Some(one) = all.into_iter().find(|one| one.tenant == *tenant) else {
        return Ok(None);
    };
    Ok(match one.document {
        Ok(Some(document)) => document.sms_otp.factor.default_region.clone(),
        Ok(None) => of_the_file,
        Err(_) => None,
    })
}

fn parsed(
    text: &str,
    config: &Config,
    surroundings: &Surroundings,
) -> Result<TenantDocument, String> {
    let base = &config.tenants_folder;
    TenantDocument::read(text, config, base, surroundings).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    })
}

/// Without a document a tenant has local stores of the super tenant's names, and nobody of its
/// foreign ones: they hold the super tenant's people (attack Q-09).
fn user_stores(config: &Config, document: Option<&TenantDocument>) -> UserStores {
    match document {
        Some(document) => document.user_stores.clone(),
        None => config.user_stores.local(),
    }
}

/// The user stores of every tenant, where no host runs. One whose document cannot be used has none.
pub(crate) async fn connect(
    config: &Config,
    store: &dyn TenantStore,
    directories: &Directories,
) -> anyhow::Result<()> {
    let mut all = HashMap::new();
    for one in every(config, store).await? {
        if let Ok(document) = &one.document {
            let stores = user_stores(config, document.as_ref());
            let made = directories.made(&one.tenant, &stores)?;
            all.insert(one.tenant, made);
        }
    }
    directories.replace(all);
    Ok(())
}

impl HostSide {
    fn super_tenant(&self) -> Running {
        let config = &self.config;
        let limits = &config.limits;
        let sending = &self.sending;
        let in_order = |factor: &FactorSettings| {
            let mut factor = factor.clone();
            let named = std::mem::take(&mut factor.senders);
            for name in sending.first.iter().chain(&named).chain(&sending.last) {
                if !factor.senders.contains(name) {
                    factor.senders.push(name.clone());
                }
            }
            // It was read beside the address of its own file, which may wait for the next start.
            if let Some(host) = &mut factor.otp_host {
                *host = config.server.public_host();
            }
            factor
        };
        let step = in_order(&config.sms_otp.step);
        // Where both have one of a name, the file's is used.
        let consoles = sending.entries.iter();
        let consoles = consoles.map(|(name, says)| (name.clone(), step.refined(says)));
        let entries: Vec<_> = consoles.chain(config.sms_otp.by_entry(&step)).collect();
        let settings = TenantSettings {
            factor: in_order(&config.sms_otp.factor).refined(&sending.says),
            by_entry: BTreeMap::new(),
            keys: self.keys.clone(),
            templates: config.sms_otp.templates.clone(),
            brand: config.server.brand.clone(),
            limits: limits.send.clone(),
            login_lifetime: limits.login_lifetime,
            session_lifetime: limits.session_lifetime,
            failures_per_hour: limits.failures_per_hour,
        };
        Running {
            settings: Arc::new(settings.with_entries(entries)),
            face: self.face(None),
            lacks: None,
        }
    }

    fn make(&self, tenant: &TenantId, document: Option<&TenantDocument>) -> Result<Made, String> {
        let Some(document) = document else {
            return Ok(self.without_document(tenant));
        };
        let senders = document.senders.values();
        let senders = senders
            .map(|one| sender(one, tenant))
            .collect::<anyhow::Result<_>>()
            .map_err(|error| format!("{error:#}"))?;
        Ok(Made {
            running: Running {
                face: self.face(document.brand.as_deref()),
                settings: Arc::new(self.settings(document)),
                lacks: None,
            },
            senders,
            entries: document.entries_of(tenant),
        })
    }

    /// The super tenant's values under the tenant's name: its senders' accounts, texts and limits.
    /// Users, counters and sessions are the tenant's own, and whom it federates with as well.
    fn without_document(&self, tenant: &TenantId) -> Made {
        let senders = self.senders.iter().map(|one| SenderConfig {
            tenant: tenant.clone(),
            ..one.clone()
        });
        Made {
            running: self.super_tenant(),
            senders: senders.collect(),
            entries: Entries::default(),
        }
    }

    fn settings(&self, document: &TenantDocument) -> TenantSettings {
        let limits = &document.limits;
        let settings = TenantSettings {
            factor: document.sms_otp.factor.clone(),
            by_entry: BTreeMap::new(),
            keys: self.keys.clone(),
            templates: document.sms_otp.templates.clone(),
            brand: self.brand(document.brand.as_deref()).to_owned(),
            limits: limits.send.clone(),
            login_lifetime: limits.login_lifetime,
            session_lifetime: limits.session_lifetime,
            failures_per_hour: limits.failures_per_hour,
        };
        settings.with_entries(document.sms_otp.by_entry(&document.sms_otp.step))
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

/// The documents of the folder, by the tenant each is named after: TOML, or the older product's XML.
/// A file of another name is told and left alone.
fn files(folder: &Path) -> Result<BTreeMap<TenantId, Vec<PathBuf>>, StoreError> {
    let list = |extension| {
        let listed = Surroundings::real().list(folder, extension);
        listed.map_err(|reason| {
            StoreError::new(format!("cannot list `{}`: {reason}", folder.display()))
        })
    };
    let mut files = BTreeMap::<TenantId, Vec<PathBuf>>::new();
    for path in list("toml")?.into_iter().chain(list("xml")?) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match TenantId::parse(&name) {
            Ok(tenant) if tenant != TenantId::super_tenant() => {
                files.entry(tenant).or_default().push(path);
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
        let (document, mut check) = checked(text, &host.config);
        let Some(document) = document else {
            return check;
        };
        if let Err(error) = self.directories.made(tenant, &document.user_stores) {
            check.problems.push(format!("{error:#}"));
        }
        match host.make(tenant, Some(&document)) {
            Ok(made) => check.problems.extend(self.lacking(&made.senders).await),
            Err(reason) => check.problems.push(reason),
        }
        check
    }

    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError> {
        shown_files(&self.page.load().host.config.tenants_folder)
    }

    async fn file_text(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        text_of_file(&self.page.load().host.config.tenants_folder, tenant)
    }

    fn hide_secrets(&self, text: &str) -> String {
        hide_secrets(text, &self.page.load().host.config)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        self.prepare(None).await?.commit().await;
        Ok(())
    }

    fn trouble(&self, tenant: &TenantId) -> Option<String> {
        self.page.load().others.get(tenant)?.trouble()
    }

    async fn default_region(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        let page = self.page.load_full();
        if *tenant == TenantId::super_tenant() {
            return Ok(page.super_tenant.settings.factor.default_region.clone());
        }
        match page.others.get(tenant) {
            Some(Standing::Runs(running)) => Ok(running.settings.factor.default_region.clone()),
            Some(Standing::Broken { .. }) => Ok(None),
            // Switched off: its users are administered by what it runs by when it is switched on again.
            None => region_of(&page.host.config, &*self.store, tenant).await,
        }
    }
}

fn checked(text: &str, config: &Config) -> (Option<TenantDocument>, DocumentCheck) {
    let surroundings = Surroundings::closed();
    let mut check = DocumentCheck::default();
    match TenantDocument::read(text, config, &config.tenants_folder, &surroundings) {
        Ok(document) => {
            let warnings = document.warnings.iter();
            check.warnings = warnings.map(ToString::to_string).collect();
            (Some(document), check)
        }
        Err(problems) => {
            check.problems = problems.iter().map(ToString::to_string).collect();
            (None, check)
        }
    }
}

fn shown_files(folder: &Path) -> Result<BTreeMap<TenantId, String>, StoreError> {
    let files = files(folder)?.into_iter();
    Ok(files
        .map(|(tenant, paths)| {
            let paths: Vec<_> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            (tenant, paths.join(" and "))
        })
        .collect())
}

/// Of the first, if there are several: the tenant is in trouble then, and its report says so.
fn text_of_file(folder: &Path, tenant: &TenantId) -> Result<Option<String>, StoreError> {
    let files = files(folder)?;
    let file = files.get(tenant).and_then(|paths| paths.first());
    file.map(|file| read(file).map_err(StoreError::new))
        .transpose()
}

/// The documents where no host runs: they can be read and checked, and nobody runs by them.
pub(crate) struct BareTenants {
    config: Config,
    store: Arc<dyn TenantStore>,
}

impl BareTenants {
    pub(crate) fn new(config: &Config, store: Arc<dyn TenantStore>) -> Self {
        Self {
            config: config.clone(),
            store,
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
        checked(text, &self.config).1
    }

    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError> {
        shown_files(self.folder())
    }

    async fn file_text(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        text_of_file(self.folder(), tenant)
    }

    fn hide_secrets(&self, text: &str) -> String {
        hide_secrets(text, &self.config)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Of a file's tenant: what a host would say when it reads it.
    fn trouble(&self, tenant: &TenantId) -> Option<String> {
        let files = files(self.folder()).ok()?;
        document(&self.config, None, files.get(tenant)?).err()
    }

    async fn default_region(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        region_of(&self.config, &*self.store, tenant).await
    }
}
