//! When a sender or a plugin is left alone, and when it is tried again.
//!
//! Owns: the two state machines, one for errors of a provider, one for faults of a plugin. They
//! are kept apart because the cures differ: a provider that is down comes back by itself, a plugin
//! that traps comes back by another file. Knows no clock: the time is an argument. Decides nothing
//! about a message: which failure counts is said in `conversation`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Failures in a row, within [`WINDOW`], that open a breaker or quarantine a plugin. One good call
/// in between starts the count anew: five timeouts among ten thousand messages are the Internet.
pub const FAILURES_MAX: usize = 5;

/// How long a failure is remembered.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How long an open breaker keeps calls away before it lets one through.
pub const OPEN: Duration = Duration::from_secs(30);

/// Faults that condemn a plugin which has only just been activated: whatever it replaced worked.
pub const FAULTS_WHEN_NEW: usize = 2;

/// How long a plugin counts as new.
pub const NEW: Duration = Duration::from_secs(60);

/// First and longest time a plugin stays in quarantine; each return doubles it.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// How long the one call that is let through may take before another is: longer than a
/// conversation, so that a cancelled call cannot keep the door shut.
const TRIAL: Duration = Duration::from_secs(30);

/// Instants of the latest failures, none older than the window.
#[derive(Debug, Clone, Default)]
struct Recent(VecDeque<Instant>);

impl Recent {
    /// Adds one and says how many there are.
    fn add(&mut self, now: Instant) -> usize {
        self.0.push_back(now);
        while self.0.front().is_some_and(|&at| {
            now.saturating_duration_since(at) > WINDOW || self.0.len() > FAILURES_MAX
        }) {
            self.0.pop_front();
        }
        self.0.len()
    }
}

/// Keeps messages away from a provider that fails, so that the person does not wait for it.
#[derive(Debug, Clone)]
pub struct Breaker(Circuit);

#[derive(Debug, Clone)]
enum Circuit {
    Closed(Recent),
    Open {
        until: Instant,
    },
    /// One call is out; its outcome decides.
    Trial {
        started: Instant,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker(Circuit::Closed(Recent::default()))
    }
}

impl Breaker {
    /// Whether a call would be let through now.
    pub fn ready(&self, now: Instant) -> bool {
        match self.0 {
            Circuit::Closed(_) => true,
            Circuit::Open { until } => now >= until,
            Circuit::Trial { started } => now.saturating_duration_since(started) > TRIAL,
        }
    }

    /// Lets a call through, or not. After the pause the first to ask is the trial, and alone.
    #[must_use]
    pub fn enter(&mut self, now: Instant) -> bool {
        let ready = self.ready(now);
        if ready && !matches!(self.0, Circuit::Closed(_)) {
            self.0 = Circuit::Trial { started: now };
        }
        ready
    }

    /// The provider answered: even a refusal of the recipient shows that it is there.
    pub fn answered(&mut self) {
        // A call that began before the breaker opened says nothing about the provider now.
        if !matches!(self.0, Circuit::Open { .. }) {
            self.0 = Circuit::Closed(Recent::default());
        }
    }

    /// The provider failed. True if this opened the breaker.
    pub fn failed(&mut self, now: Instant) -> bool {
        let opens = match &mut self.0 {
            Circuit::Closed(recent) => recent.add(now) >= FAILURES_MAX,
            Circuit::Trial { .. } => true,
            Circuit::Open { .. } => false,
        };
        if opens {
            self.0 = Circuit::Open { until: now + OPEN };
        }
        opens
    }
}

/// Takes a version of a plugin out of service when it faults, and brings it back with care.
#[derive(Debug, Clone)]
pub struct Quarantine {
    state: Health,
    back_off: Duration,
}

#[derive(Debug, Clone)]
enum Health {
    Serving {
        since: Instant,
        faults: Recent,
    },
    Quarantined {
        until: Instant,
    },
    /// The self-test passed; one live call is let through, and its outcome decides.
    Proven,
    Trial {
        started: Instant,
    },
}

