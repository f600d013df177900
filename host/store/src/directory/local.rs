//! One user store of Postern's own: the primary one, or a secondary one under a domain.
//!
//! Decides which user a name means and whether a password is theirs. Rows are `users`', threads
//! `hashing`'s.

use super::hashing::{Busy, Hashing};
use super::name::{self, Name, NameRefused};
use super::password::{self, PASSWORD_BYTES_MAX, Stored};
use super::users::{Change, User, Users};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::PhoneNumber;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The claim that stands for the user's number, and the one for the language they read.
const MOBILE_CLAIM: &str = "http://wso2.org/claims/mobile";
const LOCALE_CLAIM: &str = "http://wso2.org/claims/local";

/// One local user store. A cheap handle.
#[derive(Clone)]
pub struct Local {
    users: Arc<dyn Users>,
    hashing: Hashing,
    domain: String,
}

/// A new user, or what of one shall change (`None`: leave).
#[derive(Clone, Default)]
pub struct Draft {
    pub display_name: Option<String>,
    /// E.164.
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    pub password: Option<Zeroizing<String>>,
    /// A hash that another system made, in a form of `password`; instead of a password.
    pub password_hash: Option<String>,
    /// Those named are replaced; an empty value removes one.
    pub claims: Vec<(String, String)>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draft")
    }
}

/// A user as an administrator sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// With the domain, if there is one.
    pub name: String,
    pub display_name: Option<String>,
    pub number: Option<String>,
    pub opted_out: bool,
    pub locked: bool,
    pub claims: Vec<(String, String)>,
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
        let bare = self.bare(name).ok_or(NameRefused::Malformed)?;
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

    /// The name without the domain; `None` if it names another store.
    fn bare<'a>(&self, name: &'a str) -> Option<&'a str> {
        match name::split(name) {
            (Some(domain), bare) => (domain == self.domain).then_some(bare),
            (None, bare) => Some(bare),
        }
    }

    fn key(&self, name: &str) -> Option<String> {
        name::key(self.bare(name)?)
    }

    async fn user(&self, tenant: &TenantId, name: &str) -> Result<Option<User>, StoreError> {
        match self.key(name) {
            Some(key) => self.users.user(tenant, &self.domain, &key).await,
            None => Ok(None),
        }
    }

    async fn hash_of(&self, draft: &Draft) -> Result<Option<String>, DirectoryError> {
        if let Some(password) = &draft.password {
            return Ok(Some(self.hashed(password).await?));
        }
        if let Some(hash) = &draft.password_hash {
            Stored::parse(hash).map_err(|refused| StoreError::new(refused.to_string()))?;
        }
        Ok(draft.password_hash.clone())
    }

    async fn hashed(&self, password: &str) -> Result<String, DirectoryError> {
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return Err(
                StoreError::new(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes")).into(),
            );
        }
        let password = Zeroizing::new(password.to_owned());
        let salt = salt()?;
        let hash = self
            .hashing
            .run(move || password::hash(password.as_bytes(), &salt))
            .await
            .map_err(busy)?;
        hash.map_err(|error| StoreError::caused("a password cannot be hashed", error).into())
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

/// What came of comparing a password.
enum Compared {
    Wrong,
    /// With the hash that shall replace the stored one, if that is of an older form.
    Right(Option<String>),
}

/// Takes as long for a name nobody has, and as long or longer for hashes of older forms: those cost
/// one new hash on top, whether the password is right (it is replaced) or not (attack E-01).
fn compare(stored: Option<Stored>, password: &[u8], salt: &[u8; 16]) -> Compared {
    let Some(stored) = stored else {
        password::spend(password);
        return Compared::Wrong;
    };
    let right = stored.matches(password);
    if stored.is_current() {
        return if right {
            Compared::Right(None)
        } else {
            Compared::Wrong
        };
    }
    let replacement = password::hash(password, salt);
    if right {
        // An upgrade that fails leaves the old hash, which is still right.
        Compared::Right(replacement.ok())
    } else {
        Compared::Wrong
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
        let stored = seen.as_deref().and_then(|text| {
            Stored::parse(text)
                .inspect_err(|refused| {
                    tracing::warn!(%refused, "a user cannot sign in: the stored password is refused");
                })
                .ok()
        });
        let password = Zeroizing::new(password.to_owned());
        let salt = salt()?;
        let compared = self
            .hashing
            .run(move || compare(stored, password.as_bytes(), &salt))
            .await
            .map_err(busy)?;
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
        let mut claims = user.claims.clone();
        if let (Some(number), None) = (&user.number, claim(MOBILE_CLAIM)) {
            claims.push((MOBILE_CLAIM.to_owned(), number.clone()));
        }
        Ok(Profile {
            account: Some(self::account(&user)),
            locale: claim(LOCALE_CLAIM),
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
            password: Some(self.hashed(password).await?),
            ..Change::default()
        };
        self.change_account(tenant, account, change).await
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
        claims: user.claims,
    }
}

fn salt() -> Result<[u8; 16], StoreError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| StoreError::caused("the system gives no random bytes", error))?;
    Ok(salt)
}

fn busy(_: Busy) -> DirectoryError {
    DirectoryError::Busy
}
