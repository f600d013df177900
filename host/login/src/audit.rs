//! What happened, for whoever must answer for it later. Never a code, a secret or a full number.

use crate::tenant::TenantId;
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

/// One row: who, what, when, from where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditEvent {
    pub at: Timestamp,
    pub tenant: TenantId,
    /// `Login::name`, if there is one.
    pub login: Option<String>,
    /// The account or subject's display name.
    pub who: Option<String>,
    /// The browser's or client's address as the host trusts it.
    pub address: Option<String>,
    pub what: What,
}

/// What became of a code that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeStatus {
    Success,
    Expired,
    Mismatch,
    /// An earlier code of the same challenge.
    Superseded,
    /// A backup code, and the right one.
    Backup,
    BackupMismatch,
}

/// When, where and for what a code was sent or tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// The user store of the account, `PRIMARY` for the first one. Absent without an account.
    pub store_domain: Option<String>,
    /// The API client, the application that is signed in to, or `account`.
    pub application: Option<String>,
    pub user_agent: Option<String>,
    pub sent_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// It was not the challenge's first code.
    pub resend: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum What {
    FirstStepPassed,
    FirstStepFailed,
    CodeSent {
        sender: String,
        number: String,
        attempt: u32,
        #[serde(default)]
        occasion: Occasion,
    },
    CodeNotSent {
        tried: Vec<String>,
        reason: String,
    },
    /// A code was tried, or a backup code in its place.
    CodeValidated {
        status: CodeStatus,
        attempts_left: Option<u32>,
        #[serde(default)]
        occasion: Occasion,
    },
    /// Of rows from before `code-validated`: read, never written. A row is not changed any more.
    CodeAccepted,
    CodeRefused {
        why: String,
        attempts_left: u32,
    },
    AttemptsExhausted,
    /// A code that had been used already.
    Replay,
    FactorLocked {
        until: Timestamp,
    },
    FactorDisabled,
    BackupCodeUsed {
        left: u32,
    },
    BackupCodesReplaced,
    NumberChanged {
        from: Option<String>,
        to: String,
    },
    OptOutChanged {
        opted_out: bool,
    },
    SecondFactorSkipped {
        why: String,
    },
    LoginSucceeded {
        amr: Vec<String>,
    },
    LoginStopped {
        reason: String,
    },
    SessionClosed,
    AssociationRemoved {
        identity_provider: String,
    },
    PasswordChanged,
    /// Somebody in an open session did not know the current one.
    PasswordChangeRefused,
    TenantBudgetSpent,
    /// A limit that keeps messages from costing more than was foreseen: `tenant-day`, `prefix` or
    /// `conversion`. Recorded once for as long as it holds.
    SendingStopped {
        limit: String,
        until: Timestamp,
    },
    /// An administrator lifted what too many wrong codes had brought, to everybody at once; this is
    /// one of them.
    FactorUnlocked {
        on: String,
    },
    Relayed {
        client: String,
        number: String,
        sender: Option<String>,
    },
    /// No sender took it.
    RelayFailed {
        client: String,
        number: String,
        /// The last one that was tried.
        sender: Option<String>,
    },
    /// An administrator does this. Written before it is done, so that nothing is done unseen; an act
    /// that then comes to nothing leaves `AdministrationFailed` too. `AuditEvent::who` is who does it.
    Administered {
        /// By its name on the command line: `user set`.
        act: String,
        /// What it is done to.
        on: Option<String>,
        role: String,
        /// What of it changes. Never a value that is secret, never a full number.
        details: Vec<String>,
    },
    /// An administrator's act that its role or the age of its sign-in does not allow.
    AdministrationRefused {
        act: String,
        on: Option<String>,
        role: String,
        why: String,
    },
    AdministrationFailed {
        act: String,
        on: Option<String>,
        why: String,
    },
    ConsoleOpened {
        role: String,
    },
    ConsoleClosed,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The log is never rewritten, so what earlier versions wrote must stay readable.
    #[test]
    fn rows_of_earlier_versions_are_read_as_they_were_written() {
        for row in [
            r#"{"event":"code-accepted"}"#,
            r#"{"event":"code-refused","why":"wrong","attempts_left":4}"#,
        ] {
            let what: What = serde_json::from_str(row).unwrap();
            assert_eq!(serde_json::to_string(&what).unwrap(), row);
        }
        let sent = r#"{"event":"code-sent","sender":"twilio","number":"***4567","attempt":1}"#;
        let what: What = serde_json::from_str(sent).unwrap();
        let What::CodeSent { occasion, .. } = what else {
            panic!("{what:?}");
        };
        assert_eq!(occasion, Occasion::default());
    }
}
