//! A user store in somebody else's database: PostgreSQL or SQLite, by the operator's queries.
//!
//! Passwords are compared here, as those of Postern's own users are. What there is no query for
//! Postern keeps itself (`kept`) if it has no attribute, and refuses if it has one.

mod database;
mod queries;
mod settings;

pub use queries::Queries;
pub use settings::{NewHashes, Scheme, Settings, Wso2Digest};

use super::comparison::{self, Compared};
use super::hashing::Hashing;
use super::kept::Kept;
use super::mapping::{Found, Mapping};
use super::name::{self, Name, NameRefused};
use super::password::{self, PASSWORD_BYTES_MAX, Stored};
use super::user_store::{Draft, Record, UserStore};
use super::users::{User, Users};
use async_trait::async_trait;
use database::{Bound, Database, Line, Step, Written};
use postern_login::TenantId;
use postern_login::backup_claim::claimed_codes;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Rows of one name that are looked at. More than one is no user at all.
const MATCHES_MAX: usize = 8;
/// Further attributes, links and groups of one user.
const ROWS_MAX: usize = 1000;
/// A name nobody has, to try queries with.
const NOBODY: &str = "postern-nobody-2f6c1c0e";

const YES: &str = "true";
const NO: &str = "false";

/// One database. A cheap handle.
#[derive(Clone)]
pub struct Sql {
    parts: Arc<Parts>,
}

struct Parts {
    settings: Settings,
    domain: String,
    database: Database,
    hashing: Hashing,
    kept: Kept,
}

/// A user's row.
struct Person {
    found: Found,
    /// In a form of `password`.
    password: Option<String>,
    /// As the column has it.
    password_column: Option<String>,
}

