//! The user stores with somebody who is told of every change that is made through us: by an
//! administrator, by a peer, by the user. What follows from it is the watcher's to know.

use super::identities::Identities;
use super::name;
use super::people::account_key;
use super::secondary::Secondary;
use super::user_store::{Draft, Matched, Record, UserStore};
use async_trait::async_trait;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Clock, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use std::sync::Arc;

/// What became of a user.
#[derive(Clone, Copy)]
pub enum Happened<'a> {
    /// With the password, if there is one.
    Created(Option<&'a str>),
    /// With the new password, if it was changed.
    Changed(Option<&'a str>),
    Deleted,
}

impl std::fmt::Debug for Happened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created(_) => "Created",
            Self::Changed(_) => "Changed",
            Self::Deleted => "Deleted",
        })
    }
}

/// Who is told. An account is named with its domain, unless it is the primary store's.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Before the change, which is not made if this fails. What it gives is handed back.
    async fn begin(&self, tenant: &TenantId, account: &str) -> Result<Vec<u64>, DirectoryError>;
    /// After it. Only a creation can still be refused: then whoever was told of it is told that it is
    /// gone, and the user is removed again. A change or a deletion stands, whatever comes of this.
    async fn happened(
        &self,
        tenant: &TenantId,
        account: &str,
        begun: Vec<u64>,
        what: Happened<'_>,
    ) -> Result<(), DirectoryError>;
    /// It came to nothing.
    async fn nothing(&self, tenant: &TenantId, begun: Vec<u64>) -> Result<(), DirectoryError>;
}

#[derive(Clone)]
pub struct Watched {
    stores: Arc<Secondary>,
    identities: Arc<dyn Identities>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched({:?})", self.stores)
    }
}

impl Watched {
    pub fn new(
        stores: Arc<Secondary>,
        identities: Arc<dyn Identities>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            stores,
            identities,
            journal,
            clock,
        }
    }

    /// The account's name in full, if there is one.
    async fn full(&self, tenant: &TenantId, name: &str) -> Result<Option<String>, DirectoryError> {
        let found = self.stores.find(tenant, name).await?;
        Ok(found.map(|account| account.name))
    }

    /// A change or a deletion between two words to the watcher; `true` if it came to something. Once it
    /// did, nothing here is an error: what must follow a change (sessions that end, codes that die, a
    /// line in the audit log) is done by whoever asked for it, and only if we say that it was made.
    async fn around(
        &self,
        tenant: &TenantId,
        account: &str,
        what: Happened<'_>,
        change: impl Future<Output = Result<bool, DirectoryError>> + Send,
    ) -> Result<bool, DirectoryError> {
        let begun = self.journal.begin(tenant, account).await?;
        let done = change.await;
        if matches!(done, Ok(true)) {
            self.stands(tenant, account, what, begun).await;
        } else {
            self.came_to_nothing(tenant, begun).await;
        }
        done
    }

    /// Tells of what was done. What cannot be told now is due by itself later.
    async fn stands(&self, tenant: &TenantId, account: &str, what: Happened<'_>, begun: Vec<u64>) {
        if let Some(key) = account_key(account) {
            let noted = match what {
                Happened::Deleted | Happened::Created(_) => {
                    self.identities.forget(tenant, &key).await
                }
                Happened::Changed(_) => {
                    let now = self.clock.now();
                    self.identities.touch(tenant, &key, now).await
                }
            };
            if let Err(error) = noted {
                tracing::error!("a change of a user was made and not noted: {error}");
            }
        }
        if let Err(error) = self.journal.happened(tenant, account, begun, what).await {
            tracing::error!("a change of a user was made and peers were not told of it: {error}");
        }
    }

    async fn came_to_nothing(&self, tenant: &TenantId, begun: Vec<u64>) {
        if let Err(error) = self.journal.nothing(tenant, begun).await {
            // Peers are told how the user is when it is due: as before.
            tracing::warn!("what was announced to peers could not be taken back: {error}");
        }
    }

    async fn changed(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: Option<&str>,
        change: impl Future<Output = Result<(), DirectoryError>> + Send,
    ) -> Result<(), DirectoryError> {
        let change = async { change.await.map(|()| true) };
        self.around(tenant, &account.name, Happened::Changed(password), change)
            .await
            .map(drop)
    }

    /// A user who was made and must not stay. That one is left who cannot be removed, is an error of its
    /// own: nobody shall believe that there is none.
    async fn undo(&self, tenant: &TenantId, account: &str) -> Result<(), DirectoryError> {
        let (domain, bare) = name::split(account);
        // In that very store: a name alone may be another one's.
        let whole = format!("{}/{bare}", domain.unwrap_or_else(|| "PRIMARY".to_owned()));
        let deleted = self.stores.delete(tenant, &whole).await;
        match deleted {
            Ok(true) => {}
            Ok(false) => tracing::warn!("a user who was not to stay was gone already"),
            Err(error) => {
                tracing::error!(
                    "a user whose creation was refused is still here and must be deleted: {error}"
                );
                return Err(StoreError::caused(
                    "the creation was refused, and the user could not be removed again: delete the user",
                    error,
                )
                .into());
            }
        }
        if let Some(key) = account_key(account)
            && let Err(error) = self.identities.forget(tenant, &key).await
        {
            tracing::error!("a user who is gone was not forgotten: {error}");
        }
        Ok(())
    }
}

