//! The bounds of a challenge and of an account, each with its reason.

use crate::code::CodeFormat;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a code is made and how long it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengePolicy {
    pub format: CodeFormat,
    /// At most 600 s (NIST SP 800-63B-4, 3.1.3.2). Default 300 s.
    pub code_lifetime: Duration,
    pub attempts: AttemptPolicy,
    pub resend: ResendPolicy,
}

/// How many guesses a challenge and an account bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPolicy {
    /// Comparisons for one challenge, resends included. Default 5.
    pub attempts_max: u32,
    /// Failures of one account within `failure_window` that lock it. Default 10 in an hour.
    pub failures_max: u32,
    pub failure_window: Duration,
    /// The first lock; each further one doubles, up to `lock_max`. Default 15 min and 24 h.
    pub lock_first: Duration,
    pub lock_max: Duration,
    /// Consecutive failures that disable the factor until it is bound anew. Default 100
    /// (NIST SP 800-63B-4, 3.2.2).
    pub failures_in_a_row_max: u32,
    /// Backup-code tries left to an account whose SMS factor is locked. Default 5.
    pub backup_tries_when_locked: u32,
}

/// When another code may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendPolicy {
    pub allowed: bool,
    /// Wait before the first, second, ... resend; the last one repeats. Default 30, 60, 120 s.
    pub waits: Vec<Duration>,
    /// Resends of one challenge. Default 3.
    pub resends_max: u32,
}
