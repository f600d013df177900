//! The end of a login: it is taken exactly once, and a session opens.

use crate::audit::{AuditEvent, What};
use crate::begin::ClientFacts;
use crate::first_step::unavailable;
use crate::login::{Authenticated, FirstFactor, Login, LoginId, Origin, SecondFactor, State};
use crate::session::{Session, SessionId};
use crate::{LoginError, Logins};

/// A session, and where the browser goes with it.
#[derive(Debug)]
pub struct Finished {
    pub session: Session,
    pub origin: Origin,
}

impl Logins {
    /// `Gone` for the second of two callers. An earlier session of the same browser is the edge's
    /// to close: its id is in the browser's cookie.
    pub async fn finish(&self, id: &LoginId, client: &ClientFacts) -> Result<Finished, LoginError> {
        let login = self.load_browser(id).await?;
        let State::Authenticated(authenticated) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        // Locked since the first step: an administrator's word holds at once.
        if let Some(account) = &authenticated.who.account {
            let profile = self.ports.directory.profile(&login.tenant, account).await;
            if profile.map_err(unavailable)?.locked {
                let _taken = self.ports.logins.take(&login).await?;
                return Err(LoginError::Gone);
            }
        }
        let settings = self.settings(&login.tenant).await?;
        let session = self.session_of(&login, authenticated, settings.session_lifetime, client)?;
        let taken = self.ports.logins.take(&login).await?;
        let login = taken.ok_or(LoginError::Gone)?;
        let succeeded = AuditEvent {
            at: session.authenticated_at,
            tenant: login.tenant.clone(),
            login: Some(login.name.clone()),
            who: Some(session.account.clone()),
            address: Some(client.address.clone()),
            what: What::LoginSucceeded {
                amr: methods(&session.first, &session.second),
            },
        };
        // Both before the answer; side by side, so that a store commits them together.
        let (opened, recorded) = tokio::join!(
            self.ports.sessions.open(&session),
            self.ports.audit.record(succeeded)
        );
        opened?;
        recorded?;
        Ok(Finished {
            session,
            origin: login.origin,
        })
    }

    fn session_of(
        &self,
        login: &Login,
        authenticated: &Authenticated,
        lifetime: std::time::Duration,
        client: &ClientFacts,
    ) -> Result<Session, LoginError> {
        let now = self.now();
        let who = &authenticated.who;
        let account = who.account.as_ref();
        Ok(Session {
            id: SessionId::from_entropy(&self.random()?),
            name: self.fresh_name()?,
            tenant: login.tenant.clone(),
            account: account.map_or_else(|| who.display.clone(), |account| account.name.clone()),
            has_local_account: account.is_some(),
            first: who.first.clone(),
            second: authenticated.second.clone(),
            authenticated_at: now,
            expires_at: now.plus(lifetime),
            user_agent: client.user_agent.clone(),
            address: client.address.clone(),
            locale: login.locale.clone(),
        })
    }
}

/// Authentication methods by their names of RFC 8176, section 2.
fn methods(first: &FirstFactor, second: &SecondFactor) -> Vec<String> {
    let first = match first {
        FirstFactor::Password => Some("pwd"),
        FirstFactor::Federated { .. } | FirstFactor::Client { .. } => None,
    };
    let second: &[&str] = match second {
        SecondFactor::Sms { .. } => &["sms", "otp", "mfa"],
        SecondFactor::BackupCode => &["otp", "mfa"],
        SecondFactor::NotNeeded(_) => &[],
    };
    first
        .into_iter()
        .chain(second.iter().copied())
        .map(str::to_owned)
        .collect()
}
