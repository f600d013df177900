//! The names under which messages have always been known to pages outside of this host: the values of
//! `authFailureMsg`, and the codes of a failed sending.

use postern_login::login::{Notice, StopReason};
use postern_login::ports::FailureReason;
use postern_otp::challenge::Closed;
use postern_otp::need::Refusal;

/// Of what the last act came to. `None`: nothing went wrong.
pub fn of_notice(notice: Notice) -> Option<&'static str> {
    Some(match notice {
        Notice::WrongPassword | Notice::ElsewhereRefused | Notice::ElsewhereFailed => {
            "login.fail.message"
        }
        Notice::CodeWrong | Notice::CodeSuperseded | Notice::BackupCodeWrong => {
            "authentication.fail.message"
        }
        Notice::CodeExpired => "token.expired",
        Notice::NotSent | Notice::NumberRefused => "unable.send.code",
        Notice::ResendTooSoon | Notice::ResendTooOften | Notice::ResendOff => {
            // Misspelled from the beginning, and part of what other pages read.
            "resent.count.exceeded"
        }
        Notice::SendLimit | Notice::QuotaSpent => "sms.quota.exceeded",
        Notice::NumberInvalid | Notice::NumberNotSaved | Notice::ChooseAgain => {
            "authentication.fail.message"
        }
        Notice::NewCodeSent => return None,
    })
}

/// Of why a login ended.
pub fn of_stop(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Refused(Refusal::OptedOutButMandatory) => "smsotp.disable",
        StopReason::Refused(Refusal::NoLocalAccount) => "directly.send.otp.disable",
        StopReason::Refused(Refusal::NoNumber) => "user.mobile.not.found",
        StopReason::Refused(Refusal::NoFederatedNumber) => "user.claim.not.found",
        StopReason::Refused(Refusal::TenantMismatch) => "user.tenant.domain.mismatch.message",
        StopReason::Refused(Refusal::Locked)
        | StopReason::Locked { .. }
        | StopReason::FactorDisabled => "user.account.locked",
        StopReason::CodeWrong | StopReason::Closed(Closed::AttemptsExhausted) => "code.mismatch",
        StopReason::CodeExpired => "token.expired",
        StopReason::Failed
        | StopReason::Abandoned
        | StopReason::Closed(Closed::Used | Closed::Overtaken) => "authentication.fail.message",
    }
}

/// Of a code that comes before any first step: the second factor alone signs nobody in.
pub const FIRST_STEP_MISSING: &str = "error.user.not.found.smsotp";

/// `UseInternalErrorCodes`: why nothing could be sent, as a number that says nothing to a stranger.
/// The original took them from the provider's status; ours come from the verdict, which also knows
/// the failures that providers hide in a 200.
pub fn of_failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::InvalidRecipient | FailureReason::ContentRejected => "SMSOTP-60001",
        FailureReason::AuthFailed => "SMSOTP-60002",
        FailureReason::InsufficientFunds => "SMSOTP-60003",
        FailureReason::AccountSuspended
        | FailureReason::SenderRejected
        | FailureReason::RegionBlocked
        | FailureReason::TrialRestricted
        | FailureReason::OptedOut => "SMSOTP-60004",
        FailureReason::Unroutable => "SMSOTP-60005",
        FailureReason::PluginFault => "SMSOTP-65001",
        FailureReason::Throttled | FailureReason::RecipientThrottled => "SMSOTP-65003",
        FailureReason::ProviderDown => "SMSOTP-65004",
        FailureReason::OutcomeUnknown => "SMSOTP-65005",
        FailureReason::Misconfigured => "SMSOTP-10001",
        FailureReason::Unknown => "SMSOTP-10002",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::LANGUAGES;
    use postern_otp::Timestamp;
    use std::collections::BTreeSet;

    const KEYS: [&str; 14] = [
        "authentication.fail.message",
        "login.fail.message",
        "unable.send.code",
        "code.mismatch",
        "smsotp.disable",
        "token.expired",
        "directly.send.otp.disable",
        "error.user.not.found.smsotp",
        "user.account.locked",
        "user.tenant.domain.mismatch.message",
        "resent.count.exceeded",
        "user.mobile.not.found",
        "user.claim.not.found",
        "sms.quota.exceeded",
    ];

    const NOTICES: [Notice; 18] = [
        Notice::ElsewhereRefused,
        Notice::ElsewhereFailed,
        Notice::WrongPassword,
        Notice::CodeWrong,
        Notice::CodeExpired,
        Notice::CodeSuperseded,
        Notice::BackupCodeWrong,
        Notice::NotSent,
        Notice::NewCodeSent,
        Notice::ResendTooSoon,
        Notice::ResendTooOften,
        Notice::SendLimit,
        Notice::NumberInvalid,
        Notice::NumberRefused,
        Notice::ResendOff,
        Notice::QuotaSpent,
        Notice::NumberNotSaved,
        Notice::ChooseAgain,
    ];

    const STOPS: [StopReason; 15] = [
        StopReason::Refused(Refusal::OptedOutButMandatory),
        StopReason::Refused(Refusal::NoLocalAccount),
        StopReason::Refused(Refusal::NoNumber),
        StopReason::Refused(Refusal::Locked),
        StopReason::Refused(Refusal::NoFederatedNumber),
        StopReason::Refused(Refusal::TenantMismatch),
        StopReason::Closed(Closed::AttemptsExhausted),
        StopReason::Closed(Closed::Used),
        StopReason::Closed(Closed::Overtaken),
        StopReason::Locked {
            until: Timestamp(0),
        },
        StopReason::FactorDisabled,
        StopReason::Abandoned,
        StopReason::CodeWrong,
        StopReason::CodeExpired,
        StopReason::Failed,
    ];

    #[test]
    fn every_key_is_said_and_has_a_sentence_of_its_own_in_each_language() {
        for texts in LANGUAGES {
            let mut said: BTreeSet<(&str, String)> = BTreeSet::new();
            for notice in NOTICES {
                if let Some(key) = of_notice(notice) {
                    said.insert((key, texts.notice(notice).to_owned()));
                }
            }
            for stop in STOPS {
                said.insert((of_stop(stop), texts.stopped(stop, 5)));
            }
            said.insert((FIRST_STEP_MISSING, texts.notice_first_step.to_owned()));
            for key in KEYS {
                assert!(
                    said.iter().any(|(known, _)| *known == key),
                    "{key} is never said in {}",
                    texts.lang
                );
            }
            for (key, sentence) in &said {
                assert!(KEYS.contains(key), "{key} is no key");
                let others = said.iter().filter(|(other, _)| other != key);
                let shared = others.filter(|(_, other)| other == sentence).count();
                assert_eq!(shared, 0, "{key}: {sentence}");
            }
        }
    }
}
