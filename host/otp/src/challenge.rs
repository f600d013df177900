//! One challenge: a number, at most one live code, a budget of attempts. Each state holds exactly
//! what exists in it, and is consumed by the move to the next.

use crate::hash::Binding;
use crate::policy::CODE_LIFETIME_MAX;
use crate::{ChallengePolicy, Code, CodeHash, KeyRing, PhoneNumber, ResendPolicy, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::Choice;

/// How many replaced codes are remembered: as many as there are resends by default.
const SUPERSEDED_MAX: usize = 3;

/// The right to compare one code: the store has counted it already (`danger::attempt_counted`).
#[derive(Debug)]
#[must_use = "an attempt that is paid and not used is lost to the person"]
pub struct PaidAttempt {
    attempt: u32,
    attempts_max: u32,
}

/// A code is about to be sent, or could not be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Requested {
    pub number: PhoneNumber,
    pub resends: u32,
    /// Hashes of codes that a newer one replaced, newest first, at most 3: told apart from wrong
    /// ones because messages arrive out of order.
    superseded: Vec<CodeHash>,
}

/// A provider took the message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    pub number: PhoneNumber,
    pub sent_at: Timestamp,
    pub expires_at: Timestamp,
    pub resends: u32,
    pub resend_at: Timestamp,
    hash: CodeHash,
    superseded: Vec<CodeHash>,
}

/// The code was right, in time, and paid for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verified {
    pub number: PhoneNumber,
    pub at: Timestamp,
}

/// Nothing can be submitted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    AttemptsExhausted,
    Used,
    /// What it was opened for is no longer as it was: the account has another number or password, or is
    /// locked or gone.
    Overtaken,
}

/// What became of a submission.
#[derive(Debug)]
#[must_use]
pub enum Submission {
    Accept(Verified),
    /// Another try is left.
    Refuse {
        sent: Sent,
        why: Mismatch,
        attempts_left: u32,
    },
    /// It was the last one; `why` says what was typed.
    Close {
        closed: Closed,
        why: Mismatch,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    Wrong,
    Expired,
    /// "That was the earlier code, use the newest."
    Superseded,
}

impl PaidAttempt {
    pub(crate) fn counted(attempt: u32, attempts_max: u32) -> Self {
        Self {
            attempt,
            attempts_max,
        }
    }
    pub fn attempts_left(&self) -> u32 {
        self.attempts_max.saturating_sub(self.attempt)
    }
}

impl Requested {
    pub fn new(number: PhoneNumber) -> Self {
        Self {
            number,
            resends: 0,
            superseded: Vec::new(),
        }
    }

    /// A provider accepted the message at `now`. The code lives from here, and never longer than
    /// 600 s, whatever the policy says.
    pub fn delivered(self, hash: CodeHash, now: Timestamp, policy: &ChallengePolicy) -> Sent {
        Sent {
            number: self.number,
            sent_at: now,
            expires_at: now.plus(policy.code_lifetime.min(CODE_LIFETIME_MAX)),
            resends: self.resends,
            resend_at: now.plus(policy.resend.wait_after(self.resends)),
            hash,
            superseded: self.superseded,
        }
    }

    /// Nothing could be sent, and another try is asked for: it counts as a resend, for a provider
    /// whose answer never came may have sent after all. `retry_at` is when it is due.
    #[allow(clippy::result_large_err, reason = "the caller needs the state back")]
    pub fn again(
        self,
        retry_at: Timestamp,
        now: Timestamp,
        policy: &ResendPolicy,
    ) -> Result<Self, (Self, ResendRefused)> {
        match resend_refused(self.resends, retry_at, now, policy) {
            Some(refused) => Err((self, refused)),
            None => Ok(Self {
                resends: self.resends + 1,
                ..self
            }),
        }
    }
}

impl Sent {
    /// The code in hand is dead from here on, whether or not the new one arrives.
    /// `Err` gives the state back if it is too soon or too often.
    #[allow(clippy::result_large_err, reason = "the caller needs the state back")]
    pub fn resend(
        self,
        now: Timestamp,
        policy: &ChallengePolicy,
    ) -> Result<Requested, (Self, ResendRefused)> {
        if let Some(refused) = resend_refused(self.resends, self.resend_at, now, &policy.resend) {
            return Err((self, refused));
        }
        let mut superseded = self.superseded;
        superseded.insert(0, self.hash);
        superseded.truncate(SUPERSEDED_MAX);
        Ok(Requested {
            number: self.number,
            resends: self.resends + 1,
            superseded,
        })
    }

