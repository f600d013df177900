//! A world for the use cases: every port in memory, a clock that stands until it is told to move,
//! seeded randomness, providers that answer by script. Every call yields first, so that concurrent
//! acts interleave.

use async_trait::async_trait;
use postern_login::audit::{AuditEvent, CodeStatus, What};
use postern_login::backup_claim::claimed_codes;
use postern_login::begin::ClientFacts;
use postern_login::error::StoreError;
use postern_login::login::{Login, Origin, State};
use postern_login::ports::*;
use postern_login::session::{Session, SessionId};
use postern_login::text::Template;
use postern_login::{LoginId, Logins, Step, TenantId};
use postern_otp::danger::attempt_counted;
use postern_otp::lock::{Ledger, Standing};
use postern_otp::{
    AttemptPolicy, BackupCode, FactorSettings, HashKey, KeyRing, PhoneNumber, Timestamp,
};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

pub const ALICE: &str = "+94771234567";
pub const MINUTE: u64 = 60_000;
pub const HOUR: u64 = 60 * MINUTE;

#[derive(Clone)]
pub struct World {
    pub logins: Logins,
    inner: Arc<Inner>,
}

pub struct Inner {
    now: AtomicU64,
    random: AtomicU64,
    state: Mutex<Held>,
}

#[derive(Default)]
pub struct Held {
    pub logins: HashMap<String, (Login, u32)>,
    pub ledgers: HashMap<String, Ledger>,
    pub backup_codes: HashMap<String, Vec<String>>,
    /// A claim of the user store with codes, by name.
    pub claims: HashMap<String, String>,
    /// The user store does not let go of a claim.
    pub claims_stuck: bool,
    pub sessions: Vec<Session>,
    pub counters: HashMap<String, Vec<Timestamp>>,
    pub replies: HashMap<(String, String), ([u8; 32], Option<String>)>,
    pub users: HashMap<String, User>,
    pub settings: Option<Arc<TenantSettings>>,
    pub other_settings: Option<Arc<TenantSettings>>,
    pub sent: Vec<(String, Message)>,
    pub script: VecDeque<Delivery>,
    pub gate: Option<Arc<Semaphore>>,
    pub hanging: HashSet<String>,
    pub not_ready: HashSet<String>,
    pub idempotent: HashSet<String>,
    pub resolution: Option<Resolution>,
    /// What the resolver was last given.
    pub resolver_settings: Vec<(String, String)>,
    pub events: Vec<AuditEvent>,
    pub entropy_broken: bool,
    pub save_refused: bool,
    pub save_policy: bool,
    /// The user store tells nothing of anybody.
    pub profiles_away: bool,
    /// So many moves are lost to somebody who changes nothing.
    pub overtaken: u32,
    /// Nothing can be counted.
    pub count_refused: bool,
    /// Whose logins were ended.
    pub closings: Vec<(TenantId, AccountRef)>,
    /// This account gets another password, `new`, just after the next answer of the user store to a
    /// password, of the resolver to a person, or of the store to a session.
    pub changed_meanwhile: Option<String>,
    /// The logins of an account cannot be ended.
    pub close_refused: bool,
    /// A backup code that is tried cannot be taken off the list.
    pub spend_refused: bool,
    /// How many backup codes there are is not told.
    pub rest_refused: bool,
    pub comparisons: u32,
}

#[derive(Default, Clone)]
pub struct User {
    pub password: String,
    pub profile: Profile,
    pub associations: Vec<Association>,
}

pub fn tenant() -> TenantId {
    TenantId::super_tenant()
}

pub fn facts() -> ClientFacts {
    facts_from("192.0.2.1")
}

pub fn facts_from(address: &str) -> ClientFacts {
    ClientFacts {
        address: address.to_owned(),
        user_agent: "test".to_owned(),
        locale: "en".to_owned(),
    }
}

pub fn browser() -> Origin {
    Origin::Browser {
        return_to: "/account".to_owned(),
    }
}

