//! Idle connections and the right to have requests in flight, by who sends, for whom, where to, and under which TLS identity.
//! A connection is never shared across any of these: a sender without a certificate must not ride on the connection of one
//! that has it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::connect::Connection;
use crate::error::{Reason, SendFailure};
use crate::limits::Limits;
use crate::origin::Origin;

/// Lanes nobody uses are removed beyond this number.
const LANES_MAX: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) sender: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) trust: [u8; 16],
}

pub(crate) struct Pool {
    lanes: Mutex<HashMap<Key, Arc<Lane>>>,
    in_flight: Arc<Semaphore>,
    idle: AtomicUsize,
    sweeping: AtomicBool,
}

/// What belongs to one key.
pub(crate) struct Lane {
    in_flight: Arc<Semaphore>,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// The right to have one request in flight.
pub(crate) struct Permit {
    _lane: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(limits: &Limits) -> Arc<Pool> {
        Arc::new(Pool {
            lanes: Mutex::default(),
            in_flight: Arc::new(Semaphore::new(limits.in_flight_max)),
            idle: AtomicUsize::new(0),
            sweeping: AtomicBool::new(false),
        })
    }

    pub(crate) fn lane(&self, key: &Key, limits: &Limits) -> Arc<Lane> {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get(key) {
            return lane.clone();
        }
        if lanes.len() >= LANES_MAX {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || !lock(&lane.idle).is_empty());
        }
        let lane = Arc::new(Lane {
            in_flight: Arc::new(Semaphore::new(limits.in_flight_per_origin_max)),
            idle: Mutex::default(),
        });
        lanes.insert(key.clone(), lane.clone());
        lane
    }

    /// Waits for the right to send. The lane first: a sender that floods its own lane must not hold what others wait for.
    pub(crate) async fn permit(
        &self,
        lane: &Lane,
        deadline: Instant,
    ) -> Result<Permit, SendFailure> {
        let both = async {
            let lane = lane.in_flight.clone().acquire_owned().await.ok()?;
            let all = self.in_flight.clone().acquire_owned().await.ok()?;
            Some(Permit {
                _lane: lane,
                _all: all,
            })
        };
        // Nobody closes the two: there is no permit because it did not come in time.
        let permit = timeout_at(deadline, both).await.ok().flatten();
        permit.ok_or_else(|| {
            SendFailure::nothing_sent(Reason::Crowded, "too many requests are in flight")
        })
    }

    /// The connection that was used last: the others get old and are closed.
    pub(crate) fn take(&self, lane: &Lane, limits: &Limits) -> Option<Connection> {
        let (connection, since) = lock(&lane.idle).pop()?;
        self.idle.fetch_sub(1, Ordering::Relaxed);
        (since.elapsed() < limits.idle).then_some(connection)
    }

    /// Keeps a connection for the next request, if there is room.
    pub(crate) fn put(self: &Arc<Self>, lane: &Lane, connection: Connection, limits: &Limits) {
        let mut idle = lock(&lane.idle);
        if idle.len() >= limits.idle_per_origin_max
            || self.idle.load(Ordering::Relaxed) >= limits.idle_max
        {
            return;
        }
        idle.push((connection, Instant::now()));
        self.idle.fetch_add(1, Ordering::Relaxed);
        drop(idle);
        if !self.sweeping.swap(true, Ordering::AcqRel) {
            self.sweep_while_needed(limits);
        }
    }

    /// Closes connections that have been idle too long, for as long as there are any.
    fn sweep_while_needed(self: &Arc<Self>, limits: &Limits) {
        let (pool, lifetime) = (Arc::downgrade(self), limits.idle);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(lifetime).await;
                let Some(pool) = pool.upgrade() else { return };
                let lanes: Vec<_> = lock(&pool.lanes).values().cloned().collect();
                for lane in lanes {
                    let mut idle = lock(&lane.idle);
                    let before = idle.len();
                    idle.retain(|(_, since)| since.elapsed() < lifetime);
                    pool.idle.fetch_sub(before - idle.len(), Ordering::Relaxed);
                }
                if pool.idle.load(Ordering::Relaxed) == 0 {
                    pool.sweeping.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }

    /// Closes the idle connections of a sender: its settings changed, or it is gone.
    pub(crate) fn forget(&self, sender: &str) {
        lock(&self.lanes).retain(|key, lane| {
            if &*key.sender != sender {
                return true;
            }
            let closed = std::mem::take(&mut *lock(&lane.idle)).len();
            self.idle.fetch_sub(closed, Ordering::Relaxed);
            false
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
