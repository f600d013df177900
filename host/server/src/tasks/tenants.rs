//! Tenants' files are read again when one changes, comes or goes. As with the configuration, the
//! files are looked at every other second and file events are not trusted.

use crate::shutdown::Shutdown;
use crate::tenants::TenantBook;
use postern_admin::tenants::TenantDocuments;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(folder: PathBuf, book: Arc<TenantBook>, shutdown: Shutdown) {
    let watch = async {
        let mut seen = look(&folder);
        loop {
            tokio::time::sleep(EVERY).await;
            let now = look(&folder);
            if now == seen {
                continue;
            }
            // Whoever writes it may still be writing: it must be the same twice.
            tokio::time::sleep(Duration::from_millis(200)).await;
            if look(&folder) != now {
                continue;
            }
            match book.reload().await {
                Ok(()) => seen = now,
                Err(error) => tracing::error!("the tenants' documents could not be read: {error}"),
            }
        }
    };
    tokio::select! {
        () = watch => {}
        () = shutdown.begun() => {}
    }
}

/// What tells whether files are others than before.
fn look(folder: &Path) -> Vec<(PathBuf, u64, u64, i64, i64)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut seen: Vec<_> = entries
        .filter_map(|entry| {
            // Through a link to what it shows: that may change while the link stays.
            let m = fs::metadata(entry.path()).ok()?;
            Some((entry.path(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()))
        })
        .collect();
    seen.sort();
    seen
}
