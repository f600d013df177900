//! The parts put together: store, keys, plugins, gateway, logins, pages. Nothing is bound to a port
//! here; what opens the door is `host`.

use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::{Config, Isolation, Problem, Sender};
use crate::desk::Desk;
use crate::directories::Directories;
use crate::entropy::SystemEntropy;
use crate::keys::Keys;
use crate::outbound::Edge;
use crate::peers::FilePeers;
use crate::readiness::HostReadiness;
pub(crate) use crate::shipped::shipped;
use crate::signing::FileSigningKeys;
use crate::tenants::{BareTenants, TenantBook};
use crate::users::LocalAccounts;
use anyhow::Context;
use postern_admin::plugins::{PluginReport, Plugins as PluginList, RefusedFile};
use postern_admin::tenants::Tenants;
use postern_admin::users::Accounts;
use postern_egress::Client;
use postern_egress::SystemResolver;
use postern_federation::Moment;
use postern_federation::oidc::upstream::Upstreams;
use postern_federation::ports::{Once, Parking};
use postern_gateway::{Gateway, Outbox, SenderConfig};
use postern_login::ports::{
    ApiClients, AttemptStore, AuditLog, BackupCodeStore, Clock, Counters, Directory, Entropy,
    Idempotency, LoginStore, Ports, Senders, SessionStore, TenantStore, UserResolver,
};
use postern_login::{Logins, TenantId};
use postern_store::directory::hashing::Hashing;
use postern_store::directory::users::Users;
use postern_store::directory::{Local, Secondary};
use postern_store::memory::Memory;
use postern_store::sqlite::{Options, Sqlite};
use postern_wasm::{CachePlace, Plugins, WorkerCommand};
use postern_web::{AdminToken, Federation, FormKey, PublicUrl, TrustedProxies, WebParts, WebState};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a test may exchange; the defaults are the real things.
pub struct Furniture {
    pub backing: Backing,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// The program that becomes the plugin worker.
    pub worker: WorkerCommand,
    /// The metrics as text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl std::fmt::Debug for Furniture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Furniture({:?})", self.backing)
    }
}

/// Where the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// In the data folder.
    Sqlite,
    /// Gone with the process.
    Memory,
}

impl Furniture {
    pub fn real() -> anyhow::Result<Self> {
        Ok(Self {
            backing: Backing::Sqlite,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            worker: WorkerCommand::this_executable()
                .context("cannot tell where this program is")?,
            metrics: Arc::new(String::new),
        })
    }
}

/// A store by its ports.
#[derive(Clone)]
pub struct Stores {
    pub logins: Arc<dyn LoginStore>,
    pub attempts: Arc<dyn AttemptStore>,
    pub backup_codes: Arc<dyn BackupCodeStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub counters: Arc<dyn Counters>,
    pub clients: Arc<dyn ApiClients>,
    pub replies: Arc<dyn Idempotency>,
    pub tenants: Arc<dyn TenantStore>,
    /// Of every tenant.
    pub directory: Arc<dyn Directory>,
    pub(crate) directories: Arc<Directories>,
    pub accounts: Arc<dyn Accounts>,
    pub audit: Arc<dyn AuditLog>,
    pub parking: Arc<dyn Parking>,
    pub once: Arc<dyn Once>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stores")
    }
}

/// Everything, assembled.
pub struct Assembled {
    pub logins: Logins,
    pub web: WebState,
    pub gateway: Gateway,
    pub plugins: Plugins,
    pub tenants: Arc<TenantBook>,
    pub peers: Arc<FilePeers>,
    pub stores: Stores,
    pub desk: Desk,
    pub keys: Keys,
    pub outbox: Option<Outbox>,
    pub clock: Arc<dyn Clock>,
    pub admin_token: Zeroizing<String>,
}

impl std::fmt::Debug for Assembled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assembled")
    }
}

/// Opens the embedded store, or makes it.
pub fn store(config: &Config) -> anyhow::Result<Sqlite> {
    Ok(Sqlite::open(&config.server.data_dir, Options::default())?)
}

