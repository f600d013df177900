//! Whether a person needs the second factor: the decision table of the SMS OTP step, and nothing else.

use crate::{ChallengePolicy, OwnPages, Pattern, PhoneNumber};
use serde::{Deserialize, Serialize};

/// The settings of the SMS OTP step for one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorSettings {
    /// Senders in order of fail-over.
    pub senders: Vec<String>,
    /// `SMSOTPMandatory`
    pub mandatory: bool,
    /// `SMSOTPEnableByUserClaim`
    pub enable_by_user_claim: bool,
    /// `usecase`: id of the resolver plugin.
    pub usecase: String,
    /// Settings of the resolver plugin (`user_attribute`, `secondary_userstore`).
    pub resolver_settings: Vec<(String, String)>,
    /// `RetryEnable`
    pub retry: bool,
    /// `BackupCode`
    pub backup_codes: bool,
    /// `CaptureAndUpdateMobileNumber`
    pub capture_number: bool,
    /// `SendOTPDirectlyToMobile`
    pub send_directly: bool,
    /// `screenUserAttribute`: shown masked on the code page, if set.
    pub screen_user_attribute: Option<String>,
    /// `noOfDigits` and `order`.
    pub screen_digits: u32,
    pub screen_from_end: bool,
    /// Region in which numbers without a country code are read.
    pub default_region: Option<String>,
    /// Regions numbers may be of; empty means any.
    pub regions: Vec<String>,
    /// Host of the origin-bound last line; `None` switches the line off.
    pub otp_host: Option<String>,
    /// `EnableAccountLockingForFailedAttempts`: failures lock the whole account, not only the factor.
    pub lock_account: bool,
    /// `SMSOTPAuthenticationEndpointURL` and its two siblings: pages of the operator's own.
    pub own_pages: OwnPages,
    /// Settings of the resolver plugin that differ after a first step at an identity provider, by its
    /// name: `SMSOTP-userAttribute` is the `user_attribute` of these.
    pub resolver_settings_after: Vec<(String, Vec<(String, String)>)>,
    /// `screenUserAttributeMaskRegex`: hides what it matches, in place of `noOfDigits` and `order`.
    pub screen_mask: Option<Pattern>,
    /// `mobile_number_regex`: what a typed number must look like before it is read.
    pub number_pattern: Option<Pattern>,
    /// `mobile_number_pattern_failure_error_message`: what is said to a number that does not.
    pub number_pattern_message: Option<String>,
    /// `showAuthFailureReason`: a person whose account is locked is told so, and for how long.
    pub show_failure_reason: bool,
    /// `UseInternalErrorCodes`: a failed sending shows one of our codes instead of the provider's
    /// status.
    pub internal_error_codes: bool,
    /// `show_detailed_error_info`: the provider's own words are shown, cleaned.
    pub show_error_detail: bool,
    /// `values_to_be_masked`: what is hidden in them, letter by letter.
    pub masked_in_errors: Vec<String>,
    /// `redirectToMultiOptionPageOnFailure`: where there was a choice of first steps, a failure leads
    /// back to it.
    pub choose_again_on_failure: bool,
    pub challenge: ChallengePolicy,
}

/// What is known about the account when the question is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountFacts {
    pub exists: bool,
    /// The claim `smsotp_disabled` is true.
    pub opted_out: bool,
    pub number: Option<PhoneNumber>,
    pub locked: bool,
    /// The account had a second factor before: capture is never offered then (attack B-01).
    pub had_factor: bool,
    /// Mobile attribute delivered by the federated provider, if the settings ask for it.
    pub federated_number: Option<PhoneNumber>,
    /// `SendOtpToFederatedMobile`: the settings ask for it.
    pub federated_number_wanted: bool,
}

/// What the second step needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    Skip(NotNeeded),
    Send(PhoneNumber),
    AskNumber,
    Refuse(Refusal),
}

/// Why no second factor was asked for. Goes into the audit log and the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotNeeded {
    OptedOut,
    NoLocalAccount,
    /// The application is content with the first step.
    NotAsked,
}

