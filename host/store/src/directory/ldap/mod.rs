//! A user store in an LDAP directory.
//!
//! A password is checked by binding with it, on a connection of its own; everything else is asked by
//! whoever the operator lets search. What the directory has no attribute for Postern keeps (`kept`).
//! The directory's own password policy decides first: whom it locks, nobody lets in here.

mod connection;
mod filter;
mod narrow;
mod policy;
mod settings;

pub use filter::{is_attribute, is_entry_name, is_filter};
pub use settings::{Groups, Scope, Settings};

use super::comparison;
use super::kept::Kept;
use super::mapping::{Found, Mapping};
use super::name::{self, Name, NameRefused};
use super::password::PASSWORD_BYTES_MAX;
use super::user_store::{Candidates, Draft, Record, UserStore};
use super::users::{User, Users};
use async_trait::async_trait;
use connection::{Fault, Query, Servers, Write, words};
use filter::Filter;
use ldap3::{LdapResult, Mod, SearchEntry};
use policy::Refusal;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::backup_claim::claimed_codes;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Entries that are looked at for one name. More than one is no user at all, so a few tell.
const MATCHES_MAX: usize = 8;
/// Entries that are gone through for one page of a list.
const LIST_MAX: usize = 1_000_000;
/// Groups of one user.
const GROUPS_MAX: usize = 1000;
/// Entry nobody has: a bind as it takes as many exchanges as any other.
const NOBODY: &str = "postern-nobody-2f6c1c0e";

/// How this store writes yes and no: LDAP's own Boolean syntax knows these two only.
const YES: &str = "TRUE";
const NO: &str = "FALSE";

/// One directory. A cheap handle.
#[derive(Clone)]
pub struct Ldap {
    parts: Arc<Parts>,
}

struct Parts {
    settings: Settings,
    domain: String,
    servers: Servers,
    kept: Kept,
    /// What a bind of somebody took lately, in microseconds.
    bind_takes: AtomicU64,
}

/// A user's entry.
struct Entry {
    entry_name: String,
    key: String,
    found: Found,
}

impl Ldap {
    /// `domain` is empty for the primary store. Connects to nothing yet.
    pub fn new(
        settings: Settings,
        tenant: TenantId,
        domain: &str,
        users: Arc<dyn Users>,
    ) -> Result<Self, DirectoryError> {
        let domain = if name::domain(domain).is_empty() {
            String::new()
        } else {
            name::secondary(domain)?
        };
        let called = if domain.is_empty() {
            "primary"
        } else {
            &domain
        };
        Ok(Self {
            parts: Arc::new(Parts {
                servers: Servers::new(called, settings.clone())?,
                kept: Kept::new(users, tenant, &domain),
                settings,
                domain,
                bind_takes: AtomicU64::new(0),
            }),
        })
    }

    fn mapping(&self) -> &Mapping {
        &self.parts.settings.mapping
    }

    fn kept(&self) -> &Kept {
        &self.parts.kept
    }

    /// The user a name means: by the attribute that names accounts, and only where nobody has it by
    /// the others. Several are none: whoever can write their own mail address must not become, nor
    /// lock out, somebody else.
    async fn entry(&self, tenant: &TenantId, name: &str) -> Result<Option<Entry>, DirectoryError> {
        self.entry_by(tenant, name, &self.parts.settings.login_attributes)
            .await
    }