pub fn account(name: &str) -> Subject {
    Subject::Account {
        tenant: tenant(),
        account: name.to_owned(),
    }
}

pub fn failed(reason: FailureReason) -> Delivery {
    Delivery::Failed(SendFailure {
        reason,
        retry_after: None,
        detail: "scripted".to_owned(),
        words: None,
    })
}

pub fn accepted() -> Delivery {
    Delivery::Accepted {
        provider_id: Some("p1".to_owned()),
        parts: None,
    }
}

impl World {
    /// Alice has a number, Bob has none; two senders; the default limits.
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut TenantSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let mut held = Held {
            settings: Some(Arc::new(settings)),
            ..Held::default()
        };
        held.users.insert("alice".to_owned(), user(Some(ALICE)));
        held.users.insert("bob".to_owned(), user(None));
        let inner = Arc::new(Inner {
            now: AtomicU64::new(1_800_000_000_000),
            random: AtomicU64::new(1),
            state: Mutex::new(held),
        });
        Self {
            logins: logins(&inner),
            inner,
        }
    }

    /// The same stores, another process: what was in memory only is gone.
    pub fn restarted(&self) -> Self {
        Self {
            logins: logins(&self.inner),
            inner: Arc::clone(&self.inner),
        }
    }

    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.inner.state.lock().unwrap()
    }

    pub fn pass(&self, millis: u64) {
        self.inner.now.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn turn_back(&self, millis: u64) {
        self.inner.now.fetch_sub(millis, Ordering::SeqCst);
    }

    /// From here on other randomness comes than would have come.
    pub fn other_randomness(&self) {
        self.inner.random.fetch_add(1, Ordering::SeqCst);
    }

    pub fn time(&self) -> Timestamp {
        Timestamp(self.inner.now.load(Ordering::SeqCst))
    }

    pub async fn begin(&self) -> LoginId {
        let moved = self.logins.begin(browser(), &facts()).await;
        moved.unwrap().id
    }

    pub async fn password_of(&self, name: &str) -> (LoginId, Step) {
        let id = self.begin().await;
        let moved = self.logins.password(&id, name, "right", &facts()).await;
        let moved = moved.unwrap();
        (moved.id, moved.step)
    }

    /// At the code page, with the code that the telephone shows.
    pub async fn at_code(&self, name: &str) -> (LoginId, String) {
        let (id, step) = self.password_of(name).await;
        assert!(matches!(step, Step::AskCode(_)), "{step:?}");
        (id, self.last_code())
    }

    pub async fn submit(&self, id: &LoginId, typed: &str) -> Step {
        let moved = self.logins.submit_code(id, typed, &facts()).await;
        moved.unwrap().step
    }

    /// A whole sign-in.
    pub async fn session_of(&self, name: &str) -> Session {
        let (id, code) = self.at_code(name).await;
        assert_eq!(self.submit(&id, &code).await, Step::Authenticated);
        self.logins.finish(&id, &facts()).await.unwrap().session
    }

    /// Wrong codes, until the factor is locked.
    pub async fn lock(&self, name: &str) {
        for _ in 0..2 {
            let (id, code) = self.at_code(name).await;
            for _ in 0..5 {
                self.submit(&id, wrong(&code)).await;
            }
        }
        let standing = self.ledger(name).standing(self.time());
        assert!(matches!(standing, Standing::Locked { .. }), "{standing:?}");
    }

    pub fn last_code(&self) -> String {
        let held = self.held();
        let (_, message) = held.sent.last().expect("something was sent");
        message
            .code
            .as_ref()
            .expect("with a code")
            .as_str()
            .to_owned()
    }

    /// By which sender the last message went.
    pub fn last_sender(&self) -> String {
        let held = self.held();
        let (sender, _) = held.sent.last().expect("something was sent");
        sender.clone()
    }

    pub fn calls(&self) -> usize {
        self.held().sent.len()
    }

    pub fn count(&self, matches: impl Fn(&What) -> bool) -> usize {
        let held = self.held();
        held.events
            .iter()
            .filter(|event| matches(&event.what))
            .count()
    }

    pub fn script(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        self.held().script.extend(deliveries);
    }

    pub fn give_backup_codes(&self, name: &str, codes: &[&str]) {
        let codes = codes.iter().map(|code| (*code).to_owned()).collect();
        self.held().backup_codes.insert(account(name).key(), codes);
    }

    pub fn ledger(&self, name: &str) -> Ledger {
        let held = self.held();
        held.ledgers
            .get(&account(name).key())
            .copied()
            .unwrap_or_default()
    }
}

