//! When a sender or a plugin is left alone, and when it is tried again.
//!
//! Owns: the two state machines, one for errors of a provider, one for faults of a plugin. They
//! are kept apart because the cures differ: a provider that is down comes back by itself, a plugin
//! that traps comes back by another file. Knows no clock: the time is an argument. Decides nothing
//! about a message: which failure counts is said in `conversation`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a sender or a plugin that fails is left alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HealthPolicy {
    pub breaker: BreakerPolicy,
    pub quarantine: QuarantinePolicy,
}

/// When a provider is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row, within the window, that open the breaker. One good call in between starts
    /// the count anew: five timeouts among ten thousand messages are the Internet.
    pub failures: usize,
    /// How long a failure is remembered.
    pub window: Duration,
    /// How long an open breaker keeps calls away before it lets one through.
    pub open: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        BreakerPolicy {
            failures: 5,
            window: Duration::from_secs(60),
            open: Duration::from_secs(30),
        }
    }
}

/// When a version of a plugin is taken out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantinePolicy {
    /// Faults in a row, within the window, that take it out.
    pub faults: usize,
    /// How long a fault is remembered.
    pub window: Duration,
    /// Faults that condemn a plugin which has only just been activated: whatever it replaced worked.
    pub faults_when_new: usize,
    /// How long a plugin counts as new.
    pub new_for: Duration,
    /// The first pause; each return doubles it.
    pub pause_first: Duration,
    /// And no longer than this.
    pub pause_max: Duration,
}

impl Default for QuarantinePolicy {
    fn default() -> Self {
        QuarantinePolicy {
            faults: 5,
            window: Duration::from_secs(60),
            faults_when_new: 2,
            new_for: Duration::from_secs(60),
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(300),
        }
    }
}

/// How long the one call that is let through may take before another is: longer than a
/// conversation, so that a cancelled call cannot keep the door shut.
const TRIAL: Duration = Duration::from_secs(30);

/// Instants of the latest failures, none older than the window.
#[derive(Debug, Clone, Default)]
struct Recent(VecDeque<Instant>);

impl Recent {
    /// Adds one and says how many there are of this window; `most` of them are kept.
    fn add(&mut self, now: Instant, window: Duration, most: usize) -> usize {
        self.0.push_back(now);
        while self
            .0
            .front()
            .is_some_and(|&at| now.saturating_duration_since(at) > window || self.0.len() > most)
        {
            self.0.pop_front();
        }
        self.0.len()
    }
}

/// Keeps messages away from a provider that fails, so that the person does not wait for it.
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    circuit: Circuit,
}

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

impl Breaker {
    /// Of a provider that has done nothing wrong yet.
    pub fn closed(policy: BreakerPolicy) -> Self {
        Breaker {
            policy,
            circuit: Circuit::Closed(Recent::default()),
        }
    }

    /// Whether a call would be let through now.
    pub fn ready(&self, now: Instant) -> bool {
        match self.circuit {
            Circuit::Closed(_) => true,
            Circuit::Open { until } => now >= until,
            Circuit::Trial { started } => now.saturating_duration_since(started) > TRIAL,
        }
    }

    /// Lets a call through, or not. After the pause the first to ask is the trial, and alone.
    #[must_use]
    pub fn enter(&mut self, now: Instant) -> bool {
        let ready = self.ready(now);
        if ready && !matches!(self.circuit, Circuit::Closed(_)) {
            self.circuit = Circuit::Trial { started: now };
        }
        ready
    }

    /// The provider answered: even a refusal of the recipient shows that it is there.
    pub fn answered(&mut self) {
        // A call that began before the breaker opened says nothing about the provider now.
        if !matches!(self.circuit, Circuit::Open { .. }) {
            self.circuit = Circuit::Closed(Recent::default());
        }
    }

    /// The provider failed. True if this opened the breaker.
    pub fn failed(&mut self, now: Instant) -> bool {
        let BreakerPolicy {
            failures,
            window,
            open,
        } = self.policy;
        let opens = match &mut self.circuit {
            Circuit::Closed(recent) => recent.add(now, window, failures) >= failures,
            Circuit::Trial { .. } => true,
            Circuit::Open { .. } => false,
        };
        if opens {
            self.circuit = Circuit::Open { until: now + open };
        }
        opens
    }
}

