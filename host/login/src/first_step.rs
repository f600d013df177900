//! The first step: a password, or what an identity provider said.

use crate::audit::{AuditEvent, What};
use crate::begin::{ClientFacts, Moved};
use crate::deliver::event;
use crate::error::StoreError;
use crate::login::{FirstFactor, Login, LoginId, Notice, Started, State, StopReason, Who};
use crate::ports::{
    AccountRef, Advanced, DirectoryError, FederatedLogin, PasswordCheck, Settlement, Subject,
    TenantSettings,
};
use crate::resolve::Resolved;
use crate::throttle::first_step_failures;
use crate::{LoginError, Logins};
use postern_otp::need::Refusal;

impl Logins {
    /// Right: the login continues under a new id, at the second step. Wrong, unknown and locked look
    /// alike and cost alike.
    pub async fn password(
        &self,
        id: &LoginId,
        name: &str,
        password: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_started(id).await?;
        // Hiding the form is not what forbids it.
        if !login.application.sequence.password {
            return Err(LoginError::OutOfOrder);
        }
        let settings = self.settings_of(&login).await?;
        let failures = first_step_failures(&settings, &login.tenant, name, &client.address);
        self.refuse_if_spent(&failures, self.now())?;

        // Before the user store is asked: what it answers may be over when the login moves.
        let since = Some(self.ports.logins.closings());
        let checked = self
            .ports
            .directory
            .check_password(&login.tenant, name, password)
            .await
            .map_err(unavailable)?;
        let account = match checked {
            // A password for an account that failures have locked is like a wrong one.
            PasswordCheck::Right(account)
                if self
                    .barred(&login.tenant, Some(&account), &settings)
                    .await?
                    .is_none() =>
            {
                account
            }
            PasswordCheck::Right(_) | PasswordCheck::Wrong | PasswordCheck::Locked(_) => {
                self.count_failure(&failures, self.now()).await?;
                return self
                    .first_step_again(login, Notice::WrongPassword, &settings, client)
                    .await;
            }
        };
        let who = Who {
            subject: subject_of(&login, &account),
            display: account.name.clone(),
            account: Some(account),
            first: FirstFactor::Password,
            attributes: Vec::new(),
        };
        self.second_step(login, who, None, since, settings, client)
            .await
    }

    /// An upstream identity provider vouched; the resolver plugin named by `usecase` maps the person.
    pub async fn federated(
        &self,
        id: &LoginId,
        said: FederatedLogin,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_started(id).await?;
        let offered = login.application.sequence.offers(&said.identity_provider);
        if !offered {
            return Err(LoginError::OutOfOrder);
        }
        let settings = self.settings_of(&login).await?;
        // What was said to one tenant is nothing to another (attack A-13).
        if said.tenant != login.tenant {
            let reason = StopReason::Refused(Refusal::TenantMismatch);
            return self
                .stopped_at_first_step(login, &settings, client, reason, "tenant-mismatch")
                .await;
        }
        let first = FirstFactor::Federated {
            identity_provider: said.identity_provider.clone(),
        };
        let since = Some(self.ports.logins.closings());
        let account = match self.resolve(&said, &settings).await {
            Resolved::Account(account) => account,
            Resolved::Nobody => {
                let who = Who {
                    // Without an account the identity provider and its subject are the person.
                    subject: Subject::Federated {
                        tenant: login.tenant.clone(),
                        identity_provider: said.identity_provider.clone(),
                        subject: said.subject.clone(),
                    },
                    account: None,
                    display: said.subject.clone(),
                    first,
                    attributes: said.attributes.clone(),
                };
                return self
                    .second_step(login, who, Some(&said), since, settings, client)
                    .await;
            }
            Resolved::Refused => return self.refused_by_resolver(login, &settings, client).await,
        };
        let who = Who {
            // One counter for an account, whichever way its first step was taken (attack A-09).
            subject: subject_of(&login, &account),
            account: Some(account),
            display: said.subject.clone(),
            first,
            attributes: said.attributes.clone(),
        };
        self.second_step(login, who, Some(&said), since, settings, client)
            .await
    }

    /// The way through an identity provider came to nothing: the first step is asked again.
    pub async fn not_vouched(
        &self,
        id: &LoginId,
        notice: Notice,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_started(id).await?;
        let settings = self.settings_of(&login).await?;
        self.first_step_again(login, notice, &settings, client)
            .await
    }

    async fn load_started(&self, id: &LoginId) -> Result<Login, LoginError> {
        let login = self.load_browser(id).await?;
        match login.state {
            State::Started(_) => Ok(login),
            State::Identified(_)
            | State::NumberWanted(_)
            | State::Challenged(_)
            | State::Authenticated(_)
            | State::Stopped(_) => Err(LoginError::OutOfOrder),
        }
    }

    async fn first_step_again(
        &self,
        login: Login,
        notice: Notice,
        settings: &TenantSettings,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let failed: AuditEvent = event(
            &login,
            self.now(),
            Some(client.address.clone()),
            What::FirstStepFailed,
        );
        let next = State::Started(Started {
            notice: Some(notice),
        });
        let then = Settlement {
            events: vec![failed],
            ..Settlement::default()
        };
        let settled = self.settle(&login, next, then).await?;
        match settled {
            Advanced::Won(login) => Ok(self.moved(&login, settings)),
            Advanced::Lost => Err(LoginError::Conflict),
        }
    }
}

fn subject_of(login: &Login, account: &AccountRef) -> Subject {
    Subject::Account {
        tenant: login.tenant.clone(),
        account: account.name.clone(),
    }
}

pub(crate) fn unavailable(error: DirectoryError) -> LoginError {
    match error {
        DirectoryError::Failed(failed) => LoginError::Unavailable(failed),
        DirectoryError::Busy | DirectoryError::ReadOnly | DirectoryError::Refused(_) => {
            LoginError::Unavailable(StoreError::caused("the user store refused", error))
        }
    }
}
