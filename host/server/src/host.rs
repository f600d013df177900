//! A host that runs: doors opened last, closed first.

use crate::assemble::{Assembled, Furniture, assemble};
use crate::config::{Config, restart};
use crate::defined::{Defined, Merged};
use crate::desk;
use crate::keys::Keys;
use crate::peers::FilePeers;
use crate::provisioning::Provisioning;
use crate::shutdown::Shutdown;
use crate::tasks;
use crate::tenants::{HostSide, TenantBook};
use crate::user_stores::{Own, directory_of};
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use postern_gateway::Gateway;
use postern_login::TenantId;
use postern_login::ports::Clock;
use postern_store::directory::Secondary;
use postern_web::scim::Rule;
use postern_web::{Bounds, Tls, TrustedProxies, listener, router};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

/// The two doors, bound and not yet open.
#[derive(Debug)]
pub struct Doors {
    pub public: TcpListener,
    pub admin: TcpListener,
}

impl Doors {
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |key: &str, address: SocketAddr| {
            TcpListener::bind(address).await.with_context(|| {
                format!("{key}: cannot listen on {address}: is another Postern running, or the address not of this machine?")
            })
        };
        Ok(Self {
            public: bind("server.listen", config.server.listen).await?,
            admin: bind("server.admin_listen", config.server.admin_listen).await?,
        })
    }
}

/// A host whose doors are open.
#[derive(Debug)]
pub struct Host {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub parts: Assembled,
    shutdown: Shutdown,
    tls: Option<Tls>,
    doors: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
}

impl Host {
    /// Assembles everything and opens the doors.
    pub async fn start(
        config: &Config,
        furniture: Furniture,
        doors: Doors,
    ) -> anyhow::Result<Self> {
        let tls = config.tls.as_ref().map(read_tls).transpose()?;
        let parts = assemble(config, furniture).await?;
        let shutdown = Shutdown::default();
        let (public, admin) = (doors.public.local_addr()?, doors.admin.local_addr()?);
        let mut background = vec![
            parts.gateway.watch(),
            tokio::spawn(tasks::tenants::run(
                config.tenants_folder.clone(),
                parts.tenants.clone(),
                shutdown.clone(),
            )),
            tokio::spawn(tasks::sweep::run(
                parts.stores.clone(),
                parts.clock.clone(),
                shutdown.clone(),
            )),
            tokio::spawn(parts.provisioning.clone().run(shutdown.clone())),
        ];
        if let Some(keep) = config.audit_kept_for {
            background.push(tokio::spawn(tasks::retention::run(
                parts.desk.administration.clone(),
                keep,
                shutdown.clone(),
            )));
        }
        match desk::listen(&config.server.data_dir, parts.desk.clone()) {
            Ok(task) => background.push(task),
            // A path too long for a socket must not keep people from signing in.
            Err(error) => tracing::warn!(
                "`postern user`, `client` and `plugin list` cannot reach this host: {error:#}"
            ),
        }
        let bounds = Bounds {
            trusted_proxies: TrustedProxies::parse(
                config.server.trusted_proxies.iter().map(String::as_str),
            )?,
            ..Bounds::default()
        };
        let serve = |socket, tls, router| {
            tokio::spawn(listener::serve(
                socket,
                tls,
                router,
                bounds.clone(),
                shutdown.begun(),
            ))
        };
        let doors = vec![
            serve(doors.public, tls.clone(), router::public(parts.web.clone())),
            serve(doors.admin, None, router::admin(parts.web.clone())),
        ];
        Ok(Self {
            public,
            admin,
            parts,
            shutdown,
            tls,
            doors,
            background,
        })
    }

    /// Tells everybody to stop; `stop` waits for it.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Closes the doors, lets requests under way finish (at most 10 s), and lets go of the store.
    pub async fn stop(self) {
        self.shutdown.begin();
        for door in self.doors {
            let _ = door.await;
        }
        for task in &self.background {
            task.abort();
        }
        for task in self.background {
            let _ = task.await;
        }
    }

    fn reloadable(&self) -> Reloadable {
        Reloadable {
            gateway: self.parts.gateway.clone(),
            tenants: self.parts.tenants.clone(),
            defined: self.parts.defined.clone(),
            peers: self.parts.peers.clone(),
            provisioning: self.parts.provisioning.clone(),
            inbound: self.parts.web.scim.inbound.clone(),
            user_stores: self.parts.stores.user_stores.clone(),
            own_users: self.parts.stores.own_users.clone(),
            keys: self.parts.keys.clone(),
            clock: self.parts.clock.clone(),
            tls: self.tls.clone(),
        }
    }
}

/// What a new configuration reaches without a restart.
pub(crate) struct Reloadable {
    gateway: Gateway,
    tenants: Arc<TenantBook>,
    defined: Arc<Defined>,
    peers: Arc<FilePeers>,
    provisioning: Arc<Provisioning>,
    inbound: Rule,
    user_stores: Arc<Secondary>,
    own_users: Own,
    keys: Keys,
    clock: Arc<dyn Clock>,
    tls: Option<Tls>,
}

