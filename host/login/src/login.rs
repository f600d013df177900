//! A login: from the first page to the session. Each state holds exactly what exists in it.

use crate::TenantId;
use crate::application::Application;
use crate::ports::{AccountRef, FailureReason, Subject};
use crate::step::takes_backup_codes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_otp::challenge::{Closed, Requested, Sent};
use postern_otp::need::{NotNeeded, Refusal};
use postern_otp::{PhoneNumber, Timestamp};
use serde::{Deserialize, Serialize};

/// 128 random bits or more as base64url. It is a secret of the browser (or API client) that began
/// the login: stores keep only its SHA-256.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LoginId(String);

impl LoginId {
    pub fn from_entropy(bytes: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }
    /// What a browser or client sent: 43 characters of base64url, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let orderly = text.len() == 43
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        orderly.then(|| Self(text.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for LoginId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[login id]")
    }
}

/// Who began it, and where the answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A browser; `return_to` is opaque to this crate (a parked SAML or OIDC request, or the account page).
    Browser { return_to: String },
    /// An API client that ran its own first step. The address is the person's, as the client told it:
    /// what is sent again counts for it too.
    Api {
        client: String,
        address: Option<String>,
    },
    /// The account page: proving a number that shall become the account's.
    Account { session_subject: String },
}

/// What a code is for. A code of one purpose is no code of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Login,
    VerifyNumber,
    DisableFactor,
    /// Named by an API client: 1 to 32 of a-z, 0-9, `-`.
    Named(String),
}

impl Purpose {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Login => "login",
            Self::VerifyNumber => "verify-number",
            Self::DisableFactor => "disable-factor",
            Self::Named(name) => name,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    pub id: LoginId,
    /// A short random name for logs and pages: not a secret, says nothing.
    pub name: String,
    /// Raised by every `LoginStore::advance`; the one seen is the one expected.
    pub version: u64,
    pub tenant: TenantId,
    pub origin: Origin,
    /// What the person signs in to, and by which steps.
    pub application: Application,
    pub purpose: Purpose,
    /// BCP 47 tag the person reads.
    pub locale: String,
    pub created_at: Timestamp,
    /// 15 minutes after it began, whatever happens in between.
    pub expires_at: Timestamp,
    pub state: State,
}

impl Login {
    /// Whether it is one of those that `LoginStore::close_logins_of` ends for this account.
    pub fn is_open_for(&self, tenant: &TenantId, account: &AccountRef) -> bool {
        self.tenant == *tenant && self.state.open_for() == Some(account)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "most logins that are held at once are challenged ones"
)]
pub enum State {
    Started(Started),
    Identified(Identified),
    NumberWanted(NumberWanted),
    Challenged(Challenged),
    Authenticated(Authenticated),
    Stopped(Stopped),
}

impl State {
    /// Who proved the first step, if anybody did.
    pub fn who(&self) -> Option<&Who> {
        match self {
            Self::Started(_) => None,
            Self::Identified(identified) => Some(&identified.who),
            Self::NumberWanted(wanted) => Some(&wanted.who),
            Self::Challenged(challenged) => Some(&challenged.who),
            Self::Authenticated(authenticated) => Some(&authenticated.who),
            Self::Stopped(stopped) => stopped.who.as_ref(),
        }
    }

    /// The account that it may still let in. A proven second step is no exception: it stands on the same
    /// first one until the session opens.
    pub fn open_for(&self) -> Option<&AccountRef> {
        match self {
            Self::Started(_) => None,
            Self::Stopped(stopped) if !takes_backup_codes(stopped) => None,
            Self::Identified(_)
            | Self::NumberWanted(_)
            | Self::Challenged(_)
            | Self::Authenticated(_)
            | Self::Stopped(_) => self.who()?.account.as_ref(),
        }
    }