    /// When the next code may be asked for; `None` if no further one may.
    pub fn next_resend(&self, policy: &ResendPolicy) -> Option<Timestamp> {
        (policy.allowed && self.resends < policy.resends_max).then_some(self.resend_at)
    }

    /// Whether both wait for the very same code.
    pub fn awaits_same_code(&self, other: &Self) -> bool {
        self.hash == other.hash && self.expires_at == other.expires_at
    }

    /// Order of checks: expiry, binding, comparison in constant time. Lock and attempts were
    /// settled when the attempt was paid; consumption is the caller's compare-and-swap.
    /// `typed` is `None` when what was typed cannot be a code at all.
    pub fn submit(
        self,
        paid: PaidAttempt,
        typed: Option<&Code>,
        keys: &KeyRing,
        binding: Binding<'_>,
        now: Timestamp,
    ) -> Submission {
        let why = if self.expired(now) {
            Mismatch::Expired
        } else {
            match typed.map(|code| self.compare(code, keys, binding)) {
                Some(Comparison::Match) => {
                    return Submission::Accept(Verified {
                        number: self.number,
                        at: now,
                    });
                }
                Some(Comparison::Earlier) => Mismatch::Superseded,
                Some(Comparison::None) | None => Mismatch::Wrong,
            }
        };
        match paid.attempts_left() {
            0 => Submission::Close {
                closed: Closed::AttemptsExhausted,
                why,
            },
            attempts_left => Submission::Refuse {
                sent: self,
                why,
                attempts_left,
            },
        }
    }

    /// Valid from `sent_at` up to, and without, `expires_at`. A clock that stands before `sent_at`
    /// has been turned back: how long the code has really lived is unknown, so it is over. So is
    /// one whose stored life is longer than any policy allows (attacks N-01, N-03).
    fn expired(&self, now: Timestamp) -> bool {
        let stored_life = self.expires_at.since(self.sent_at);
        now < self.sent_at || now >= self.expires_at || stored_life > CODE_LIFETIME_MAX
    }

    /// The live code and the replaced ones are all compared, always and in constant time: which of
    /// them it was does not show in the time taken.
    fn compare(&self, code: &Code, keys: &KeyRing, binding: Binding<'_>) -> Comparison {
        let live = keys.compare(&self.hash, code, binding);
        let earlier = self
            .superseded
            .iter()
            .map(|hash| keys.compare(hash, code, binding))
            .fold(Choice::from(0), |any, one| any | one);
        match (bool::from(live), bool::from(earlier)) {
            (true, _) => Comparison::Match,
            (false, true) => Comparison::Earlier,
            (false, false) => Comparison::None,
        }
    }
}

enum Comparison {
    Match,
    Earlier,
    None,
}

fn resend_refused(
    resends: u32,
    due: Timestamp,
    now: Timestamp,
    policy: &ResendPolicy,
) -> Option<ResendRefused> {
    if !policy.allowed {
        Some(ResendRefused::Off)
    } else if resends >= policy.resends_max {
        Some(ResendRefused::TooOften)
    } else if now < due {
        Some(ResendRefused::TooSoon { at: due })
    } else {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResendRefused {
    Off,
    TooSoon { at: Timestamp },
    TooOften,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::danger::attempt_counted;
    use crate::{Alphabet, CodeFormat, HashKey};

    const TTL: u64 = 300_000;
    const NOW: Timestamp = Timestamp(1_000_000);

    struct Scene {
        number: PhoneNumber,
        keys: KeyRing,
        policy: ChallengePolicy,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                number: PhoneNumber::parse("+94771234567", None).unwrap(),
                keys: KeyRing::new(vec![HashKey::new(1, [3; 32])]).unwrap(),
                policy: ChallengePolicy::default(),
            }
        }
        fn binding(&self) -> Binding<'_> {
            Binding {
                challenge: "login",
                tenant: "carbon.super",
                purpose: "login",
                number: &self.number,
            }
        }
        fn hash(&self, text: &str) -> CodeHash {
            self.keys.hash(&code(text), self.binding())
        }
        fn sent(&self, text: &str) -> Sent {
            Requested::new(self.number.clone()).delivered(self.hash(text), NOW, &self.policy)
        }
        fn submit(&self, sent: Sent, attempt: u32, typed: &str, now: Timestamp) -> Submission {
            let paid = attempt_counted(attempt, self.policy.attempts.attempts_max);
            let typed = Code::parse(self.policy.format, typed);
            sent.submit(paid, typed.as_ref(), &self.keys, self.binding(), now)
        }
    }

