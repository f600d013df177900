//! The primary user store and the secondary ones behind it, tried in order.
//!
//! Knows names and order; what a store is made of is the store's.

use super::name::{self, NameRefused};
use super::user_store::{Draft, Matched, Record, UserStore};
use async_trait::async_trait;
use postern_federation::scim::Condition;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::{BackupCode, PhoneNumber};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A store that hangs must not slow down the refusals of all others for long.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Several user stores as one. `DOMAIN/name` is looked for in that store only, a name alone in each
/// in turn: the first that has it is meant. They can be exchanged while people sign in: whoever is
/// under way stays with those they began with.
#[derive(Clone)]
pub struct Secondary {
    stores: Arc<RwLock<Arc<Stores>>>,
}

/// The stores at one moment.
struct Stores {
    /// By domain, upper case; empty is the primary one, which is always there.
    all: Vec<(String, Arc<dyn UserStore>)>,
    /// Those in which a name alone is looked for, by their place in `all`.
    order: Vec<usize>,
    /// By place in `all`, what a refusal took lately, in microseconds.
    refusal_takes: Vec<AtomicU64>,
}

impl Secondary {
    /// `others` are tried in this order, each under its domain.
    pub fn new(
        primary: Arc<dyn UserStore>,
        others: Vec<(String, Arc<dyn UserStore>)>,
    ) -> Result<Self, NameRefused> {
        let order = std::iter::once("primary".to_owned())
            .chain(others.iter().map(|(domain, _)| domain.clone()))
            .collect::<Vec<_>>();
        Self::ordered(primary, others, &order)
    }