    /// What `LoginStore::close_logins_of` makes of it: nothing can be done with it.
    pub fn closed() -> Self {
        Self::Stopped(Stopped {
            reason: StopReason::Closed(Closed::Overtaken),
            who: None,
        })
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Started {
    pub notice: Option<Notice>,
}

/// The first step is proven, and the person is asked whether to go on to the second: a session
/// proved it, for an application that wants more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identified {
    pub who: Who,
    /// When that session was: should no second step be needed after all, nothing later was proven.
    pub at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NumberWanted {
    pub who: Who,
    /// The number is kept in the profile once its code was right; otherwise used once.
    pub keep: bool,
    pub notice: Option<Notice>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Challenged {
    pub who: Who,
    pub challenge: Challenge,
    /// Stored in the profile when its own code was right, never before (attack B-03).
    pub pending_number: Option<PhoneNumber>,
    /// Shown on the code page; by the seeds' masking rule.
    pub shown: Option<String>,
    pub attempts_left: u32,
    /// Android's SMS Retriever: the last line of every message of this challenge.
    #[serde(default)]
    pub app_hash: Option<String>,
    pub notice: Option<Notice>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Challenge {
    /// Being sent right now; whoever finds this waits or retries (fifty clicks, one SMS).
    Sending {
        requested: Requested,
        since: Timestamp,
    },
    /// Nothing could be sent: the person may ask again or use a backup code.
    NotSent {
        requested: Requested,
        retry_at: Timestamp,
        /// What a provider answered, if one was asked.
        why: Option<NotSent>,
    },
    Sent(Sent),
}

/// Why no provider took the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotSent {
    pub reason: FailureReason,
    /// The provider's own words, made harmless; only where the operator lets people read them.
    pub words: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authenticated {
    pub who: Who,
    pub second: SecondFactor,
    /// When the last of it was proven.
    pub at: Timestamp,
}

/// Every way to `Authenticated` carries its reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SecondFactor {
    Sms { number: PhoneNumber },
    BackupCode,
    NotNeeded(NotNeeded),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stopped {
    pub reason: StopReason,
    /// A locked factor still takes backup codes: who it would be.
    pub who: Option<Who>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    Refused(Refusal),
    Closed(Closed),
    Locked {
        until: Timestamp,
    },
    FactorDisabled,
    Abandoned,
    /// Wrong, and no other try is offered (`RetryEnable` off).
    CodeWrong,
    /// Too late, and no other try is offered.
    CodeExpired,
    /// Never stored: what is shown instead of a lock that is not to be told
    /// (`showAuthFailureReason` off).
    Failed,
}

/// Who proved the first step, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Whose attempts are counted.
    pub subject: Subject,
    /// The local account, if there is one.
    pub account: Option<AccountRef>,
    /// What the session will say: the name the person signed in with.
    pub display: String,
    pub first: FirstFactor,
    /// What the identity provider said about the person.
    pub attributes: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirstFactor {
    Password,
    Federated {
        identity_provider: String,
    },
    /// The API client vouches for it.
    Client {
        client: String,
    },
}

/// What the next page says about the last act. Each is one fixed sentence in `web`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    WrongPassword,
    /// The identity provider did not vouch for the person.
    ElsewhereRefused,
    /// The identity provider could not be asked.
    ElsewhereFailed,
    CodeWrong,
    CodeExpired,
    /// "That was the earlier code, use the newest."
    CodeSuperseded,
    BackupCodeWrong,
    NotSent,
    NewCodeSent,
    ResendTooSoon,
    ResendTooOften,
    SendLimit,
    NumberInvalid,
    NumberRefused,
    /// Asking for another code is not offered here (`ResendEnable` off).
    ResendOff,
    /// No message is sent just now because of what sending has cost already: the tenant's day, or
    /// numbers nobody answers from.
    QuotaSpent,
    /// The code was right, and the user store refused the number.
    NumberNotSaved,
    /// Wrong codes ended a sign-in, and the person may choose again how to take the first step
    /// (`redirectToMultiOptionPageOnFailure`).
    ChooseAgain,
}
