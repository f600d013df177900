//! A session: what a finished login leaves behind.

use crate::TenantId;
use crate::login::{FirstFactor, SecondFactor};
use crate::ports::{AccountRef, Subject};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

/// Among a person's attributes: when the identity provider ends the session there, in milliseconds since
/// 1970. The one here ends with it.
pub const UNTIL_ATTRIBUTE: &str = "urn:oasis:names:tc:SAML:2.0:session-not-on-or-after";

/// Among a person's attributes: when the identity provider asked the person there, in milliseconds since 1970.
pub const ASKED_ATTRIBUTE: &str = "urn:oasis:names:tc:SAML:2.0:authn-instant";

/// 256 random bits as base64url, made when the login is finished. Stores keep its SHA-256.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId(String);

impl SessionId {
    pub fn from_entropy(bytes: &[u8; 32]) -> Self {
        Self(
            crate::login::LoginId::from_entropy(bytes)
                .as_str()
                .to_owned(),
        )
    }
    pub fn parse(text: &str) -> Option<Self> {
        crate::login::LoginId::parse(text).map(|id| Self(id.as_str().to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[session id]")
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    /// A short random name for the list on the account page: not a secret.
    pub name: String,
    pub tenant: TenantId,
    /// The local account, or the federated subject's display name if there is none.
    pub account: String,
    pub has_local_account: bool,
    /// The name the first step proved: what an application is told, whatever account it maps to here.
    pub display: String,
    pub first: FirstFactor,
    pub second: SecondFactor,
    /// When the last step was taken here that it rests on, which may be before it was opened. What an
    /// application is told is `proven_at`.
    pub authenticated_at: Timestamp,
    pub expires_at: Timestamp,
    pub user_agent: String,
    pub address: String,
    pub locale: String,
    /// What the identity provider said about the person.
    pub attributes: Vec<(String, String)>,
}

impl Session {
    pub fn local_account(&self) -> Option<AccountRef> {
        self.has_local_account.then(|| AccountRef {
            name: self.account.clone(),
        })
    }

    /// Whose it is, for what lists and ends a person's sessions. No two people are the same: not the same name at two identity providers,
    /// and none of these the account of that name here (attack B-08).
    pub fn subject(&self) -> Subject {
        match &self.first {
            FirstFactor::Federated { identity_provider } if !self.has_local_account => {
                Subject::Federated {
                    tenant: self.tenant.clone(),
                    identity_provider: identity_provider.clone(),
                    subject: self.account.clone(),
                }
            }
            FirstFactor::Federated { .. } | FirstFactor::Password | FirstFactor::Client { .. } => {
                Subject::Account {
                    tenant: self.tenant.clone(),
                    account: self.account.clone(),
                }
            }
        }
    }

    /// The methods by their names of RFC 8176, section 2; `fed` for a first step elsewhere, which
    /// that list has no name for.
    pub fn methods(&self) -> Vec<&'static str> {
        let first: &[&str] = match self.first {
            FirstFactor::Password => &["pwd"],
            FirstFactor::Federated { .. } => &["fed"],
            FirstFactor::Client { .. } => &[],
        };
        let second: &[&str] = match self.second {
            SecondFactor::Sms { .. } => &["sms", "otp", "mfa"],
            SecondFactor::BackupCode => &["otp", "mfa"],
            SecondFactor::NotNeeded(_) => &[],
        };
        first.iter().chain(second).copied().collect()
    }

    /// When the person last proved something: a password or a code here, or what they did at the identity provider, if
    /// that was all. From there they may have come hours later, without being asked anything.
    /// An identity provider that does not say when is taken at its word that it was when they came.
    pub fn proven_at(&self) -> Timestamp {
        match self.all_was_elsewhere() {
            true => self.asked_at().unwrap_or(self.authenticated_at),
            false => self.authenticated_at,
        }
    }

    /// Whether that was after `since`: later, not as late, for nobody signs in within the millisecond
    /// in which they are asked to, but a session from just before may bear it. Where it matters,
    /// nobody is taken at their word: an identity provider must have said when it was.
    pub fn is_proven_after(&self, since: Timestamp) -> bool {
        match self.all_was_elsewhere() {
            true => self.asked_at().is_some_and(|at| since < at),
            false => since < self.authenticated_at,
        }
    }

    fn all_was_elsewhere(&self) -> bool {
        matches!(self.first, FirstFactor::Federated { .. }) && !self.has_second_factor()
    }

    fn asked_at(&self) -> Option<Timestamp> {
        let mut attributes = self.attributes.iter();
        let (_, at) = attributes.find(|(name, _)| name == ASKED_ATTRIBUTE)?;
        // It is ours, so it is a number. Were it none, nothing would be fresh.
        Some(Timestamp(at.parse().unwrap_or(0)).min(self.authenticated_at))
    }

    /// Whether a second factor was proven, not only not needed.
    pub fn has_second_factor(&self) -> bool {
        match self.second {
            SecondFactor::Sms { .. } | SecondFactor::BackupCode => true,
            SecondFactor::NotNeeded(_) => false,
        }
    }
}
