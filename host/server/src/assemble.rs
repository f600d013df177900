//! The parts put together: store, keys, plugins, gateway, logins, pages. Nothing is bound to a port
//! here; what opens the door is `host`.

use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::{Config, Isolation, Problem, Sender};
use crate::console::{Answering, LoadedPlugins, TestMessages};
use crate::defined::{Defined, Sending, connectors};
use crate::desk::Desk;
use crate::directories::Directories;
use crate::entropy::SystemEntropy;
use crate::keys::Keys;
use crate::outbound::Edge;
use crate::peers::FilePeers;
use crate::provisioning::{self, Provisioning};
use crate::readiness::HostReadiness;
use crate::resident::Itself;
use crate::saml_keys::FileSamlKeys;
pub(crate) use crate::shipped::shipped;
use crate::signing::FileSigningKeys;
use crate::tenants::{self, BareTenants, HostSide, TenantBook};
use crate::user_stores::{Own, directory_of};
use crate::users::StoreAccounts;
use anyhow::Context;
use postern_admin::audit::AuditTrail;
use postern_admin::definitions::{Definitions, Links};
use postern_admin::documents::Documents;
use postern_admin::outbox::TestOutbox;
use postern_admin::tenants::{TenantDocuments, Tenants};
use postern_admin::users::Accounts;
use postern_admin::{Administration, ports};
use postern_egress::Client;
use postern_egress::SystemResolver;
use postern_federation::Moment;
use postern_federation::oidc::upstream::Upstreams;
use postern_federation::ports::{Once, Parking};
use postern_federation::scim::ports::Deliveries;
use postern_federation::scim::{Groups, People};
use postern_gateway::{Gateway, Outbox, SenderConfig};
use postern_login::ports::{
    ApiClients, AttemptStore, AuditLog, BackupCodeStore, Clock, Counters, Directory, Entropy,
    Idempotency, LoginStore, Ports, Senders, SessionStore, TenantStore, UserResolver,
};
use postern_login::{Logins, TenantId};
use postern_store::directory::hashing::Hashing;
use postern_store::directory::identities::Identities;
use postern_store::directory::users::Users;
use postern_store::directory::{Local, Provisionable, Secondary, Watched};
use postern_store::memory::Memory;
use postern_store::sqlite::{Options, RowKeySource, Sqlite};
use postern_wasm::{CachePlace, Plugins, WorkerCommand};
use postern_web::scim::{Rule, Scim, Turns};
use postern_web::{AdminToken, Federation, FormKey, PublicUrl, TrustedProxies, WebParts, WebState};
use std::sync::{Arc, RwLock};
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
    pub people: Arc<dyn People>,
    pub groups: Arc<dyn Groups>,
    pub deliveries: Arc<dyn Deliveries>,
    pub provisioning: Arc<Provisioning>,
    pub accounts: Arc<dyn Accounts>,
    /// What `directory` and `accounts` ask; its stores are exchanged when the configuration changes.
    pub user_stores: Arc<Secondary>,
    pub own_users: Own,
    pub audit: Arc<dyn AuditLog>,
    pub parking: Arc<dyn Parking>,
    pub once: Arc<dyn Once>,
    pub trail: Arc<dyn AuditTrail>,
    pub documents: Arc<dyn Documents>,
    pub links: Arc<dyn Links>,
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
    pub defined: Arc<Defined>,
    pub peers: Arc<FilePeers>,
    pub provisioning: Arc<Provisioning>,
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
    let data_dir = config.server.data_dir.clone();
    let options = Options {
        row_keys: RowKeySource::new(move || {
            Keys::open(&data_dir)
                .and_then(|keys| keys.row_keys())
                .map_err(|error| std::io::Error::other(format!("{error:#}")))
        }),
        ..Options::default()
    };
    Ok(Sqlite::open(&config.server.data_dir, options)?)
}

/// The desk without a host around it.
pub async fn desk(config: &Config) -> anyhow::Result<Desk> {
    let stores = stores(config, Backing::Sqlite, Arc::new(SystemClock))?;
    tenants::connect(config, &*stores.tenants, &stores.directories).await?;
    // Whoever changes a user here must not pass by the peers that the console named.
    let connectors = connectors::all(config, &*stores.documents).await?;
    stores.provisioning.replace(connectors);
    let world = (Arc::new(SystemClock) as _, Arc::new(SystemEntropy) as _);
    let documents = Arc::new(BareTenants::new(config, stores.tenants.clone()));
    let administration = administration(&stores, world, documents, None);
    Ok(Desk {
        tenant: TenantId::super_tenant(),
        administration,
    })
}

