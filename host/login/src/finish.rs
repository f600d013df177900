//! The end of a login: it is taken exactly once, and a session opens.

use crate::application::Application;
use crate::audit::{AuditEvent, What};
use crate::begin::ClientFacts;
use crate::error::StoreError;
use crate::login::{Authenticated, Login, LoginId, Origin, State, Who};
use crate::ports::{Ending, TenantSettings};
use crate::session::{Session, SessionId, UNTIL_ATTRIBUTE};
use crate::{LoginError, Logins};
use postern_otp::Timestamp;

/// A session, and where the browser goes with it.
#[derive(Debug)]
pub struct Finished {
    pub session: Session,
    pub origin: Origin,
    pub application: Application,
}

/// A session that is to open.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) session: Session,
    /// The one that this browser has.
    earlier: Option<Session>,
    pub(crate) succeeded: AuditEvent,
}

impl Logins {
    /// `Gone` for the second of two callers.
    pub async fn finish(&self, id: &LoginId, client: &ClientFacts) -> Result<Finished, LoginError> {
        self.finish_in_place_of(id, None, client).await
    }

    /// As `finish`; the session this browser had ends. If the person is the same, the new one goes by
    /// its name: the applications that know it are told when it ends.
    pub async fn finish_in_place_of(
        &self,
        id: &LoginId,
        earlier: Option<&SessionId>,
        client: &ClientFacts,
    ) -> Result<Finished, LoginError> {
        let login = self.load_browser(id).await?;
        let State::Authenticated(authenticated) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let settings = self.settings_of(&login).await?;
        let account = authenticated.who.account.as_ref();
        let opening = match self.barred(&login.tenant, account, &settings).await? {
            None => {
                self.opening(&login, authenticated, earlier, &settings, client)
                    .await?
            }
            Some(_) => None,
        };
        let Some(opening) = opening else {
            let _taken = self.ports.logins.take(&login).await?;
            return Err(LoginError::Gone);
        };
        let ending = Ending {
            session: opening.session.clone(),
            clear: None,
            events: vec![opening.succeeded.clone()],
        };
        let login = self.end(&login, ending).await?.ok_or(LoginError::Gone)?;
        Ok(self.opened(login, opening).await)
    }

    /// What is to open for a login at whose end this is proven. `None`: locked by an administrator since the
    /// first step, and that holds at once.
    pub(crate) async fn opening(
        &self,
        login: &Login,
        authenticated: &Authenticated,
        earlier: Option<&SessionId>,
        settings: &TenantSettings,
        client: &ClientFacts,
    ) -> Result<Option<Opening>, LoginError> {
        let account = authenticated.who.account.as_ref();
        let profile = self.facts_of(&login.tenant, account).await?;
        if profile.is_some_and(|profile| profile.locked) {
            return Ok(None);
        }
        let mut session =
            self.session_of(login, authenticated, settings.session_lifetime, client)?;
        let earlier = match earlier {
            Some(earlier) => {
                self.ports
                    .sessions
                    .find(&self.tenant, earlier, self.now())
                    .await?
            }
            None => None,
        };
        let same = |earlier: &&Session| earlier.subject() == session.subject();
        if let Some(earlier) = earlier.as_ref().filter(same) {
            session.name.clone_from(&earlier.name);
        }
        let succeeded = AuditEvent {
            at: self.now(),
            tenant: login.tenant.clone(),
            login: Some(login.name.clone()),
            who: Some(session.account.clone()),
            address: Some(client.address.clone()),
            what: What::LoginSucceeded {
                amr: session.methods().into_iter().map(str::to_owned).collect(),
            },
        };
        Ok(Some(Opening {
            session,
            earlier,
            succeeded,
        }))
    }

    /// The login is taken, and what follows is written with that. `None`: somebody else was faster.
    pub(crate) async fn end(
        &self,
        login: &Login,
        ending: Ending,
    ) -> Result<Option<Login>, StoreError> {
        let ports = &self.ports;
        let (attempts, sessions) = (ports.attempts.as_ref(), ports.sessions.as_ref());
        let audit = ports.audit.as_ref();
        ports
            .logins
            .finish(login, ending, attempts, sessions, audit)
            .await
    }

    /// Once that is written: the session this browser had before ends.
    pub(crate) async fn opened(&self, login: Login, opening: Opening) -> Finished {
        if let Some(earlier) = opening.earlier
            && let Err(error) = self.logout(&earlier.id).await
        {
            // The login stands; the session that lives on a little longer is the same browser's.
            tracing::error!(%error, "an earlier session could not be ended");
        }
        Finished {
            session: opening.session,
            origin: login.origin,
            application: login.application,
        }
    }

    fn session_of(
        &self,
        login: &Login,
        authenticated: &Authenticated,
        lifetime: std::time::Duration,
        client: &ClientFacts,
    ) -> Result<Session, LoginError> {
        let who = &authenticated.who;
        let account = who.account.as_ref();
        // From what was proven, not from now: opening it proves nothing and prolongs nothing.
        let own_end = authenticated.at.plus(lifetime);
        Ok(Session {
            id: SessionId::from_entropy(&self.random()?),
            name: self.fresh_name()?,
            tenant: login.tenant.clone(),
            account: account.map_or_else(|| who.display.clone(), |account| account.name.clone()),
            has_local_account: account.is_some(),
            display: who.display.clone(),
            first: who.first.clone(),
            second: authenticated.second.clone(),
            authenticated_at: authenticated.at,
            expires_at: ended_elsewhere(who)?.map_or(own_end, |end| end.min(own_end)),
            user_agent: client.user_agent.clone(),
            address: client.address.clone(),
            locale: login.locale.clone(),
            attributes: who.attributes.clone(),
        })
    }
}

/// When the session ends from which the identity provider vouched, if it said so.
fn ended_elsewhere(who: &Who) -> Result<Option<Timestamp>, StoreError> {
    let said = who
        .attributes
        .iter()
        .find(|(name, _)| name == UNTIL_ATTRIBUTE);
    said.map(|(_, at)| {
        let at = at.parse().map(Timestamp);
        at.map_err(|error| StoreError::caused("the end of a session elsewhere is a number", error))
    })
    .transpose()
}
