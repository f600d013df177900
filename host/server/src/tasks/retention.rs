//! Removes audit rows that are older than the configuration keeps them.

use crate::shutdown::Shutdown;
use postern_admin::Administration;
use std::time::Duration;

/// How often it is looked whether a day's worth has become too old.
const EVERY: Duration = Duration::from_secs(3600);

pub(crate) async fn run(administration: Administration, keep: Duration, shutdown: Shutdown) {
    let mut turns = tokio::time::interval(EVERY);
    let work = async {
        loop {
            turns.tick().await;
            match administration.audit_retain(keep).await {
                Ok(Some(pruned)) => {
                    tracing::info!(
                        through = pruned.through.seq,
                        "old rows of the audit log were removed"
                    );
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!("old rows of the audit log stay: {error}");
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.begun() => {}
    }
}
