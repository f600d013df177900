//! The bounds of a challenge and of an account, each with its reason.

use crate::code::{Alphabet, CodeFormat};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longer than this no code lives, whatever is configured or stored (NIST SP 800-63B-4, 3.1.3.2).
pub const CODE_LIFETIME_MAX: Duration = Duration::from_secs(600);

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
    /// `EnableUserBasedResendBlocking` and `ResendBlockDuration`: messages are counted for the person,
    /// over all their logins, within this time from the first of them.
    #[serde(default)]
    pub block_person_for: Option<Duration>,
}

impl ResendPolicy {
    /// The wait after a message that `resends` others came before.
    pub fn wait_after(&self, resends: u32) -> Duration {
        let index = usize::try_from(resends).unwrap_or(usize::MAX);
        let wait = self.waits.get(index).or(self.waits.last());
        wait.copied().unwrap_or(Duration::ZERO)
    }
}

impl Default for ChallengePolicy {
    fn default() -> Self {
        Self {
            format: CodeFormat {
                length: 6,
                alphabet: Alphabet::Digits,
            },
            code_lifetime: Duration::from_secs(300),
            attempts: AttemptPolicy::default(),
            resend: ResendPolicy::default(),
        }
    }
}

impl Default for AttemptPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            failures_max: 10,
            failure_window: Duration::from_secs(60 * 60),
            lock_first: Duration::from_secs(15 * 60),
            lock_max: Duration::from_secs(24 * 60 * 60),
            failures_in_a_row_max: 100,
            backup_tries_when_locked: 5,
        }
    }
}

impl Default for ResendPolicy {
    fn default() -> Self {
        Self {
            allowed: true,
            waits: [30, 60, 120].map(Duration::from_secs).to_vec(),
            resends_max: 3,
            block_person_for: None,
        }
    }
}
