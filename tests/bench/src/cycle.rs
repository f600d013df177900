//! A full cycle over the JSON API on the durable store: challenge, SMS through the Twilio component
//! to the provider, verify. Beside it, in the same run, the bare server's exchanges.

use crate::host::Host;
use crate::load::Connection;
use crate::process;
use crate::provider::Provider;
use crate::table::Figure;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a load of some clients over some seconds came to.
pub(crate) struct Measured {
    pub(crate) cycles_per_second: f64,
    pub(crate) cpu_per_cycle: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// A number for every cycle, so that no limit on a number is met: what is measured is the path
/// behind the limits. They are never dialled; the provider is on loopback.
pub(crate) struct Numbers(AtomicUsize);

impl Numbers {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
    pub(crate) fn next(&self) -> String {
        format!(
            "9477{:07}",
            self.0.fetch_add(1, Ordering::Relaxed) % 10_000_000
        )
    }
}

/// One client, doing one cycle after another on its own connection.
pub(crate) trait Cycle: Send + 'static {
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;
}

struct ApiClient {
    connection: Connection,
    provider: Provider,
    numbers: Arc<Numbers>,
}

impl Cycle for ApiClient {
    async fn once(&mut self) -> Result<()> {
        let number = self.numbers.next();
        let body = format!(r#"{{"mobile":"+{number}"}}"#);
        let created = self
            .connection
            .expect("/api/v1/challenges", body, 201)
            .await?;
        let created: serde_json::Value = serde_json::from_slice(&created)?;
        let id = created["challenge_id"]
            .as_str()
            .context("the answer has no challenge_id")?;
        let code = self.provider.code(&number).context("no code arrived")?;
        let path = format!("/api/v1/challenges/{id}/verify");
        let verified = self
            .connection
            .expect(&path, format!(r#"{{"code":"{code}"}}"#), 200)
            .await?;
        anyhow::ensure!(
            verified.windows(8).any(|part| part == b"accepted"),
            "the right code was refused"
        );
        Ok(())
    }
}

struct BareClient(Connection);

impl Cycle for BareClient {
    async fn once(&mut self) -> Result<()> {
        self.0
            .expect("/send", r#"{"mobile":"+447700900000"}"#.to_owned(), 201)
            .await?;
        self.0
            .expect("/verify", r#"{"code":"123456"}"#.to_owned(), 200)
            .await?;
        Ok(())
    }
}

pub(crate) async fn postern(
    host: &Host,
    provider: &Provider,
    numbers: &Arc<Numbers>,
    clients: usize,
    time: Duration,
) -> Result<Measured> {
    let mut all = Vec::new();
    for _ in 0..clients {
        let connection = Connection::open(host.address, &host.token).await?;
        all.push(ApiClient {
            connection,
            provider: provider.clone(),
            numbers: numbers.clone(),
        });
    }
    run(host.pid(), all, time).await
}

pub(crate) async fn bare(
    pid: u32,
    address: SocketAddr,
    clients: usize,
    time: Duration,
) -> Result<Measured> {
    let mut all = Vec::new();
    for _ in 0..clients {
        all.push(BareClient(
            Connection::open(address, "0123456789abcdef0123456789abcdef0123456789a").await?,
        ));
    }
    run(pid, all, time).await
}

/// Runs the clients for so long, after a warm-up of a second, and sets the CPU time of the server's
/// processes against the cycles done.
pub(crate) async fn run<C: Cycle>(pid: u32, clients: Vec<C>, time: Duration) -> Result<Measured> {
    let measuring = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for mut client in clients {
        let (measuring, stop) = (measuring.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                client.once().await?;
                if measuring.load(Ordering::Relaxed) {
                    times.push(start.elapsed());
                }
            }
            anyhow::Ok(times)
        }));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pids = process::tree(pid);
    let cpu =
        |pids: &[u32]| -> Result<Duration> { pids.iter().map(|pid| process::cpu(*pid)).sum() };
    let before = cpu(&pids)?;
    measuring.store(true, Ordering::Relaxed);
    let start = Instant::now();
    tokio::time::sleep(time).await;
    let wall = start.elapsed();
    measuring.store(false, Ordering::Relaxed);
    let used = cpu(&pids)?.saturating_sub(before);
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    times.sort_unstable();
    anyhow::ensure!(!times.is_empty(), "not one cycle was done in {time:?}");
    let done = u32::try_from(times.len())?;
    Ok(Measured {
        cycles_per_second: f64::from(done) / wall.as_secs_f64(),
        cpu_per_cycle: used / done,
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    })
}

pub(crate) fn figures(clients: usize, ours: &Measured, bare: &Measured) -> Vec<Figure> {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let name = |what: &str| format!("API cycle, {clients} client(s): {what}");
    let rate = if clients == 64 {
        Figure::at_least(name("cycles/s"), ours.cycles_per_second, "cycles/s", 3000.0)
    } else {
        Figure::plain(name("cycles/s"), ours.cycles_per_second, "cycles/s")
    };
    vec![
        rate,
        Figure::plain(name("p50"), millis(ours.p50), "ms"),
        Figure::plain(name("p99"), millis(ours.p99), "ms"),
        Figure::plain(name("CPU"), micros(ours.cpu_per_cycle), "us/cycle"),
        Figure::plain(
            name("bare server, cycles/s"),
            bare.cycles_per_second,
            "cycles/s",
        ),
        Figure::plain(
            name("bare server, CPU"),
            micros(bare.cpu_per_cycle),
            "us/cycle",
        ),
        Figure::at_most(
            name("CPU over the bare server's"),
            ours.cpu_per_cycle.as_secs_f64() / bare.cpu_per_cycle.as_secs_f64(),
            "times",
            3.0,
        ),
    ]
}
