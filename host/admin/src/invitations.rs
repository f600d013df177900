//! The way in for an administrator: a link that works once, for 15 minutes. Whoever opens it proves
//! a number with the code that went there and chooses a password; only then is there an
//! administrator, with both factors from the first moment.

use crate::administrators::Administrator;
use crate::documents::{Document, Key, Kind, Put, written};
use crate::users::UserChange;
use crate::{Actor, AdminError, Administration, Password, Role, act};
use postern_login::LoginId;
use postern_login::TenantId;
use postern_login::begin::ClientFacts;
use postern_login::challenges::{
    ChallengeError, NewChallenge, RefusedReason, Target, Verification,
};
use postern_login::login::Purpose;
use postern_login::ports::{ApiClient, Scope};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// As long as a login.
pub const VALID_FOR: Duration = Duration::from_secs(15 * 60);

/// The client that an invitation's challenges belong to; no API client can have this name.
const CLIENT: &str = "console invitation";

/// What is kept of an invitation. Its name is the SHA-256 of the link's secret.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    account: String,
    role: Role,
    by: String,
    expires_at: Timestamp,
    /// The number that is being proven, and the challenge of its code.
    proving: Option<(String, LoginId)>,
}

/// An invitation as its page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub account: String,
    pub role: Role,
    pub expires_at: Timestamp,
    /// Masked; `None` until a number was given.
    pub number: Option<String>,
}

/// A link that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invited {
    /// 256 bits, told once.
    pub secret: String,
    pub expires_at: Timestamp,
}

/// What became of a code on the invitation's page.
#[derive(Debug)]
pub enum Joined {
    /// An administrator, with two factors proven just now.
    Done(Administrator),
    Refused {
        reason: RefusedReason,
        attempts_left: u32,
    },
}

impl Administration {
    pub async fn admin_invite(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        account: &str,
        role: Role,
    ) -> Result<Invited, AdminError> {
        let act = act::ADMIN_INVITE;
        self.allow(actor, tenant, act, Some(account)).await?;
        let orderly = (1..=128).contains(&account.len())
            && !account
                .chars()
                .any(|c| c.is_control() || c.is_whitespace() || c == '/');
        if !orderly {
            return Err(AdminError::Invalid(format!(
                "`{}` is no name of an administrator: expected 1 to 128 characters without spaces, in the primary user store",
                account.escape_debug()
            )));
        }
        self.forget_expired(tenant).await?;
        let secret = self.fresh_secret()?;
        let expires_at = self.now().plus(VALID_FOR);
        let kept = Kept {
            account: account.to_owned(),
            role,
            by: actor.who.clone(),
            expires_at,
            proving: None,
        };
        let details = vec![role.as_str().to_owned()];
        self.announce(actor, tenant, act, Some(account), details)
            .await?;
        let outcome = self.write_invitation(tenant, &secret, None, &kept).await;
        let outcome = outcome.map(|()| Invited { secret, expires_at });
        self.conclude(actor, tenant, act, Some(account), outcome)
            .await
    }

    /// The invitation behind a link; looking at it uses nothing up.
    pub async fn invitation(
        &self,
        tenant: &TenantId,
        secret: &str,
    ) -> Result<Option<Invitation>, AdminError> {
        let Some((_, kept)) = self.find_invitation(tenant, secret).await? else {
            return Ok(None);
        };
        Ok(Some(Invitation {
            account: kept.account,
            role: kept.role,
            expires_at: kept.expires_at,
            number: match &kept.proving {
                Some((number, _)) => Some(self.read_number(tenant, number).await?.masked()),
                None => None,
            },
        }))
    }

    /// A code goes to the number.
    pub async fn invitation_number(
        &self,
        tenant: &TenantId,
        secret: &str,
        number: &str,
        client: &ClientFacts,
    ) -> Result<(), AdminError> {
        let (document, mut kept) = self.open_invitation(tenant, secret).await?;
        let number = self.read_number(tenant, number).await?;
        let codes = &self.host()?.codes;
        let new = NewChallenge {
            target: Target::Mobile(number.e164().to_owned()),
            purpose: Purpose::VerifyNumber,
            locale: Some(client.locale.clone()),
            client_ip: Some(client.address.clone()),
            app_hash: None,
        };
        let created = codes
            .create_challenge(&self.inviting(tenant), new)
            .await
            .map_err(|error| self.cannot(error))?;
        kept.proving = Some((number.e164().to_owned(), created.id));
        self.write_invitation(tenant, secret, Some(document.version), &kept)
            .await
    }

    /// The same number, a new code.
    pub async fn invitation_resend(
        &self,
        tenant: &TenantId,
        secret: &str,
    ) -> Result<(), AdminError> {
        let (_, kept) = self.open_invitation(tenant, secret).await?;
        let Some((_, challenge)) = &kept.proving else {
            return Err(AdminError::Invalid("give a number first".to_owned()));
        };
        let codes = &self.host()?.codes;
        codes
            .resend_challenge(&self.inviting(tenant), challenge)
            .await
            .map(|_| ())
            .map_err(|error| self.cannot(error))
    }

