//! What weakens a check if it is called from the wrong place. Every use is worth a review.

use crate::challenge::PaidAttempt;

/// Only a store may call this, after its atomic, durable increment of both counters has
/// happened: the value it returns is the right to compare one code.
///
/// `attempt` counts from 1 within the challenge; `attempts_max` is the challenge's budget.
pub fn attempt_counted(attempt: u32, attempts_max: u32) -> PaidAttempt {
    PaidAttempt::counted(attempt, attempts_max)
}