    /// The user an account's name means: never by another attribute.
    async fn entry_named(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<Entry>, DirectoryError> {
        self.entry_by(tenant, name, &[]).await
    }

    async fn entry_by(
        &self,
        tenant: &TenantId,
        name: &str,
        others: &[String],
    ) -> Result<Option<Entry>, DirectoryError> {
        if tenant != self.kept().tenant() {
            return Ok(None);
        }
        let bare = name::bare(&self.parts.domain, name);
        let Some((asked, key)) = bare.and_then(|bare| Some((name::asked(bare)?, name::key(bare)?)))
        else {
            return Ok(None);
        };
        let naming = &self.parts.settings.name_attribute;
        let by = std::iter::once(naming)
            .chain(others)
            .map(|attribute| Filter::equal(attribute, &asked))
            .collect();
        let query = self.query(Filter::Or(by), MATCHES_MAX);
        let entries = self.parts.servers.search(&query).await?;
        // What is the same name is decided here and not by the directory's matching rules.
        let has = |entry: &Entry, attribute: &str| {
            entry
                .found
                .values(attribute)
                .any(|value| name::key(value).as_deref() == Some(key.as_str()))
        };
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter_map(|entry| self.read(entry))
            .collect();
        let (mut named, mut known): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| has(entry, naming));
        known.retain(|entry| others.iter().any(|attribute| has(entry, attribute)));
        let candidates = if named.is_empty() {
            &mut known
        } else {
            &mut named
        };
        if candidates.len() > 1 {
            tracing::warn!(
                store = %self.called(),
                entries = candidates.len(),
                "a name means several entries of the directory: nobody is signed in by it"
            );
            return Ok(None);
        }
        Ok(candidates.pop())
    }

