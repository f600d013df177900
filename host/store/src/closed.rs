//! Whose logins were closed last. A first step that was checked before that belongs to no account yet, so
//! closing does not find it; its move asks here instead.
//!
//! In memory alone: no first step outlives the process, and a data directory belongs to one.

use postern_login::ports::Closings;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many closings are told apart. A first step that more have passed by is refused, whoever it is for.
const KEPT: usize = 4096;

#[derive(Default)]
pub(crate) struct Closed(Mutex<Last>);

#[derive(Default)]
struct Last {
    ever: u64,
    /// As `digest::of_account` names them, the newest at the end. Two accounts of one digest cost a
    /// person a second try, no more.
    accounts: VecDeque<i64>,
}

impl Closed {
    pub(crate) fn ever(&self) -> Closings {
        Closings(self.last().ever)
    }

    pub(crate) fn note(&self, account: i64) {
        let mut last = self.last();
        last.ever += 1;
        if last.accounts.len() == KEPT {
            last.accounts.pop_front();
        }
        last.accounts.push_back(account);
    }

    pub(crate) fn since(&self, since: Closings, account: i64) -> bool {
        let last = self.last();
        let newer = last.ever.saturating_sub(since.0);
        let newer = usize::try_from(newer).unwrap_or(usize::MAX);
        let mut newest = last.accounts.iter().rev().take(newer);
        newer > last.accounts.len() || newest.any(|closed| *closed == account)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        // Nothing that can panic runs while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_known_counts_as_closed() {
        let closed = Closed::default();
        let before = closed.ever();
        for _ in 0..KEPT {
            closed.note(1);
        }
        assert!(closed.since(before, 1));
        assert!(!closed.since(before, 2), "all of them are known");
        closed.note(1);
        assert!(closed.since(before, 2), "the first of them may have been");
        assert!(!closed.since(closed.ever(), 1));
    }
}
