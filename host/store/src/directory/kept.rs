//! What Postern itself keeps of the users of a foreign store: that they had a factor, their links to
//! identity providers, and whatever the store has no attribute for.
//!
//! A row among Postern's own users, in a domain no user store can have, so that it is never taken
//! for a user who signs in here. It is made when there is first something to keep.

use super::comparison;
use super::password::{self, Stored};
use super::users::{Change, User, Users};
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Association, DirectoryError, FirstNumber};
use std::sync::Arc;

/// No name of a store begins with it.
const APART: char = '~';
/// Stands where other rows have a password: no claim of backup codes was taken over yet. It is no
/// form of a hash, so it matches nothing.
const NOTHING_TAKEN: &str = "*";

#[derive(Clone)]
pub(super) struct Kept {
    users: Arc<dyn Users>,
    tenant: TenantId,
    domain: String,
}

impl Kept {
    /// `domain` is the foreign store's, empty for the primary one.
    pub(super) fn new(users: Arc<dyn Users>, tenant: TenantId, domain: &str) -> Self {
        Self {
            users,
            tenant,
            domain: format!("{APART}{domain}"),
        }
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(super) async fn of(&self, key: &str) -> Result<Option<User>, StoreError> {
        self.users.user(&self.tenant, &self.domain, key).await
    }

    pub(super) async fn change(
        &self,
        key: &str,
        name: &str,
        change: &Change,
    ) -> Result<(), StoreError> {
        self.make(key, name, false).await?;
        let known = self
            .users
            .change_user(&self.tenant, &self.domain, key, change)
            .await?;
        if known {
            Ok(())
        } else {
            Err(StoreError::new(
                "what is kept of a user was removed meanwhile",
            ))
        }
    }

    /// That the account has a number now is remembered when the number goes (attack B-01).
    pub(super) async fn remember_factor(
        &self,
        key: &str,
        name: &str,
        number: &str,
    ) -> Result<(), StoreError> {
        if self.make(key, name, true).await? {
            return Ok(());
        }
        let row = self.of(key).await?;
        if row.is_some_and(|row| row.had_factor) {
            return Ok(());
        }
        // A number marks the row; it is the foreign store's and does not stay here.
        for number in [Some(number.to_owned()), None] {
            let change = Change {
                number: Some(number),
                ..Change::default()
            };
            self.change(key, name, &change).await?;
        }
        Ok(())
    }

    /// Of two first numbers that are proven at once one may go on to be written into the foreign
    /// store: the mark is set in one statement (attack B-01). What becomes of it is
    /// `settle_first_number`'s to say.
    pub(super) async fn claim_first_number(
        &self,
        key: &str,
        name: &str,
        number: &str,
    ) -> Result<FirstNumber, StoreError> {
        self.make(key, name, false).await?;
        let claimed = self
            .users
            .save_first_number(&self.tenant, &self.domain, key, number)
            .await?
            .ok_or_else(|| StoreError::new("what is kept of a user was removed meanwhile"))?;
        if claimed == FirstNumber::Saved {
            // A number marks the row; where it stays is the mapping's to say.
            let change = Change {
                number: Some(None),
                ..Change::default()
            };
            self.change(key, name, &change).await?;
        }
        Ok(claimed)
    }

    /// What came of writing the claimed number, and of nothing else. Refused, or not even asked for, it is
    /// nobody's, and another one may be proven. Should the write have failed otherwise it may be there: the
    /// mark stays, and an administrator sets the number.
    pub(super) async fn settle_first_number(
        &self,
        key: &str,
        written: Result<(), DirectoryError>,
    ) -> Result<FirstNumber, DirectoryError> {
        match &written {
            Ok(()) | Err(DirectoryError::Failed(_)) => {}
            Err(DirectoryError::Refused(_) | DirectoryError::ReadOnly | DirectoryError::Busy) => {
                self.users
                    .unmark_factor(&self.tenant, &self.domain, key)
                    .await?;
            }
        }
        written.map(|()| FirstNumber::Saved)
    }

    /// The names of those of whom something is kept that fits; `None` if that cannot be asked for, or
    /// there are more than `rows_max`.
    pub(super) async fn names(
        &self,
        condition: &Condition,
        rows_max: usize,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let found = self
            .users
            .matching(&self.tenant, &self.domain, condition, 0, rows_max)
            .await?;
        Ok(found
            .filter(|(total, _)| *total <= rows_max)
            .map(|(_, users)| users.into_iter().map(|user| user.name).collect()))
    }

    pub(super) async fn forget(&self, key: &str) -> Result<(), StoreError> {
        let gone = self
            .users
            .delete_user(&self.tenant, &self.domain, key)
            .await;
        gone.map(drop)
    }

    pub(super) async fn link(
        &self,
        key: &str,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        self.make(key, name, false).await?;
        self.users
            .link(&self.tenant, &self.domain, key, identity_provider, subject)
            .await
    }

    /// Whose link it is, by the name they had.
    pub(super) async fn linked(
        &self,
        identity_provider: &str,
        subject: &str,
    ) -> Result<Option<User>, StoreError> {
        let owner = self
            .users
            .linked(&self.tenant, identity_provider, subject)
            .await?;
        Ok(owner.filter(|user| user.domain == self.domain))
    }

    pub(super) async fn links(&self, key: &str) -> Result<Vec<Association>, StoreError> {
        self.users.links(&self.tenant, &self.domain, key).await
    }

    pub(super) async fn unlink(
        &self,
        key: &str,
        association: &Association,
    ) -> Result<bool, StoreError> {
        self.users
            .unlink(
                &self.tenant,
                &self.domain,
                key,
                &association.identity_provider,
                &association.subject,
            )
            .await
    }

    /// Marks a claim of backup codes that the foreign store keeps as taken over: once for each content
    /// it has. Of two who see the same one, one takes it.
    pub(super) async fn take_claim(
        &self,
        key: &str,
        name: &str,
        claim: &str,
    ) -> Result<bool, StoreError> {
        self.make(key, name, false).await?;
        let row = self.of(key).await?;
        let seen = row
            .and_then(|row| row.password)
            .unwrap_or_else(|| NOTHING_TAKEN.to_owned());
        if Stored::parse(&seen).is_ok_and(|taken| taken.matches(claim.as_bytes())) {
            return Ok(false);
        }
        // A slow hash: what stands for short codes must not give them away (attack C-01).
        let mark = password::hash(claim.as_bytes(), &comparison::salt()?)
            .map_err(|error| StoreError::caused("a claim cannot be hashed", error))?;
        self.users
            .replace_password(&self.tenant, &self.domain, key, &seen, &mark)
            .await
    }

    /// True if there was none.
    async fn make(&self, key: &str, name: &str, had_factor: bool) -> Result<bool, StoreError> {
        let row = User {
            tenant: self.tenant.clone(),
            domain: self.domain.clone(),
            key: key.to_owned(),
            // Which names look alike is the foreign store's business; here they need only differ.
            looks: key.to_owned(),
            name: name.to_owned(),
            display_name: None,
            number: None,
            opted_out: false,
            locked: false,
            had_factor,
            password: Some(NOTHING_TAKEN.to_owned()),
            claims: Vec::new(),
        };
        if self.of(key).await?.is_some() {
            return Ok(false);
        }
        self.users.create_user(&row).await
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::memory::Memory;

    /// B-01
    #[tokio::test]
    async fn a_claim_is_taken_back_unless_the_number_may_be_there() {
        const NUMBER: &str = "+12025550143";
        let failed = || StoreError::new("the connection was lost").into();
        let refused = || DirectoryError::Refused("not of this company".to_owned());
        for (written, again) in [
            (Ok(()), FirstNumber::Taken),
            (Err(failed()), FirstNumber::Taken),
            (Err(refused()), FirstNumber::Saved),
            (Err(DirectoryError::ReadOnly), FirstNumber::Saved),
            (Err(DirectoryError::Busy), FirstNumber::Saved),
        ] {
            let case = format!("{written:?}");
            let users = Arc::new(Memory::new());
            let kept = Kept::new(users, TenantId::super_tenant(), "jdbc");
            let claim = || kept.claim_first_number("alice", "alice", NUMBER);
            assert_eq!(claim().await.unwrap(), FirstNumber::Saved, "{case}");
            let saved = written.is_ok();
            let settled = kept.settle_first_number("alice", written).await;
            assert_eq!(settled.is_ok(), saved, "{case}");
            assert_eq!(claim().await.unwrap(), again, "{case}");
        }
    }
}
