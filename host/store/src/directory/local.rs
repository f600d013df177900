//! One user store of Postern's own: the primary one, or a secondary one under a domain.
//!
//! Decides which user a name means and whether a password is theirs. Rows are `users`', threads
//! `hashing`'s.

use super::claims;
use super::comparison::{self, Compared};
use super::hashing::Hashing;
use super::name::{self, Name, NameRefused};
use super::password::{PASSWORD_BYTES_MAX, Stored};
use super::user_store::{Draft, Matched, Record, UserStore};
use super::users::{Change, User, Users};
use async_trait::async_trait;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::backup_claim::claimed_codes;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use std::sync::Arc;

/// One local user store. A cheap handle.
#[derive(Clone)]
pub struct Local {
    users: Arc<dyn Users>,
    hashing: Hashing,
    domain: String,
}

impl Local {
    /// The primary user store.
    pub fn new(users: impl Users + 'static, hashing: Hashing) -> Self {
        Self {
            users: Arc::new(users),
            hashing,
            domain: String::new(),
        }
    }

    /// A secondary user store: its users are `DOMAIN/name`.
    pub fn secondary(
        users: impl Users + 'static,
        hashing: Hashing,
        domain: &str,
    ) -> Result<Self, NameRefused> {
        Ok(Self {
            domain: name::secondary(domain)?,
            ..Self::new(users, hashing)
        })
    }

    /// The primary store if the domain is empty, or says so; a secondary one otherwise.
    pub fn shared(
        users: Arc<dyn Users>,
        hashing: Hashing,
        domain: &str,
    ) -> Result<Self, NameRefused> {
        let domain = if name::domain(domain).is_empty() {
            String::new()
        } else {
            name::secondary(domain)?
        };
        Ok(Self {
            users,
            hashing,
            domain,
        })
    }

