//! How failures lock an account, and for how long.

use crate::{AttemptPolicy, Timestamp};
use serde::{Deserialize, Serialize};

/// What the store keeps for a subject (an account and its factor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Failures since the window began.
    pub failures: u32,
    pub window_start: Option<Timestamp>,
    /// Failures since the last success; a resend, a new login or a restart changes nothing.
    pub in_a_row: u32,
    /// Locks since the last success of a lock-free day; each doubles the next.
    pub locks: u32,
    pub locked_until: Option<Timestamp>,
    pub disabled: bool,
    /// Backup-code tries since the lock began.
    pub backup_tries: u32,
}

/// Where a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Free,
    Locked {
        until: Timestamp,
    },
    /// 100 failures in a row: only a new binding helps.
    Disabled,
}

impl Ledger {
    pub fn standing(&self, now: Timestamp) -> Standing {
        let _ = now;
        todo!()
    }
    /// One attempt is paid. Counted as a failure now, before anything is compared; a success
    /// clears it afterwards. Returns the ledger to store.
    #[must_use]
    pub fn paid(self, now: Timestamp, policy: &AttemptPolicy) -> Self {
        let _ = (now, policy);
        todo!()
    }
    /// After a success: the consecutive counter goes, the lock history stays.
    #[must_use]
    pub fn cleared(self) -> Self {
        todo!()
    }
}
