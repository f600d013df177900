//! Removes what has expired. Nothing waits for it: an expired row is refused whether or not it is
//! still there.

use crate::assemble::Stores;
use crate::shutdown::Shutdown;
use postern_federation::Moment;
use postern_federation::ports::PortError;
use postern_login::error::StoreError;
use postern_login::ports::Clock;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(15);
/// Rows in one transaction: a few milliseconds of the writer's time.
const ROWS_MAX: u32 = 1000;

pub(crate) async fn run(stores: Stores, clock: Arc<dyn Clock>, shutdown: Shutdown) {
    let mut turns = tokio::time::interval(EVERY);
    let work = async {
        loop {
            turns.tick().await;
            if let Err(error) = once(&stores, clock.as_ref()).await {
                tracing::warn!("expired rows could not be removed: {error}");
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.begun() => {}
    }
}

async fn once(stores: &Stores, clock: &dyn Clock) -> Result<(), StoreError> {
    loop {
        let now = clock.now();
        let moment = Moment(now.0);
        let removed = [
            stores.logins.remove_expired(now, ROWS_MAX).await?,
            stores.sessions.remove_expired(now, ROWS_MAX).await?,
            stores.counters.remove_expired(now, ROWS_MAX).await?,
            stores.replies.remove_expired(now, ROWS_MAX).await?,
            stores
                .parking
                .remove_expired(moment, ROWS_MAX)
                .await
                .map_err(from_port)?,
            stores
                .once
                .remove_expired(moment, ROWS_MAX)
                .await
                .map_err(from_port)?,
        ];
        if removed.iter().all(|rows| *rows < u64::from(ROWS_MAX)) {
            return Ok(());
        }
    }
}

fn from_port(error: PortError) -> StoreError {
    StoreError {
        what: error.what,
        source: error.source,
    }
}
