//! One challenge: a number, at most one live code, a budget of attempts. Each state holds exactly
//! what exists in it, and is consumed by the move to the next.

use crate::hash::Binding;
use crate::{ChallengePolicy, Code, CodeHash, KeyRing, PhoneNumber, Timestamp};
use serde::{Deserialize, Serialize};

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
    Undeliverable,
    Abandoned,
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
    Close(Closed),
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

    /// A provider accepted the message at `now`.
    pub fn delivered(self, hash: CodeHash, now: Timestamp, policy: &ChallengePolicy) -> Sent {
        let _ = (hash, now, policy);
        todo!()
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
        let _ = (now, policy);
        todo!()
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
        let _ = (
            paid,
            typed,
            keys,
            binding,
            now,
            &self.hash,
            &self.superseded,
        );
        todo!()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResendRefused {
    Off,
    TooSoon { at: Timestamp },
    TooOften,
}
