//! A whole sign-in whose first step is a directory's: page, bind at a real OpenLDAP over TLS, SMS
//! through the Twilio component, code, session. The directory shares the cores and is not counted.

use crate::host::Host;
use crate::process;
use crate::provider::Provider;
use crate::table::Figure;
use anyhow::{Context, Result, ensure};
use postern_kit::Browser;
use postern_kit::peers::Slapd;
use postern_kit::peers::slapd::person;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// So many that nobody meets the limit on messages to one account.
const PEOPLE: usize = 2000;
const PASSWORD: &str = "correct horse battery";
const CLIENTS: usize = 8;

/// People with a password and a number each.
pub(crate) fn directory() -> Result<Slapd> {
    let people: String = (0..PEOPLE)
        .map(|at| person(&name(at), PASSWORD, &format!("mobile: +{}", number(at))))
        .collect();
    Slapd::with(&people)
}

/// The directory becomes the primary user store of the host in this folder.
pub(crate) fn configure(folder: &Path, slapd: &Slapd) -> Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(folder.join("template.toml"))?;
    writeln!(file, "{}", slapd.section("primary", "pool_size = 16"))?;
    Ok(())
}

pub(crate) async fn figures(
    host: &Host,
    provider: &Provider,
    time: Duration,
) -> Result<Vec<Figure>> {
    let next = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let pids = process::tree(host.pid());
    let cpu = || -> Result<Duration> { pids.iter().map(|pid| process::cpu(*pid)).sum() };
    // One before the clock runs: connections and caches are warm.
    sign_in(host.address, provider, next.fetch_add(1, Ordering::Relaxed)).await?;
    let (before, began) = (cpu()?, Instant::now());
    let mut tasks = Vec::new();
    for _ in 0..CLIENTS {
        let (next, stop, provider) = (next.clone(), stop.clone(), provider.clone());
        let address = host.address;
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                sign_in(address, &provider, next.fetch_add(1, Ordering::Relaxed)).await?;
                times.push(began.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let (used, wall) = (cpu()?.saturating_sub(before), began.elapsed());
    times.sort_unstable();
    ensure!(!times.is_empty(), "nobody signed in within {time:?}");
    let done = u32::try_from(times.len())?;
    let figure = |what: &str, value: f64, unit| {
        let name = format!("sign-in with an LDAP first step, {CLIENTS} clients: {what}");
        Figure::plain(name, value, unit)
    };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(vec![
        figure(
            "sign-ins/s",
            f64::from(done) / wall.as_secs_f64(),
            "sign-ins/s",
        ),
        figure("p50", millis(times[times.len() / 2]), "ms"),
        figure("p99", millis(times[times.len() * 99 / 100]), "ms"),
        figure("CPU of host and worker", millis(used / done), "ms/sign-in"),
    ])
}

async fn sign_in(address: std::net::SocketAddr, provider: &Provider, at: usize) -> Result<()> {
    let at = at % PEOPLE;
    let mut browser = Browser::new(address, &format!("http://{address}"));
    let page = browser.sign_in(&name(at), PASSWORD).await?;
    ensure!(
        page.asks_for_code(),
        "no code was asked for: {}",
        page.text()
    );
    let code = provider.code(&number(at)).context("no code arrived")?;
    let page = browser.enter_code(&page, &code).await?;
    ensure!(
        page.has_form("/sign-out"),
        "the right code was refused: {}",
        page.text()
    );
    Ok(())
}

fn name(at: usize) -> String {
    format!("person{at}")
}

/// Never dialled; the provider is on loopback.
fn number(at: usize) -> String {
    format!("9477{at:07}")
}
