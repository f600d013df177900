//! Attempts paid.

use super::Memory;
use crate::attempts::{Counted, For, next_ledger, payment};
use crate::digest;
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{AttemptStore, Payment, Subject};
use postern_login::{LoginId, TenantId};
use postern_otp::lock::{Ledger, Standing};
use postern_otp::{AttemptPolicy, Timestamp};

#[async_trait]
impl AttemptStore for Memory {
    async fn pay(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        let counted = self.count(For::Code, subject, challenge, now, policy);
        Ok(payment(counted, policy))
    }

    async fn pay_backup(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        let counted = self.count(For::BackupCode, subject, challenge, now, policy);
        Ok(payment(counted, policy))
    }

    async fn ledger(&self, subject: &Subject) -> Result<Ledger, StoreError> {
        Ok(self
            .tables()
            .ledgers
            .get(&subject.key())
            .copied()
            .unwrap_or_default())
    }

    async fn clear(&self, subject: &Subject) -> Result<(), StoreError> {
        self.change(subject, Ledger::cleared);
        Ok(())
    }

    async fn unlock(&self, subject: &Subject) -> Result<(), StoreError> {
        self.change(subject, Ledger::unlocked);
        Ok(())
    }

    async fn unlock_all(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<Subject>, StoreError> {
        let mut unlocked = Vec::new();
        for (key, ledger) in &mut self.tables().ledgers {
            let subject = Subject::of_key(key).filter(|subject| subject.tenant() == tenant);
            if let Some(subject) = subject
                && ledger.standing(now) != Standing::Free
            {
                *ledger = ledger.unlocked();
                unlocked.push(subject);
            }
        }
        Ok(unlocked)
    }
}

impl Memory {
    /// A ledger with nothing in it needs no row.
    fn change(&self, subject: &Subject, change: impl FnOnce(Ledger) -> Ledger) {
        let mut tables = self.tables();
        let key = subject.key();
        let ledger = tables.ledgers.get(&key).copied().unwrap_or_default();
        let changed = change(ledger);
        if changed == Ledger::default() {
            tables.ledgers.remove(&key);
        } else {
            tables.ledgers.insert(key, changed);
        }
    }

    fn count(
        &self,
        what: For,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Counted {
        let mut tables = self.tables();
        let key = subject.key();
        let ledger = tables.ledgers.get(&key).copied().unwrap_or_default();
        let next = match next_ledger(ledger, what, now, policy) {
            Ok(next) => next,
            Err(refused) => return refused,
        };
        // A login that is gone or over has no budget.
        let attempt = match tables.logins.get_mut(&digest::of(challenge.as_str())) {
            Some(row) if row.attempts < policy.attempts_max && now < row.login.expires_at => {
                row.attempts += 1;
                row.attempts
            }
            _ => return Counted::Exhausted,
        };
        tables.ledgers.insert(key, next);
        Counted::Paid(attempt)
    }
}
