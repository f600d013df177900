//! SCIM in both directions. Creations of users over `/scim/v2` on the durable store, beside the bare
//! server's exchanges in the same run; and a peer on loopback that is told of everybody there is: how
//! fast, and whether the host's memory follows the number of users.

use crate::cycle::{self, Cycle, Measured, Numbers};
use crate::host::Host;
use crate::load::Connection;
use crate::process;
use crate::table::Figure;
use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const USERS: &str = "/scim/v2/Users";

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) users: usize,
    pub(crate) time: Duration,
}

impl Extent {
    pub(crate) const FULL: Self = Self {
        users: 10_000,
        time: Duration::from_secs(8),
    };
    /// To see that it runs.
    pub(crate) const SMALL: Self = Self {
        users: 600,
        time: Duration::from_secs(1),
    };
}

/// The whole command line client of the host, for what scripts do.
fn postern(folder: &Path, arguments: &[&str]) -> Result<String> {
    let program = std::env::current_exe()?.with_file_name("postern");
    let output = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .args(["--config", "postern.toml"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "`postern {}` failed",
        arguments.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A token that may make users.
fn token(folder: &Path) -> Result<String> {
    let add = [
        "client",
        "add",
        "scim",
        "--scope",
        "scim:read",
        "--scope",
        "scim:write",
        "--scope",
        "scim:phone",
    ];
    Ok(postern(folder, &add)?.trim().to_owned())
}

/// A user as such a system sends one; without a password, whose hash would be all that is measured.
fn user(number: &str) -> String {
    format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"user{number}","displayName":"User {number}","name":{{"givenName":"User","familyName":"{number}"}},"emails":[{{"value":"user{number}@example.com","type":"work","primary":true}}],"phoneNumbers":[{{"value":"+{number}","type":"mobile"}}],"externalId":"{number}"}}"#
    )
}

struct Creator {
    connection: Connection,
    numbers: Arc<Numbers>,
}

impl Cycle for Creator {
    async fn once(&mut self) -> Result<()> {
        let body = user(&self.numbers.next());
        self.connection.expect(USERS, body, 201).await?;
        Ok(())
    }
}

struct Bare(Connection);

impl Cycle for Bare {
    async fn once(&mut self) -> Result<()> {
        self.0.expect(USERS, user("94770000000"), 200).await?;
        Ok(())
    }
}

/// Creations, with 1, 8 and 64 clients.
pub(crate) async fn creations(
    host: &Host,
    (bare_pid, bare): (u32, SocketAddr),
    extent: Extent,
) -> Result<Vec<Figure>> {
    let token = token(&host.folder)?;
    let numbers = Arc::new(Numbers::new());
    let mut figures = Vec::new();
    for clients in [1, 8, 64] {
        eprintln!("creating users with {clients} client(s)");
        let mut creators = Vec::new();
        let mut yardstick = Vec::new();
        for _ in 0..clients {
            creators.push(Creator {
                connection: Connection::open(host.address, &token).await?,
                numbers: numbers.clone(),
            });
            yardstick.push(Bare(Connection::open(bare, &token).await?));
        }
        let ours = cycle::run(host.pid(), creators, extent.time).await?;
        let theirs = cycle::run(bare_pid, yardstick, extent.time).await?;
        figures.extend(created(clients, &ours, &theirs));
    }
    Ok(figures)
}

fn created(clients: usize, ours: &Measured, bare: &Measured) -> Vec<Figure> {
    let name = |what: &str| format!("SCIM creation, durable, {clients} client(s): {what}");
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    vec![
        Figure::plain(name("creates/s"), ours.cycles_per_second, "creates/s"),
        Figure::plain(name("bare server"), bare.cycles_per_second, "requests/s"),
        Figure::plain(name("p50"), millis(ours.p50), "ms"),
        Figure::plain(name("p99"), millis(ours.p99), "ms"),
        Figure::plain(name("CPU"), millis(ours.cpu_per_cycle), "ms/create"),
        Figure::plain(name("bare server's CPU"), millis(bare.cpu_per_cycle), "ms"),
    ]
}

/// A peer is told of everybody.
pub(crate) async fn outbound(host: &Host, extent: Extent) -> Result<Vec<Figure>> {
    let token = token(&host.folder)?;
    eprintln!("making {} users", extent.users);
    let numbers = Numbers::new();
    let (mut clients, mut made) = (Vec::new(), 0);
    for _ in 0..8 {
        clients.push(Connection::open(host.address, &token).await?);
    }
    while made < extent.users {
        let page = clients.iter_mut().take(extent.users - made).map(|client| {
            let body = user(&numbers.next());
            async move { client.expect(USERS, body, 201).await }
        });
        for done in futures_util::future::join_all(page).await {
            done?;
            made += 1;
        }
    }
    let peer = Peer::start().await?;
    let endpoint = format!("user_endpoint=http://{}/Users", peer.address);
    postern(
        &host.folder,
        &[
            "connector",
            "put",
            "peer",
            "--form",
            "scim",
            "--value",
            &endpoint,
            "--value",
            "token=0123456789abcdef",
            "--value",
            "allow_private_networks=true",
        ],
    )?;
    eprintln!("telling a peer of {} users", extent.users);
    let memory = || -> Result<f64> {
        process::tree(host.pid())
            .into_iter()
            .map(process::resident_mib)
            .sum()
    };
    let (first, began) = (memory()?, Instant::now());
    postern(&host.folder, &["provisioning", "push", "peer"])?;
    let told = async |count: usize| -> Result<f64> {
        while peer.created.load(Ordering::Relaxed) < count {
            ensure!(
                began.elapsed() < Duration::from_secs(900),
                "the peer heard of {} of {count} users within 15 minutes",
                peer.created.load(Ordering::Relaxed)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        memory()
    };
    let middle = told(extent.users / 2).await?;
    let last = told(extent.users).await?;
    let took = began.elapsed();
    let users = u32::try_from(extent.users)?;
    let name = |what: &str| format!("telling a SCIM peer of {users} users: {what}");
    Ok(vec![
        Figure::plain(
            name("rate"),
            f64::from(users) / took.as_secs_f64(),
            "users/s",
        ),
        Figure::plain(name("memory at the beginning"), first, "MiB"),
        Figure::plain(name("memory in the middle"), middle, "MiB"),
        Figure::plain(name("memory at the end"), last, "MiB"),
        // A kilobyte kept of each user would be ten of them.
        Figure::at_most(
            name("more memory at the end"),
            (last - first).max(0.0),
            "MiB",
            8.0,
        ),
    ])
}

/// A SCIM server that takes everybody, on loopback.
struct Peer {
    address: SocketAddr,
    created: Arc<AtomicUsize>,
}

impl Peer {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let created = Arc::new(AtomicUsize::new(0));
        let counted = created.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = counted.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, counted.clone()));
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                });
            }
        });
        Ok(Self { address, created })
    }
}

/// Nobody is found, and whoever comes is taken.
async fn answer(
    request: Request<Incoming>,
    created: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>> {
    let method = request.method().clone();
    request.into_body().collect().await?;
    let (status, body) = if method == Method::POST {
        let id = created.fetch_add(1, Ordering::Relaxed);
        (201, format!(r#"{{"id":"{id}"}}"#))
    } else {
        (200, r#"{"totalResults":0,"Resources":[]}"#.to_owned())
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/scim+json")
        .body(Full::new(Bytes::from(body)))
        .context("a fixed response is valid")
}
