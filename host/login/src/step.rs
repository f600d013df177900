//! What the browser sees next. The only place that decides it: pages return here and never
//! redirect to each other.

use crate::login::{Login, Notice, State, StopReason};
use postern_otp::Timestamp;

/// The next page and what it shows. No secret, no full number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    FirstStep {
        notice: Option<Notice>,
    },
    AskNumber {
        notice: Option<Notice>,
    },
    AskCode(AskCode),
    Stopped {
        reason: StopReason,
        backup_codes: bool,
    },
    /// `finish` opens the session.
    Authenticated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskCode {
    /// Masked; `None` if nothing is to be shown.
    pub number: Option<String>,
    /// False if nothing could be sent: the page says so and offers what is left.
    pub sent: bool,
    pub code_length: u8,
    pub digits_only: bool,
    pub expires_at: Option<Timestamp>,
    /// `None`: no further code can be asked for.
    pub resend_at: Option<Timestamp>,
    pub attempts_left: u32,
    pub backup_codes: bool,
    pub notice: Option<Notice>,
    /// The host's clock, for the countdown.
    pub now: Timestamp,
}

/// Decides from the login alone (and the settings that say what the page may offer).
pub fn next_step(login: &Login, settings: &postern_otp::FactorSettings, now: Timestamp) -> Step {
    let _ = (login, settings, now);
    let _: fn(State) = |_| {};
    todo!()
}
