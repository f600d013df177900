//! A point in time, as an argument: nothing in this crate reads a clock.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(pub u64);

impl Moment {
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// What a peer says of when it asked somebody, by our clock: the two differ, by no more than was checked. Nobody was
    /// asked after they came back, nor, if that was to be done anew, before we wanted it.
    #[must_use]
    pub fn between(self, since: Option<Self>, now: Self) -> Self {
        let later = |since: Self| since.plus(Duration::from_millis(1));
        since.map_or(self, |since| self.max(later(since))).min(now)
    }

    /// Zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_tells_of_a_moment_lies_between_what_was_wanted_and_now() {
        for (told, since, expected) in [
            (40_000, None, 40_000),
            (130_000, None, 100_000),
            (70_000, Some(60_000), 70_000),
            (40_000, Some(60_000), 60_001),
            (40_000, Some(100_000), 100_000),
        ] {
            let at = Moment(told).between(since.map(Moment), Moment(100_000));
            assert_eq!(at, Moment(expected), "{told} {since:?}");
        }
    }
}
