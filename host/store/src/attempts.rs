//! What paying an attempt does to a subject's ledger; the rules are `postern_otp::lock`'s, and both
//! backends ask here, so that they cannot differ.

use postern_login::ports::Payment;
use postern_otp::lock::{Ledger, Standing};
use postern_otp::{AttemptPolicy, Timestamp};

/// What the attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Code,
    BackupCode,
}

/// What came of it, before it is durable: a `PaidAttempt` is made only afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The number of this attempt within its challenge, from 1.
    Paid(u32),
    Exhausted,
    Locked {
        until: Timestamp,
    },
    Disabled,
}

/// The ledger to store if the challenge's budget bears the attempt, or why there is none.
pub(crate) fn next_ledger(
    ledger: Ledger,
    what: For,
    now: Timestamp,
    policy: &AttemptPolicy,
) -> Result<Ledger, Counted> {
    if what == For::BackupCode && ledger.backup_open(now, policy) {
        return Ok(ledger.paid_backup(now, policy));
    }
    match ledger.standing(now) {
        Standing::Free => Ok(ledger.paid(now, policy)),
        Standing::Locked { until } => Err(Counted::Locked { until }),
        Standing::Disabled => Err(Counted::Disabled),
    }
}

/// Only after both counters are durable.
pub(crate) fn payment(counted: Counted, policy: &AttemptPolicy) -> Payment {
    match counted {
        Counted::Paid(attempt) => Payment::Paid(postern_otp::danger::attempt_counted(
            attempt,
            policy.attempts_max,
        )),
        Counted::Exhausted => Payment::Exhausted,
        Counted::Locked { until } => Payment::Locked { until },
        Counted::Disabled => Payment::Disabled,
    }
}