/// What a fault led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sentence {
    /// It goes on serving.
    Serves,
    /// It is out of service for this long; then its self-test comes first.
    Quarantined { for_: Duration },
}

impl Quarantine {
    /// A version that is activated now.
    pub fn activated(now: Instant) -> Self {
        Quarantine {
            state: Health::Serving {
                since: now,
                faults: Recent::default(),
            },
            back_off: BACK_OFF.0,
        }
    }

    /// Whether a call would be let through now.
    pub fn ready(&self, now: Instant) -> bool {
        match self.state {
            Health::Serving { .. } | Health::Proven => true,
            Health::Quarantined { .. } => false,
            Health::Trial { started } => now.saturating_duration_since(started) > TRIAL,
        }
    }

    /// Whether it is out of service.
    pub fn quarantined(&self) -> bool {
        !matches!(self.state, Health::Serving { .. })
    }

    /// Lets a call through, or not.
    #[must_use]
    pub fn enter(&mut self, now: Instant) -> bool {
        let ready = self.ready(now);
        if ready && !matches!(self.state, Health::Serving { .. }) {
            self.state = Health::Trial { started: now };
        }
        ready
    }

    /// A call ended in good order.
    pub fn behaved(&mut self, now: Instant) {
        match &mut self.state {
            Health::Serving { since, faults } => {
                faults.0.clear();
                // Who has been well for a while starts over with the short pause.
                if now.saturating_duration_since(*since) > WINDOW {
                    self.back_off = BACK_OFF.0;
                }
            }
            Health::Proven | Health::Trial { .. } => {
                self.state = Health::Serving {
                    since: now,
                    faults: Recent::default(),
                };
            }
            Health::Quarantined { .. } => {}
        }
    }

    /// A call ended in a fault of the plugin.
    pub fn faulted(&mut self, now: Instant) -> Sentence {
        let condemned = match &mut self.state {
            Health::Serving { since, faults } => {
                let count = faults.add(now);
                let new = now.saturating_duration_since(*since) <= NEW;
                count >= FAILURES_MAX || (new && count >= FAULTS_WHEN_NEW)
            }
            Health::Proven | Health::Trial { .. } => true,
            Health::Quarantined { .. } => false,
        };
        if !condemned {
            return Sentence::Serves;
        }
        let for_ = self.back_off;
        self.back_off = (for_ * 2).min(BACK_OFF.1);
        self.state = Health::Quarantined { until: now + for_ };
        Sentence::Quarantined { for_ }
    }

    /// Whether its time is up: the self-test is due.
    pub fn due(&self, now: Instant) -> bool {
        matches!(self.state, Health::Quarantined { until } if now >= until)
    }

