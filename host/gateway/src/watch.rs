//! When the next pass is due: a file event, a request, or the time.
//!
//! Owns: the background task and the file watcher. Events are hints: whatever they miss, the
//! periodic look finds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::gateway::Gateway;

/// The periodic look, which finds what events missed.
pub const PERIOD: Duration = Duration::from_secs(10);

/// How long after an event the look waits for the rest of the writing: a copy is a burst of
/// events. Short, for a renamed file shall be live within a second.
const SETTLE: Duration = Duration::from_millis(50);

impl Gateway {
    /// Starts the background task. It ends when the handle is aborted.
    pub fn watch(&self) -> JoinHandle<()> {
        let gateway = self.clone();
        tokio::spawn(async move {
            let folder = gateway.folder();
            let (hint, mut hints) = mpsc::channel(1);
            let mut watcher = watcher(&folder, hint);
            loop {
                // Watches follow the directory, not the name: set again each time, so that a folder
                // that was deleted and made anew is watched too.
                if let Some(watcher) = &mut watcher {
                    arm(watcher, &folder);
                }
                let wait = gateway
                    .reconcile()
                    .await
                    .map_or(PERIOD, |due| due.min(PERIOD));
                tokio::select! {
                    Some(()) = hints.recv() => tokio::time::sleep(SETTLE).await,
                    () = gateway.woken() => {}
                    () = tokio::time::sleep(wait) => {}
                }
                while hints.try_recv().is_ok() {}
            }
        })
    }
}

/// `None` where the system has no watches left: the periodic look remains.
fn watcher(folder: &Path, hint: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let folder: PathBuf = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let matters = match event {
            // Our own reading makes events too.
            Ok(event) => match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
                EventKind::Access(_) => false,
                EventKind::Any
                | EventKind::Create(_)
                | EventKind::Modify(_)
                | EventKind::Remove(_)
                | EventKind::Other => {
                    event.need_rescan() || event.paths.iter().any(|path| path.starts_with(&folder))
                }
            },
            Err(_) => true,
        };
        if matters {
            // Full: a hint is waiting already, and the folder is looked at once for both.
            let _ = hint.try_send(());
        }
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(
                "the plugin folder cannot be watched ({error}): changes are seen within {} s",
                PERIOD.as_secs()
            );
            None
        }
    }
}

/// Watches the folder; where it is not there, the one above it, in which it may appear. Not both: the
/// one above may hold a log file, and every line in it would be an event.
fn arm(watcher: &mut RecommendedWatcher, folder: &Path) {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut watch = |path: &Path| {
        // What was not watched cannot be unwatched, which is as well.
        let _ = watcher.unwatch(path);
        watcher.watch(path, RecursiveMode::NonRecursive).is_ok()
    };
    if watch(&folder) {
        return;
    }
    // Errors mean that it is not there now either; the periodic look comes by.
    if let Some(parent) = folder.parent()
        && watch(parent)
    {
        // It may have appeared in between.
        watch(&folder);
    }
}
