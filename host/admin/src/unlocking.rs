//! Lifting the locks that wrong codes brought: one person's, or everybody's after an attack that locked
//! many. Failures are counted anew and the next lock is a longer one, so that whoever locked them gains
//! no guesses by it (attack D-03).

use postern_login::TenantId;
use postern_login::audit::{AuditEvent, What};
use postern_login::error::StoreError;
use postern_login::ports::{AttemptStore, AuditLog, Clock, Subject};

#[derive(Clone, Copy)]
pub struct Unlocking<'a> {
    pub attempts: &'a dyn AttemptStore,
    pub audit: &'a dyn AuditLog,
    pub clock: &'a dyn Clock,
}

impl std::fmt::Debug for Unlocking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unlocking")
    }
}

impl Unlocking<'_> {
    pub async fn one(&self, tenant: &TenantId, subject: &Subject) -> Result<(), StoreError> {
        self.attempts.unlock(subject).await?;
        self.tell(tenant, name(subject)).await
    }

    /// Who was unlocked, in order. Each has an audit event of its own.
    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        let unlocked = self.attempts.unlock_all(tenant, self.clock.now()).await?;
        let mut names: Vec<String> = unlocked.iter().map(name).collect();
        names.sort();
        for name in &names {
            self.tell(tenant, name.clone()).await?;
        }
        Ok(names)
    }

    async fn tell(&self, tenant: &TenantId, who: String) -> Result<(), StoreError> {
        let unlocked = AuditEvent {
            at: self.clock.now(),
            tenant: tenant.clone(),
            login: None,
            who: Some(who),
            address: None,
            what: What::FactorUnlocked,
        };
        self.audit.record(unlocked).await
    }
}

/// What an administrator calls the subject. A number is known by its hash alone.
fn name(subject: &Subject) -> String {
    match subject {
        Subject::Account { account, .. } => account.clone(),
        Subject::Federated {
            identity_provider,
            subject,
            ..
        } => format!("{subject} of {identity_provider}"),
        Subject::Number { client, .. } => format!("a number of {client}"),
    }
}