/// Why the login cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// `smsotp.disable`
    OptedOutButMandatory,
    /// `directly.send.otp.disable`
    NoLocalAccount,
    /// "Update mobile no in your profile"
    NoNumber,
    /// `user.account.locked`
    Locked,
    /// "There is no mobile claim to send otp"
    NoFederatedNumber,
    /// `user.tenant.domain.mismatch.message`
    TenantMismatch,
}

/// The table of the step's specification, row by row.
///
/// Two rows are stricter than the original: a locked account gets no message in either branch, and
/// a number is never asked of an account that had a factor before (attack B-01).
pub fn need(settings: &FactorSettings, facts: &AccountFacts) -> Need {
    if facts.exists {
        need_of_account(settings, facts)
    } else {
        need_of_stranger(settings, facts)
    }
}

fn need_of_account(settings: &FactorSettings, facts: &AccountFacts) -> Need {
    let opted_out = settings.enable_by_user_claim && facts.opted_out;
    match &facts.number {
        _ if facts.locked => Need::Refuse(Refusal::Locked),
        _ if opted_out && settings.mandatory => Need::Refuse(Refusal::OptedOutButMandatory),
        _ if opted_out => Need::Skip(NotNeeded::OptedOut),
        Some(number) => Need::Send(number.clone()),
        None if settings.capture_number && !facts.had_factor => Need::AskNumber,
        None => Need::Refuse(Refusal::NoNumber),
    }
}

/// Somebody an identity provider vouched for, without an account here.
fn need_of_stranger(settings: &FactorSettings, facts: &AccountFacts) -> Need {
    match &facts.federated_number {
        _ if !settings.mandatory => Need::Skip(NotNeeded::NoLocalAccount),
        _ if settings.send_directly => Need::AskNumber,
        Some(number) => Need::Send(number.clone()),
        None if facts.federated_number_wanted => Need::Refuse(Refusal::NoFederatedNumber),
        None => Need::Refuse(Refusal::NoLocalAccount),
    }
}