#[async_trait]
impl Directory for Watched {
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        self.stores.check_password(tenant, name, password).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.stores.find(tenant, name).await
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.stores
            .find_association(tenant, identity_provider, subject, domain)
            .await
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        self.stores.profile(tenant, account).await
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let begun = self.journal.begin(tenant, &account.name).await?;
        let saved = self.stores.save_first_number(tenant, account, number).await;
        if matches!(saved, Ok(FirstNumber::Saved)) {
            let changed = Happened::Changed(None);
            self.stands(tenant, &account.name, changed, begun).await;
        } else {
            self.came_to_nothing(tenant, begun).await;
        }
        saved
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let change = self.stores.save_number(tenant, account, number);
        self.changed(tenant, account, None, change).await
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        // No peer is told of it: it is about our codes.
        self.stores.save_opt_out(tenant, account, opted_out).await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        self.stores.associations(tenant, account).await
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        self.stores
            .remove_association(tenant, account, association)
            .await
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let change = self.stores.set_password(tenant, account, password);
        self.changed(tenant, account, Some(password), change).await
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        self.stores.take_backup_codes(tenant, account).await
    }
}

#[async_trait]
impl UserStore for Watched {
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let (domain, bare) = name::split(name);
        let account = name::qualified(&domain.unwrap_or_default(), bare);
        let password = draft.password.as_ref().map(|password| password.as_str());
        let begun = self.journal.begin(tenant, &account).await?;
        let created = self.stores.create(tenant, name, draft).await;
        if !matches!(created, Ok(true)) {
            self.came_to_nothing(tenant, begun).await;
            return created;
        }
        if let Some(key) = account_key(&account)
            && let Err(error) = self.identities.forget(tenant, &key).await
        {
            // Whoever had the name before and went by another door is somebody else: it must not be
            // taken for them, so it is not made.
            self.came_to_nothing(tenant, begun).await;
            self.undo(tenant, &account).await?;
            return Err(error.into());
        }
        let happened = Happened::Created(password);
        let told = self.journal.happened(tenant, &account, begun, happened);
        if let Err(error) = told.await {
            self.undo(tenant, &account).await?;
            return Err(error);
        }
        Ok(true)
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let Some(account) = self.full(tenant, name).await? else {
            return Ok(false);
        };
        let password = draft.password.as_ref().map(|password| password.as_str());
        let change = self.stores.change(tenant, name, draft);
        self.around(tenant, &account, Happened::Changed(password), change)
            .await
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        let Some(account) = self.full(tenant, name).await? else {
            return Ok(false);
        };
        let change = self.stores.delete(tenant, name);
        self.around(tenant, &account, Happened::Deleted, change)
            .await
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        self.stores.get(tenant, name).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        self.stores.list(tenant, from, rows_max).await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        name: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, DirectoryError> {
        self.stores
            .link(tenant, name, identity_provider, subject)
            .await
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        self.stores.groups(tenant, name).await
    }

