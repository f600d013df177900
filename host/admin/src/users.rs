//! Accounts as administrators see them, and what they do to them.

use crate::{Act, Actor, AdminError, Administration, Password, Proof, Role, act};
use async_trait::async_trait;
use postern_federation::scim::People;
use postern_login::TenantId;
use postern_login::audit::What;
use postern_login::error::StoreError;
use postern_login::ports::{AccountRef, DirectoryError, Subject};
use postern_login::session::Session;
use postern_otp::lock::{Ledger, Standing};
use postern_otp::{BackupCode, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserRecord {
    pub name: String,
    pub display_name: Option<String>,
    /// E.164; callers mask it where it is shown.
    pub number: Option<String>,
    pub opted_out: bool,
    pub locked: bool,
    pub claims: Vec<(String, String)>,
}

/// A user store, as far as somebody needs to know it who makes a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFacts {
    /// Empty for the primary one.
    pub domain: String,
    /// Users can be made and deleted here.
    pub takes_users: bool,
}

/// A new account, or what of an account shall change (`None`: leave).
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub display_name: Option<String>,
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    pub password: Option<String>,
    pub claims: Vec<(String, String)>,
}

/// Users of every store, by name or `DOMAIN/name`. What a store does not allow is
/// `DirectoryError::ReadOnly`; a new user without a domain is the primary store's.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// False if the name is taken.
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError>;
    /// False if there is no such user.
    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError>;
    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError>;
    async fn get(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<UserRecord>, DirectoryError>;
    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<UserRecord>, DirectoryError>;
    /// The stores there are, the primary one first.
    fn stores(&self, _tenant: &TenantId) -> Vec<StoreFacts> {
        Vec::new()
    }
    /// Links (identity provider, subject) to the account.
    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError>;
    /// The groups the user is in, by name; none where the store knows no groups.
    async fn groups(&self, _tenant: &TenantId, _name: &str) -> Result<Vec<String>, DirectoryError> {
        Ok(Vec::new())
    }
}

/// An account as it was asked for: the number as typed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserEdit {
    pub display_name: Option<String>,
    /// `Some(None)` removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    /// Lifts the lock that too many wrong codes brought.
    pub unlock_codes: bool,
    pub password: Option<Password>,
    /// Claim URI and value; an empty value removes it.
    pub claims: Vec<(String, String)>,
}

impl std::fmt::Debug for UserEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserEdit")
    }
}

/// Absent leaves, `null` removes, a text sets.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// An account, and all that hangs on it.
#[derive(Debug, Clone)]
pub struct UserView {
    pub record: UserRecord,
    /// How the factor stands: failures, locks.
    pub ledger: Ledger,
    pub backup_codes_left: u32,
    pub sessions: Vec<Session>,
    /// If the account administers.
    pub role: Option<Role>,
}

/// The same for whoever reads it outside a page: without the sessions' ids, which are as good as the
/// sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserShown {
    pub user: UserRecord,
    /// Wrong codes keep the factor from working now.
    pub codes_locked: bool,
    /// Until when, in seconds since 1970; `None` also for a lock that only an administrator lifts.
    pub codes_locked_until: Option<u64>,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    pub backup_codes_left: u32,
    pub sessions: Vec<SessionShown>,
    pub role: Option<Role>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionShown {
    pub name: String,
    /// Seconds since 1970.
    pub since: u64,
    pub address: String,
    pub user_agent: String,
}

impl UserView {
    fn shown(self, now: Timestamp) -> UserShown {
        let standing = self.ledger.standing(now);
        UserShown {
            codes_locked: standing != Standing::Free,
            codes_locked_until: match standing {
                Standing::Locked { until } => Some(until.unix_seconds()),
                Standing::Free | Standing::Disabled => None,
            },
            failures_in_a_row: self.ledger.in_a_row,
            backup_codes_left: self.backup_codes_left,
            sessions: self.sessions.into_iter().map(SessionShown::from).collect(),
            role: self.role,
            user: self.record,
        }
    }
}