/// A right code was taken.
pub fn is_accepted(what: &What) -> bool {
    let status = CodeStatus::Success;
    matches!(what, What::CodeValidated { status: told, .. } if *told == status)
}

/// Another code than the right one.
pub fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

pub fn user(number: Option<&str>) -> User {
    User {
        password: "right".to_owned(),
        profile: Profile {
            number: number.map(str::to_owned),
            had_factor: number.is_some(),
            ..Profile::default()
        },
        associations: Vec::new(),
    }
}

pub fn settings() -> TenantSettings {
    TenantSettings {
        factor: FactorSettings {
            senders: vec!["one".to_owned(), "two".to_owned()],
            default_region: Some("LK".to_owned()),
            show_failure_reason: true,
            ..FactorSettings::default()
        },
        by_entry: Default::default(),
        keys: KeyRing::new(vec![HashKey::new(1, [5; 32])]).unwrap(),
        templates: vec![Template::new("en", "Verification Code: {code}")],
        brand: "Example".to_owned(),
        limits: SendLimits {
            per_account: (5, Duration::from_secs(600)),
            per_number: (5, Duration::from_secs(600)),
            per_address: (30, Duration::from_secs(3_600)),
            calls_per_message: 3,
            ..SendLimits::default()
        },
        login_lifetime: Duration::from_secs(900),
        session_lifetime: Duration::from_secs(8 * 3_600),
        failures_per_hour: 1_000,
    }
}

fn logins(inner: &Arc<Inner>) -> Logins {
    Logins::new(Arc::new(Ports {
        logins: inner.clone(),
        attempts: inner.clone(),
        backup_codes: inner.clone(),
        sessions: inner.clone(),
        counters: inner.clone(),
        clients: inner.clone(),
        replies: inner.clone(),
        directory: inner.clone(),
        settings: inner.clone(),
        senders: inner.clone(),
        resolver: inner.clone(),
        clock: inner.clone(),
        entropy: inner.clone(),
        audit: inner.clone(),
    }))
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.state.lock().unwrap()
    }

    /// Time passes between an answer and what is made of it.
    async fn meanwhile(&self) {
        let changed = self.held().changed_meanwhile.take();
        if let Some(name) = changed {
            let account = AccountRef { name };
            self.set_password(&tenant(), &account, "new").await.unwrap();
            let closed = self.close_logins_of(&tenant(), &account, None).await;
            closed.unwrap();
        }
    }

    fn swap(&self, seen: &Login, next: State, id: LoginId, since: Option<Closings>) -> Advanced {
        let mut held = self.held();
        let Some((current, attempts)) = held.logins.get(seen.id.as_str()).cloned() else {
            return Advanced::Lost;
        };
        if current.version != seen.version {
            return Advanced::Lost;
        }
        if let (Some(Closings(since)), Some(account)) = (since, next.open_for()) {
            let since = usize::try_from(since).unwrap();
            let opens = |(tenant, closed): &(TenantId, AccountRef)| {
                *tenant == seen.tenant && closed == account
            };
            if held.closings[since..].iter().any(opens) {
                return Advanced::Lost;
            }
        }
        held.logins.remove(seen.id.as_str());
        if held.overtaken > 0 {
            held.overtaken -= 1;
            let version = seen.version + 1;
            let key = seen.id.as_str().to_owned();
            let moved = Login { version, ..current };
            held.logins.insert(key, (moved, attempts));
            return Advanced::Lost;
        }
        let login = Login {
            id,
            version: seen.version + 1,
            state: next,
            ..current
        };
        let key = login.id.as_str().to_owned();
        held.logins.insert(key, (login.clone(), attempts));
        Advanced::Won(login)
    }

    fn count(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
        backup: bool,
    ) -> Payment {
        let mut held = self.held();
        let ledger = held
            .ledgers
            .get(&subject.key())
            .copied()
            .unwrap_or_default();
        let open = backup && ledger.backup_open(now, policy);
        match ledger.standing(now) {
            _ if open => {}
            Standing::Free => {}
            Standing::Locked { until } => return Payment::Locked { until },
            Standing::Disabled => return Payment::Disabled,
        }
        let Some((_, attempts)) = held.logins.get_mut(challenge.as_str()) else {
            return Payment::Exhausted;
        };
        if *attempts >= policy.attempts_max {
            return Payment::Exhausted;
        }
        *attempts += 1;
        let attempt = *attempts;
        held.comparisons += 1;
        let next = if backup {
            ledger.paid_backup(now, policy)
        } else {
            ledger.paid(now, policy)
        };
        held.ledgers.insert(subject.key(), next);
        Payment::Paid(attempt_counted(attempt, policy.attempts_max))
    }
}

