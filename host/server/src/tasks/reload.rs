//! The configuration is read again when it changes, and on SIGHUP. Whole or not at all: a broken one
//! leaves the old one running and says why.
//!
//! Level-triggered: it looks at the files every other second instead of trusting file events, which
//! get lost on network file systems and when folders are swapped by a link.

use crate::config::{Config, Tls};
use crate::host::Reloadable;
use crate::shutdown::Shutdown;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::Signal;

const EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(
    path: PathBuf,
    config: Config,
    parts: Reloadable,
    mut hangup: Signal,
    shutdown: Shutdown,
) {
    let watch = async {
        let mut current = config;
        let mut seen = Seen::now(&path, &current);
        loop {
            tokio::select! {
                _ = hangup.recv() => tracing::info!("SIGHUP: reading the configuration again"),
                () = tokio::time::sleep(EVERY) => {
                    let now = Seen::now(&path, &current);
                    if now == seen {
                        continue;
                    }
                    // Whoever writes it may still be writing: it must be the same twice.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    if Seen::now(&path, &current) != now {
                        continue;
                    }
                }
            }
            seen = Seen::now(&path, &current);
            match Config::load(&path) {
                Ok(next) => {
                    for warning in &next.warnings {
                        tracing::warn!(config.key = warning.key, "{}", warning.message);
                    }
                    // On the heap: rare, and far larger than the task that waits for it.
                    let taken = Box::pin(parts.apply(&current, &next)).await;
                    seen = Seen::now(&path, &next);
                    if taken {
                        current = next;
                    }
                }
                Err(error) => {
                    tracing::error!(
                        "the configuration was not taken over, the old one goes on: {error}"
                    );
                }
            }
        }
    };
    tokio::select! {
        () = watch => {}
        () = shutdown.begun() => {}
    }
}

/// What tells whether files are others than before.
#[derive(Debug, PartialEq, Eq)]
struct Seen(Vec<(PathBuf, Option<Stamp>)>);

type Stamp = (u64, u64, i64, i64);

impl Seen {
    fn now(path: &Path, config: &Config) -> Self {
        let senders = path.parent().unwrap_or(Path::new("")).join("senders");
        let tls = config
            .tls
            .iter()
            .flat_map(|Tls { certificate, key }| [certificate, key]);
        let files = config.files.iter().chain(tls).cloned();
        // The folder's own time tells that a file came or went.
        let all = files.chain([senders]).map(|file| {
            let stamp = fs::metadata(&file).ok();
            let stamp = stamp.map(|m| (m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
            (file, stamp)
        });
        Self(all.collect())
    }
}