fn administration(
    stores: &Stores,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    tenants: Arc<dyn TenantDocuments>,
    host: Option<ports::Host>,
) -> Administration {
    Administration::new(Arc::new(ports::Ports {
        accounts: stores.accounts.clone(),
        directory: stores.directory.clone(),
        logins: stores.logins.clone(),
        sessions: stores.sessions.clone(),
        attempts: stores.attempts.clone(),
        backup_codes: stores.backup_codes.clone(),
        counters: stores.counters.clone(),
        clients: stores.clients.clone(),
        documents: stores.documents.clone(),
        links: stores.links.clone(),
        tenants: Tenants::new(stores.tenants.clone(), tenants, clock.clone()),
        groups: stores.groups.clone(),
        deliveries: stores.deliveries.clone(),
        outgoing: stores.provisioning.clone(),
        trail: stores.trail.clone(),
        audit: Arc::new(Audit::new(stores.audit.clone())),
        clock,
        entropy,
        host,
    }))
}

fn stores(config: &Config, backing: Backing, clock: Arc<dyn Clock>) -> anyhow::Result<Stores> {
    Ok(match backing {
        Backing::Sqlite => {
            let store = store(config)?;
            let hashing = store.hashing();
            ports_of(store, hashing, config, clock)?
        }
        Backing::Memory => {
            let store = Memory::new();
            let hashing = store.hashing();
            ports_of(store, hashing, config, clock)?
        }
    })
}