impl Sql {
    /// `domain` is empty for the primary store. Connects to nothing yet.
    pub fn new(
        settings: Settings,
        tenant: TenantId,
        domain: &str,
        users: Arc<dyn Users>,
        hashing: Hashing,
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
                database: Database::new(called, settings.clone())?,
                kept: Kept::new(users, tenant, &domain),
                settings,
                domain,
                hashing,
            }),
        })
    }

    fn queries(&self) -> &Queries {
        &self.parts.settings.queries
    }

    fn mapping(&self) -> &Mapping {
        &self.parts.settings.mapping
    }

    fn kept(&self) -> &Kept {
        &self.parts.kept
    }

    fn database(&self) -> &Database {
        &self.parts.database
    }

    fn called(&self) -> &str {
        if self.parts.domain.is_empty() {
            "primary"
        } else {
            &self.parts.domain
        }
    }

    /// The row of a name, without what another query would add.
    async fn row(&self, tenant: &TenantId, name: &str) -> Result<Option<Person>, DirectoryError> {
        if tenant != self.kept().tenant() {
            return Ok(None);
        }
        let bare = name::bare(&self.parts.domain, name);
        let Some((asked, key)) = bare.and_then(|bare| Some((name::asked(bare)?, name::key(bare)?)))
        else {
            return Ok(None);
        };
        let lines = self
            .database()
            .rows(&self.queries().find, &[Bound::Text(asked)], MATCHES_MAX)
            .await?;
        let mut people = Vec::new();
        for line in lines {
            let person = self.read("find", line)?;
            // What is the same name is decided here and not by the query: a pattern or a collation
            // that is too generous must not sign in anybody else.
            if name::key(&person.found.name).as_deref() == Some(key.as_str()) {
                people.push(person);
            }
        }
        if people.len() > 1 {
            tracing::warn!(
                store = %self.called(),
                rows = people.len(),
                "a name means several rows of the database: nobody is signed in by it"
            );
            return Ok(None);
        }
        Ok(people.pop())
    }

    async fn person(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<Person>, DirectoryError> {
        let Some(mut person) = self.row(tenant, name).await? else {
            return Ok(None);
        };
        self.add_claims(&mut person.found).await?;
        Ok(Some(person))
    }

    async fn known(&self, tenant: &TenantId, name: &str) -> Result<Person, DirectoryError> {
        self.person(tenant, name)
            .await?
            .ok_or_else(|| StoreError::new("no such user in the user store").into())
    }

    fn read(&self, query: &str, mut line: Line) -> Result<Person, DirectoryError> {
        let name = line.take("name").ok_or_else(|| {
            StoreError::new(format!(
                "user store `{}`: the query `{query}` gives no column `name`, or NULL in it",
                self.called()
            ))
        })?;
        let (password_column, salt) = (line.take("password"), line.take("salt"));
        let scheme = self.parts.settings.scheme;
        let password = password_column
            .clone()
            .filter(|text| !text.is_empty())
            .map(|text| scheme.text(text, salt.as_deref()));
        let attributes = line
            .0
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?)))
            .collect();
        Ok(Person {
            found: Found { name, attributes },
            password,
            password_column,
        })
    }

    async fn add_claims(&self, found: &mut Found) -> Result<(), DirectoryError> {
        let Some(query) = &self.queries().claims else {
            return Ok(());
        };
        let whose = [Bound::text(&found.name)];
        for mut line in self.database().rows(query, &whose, ROWS_MAX).await? {
            if let (Some(claim), Some(value)) = (line.take("claim"), line.take("value")) {
                found.attributes.push((claim, value));
            }
        }
        Ok(())
    }

    fn account(&self, found: &Found) -> AccountRef {
        AccountRef {
            name: name::qualified(&self.parts.domain, &found.name),
        }
    }

    fn writable(&self) -> Result<(), DirectoryError> {
        if self.parts.settings.read_only {
            Err(DirectoryError::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// The statements of a query that the operator may not have given.
    fn allowed<'a>(&self, statements: &'a [String]) -> Result<&'a [String], DirectoryError> {
        self.writable()?;
        if statements.is_empty() {
            Err(DirectoryError::ReadOnly)
        } else {
            Ok(statements)
        }
    }

    /// What is kept of a user; that they have a number is kept from the first time it is seen.
    async fn kept_of(&self, found: &Found) -> Result<Option<User>, DirectoryError> {
        let kept = self.kept().of(&found.name).await?;
        let number = self.mapping().number(found, kept.as_ref());
        if let Some(number) = number
            && !kept.as_ref().is_some_and(|kept| kept.had_factor)
        {
            self.kept()
                .remember_factor(&found.name, &found.name, &number)
                .await?;
            return Ok(self.kept().of(&found.name).await?);
        }
        Ok(kept)
    }

    /// The step that writes an attribute: its own query if there is one, the general one otherwise.
    fn step(
        &self,
        name: &str,
        attribute: &str,
        value: Option<&str>,
    ) -> Result<Step<'_>, DirectoryError> {
        let (mapping, queries) = (self.mapping(), self.queries());
        let own = [
            (&mapping.mobile, &queries.set_number),
            (&mapping.display_name, &queries.set_display_name),
            (&mapping.opt_out, &queries.set_opt_out),
            (&mapping.locked, &queries.set_locked),
        ];
        let own = own
            .into_iter()
            .find(|(mapped, query)| mapped.as_deref() == Some(attribute) && !query.is_empty());
        let (name, value) = (Bound::text(name), Bound::optional(value));
        Ok(match own {
            Some((_, query)) => Step {
                statements: self.allowed(query)?,
                values: vec![name, value],
            },
            None => Step {
                statements: self.allowed(&queries.set_attribute)?,
                values: vec![name, Bound::text(attribute), value],
            },
        })
    }

    async fn password_step(&self, name: &str, password: &str) -> Result<Step<'_>, DirectoryError> {
        let statements = self.allowed(&self.queries().set_password)?;
        let (hash, salt) = self.columns(password).await?;
        Ok(Step {
            statements,
            values: vec![Bound::text(name), Bound::Text(hash), Bound::Text(salt)],
        })
    }

    /// A new password's two columns.
    async fn columns(&self, password: &str) -> Result<(String, String), DirectoryError> {
        comparison::orderly(password)?;
        match (self.parts.settings.new_hashes, self.parts.settings.scheme) {
            (NewHashes::AsStored, Scheme::Wso2(digest)) => {
                let (password, salt) = (Zeroizing::new(password.to_owned()), comparison::salt()?);
                let digest = digest.hash();
                Ok(password::wso2_columns(digest, password.as_bytes(), &salt))
            }
            (NewHashes::Argon2id | NewHashes::AsStored, _) => {
                let hash = comparison::hashed(&self.parts.hashing, password).await?;
                Ok((hash, String::new()))
            }
        }
    }

    async fn write(&self, found: &Found, draft: &Draft) -> Result<(), DirectoryError> {
        let split = self.mapping().split(draft, YES, NO)?;
        let mut steps = Vec::new();
        if let Some(password) = &draft.password {
            steps.push(self.password_step(&found.name, password).await?);
        } else if let Some(hash) = &draft.password_hash {
            Stored::parse(hash).map_err(|refused| StoreError::new(refused.to_string()))?;
            steps.push(Step {
                statements: self.allowed(&self.queries().set_password)?,
                values: vec![Bound::text(&found.name), Bound::text(hash), Bound::text("")],
            });
        }
        // What is removed may not have been there.
        let mut expected: Vec<bool> = steps.iter().map(|_| true).collect();
        for (attribute, value) in &split.attributes {
            steps.push(self.step(&found.name, attribute, value.as_deref())?);
            expected.push(value.is_some());
        }
        if !steps.is_empty() {
            match self.database().write(&steps).await? {
                Written::Rows(counts) => {
                    let missed = counts
                        .iter()
                        .zip(&expected)
                        .any(|(count, expected)| *expected && *count == 0);
                    if missed {
                        return Err(StoreError::new(format!(
                            "user store `{}`: a query that should change a user changed no row",
                            self.called()
                        ))
                        .into());
                    }
                }
                Written::Taken => {
                    return Err(DirectoryError::Refused("the value is taken".to_owned()));
                }
            }
        }
        if split.keeps_something() {
            self.kept()
                .change(&found.name, &found.name, &split.kept)
                .await?;
        }
        Ok(())
    }

    /// An upgrade must not undo a change of password, and its failure costs nobody the sign-in.
    async fn upgrade(&self, person: &Person, new: String) {
        let settings = &self.parts.settings;
        let statements = &self.queries().upgrade_password;
        let Some(seen) = &person.password_column else {
            return;
        };
        if settings.read_only || settings.new_hashes != NewHashes::Argon2id || statements.is_empty()
        {
            return;
        }
        let step = Step {
            statements,
            values: vec![
                Bound::text(&person.found.name),
                Bound::Text(new),
                Bound::text(""),
                Bound::text(seen),
            ],
        };
        if let Err(error) = self.database().write(&[step]).await {
            tracing::warn!(store = %self.called(), "a password hash of an older form could not be replaced: {error}");
        }
    }
}

impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sql")
            .field("domain", &self.parts.domain)
            .field("settings", &self.parts.settings)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Directory for Sql {
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
        let person = self.row(tenant, name).await?;
        let stored = person
            .as_ref()
            .and_then(|person| person.password.as_deref());
        let compared = comparison::compare(&self.parts.hashing, stored, password).await?;
        let (Some(mut person), Compared::Right(replacement)) = (person, compared) else {
            return Ok(PasswordCheck::Wrong);
        };
        self.add_claims(&mut person.found).await?;
        let account = self.account(&person.found);
        let kept = self.kept_of(&person.found).await?;
        if self.mapping().locked(&person.found, kept.as_ref()) {
            return Ok(PasswordCheck::Locked(account));
        }
        if let Some(new) = replacement {
            self.upgrade(&person, new).await;
        }
        Ok(PasswordCheck::Right(account))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        let person = self.row(tenant, name).await?;
        Ok(person.map(|person| self.account(&person.found)))
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
        let owner = match &self.queries().find_association {
            Some(query) => {
                let asked = [Bound::text(identity_provider), Bound::text(subject)];
                let lines = self.database().rows(query, &asked, 2).await?;
                match lines.as_slice() {
                    [line] => line.clone().take("name"),
                    // None, or several: a link that means two people means nobody.
                    _ => None,
                }
            }
            None => {
                let owner = self.kept().linked(identity_provider, subject).await?;
                owner.map(|owner| owner.name)
            }
        };
        match owner {
            Some(owner) => {
                self.find(tenant, &name::qualified(&self.parts.domain, &owner))
                    .await
            }
            None => Ok(None),
        }
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        let Some(person) = self.person(tenant, &account.name).await? else {
            return Ok(Profile::default());
        };
        let kept = self.kept_of(&person.found).await?;
        Ok(Profile {
            password_changeable: self.allowed(&self.queries().set_password).is_ok(),
            ..self
                .mapping()
                .profile(&self.parts.domain, &person.found, kept.as_ref())
        })
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let person = self.known(tenant, &account.name).await?;
        let kept = self.kept_of(&person.found).await?;
        if let Some(known) = self.mapping().number(&person.found, kept.as_ref()) {
            let same = known == number.e164();
            return Ok(if same {
                FirstNumber::Known
            } else {
                FirstNumber::Taken
            });
        }
        let name = &person.found.name;
        let claimed = self
            .kept()
            .claim_first_number(name, name, number.e164())
            .await?;
        if claimed != FirstNumber::Saved {
            return Ok(claimed);
        }
        let draft = Draft {
            number: Some(Some(number.e164().to_owned())),
            ..Draft::default()
        };
        let written = self.write(&person.found, &draft).await;
        self.kept().settle_first_number(name, written).await
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let person = self.known(tenant, &account.name).await?;
        let draft = Draft {
            number: Some(Some(number.e164().to_owned())),
            ..Draft::default()
        };
        self.write(&person.found, &draft).await?;
        let name = &person.found.name;
        Ok(self
            .kept()
            .remember_factor(name, name, number.e164())
            .await?)
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        let person = self.known(tenant, &account.name).await?;
        let draft = Draft {
            opted_out: Some(opted_out),
            ..Draft::default()
        };
        self.write(&person.found, &draft).await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        let Some(person) = self.row(tenant, &account.name).await? else {
            return Ok(Vec::new());
        };
        let name = &person.found.name;
        let queries = self.queries();
        if queries.find_association.is_none() {
            return Ok(self.kept().links(name).await?);
        }
        let Some(query) = &queries.associations else {
            return Ok(Vec::new());
        };
        let lines = self
            .database()
            .rows(query, &[Bound::text(name)], ROWS_MAX)
            .await?;
        let read = |mut line: Line| {
            Some(Association {
                identity_provider: line.take("identity_provider")?,
                subject: line.take("subject")?,
            })
        };
        Ok(lines.into_iter().filter_map(read).collect())
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        let Some(person) = self.row(tenant, &account.name).await? else {
            return Ok(false);
        };
        let name = &person.found.name;
        if self.queries().find_association.is_none() {
            return Ok(self.kept().unlink(name, association).await?);
        }
        let step = Step {
            statements: self.allowed(&self.queries().unlink)?,
            values: vec![
                Bound::text(name),
                Bound::text(&association.identity_provider),
                Bound::text(&association.subject),
            ],
        };
        Ok(changed(&self.database().write(&[step]).await?))
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        self.allowed(&self.queries().set_password)?;
        let person = self.known(tenant, &account.name).await?;
        let draft = Draft {
            password: Some(Zeroizing::new(password.to_owned())),
            ..Draft::default()
        };
        self.write(&person.found, &draft).await
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        let Some(attribute) = &self.mapping().backup_codes else {
            return Ok(None);
        };
        let Some(person) = self.person(tenant, &account.name).await? else {
            return Ok(None);
        };
        let values: Vec<&str> = person.found.values(attribute).collect();
        let [claim] = values.as_slice() else {
            if values.is_empty() {
                return Ok(None);
            }
            return Err(StoreError::new(format!(
                "user store `{}`: a user has several claims of backup codes: expected one, `c1,c2,c3`",
                self.called()
            ))
            .into());
        };
        // Read before it is taken: a claim that cannot be used stays for an administrator to see.
        let Some(codes) = claimed_codes(claim)? else {
            return Ok(None);
        };
        let name = &person.found.name;
        let taken = if self.parts.settings.read_only {
            self.kept().take_claim(name, name, claim).await?
        } else {
            let step = Step {
                statements: self.allowed(&self.queries().take_backup_codes)?,
                values: vec![Bound::text(name), Bound::text(claim)],
            };
            changed(&self.database().write(&[step]).await?)
        };
        Ok(taken.then_some(codes))
    }
}

