//! A store in memory, for tests and trials: the same promises as the embedded one, but for what
//! happens when the process ends.
//!
//! One lock around everything, so that every act is atomic without further thought.

mod attempts;
mod audit;
mod backup_codes;
mod clients;
mod counters;
mod deliveries;
mod documents;
mod groups;
mod idempotency;
mod identities;
mod logins;
mod once;
mod parking;
mod sessions;
mod tenants;
mod users;

use crate::audit_chain::Link;
use crate::backup_set::Set;
use crate::closed::Closed;
use crate::directory::hashing::Hashing;
use crate::directory::identities::Identity;
use crate::directory::users::User;
use crate::port::from_port;
use postern_admin::documents::{Document, Key};
use postern_federation::Moment;
use postern_federation::ports::Parked;
use postern_login::audit::AuditEvent;
use postern_login::error::StoreError;
use postern_login::ports::{ApiClient, TenantRecord};
use postern_login::session::Session;
use postern_login::{Login, TenantId};
use postern_otp::Timestamp;
use postern_otp::lock::Ledger;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The store in memory. A cheap handle to one set of tables.
#[derive(Clone, Default)]
pub struct Memory {
    tables: Arc<Mutex<Tables>>,
    hashing: Hashing,
}

#[derive(Default)]
struct Tables {
    /// By the SHA-256 of the id, as on disk: nothing here may depend on the id being stored.
    logins: HashMap<[u8; 32], LoginRow>,
    closed: Closed,
    ledgers: HashMap<String, Ledger>,
    backup_sets: HashMap<String, Set>,
    sessions: HashMap<[u8; 32], Session>,
    counters: HashMap<(String, u128), (u32, Timestamp)>,
    clients: HashMap<[u8; 32], ApiClient>,
    replies: HashMap<idempotency::Named, Reply>,
    tenants: BTreeMap<TenantId, TenantRecord>,
    audit: Vec<(AuditEvent, Link)>,
    audit_pruned: Option<audit::Begin>,
    documents: BTreeMap<Key, Document>,
    users: BTreeMap<users::Whose, User>,
    links: BTreeMap<users::Link, users::Whose>,
    /// By the SHA-256 of the key; the number keeps the order.
    parked: HashMap<[u8; 32], (u64, Parked)>,
    parked_ever: u64,
    used_once: HashMap<[u8; 32], Moment>,
    /// By tenant and id.
    identities: BTreeMap<(String, String), Identity>,
    groups: BTreeMap<(String, String), groups::Row>,
    deliveries: BTreeMap<u64, deliveries::Row>,
    deliveries_ever: u64,
    remote_ids: HashMap<deliveries::Whose, postern_federation::scim::ports::Remote>,
}

struct LoginRow {
    login: Login,
    attempts: u32,
}

struct Reply {
    fingerprint: [u8; 32],
    answer: Option<String>,
    expires_at: Timestamp,
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    /// With the threads that compute its hashes.
    pub fn with_hashing(hashing: Hashing) -> Self {
        Self {
            hashing,
            ..Self::default()
        }
    }

    /// As `Sqlite::sweep`.
    pub async fn sweep(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        use postern_federation::ports::{Once, Parking};
        use postern_login::ports::{Counters, Idempotency, LoginStore, SessionStore};
        let moment = Moment(now.0);
        Ok(LoginStore::remove_expired(self, now, rows_max).await?
            + SessionStore::remove_expired(self, now, rows_max).await?
            + Counters::remove_expired(self, now, rows_max).await?
            + Idempotency::remove_expired(self, now, rows_max).await?
            + Parking::remove_expired(self, moment, rows_max)
                .await
                .map_err(from_port)?
            + Once::remove_expired(self, moment, rows_max)
                .await
                .map_err(from_port)?)
    }

    pub fn hashing(&self) -> Hashing {
        self.hashing.clone()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic between two changes of one act cannot happen: each act checks first.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

/// Removes at most `rows_max` of those that are over, and says how many.
fn remove_over<K: Clone + Eq + std::hash::Hash, V>(
    table: &mut HashMap<K, V>,
    rows_max: u32,
    over: impl Fn(&V) -> bool,
) -> u64 {
    let gone: Vec<K> = table
        .iter()
        .filter(|(_, row)| over(row))
        .take(rows_max as usize)
        .map(|(key, _)| key.clone())
        .collect();
    for key in &gone {
        table.remove(key);
    }
    gone.len() as u64
}
