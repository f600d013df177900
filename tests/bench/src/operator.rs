//! What an operator sees: memory, the time to start, the time from a file to its service, swaps
//! under load.

use crate::cycle::Numbers;
use crate::host::{Host, get};
use crate::load::Connection;
use crate::process;
use crate::provider::Provider;
use crate::table::Figure;
use anyhow::{Result, ensure};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) const PENDING: usize = 100_000;

pub(crate) fn resident(host: &Host) -> Result<f64> {
    process::tree(host.pid())
        .into_iter()
        .map(process::resident_mib)
        .sum()
}

/// Memory at rest, and with many challenges open.
pub(crate) async fn memory(host: &Host, numbers: &Arc<Numbers>) -> Result<Vec<Figure>> {
    let idle = resident(host)?;
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let mut connection = Connection::open(host.address, &host.token).await?;
        let numbers = numbers.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..PENDING / 16 {
                let body = format!(r#"{{"mobile":"+{}"}}"#, numbers.next());
                connection.expect("/api/v1/challenges", body, 201).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let pending = resident(host)?;
    Ok(vec![
        Figure::at_most(
            "memory, idle with ten plugins, host and worker",
            idle,
            "MiB",
            64.0,
        ),
        Figure::at_most(
            "memory, more with 100,000 pending challenges",
            pending - idle,
            "MiB",
            32.0,
        ),
    ])
}

/// From a rename in the plugin folder to the line that says the new version serves.
pub(crate) async fn rename_to_live(host: &Host) -> Result<Figure> {
    let plugins = host.folder.join("plugins");
    let new = plugins.join("fake.wasm.tmp");
    std::fs::copy(crate::host::built("fake")?, &new)?;
    let start = Instant::now();
    std::fs::rename(&new, plugins.join("fake.wasm"))?;
    loop {
        let log = std::fs::read_to_string(host.folder.join("postern.log"))?;
        if log
            .lines()
            .any(|line| line.contains("fake") && line.contains("serv"))
        {
            return Ok(Figure::at_most(
                "a new component, from rename to live",
                start.elapsed().as_secs_f64() * 1e3,
                "ms",
                1000.0,
            ));
        }
        ensure!(
            start.elapsed() < Duration::from_secs(20),
            "the new component is not live after 20 s:\n{log}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Until the log says that a version of the sender's plugin serves: one that was overwritten before it did
/// would be no swap.
async fn serves(log: &mut std::fs::File) -> Result<()> {
    let (start, mut said) = (Instant::now(), String::new());
    loop {
        log.read_to_string(&mut said)?;
        let lines = said.lines();
        if lines
            .rev()
            .any(|line| line.contains("`twilio`") && line.contains(" serves"))
        {
            return Ok(());
        }
        ensure!(
            start.elapsed() < Duration::from_secs(20),
            "the new version does not serve after 20 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A hundred swaps of the sender's plugin while messages are sent; none may fail.
pub(crate) async fn swaps(
    host: &Host,
    numbers: &Arc<Numbers>,
    provider: &Provider,
) -> Result<Vec<Figure>> {
    let (stop, failed, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut connection = Connection::open(host.address, &host.token).await?;
        let (stop, failed, sent, numbers) =
            (stop.clone(), failed.clone(), sent.clone(), numbers.clone());
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let body = format!(r#"{{"mobile":"+{}"}}"#, numbers.next());
                let (status, _) = connection.post("/api/v1/challenges", body).await?;
                sent.fetch_add(1, Ordering::Relaxed);
                if status != 201 {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            anyhow::Ok(())
        }));
    }
    let before = provider.messages();
    let file = host.folder.join("plugins/twilio.wasm");
    let original = std::fs::read(&file)?;
    let mut log = std::fs::File::open(host.folder.join("postern.log"))?;
    log.seek(SeekFrom::End(0))?;
    for round in 0..100_u8 {
        // A custom section of the round makes every file another file, and the same plugin.
        let mut bytes = original.clone();
        bytes.extend([0, 6, 4, b's', b'w', b'a', b'p', round]);
        let part = host.folder.join("plugins/twilio.wasm.tmp");
        std::fs::write(&part, &bytes)?;
        std::fs::rename(&part, &file)?;
        serves(&mut log).await?;
    }
    std::fs::write(host.folder.join("plugins/twilio.wasm.tmp"), &original)?;
    std::fs::rename(host.folder.join("plugins/twilio.wasm.tmp"), &file)?;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    let count = |counter: &AtomicUsize| {
        f64::from(u32::try_from(counter.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
    };
    ensure!(
        provider.messages() > before,
        "not one message reached the provider during the swaps"
    );
    Ok(vec![
        Figure::plain("100 hot swaps under load, sends", count(&sent), "sends"),
        Figure::at_most(
            "100 hot swaps under load, failed sends",
            count(&failed),
            "sends",
            0.0,
        ),
    ])
}

/// Ready again with the compile cache warm.
pub(crate) async fn warm_start(folder: &std::path::Path) -> Result<Figure> {
    let host = Host::start(folder).await?;
    let (status, _) = get(host.admin, "/health/live").await?;
    ensure!(status == 200, "the host is ready and not live");
    Ok(Figure::at_most(
        "start to ready, warm compile cache, ten plugins",
        host.started_in.as_secs_f64() * 1e3,
        "ms",
        200.0,
    ))
}
