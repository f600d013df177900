//! A login begins: nothing is known yet but where it came from.

use crate::application::Application;
use crate::login::{Login, LoginId, Notice, Origin, Purpose, Started, State, StopReason, Stopped};
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

/// A login as a browser that comes back sees it.
#[derive(Debug)]
pub struct Seen {
    pub step: Step,
    /// BCP 47.
    pub locale: String,
}

impl Logins {
    /// For the person's own account page.
    pub async fn begin(&self, origin: Origin, client: &ClientFacts) -> Result<Moved, LoginError> {
        self.begin_for(Application::account_page(), origin, client)
            .await
    }

    pub async fn begin_for(
        &self,
        application: Application,
        origin: Origin,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let settings = self.settings_for(&self.tenant, &application).await?;
        let started = State::Started(Started::default());
        let login = self.new_login(
            &self.tenant,
            origin,
            application,
            Purpose::Login,
            client.locale.clone(),
            &settings,
            started,
        )?;
        self.ports.logins.insert(&login).await?;
        Ok(self.moved(&login, &settings))
    }

    /// Another login for the same application, after one that ended; its first page says why.
    pub(crate) async fn begin_again(
        &self,
        ended: &Login,
        settings: &TenantSettings,
        notice: Notice,
    ) -> Result<Moved, LoginError> {
        let started = State::Started(Started {
            notice: Some(notice),
        });
        let login = self.new_login(
            &ended.tenant,
            ended.origin.clone(),
            ended.application.clone(),
            Purpose::Login,
            ended.locale.clone(),
            settings,
            started,
        )?;
        self.ports.logins.insert(&login).await?;
        Ok(self.moved(&login, settings))
    }

    /// The page a browser that comes back shall see.
    pub async fn step(&self, id: &LoginId) -> Result<Step, LoginError> {
        Ok(self.seen(id).await?.step)
    }

    /// As `step`, with the language in which the login began and goes on.
    pub async fn seen(&self, id: &LoginId) -> Result<Seen, LoginError> {
        let login = self.load_browser(id).await?;
        let step = self.step_of(&login).await?;
        let locale = login.locale;
        Ok(Seen { step, locale })
    }

    pub(crate) async fn step_of(&self, login: &Login) -> Result<Step, LoginError> {
        let settings = self.settings_of(login).await?;
        Ok(next_step(login, &settings.factor, self.now()))
    }

    pub async fn abandon(&self, id: &LoginId) -> Result<(), LoginError> {
        let login = self.load_browser(id).await?;
        self.give_up(login).await
    }

    /// The application that waits for this login, by the name people know. `None`: they came for their own
    /// account page.
    pub async fn awaited_by(&self, id: &LoginId) -> Result<Option<String>, LoginError> {
        let application = self.load_browser(id).await?.application;
        Ok(application.waits().then_some(application.display_name))
    }

    /// The login is gone, and nobody has signed in. Where the application that waits is answered.
    pub async fn decline(&self, id: &LoginId) -> Result<String, LoginError> {
        let login = self.load_browser(id).await?;
        let Origin::Browser { return_to } = &login.origin else {
            return Err(LoginError::OutOfOrder);
        };
        if !login.application.waits() {
            return Err(LoginError::OutOfOrder);
        }
        let return_to = return_to.clone();
        let taken = self.ports.logins.take(&login).await?;
        taken.map(|_| return_to).ok_or(LoginError::Conflict)
    }

    pub(crate) async fn give_up(&self, login: Login) -> Result<(), LoginError> {
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

    /// The login ends, and another begins for the same application.
    pub async fn start_over(
        &self,
        id: &LoginId,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_browser(id).await?;
        match self.abandon(id).await {
            Ok(()) | Err(LoginError::Gone | LoginError::Conflict) => {}
            Err(error) => return Err(error),
        }
        self.begin_for(login.application, login.origin, client)
            .await
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "what a login begins with, each a type of its own"
    )]
    pub(crate) fn new_login(
        &self,
        tenant: &TenantId,
        origin: Origin,
        application: Application,
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
            application,
            purpose,
            locale,
            created_at: now,
            expires_at: now.plus(settings.login_lifetime),
            state,
        })
    }

    /// Another tenant's login is gone, not forbidden (attacks ).
    pub(crate) async fn load(&self, id: &LoginId) -> Result<Login, LoginError> {
        let login = self.ports.logins.load(&self.tenant, id, self.now()).await?;
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
