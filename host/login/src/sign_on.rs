//! Single sign-on: somebody who is signed in comes for another application.
//!
//! A session answers for an application if every step the application asks for was taken. One that
//! lacks only the second step takes that one; everything else begins anew.

use crate::application::Application;
use crate::begin::{ClientFacts, Moved};
use crate::first_step::unavailable;
use crate::login::{FirstFactor, Identified, Origin, Purpose, SecondFactor, Started, State, Who};
use crate::ports::{AccountRef, Advanced, FederatedLogin, Profile, Settlement};
use crate::second_step::needed;
use crate::session::{Session, SessionId};
use crate::{LoginError, LoginId, Logins, TenantId};
use postern_otp::{Need, Timestamp};

/// What an application wants beyond its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// The steps were taken later than this moment: that of the request for ForceAuthn and
    /// `prompt=login` (attack X-26), that many seconds before it for `max_age`.
    pub since: Option<Timestamp>,
}

/// What a browser's session is worth to an application.
#[derive(Debug)]
#[must_use]
pub enum Recognized {
    /// It answers as it is.
    Enough(Session),
    /// The first step was taken, the second was not: `step_up` asks for it.
    SecondStep(Session),
    /// There is no session, or it does not count here.
    Nobody,
}

impl Logins {
    pub async fn recognize(
        &self,
        tenant: &TenantId,
        application: &Application,
        demand: &Demand,
        session: Option<&SessionId>,
    ) -> Result<Recognized, LoginError> {
        let Some(id) = session else {
            return Ok(Recognized::Nobody);
        };
        let now = self.now();
        let Some(session) = self.ports.sessions.find(&self.tenant, id, now).await? else {
            return Ok(Recognized::Nobody);
        };
        let sequence = &application.sequence;
        let offered = match &session.first {
            FirstFactor::Password => sequence.password,
            FirstFactor::Federated { identity_provider } => sequence.offers(identity_provider),
            FirstFactor::Client { .. } => false,
        };
        let fresh = demand
            .since
            .is_none_or(|since| session.is_proven_after(since));
        if session.tenant != *tenant || !offered || !fresh {
            return Ok(Recognized::Nobody);
        }
        let profile = self.profile_of(&session).await?;
        let account = session.local_account();
        let settings = self.settings_for(tenant, application).await?;
        let barred = self.barred(tenant, account.as_ref(), &settings).await?;
        // A lock holds at once, an administrator's like that of wrong codes.
        if barred.is_some() || profile.as_ref().is_some_and(|profile| profile.locked) {
            return Ok(Recognized::Nobody);
        }
        let proven = match &session.second {
            SecondFactor::Sms { .. } | SecondFactor::BackupCode => true,
            // What was not needed then may be needed now, or here.
            SecondFactor::NotNeeded(_) => {
                let said = said(tenant, &who(&session));
                let need = needed(
                    sequence.second_step,
                    profile.as_ref(),
                    said.as_ref(),
                    &settings,
                );
                matches!(need, Need::Skip(_))
            }
        };
        Ok(if proven {
            Recognized::Enough(session)
        } else {
            Recognized::SecondStep(session)
        })
    }

    /// A login that begins after the first step, which `session` proves. Nothing is sent yet: a
    /// page of another site can make a browser come here, and must not make it cost a message
    /// (attack S-04). The person goes on with `second_step_wanted`. If the session has ended by now, the
    /// login is at its first step.
    pub async fn step_up(
        &self,
        session: &Session,
        application: Application,
        origin: Origin,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let settings = self.settings_for(&session.tenant, &application).await?;
        let identified = State::Identified(Identified {
            who: who(session),
            at: session.authenticated_at,
        });
        let login = self.new_login(
            &session.tenant,
            origin,
            application,
            Purpose::Login,
            client.locale.clone(),
            &settings,
            State::Started(Started::default()),
        )?;
        self.ports.logins.insert(&login).await?;
        // Whatever ends an account's sessions with its logins does so before the logins: either the session
        // is not found any more, or they are closed after this, with this one or with its move refused.
        let since = self.ports.logins.closings();
        let sessions = &self.ports.sessions;
        let found = sessions.find(&self.tenant, &session.id, self.now()).await?;
        if found.is_none() {
            return Ok(self.moved(&login, &settings));
        }
        let then = Settlement {
            since: Some(since),
            ..Settlement::default()
        };
        match self.settle(&login, identified, then).await? {
            Advanced::Won(moved) => Ok(self.moved(&moved, &settings)),
            Advanced::Lost => Ok(self.moved(&login, &settings)),
        }
    }

    /// The person wants to go on: the second step begins.
    pub async fn second_step_wanted(
        &self,
        id: &LoginId,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_browser(id).await?;
        let State::Identified(Identified { who, .. }) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let who = who.clone();
        let settings = self.settings_of(&login).await?;
        let said = said(&login.tenant, &who);
        // Open for the account already, the login is closed with its others.
        self.second_step(login, who, said.as_ref(), None, settings, client)
            .await
    }

    /// What is known about whoever a session belongs to: the account's claims, and what the identity
    /// provider said. The account's own come first.
    pub async fn attributes(&self, session: &Session) -> Result<Vec<(String, String)>, LoginError> {
        let mut attributes = Vec::new();
        if let Some(profile) = self.profile_of(session).await? {
            attributes.extend(profile.claims);
            let known = [
                (crate::claims::MOBILE, profile.number),
                (crate::claims::DISPLAY_NAME, profile.display_name),
            ];
            for (claim, value) in known {
                if let Some(value) = value
                    && !attributes.iter().any(|(name, _)| name == claim)
                {
                    attributes.push((claim.to_owned(), value));
                }
            }
        }
        for (name, value) in &session.attributes {
            if !attributes.iter().any(|(known, _)| known == name) {
                attributes.push((name.clone(), value.clone()));
            }
        }
        Ok(attributes)
    }

    async fn profile_of(&self, session: &Session) -> Result<Option<Profile>, LoginError> {
        self.facts_of(&session.tenant, session.local_account().as_ref())
            .await
    }

    pub(crate) async fn facts_of(
        &self,
        tenant: &TenantId,
        account: Option<&AccountRef>,
    ) -> Result<Option<Profile>, LoginError> {
        let Some(account) = account else {
            return Ok(None);
        };
        let profile = self.ports.directory.profile(tenant, account).await;
        Ok(Some(profile.map_err(unavailable)?))
    }
}

fn who(session: &Session) -> Who {
    Who {
        subject: session.subject(),
        account: session.local_account(),
        display: session.display.clone(),
        first: session.first.clone(),
        attributes: session.attributes.clone(),
    }
}

/// What the identity provider said, as far as it was kept. Its own settings have done their work.
pub(crate) fn said(tenant: &TenantId, who: &Who) -> Option<FederatedLogin> {
    let FirstFactor::Federated { identity_provider } = &who.first else {
        return None;
    };
    Some(FederatedLogin {
        tenant: tenant.clone(),
        identity_provider: identity_provider.clone(),
        subject: who.display.clone(),
        subject_identifier: who.display.clone(),
        attributes: who.attributes.clone(),
        settings: Vec::new(),
    })
}