impl From<Session> for SessionShown {
    fn from(session: Session) -> Self {
        Self {
            name: session.name,
            since: session.authenticated_at.unix_seconds(),
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

/// Users that were found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    pub users: Vec<UserRecord>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
}

/// Accounts one search looks at. A directory with more is searched by the beginning of names, page
/// after page.
const SEARCHED_MAX: usize = 5_000;
const PAGE: u32 = 500;
const BACKUP_CODES: usize = 10;

impl Administration {
    /// Those whose name, display name or number contains `search`, by name.
    pub async fn user_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        search: &str,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Found, AdminError> {
        self.allow(actor, tenant, act::USER_LIST, None).await?;
        let wanted = search.trim().to_lowercase();
        if wanted.is_empty() {
            let users = self.ports.accounts.list(tenant, from, rows_max).await?;
            let full = users.len() >= rows_max as usize;
            let next = users.last().filter(|_| full).map(|user| user.name.clone());
            return Ok(Found { users, next });
        }
        let contains = |text: &str| text.to_lowercase().contains(&wanted);
        let matches = |user: &UserRecord| {
            contains(&user.name)
                || user.display_name.as_deref().is_some_and(contains)
                || user.number.as_deref().is_some_and(contains)
        };
        let mut users = Vec::new();
        // Whoever types a whole name finds it, however many come before.
        if from.is_none()
            && let Some(user) = self.ports.accounts.get(tenant, search.trim()).await?
        {
            users.push(user);
        }
        let mut from = from.map(str::to_owned);
        let mut searched = 0;
        loop {
            let page = self
                .ports
                .accounts
                .list(tenant, from.as_deref(), PAGE)
                .await?;
            let (full, count) = (page.len() >= PAGE as usize, page.len());
            for user in page {
                from = Some(user.name.clone());
                if matches(&user) && !users.iter().any(|known| known.name == user.name) {
                    users.push(user);
                }
                if users.len() >= rows_max as usize {
                    return Ok(Found { users, next: from });
                }
            }
            searched += count;
            if !full {
                return Ok(Found { users, next: None });
            }
            if searched >= SEARCHED_MAX {
                return Ok(Found { users, next: from });
            }
        }
    }

    /// Where a user can be made.
    pub async fn user_stores(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<StoreFacts>, AdminError> {
        self.allow(actor, tenant, act::USER_LIST, None).await?;
        Ok(self.ports.accounts.stores(tenant))
    }

    pub async fn user_show(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<UserView, AdminError> {
        self.allow(actor, tenant, act::USER_SHOW, Some(name))
            .await?;
        let record = self.ports.accounts.get(tenant, name).await?;
        let record = record.ok_or_else(|| AdminError::no_user(name))?;
        let subject = subject(tenant, &record.name);
        let role = self.role_of(tenant, &record.name).await?;
        Ok(UserView {
            ledger: self.ports.attempts.ledger(&subject).await?,
            backup_codes_left: self.ports.backup_codes.remaining(&subject).await?,
            sessions: self.ports.sessions.all_of(&subject, self.now()).await?,
            role,
            record,
        })
    }

    /// As `user_show`, for a program.
    pub async fn user_shown(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<UserShown, AdminError> {
        let view = self.user_show(actor, tenant, name).await?;
        Ok(view.shown(self.now()))
    }

    pub async fn user_add(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
        edit: &UserEdit,
    ) -> Result<(), AdminError> {
        let act = act::USER_ADD;
        self.allow(actor, tenant, act, Some(name)).await?;
        let orderly = (1..=128).contains(&name.len())
            && !name.chars().any(|c| c.is_control() || c.is_whitespace());
        if !orderly {
            return Err(AdminError::Invalid(format!(
                "`{}` is no user name: expected 1 to 128 characters without spaces",
                name.escape_debug()
            )));
        }
        // Who provisions users may give them none: they cannot sign in with one until they get it.
        if edit.password.is_none() && actor.proof != Proof::Client {
            return Err(AdminError::Invalid(format!(
                "user `{name}` needs a password"
            )));
        }
        // A role outlives an account that is deleted by another door; whoever makes users would make an
        // administrator.
        if let Some(left) = self.role_left_for(tenant, name).await? {
            return Err(AdminError::InUse {
                name: name.to_owned(),
                by: vec![format!(
                    "the console, as {}, from before the account was gone",
                    left.as_str()
                )],
            });
        }
        let (change, details) = self.read_edit(tenant, edit).await?;
        self.announce(actor, tenant, act, Some(name), details)
            .await?;
        let outcome = self.make(tenant, name, &change).await;
        self.conclude(actor, tenant, act, Some(name), outcome).await
    }

    async fn make(
        &self,
        tenant: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<(), AdminError> {
        if !self.ports.accounts.create(tenant, name, change).await? {
            return Err(AdminError::Exists {
                what: "user",
                name: name.to_owned(),
            });
        }
        // A name alone was made in the primary store, whoever else has it.
        let whole = if name.contains('/') {
            name.to_owned()
        } else {
            format!("PRIMARY/{name}")
        };
        let account = self.account(tenant, &whole).await?;
        // Whoever had the name before, and went by another door, gets in with no code of theirs.
        let subject = subject(tenant, &account.name);
        let replaced = self.ports.backup_codes.replace(&subject, &[], self.now());
        Ok(replaced.await?)
    }

    /// An administrator's word holds at once: a code on its way to the old number is dead (attack
    /// B-04), and a locked account or one with a new password keeps no session.
    pub async fn user_set(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
        edit: &UserEdit,
    ) -> Result<(), AdminError> {
        self.change_user(actor, tenant, act::USER_SET, name, edit)
            .await
    }

    pub async fn user_passwd(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
        password: Password,
    ) -> Result<(), AdminError> {
        let edit = UserEdit {
            password: Some(password),
            ..UserEdit::default()
        };
        self.change_user(actor, tenant, act::USER_PASSWD, name, &edit)
            .await
    }

    pub async fn user_lock(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<(), AdminError> {
        let edit = UserEdit {
            locked: Some(true),
            ..UserEdit::default()
        };
        self.change_user(actor, tenant, act::USER_LOCK, name, &edit)
            .await
    }

    /// Lifts the administrator's lock and the one that wrong codes brought. Failures are counted
    /// anew, not forgotten silently (attack D-03).
    pub async fn user_unlock(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<(), AdminError> {
        let edit = UserEdit {
            locked: Some(false),
            unlock_codes: true,
            ..UserEdit::default()
        };
        self.change_user(actor, tenant, act::USER_UNLOCK, name, &edit)
            .await
    }

    /// Lifts the locks that wrong codes brought to everybody, after an attack that locked many; who
    /// that was, in order. Failures are counted anew and the next lock is a longer one, so that whoever
    /// locked them gains no guesses by it (attack D-03). Each has an audit event of its own.
    pub async fn user_unlock_all(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<String>, AdminError> {
        let act = act::USER_UNLOCK_ALL;
        self.allow(actor, tenant, act, None).await?;
        self.announce(actor, tenant, act, None, Vec::new()).await?;
        let outcome = self.unlock_all(actor, tenant).await;
        self.conclude(actor, tenant, act, None, outcome).await
    }

    async fn unlock_all(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<String>, AdminError> {
        let unlocked = self.ports.attempts.unlock_all(tenant, self.now()).await?;
        let mut names: Vec<String> = unlocked.iter().map(name_of).collect();
        names.sort();
        for on in &names {
            let what = What::FactorUnlocked { on: on.clone() };
            self.record(actor, tenant, what).await?;
        }
        Ok(names)
    }

    /// Ten new ones, told once; all earlier ones are dead.
    pub async fn user_backup_codes(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Vec<String>, AdminError> {
        let act = act::USER_BACKUP_CODES;
        self.allow(actor, tenant, act, Some(name)).await?;
        let account = self.account(tenant, name).await?;
        let mut codes = Vec::with_capacity(BACKUP_CODES);
        while codes.len() < BACKUP_CODES {
            if let Some(code) = BackupCode::from_entropy(&self.random::<32>()?) {
                codes.push(code);
            }
        }
        self.announce(actor, tenant, act, Some(&account.name), Vec::new())
            .await?;
        let outcome = self
            .replace_backup_codes(tenant, &account, &codes)
            .await
            .map(|()| codes.iter().map(BackupCode::display).collect());
        self.conclude(actor, tenant, act, Some(&account.name), outcome)
            .await
    }

    async fn replace_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        codes: &[BackupCode],
    ) -> Result<(), AdminError> {
        // Those a user store still holds in a claim are dead with all others.
        self.ports
            .directory
            .take_backup_codes(tenant, account)
            .await?;
        let subject = subject(tenant, &account.name);
        let replaced = self.ports.backup_codes.replace(&subject, codes, self.now());
        Ok(replaced.await?)
    }

    /// How many there were, consoles included.
    pub async fn user_end_sessions(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<u64, AdminError> {
        let act = act::USER_END_SESSIONS;
        self.allow(actor, tenant, act, Some(name)).await?;
        let account = self.account(tenant, name).await?;
        self.announce(actor, tenant, act, Some(&account.name), Vec::new())
            .await?;
        let outcome = self.end_sessions(tenant, &account.name).await;
        self.conclude(actor, tenant, act, Some(&account.name), outcome)
            .await
    }

    /// Refused while the account administers.
    pub async fn user_delete(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<(), AdminError> {
        let act = act::USER_DELETE;
        self.allow(actor, tenant, act, Some(name)).await?;
        let account = self.account(tenant, name).await?;
        if let Some(role) = self.role_of(tenant, &account.name).await? {
            return Err(AdminError::InUse {
                name: account.name,
                by: vec![format!("the console, as {}", role.as_str())],
            });
        }
        self.announce(actor, tenant, act, Some(&account.name), Vec::new())
            .await?;
        let outcome = self.delete(tenant, &account).await;
        self.conclude(actor, tenant, act, Some(&account.name), outcome)
            .await
    }

    async fn delete(&self, tenant: &TenantId, account: &AccountRef) -> Result<(), AdminError> {
        if !self.ports.accounts.delete(tenant, &account.name).await? {
            return Err(AdminError::no_user(&account.name));
        }
        self.end_all(tenant, account).await?;
        // Whoever gets the name next must not get in with the codes of the one before.
        self.ports
            .backup_codes
            .replace(&subject(tenant, &account.name), &[], self.now())
            .await?;
        Ok(())
    }

    async fn change_user(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        act: Act,
        name: &str,
        edit: &UserEdit,
    ) -> Result<(), AdminError> {
        self.allow(actor, tenant, act, Some(name)).await?;
        let (change, details) = self.read_edit(tenant, edit).await?;
        let account = self.account(tenant, name).await?;
        self.no_administrator_for_clients(actor, tenant, &account)
            .await?;
        let is_actor = *tenant == TenantId::super_tenant() && actor.who == account.name;
        if change.locked == Some(true) && is_actor {
            return Err(AdminError::Invalid(
                "nobody locks their own account: another administrator can".to_owned(),
            ));
        }
        self.announce(actor, tenant, act, Some(&account.name), details)
            .await?;
        let mut outcome = self.apply_change(tenant, &account, &change).await;
        if outcome.is_ok() && edit.unlock_codes {
            let subject = subject(tenant, &account.name);
            let unlocked = self.ports.attempts.unlock(&subject).await;
            outcome = unlocked.map_err(AdminError::from);
        }
        self.conclude(actor, tenant, act, Some(&account.name), outcome)
            .await
    }

    /// Else a client's token would be worth a console: it could give an administrator a password and a
    /// number of its own.
    async fn no_administrator_for_clients(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<(), AdminError> {
        if actor.proof == Proof::Client
            && let Some(role) = self.role_of(tenant, &account.name).await?
        {
            return Err(AdminError::InUse {
                name: account.name.clone(),
                by: vec![format!("the console, as {}", role.as_str())],
            });
        }
        Ok(())
    }

    /// What whoever provisions the user calls them (`externalId`): a change like any other.
    pub async fn user_name_outside(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
        people: &dyn People,
        external_id: Option<&str>,
    ) -> Result<(), AdminError> {
        let act = act::USER_SET;
        self.allow(actor, tenant, act, Some(name)).await?;
        let account = self.account(tenant, name).await?;
        self.no_administrator_for_clients(actor, tenant, &account)
            .await?;
        let details = vec!["external id".to_owned()];
        self.announce(actor, tenant, act, Some(&account.name), details)
            .await?;
        let named = people.set_external_id(tenant.as_str(), &account.name, external_id);
        let outcome = named.await.map_err(|error| {
            AdminError::Unavailable(StoreError {
                what: error.what,
                source: error.source,
            })
        });
        self.conclude(actor, tenant, act, Some(&account.name), outcome)
            .await
    }

    pub(crate) async fn apply_change(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        change: &UserChange,
    ) -> Result<(), AdminError> {
        let accounts = &self.ports.accounts;
        if !accounts.change(tenant, &account.name, change).await? {
            return Err(AdminError::no_user(&account.name));
        }
        let ends = change.locked == Some(true) || change.password.is_some();
        if ends || change.number.is_some() {
            let (logins, sessions) = match ends {
                true => self.end_all(tenant, account).await?,
                false => {
                    let logins = &self.ports.logins;
                    (logins.close_logins_of(tenant, account, None).await?, 0)
                }
            };
            tracing::info!(account = %account.name, logins, sessions, "an account was changed: what was open is closed");
        }
        Ok(())
    }

    /// The account's logins, and its sessions before and after: no login begins from one of these any
    /// more, and a login that became one until it was to be closed ends too.
    async fn end_all(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<(u64, u64), AdminError> {
        let before = self.end_sessions(tenant, &account.name).await;
        let logins = &self.ports.logins;
        let logins = logins.close_logins_of(tenant, account, None).await?;
        let after = self.end_sessions(tenant, &account.name).await?;
        Ok((logins, before? + after))
    }

    pub(crate) async fn end_sessions(
        &self,
        tenant: &TenantId,
        account: &str,
    ) -> Result<u64, AdminError> {
        let whose = subject(tenant, account);
        let sessions = self.ports.sessions.close_all_of(&whose, None);
        let consoles = self.close_consoles_of(tenant, account);
        Ok(sessions.await? + consoles.await?)
    }

    pub(crate) async fn account(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<AccountRef, AdminError> {
        let account = self.ports.directory.find(tenant, name).await?;
        account.ok_or_else(|| AdminError::no_user(name))
    }

    /// What to write, and the names of what changes, for the audit log.
    async fn read_edit(
        &self,
        tenant: &TenantId,
        edit: &UserEdit,
    ) -> Result<(UserChange, Vec<String>), AdminError> {
        let mut details = Vec::new();
        let number = match &edit.number {
            None => None,
            Some(None) => {
                details.push("number removed".to_owned());
                Some(None)
            }
            Some(Some(typed)) => {
                let number = self.read_number(tenant, typed).await?;
                details.push(format!("number {}", number.masked()));
                Some(Some(number.e164().to_owned()))
            }
        };
        if let Some(password) = &edit.password {
            password.check()?;
            details.push("password".to_owned());
        }
        if let Some(name) = &edit.display_name {
            if name.chars().count() > 200 || name.chars().any(char::is_control) {
                return Err(AdminError::Invalid(
                    "the display name is no name: expected at most 200 characters in one line"
                        .to_owned(),
                ));
            }
            details.push("display name".to_owned());
        }
        if let Some(opted_out) = edit.opted_out {
            details.push(format!("opted out: {opted_out}"));
        }
        if let Some(locked) = edit.locked {
            details.push(format!("locked: {locked}"));
        }
        if edit.unlock_codes {
            details.push("lock by wrong codes lifted".to_owned());
        }
        for (uri, value) in &edit.claims {
            let orderly = (1..=256).contains(&uri.len())
                && value.len() <= 4096
                && !uri.chars().chain(value.chars()).any(char::is_control);
            if !orderly {
                return Err(AdminError::Invalid(format!(
                    "the claim `{}` cannot be kept: expected a URI of at most 256 and a value of at most 4096 bytes in one line",
                    uri.escape_debug()
                )));
            }
            details.push(format!("claim {uri}"));
        }
        let change = UserChange {
            display_name: edit.display_name.clone(),
            number,
            opted_out: edit.opted_out,
            locked: edit.locked,
            password: edit.password.as_ref().map(|p| p.expose().to_owned()),
            claims: edit.claims.clone(),
        };
        Ok((change, details))
    }
}

/// What an administrator calls the subject. A number is known by its hash alone.
fn name_of(subject: &Subject) -> String {
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

pub(crate) fn subject(tenant: &TenantId, account: &str) -> Subject {
    Subject::Account {
        tenant: tenant.clone(),
        account: account.to_owned(),
    }
}