impl Clock for Inner {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
}

impl Entropy for Inner {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), StoreError> {
        if self.held().entropy_broken {
            return Err(StoreError::new("no randomness"));
        }
        for chunk in bytes.chunks_mut(8) {
            let mut z = self
                .random
                .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[async_trait]
impl LoginStore for Inner {
    async fn insert(&self, login: &Login) -> Result<(), StoreError> {
        yield_now().await;
        let key = login.id.as_str().to_owned();
        self.held().logins.insert(key, (login.clone(), 0));
        Ok(())
    }
    async fn load(
        &self,
        tenant: &TenantId,
        id: &LoginId,
        now: Timestamp,
    ) -> Result<Option<Login>, StoreError> {
        yield_now().await;
        let held = self.held();
        let login = held.logins.get(id.as_str()).map(|(login, _)| login.clone());
        Ok(login.filter(|login| login.tenant == *tenant && now < login.expires_at))
    }
    async fn advance_as(
        &self,
        seen: &Login,
        next: State,
        id: LoginId,
        since: Option<Closings>,
    ) -> Result<Advanced, StoreError> {
        yield_now().await;
        Ok(self.swap(seen, next, id, since))
    }
    fn closings(&self) -> Closings {
        Closings(self.held().closings.len() as u64)
    }
    async fn take(&self, seen: &Login) -> Result<Option<Login>, StoreError> {
        yield_now().await;
        let mut held = self.held();
        let current = held.logins.get(seen.id.as_str());
        if current.is_none_or(|(login, _)| login.version != seen.version) {
            return Ok(None);
        }
        Ok(held.logins.remove(seen.id.as_str()).map(|(login, _)| login))
    }
    async fn close_logins_of(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        except: Option<&LoginId>,
    ) -> Result<u64, StoreError> {
        let mut held = self.held();
        if held.close_refused {
            return Err(StoreError::new("the disk is full"));
        }
        held.closings.push((tenant.clone(), account.clone()));
        let mut closed = 0;
        for (login, _) in held.logins.values_mut() {
            if login.is_open_for(tenant, account) && Some(&login.id) != except {
                login.state = State::closed();
                login.version += 1;
                closed += 1;
            }
        }
        Ok(closed)
    }
    async fn remove_expired(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl AttemptStore for Inner {
    async fn pay(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        yield_now().await;
        Ok(self.count(subject, challenge, now, policy, false))
    }
    async fn pay_backup(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError> {
        yield_now().await;
        Ok(self.count(subject, challenge, now, policy, true))
    }
    async fn ledger(&self, subject: &Subject) -> Result<Ledger, StoreError> {
        yield_now().await;
        let held = self.held();
        Ok(held
            .ledgers
            .get(&subject.key())
            .copied()
            .unwrap_or_default())
    }
    async fn clear(&self, subject: &Subject) -> Result<(), StoreError> {
        yield_now().await;
        let mut held = self.held();
        let ledger = held.ledgers.entry(subject.key()).or_default();
        *ledger = ledger.cleared();
        Ok(())
    }
    async fn unlock(&self, subject: &Subject) -> Result<(), StoreError> {
        let mut held = self.held();
        let ledger = held.ledgers.entry(subject.key()).or_default();
        *ledger = ledger.unlocked();
        Ok(())
    }
    async fn unlock_all(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<Subject>, StoreError> {
        let mut unlocked = Vec::new();
        for (key, ledger) in &mut self.held().ledgers {
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

#[async_trait]
impl BackupCodeStore for Inner {
    async fn replace(
        &self,
        subject: &Subject,
        codes: &[BackupCode],
        _: Timestamp,
    ) -> Result<(), StoreError> {
        let codes = codes.iter().map(|code| code.as_str().to_owned()).collect();
        self.held().backup_codes.insert(subject.key(), codes);
        Ok(())
    }
    async fn remaining(&self, subject: &Subject) -> Result<u32, StoreError> {
        let held = self.held();
        if held.rest_refused {
            return Err(StoreError::new("the store is busy"));
        }
        let codes = held.backup_codes.get(&subject.key());
        Ok(codes.map_or(0, |codes| u32::try_from(codes.len()).unwrap()))
    }
    async fn consume(
        &self,
        subject: &Subject,
        code: &BackupCode,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        yield_now().await;
        let mut held = self.held();
        if held.spend_refused {
            return Err(StoreError::new("the disk is full"));
        }
        let codes = held.backup_codes.entry(subject.key()).or_default();
        let before = codes.len();
        codes.retain(|known| known != code.as_str());
        Ok(codes.len() < before)
    }
}

#[async_trait]
impl SessionStore for Inner {
    async fn open(&self, session: &Session) -> Result<(), StoreError> {
        yield_now().await;
        self.held().sessions.push(session.clone());
        Ok(())
    }
    async fn find(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let found = {
            let held = self.held();
            let mut own = held
                .sessions
                .iter()
                .filter(|session| session.tenant == *tenant);
            let found = own.find(|session| session.id == *id);
            found.filter(|session| now < session.expires_at).cloned()
        };
        self.meanwhile().await;
        Ok(found)
    }
    async fn close(&self, tenant: &TenantId, id: &SessionId) -> Result<(), StoreError> {
        let mut held = self.held();
        held.sessions
            .retain(|session| session.tenant != *tenant || session.id != *id);
        Ok(())
    }
    async fn close_named(&self, subject: &Subject, name: &str) -> Result<bool, StoreError> {
        let mut held = self.held();
        let before = held.sessions.len();
        held.sessions
            .retain(|session| session.subject() != *subject || session.name != name);
        Ok(held.sessions.len() < before)
    }
    async fn all_of(&self, subject: &Subject, _: Timestamp) -> Result<Vec<Session>, StoreError> {
        let held = self.held();
        let all = held.sessions.iter();
        Ok(all
            .filter(|session| session.subject() == *subject)
            .cloned()
            .collect())
    }
    async fn close_all_of(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
    ) -> Result<u64, StoreError> {
        let mut held = self.held();
        let before = held.sessions.len();
        held.sessions
            .retain(|session| session.subject() != *subject || Some(&session.id) == except);
        Ok((before - held.sessions.len()) as u64)
    }
    async fn remove_expired(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Counters for Inner {
    async fn spend(&self, budgets: &[Budget], now: Timestamp) -> Result<Spending, StoreError> {
        yield_now().await;
        let mut held = self.held();
        if held.count_refused {
            return Err(StoreError::new("the store is busy"));
        }
        for (index, budget) in budgets.iter().enumerate() {
            let hits = held.counters.entry(budget.key.clone()).or_default();
            let ends = |hit: Option<&Timestamp>| hit.map_or(now, |hit| hit.plus(budget.window));
            match budget.begins {
                Begins::First => hits.retain(|hit| now.since(*hit) < budget.window),
                Begins::Last if ends(hits.last()) <= now => hits.clear(),
                Begins::Last => {}
            }
            let ends = match budget.begins {
                Begins::First => ends(hits.first()),
                Begins::Last => ends(hits.last()),
            };
            if hits.len() >= budget.max as usize {
                let at = ends;
                return Ok(Spending::Spent { index, at });
            }
        }
        for budget in budgets {
            held.counters
                .entry(budget.key.clone())
                .or_default()
                .push(now);
        }
        Ok(Spending::Granted)
    }
    async fn remove_expired(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl ApiClients for Inner {
    async fn find(&self, _: &[u8; 32]) -> Result<Option<ApiClient>, StoreError> {
        Ok(None)
    }
    async fn add(&self, _: &ApiClient, _: &[u8; 32]) -> Result<Added, StoreError> {
        Ok(Added::NameTaken)
    }
    async fn list(&self, _: &TenantId) -> Result<Vec<ApiClient>, StoreError> {
        Ok(Vec::new())
    }
    async fn revoke(&self, _: &TenantId, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[async_trait]
impl Idempotency for Inner {
    async fn reserve(
        &self,
        client: &ApiClient,
        key: &str,
        fingerprint: &[u8; 32],
        _: Timestamp,
    ) -> Result<Reservation, StoreError> {
        yield_now().await;
        let mut held = self.held();
        let name = (client.name.clone(), key.to_owned());
        Ok(match held.replies.get(&name) {
            None => {
                held.replies.insert(name, (*fingerprint, None));
                Reservation::Reserved
            }
            Some((known, _)) if known != fingerprint => Reservation::Differs,
            Some((_, None)) => Reservation::InProgress,
            Some((_, Some(answer))) => Reservation::Answered(answer.clone()),
        })
    }
    async fn fill(&self, client: &ApiClient, key: &str, answer: &str) -> Result<(), StoreError> {
        let mut held = self.held();
        let name = (client.name.clone(), key.to_owned());
        if let Some((_, filled)) = held.replies.get_mut(&name) {
            *filled = Some(answer.to_owned());
        }
        Ok(())
    }
    async fn release(&self, client: &ApiClient, key: &str) -> Result<(), StoreError> {
        let name = (client.name.clone(), key.to_owned());
        self.held().replies.remove(&name);
        Ok(())
    }
    async fn remove_expired(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Directory for Inner {
    async fn check_password(
        &self,
        _: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        yield_now().await;
        let account = AccountRef {
            name: name.to_owned(),
        };
        let user = self.held().users.get(name).cloned();
        self.meanwhile().await;
        Ok(match user {
            Some(user) if user.password != password => PasswordCheck::Wrong,
            Some(user) if user.profile.locked => PasswordCheck::Locked(account),
            Some(_) => PasswordCheck::Right(account),
            None => PasswordCheck::Wrong,
        })
    }
    async fn find(&self, _: &TenantId, name: &str) -> Result<Option<AccountRef>, DirectoryError> {
        let held = self.held();
        Ok(held.users.contains_key(name).then(|| AccountRef {
            name: name.to_owned(),
        }))
    }
    async fn find_association(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(None)
    }
    async fn profile(&self, _: &TenantId, account: &AccountRef) -> Result<Profile, DirectoryError> {
        yield_now().await;
        let held = self.held();
        if held.profiles_away {
            return Err(StoreError::new("the user store is away").into());
        }
        let user = held.users.get(&account.name);
        Ok(user.map(|user| user.profile.clone()).unwrap_or_default())
    }
    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let profile = match self.held().users.get(&account.name) {
            Some(user) => user.profile.clone(),
            None => return Err(StoreError::new("no such user in the user store").into()),
        };
        if profile.number.as_deref() == Some(number.e164()) {
            return Ok(FirstNumber::Known);
        }
        if profile.had_factor || profile.number.is_some() {
            return Ok(FirstNumber::Taken);
        }
        self.save_number(tenant, account, number).await?;
        Ok(FirstNumber::Saved)
    }
    async fn save_number(
        &self,
        _: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let mut held = self.held();
        if held.save_policy {
            let reason = "not of this company".to_owned();
            return Err(DirectoryError::Refused(reason));
        }
        if held.save_refused {
            return Err(DirectoryError::ReadOnly);
        }
        if let Some(user) = held.users.get_mut(&account.name) {
            user.profile.number = Some(number.e164().to_owned());
            user.profile.had_factor = true;
        }
        Ok(())
    }
    async fn save_opt_out(
        &self,
        _: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        if let Some(user) = self.held().users.get_mut(&account.name) {
            user.profile.opted_out = opted_out;
        }
        Ok(())
    }
    async fn associations(
        &self,
        _: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        let held = self.held();
        let user = held.users.get(&account.name);
        Ok(user
            .map(|user| user.associations.clone())
            .unwrap_or_default())
    }
    async fn remove_association(
        &self,
        _: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        let mut held = self.held();
        let Some(user) = held.users.get_mut(&account.name) else {
            return Ok(false);
        };
        let before = user.associations.len();
        user.associations.retain(|known| known != association);
        Ok(user.associations.len() < before)
    }
    async fn set_password(
        &self,
        _: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let mut held = self.held();
        if held.save_refused {
            return Err(DirectoryError::ReadOnly);
        }
        if let Some(user) = held.users.get_mut(&account.name) {
            user.password = password.to_owned();
        }
        Ok(())
    }
    async fn take_backup_codes(
        &self,
        _: &TenantId,
        account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        yield_now().await;
        let mut held = self.held();
        if held.claims_stuck {
            return Err(DirectoryError::ReadOnly);
        }
        match held.claims.remove(&account.name) {
            Some(claim) => Ok(claimed_codes(&claim)?),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl SettingsSource for Inner {
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError> {
        let held = self.held();
        Ok(if *tenant == TenantId::super_tenant() {
            held.settings.clone()
        } else {
            held.other_settings.clone()
        })
    }
}

#[async_trait]
impl Senders for Inner {
    async fn send(&self, sender: &str, message: &Message, _: Instant) -> Delivery {
        yield_now().await;
        let gate = self.held().gate.clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        if self.held().hanging.contains(sender) {
            std::future::pending::<()>().await;
        }
        let mut held = self.held();
        held.sent.push((sender.to_owned(), message.clone()));
        held.script.pop_front().unwrap_or_else(accepted)
    }
    fn ready(&self, _: &TenantId, sender: &str) -> bool {
        !self.held().not_ready.contains(sender)
    }
    fn idempotent(&self, _: &TenantId, sender: &str) -> bool {
        self.held().idempotent.contains(sender)
    }
}

#[async_trait]
impl UserResolver for Inner {
    async fn resolve(
        &self,
        _: &str,
        settings: &[(String, String)],
        _: &FederatedLogin,
    ) -> Resolution {
        let resolution = {
            let mut held = self.held();
            held.resolver_settings = settings.to_vec();
            held.resolution.clone()
        };
        self.meanwhile().await;
        resolution.unwrap_or(Resolution::NotFound)
    }
}

#[async_trait]
impl AuditLog for Inner {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        yield_now().await;
        self.held().events.push(event);
        Ok(())
    }
}