    async fn matching(
        &self,
        tenant: &TenantId,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<Matched>, DirectoryError> {
        self.stores.matching(tenant, condition, start, count).await
    }

    async fn probe(&self) -> Result<(), DirectoryError> {
        self.stores.probe().await
    }
}

/// How the refusal of a peer that had to agree begins.
pub const BLOCKED: &str = "a peer that must agree did not:";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::directory::hashing::Hashing;
    use crate::directory::{Local, Provisionable};
    use crate::memory::Memory;
    use postern_federation::scim::People;
    use postern_otp::Timestamp;
    use std::sync::Mutex;

    struct Now;

    impl Clock for Now {
        fn now(&self) -> Timestamp {
            Timestamp(1_700_000_000_000)
        }
    }

    /// Takes every announcement, and agrees to nothing.
    #[derive(Default)]
    struct Refusing(Mutex<Vec<String>>);

    #[async_trait]
    impl Journal for Refusing {
        async fn begin(&self, _: &TenantId, _: &str) -> Result<Vec<u64>, DirectoryError> {
            Ok(vec![1])
        }
        async fn happened(
            &self,
            _: &TenantId,
            account: &str,
            _: Vec<u64>,
            what: Happened<'_>,
        ) -> Result<(), DirectoryError> {
            self.0.lock().unwrap().push(format!("{account} {what:?}"));
            Err(DirectoryError::Refused(BLOCKED.to_owned()))
        }
        async fn nothing(&self, _: &TenantId, _: Vec<u64>) -> Result<(), DirectoryError> {
            Ok(())
        }
    }

    fn two_stores(memory: &Memory) -> Arc<Secondary> {
        let primary = Local::new(memory.clone(), Hashing::default());
        let jdbc = Local::secondary(Memory::new(), Hashing::default(), "JDBC").unwrap();
        let jdbc: Arc<dyn UserStore> = Arc::new(jdbc);
        let order = ["JDBC".to_owned(), "primary".to_owned()];
        let others = vec![("JDBC".to_owned(), jdbc)];
        let stores = Secondary::ordered(Arc::new(primary), others, &order);
        Arc::new(stores.unwrap())
    }

    fn alice() -> AccountRef {
        AccountRef {
            name: "alice".to_owned(),
        }
    }

    #[tokio::test]
    async fn only_a_creation_is_refused_afterwards() {
        let (memory, tenant) = (Memory::new(), TenantId::super_tenant());
        let stores = two_stores(&memory);
        let journal = Arc::new(Refusing::default());
        let watched = Watched::new(
            Arc::clone(&stores),
            Arc::new(memory),
            Arc::clone(&journal) as Arc<dyn Journal>,
            Arc::new(Now),
        );
        let draft = Draft {
            password: Some(zeroize::Zeroizing::new("a long password".to_owned())),
            ..Draft::default()
        };
        assert!(watched.create(&tenant, "alice", &draft).await.is_err());
        assert!(
            stores
                .get(&tenant, "PRIMARY/alice")
                .await
                .unwrap()
                .is_none()
        );

        stores.create(&tenant, "alice", &draft).await.unwrap();
        let number = PhoneNumber::parse("+12025550142", None).unwrap();
        let first = watched.save_first_number(&tenant, &alice(), &number).await;
        assert_eq!(first.unwrap(), FirstNumber::Saved);
        let number = PhoneNumber::parse("+12025550143", None).unwrap();
        assert!(
            watched
                .save_number(&tenant, &alice(), &number)
                .await
                .is_ok()
        );
        let alice = alice();
        let set = watched.set_password(&tenant, &alice, "another long password");
        assert!(set.await.is_ok());
        let draft = Draft {
            locked: Some(true),
            ..Draft::default()
        };
        assert!(watched.change(&tenant, "alice", &draft).await.unwrap());
        assert!(watched.delete(&tenant, "alice").await.unwrap());
        assert_eq!(
            *journal.0.lock().unwrap(),
            [
                "alice Created",
                "alice Changed",
                "alice Changed",
                "alice Changed",
                "alice Changed",
                "alice Deleted"
            ]
        );
    }