    fn code(text: &str) -> Code {
        let format = CodeFormat {
            length: 6,
            alphabet: Alphabet::Digits,
        };
        Code::parse(format, text).unwrap()
    }

    fn why(submission: Submission) -> Mismatch {
        match submission {
            Submission::Refuse { why, .. } => why,
            other => unreachable!("refused, not {other:?}"),
        }
    }

    #[test]
    fn the_right_code_in_time_is_accepted_with_its_number() {
        let scene = Scene::new();
        let submission = scene.submit(scene.sent("123456"), 1, "123 456", NOW);
        let Submission::Accept(verified) = submission else {
            unreachable!("accepted")
        };
        assert_eq!(verified.number, scene.number);
    }

    /// N-01
    #[test]
    fn a_code_is_accepted_until_just_before_its_life_ends() {
        let scene = Scene::new();
        for (after, accepted) in [(0, true), (TTL - 1, true), (TTL, false), (TTL + 1, false)] {
            let submission =
                scene.submit(scene.sent("123456"), 1, "123456", Timestamp(NOW.0 + after));
            assert_eq!(
                matches!(submission, Submission::Accept(_)),
                accepted,
                "{after}"
            );
        }
    }

    /// N-01: turned back, the clock prolongs nothing.
    #[test]
    fn a_clock_before_the_sending_refuses() {
        let scene = Scene::new();
        for before in [1, 3_600_000_u64.min(NOW.0)] {
            let at = Timestamp(NOW.0 - before);
            assert_eq!(
                why(scene.submit(scene.sent("123456"), 1, "123456", at)),
                Mismatch::Expired
            );
        }
    }

    /// N-01: a policy that asks for more than 600 s does not get it.
    #[test]
    fn no_policy_makes_a_code_live_longer_than_ten_minutes() {
        let mut scene = Scene::new();
        scene.policy.code_lifetime = std::time::Duration::from_secs(86_400);
        assert_eq!(scene.sent("123456").expires_at, Timestamp(NOW.0 + 600_000));
    }

    /// N-03: an expiry that no policy could have made is a corrupt row: refuse.
    #[test]
    fn a_stored_expiry_out_of_bounds_refuses() {
        let scene = Scene::new();
        let mut sent = scene.sent("123456");
        sent.expires_at = Timestamp(u64::MAX);
        assert_eq!(why(scene.submit(sent, 1, "123456", NOW)), Mismatch::Expired);
        let mut sent = scene.sent("123456");
        sent.expires_at = Timestamp(0);
        assert_eq!(why(scene.submit(sent, 1, "123456", NOW)), Mismatch::Expired);
    }

    ///
    #[test]
    fn the_fifth_wrong_code_closes() {
        let scene = Scene::new();
        for attempt in 1..5 {
            let submission = scene.submit(scene.sent("123456"), attempt, "000000", NOW);
            let Submission::Refuse { attempts_left, .. } = submission else {
                unreachable!("refused")
            };
            assert_eq!(attempts_left, 5 - attempt);
        }
        assert!(matches!(
            scene.submit(scene.sent("123456"), 5, "000000", NOW),
            Submission::Close {
                closed: Closed::AttemptsExhausted,
                why: Mismatch::Wrong,
            }
        ));
        assert!(matches!(
            scene.submit(scene.sent("123456"), 5, "123456", NOW),
            Submission::Accept(_)
        ));
    }