/// Takes a version of a plugin out of service when it faults, and brings it back with care.
#[derive(Debug, Clone)]
pub struct Quarantine {
    policy: QuarantinePolicy,
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
    pub fn activated(policy: QuarantinePolicy, now: Instant) -> Self {
        Quarantine {
            policy,
            state: Health::Serving {
                since: now,
                faults: Recent::default(),
            },
            back_off: policy.pause_first,
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
                if now.saturating_duration_since(*since) > self.policy.window {
                    self.back_off = self.policy.pause_first;
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
        let policy = self.policy;
        let condemned = match &mut self.state {
            Health::Serving { since, faults } => {
                let count = faults.add(now, policy.window, policy.faults);
                let new = now.saturating_duration_since(*since) <= policy.new_for;
                count >= policy.faults || (new && count >= policy.faults_when_new)
            }
            Health::Proven | Health::Trial { .. } => true,
            Health::Quarantined { .. } => false,
        };
        if !condemned {
            return Sentence::Serves;
        }
        let for_ = self.back_off;
        self.back_off = (for_ * 2).min(policy.pause_max);
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

    fn breaker() -> Breaker {
        Breaker::closed(BreakerPolicy::default())
    }

    fn activated(now: Instant) -> Quarantine {
        Quarantine::activated(QuarantinePolicy::default(), now)
    }

    fn open(now: Instant) -> Breaker {
        let mut breaker = breaker();
        for _ in 0..5 {
            assert!(breaker.enter(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn the_fifth_failure_in_a_minute_opens_the_breaker() {
        let start = Instant::now();
        let mut breaker = breaker();
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
        let mut breaker = breaker();
        for n in [0, 50, 51, 52] {
            breaker.failed(start + n * SECOND);
        }
        assert!(!breaker.failed(start + 61 * SECOND));
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let now = Instant::now();
        let mut breaker = breaker();
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
        let later = start + 30 * SECOND;
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
        let later = start + 30 * SECOND;
        assert!(breaker.enter(later));
        assert!(breaker.failed(later));
        assert!(!breaker.ready(later + 29 * SECOND));
        assert!(breaker.ready(later + 30 * SECOND));
    }

    #[test]
    fn a_trial_that_never_reports_does_not_keep_the_door_shut() {
        let start = Instant::now();
        let mut breaker = open(start);
        assert!(breaker.enter(start + 30 * SECOND));
        assert!(breaker.enter(start + 30 * SECOND + TRIAL + SECOND));
    }

    #[test]
    fn an_answer_from_before_it_opened_does_not_close_it() {
        let now = Instant::now();
        let mut breaker = open(now);
        breaker.answered();
        assert!(!breaker.ready(now));
    }

    fn settled(now: Instant) -> Quarantine {
        activated(now - 120 * SECOND)
    }

    #[test]
    fn a_plugin_that_has_served_is_condemned_by_five_faults() {
        let now = Instant::now() + 180 * SECOND;
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
        let mut plugin = activated(now);
        assert_eq!(plugin.faulted(now), Sentence::Serves);
        assert_eq!(plugin.faulted(now), Sentence::Quarantined { for_: SECOND });
    }

    #[test]
    fn a_call_in_good_order_clears_the_faults() {
        let now = Instant::now();
        let mut plugin = activated(now);
        for _ in 0..100 {
            assert_eq!(plugin.faulted(now), Sentence::Serves);
            plugin.behaved(now);
        }
    }

    #[test]
    fn the_self_test_comes_before_the_one_live_call() {
        let start = Instant::now();
        let mut plugin = activated(start);
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
        let mut plugin = activated(now);
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
        let mut plugin = activated(now);
        let _ = plugin.faulted(now);
        let _ = plugin.faulted(now);
        assert_eq!(
            plugin.tested(false, now + SECOND),
            Sentence::Quarantined { for_: 2 * SECOND }
        );
        assert!(!plugin.ready(now + SECOND));
    }

    #[test]
    fn the_operators_numbers_decide_when_a_breaker_opens_and_for_how_long() {
        let start = Instant::now();
        let mut breaker = Breaker::closed(BreakerPolicy {
            failures: 2,
            window: 10 * SECOND,
            open: 5 * SECOND,
        });
        assert!(!breaker.failed(start));
        let later = start + 11 * SECOND;
        assert!(!breaker.failed(later), "the first is forgotten");
        assert!(breaker.failed(later));
        assert!(!breaker.ready(later + 4 * SECOND));
        assert!(breaker.ready(later + 5 * SECOND));
    }

    #[test]
    fn the_operators_numbers_decide_when_a_plugin_is_quarantined_and_for_how_long() {
        let policy = QuarantinePolicy {
            faults: 3,
            window: 10 * SECOND,
            faults_when_new: 1,
            new_for: 20 * SECOND,
            pause_first: 4 * SECOND,
            pause_max: 6 * SECOND,
        };
        let start = Instant::now();
        let quarantined = |seconds| Sentence::Quarantined {
            for_: seconds * SECOND,
        };
        let mut new = Quarantine::activated(policy, start);
        assert_eq!(new.faulted(start + 20 * SECOND), quarantined(4));
        assert_eq!(new.tested(false, start + 24 * SECOND), quarantined(6));

        let mut settled = Quarantine::activated(policy, start);
        let now = start + 21 * SECOND;
        assert_eq!(settled.faulted(now), Sentence::Serves);
        let later = now + 11 * SECOND;
        for _ in 0..2 {
            assert_eq!(settled.faulted(later), Sentence::Serves);
        }
        assert_eq!(settled.faulted(later), quarantined(4));
    }
}