fn ports_of<S>(
    store: S,
    hashing: Hashing,
    config: &Config,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Stores>
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
        + AuditTrail
        + Documents
        + Users
        + Parking
        + Once
        + Identities
        + Groups
        + Deliveries
        + Links
        + Clone
        + 'static,
{
    let store = Arc::new(store);
    let own_users = Own {
        users: store.clone(),
        hashing,
    };
    let tenant = TenantId::super_tenant();
    let user_stores = Arc::new(directory_of(&config.user_stores, &tenant, &own_users)?);
    let people: Arc<dyn People> = Arc::new(Provisionable::new(
        user_stores.clone(),
        store.clone(),
        clock.clone(),
    ));
    let provisioning = Arc::new(Provisioning::new(
        provisioning::Parts {
            tenant,
            deliveries: store.clone(),
            people: people.clone(),
            groups: store.clone(),
            clock: clock.clone(),
        },
        config.connectors.clone(),
    ));
    // Whatever door a user is changed by, the peers hear of it.
    let watched = Arc::new(Watched::new(
        user_stores.clone(),
        store.clone(),
        provisioning.clone(),
        clock,
    ));
    let directories = Arc::new(Directories::new(
        user_stores.clone(),
        watched,
        own_users.clone(),
    ));
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
        accounts: Arc::new(StoreAccounts(directories.clone())),
        directories,
        people,
        groups: store.clone(),
        deliveries: store.clone(),
        provisioning,
        user_stores,
        own_users,
        audit: store.clone(),
        parking: store.clone(),
        once: store.clone(),
        trail: store.clone(),
        documents: store.clone(),
        links: store,
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
    let stores = stores(config, backing, clock.clone())?;
    let keys = Keys::open(&config.server.data_dir)?;

    let plugins = start_plugins(config, worker).await?;
    let outbox = config
        .outbox
        .as_ref()
        .map(|outbox| Outbox::keeping(outbox.messages as usize));
    let gateway = Gateway::new(postern_gateway::Setup {
        folder: config.plugins.folder.clone(),
        last_good: Some(config.server.data_dir.join("last-good")),
        plugins: plugins.clone(),
        health: config.limits.health,
        client: Client::new(config.limits.request.clone(), Arc::new(SystemResolver)),
        directory: stores.directory.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        shipped: shipped(),
        outbox: outbox.clone(),
        kept: Some(config.server.data_dir.join("plugins-before")),
    });
    gateway.reconcile().await;
    let peers = Arc::new(FilePeers::new(config.federation.clone()));
    let book = Arc::new(TenantBook::new(
        HostSide {
            config: config.clone(),
            keys: keys.ring(clock.now())?,
            senders: senders(config)?,
            sending: Sending::default(),
        },
        stores.tenants.clone(),
        gateway.clone(),
        stores.directories.clone(),
        peers.clone(),
    ));
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
    let saml = postern_web::saml::Saml {
        entity_id: config
            .saml_entity_id
            .clone()
            .unwrap_or_else(|| format!("{}/saml/metadata", config.server.public_url)),
        keys: Arc::new(FileSamlKeys::new(keys.clone(), &config.server.public_url)),
    };
    let outbound = Arc::new(Edge::new(config.limits.request.clone(), clock.clone()));
    let to_peers = Edge::of_provisioning(config.limits.request.clone(), clock.clone());
    stores.provisioning.opens(Arc::new(to_peers));
    let inbound = Rule::new(config.inbound.clone().unwrap_or_default());
    let defined = Arc::new(Defined {
        gateway: gateway.clone(),
        tenants: book.clone(),
        peers: peers.clone(),
        provisioning: stores.provisioning.clone(),
        inbound: inbound.clone(),
        documents: stores.documents.clone(),
        keys: keys.clone(),
        clock: clock.clone(),
        file: RwLock::new(Arc::new(config.clone())),
        turn: tokio::sync::Mutex::new(()),
    });
    // The first page of the book: every sender is configured and every document is read after it.
    defined.apply().await?;
    let host = ports::Host {
        plugins: Arc::new(LoadedPlugins {
            gateway: gateway.clone(),
            limits: config.limits.plugin.clone(),
        }),
        senders: Arc::new(TestMessages {
            gateway: gateway.clone(),
            defined: defined.clone(),
        }),
        definitions: defined.clone(),
        resident: Arc::new(Itself {
            public_url: PublicUrl::parse(&config.server.public_url)?,
            saml: saml.clone(),
            inbound: inbound.clone(),
            clock: clock.clone(),
        }),
        outbox: outbox
            .clone()
            .map(|outbox| Arc::new(Answering(outbox)) as Arc<dyn TestOutbox>),
        codes: logins.clone(),
    };
    let world = (clock.clone(), entropy.clone());
    let administration = administration(&stores, world, book.clone(), Some(host));
    let admin_token = match &config.server.admin_token {
        Some(token) => Zeroizing::new(token.expose().to_owned()),
        None => keys.admin_token()?,
    };
    let web = WebState::new(WebParts {
        all_logins: logins.clone(),
        tenants: book.clone(),
        public_url: PublicUrl::parse(&config.server.public_url)?,
        other_hosts: config.server.other_hosts.clone(),
        trusted_proxies: TrustedProxies::parse(
            config.server.trusted_proxies.iter().map(String::as_str),
        )?,
        clock: clock.clone(),
        all_form_keys: FormKey::new(keys.form_key()?),
        federation: Federation {
            peers: peers.clone(),
            parking: stores.parking.clone(),
            once: stores.once.clone(),
            upstreams: Upstreams::new(outbound, stores.parking.clone()),
            signing_keys,
            saml,
            entropy: entropy.clone(),
        },
        scim: Scim {
            people: stores.people.clone(),
            groups: stores.groups.clone(),
            inbound: inbound.clone(),
            turns: Turns::default(),
        },
        administration: administration.clone(),
        console_url: config
            .server
            .admin_url
            .as_deref()
            .map(PublicUrl::parse)
            .transpose()?,
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
    let desk = Desk {
        tenant: TenantId::super_tenant(),
        administration,
    };
    Ok(Assembled {
        logins,
        web,
        gateway,
        plugins,
        tenants: book,
        defined,
        peers,
        provisioning: stores.provisioning.clone(),
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
        private: sender.private.clone(),
        ca_pems,
        expected_sha256: sender.sha256,
    })
}

/// What is wrong with the user stores, found out by asking each.
pub fn user_store_problems(config: &Config) -> anyhow::Result<Vec<Problem>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(crate::user_stores::problems(&config.user_stores)))
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
            last_good: None,
            plugins,
            health: config.limits.health,
            client: Client::new(config.limits.request.clone(), Arc::new(SystemResolver)),
            directory: Arc::new(Local::new(store, hashing)),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            shipped: shipped(),
            outbox: config.outbox.as_ref().map(|_| Outbox::default()),
            kept: None,
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