    ///
    #[test]
    fn what_is_no_code_costs_an_attempt_and_is_wrong() {
        let scene = Scene::new();
        for typed in ["", "%", "_", "*", ".{6}", "' or 1=1--", "000000"] {
            assert_eq!(
                why(scene.submit(scene.sent("123456"), 1, typed, NOW)),
                Mismatch::Wrong,
                "{typed}"
            );
        }
    }

    ///
    #[test]
    fn a_replaced_code_is_refused_and_told_apart() {
        let scene = Scene::new();
        let later = Timestamp(NOW.0 + 30_000);
        let resent = scene
            .sent("111111")
            .resend(later, &scene.policy)
            .unwrap()
            .delivered(scene.hash("222222"), later, &scene.policy);
        assert_eq!(
            why(scene.submit(resent.clone(), 1, "111111", later)),
            Mismatch::Superseded
        );
        assert_eq!(
            why(scene.submit(resent.clone(), 1, "333333", later)),
            Mismatch::Wrong
        );
        assert!(matches!(
            scene.submit(resent.clone(), 1, "222222", later),
            Submission::Accept(_)
        ));
        // After its end the answer says no more than that.
        let over = Timestamp(later.0 + TTL);
        assert_eq!(
            why(scene.submit(resent, 1, "111111", over)),
            Mismatch::Expired
        );
    }

    /// One draw in a million repeats the code before: then it is the new one.
    #[test]
    fn a_new_code_that_equals_the_old_one_is_accepted() {
        let scene = Scene::new();
        let later = Timestamp(NOW.0 + 30_000);
        let resent = scene
            .sent("111111")
            .resend(later, &scene.policy)
            .unwrap()
            .delivered(scene.hash("111111"), later, &scene.policy);
        assert!(matches!(
            scene.submit(resent, 1, "111111", later),
            Submission::Accept(_)
        ));
    }

    ///
    #[test]
    fn resends_wait_longer_each_time_and_end() {
        let scene = Scene::new();
        let mut sent = scene.sent("111111");
        let mut now = NOW;
        for wait in [30_000, 60_000, 120_000] {
            let early = Timestamp(now.0 + wait - 1);
            let due = Timestamp(now.0 + wait);
            let (back, refused) = sent.resend(early, &scene.policy).unwrap_err();
            assert_eq!(refused, ResendRefused::TooSoon { at: due });
            assert_eq!(back.next_resend(&scene.policy.resend), Some(due));
            now = due;
            sent = back.resend(now, &scene.policy).unwrap().delivered(
                scene.hash("222222"),
                now,
                &scene.policy,
            );
        }
        assert_eq!(sent.next_resend(&scene.policy.resend), None);
        let (_, refused) = sent.resend(Timestamp(u64::MAX), &scene.policy).unwrap_err();
        assert_eq!(refused, ResendRefused::TooOften);
    }

    #[test]
    fn a_resend_that_is_switched_off_is_refused() {
        let mut scene = Scene::new();
        scene.policy.resend.allowed = false;
        let (_, refused) = scene
            .sent("111111")
            .resend(Timestamp(u64::MAX), &scene.policy)
            .unwrap_err();
        assert_eq!(refused, ResendRefused::Off);
    }

    /// tries after a failure to send are counted with the resends.
    #[test]
    fn tries_after_a_failure_to_send_end_too() {
        let policy = ResendPolicy::default();
        let mut requested = Requested::new(Scene::new().number);
        for _ in 0..3 {
            let (back, refused) = requested.again(NOW, Timestamp(0), &policy).unwrap_err();
            assert_eq!(refused, ResendRefused::TooSoon { at: NOW });
            requested = back.again(NOW, NOW, &policy).unwrap();
        }
        let (_, refused) = requested.again(NOW, NOW, &policy).unwrap_err();
        assert_eq!(refused, ResendRefused::TooOften);
    }

    #[test]
    fn it_prints_no_number_and_no_hash() {
        let printed = format!("{:?}", Scene::new().sent("123456"));
        assert!(
            !printed.contains("77123") && !printed.contains("123456"),
            "{printed}"
        );
    }
}