/// The desk without a host around it.
pub async fn desk(config: &Config) -> anyhow::Result<Desk> {
    let stores = stores(config, Backing::Sqlite)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bare = Arc::new(BareTenants::new(config));
    let tenants = Tenants::new(stores.tenants.clone(), bare, clock.clone());
    Ok(desk_of(&stores, config, clock, tenants, None))
}

fn desk_of(
    stores: &Stores,
    config: &Config,
    clock: Arc<dyn Clock>,
    tenants: Tenants,
    plugins: Option<Arc<dyn PluginList>>,
) -> Desk {
    Desk {
        tenant: TenantId::super_tenant(),
        tenants,
        accounts: stores.accounts.clone(),
        directory: stores.directory.clone(),
        logins: stores.logins.clone(),
        sessions: stores.sessions.clone(),
        attempts: stores.attempts.clone(),
        backup_codes: stores.backup_codes.clone(),
        clients: stores.clients.clone(),
        clock,
        plugins,
        default_region: config.sms_otp.factor.default_region.clone(),
    }
}

fn stores(config: &Config, backing: Backing) -> anyhow::Result<Stores> {
    Ok(match backing {
        Backing::Sqlite => {
            let store = store(config)?;
            let hashing = store.hashing();
            ports_of(store, hashing, config)?
        }
        Backing::Memory => {
            let store = Memory::new();
            let hashing = store.hashing();
            ports_of(store, hashing, config)?
        }
    })
}

fn ports_of<S>(store: S, hashing: Hashing, config: &Config) -> anyhow::Result<Stores>
where
    S: LoginStore
        + AttemptStore
        + BackupCodeStore
        + SessionStore
        + Counters
        + ApiClients
        + Idempotency
        + TenantStore
        + AuditLog
        + Users
        + Parking
        + Once
        + Clone
        + 'static,
{
    let primary = Local::new(store.clone(), hashing.clone());
    let super_tenant = directory_of(&store, &hashing, &config.sms_otp.user_stores)?;
    let of_all = store.clone();
    let directories = Arc::new(Directories::new(
        super_tenant,
        Box::new(move |domains| directory_of(&of_all, &hashing, domains)),
    ));
    let store = Arc::new(store);
    Ok(Stores {
        logins: store.clone(),
        attempts: store.clone(),
        backup_codes: store.clone(),
        sessions: store.clone(),
        counters: store.clone(),
        clients: store.clone(),
        replies: store.clone(),
        tenants: store.clone(),
        directory: directories.clone(),
        directories,
        accounts: Arc::new(LocalAccounts(primary)),
        audit: store.clone(),
        parking: store.clone(),
        once: store,
    })
}

