//! What the browser sees next. The only place that decides it: pages return here and never
//! redirect to each other.

use crate::application::Application;
use crate::deliver::is_stale;
use crate::login::{Challenge, Challenged, Login, Notice, State, StopReason, Stopped};
use crate::ports::FailureReason;
use postern_otp::code::Alphabet;
use postern_otp::need::Refusal;
use postern_otp::{FactorSettings, Requested, Timestamp};

/// The next page and what it shows. No secret, no full number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    FirstStep {
        notice: Option<Notice>,
        /// Which ways are open, and into what.
        application: Application,
    },
    /// Signed in already; the application wants a code as well. Nothing is sent before the person
    /// says so.
    SecondStepWanted {
        application: Application,
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
    /// What the provider answered, where nothing was sent and the settings let it be said.
    pub not_sent: Option<Told>,
    /// The host's clock, for the countdown.
    pub now: Timestamp,
}

/// What a person is told of why nothing could be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `UseInternalErrorCodes`
    pub reason: Option<FailureReason>,
    /// `show_detailed_error_info`
    pub words: Option<String>,
}

/// Decides from the login alone (and the settings that say what the page may offer).
pub fn next_step(login: &Login, settings: &FactorSettings, now: Timestamp) -> Step {
    match &login.state {
        State::Started(started) => Step::FirstStep {
            notice: started.notice,
            application: login.application.clone(),
        },
        State::Identified(_) => Step::SecondStepWanted {
            application: login.application.clone(),
        },
        State::NumberWanted(wanted) => Step::AskNumber {
            notice: wanted.notice,
        },
        State::Challenged(challenged) => Step::AskCode(ask_code(
            challenged,
            settings,
            now,
            backup_offered(login, settings),
        )),
        State::Authenticated(_) => Step::Authenticated,
        State::Stopped(stopped) => Step::Stopped {
            reason: told(stopped.reason, settings),
            backup_codes: takes_backup_codes(stopped) && backup_offered(login, settings),
        },
    }
}

/// A lock is told with its reason only where the operator says so (`showAuthFailureReason`).
fn told(reason: StopReason, settings: &FactorSettings) -> StopReason {
    match reason {
        _ if settings.show_failure_reason => reason,
        StopReason::Refused(Refusal::Locked)
        | StopReason::Locked { .. }
        | StopReason::FactorDisabled => StopReason::Failed,
        StopReason::Refused(_)
        | StopReason::Closed(_)
        | StopReason::Abandoned
        | StopReason::CodeWrong
        | StopReason::CodeExpired
        | StopReason::Failed => reason,
    }
}

/// Backup codes sign in; they neither prove a number nor serve an API client. Where failures lock the
/// whole account they are no way around its lock.
pub(crate) fn backup_offered(login: &Login, settings: &FactorSettings) -> bool {
    use crate::login::Origin;
    let barred = settings.lock_account && matches!(login.state, State::Stopped(_));
    settings.backup_codes && !barred && matches!(login.origin, Origin::Browser { .. })
}

/// A locked or disabled SMS factor is no reason to refuse another one (attack D-02).
pub(crate) fn takes_backup_codes(stopped: &Stopped) -> bool {
    let by_lock = match stopped.reason {
        StopReason::Locked { .. } | StopReason::FactorDisabled => true,
        StopReason::Refused(_)
        | StopReason::Closed(_)
        | StopReason::CodeWrong
        | StopReason::CodeExpired
        | StopReason::Failed
        | StopReason::Abandoned => false,
    };
    by_lock && stopped.who.is_some()
}

fn ask_code(
    challenged: &Challenged,
    settings: &FactorSettings,
    now: Timestamp,
    backup_codes: bool,
) -> AskCode {
    let resend = &settings.challenge.resend;
    let retry = |requested: &Requested, at: Timestamp| {
        (resend.allowed && requested.resends < resend.resends_max).then_some(at)
    };
    let (sent, expires_at, resend_at) = match &challenged.challenge {
        Challenge::Sent(sent) => (true, Some(sent.expires_at), sent.next_resend(resend)),
        Challenge::NotSent {
            requested,
            retry_at,
            ..
        } => (false, None, retry(requested, *retry_at)),
        Challenge::Sending { requested, since } if is_stale(*since, now) => {
            (false, None, retry(requested, now))
        }
        Challenge::Sending { requested, since } => {
            let at = since.plus(resend.wait_after(requested.resends));
            (true, None, retry(requested, at))
        }
    };
    AskCode {
        number: challenged.shown.clone(),
        sent,
        code_length: settings.challenge.format.length,
        digits_only: settings.challenge.format.alphabet == Alphabet::Digits,
        expires_at,
        resend_at,
        attempts_left: challenged.attempts_left,
        backup_codes,
        notice: challenged.notice,
        not_sent: match &challenged.challenge {
            Challenge::NotSent { why: Some(why), .. } => Some(Told {
                reason: settings.internal_error_codes.then_some(why.reason),
                words: why.words.clone(),
            }),
            Challenge::NotSent { why: None, .. }
            | Challenge::Sending { .. }
            | Challenge::Sent(_) => None,
        },
        now,
    }
}