impl Default for FactorSettings {
    /// The safe defaults: mandatory, no capture, no number of the person's own choice.
    fn default() -> Self {
        Self {
            senders: Vec::new(),
            mandatory: true,
            enable_by_user_claim: true,
            usecase: "local".to_owned(),
            resolver_settings: Vec::new(),
            retry: true,
            backup_codes: true,
            capture_number: false,
            send_directly: false,
            screen_user_attribute: None,
            screen_digits: 4,
            screen_from_end: true,
            default_region: None,
            regions: Vec::new(),
            otp_host: None,
            lock_account: false,
            own_pages: OwnPages::default(),
            resolver_settings_after: Vec::new(),
            screen_mask: None,
            number_pattern: None,
            number_pattern_message: None,
            show_failure_reason: false,
            internal_error_codes: true,
            show_error_detail: false,
            masked_in_errors: Vec::new(),
            choose_again_on_failure: false,
            challenge: ChallengePolicy::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn number() -> PhoneNumber {
        PhoneNumber::parse("+94771234567", None).unwrap()
    }

    fn federated_number() -> PhoneNumber {
        PhoneNumber::parse("+447700900123", None).unwrap()
    }

    fn check(
        row: &str,
        settings: impl FnOnce(&mut FactorSettings),
        facts: impl FnOnce(&mut AccountFacts),
        expected: Need,
    ) {
        let mut s = FactorSettings::default();
        settings(&mut s);
        let mut f = AccountFacts {
            exists: true,
            ..AccountFacts::default()
        };
        facts(&mut f);
        assert_eq!(need(&s, &f), expected, "{row}");
    }

    #[test]
    fn mandatory_and_the_account_exists() {
        check(
            "opted out",
            |_| (),
            |f| (f.opted_out, f.number) = (true, Some(number())),
            Need::Refuse(Refusal::OptedOutButMandatory),
        );
        check(
            "opted out, but the claim is not looked at",
            |s| s.enable_by_user_claim = false,
            |f| (f.opted_out, f.number) = (true, Some(number())),
            Need::Send(number()),
        );
        check(
            "number present",
            |_| (),
            |f| f.number = Some(number()),
            Need::Send(number()),
        );
        check(
            "no number, capture off",
            |_| (),
            |_| (),
            Need::Refuse(Refusal::NoNumber),
        );
        check(
            "no number, capture on",
            |s| s.capture_number = true,
            |_| (),
            Need::AskNumber,
        );
    }

    /// B-01
    #[test]
    fn a_number_is_never_asked_of_an_account_that_had_a_factor() {
        for mandatory in [true, false] {
            check(
                "no number, capture on, had a factor",
                |s| (s.capture_number, s.mandatory) = (true, mandatory),
                |f| f.had_factor = true,
                Need::Refuse(Refusal::NoNumber),
            );
        }
    }

    #[test]
    fn mandatory_and_no_account() {
        check(
            "number typed by the person",
            |s| s.send_directly = true,
            |f| f.exists = false,
            Need::AskNumber,
        );
        check(
            "number of the identity provider",
            |_| (),
            |f| (f.exists, f.federated_number) = (false, Some(federated_number())),
            Need::Send(federated_number()),
        );
        check(
            "typed before the identity provider's",
            |s| s.send_directly = true,
            |f| (f.exists, f.federated_number) = (false, Some(federated_number())),
            Need::AskNumber,
        );
        check(
            "the identity provider's is wanted, and there is none",
            |_| (),
            |f| (f.exists, f.federated_number_wanted) = (false, true),
            Need::Refuse(Refusal::NoFederatedNumber),
        );
        check(
            "neither",
            |_| (),
            |f| f.exists = false,
            Need::Refuse(Refusal::NoLocalAccount),
        );
    }

    #[test]
    fn optional_and_the_account_exists() {
        check(
            "opted out",
            |s| s.mandatory = false,
            |f| (f.opted_out, f.number) = (true, Some(number())),
            Need::Skip(NotNeeded::OptedOut),
        );
        check(
            "opted out, but the claim is not looked at",
            |s| (s.mandatory, s.enable_by_user_claim) = (false, false),
            |f| (f.opted_out, f.number) = (true, Some(number())),
            Need::Send(number()),
        );
        check(
            "number present",
            |s| s.mandatory = false,
            |f| f.number = Some(number()),
            Need::Send(number()),
        );
        check(
            "no number, capture off",
            |s| s.mandatory = false,
            |_| (),
            Need::Refuse(Refusal::NoNumber),
        );
        check(
            "no number, capture on",
            |s| (s.mandatory, s.capture_number) = (false, true),
            |_| (),
            Need::AskNumber,
        );
    }

    #[test]
    fn optional_and_no_account() {
        check(
            "the first step is all there is",
            |s| (s.mandatory, s.send_directly) = (false, true),
            |f| f.exists = false,
            Need::Skip(NotNeeded::NoLocalAccount),
        );
    }

    #[test]
    fn a_locked_account_gets_no_message_in_either_branch() {
        for mandatory in [true, false] {
            for opted_out in [true, false] {
                check(
                    "locked",
                    |s| s.mandatory = mandatory,
                    |f| {
                        f.locked = true;
                        f.opted_out = opted_out;
                        f.number = Some(number());
                    },
                    Need::Refuse(Refusal::Locked),
                );
            }
        }
    }

    /// A federated number never replaces what the account says (attack B-08).
    #[test]
    fn an_account_is_never_sent_to_a_federated_number() {
        check(
            "account without a number",
            |_| (),
            |f| f.federated_number = Some(federated_number()),
            Need::Refuse(Refusal::NoNumber),
        );
        check(
            "account with its own",
            |_| (),
            |f| (f.number, f.federated_number) = (Some(number()), Some(federated_number())),
            Need::Send(number()),
        );
    }
}