    /// As `new`, but a name alone is looked for in `order` only; a store that is not in it is reached
    /// by its domain. The primary store comes first unless it has a place of its own.
    pub fn ordered(
        primary: Arc<dyn UserStore>,
        others: Vec<(String, Arc<dyn UserStore>)>,
        order: &[String],
    ) -> Result<Self, NameRefused> {
        let mut all = vec![(String::new(), primary)];
        for (domain, store) in others {
            all.push((name::secondary(&domain)?, store));
        }
        let mut places = Vec::new();
        for named in order {
            let domain = name::domain(named);
            let place = all
                .iter()
                .position(|(known, _)| *known == domain)
                .ok_or(NameRefused::Domain)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if !places.contains(&0) {
            places.insert(0, 0);
        }
        Ok(Self {
            stores: Arc::new(RwLock::new(Arc::new(Stores {
                refusal_takes: all.iter().map(|_| AtomicU64::new(0)).collect(),
                all,
                order: places,
            }))),
        })
    }

    /// Takes the stores of another one from now on.
    pub fn replace(&self, next: &Self) {
        let next = next.now();
        *self.stores.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn now(&self) -> Arc<Stores> {
        self.stores
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The stores by domain, empty for the primary one, and whether users can be made there.
    pub fn domains(&self) -> Vec<(String, bool)> {
        let stores = self.now();
        let all = stores.all.iter();
        all.map(|(domain, store)| (domain.clone(), store.takes_users()))
            .collect()
    }

    /// Whether there is a store of that domain; empty is the primary one.
    pub(super) fn knows(&self, domain: &str) -> bool {
        self.now().of(domain).is_some()
    }

    /// As the store of that domain finds them (empty is the primary one); `None` also if there is no
    /// such store.
    pub(super) async fn matching_in(
        &self,
        tenant: &TenantId,
        domain: &str,
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Option<Matched>, DirectoryError> {
        match self.now().of(domain) {
            Some(store) => store.matching(tenant, condition, start, count).await,
            None => Ok(None),
        }
    }

    /// The users of one store.
    pub(super) async fn list_in(
        &self,
        tenant: &TenantId,
        domain: &str,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        match self.now().of(domain) {
            Some(store) => store.list(tenant, from, rows_max).await,
            None => Ok(Vec::new()),
        }
    }

    /// The user of that very store.
    pub(super) async fn get_in(
        &self,
        tenant: &TenantId,
        domain: &str,
        name: &str,
    ) -> Result<Option<Record>, DirectoryError> {
        match self.now().of(domain) {
            Some(store) => store.get(tenant, name).await,
            None => Ok(None),
        }
    }

    /// Asks every store whether it answers: by domain, empty for the primary one.
    pub async fn probe_each(&self) -> Vec<(String, Result<(), DirectoryError>)> {
        let mut answers = Vec::new();
        for (domain, store) in &self.now().all {
            answers.push((domain.clone(), store.probe().await));
        }
        answers
    }
}

impl Stores {
    /// The store of a domain; `None` for a domain nobody configured.
    fn of(&self, domain: &str) -> Option<&Arc<dyn UserStore>> {
        let named = self.all.iter().find(|(known, _)| known == domain);
        named.map(|(_, store)| store)
    }

    fn in_order(&self) -> impl Iterator<Item = &Arc<dyn UserStore>> {
        self.order.iter().map(|place| &self.all[*place].1)
    }

    /// An account's name says which store it is from.
    fn holder(&self, account: &AccountRef) -> Result<&Arc<dyn UserStore>, DirectoryError> {
        Ok(&self.all[self.place(account)?].1)
    }

    fn place(&self, account: &AccountRef) -> Result<usize, DirectoryError> {
        let (domain, _) = name::split(&account.name);
        let domain = domain.unwrap_or_default();
        let place = self.all.iter().position(|(known, _)| *known == domain);
        place.ok_or_else(|| StoreError::new("the account's user store is not configured").into())
    }

    async fn wait_as_usual(&self, place: usize, began: Instant) {
        let took = began.elapsed();
        let mine = &self.refusal_takes[place];
        let usual = mine.load(Ordering::Relaxed);
        let now = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // Three parts of what was, one of what is.
        let next = if usual == 0 {
            now
        } else {
            (usual.saturating_mul(3).saturating_add(now)) / 4
        };
        mine.store(next, Ordering::Relaxed);
        let slowest = self
            .refusal_takes
            .iter()
            .map(|of| of.load(Ordering::Relaxed));
        let slowest = Duration::from_micros(slowest.max().unwrap_or(0)).min(WAIT_MAX);
        if took < slowest {
            tokio::time::sleep(slowest - took).await;
        }
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        if let (Some(domain), _) = name::split(name) {
            return match self.of(&domain) {
                Some(store) => store.find(tenant, name).await,
                None => Ok(None),
            };
        }
        for store in self.in_order() {
            if let Some(account) = store.find(tenant, name).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// The store that has the name, and the name in full.
    async fn owner(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<(&Arc<dyn UserStore>, String)>, DirectoryError> {
        match self.find(tenant, name).await? {
            Some(account) => Ok(Some((self.holder(&account)?, account.name))),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for Secondary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stores = self.now();
        let domains: Vec<_> = stores.all.iter().map(|(domain, _)| domain).collect();
        f.debug_struct("Secondary")
            .field("domains", &domains)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Directory for Secondary {
    /// One store is asked, so that one hash is spent: a password tried in every store would tell by
    /// its time how many have the name, and let one store's password open another's account. A
    /// refusal takes as long as it usually does in the slowest store (attack E-01).
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        let stores = self.now();
        let [(_, only)] = stores.all.as_slice() else {
            let began = Instant::now();
            let account = stores.find(tenant, name).await?;
            let (place, name) = match &account {
                Some(account) => (stores.place(account)?, account.name.as_str()),
                // Nobody's: the primary store spends what a check costs.
                None => (0, name::NOBODY),
            };
            let (_, store) = &stores.all[place];
            let check = store.check_password(tenant, name, password).await?;
            if !matches!(check, PasswordCheck::Right(_)) {
                stores.wait_as_usual(place, began).await;
            }
            return Ok(check);
        };
        only.check_password(tenant, name, password).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.now().find(tenant, name).await
    }

    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        let stores = self.now();
        if !domain.is_empty() {
            return match stores.of(&name::domain(domain)) {
                Some(store) => {
                    store
                        .find_association(tenant, identity_provider, subject, domain)
                        .await
                }
                None => Ok(None),
            };
        }
        for store in stores.in_order() {
            let found = store
                .find_association(tenant, identity_provider, subject, "")
                .await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError> {
        self.now().holder(account)?.profile(tenant, account).await
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        self.now()
            .holder(account)?
            .save_first_number(tenant, account, number)
            .await
    }

    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        self.now()
            .holder(account)?
            .save_number(tenant, account, number)
            .await
    }

    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        self.now()
            .holder(account)?
            .save_opt_out(tenant, account, opted_out)
            .await
    }

    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        self.now()
            .holder(account)?
            .associations(tenant, account)
            .await
    }

    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        self.now()
            .holder(account)?
            .remove_association(tenant, account, association)
            .await
    }

    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        self.now()
            .holder(account)?
            .set_password(tenant, account, password)
            .await
    }

    async fn take_backup_codes(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        self.now()
            .holder(account)?
            .take_backup_codes(tenant, account)
            .await
    }
}

#[async_trait]
impl UserStore for Secondary {
    /// A new user without a domain is the primary store's.
    async fn create(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        let stores = self.now();
        let (domain, _) = name::split(name);
        match stores.of(&domain.unwrap_or_default()) {
            Some(store) => store.create(tenant, name, draft).await,
            None => Err(DirectoryError::Refused(
                "there is no user store of that name".to_owned(),
            )),
        }
    }

    async fn change(
        &self,
        tenant: &TenantId,
        name: &str,
        draft: &Draft,
    ) -> Result<bool, DirectoryError> {
        match self.now().owner(tenant, name).await? {
            Some((store, name)) => store.change(tenant, &name, draft).await,
            None => Ok(false),
        }
    }

    async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        match self.now().owner(tenant, name).await? {
            Some((store, name)) => store.delete(tenant, &name).await,
            None => Ok(false),
        }
    }

    async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Record>, DirectoryError> {
        match self.now().owner(tenant, name).await? {
            Some((store, name)) => store.get(tenant, &name).await,
            None => Ok(None),
        }
    }

    /// Store by store, the primary one first: `from` says in which to go on. A store that cannot list
    /// is passed over, unless it is the one that was named.
    async fn list(
        &self,
        tenant: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<Record>, DirectoryError> {
        let stores = self.now();
        let begin = match from {
            None => 0,
            Some(name) => {
                let (domain, _) = name::split(name);
                let domain = domain.unwrap_or_default();
                let place = stores.all.iter().position(|(known, _)| *known == domain);
                let Some(place) = place else {
                    return Ok(Vec::new());
                };
                place
            }
        };
        let mut records = Vec::new();
        let most = usize::try_from(rows_max).unwrap_or(usize::MAX);
        for (place, (domain, store)) in stores.all.iter().enumerate().skip(begin) {
            let left = u32::try_from(most.saturating_sub(records.len())).unwrap_or(u32::MAX);
            if left == 0 {
                break;
            }
            let from = from.filter(|_| place == begin);
            match store.list(tenant, from, left).await {
                Ok(found) => records.extend(found),
                Err(DirectoryError::Refused(why)) if stores.all.len() > 1 => {
                    tracing::warn!(store = %domain, "its users are not listed: {why}");
                }
                Err(error) => return Err(error),
            }
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
        let stores = self.now();
        let Some((store, name)) = stores.owner(tenant, name).await? else {
            return Ok(false);
        };
        // A subject is one person's, in whatever store.
        for other in stores.all.iter().map(|(_, store)| store) {
            let linked = other
                .find_association(tenant, identity_provider, subject, "")
                .await?;
            if linked.is_some() {
                return Ok(false);
            }
        }
        store.link(tenant, &name, identity_provider, subject).await
    }

    async fn groups(&self, tenant: &TenantId, name: &str) -> Result<Vec<String>, DirectoryError> {
        match self.now().owner(tenant, name).await? {
            Some((store, name)) => store.groups(tenant, &name).await,
            None => Ok(Vec::new()),
        }
    }

    async fn probe(&self) -> Result<(), DirectoryError> {
        for (_, answer) in self.probe_each().await {
            answer?;
        }
        Ok(())
    }
}
