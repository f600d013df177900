//! How failures lock an account's factor, and for how long.

use crate::{AttemptPolicy, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The lock history is forgotten after a day without a lock, if a success came since.
const LOCK_FREE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Of the newest lock; a time in the past is kept as its history. The first attempt after a lock
    /// opens a new window, so the lock is the current window's own if the window began before it.
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
        match self.locked_until {
            _ if self.disabled => Standing::Disabled,
            Some(until) if now < until => Standing::Locked { until },
            Some(_) | None => Standing::Free,
        }
    }

    /// One attempt is paid. Counted as a failure now, before anything is compared; a success
    /// clears it afterwards. Returns the ledger to store. Only for a standing of `Free`.
    #[must_use]
    pub fn paid(self, now: Timestamp, policy: &AttemptPolicy) -> Self {
        let mut ledger = self.settled(now);
        let window_over = ledger
            .window_start
            .is_none_or(|start| now.since(start) >= policy.failure_window);
        if window_over {
            ledger.failures = 0;
            ledger.window_start = Some(now);
        }
        ledger.failures = ledger.failures.saturating_add(1);
        ledger.in_a_row = ledger.in_a_row.saturating_add(1);
        if ledger.failures >= policy.failures_max && ledger.lock_of_this_window().is_none() {
            ledger.locked_until = Some(now.plus(lock_length(ledger.locks, policy)));
            ledger.locks = ledger.locks.saturating_add(1);
            ledger.backup_tries = 0;
        }
        if ledger.in_a_row >= policy.failures_in_a_row_max && !ledger.disabled {
            ledger.disabled = true;
            ledger.backup_tries = 0;
        }
        ledger
    }

    /// Whether a backup code may be tried: always while the factor is free; a locked or disabled
    /// factor leaves a few tries, so that a lock is no weapon (attack D-02).
    pub fn backup_open(&self, now: Timestamp, policy: &AttemptPolicy) -> bool {
        match self.standing(now) {
            Standing::Free => true,
            Standing::Locked { .. } | Standing::Disabled => {
                self.backup_tries < policy.backup_tries_when_locked
            }
        }
    }

    /// One backup-code try is paid: like any attempt while the factor is free (attack C-06), of
    /// the few that are left otherwise. Only if `backup_open`.
    #[must_use]
    pub fn paid_backup(self, now: Timestamp, policy: &AttemptPolicy) -> Self {
        match self.standing(now) {
            Standing::Free => self.paid(now, policy),
            Standing::Locked { .. } | Standing::Disabled => Self {
                backup_tries: self.backup_tries.saturating_add(1),
                ..self
            },
        }
    }

    /// After a success: the consecutive counter goes, the lock history stays. The attempt that was
    /// right is no failure: it is taken back, and with it a lock that it set when it was paid.
    /// A backup code that was right during a lock leaves the lock as it is.
    #[must_use]
    pub fn cleared(self) -> Self {
        if self.backup_tries > 0 {
            return Self {
                backup_tries: 0,
                ..self
            };
        }
        let own_lock = self.lock_of_this_window();
        let failures = self.failures.saturating_sub(1);
        Self {
            failures,
            // A window without a failure is none: the next failure begins its own, and a subject
            // that is always right leaves no row in a store.
            window_start: self.window_start.filter(|_| failures > 0),
            in_a_row: 0,
            locks: self.locks.saturating_sub(u32::from(own_lock.is_some())),
            locked_until: self.locked_until.filter(|_| own_lock.is_none()),
            disabled: false,
            ..self
        }
    }

    /// An administrator's act, or a new binding: free again, counted from nothing. The lock history
    /// stays, so that the next lock is a longer one (attack D-03).
    #[must_use]
    pub fn unlocked(self) -> Self {
        Self {
            locks: self.locks,
            ..Self::default()
        }
    }

    fn lock_of_this_window(&self) -> Option<Timestamp> {
        let until = self.locked_until?;
        let window_start = self.window_start?;
        (window_start < until).then_some(until)
    }

    /// What is left of a lock that is over.
    fn settled(self, now: Timestamp) -> Self {
        let mut ledger = self;
        let Some(until) = ledger.locked_until.filter(|until| now >= *until) else {
            return ledger;
        };
        if ledger.lock_of_this_window().is_some() {
            ledger.window_start = None;
            ledger.backup_tries = 0;
        }
        if ledger.in_a_row == 0 && now.since(until) >= LOCK_FREE_DAY {
            ledger.locks = 0;
            ledger.locked_until = None;
        }
        ledger
    }
}