/// The primary store and the named ones, in their order. Rows are told apart by tenant, so one
/// directory of this kind serves any tenant.
fn directory_of<S: Users + Clone + 'static>(
    store: &S,
    hashing: &Hashing,
    domains: &[String],
) -> anyhow::Result<Arc<dyn Directory>> {
    let primary = Arc::new(Local::new(store.clone(), hashing.clone()));
    let others = domains
        .iter()
        .map(|domain| {
            let other =
                Local::secondary(store.clone(), hashing.clone(), domain).map_err(|refused| {
                    anyhow::anyhow!("sms_otp.secondary_userstore: `{domain}`: {refused}")
                })?;
            Ok((domain.clone(), Arc::new(other) as Arc<dyn Directory>))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(if others.is_empty() {
        primary
    } else {
        Arc::new(Secondary::new(primary, others)?)
    })
}

/// Puts everything together. The plugin folder has been looked at once when this returns, so that
/// the first login finds its sender.
pub async fn assemble(config: &Config, furniture: Furniture) -> anyhow::Result<Assembled> {
    let Furniture {
        backing,
        clock,
        entropy,
        worker,
        metrics,
    } = furniture;
    let tenant = TenantId::super_tenant();
    // The store first: its lock keeps a second host away from keys and cache as well.
    let stores = stores(config, backing)?;
    let keys = Keys::open(&config.server.data_dir)?;

    let plugins = start_plugins(config, worker).await?;
    let outbox = config.outbox.as_ref().map(|_| Outbox::default());
    let gateway = Gateway::new(postern_gateway::Setup {
        folder: config.plugins.folder.clone(),
        plugins: plugins.clone(),
        client: Client::new(config.limits.request.clone(), Arc::new(SystemResolver)),
        directory: stores.directory.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        shipped: shipped(),
        outbox: outbox.clone(),
    });
    gateway.reconcile().await;
    let book = TenantBook::open(
        config,
        keys.ring(clock.now())?,
        stores.tenants.clone(),
        gateway.clone(),
        stores.directories.clone(),
    );
    let book = Arc::new(book.await?);

    let senders: Arc<dyn Senders> = Arc::new(gateway.clone());
    let resolver: Arc<dyn UserResolver> = Arc::new(gateway.clone());
    let logins = Logins::new(Arc::new(Ports {
        logins: stores.logins.clone(),
        attempts: stores.attempts.clone(),
        backup_codes: stores.backup_codes.clone(),
        sessions: stores.sessions.clone(),
        counters: stores.counters.clone(),
        clients: stores.clients.clone(),
        replies: stores.replies.clone(),
        directory: stores.directory.clone(),
        settings: book.clone(),
        senders: senders.clone(),
        resolver,
        clock: clock.clone(),
        entropy: entropy.clone(),
        audit: Arc::new(Audit::new(stores.audit.clone())),
    }));

    let signing_keys = Arc::new(FileSigningKeys::open(&keys, Moment(clock.now().0))?);
    let outbound = Arc::new(Edge::new(
        Client::new(config.limits.request.clone(), Arc::new(SystemResolver)),
        clock.clone(),
    ));
    let peers = Arc::new(FilePeers::new(config.federation.clone()));
    let listed: Arc<dyn PluginList> = Arc::new(LoadedPlugins(gateway.clone()));
    let admin_token = match &config.server.admin_token {
        Some(token) => Zeroizing::new(token.expose().to_owned()),
        None => keys.admin_token()?,
    };
    let tenants = Tenants::new(stores.tenants.clone(), book.clone(), clock.clone());
    let web = WebState::new(WebParts {
        all_logins: logins.clone(),
        tenants: book.clone(),
        tenant_acts: tenants.clone(),
        public_url: PublicUrl::parse(&config.server.public_url)?,
        other_hosts: config.server.other_hosts.clone(),
        trusted_proxies: TrustedProxies::parse(
            config.server.trusted_proxies.iter().map(String::as_str),
        )?,
        clock: clock.clone(),
        all_form_keys: FormKey::new(keys.form_key()?),
        plugins: listed.clone(),
        federation: Federation {
            peers: peers.clone(),
            parking: stores.parking.clone(),
            once: stores.once.clone(),
            upstreams: Upstreams::new(outbound, stores.parking.clone()),
            signing_keys,
            entropy: entropy.clone(),
        },
        readiness: Arc::new(HostReadiness {
            tenant,
            counters: stores.counters.clone(),
            senders,
            settings: book.clone(),
            clock: clock.clone(),
        }),
        metrics,
        admin_token: AdminToken::new(&admin_token),
    });
    let desk = desk_of(&stores, config, clock.clone(), tenants, Some(listed));
    Ok(Assembled {
        logins,
        web,
        gateway,
        plugins,
        tenants: book,
        peers,
        stores,
        desk,
        keys,
        outbox,
        clock,
        admin_token,
    })
}

async fn start_plugins(config: &Config, worker: WorkerCommand) -> anyhow::Result<Plugins> {
    let data = &config.server.data_dir;
    let isolation = match config.plugins.isolation {
        Isolation::Worker => postern_wasm::Isolation::Worker(worker),
        Isolation::InProcess => postern_wasm::Isolation::InProcess,
    };
    let setup = postern_wasm::Setup {
        isolation,
        limits: config.limits.plugin.clone(),
        cache: Some(CachePlace {
            directory: data.join("compiled"),
            key_file: data.join("keys/compiled.key"),
        }),
    };
    Plugins::start(setup)
        .await
        .context("the plugins cannot be started")
}

/// The super tenant's senders as the gateway takes them.
pub fn senders(config: &Config) -> anyhow::Result<Vec<SenderConfig>> {
    let tenant = TenantId::super_tenant();
    let senders = config.senders.values();
    senders.map(|one| sender(one, &tenant)).collect()
}

/// A sender as the gateway takes it, of one tenant.
pub(crate) fn sender(sender: &Sender, tenant: &TenantId) -> anyhow::Result<SenderConfig> {
    let ca_pems = sender
        .ca_files
        .iter()
        .map(|path| {
            std::fs::read(path).with_context(|| {
                format!(
                    "sender.{}.ca_files: cannot read `{}`",
                    sender.name,
                    path.display()
                )
            })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(SenderConfig {
        name: sender.name.clone(),
        tenant: tenant.clone(),
        plugin: sender.plugin.clone(),
        settings: sender
            .settings
            .iter()
            .map(|(name, setting)| (name.clone(), setting.value.expose().to_owned()))
            .collect(),
        secrets: sender
            .secrets
            .iter()
            .map(|(name, value)| (name.clone(), Zeroizing::new(value.expose().to_owned())))
            .collect(),
        allow: sender.allow.clone(),
        allow_private_networks: sender.allow_private_networks,
        ca_pems,
        expected_sha256: sender.sha256,
    })
}

/// What is wrong with the senders, found out with the plugins really loaded, and every file the
/// folder would refuse. Needs no store, so that it runs beside a host.
pub fn sender_problems(config: &Config) -> anyhow::Result<Vec<Problem>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let plugins = Plugins::start(postern_wasm::Setup {
            isolation: postern_wasm::Isolation::Worker(WorkerCommand::this_executable()?),
            limits: config.limits.plugin.clone(),
            cache: None,
        })
        .await
        .context("the plugins cannot be started")?;
        let store = Memory::new();
        let hashing = store.hashing();
        let gateway = Gateway::new(postern_gateway::Setup {
            folder: config.plugins.folder.clone(),
            plugins,
            client: Client::new(config.limits.request.clone(), Arc::new(SystemResolver)),
            directory: Arc::new(Local::new(store, hashing)),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            shipped: shipped(),
            outbox: config.outbox.as_ref().map(|_| Outbox::default()),
        });
        gateway.reconcile().await;
        let mut problems = Vec::new();
        if let Some(trouble) = gateway.folder_trouble() {
            problems.push(Problem {
                key: "plugins.folder".into(),
                message: trouble,
            });
        }
        for file in gateway.plugins() {
            if let Some(refused) = file.refused {
                problems.push(Problem {
                    key: format!("plugins.folder/{}", file.file),
                    message: format!("refused at {}: {}", refused.stage, refused.reason),
                });
            }
        }
        for found in gateway.check(&senders(config)?).await {
            let below = found.setting.map(|setting| match setting.as_str() {
                "plugin" | "allow" | "sha256" => format!(".{setting}"),
                _ => format!(".settings.{setting}"),
            });
            problems.push(Problem {
                key: format!("sender.{}{}", found.sender, below.unwrap_or_default()),
                message: found.message,
            });
        }
        Ok(problems)
    })
}

/// The gateway's report in the administrator's words.
struct LoadedPlugins(Gateway);

impl PluginList for LoadedPlugins {
    fn report(&self) -> Vec<PluginReport> {
        let report = self.0.plugins().into_iter();
        report
            .map(|plugin| PluginReport {
                file: plugin.file,
                id: plugin.id,
                version: plugin.version,
                kind: plugin.kind,
                sha256: plugin.sha256,
                state: plugin.state.as_str().to_owned(),
                refused: plugin.refused.map(|refused| RefusedFile {
                    sha256: refused.sha256,
                    stage: refused.stage,
                    reason: refused.reason,
                }),
                calls: plugin.calls,
                faults: plugin.faults,
                last_fault: plugin.last_fault,
                origins_asked: plugin.origins_asked,
            })
            .collect()
    }

    fn rescan(&self) {
        self.0.rescan();
    }
}
