//! Whether a person needs the second factor: the decision table of the SMS OTP step, and nothing else.

use crate::{ChallengePolicy, PhoneNumber};
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
}

/// The table of the step's specification, row by row.
pub fn need(settings: &FactorSettings, facts: &AccountFacts) -> Need {
    let _ = (settings, facts);
    todo!()
}