    /// In how long the self-test is due, if it is awaited.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        match self.state {
            Health::Quarantined { until } => Some(until.saturating_duration_since(now)),
            Health::Serving { .. } | Health::Proven | Health::Trial { .. } => None,
        }
    }

    /// The self-test ran. A failure is a fault like any other.
    pub fn tested(&mut self, passed: bool, now: Instant) -> Sentence {
        self.state = Health::Proven;
        if passed {
            Sentence::Serves
        } else {
            self.faulted(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.enter(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn the_fifth_failure_in_a_minute_opens_the_breaker() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for n in 0..4 {
            assert!(!breaker.failed(start + n * SECOND), "failure {n}");
            assert!(breaker.ready(start + n * SECOND));
        }
        assert!(breaker.failed(start + 60 * SECOND));
        assert!(!breaker.ready(start + 60 * SECOND));
    }

    #[test]
    fn a_failure_older_than_a_minute_is_forgotten() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for n in [0, 50, 51, 52] {
            breaker.failed(start + n * SECOND);
        }
        assert!(!breaker.failed(start + 61 * SECOND));
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            for _ in 0..4 {
                assert!(!breaker.failed(now));
            }
            breaker.answered();
        }
        assert!(breaker.ready(now));
    }

    #[test]
    fn after_half_a_minute_one_call_alone_is_let_through() {
        let start = Instant::now();
        let mut breaker = open(start);
        assert!(!breaker.enter(start + 29 * SECOND));
        let later = start + OPEN;
        assert!(breaker.enter(later));
        assert!(!breaker.enter(later), "the trial is alone");
        breaker.answered();
        assert!(breaker.enter(later));
        assert!(breaker.enter(later));
    }

    #[test]
    fn a_failed_trial_opens_the_breaker_again() {
        let start = Instant::now();
        let mut breaker = open(start);
        let later = start + OPEN;
        assert!(breaker.enter(later));
        assert!(breaker.failed(later));
        assert!(!breaker.ready(later + 29 * SECOND));
        assert!(breaker.ready(later + OPEN));
    }

    #[test]
    fn a_trial_that_never_reports_does_not_keep_the_door_shut() {
        let start = Instant::now();
        let mut breaker = open(start);
        assert!(breaker.enter(start + OPEN));
        assert!(breaker.enter(start + OPEN + TRIAL + SECOND));
    }

    #[test]
    fn an_answer_from_before_it_opened_does_not_close_it() {
        let now = Instant::now();
        let mut breaker = open(now);
        breaker.answered();
        assert!(!breaker.ready(now));
    }

    fn settled(now: Instant) -> Quarantine {
        Quarantine::activated(now - 2 * NEW)
    }

    #[test]
    fn a_plugin_that_has_served_is_condemned_by_five_faults() {
        let now = Instant::now() + 3 * NEW;
        let mut plugin = settled(now);
        for _ in 0..4 {
            assert_eq!(plugin.faulted(now), Sentence::Serves);
        }
        assert_eq!(plugin.faulted(now), Sentence::Quarantined { for_: SECOND });
        assert!(!plugin.ready(now));
    }

    #[test]
    fn a_new_plugin_is_condemned_by_two_faults() {
        let now = Instant::now();
        let mut plugin = Quarantine::activated(now);
        assert_eq!(plugin.faulted(now), Sentence::Serves);
        assert_eq!(plugin.faulted(now), Sentence::Quarantined { for_: SECOND });
    }

    #[test]
    fn a_call_in_good_order_clears_the_faults() {
        let now = Instant::now();
        let mut plugin = Quarantine::activated(now);
        for _ in 0..100 {
            assert_eq!(plugin.faulted(now), Sentence::Serves);
            plugin.behaved(now);
        }
    }

    #[test]
    fn the_self_test_comes_before_the_one_live_call() {
        let start = Instant::now();
        let mut plugin = Quarantine::activated(start);
        let _ = plugin.faulted(start);
        let _ = plugin.faulted(start);
        let later = start + SECOND;
        assert!(!plugin.due(start));
        assert!(plugin.due(later));
        assert!(!plugin.enter(later), "not before the self-test");
        assert_eq!(plugin.tested(true, later), Sentence::Serves);
        assert!(plugin.enter(later));
        assert!(!plugin.enter(later), "one call alone");
        plugin.behaved(later);
        assert!(plugin.enter(later) && plugin.enter(later));
        assert!(!plugin.quarantined());
    }

    #[test]
    fn the_pause_doubles_up_to_five_minutes() {
        let mut now = Instant::now();
        let mut plugin = Quarantine::activated(now);
        let _ = plugin.faulted(now);
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let Sentence::Quarantined { for_ } = plugin.faulted(now) else {
                panic!("a proven plugin that faults is condemned");
            };
            pauses.push(for_.as_secs());
            now += for_;
            assert!(plugin.due(now));
            let _ = plugin.tested(true, now);
            assert!(plugin.enter(now));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_failed_self_test_keeps_it_out() {
        let now = Instant::now();
        let mut plugin = Quarantine::activated(now);
        let _ = plugin.faulted(now);
        let _ = plugin.faulted(now);
        assert_eq!(
            plugin.tested(false, now + SECOND),
            Sentence::Quarantined { for_: 2 * SECOND }
        );
        assert!(!plugin.ready(now + SECOND));
    }
}
