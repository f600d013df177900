//! `EnableAccountLockingForFailedAttempts`: failures lock the whole account, not only its factor.

use crate::login::StopReason;
use crate::ports::{AccountRef, Subject, TenantSettings};
use crate::second_step::locked;
use crate::{LoginError, Logins, TenantId};

impl Logins {
    /// Why the account is not let in, where failures lock the whole account: whoever vouches for it, whichever
    /// session it has, and whether or not a code would follow.
    pub(crate) async fn barred(
        &self,
        tenant: &TenantId,
        account: Option<&AccountRef>,
        settings: &TenantSettings,
    ) -> Result<Option<StopReason>, LoginError> {
        let Some(account) = account.filter(|_| settings.factor.lock_account) else {
            return Ok(None);
        };
        let subject = Subject::Account {
            tenant: tenant.clone(),
            account: account.name.clone(),
        };
        let ledger = self.ports.attempts.ledger(&subject).await?;
        Ok(locked(ledger.standing(self.now())))
    }
}