    fn query(&self, who: Filter, entries_max: usize) -> Query {
        let settings = &self.parts.settings;
        let mut all: Vec<Filter> = settings
            .object_classes
            .first()
            .map(|class| Filter::equal("objectClass", class))
            .into_iter()
            .collect();
        all.push(who);
        all.extend(settings.filter.clone().map(Filter::Given));
        let mut attributes: Vec<String> = vec![settings.name_attribute.clone()];
        let others = settings.login_attributes.iter().map(String::as_str);
        for attribute in others.chain(self.mapping().attributes()) {
            if !attributes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(attribute))
            {
                attributes.push(attribute.to_owned());
            }
        }
        Query {
            base: settings.base.clone(),
            scope: settings.scope,
            filter: Filter::And(all).to_string(),
            attributes,
            entries_max,
        }
    }

    /// `None` for an entry whose name nobody could type: it is nobody's account here.
    fn read(&self, entry: SearchEntry) -> Option<Entry> {
        let naming = &self.parts.settings.name_attribute;
        let mut attributes: Vec<(String, String)> = Vec::new();
        for (attribute, values) in entry.attrs {
            attributes.extend(values.into_iter().map(|value| (attribute.clone(), value)));
        }
        let mut found = Found {
            name: String::new(),
            attributes,
        };
        // An entry with several names is one account, under the first in order.
        let (key, name) = found
            .values(naming)
            .filter_map(|value| Some((name::key(value)?, name::asked(value)?)))
            .min()?;
        found.name = name;
        // An empty name would bind anonymously.
        (!entry.dn.is_empty()).then_some(Entry {
            entry_name: entry.dn,
            key,
            found,
        })
    }

    fn called(&self) -> &str {
        if self.parts.domain.is_empty() {
            "primary"
        } else {
            &self.parts.domain
        }
    }

    fn account(&self, entry: &Entry) -> AccountRef {
        AccountRef {
            name: name::qualified(&self.parts.domain, &entry.found.name),
        }
    }

    fn writable(&self) -> Result<(), DirectoryError> {
        if self.parts.settings.read_only {
            Err(DirectoryError::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// What is kept of a user; that they have a number is kept from the first time it is seen.
    async fn kept_of(&self, entry: &Entry) -> Result<Option<User>, DirectoryError> {
        let kept = self.kept().of(&entry.key).await?;
        let number = self.mapping().number(&entry.found, kept.as_ref());
        if let Some(number) = number
            && !kept.as_ref().is_some_and(|kept| kept.had_factor)
        {
            self.kept()
                .remember_factor(&entry.key, &entry.found.name, &number)
                .await?;
            return Ok(self.kept().of(&entry.key).await?);
        }
        Ok(kept)
    }

    async fn write(&self, entry: &Entry, draft: &Draft) -> Result<(), DirectoryError> {
        let split = self.mapping().split(draft, YES, NO)?;
        if !split.attributes.is_empty() || draft.password.is_some() {
            self.writable()?;
        }
        if draft.password_hash.is_some() {
            return Err(DirectoryError::Refused(
                "a directory takes passwords, no hashes".to_owned(),
            ));
        }
        // First what the directory may refuse.
        if let Some(password) = &draft.password {
            self.set_password_of(entry, password).await?;
        }
        if !split.attributes.is_empty() {
            let changes = split.attributes.iter().map(|(attribute, value)| {
                let values: HashSet<String> = value.iter().cloned().collect();
                Mod::Replace(attribute.clone(), values)
            });
            let write = Write::Modify(entry.entry_name.clone(), changes.collect());
            self.done(self.parts.servers.write(write).await?)?;
        }
        if split.keeps_something() {
            self.kept()
                .change(&entry.key, &entry.found.name, &split.kept)
                .await?;
        }
        Ok(())
    }

    async fn set_password_of(&self, entry: &Entry, password: &str) -> Result<(), DirectoryError> {
        comparison::orderly(password)?;
        let write = Write::Password {
            entry: entry.entry_name.clone(),
            new: password.to_owned(),
        };
        let result = self.parts.servers.write(write).await?;
        match policy::read(&result.ctrls).refusal {
            Some(refusal) if result.rc != 0 => Err(DirectoryError::Refused(refusal.to_string())),
            _ => self.done(result),
        }
    }

    fn done(&self, result: LdapResult) -> Result<(), DirectoryError> {
        match result.rc {
            0 => Ok(()),
            // Constraint, syntax, object class: the directory does not take the value.
            19 | 21 | 65 => Err(DirectoryError::Refused(words(&result))),
            _ => Err(Fault::Said(result).into()),
        }
    }

    async fn change_account(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        draft: &Draft,
    ) -> Result<(), DirectoryError> {
        match self.entry_named(tenant, &account.name).await? {
            Some(entry) => self.write(&entry, draft).await,
            None => Err(StoreError::new("no such user in the user store").into()),
        }
    }

    /// Binds with the password, or, for a name nobody has, does what costs as much: the same
    /// exchanges, and not less time than a bind took lately (attack E-01).
    async fn bind(&self, entry: Option<&Entry>, password: &str) -> Result<LdapResult, Fault> {
        let began = Instant::now();
        let settings = &self.parts.settings;
        let nobody = || filter::child(&settings.name_attribute, NOBODY, &settings.base);
        let entry_name = entry.map_or_else(nobody, |entry| entry.entry_name.clone());
        let answer = self
            .parts
            .servers
            .bind(&entry_name, password, vec![policy::ask()])
            .await;
        let took = began.elapsed();
        let usual = Duration::from_micros(self.parts.bind_takes.load(Ordering::Relaxed));
        if entry.is_some() {
            // Three parts of what was, one of what is; an outage is no bind.
            if answer.is_ok() {
                let next = if usual.is_zero() {
                    took
                } else {
                    (usual * 3 + took) / 4
                };
                let next = u64::try_from(next.as_micros()).unwrap_or(0);
                self.parts.bind_takes.store(next, Ordering::Relaxed);
            }
        } else if took < usual {
            tokio::time::sleep(usual - took).await;
        }
        answer
    }
}

impl std::fmt::Debug for Ldap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ldap")
            .field("domain", &self.parts.domain)
            .field("settings", &self.parts.settings)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Directory for Ldap {
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        // An empty password is no password but the wish to be anonymous, which servers grant (attack
        // Nobody's is longer than the other bound, whatever the name: this tells nothing.
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX || password.contains('\0') {
            return Ok(PasswordCheck::Wrong);
        }
        let entry = self.entry(tenant, name).await?;
        let result = self.bind(entry.as_ref(), password).await?;
        let Some(entry) = entry else {
            return Ok(PasswordCheck::Wrong);
        };
        let account = self.account(&entry);
        let policy = policy::read(&result.ctrls);
        match (result.rc, policy.refusal) {
            (0, None) => {}
            (0, Some(refusal)) => {
                tracing::info!(account = %account.name, "the directory refuses a sign-in: {refusal}");
                return Ok(PasswordCheck::Locked(account));
            }
            // Wrong credentials, or an account that has no password, or none that may be used.
            (32 | 48 | 49 | 50 | 53 | 19, refusal) => {
                if let Some(refusal @ (Refusal::Locked | Refusal::Expired | Refusal::MustChange)) =
                    refusal
                {
                    tracing::info!(account = %account.name, "the directory refuses a sign-in: {refusal}");
                }
                return Ok(PasswordCheck::Wrong);
            }
            _ => return Err(Fault::Said(result).into()),
        }
        if let Some(left) = policy.graces_left {
            tracing::warn!(account = %account.name, left, "a password has expired: a few sign-ins are left");
        }
        let kept = self.kept_of(&entry).await?;
        if self.mapping().locked(&entry.found, kept.as_ref()) {
            return Ok(PasswordCheck::Locked(account));
        }
        Ok(PasswordCheck::Right(account))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        let entry = self.entry(tenant, name).await?;
        Ok(entry.map(|entry| self.account(&entry)))
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        let elsewhere = !domain.is_empty() && name::domain(domain) != self.parts.domain;
        if elsewhere || tenant != self.kept().tenant() {
            return Ok(None);
        }
        let Some(owner) = self.kept().linked(identity_provider, subject).await? else {
            return Ok(None);
        };
        // A link outlives an entry that was deleted in the directory; it must not lead anywhere.
        let entry = self.entry_named(tenant, &owner.name).await?;
        Ok(entry.map(|entry| self.account(&entry)))
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        let Some(entry) = self.entry_named(tenant, &account.name).await? else {
            return Ok(Profile::default());
        };
        let kept = self.kept_of(&entry).await?;
        Ok(Profile {
            password_changeable: !self.parts.settings.read_only,
            ..self
                .mapping()
                .profile(&self.parts.domain, &entry.found, kept.as_ref())
        })
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let Some(entry) = self.entry_named(tenant, &account.name).await? else {
            return Err(StoreError::new("no such user in the user store").into());
        };
        let kept = self.kept_of(&entry).await?;
        if let Some(known) = self.mapping().number(&entry.found, kept.as_ref()) {
            let same = known == number.e164();
            return Ok(if same {
                FirstNumber::Known
            } else {
                FirstNumber::Taken
            });
        }
        let claimed = self
            .kept()
            .claim_first_number(&entry.key, &entry.found.name, number.e164())
            .await?;
        if claimed != FirstNumber::Saved {
            return Ok(claimed);
        }
        let draft = Draft {
            number: Some(Some(number.e164().to_owned())),
            ..Draft::default()
        };
        let written = self.write(&entry, &draft).await;
        self.kept().settle_first_number(&entry.key, written).await
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let Some(entry) = self.entry_named(tenant, &account.name).await? else {
            return Err(StoreError::new("no such user in the user store").into());
        };
        let draft = Draft {
            number: Some(Some(number.e164().to_owned())),
            ..Draft::default()
        };
        self.write(&entry, &draft).await?;
        let kept = self.kept();
        Ok(kept
            .remember_factor(&entry.key, &entry.found.name, number.e164())
            .await?)
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        let draft = Draft {
            opted_out: Some(opted_out),
            ..Draft::default()
        };
        self.change_account(tenant, account, &draft).await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        match self.entry_named(tenant, &account.name).await? {
            Some(entry) => Ok(self.kept().links(&entry.key).await?),
            None => Ok(Vec::new()),
        }
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        match self.entry_named(tenant, &account.name).await? {
            Some(entry) => Ok(self.kept().unlink(&entry.key, association).await?),
            None => Ok(false),
        }
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        self.writable()?;
        match self.entry_named(tenant, &account.name).await? {
            Some(entry) => self.set_password_of(&entry, password).await,
            None => Err(StoreError::new("no such user in the user store").into()),
        }
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        let Some(attribute) = &self.mapping().backup_codes else {
            return Ok(None);
        };
        let Some(entry) = self.entry_named(tenant, &account.name).await? else {
            return Ok(None);
        };
        let values: Vec<&str> = entry.found.values(attribute).collect();
        let claim = values.join(",");
        // Read before it is taken: a claim that cannot be used stays for an administrator to see.
        let Some(codes) = claimed_codes(&claim)? else {
            return Ok(None);
        };
        if self.parts.settings.read_only {
            let (key, name) = (&entry.key, &entry.found.name);
            let taken = self.kept().take_claim(key, name, &claim).await?;
            return Ok(taken.then_some(codes));
        }
        // The values by name: whoever comes second finds them gone.
        let values = values.into_iter().map(str::to_owned).collect();
        let write = Write::Modify(
            entry.entry_name.clone(),
            vec![Mod::Delete(attribute.clone(), values)],
        );
        let result = self.parts.servers.write(write).await?;
        match result.rc {
            0 => Ok(Some(codes)),
            // No such attribute or value any more.
            16 => Ok(None),
            _ => Err(Fault::Said(result).into()),
        }
    }
}

#[async_trait]
impl UserStore for Ldap {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        self.writable()?;
        if tenant != self.kept().tenant() {
            return Ok(false);
        }
        let bare = name::bare(&self.parts.domain, name).ok_or(NameRefused::Malformed)?;
        let new = Name::parse(bare)?;
        if self.entry_named(tenant, bare).await?.is_some() {
            return Ok(false);
        }
        if draft.password_hash.is_some() {
            return Err(DirectoryError::Refused(
                "a directory takes passwords, no hashes".to_owned(),
            ));
        }
        let settings = &self.parts.settings;
        let entry_name = filter::child(&settings.name_attribute, &new.spelled, &settings.base);
        let split = self.mapping().split(draft, YES, NO)?;
        let mut attributes: Vec<(String, HashSet<String>)> = vec![
            (
                "objectClass".to_owned(),
                settings.object_classes.iter().cloned().collect(),
            ),
            (
                settings.name_attribute.clone(),
                HashSet::from([new.spelled.clone()]),
            ),
        ];
        let mut set = |attribute: &str, value: &str| {
            let there = attributes
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(attribute));
            if !there {
                attributes.push((attribute.to_owned(), HashSet::from([value.to_owned()])));
            }
        };
        for (attribute, value) in &split.attributes {
            if let Some(value) = value {
                set(attribute, value);
            }
        }
        // A person has these two; what stands in them is for people to read.
        let people = settings
            .object_classes
            .iter()
            .any(|class| class.to_ascii_lowercase().ends_with("person"));
        if people {
            let called = draft.display_name.as_deref().unwrap_or(&new.spelled);
            set("cn", called);
            set("sn", called.rsplit(' ').next().unwrap_or(called));
        }
        let result = self
            .parts
            .servers
            .write(Write::Add(entry_name.clone(), attributes))
            .await?;
        // 68: there is one already.
        if result.rc == 68 {
            return Ok(false);
        }
        self.done(result)?;
        let entry = Entry {
            entry_name: entry_name.clone(),
            key: new.key,
            found: Found {
                name: new.spelled,
                attributes: Vec::new(),
            },
        };
        // What is kept of a namesake who is gone is not the new one's.
        self.kept().forget(&entry.key).await?;
        if let Some(password) = &draft.password
            && let Err(error) = self.set_password_of(&entry, password).await
        {
            let undone = self.parts.servers.write(Write::Delete(entry_name)).await;
            if !matches!(&undone, Ok(result) if result.rc == 0) {
                tracing::warn!(store = %self.called(), "an entry without a password was left in the directory");
            }
            return Err(error);
        }
        if split.keeps_something() {
            self.kept()
                .change(&entry.key, &entry.found.name, &split.kept)
                .await?;
        }
        Ok(true)
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let Some(entry) = self.entry_named(tenant, name).await? else {
            return Ok(false);
        };
        // What was there is remembered before it goes.
        self.kept_of(&entry).await?;
        self.write(&entry, draft).await?;
        Ok(true)
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        self.writable()?;
        let Some(entry) = self.entry_named(tenant, name).await? else {
            return Ok(false);
        };
        let write = Write::Delete(entry.entry_name.clone());
        let result = self.parts.servers.write(write).await?;
        // 32: somebody else was quicker.
        let there_was = result.rc != 32;
        if there_was {
            self.done(result)?;
        }
        self.kept().forget(&entry.key).await?;
        Ok(there_was)
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        let Some(entry) = self.entry_named(tenant, name).await? else {
            return Ok(None);
        };
        let kept = self.kept().of(&entry.key).await?;
        let domain = &self.parts.domain;
        Ok(Some(self.mapping().record(
            domain,
            &entry.found,
            kept.as_ref(),
        )))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        if tenant != self.kept().tenant() {
            return Ok(Vec::new());
        }
        let from = from
            .and_then(|name| name::bare(&self.parts.domain, name))
            .and_then(name::key);
        // Few directories sort, so everybody is gone through, and the first ones are kept.
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let query = self.query(Filter::Given(PRESENT.to_owned()), LIST_MAX);
        let mut first: BTreeMap<String, Entry> = BTreeMap::new();
        let servers = &self.parts.servers;
        servers
            .search_all(&query, |entry| {
                let Some(entry) = self.read(entry) else {
                    return;
                };
                let after = from.as_ref().is_none_or(|from| entry.key > *from);
                let full = first.len() >= rows_max;
                let before = first.last_key_value();
                if after && (!full || before.is_some_and(|(last, _)| entry.key < *last)) {
                    first.insert(entry.key.clone(), entry);
                    if first.len() > rows_max {
                        first.pop_last();
                    }
                }
            })
            .await?;
        let entries: Vec<Entry> = first.into_values().collect();
        let mut records = Vec::with_capacity(entries.len());
        for entry in &entries {
            let kept = self.kept().of(&entry.key).await?;
            let domain = &self.parts.domain;
            records.push(self.mapping().record(domain, &entry.found, kept.as_ref()));
        }
        Ok(records)
    }

    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        match self.entry_named(tenant, name).await? {
            Some(entry) => Ok(self
                .kept()
                .link(&entry.key, &entry.found.name, identity_provider, subject)
                .await?),
            None => Ok(false),
        }
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        let Some(groups) = &self.parts.settings.groups else {
            return Ok(Vec::new());
        };
        let Some(entry) = self.entry_named(tenant, name).await? else {
            return Ok(Vec::new());
        };
        let filter = Filter::And(vec![
            Filter::equal("objectClass", &groups.object_class),
            Filter::equal(&groups.member_attribute, &entry.entry_name),
        ]);
        let query = Query {
            base: groups.base.clone(),
            scope: Scope::Subtree,
            filter: filter.to_string(),
            attributes: vec![groups.name_attribute.clone()],
            entries_max: GROUPS_MAX,
        };
        let found = self.parts.servers.search(&query).await?;
        let mut names: Vec<String> = found
            .into_iter()
            .filter_map(|group| {
                group
                    .attrs
                    .into_iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(&groups.name_attribute))
                    .and_then(|(_, values)| values.into_iter().next())
            })
            .collect();
        names.sort();
        Ok(names)
    }

    async fn candidates(
        &self,
        tenant: &TenantId,
        condition: &Condition,
        rows_max: usize,
    ) -> Result<Option<Candidates>, DirectoryError> {
        if tenant != self.kept().tenant() {
            return Ok(None);
        }
        let narrow = narrow::Narrow {
            naming: &self.parts.settings.name_attribute,
            mapping: self.mapping(),
            kept: self.kept(),
        };
        let Some(who) = narrow.filter(condition).await? else {
            return Ok(None);
        };
        // One more tells that there are more.
        let query = self.query(who, rows_max.saturating_add(1));
        let mut found = Vec::new();
        let servers = &self.parts.servers;
        let all = servers
            .search_all(&query, |entry| found.push(entry))
            .await?;
        let all = all && found.len() <= rows_max;
        let mut entries: Vec<Entry> = found
            .into_iter()
            .filter_map(|entry| self.read(entry))
            .collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries.truncate(rows_max);
        let mut records = Vec::with_capacity(entries.len());
        for entry in &entries {
            let kept = self.kept().of(&entry.key).await?;
            let domain = &self.parts.domain;
            records.push(self.mapping().record(domain, &entry.found, kept.as_ref()));
        }
        Ok(Some(Candidates { records, all }))
    }

    fn takes_users(&self) -> bool {
        self.writable().is_ok()
    }

    async fn probe(&self) -> Result<(), DirectoryError> {
        self.parts.servers.probe().await?;
        // And that whoever searches may do so.
        let query = self.query(
            Filter::equal(&self.parts.settings.name_attribute, NOBODY),
            1,
        );
        self.parts.servers.search(&query).await?;
        Ok(())
    }
}

/// Everybody.
const PRESENT: &str = "(objectClass=*)";