/// The first lock's length, doubled for each lock before it.
fn lock_length(locks_before: u32, policy: &AttemptPolicy) -> Duration {
    let factor = 1_u32.checked_shl(locks_before).unwrap_or(u32::MAX);
    policy
        .lock_first
        .saturating_mul(factor)
        .min(policy.lock_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    fn policy() -> AttemptPolicy {
        AttemptPolicy::default()
    }

    fn fail(mut ledger: Ledger, times: u32, at: u64) -> Ledger {
        for _ in 0..times {
            ledger = ledger.paid(Timestamp(at), &policy());
        }
        ledger
    }

    ///
    #[test]
    fn ten_failures_in_an_hour_lock_for_fifteen_minutes() {
        let ledger = fail(Ledger::default(), 9, 0);
        assert_eq!(ledger.standing(Timestamp(0)), Standing::Free);
        let ledger = fail(ledger, 1, HOUR - 1);
        let until = Timestamp(HOUR - 1 + 15 * MINUTE);
        assert_eq!(
            ledger.standing(Timestamp(until.0 - 1)),
            Standing::Locked { until }
        );
        assert_eq!(ledger.standing(until), Standing::Free);
    }

    #[test]
    fn failures_of_an_earlier_hour_do_not_lock() {
        let ledger = fail(Ledger::default(), 9, 0);
        let ledger = fail(ledger, 1, HOUR);
        assert_eq!(ledger.standing(Timestamp(HOUR)), Standing::Free);
        assert_eq!((ledger.failures, ledger.in_a_row), (1, 10));
    }

    /// D-03: what comes after a lock is counted again, and the next lock is longer.
    #[test]
    fn each_lock_is_twice_as_long_up_to_a_day() {
        let mut ledger = Ledger::default();
        let mut now = 0;
        let lengths: Vec<u64> = (0..9)
            .map(|_| {
                ledger = fail(ledger, 10, now);
                let Standing::Locked { until } = ledger.standing(Timestamp(now)) else {
                    unreachable!("ten failures lock")
                };
                let length = (until.0 - now) / MINUTE;
                now = until.0;
                length
            })
            .collect();
        assert_eq!(lengths, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    }

    #[test]
    fn a_hundred_in_a_row_disable() {
        let mut ledger = Ledger::default();
        let mut now = 0;
        for _ in 0..99 {
            ledger = ledger.paid(Timestamp(now), &policy());
            now += 2 * HOUR;
        }
        assert_eq!(ledger.standing(Timestamp(now)), Standing::Free);
        ledger = ledger.paid(Timestamp(now), &policy());
        assert_eq!(
            ledger.standing(Timestamp(now + 1_000 * HOUR)),
            Standing::Disabled
        );
    }

    ///
    #[test]
    fn a_success_takes_back_its_own_payment_and_the_consecutive_count_only() {
        let ledger = fail(Ledger::default(), 4, 0).cleared();
        assert_eq!((ledger.failures, ledger.in_a_row), (3, 0));
        // The tenth was right: it locked when it was paid, and is free again.
        let ledger = fail(Ledger::default(), 10, 0).cleared();
        assert_eq!(ledger.standing(Timestamp(0)), Standing::Free);
        assert_eq!((ledger.failures, ledger.locks), (9, 0));
        // The next wrong one locks: the success refilled nothing but itself.
        let ledger = fail(ledger, 1, 1);
        assert!(matches!(
            ledger.standing(Timestamp(1)),
            Standing::Locked { .. }
        ));
    }

    #[test]
    fn a_person_who_is_right_is_never_locked() {
        let mut ledger = Ledger::default();
        for second in 0..500 {
            assert_eq!(ledger.standing(Timestamp(second)), Standing::Free);
            ledger = ledger.paid(Timestamp(second), &policy()).cleared();
        }
    }

    #[test]
    fn a_ledger_holds_nothing_once_every_attempt_was_right() {
        let ledger = fail(Ledger::default(), 1, 0).cleared();
        assert_eq!(ledger, Ledger::default());
        let ledger = fail(Ledger::default(), 2, 0).cleared();
        assert_eq!(
            (ledger.failures, ledger.window_start),
            (1, Some(Timestamp(0)))
        );
    }

    /// D-02
    #[test]
    fn a_lock_leaves_five_backup_tries_and_a_right_one_does_not_lift_it() {
        let now = Timestamp(0);
        let mut ledger = fail(Ledger::default(), 10, 0);
        for _ in 0..5 {
            assert!(ledger.backup_open(now, &policy()));
            ledger = ledger.paid_backup(now, &policy());
        }
        assert!(!ledger.backup_open(now, &policy()));
        assert!(matches!(
            ledger.cleared().standing(now),
            Standing::Locked { .. }
        ));
    }

    /// C-06
    #[test]
    fn a_backup_try_at_a_free_factor_counts_like_any_other() {
        let ledger = Ledger::default().paid_backup(Timestamp(0), &policy());
        assert_eq!(ledger, Ledger::default().paid(Timestamp(0), &policy()));
    }

    /// D-03
    #[test]
    fn an_unlocked_subject_is_counted_anew_and_locked_longer() {
        let ledger = fail(Ledger::default(), 10, 0).unlocked();
        assert_eq!(ledger.standing(Timestamp(1)), Standing::Free);
        let ledger = fail(ledger, 10, 1);
        let until = Timestamp(1 + 30 * MINUTE);
        assert_eq!(ledger.standing(Timestamp(1)), Standing::Locked { until });
    }

    #[test]
    fn the_lock_history_is_forgotten_after_a_success_and_a_lock_free_day() {
        let ledger = fail(Ledger::default(), 10, 0);
        let after = 15 * MINUTE;
        let success = ledger.paid(Timestamp(after), &policy()).cleared();
        assert_eq!(success.locks, 1);
        let next_day = fail(success, 10, after + 25 * HOUR);
        let until = Timestamp(after + 25 * HOUR + 15 * MINUTE);
        assert_eq!(next_day.locked_until, Some(until));
    }

    /// A clock that steps back neither opens a lock nor starts a new window.
    #[test]
    fn a_clock_that_steps_back_refills_nothing() {
        let ledger = fail(Ledger::default(), 9, 10 * HOUR);
        let ledger = fail(ledger, 1, 0);
        assert!(matches!(
            ledger.standing(Timestamp(0)),
            Standing::Locked { .. }
        ));
        let locked = fail(Ledger::default(), 10, 10 * HOUR);
        assert!(matches!(
            locked.standing(Timestamp(0)),
            Standing::Locked { .. }
        ));
    }
}
