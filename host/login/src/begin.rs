//! A login begins: nothing is known yet but where it came from.

use crate::login::{Login, LoginId, Origin, Purpose, Started, State, StopReason, Stopped};
use crate::ports::{Advanced, TenantSettings};
use crate::step::next_step;
use crate::{LoginError, Logins, Step, TenantId};

/// What the edge knows about whoever asks. The address is the one the host trusts (attack A-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFacts {
    pub address: String,
    pub user_agent: String,
    /// BCP 47, from Accept-Language among the locales there are.
    pub locale: String,
}

/// Where a login stands after an act; the id may have changed and the cookie with it.
#[derive(Debug)]
pub struct Moved {
    pub id: LoginId,
    pub step: Step,
}

impl Logins {
    pub async fn begin(
        &self,
        tenant: &TenantId,
        origin: Origin,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let settings = self.settings(tenant).await?;
        let started = State::Started(Started::default());
        let login = self.new_login(
            tenant,
            origin,
            Purpose::Login,
            client.locale.clone(),
            &settings,
            started,
        )?;
        self.ports.logins.insert(&login).await?;
        Ok(self.moved(&login, &settings))
    }

    /// The page a browser that comes back shall see.
    pub async fn step(&self, id: &LoginId) -> Result<Step, LoginError> {
        let login = self.load(id).await?;
        let settings = self.settings(&login.tenant).await?;
        Ok(next_step(&login, &settings.factor, self.now()))
    }

    pub async fn abandon(&self, id: &LoginId) -> Result<(), LoginError> {
        let login = self.load(id).await?;
        match &login.state {
            State::Started(_)
            | State::Identified(_)
            | State::NumberWanted(_)
            | State::Challenged(_)
            | State::Authenticated(_) => {}
            State::Stopped(_) => return Ok(()),
        }
        let stopped = State::Stopped(Stopped {
            reason: StopReason::Abandoned,
            who: login.state.who().cloned(),
        });
        match self.ports.logins.advance(&login, stopped).await? {
            Advanced::Won(_) => Ok(()),
            Advanced::Lost => Err(LoginError::Conflict),
        }
    }

    pub(crate) fn new_login(
        &self,
        tenant: &TenantId,
        origin: Origin,
        purpose: Purpose,
        locale: String,
        settings: &TenantSettings,
        state: State,
    ) -> Result<Login, LoginError> {
        let now = self.now();
        Ok(Login {
            id: self.fresh_id()?,
            name: self.fresh_name()?,
            version: 0,
            tenant: tenant.clone(),
            origin,
            purpose,
            locale,
            created_at: now,
            expires_at: now.plus(settings.login_lifetime),
            state,
        })
    }

    pub(crate) async fn load(&self, id: &LoginId) -> Result<Login, LoginError> {
        let login = self.ports.logins.load(id, self.now()).await?;
        login.ok_or(LoginError::Gone)
    }

    /// As `load`, for a browser's acts: a challenge of the API or of the account page is not one of
    /// the login's steps (attacks ).
    pub(crate) async fn load_browser(&self, id: &LoginId) -> Result<Login, LoginError> {
        let login = self.load(id).await?;
        match login.origin {
            Origin::Browser { .. } => Ok(login),
            Origin::Api { .. } | Origin::Account { .. } => Err(LoginError::OutOfOrder),
        }
    }

    pub(crate) fn moved(&self, login: &Login, settings: &TenantSettings) -> Moved {
        Moved {
            id: login.id.clone(),
            step: next_step(login, &settings.factor, self.now()),
        }
    }
}