#[async_trait]
impl UserStore for Sql {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let statements = self.allowed(&self.queries().create)?;
        if tenant != self.kept().tenant() {
            return Ok(false);
        }
        let bare = name::bare(&self.parts.domain, name).ok_or(NameRefused::Malformed)?;
        let new = Name::parse(bare)?;
        if self.row(tenant, bare).await?.is_some() {
            return Ok(false);
        }
        let (hash, salt) = match (&draft.password, &draft.password_hash) {
            (Some(password), _) => {
                let (hash, salt) = self.columns(password).await?;
                (Some(hash), Some(salt))
            }
            (None, Some(hash)) => {
                Stored::parse(hash).map_err(|refused| StoreError::new(refused.to_string()))?;
                (Some(hash.clone()), Some(String::new()))
            }
            (None, None) => (None, None),
        };
        let split = self.mapping().split(draft, YES, NO)?;
        let mapping = self.mapping();
        let of = |mapped: &Option<String>| {
            let mapped = mapped.as_deref()?;
            let set = split.attributes.iter().find(|(name, _)| name == mapped)?;
            set.1.clone()
        };
        let number = of(&mapping.mobile);
        let mut steps = vec![Step {
            statements,
            values: vec![
                Bound::text(&new.spelled),
                Bound::optional(hash.as_deref()),
                Bound::optional(salt.as_deref()),
                Bound::optional(of(&mapping.display_name).as_deref()),
                Bound::optional(number.as_deref()),
            ],
        }];
        // What the query that makes a user takes itself is not set again.
        let takes = |parameter: usize| {
            statements
                .iter()
                .any(|statement| queries::parameters(statement) >= parameter)
        };
        for (attribute, value) in &split.attributes {
            let made = (Some(attribute) == mapping.display_name.as_ref() && takes(4))
                || (Some(attribute) == mapping.mobile.as_ref() && takes(5));
            if let (Some(value), false) = (value, made) {
                steps.push(self.step(&new.spelled, attribute, Some(value))?);
            }
        }
        // What is kept of a namesake who is gone is not the new one's.
        self.kept().forget(&new.spelled).await?;
        let written = self.database().write(&steps).await?;
        if !changed(&written) {
            return Ok(false);
        }
        let kept = self.kept();
        if split.keeps_something() {
            kept.change(&new.spelled, &new.spelled, &split.kept).await?;
        }
        if let Some(number) = number {
            kept.remember_factor(&new.spelled, &new.spelled, &number)
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
        let Some(person) = self.person(tenant, name).await? else {
            return Ok(false);
        };
        // What was there is remembered before it goes.
        self.kept_of(&person.found).await?;
        self.write(&person.found, draft).await?;
        Ok(true)
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        let statements = self.allowed(&self.queries().delete)?;
        let Some(person) = self.row(tenant, name).await? else {
            return Ok(false);
        };
        let step = Step {
            statements,
            values: vec![Bound::text(&person.found.name)],
        };
        let there_was = changed(&self.database().write(&[step]).await?);
        self.kept().forget(&person.found.name).await?;
        Ok(there_was)
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        let Some(person) = self.person(tenant, name).await? else {
            return Ok(None);
        };
        let kept = self.kept().of(&person.found.name).await?;
        let domain = &self.parts.domain;
        Ok(Some(self.mapping().record(
            domain,
            &person.found,
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
        let Some(query) = &self.queries().list else {
            return Err(DirectoryError::Refused(
                "there is no query `list` for this user store".to_owned(),
            ));
        };
        let from = from
            .and_then(|name| name::bare(&self.parts.domain, name))
            .unwrap_or_default();
        let asked = [Bound::text(from), Bound::Number(rows_max.into())];
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let lines = self.database().rows(query, &asked, rows_max).await?;
        let mut records = Vec::with_capacity(lines.len());
        for line in lines {
            let mut person = self.read("list", line)?;
            if name::key(&person.found.name).is_none() {
                // Nobody could type it: it is nobody's account here.
                continue;
            }
            self.add_claims(&mut person.found).await?;
            let kept = self.kept().of(&person.found.name).await?;
            let domain = &self.parts.domain;
            records.push(self.mapping().record(domain, &person.found, kept.as_ref()));
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
        let Some(person) = self.row(tenant, name).await? else {
            return Ok(false);
        };
        let name = &person.found.name;
        if self.queries().find_association.is_none() {
            let kept = self.kept();
            return Ok(kept.link(name, name, identity_provider, subject).await?);
        }
        let known = self
            .find_association(tenant, identity_provider, subject, "")
            .await?;
        if known.is_some() {
            return Ok(false);
        }
        let step = Step {
            statements: self.allowed(&self.queries().link)?,
            values: vec![
                Bound::text(name),
                Bound::text(identity_provider),
                Bound::text(subject),
            ],
        };
        Ok(changed(&self.database().write(&[step]).await?))
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        let Some(query) = &self.queries().groups else {
            return Ok(Vec::new());
        };
        let Some(person) = self.row(tenant, name).await? else {
            return Ok(Vec::new());
        };
        let whose = [Bound::text(&person.found.name)];
        let lines = self.database().rows(query, &whose, ROWS_MAX).await?;
        let mut names: Vec<String> = lines
            .into_iter()
            .filter_map(|mut line| line.take("name"))
            .collect();
        names.sort();
        Ok(names)
    }

    fn takes_users(&self) -> bool {
        self.allowed(&self.queries().create).is_ok()
    }

    async fn probe(&self) -> Result<(), DirectoryError> {
        let queries = self.queries();
        let nobody = Bound::text(NOBODY);
        let mut asked: Vec<(&str, Vec<Bound>)> = vec![(&queries.find, vec![nobody.clone()])];
        for query in [&queries.claims, &queries.groups, &queries.associations]
            .into_iter()
            .flatten()
        {
            asked.push((query, vec![nobody.clone()]));
        }
        if let Some(query) = &queries.find_association {
            asked.push((query, vec![nobody.clone(), nobody.clone()]));
        }
        if let Some(query) = &queries.list {
            asked.push((query, vec![nobody, Bound::Number(1)]));
        }
        for (query, values) in asked {
            self.database().rows(query, &values, 1).await?;
        }
        Ok(())
    }
}

/// Whether the first step did something.
fn changed(written: &Written) -> bool {
    match written {
        Written::Rows(counts) => counts.first().is_some_and(|count| *count > 0),
        Written::Taken => false,
    }
}