    /// The code came back: the account gets this password and the very number the code went to, and
    /// administers. Works for one of many callers.
    pub async fn invitation_accept(
        &self,
        tenant: &TenantId,
        secret: &str,
        code: &str,
        password: Password,
        client: &ClientFacts,
    ) -> Result<Joined, AdminError> {
        // First, so that a password that is too short costs no attempt.
        password.check()?;
        let (document, kept) = self.open_invitation(tenant, secret).await?;
        let Some((number, challenge)) = &kept.proving else {
            return Err(AdminError::Invalid("give a number first".to_owned()));
        };
        let codes = &self.host()?.codes;
        let verification = codes
            .verify_challenge(&self.inviting(tenant), challenge, code)
            .await
            .map_err(|error| self.cannot(error))?;
        if let Verification::Refused {
            reason,
            attempts_left,
        } = verification
        {
            return Ok(Joined::Refused {
                reason,
                attempts_left,
            });
        }
        // Used up before anything is changed: of two callers one goes on.
        let taken = self
            .ports
            .documents
            .remove(&document.key, document.version)
            .await?;
        if !taken {
            return Err(over());
        }
        let actor = Actor {
            who: kept.account.clone(),
            role: kept.role,
            address: Some(client.address.clone()),
            proof: crate::Proof::TwoFactors { at: self.now() },
        };
        let act = act::ADMIN_INVITE;
        let proven = self.read_number(tenant, number).await?;
        let details = vec![
            format!("accepted, invited by {}", kept.by),
            "password".to_owned(),
            format!("number {}", proven.masked()),
        ];
        self.announce(&actor, tenant, act, Some(&kept.account), details)
            .await?;
        let outcome = self.join(tenant, &kept, number, &password).await;
        let administrator = self
            .conclude(&actor, tenant, act, Some(&kept.account), outcome)
            .await?;
        Ok(Joined::Done(administrator))
    }

    async fn join(
        &self,
        tenant: &TenantId,
        kept: &Kept,
        number: &str,
        password: &Password,
    ) -> Result<Administrator, AdminError> {
        let change = UserChange {
            number: Some(Some(number.to_owned())),
            opted_out: Some(false),
            locked: Some(false),
            password: Some(password.expose().to_owned()),
            ..UserChange::default()
        };
        let known = self.ports.directory.find(tenant, &kept.account).await?;
        let account = match known {
            Some(account) => {
                self.apply_change(tenant, &account, &change).await?;
                account.name
            }
            None => {
                let created = self
                    .ports
                    .accounts
                    .create(tenant, &kept.account, &change)
                    .await?;
                if !created {
                    return Err(AdminError::Exists {
                        what: "user",
                        name: kept.account.clone(),
                    });
                }
                kept.account.clone()
            }
        };
        let administrator = Administrator {
            account,
            role: kept.role,
            by: kept.by.clone(),
            since: self.now(),
        };
        self.make_administrator(tenant, &administrator).await?;
        Ok(administrator)
    }

    async fn open_invitation(
        &self,
        tenant: &TenantId,
        secret: &str,
    ) -> Result<(Document, Kept), AdminError> {
        self.find_invitation(tenant, secret).await?.ok_or_else(over)
    }

    async fn find_invitation(
        &self,
        tenant: &TenantId,
        secret: &str,
    ) -> Result<Option<(Document, Kept)>, AdminError> {
        let Some(document) = self.ports.documents.get(&key(tenant, secret)).await? else {
            return Ok(None);
        };
        let kept: Kept = document.read()?;
        Ok((self.now() < kept.expires_at).then_some((document, kept)))
    }

    async fn write_invitation(
        &self,
        tenant: &TenantId,
        secret: &str,
        seen: Option<u64>,
        kept: &Kept,
    ) -> Result<(), AdminError> {
        let body = written(kept)?;
        let key = key(tenant, secret);
        match self
            .ports
            .documents
            .put(&key, seen, &body, self.now())
            .await?
        {
            Put::Written { .. } => Ok(()),
            Put::Lost => Err(over()),
        }
    }

    async fn forget_expired(&self, tenant: &TenantId) -> Result<(), AdminError> {
        let documents = &self.ports.documents;
        for document in documents.list(tenant, Kind::Invitation).await? {
            let kept: Kept = document.read()?;
            if self.now() >= kept.expires_at {
                documents.remove(&document.key, document.version).await?;
            }
        }
        Ok(())
    }

    fn inviting(&self, tenant: &TenantId) -> ApiClient {
        ApiClient {
            name: CLIENT.to_owned(),
            tenant: tenant.clone(),
            created_at: self.now(),
            scopes: vec![Scope::Challenges],
        }
    }

    fn cannot(&self, error: ChallengeError) -> AdminError {
        let sentence = match error {
            ChallengeError::NumberRefused => "no codes are sent to this number",
            ChallengeError::TooMany { .. } => "too many codes were asked for: wait a little",
            ChallengeError::NotSent { .. } => {
                "no sender took the message: `postern admin invite` tells what to do then"
            }
            ChallengeError::Locked { .. } => "too many wrong codes: this number is locked",
            ChallengeError::NotFound => "the code is over: give the number again",
            ChallengeError::UnknownUser | ChallengeError::NoNumber | ChallengeError::OptedOut => {
                "no code can be sent"
            }
            ChallengeError::Unavailable(error) => return AdminError::Unavailable(error),
        };
        AdminError::Invalid(sentence.to_owned())
    }
}

/// The same for a link that never was, is over, or was used.
fn over() -> AdminError {
    AdminError::NotFound {
        what: "invitation",
        name: "this one".to_owned(),
    }
}

fn key(tenant: &TenantId, secret: &str) -> Key {
    Key {
        tenant: tenant.clone(),
        kind: Kind::Invitation,
        name: hex::encode(Sha256::digest(secret.as_bytes())),
    }
}
