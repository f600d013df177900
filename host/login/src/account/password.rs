//! A new password, by whoever is signed in afresh and knows the current one.

use super::{Told, local_account};
use crate::audit::What;
use crate::begin::ClientFacts;
use crate::first_step::unavailable;
use crate::ports::{AccountRef, DirectoryError, PasswordCheck, TenantSettings};
use crate::second_step::{default_region, facts};
use crate::session::Session;
use crate::throttle::first_step_failures;
use crate::{LoginError, Logins};

/// NIST SP 800-63B-4 3.1.1.2 for a password that is not the only factor.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Far beyond any passphrase, and no work for the hash; what a user store takes at most.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// What became of the wish for another password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum NewPassword {
    Changed,
    /// The current one was wrong. Counted like a wrong password at the first step.
    CurrentWrong,
    TooShort,
    TooLong,
    /// It is the current one.
    Same,
    /// The account's user store keeps its passwords to itself.
    ReadOnly,
}

impl Logins {
    /// Whoever took over an open session cannot lock its owner out without the password, and whoever
    /// knew the old password is signed out with it: every other session ends, and every login that
    /// the old password began.
    pub async fn change_password(
        &self,
        session: &Session,
        current: &str,
        new: &str,
        client: &ClientFacts,
    ) -> Result<NewPassword, LoginError> {
        let account = local_account(session)?;
        let profile = self.profile(session, &account).await?;
        if !self.moves_factors(session, &profile) {
            return Err(LoginError::Reauthenticate);
        }
        if !profile.password_changeable {
            return Ok(NewPassword::ReadOnly);
        }
        if new.chars().count() < PASSWORD_CHARS_MIN {
            return Ok(NewPassword::TooShort);
        }
        if new.len() > PASSWORD_BYTES_MAX {
            return Ok(NewPassword::TooLong);
        }
        let settings = self.settings(&session.tenant).await?;
        if !self
            .knows_password(session, &account, current, &settings, client)
            .await?
        {
            return Ok(NewPassword::CurrentWrong);
        }
        if new == current {
            return Ok(NewPassword::Same);
        }
        let set = self
            .ports
            .directory
            .set_password(&session.tenant, &account, new)
            .await;
        match set {
            Ok(()) => (),
            Err(DirectoryError::ReadOnly) => return Ok(NewPassword::ReadOnly),
            Err(error) => return Err(unavailable(error)),
        }
        let changed = self.event(session, client, What::PasswordChanged);
        let whose = session.subject();
        let sessions = &self.ports.sessions;
        // Before the logins: none begins from one of them any more.
        let ended = sessions.close_all_of(&whose, Some(&session.id)).await;
        let (logins, recorded) = tokio::join!(
            self.ports
                .logins
                .close_logins_of(&session.tenant, &account, None),
            self.ports.audit.record(changed)
        );
        logins?;
        ended?;
        // And after them: one that became a session until then is among those that end here.
        sessions.close_all_of(&whose, Some(&session.id)).await?;
        recorded?;
        let region = default_region(&settings);
        if let Some(number) = facts(Some(&profile), region.as_ref()).number {
            self.tell(session, number, Told::PasswordChanged, &settings);
        }
        Ok(NewPassword::Changed)
    }

    /// A guess costs what it costs at the first step, from the same budgets: an open session is no
    /// way around them.
    async fn knows_password(
        &self,
        session: &Session,
        account: &AccountRef,
        typed: &str,
        settings: &TenantSettings,
        client: &ClientFacts,
    ) -> Result<bool, LoginError> {
        let tenant = &session.tenant;
        let failures = first_step_failures(settings, tenant, &account.name, &client.address);
        self.refuse_if_spent(&failures, self.now())?;
        let checked = self
            .ports
            .directory
            .check_password(tenant, &account.name, typed)
            .await
            .map_err(unavailable)?;
        // A locked account changes nothing.
        let barred = self.barred(tenant, Some(account), settings).await?;
        match checked {
            PasswordCheck::Right(owner) if owner == *account && barred.is_none() => Ok(true),
            PasswordCheck::Right(_) | PasswordCheck::Wrong | PasswordCheck::Locked(_) => {
                self.count_failure(&failures, self.now()).await?;
                let refused = self.event(session, client, What::PasswordChangeRefused);
                self.ports.audit.record(refused).await?;
                Ok(false)
            }
        }
    }
}