    /// Empty for the primary store.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// False if the name, or one that looks like it, is taken.
    pub async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let bare = name::bare(&self.domain, name).ok_or(NameRefused::Malformed)?;
        let name = Name::parse(bare)?;
        let number = draft.number.clone().flatten();
        let user = User {
            tenant: tenant.clone(),
            domain: self.domain.clone(),
            key: name.key,
            looks: name.looks,
            name: name.spelled,
            display_name: draft.display_name.clone(),
            had_factor: number.is_some(),
            number,
            opted_out: draft.opted_out.unwrap_or(false),
            locked: draft.locked.unwrap_or(false),
            password: self.hash_of(draft).await?,
            claims: draft
                .claims
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .cloned()
                .collect(),
        };
        Ok(self.users.create_user(&user).await?)
    }

    /// False if there is no such user.
    pub async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let Some(key) = self.key(name) else {
            return Ok(false);
        };
        let change = Change {
            display_name: draft.display_name.clone(),
            number: draft.number.clone(),
            opted_out: draft.opted_out,
            locked: draft.locked,
            password: self.hash_of(draft).await?,
            claims: draft.claims.clone(),
        };
        Ok(self
            .users
            .change_user(tenant, &self.domain, &key, &change)
            .await?)
    }

    /// With claims and links. False if there is no such user.
    pub async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        match self.key(name) {
            Some(key) => Ok(self.users.delete_user(tenant, &self.domain, &key).await?),
            None => Ok(false),
        }
    }

    pub async fn get(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<Record>, DirectoryError> {
        Ok(self.user(tenant, name).await?.map(record))
    }

    /// In the order of their normalised names, those after `from`.
    pub async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        let from = from.and_then(|name| self.key(name));
        let users = self
            .users
            .users(tenant, &self.domain, from.as_deref(), rows_max)
            .await?;
        Ok(users.into_iter().map(record).collect())
    }

    /// Links a subject of an identity provider to the user. False if there is no such user, or the
    /// subject is linked already.
    pub async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        match self.key(name) {
            Some(key) => Ok(self
                .users
                .link(tenant, &self.domain, &key, identity_provider, subject)
                .await?),
            None => Ok(false),
        }
    }

    fn key(&self, name: &str) -> Option<String> {
        name::key(name::bare(&self.domain, name)?)
    }

    async fn user(&self, tenant: &TenantId, name: &str) -> Result<Option<User>, StoreError> {
        match self.key(name) {
            Some(key) => self.users.user(tenant, &self.domain, &key).await,
            None => Ok(None),
        }
    }

    async fn hash_of(&self, draft: &Draft) -> Result<Option<String>, DirectoryError> {
        if let Some(password) = &draft.password {
            return Ok(Some(comparison::hashed(&self.hashing, password).await?));
        }
        if let Some(hash) = &draft.password_hash {
            Stored::parse(hash).map_err(|refused| StoreError::new(refused.to_string()))?;
        }
        Ok(draft.password_hash.clone())
    }

    async fn change_account(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        change: Change,
    ) -> Result<(), DirectoryError> {
        let known = match self.key(&account.name) {
            Some(key) => {
                self.users
                    .change_user(tenant, &self.domain, &key, &change)
                    .await?
            }
            None => false,
        };
        if known {
            Ok(())
        } else {
            Err(StoreError::new("no such user in the user store").into())
        }
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Directory for Local {
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        // Nobody's password is longer, whatever the name: this tells nothing.
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(PasswordCheck::Wrong);
        }
        let user = self.user(tenant, name).await?;
        let seen = user.as_ref().and_then(|user| user.password.clone());
        let compared = comparison::compare(&self.hashing, seen.as_deref(), password).await?;
        let (Some(user), Compared::Right(replacement)) = (user, compared) else {
            return Ok(PasswordCheck::Wrong);
        };
        let account = account(&user);
        if user.locked {
            return Ok(PasswordCheck::Locked(account));
        }
        if let (Some(new), Some(seen)) = (replacement, seen) {
            self.users
                .replace_password(tenant, &self.domain, &user.key, &seen, &new)
                .await?;
        }
        Ok(PasswordCheck::Right(account))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(self.user(tenant, name).await?.as_ref().map(account))
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        if !domain.is_empty() && name::domain(domain) != self.domain {
            return Ok(None);
        }
        let owner = self
            .users
            .linked(tenant, identity_provider, subject)
            .await?
            .filter(|user| user.domain == self.domain);
        Ok(owner.as_ref().map(account))
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        let Some(user) = self.user(tenant, &account.name).await? else {
            return Ok(Profile::default());
        };
        let claim = |uri: &str| {
            let found = user.claims.iter().find(|(known, _)| known == uri);
            found.map(|(_, value)| value.clone())
        };
        let mut claims = shown(&user.claims);
        if let (Some(number), None) = (&user.number, claim(claims::MOBILE)) {
            claims.push((claims::MOBILE.to_owned(), number.clone()));
        }
        Ok(Profile {
            account: Some(self::account(&user)),
            locale: claim(claims::LOCALE),
            display_name: user.display_name,
            number: user.number,
            opted_out: user.opted_out,
            locked: user.locked,
            had_factor: user.had_factor,
            password_changeable: true,
            claims,
        })
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let saved = match self.key(&account.name) {
            Some(key) => {
                self.users
                    .save_first_number(tenant, &self.domain, &key, number.e164())
                    .await?
            }
            None => None,
        };
        saved.ok_or_else(|| StoreError::new("no such user in the user store").into())
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let change = Change {
            number: Some(Some(number.e164().to_owned())),
            ..Change::default()
        };
        self.change_account(tenant, account, change).await
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        let change = Change {
            opted_out: Some(opted_out),
            ..Change::default()
        };
        self.change_account(tenant, account, change).await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        match self.key(&account.name) {
            Some(key) => Ok(self.users.links(tenant, &self.domain, &key).await?),
            None => Ok(Vec::new()),
        }
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        match self.key(&account.name) {
            Some(key) => Ok(self
                .users
                .unlink(
                    tenant,
                    &self.domain,
                    &key,
                    &association.identity_provider,
                    &association.subject,
                )
                .await?),
            None => Ok(false),
        }
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let change = Change {
            password: Some(comparison::hashed(&self.hashing, password).await?),
            ..Change::default()
        };
        self.change_account(tenant, account, change).await
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        let Some(user) = self.user(tenant, &account.name).await? else {
            return Ok(None);
        };
        let mut all = Vec::new();
        for claim in claims::BACKUP_CODES {
            let Some((_, seen)) = user.claims.iter().find(|(uri, _)| uri == claim) else {
                continue;
            };
            // Read before it is taken: a claim that cannot be used stays for an administrator to see.
            let codes = claimed_codes(seen)?;
            let taken = self
                .users
                .take_claim(tenant, &self.domain, &user.key, claim, seen)
                .await?;
            if taken {
                all.extend(codes.into_iter().flatten());
            }
        }
        Ok((!all.is_empty()).then_some(all))
    }
}

#[async_trait]
impl UserStore for Local {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        Self::create(self, tenant, name, draft).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        Self::change(self, tenant, name, draft).await
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        Self::delete(self, tenant, name).await
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        Self::get(self, tenant, name).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        Self::list(self, tenant, from, rows_max).await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        Self::link(self, tenant, name, identity_provider, subject).await
    }

    async fn matching(
        &self,
        tenant: &TenantId,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<Matched>, DirectoryError> {
        let found = self
            .users
            .matching(tenant, &self.domain, condition, start, count)
            .await?;
        Ok(found.map(|(total, users)| Matched {
            total,
            records: users.into_iter().map(record).collect(),
        }))
    }
}

fn account(user: &User) -> AccountRef {
    AccountRef {
        name: name::qualified(&user.domain, &user.name),
    }
}

fn record(user: User) -> Record {
    Record {
        name: name::qualified(&user.domain, &user.name),
        display_name: user.display_name,
        number: user.number,
        opted_out: user.opted_out,
        locked: user.locked,
        claims: shown(&user.claims),
    }
}

/// Codes are nobody's to see.
fn shown(claims: &[(String, String)]) -> Vec<(String, String)> {
    let mut shown = claims.to_vec();
    shown.retain(|(uri, _)| !claims::BACKUP_CODES.contains(&uri.as_str()));
    shown
}