impl Reloadable {
    /// Takes over `next`: senders, the second step's settings, user stores, limits of logins, certificates. Whole
    /// or not at all: everything that can fail is done before anything is changed. False if the old
    /// one goes on.
    pub(crate) async fn apply(&self, before: &Config, next: &Config) -> bool {
        let tenant = TenantId::super_tenant();
        // What is defined in the console meanwhile takes effect after this, beside the new file.
        let _turn = self.defined.turn.lock().await;
        let prepared = self.defined.merged(next).await;
        let prepared = prepared.and_then(|merged| {
            let directory = directory_of(&next.user_stores, &tenant, &self.own_users)?;
            Ok((merged, self.keys.ring(self.clock.now())?, directory))
        });
        let (merged, ring, directory) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                tracing::error!(
                    "the configuration was not taken over, the old one goes on: {error:#}"
                );
                return false;
            }
        };
        // What is wrong already (a plugin file taken away) refuses nothing: only what is new does, or
        // one broken sender would keep a renewed certificate out.
        let standing = match self.defined.merged(before).await {
            Ok(merged) => self.wrong_with(&merged).await,
            Err(_) => Vec::new(),
        };
        let mut problems = self.wrong_with(&merged).await;
        problems.retain(|problem| !standing.contains(problem));
        if !problems.is_empty() {
            for problem in problems {
                tracing::error!(
                    "the configuration was not taken over, the old one goes on: {problem}"
                );
            }
            return false;
        }
        merged.tell();
        let host = HostSide {
            config: next.clone(),
            keys: ring,
            senders: merged.senders,
            sending: merged.sending,
        };
        // Documents are read against the new configuration.
        let prepared = match self.tenants.prepare(Some(host)).await {
            Ok(prepared) => prepared,
            Err(error) => {
                tracing::error!(
                    "the configuration was not taken over, the old one goes on: {error}"
                );
                return false;
            }
        };
        if let (Some(tls), Some(files)) = (&self.tls, &next.tls)
            && let Err(error) = reload_tls(tls, files)
        {
            tracing::error!("the configuration was not taken over, the old one goes on: {error:#}");
            return false;
        }
        prepared.commit().await;
        self.peers.replace(merged.entries);
        self.provisioning.replace(merged.connectors);
        self.inbound.replace(merged.inbound);
        self.defined.follow(next);
        if before.user_stores != next.user_stores {
            // Logins under way end with the connections they have.
            self.user_stores.replace(&directory);
            tracing::info!("the user stores are connected anew");
        }
        tracing::info!("the configuration was taken over");
        for key in restart::changed(before, next) {
            tracing::warn!(config.key = key, "{key} takes effect at the next start");
        }
        true
    }

    /// Of senders, and of file and console beside each other: a sentence each.
    async fn wrong_with(&self, merged: &Merged) -> Vec<String> {
        let senders = self.gateway.check(&merged.senders).await;
        let senders = senders.iter().map(ToString::to_string);
        merged.refusals().into_iter().chain(senders).collect()
    }
}

fn read_tls(files: &crate::config::Tls) -> anyhow::Result<Tls> {
    let (chain, key) = read_tls_files(files)?;
    Tls::new(&chain, &key).context("tls")
}

fn reload_tls(tls: &Tls, files: &crate::config::Tls) -> anyhow::Result<()> {
    let (chain, key) = read_tls_files(files)?;
    tls.reload(&chain, &key).context("tls")
}

fn read_tls_files(
    files: &crate::config::Tls,
) -> anyhow::Result<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>)> {
    let read = |key: &str, path: &Path| {
        std::fs::read(path).with_context(|| format!("tls.{key}: cannot read `{}`", path.display()))
    };
    let chain = read("certificate", &files.certificate)?;
    let key = zeroize::Zeroizing::new(read("key", &files.key)?);
    Ok((chain, key))
}

/// `postern serve`: until it is told to stop.
pub async fn serve(path: &Path, config: Config, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let began = Instant::now();
    // Before anything that takes time: a process that does not listen for it is ended by it.
    let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let doors = Doors::bind(&config).await?;
    let furniture = Furniture {
        metrics: Arc::new(move || metrics.render()),
        ..Furniture::real()?
    };
    let host = Host::start(&config, furniture, doors).await?;
    let shutdown = host.shutdown().clone();
    shutdown.on_signals()?;
    tokio::spawn(tasks::reload::run(
        path.to_owned(),
        config.clone(),
        host.reloadable(),
        hangup,
        shutdown.clone(),
    ));
    tracing::info!(
        took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "ready: people sign in at {}/sign-in, the administrator's listener is http://{}",
        config.server.public_url,
        host.admin
    );
    shutdown.begun().await;
    host.stop().await;
    tracing::info!("stopped");
    Ok(())
}