    /// The undoing of a creation must not hit whoever has the name in the store that comes first.
    #[tokio::test]
    async fn what_is_undone_is_whoever_was_made() {
        let (memory, tenant) = (Memory::new(), TenantId::super_tenant());
        let stores = two_stores(&memory);
        let draft = Draft {
            password: Some(zeroize::Zeroizing::new("a long password".to_owned())),
            ..Draft::default()
        };
        stores.create(&tenant, "JDBC/alice", &draft).await.unwrap();
        let watched = Watched::new(
            Arc::clone(&stores),
            Arc::new(memory),
            Arc::new(Refusing::default()),
            Arc::new(Now),
        );
        assert!(watched.create(&tenant, "alice", &draft).await.is_err());
        assert!(stores.get(&tenant, "JDBC/alice").await.unwrap().is_some());
        assert!(
            stores
                .get(&tenant, "PRIMARY/alice")
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn whoever_has_the_name_in_another_store_is_found_there() {
        let (memory, tenant) = (Memory::new(), TenantId::super_tenant());
        let stores = two_stores(&memory);
        let draft = Draft {
            password: Some(zeroize::Zeroizing::new("a long password".to_owned())),
            ..Draft::default()
        };
        for name in ["JDBC/Alice", "PRIMARY/alice", "bob"] {
            stores.create(&tenant, name, &draft).await.unwrap();
        }
        let people = Provisionable::new(Arc::clone(&stores), Arc::new(memory), Arc::new(Now));
        for (account, expected) in [
            ("alice", vec!["JDBC/Alice"]),
            ("JDBC/Alice", vec!["alice"]),
            ("bob", vec![]),
            ("JDBC/bob", vec!["bob"]),
        ] {
            let found = people.namesakes(tenant.as_str(), account).await;
            assert_eq!(found.unwrap(), expected, "{account}");
        }
    }

    /// A store that was taken out of the configuration for a while keeps its people's ids.
    #[tokio::test]
    async fn a_look_at_somebody_of_a_store_that_is_not_there_forgets_nobody() {
        let (memory, tenant) = (Memory::new(), TenantId::super_tenant());
        let stores = two_stores(&memory);
        let draft = Draft {
            password: Some(zeroize::Zeroizing::new("a long password".to_owned())),
            ..Draft::default()
        };
        stores.create(&tenant, "JDBC/alice", &draft).await.unwrap();
        let people = |stores: &Arc<Secondary>| {
            Provisionable::new(Arc::clone(stores), Arc::new(memory.clone()), Arc::new(Now))
        };
        let whose = tenant.as_str();
        let found = people(&stores).person_named(whose, "JDBC/alice").await;
        let id = found.unwrap().unwrap().id;
        let primary = Local::new(memory.clone(), Hashing::default());
        let without = Arc::new(Secondary::new(Arc::new(primary), Vec::new()).unwrap());
        assert_eq!(people(&without).person(whose, &id).await.unwrap(), None);
        let named = people(&without).person_named(whose, "JDBC/alice").await;
        assert!(
            named.is_err(),
            "absent is not gone: a peer would delete her"
        );
        let again = people(&stores).person(whose, &id).await.unwrap();
        assert_eq!(again.unwrap().id, id);
        // Gone from a store that is there: forgotten.
        stores.delete(&tenant, "JDBC/alice").await.unwrap();
        assert_eq!(people(&stores).person(whose, &id).await.unwrap(), None);
        assert_eq!(memory.identity(&tenant, &id).await.unwrap(), None);
    }
}
