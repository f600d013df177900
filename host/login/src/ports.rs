//! What a login needs from the world. Small traits; the world implements them.

use crate::audit::AuditEvent;
use crate::error::StoreError;
use crate::login::{Login, LoginId, Purpose, State};
use crate::provider_words::ProviderWords;
use crate::session::{Session, SessionId};
use crate::tenant::TenantId;
use crate::text::{MessageText, Template};
use async_trait::async_trait;
use postern_otp::{
    AttemptPolicy, BackupCode, Code, FactorSettings, KeyRing, PaidAttempt, PhoneNumber, Timestamp,
    lock::Ledger,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything at once, for whoever assembles the host.
pub struct Ports {
    pub logins: Arc<dyn LoginStore>,
    pub attempts: Arc<dyn AttemptStore>,
    pub backup_codes: Arc<dyn BackupCodeStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub counters: Arc<dyn Counters>,
    pub clients: Arc<dyn ApiClients>,
    pub replies: Arc<dyn Idempotency>,
    pub directory: Arc<dyn Directory>,
    pub settings: Arc<dyn SettingsSource>,
    pub senders: Arc<dyn Senders>,
    pub resolver: Arc<dyn UserResolver>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub audit: Arc<dyn AuditLog>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

// ---------------------------------------------------------------- time and chance

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

pub trait Entropy: Send + Sync {
    /// Fills from the system's random source. An error refuses whatever needed it.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), StoreError>;
}

// ---------------------------------------------------------------- logins

/// Logins in progress. What a call wrote outlives the host's process when it returns. The machine's power
/// is outlived by what must not be undone: moves that stop a login or whose `Settlement` decides (it clears
/// a subject, or has an event that decides a login), taking and finishing it, the closing of an account's.
/// The rest follows within a second; a login that a power failure takes back by a step is begun again, or
/// goes on from there with its attempts as they were paid.
#[async_trait]
pub trait LoginStore: Send + Sync {
    async fn insert(&self, login: &Login) -> Result<(), StoreError>;
    /// `None` also if it has expired, or is another tenant's. A row that cannot be read is an error,
    /// never "absent".
    async fn load(
        &self,
        tenant: &TenantId,
        id: &LoginId,
        now: Timestamp,
    ) -> Result<Option<Login>, StoreError>;
    /// Compare-and-swap: writes `next` only if the version is still the one `seen` carries; one
    /// writer wins. On success gives the login back with its new version.
    async fn advance(&self, seen: &Login, next: State) -> Result<Advanced, StoreError> {
        self.advance_as(seen, next, seen.id.clone(), None).await
    }
    /// As `advance`, and the login continues under `id`: if that is a new one, the old one is dead
    /// (attack S-01). Lost as well if `close_logins_of` was called since for the account that `next` is
    /// open for (`State::open_for`), decided in one step with the move: the two never miss each other.
    async fn advance_as(
        &self,
        seen: &Login,
        next: State,
        id: LoginId,
        since: Option<Closings>,
    ) -> Result<Advanced, StoreError>;
    /// To be read before an account is looked up for a login that is not open for it yet: what is found
    /// of it then may be out of date when the login moves (`Settlement::since`).
    fn closings(&self) -> Closings;
    /// `advance`, and what follows from winning it; losing leaves nothing behind. A store that keeps
    /// ledgers and audit rows as well writes all of it in one transaction: one commit to wait for, and
    /// no move without its row. It then says `AuditLog::heard` of each event. This default does one
    /// after the other.
    async fn settle(
        &self,
        seen: &Login,
        next: State,
        then: Settlement,
        attempts: &dyn AttemptStore,
        audit: &dyn AuditLog,
    ) -> Result<Advanced, StoreError> {
        let id = then.rename.unwrap_or_else(|| seen.id.clone());
        let advanced = self.advance_as(seen, next, id, then.since).await?;
        if let Advanced::Won(_) = advanced {
            if let Some(subject) = &then.clear {
                attempts.clear(subject).await?;
            }
            for event in then.events {
                audit.record(event).await?;
            }
        }
        Ok(advanced)
    }
    /// Takes the login out exactly once: of two callers one gets it.
    async fn take(&self, seen: &Login) -> Result<Option<Login>, StoreError>;
    /// `take`, and for the one that gets it what follows. A store that keeps that as well writes all of it
    /// in one transaction, as for `settle`, and it outlives the machine's power: nobody is let in without a
    /// row that says so, and no login is lost on the way to its session. This default does one after the
    /// other.
    async fn finish(
        &self,
        seen: &Login,
        then: Ending,
        attempts: &dyn AttemptStore,
        sessions: &dyn SessionStore,
        audit: &dyn AuditLog,
    ) -> Result<Option<Login>, StoreError> {
        let taken = self.take(seen).await?;
        if taken.is_some() {
            if let Some(subject) = &then.clear {
                attempts.clear(subject).await?;
            }
            sessions.open(&then.session).await?;
            for event in then.events {
                audit.record(event).await?;
            }
        }
        Ok(taken)
    }
    /// Every login that may still let the account in (`Login::is_open_for`), but for `except`, becomes
    /// `State::closed`: its number changed (attack B-04), or its password (attack B-01), or it was locked.
    /// One that is yet to be opened by what was checked before is refused (`advance_as`). Returns how many.
    async fn close_logins_of(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        except: Option<&LoginId>,
    ) -> Result<u64, StoreError>;
    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError>;
}

/// How often a store has closed logins: a moment among its closings, whatever its clock says. It means
/// nothing to another store, nor after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closings(pub u64);

/// What else becomes true when an advance is won.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// The login continues under a new id (attack S-01).
    pub rename: Option<LoginId>,
    /// When the account was looked up: the advance is lost if its logins were closed since (attacks B-01,
    /// B-04).
    pub since: Option<Closings>,
    /// `AttemptStore::clear` of this subject.
    pub clear: Option<Subject>,
    /// `AuditLog::record`, in this order.
    pub events: Vec<AuditEvent>,
}

/// What else becomes true when a login is finished.
#[derive(Debug, Clone)]
pub struct Ending {
    pub session: Session,
    /// `AttemptStore::clear` of this subject.
    pub clear: Option<Subject>,
    /// `AuditLog::record`, in this order.
    pub events: Vec<AuditEvent>,
}

#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "it is returned once and taken apart at once"
)]
pub enum Advanced {
    Won(Login),
    Lost,
}

// ---------------------------------------------------------------- attempts

/// Whose failures are counted together: never the code, the session or the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    Account {
        tenant: TenantId,
        account: String,
    },
    Federated {
        tenant: TenantId,
        identity_provider: String,
        subject: String,
    },
    /// An API client's number, as a keyed hash in hex.
    Number {
        tenant: TenantId,
        client: String,
        number: String,
    },
}

impl Subject {
    /// One text per subject, no two alike: parts are length-prefixed.
    pub fn key(&self) -> String {
        let part = |s: &str| format!("{}:{s}", s.len());
        match self {
            Self::Account { tenant, account } => {
                format!("a{}{}", part(tenant.as_str()), part(account))
            }
            Self::Federated {
                tenant,
                identity_provider,
                subject,
            } => {
                format!(
                    "f{}{}{}",
                    part(tenant.as_str()),
                    part(identity_provider),
                    part(subject)
                )
            }
            Self::Number {
                tenant,
                client,
                number,
            } => {
                format!("n{}{}{}", part(tenant.as_str()), part(client), part(number))
            }
        }
    }
    /// The subject of a key. `None`: not a key of ours.
    pub fn of_key(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_at_checked(1)?;
        let (tenant, rest) = part(rest)?;
        let tenant = TenantId::parse(tenant).ok()?;
        let (first, rest) = part(rest)?;
        let first = first.to_owned();
        match kind {
            "a" if rest.is_empty() => Some(Self::Account {
                tenant,
                account: first,
            }),
            "f" | "n" => {
                let (second, rest) = part(rest)?;
                let second = second.to_owned();
                match kind {
                    _ if !rest.is_empty() => None,
                    "f" => Some(Self::Federated {
                        tenant,
                        identity_provider: first,
                        subject: second,
                    }),
                    _ => Some(Self::Number {
                        tenant,
                        client: first,
                        number: second,
                    }),
                }
            }
            _ => None,
        }
    }

    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Account { tenant, .. }
            | Self::Federated { tenant, .. }
            | Self::Number { tenant, .. } => tenant,
        }
    }
}

/// One length-prefixed part of a key, and what follows it.
fn part(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

/// Durable only: an attempt outlives the host's process before it may be used, and the machine's power before
/// anybody hears what came of it.
#[async_trait]
pub trait AttemptStore: Send + Sync {
    /// Raises the challenge's and the subject's counters in one atomic statement, before any comparison.
    /// The machine's power is outlived together with the row of the audit log that says what the attempt
    /// was (`What::CodeValidated`), which is written before anybody is answered. `challenge` is the login's
    /// id: the budget survives a resend.
    async fn pay(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError>;
    /// As `pay`, for a backup code (`Ledger::backup_open`, `Ledger::paid_backup`): the challenge's
    /// budget bears it like any attempt; on the subject it counts like any while the factor is free,
    /// and a locked or disabled factor leaves a few tries of its own.
    async fn pay_backup(
        &self,
        subject: &Subject,
        challenge: &LoginId,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Payment, StoreError>;
    async fn ledger(&self, subject: &Subject) -> Result<Ledger, StoreError>;
    /// After a success: the consecutive counter of this subject, and no other (attack A-14).
    async fn clear(&self, subject: &Subject) -> Result<(), StoreError>;
    /// An administrator unlocks; failures are counted anew, not forgotten silently (attack D-03).
    async fn unlock(&self, subject: &Subject) -> Result<(), StoreError>;
    /// As `unlock`, for everybody of the tenant who is locked or disabled now; who that was.
    async fn unlock_all(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<Subject>, StoreError>;
}

#[derive(Debug)]
#[must_use]
pub enum Payment {
    Paid(PaidAttempt),
    /// The challenge's budget is spent.
    Exhausted,
    Locked {
        until: Timestamp,
    },
    Disabled,
}

// ---------------------------------------------------------------- backup codes

/// Backup codes: one salt a set, so that a try costs one password hash.
#[async_trait]
pub trait BackupCodeStore: Send + Sync {
    /// All earlier ones are dead.
    async fn replace(
        &self,
        subject: &Subject,
        codes: &[BackupCode],
        now: Timestamp,
    ) -> Result<(), StoreError>;
    async fn remaining(&self, subject: &Subject) -> Result<u32, StoreError>;
    /// True exactly once per code, durably, before it returns.
    async fn consume(
        &self,
        subject: &Subject,
        code: &BackupCode,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}

// ---------------------------------------------------------------- sessions

#[async_trait]
pub trait SessionStore: Send + Sync {
    async fn open(&self, session: &Session) -> Result<(), StoreError>;
    /// `None` also if it has expired, or is another tenant's.
    async fn find(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;
    /// Another tenant's stays.
    async fn close(&self, tenant: &TenantId, id: &SessionId) -> Result<(), StoreError>;
    /// By the session's name (its id is a secret of its browser).
    async fn close_named(&self, subject: &Subject, name: &str) -> Result<bool, StoreError>;
    async fn all_of(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Session>, StoreError>;
    /// All but `except`. Returns how many.
    async fn close_all_of(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
    ) -> Result<u64, StoreError>;
    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError>;
}

// ---------------------------------------------------------------- budgets

/// A bound on how often something happens in a sliding or fixed window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Names what is counted, tenant included. Numbers only as keyed hashes.
    pub key: String,
    pub window: Duration,
    pub max: u32,
    pub begins: Begins,
}

/// When a budget's window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Begins {
    /// With the first that is counted.
    First,
    /// Anew with each that is counted: whoever has spent all waits the whole window after the last.
    Last,
}

#[async_trait]
pub trait Counters: Send + Sync {
    /// Counts one on every budget if none of them is spent; otherwise counts nothing. One statement,
    /// which outlives the host's process, and within a second the machine's power.
    async fn spend(&self, budgets: &[Budget], now: Timestamp) -> Result<Spending, StoreError>;
    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Spending {
    Granted,
    /// The first budget in the list that is spent, and when it has room again.
    Spent {
        index: usize,
        at: Timestamp,
    },
}

// ---------------------------------------------------------------- API clients

/// An application that calls the JSON API. Its name is its tenant's to give: two tenants may have
/// clients of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiClient {
    pub name: String,
    pub tenant: TenantId,
    pub created_at: Timestamp,
    /// What its token is good for; nothing else.
    pub scopes: Vec<Scope>,
}

impl ApiClient {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// What an application may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Codes of its own people: sent, checked, sent again.
    #[serde(rename = "challenges")]
    Challenges,
    /// Finished messages to any number.
    #[serde(rename = "messages")]
    Messages,
    /// Reading users and groups.
    #[serde(rename = "scim:read")]
    ScimRead,
    /// Making, changing and deleting users and groups, but for the number that takes the codes.
    #[serde(rename = "scim:write")]
    ScimWrite,
    /// That number: whoever sets it gets the codes.
    #[serde(rename = "scim:phone")]
    ScimPhone,
}

impl Scope {
    pub const ALL: [Self; 5] = [
        Self::Challenges,
        Self::Messages,
        Self::ScimRead,
        Self::ScimWrite,
        Self::ScimPhone,
    ];
    /// Of a client that was added without naming any. Nothing that looks after users is among them.
    pub const UNNAMED: [Self; 2] = [Self::Challenges, Self::Messages];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Challenges => "challenges",
            Self::Messages => "messages",
            Self::ScimRead => "scim:read",
            Self::ScimWrite => "scim:write",
            Self::ScimPhone => "scim:phone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

#[async_trait]
pub trait ApiClients: Send + Sync {
    /// Stored is SHA-256 of the token (256 random bits, so no salt is needed).
    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<ApiClient>, StoreError>;
    async fn add(&self, client: &ApiClient, token_sha256: &[u8; 32]) -> Result<Added, StoreError>;
    async fn list(&self, tenant: &TenantId) -> Result<Vec<ApiClient>, StoreError>;
    async fn revoke(&self, tenant: &TenantId, name: &str) -> Result<bool, StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Added {
    Added,
    NameTaken,
}

/// Answers to requests that carried an idempotency key.
#[async_trait]
pub trait Idempotency: Send + Sync {
    /// Reserves the key for a request of this fingerprint, or says what became of it.
    async fn reserve(
        &self,
        client: &ApiClient,
        key: &str,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<Reservation, StoreError>;
    async fn fill(&self, client: &ApiClient, key: &str, answer: &str) -> Result<(), StoreError>;
    /// Nothing was sent: the key may be used again.
    async fn release(&self, client: &ApiClient, key: &str) -> Result<(), StoreError>;
    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Reservation {
    Reserved,
    InProgress,
    Answered(String),
    /// The same key with another request.
    Differs,
}

// ---------------------------------------------------------------- tenants

/// A tenant that an administrator made. The super tenant is the configuration file's and has no row.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantRecord {
    pub tenant: TenantId,
    /// False: switched off, and everything it has is kept.
    pub enabled: bool,
    /// Its settings document; without one it runs by the super tenant's values, or by a file.
    pub document: Option<String>,
    /// Why the document there is cannot be read: that tenant's trouble and nobody else's. Such a record
    /// is not saved again before it has another document, or none.
    pub broken: Option<String>,
    pub changed_at: Timestamp,
}

/// The document may hold credentials.
impl std::fmt::Debug for TenantRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "TenantRecord({}, enabled: {})",
            self.tenant, self.enabled
        )
    }
}

#[async_trait]
pub trait TenantStore: Send + Sync {
    /// By name.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError>;
    async fn add_tenant(&self, record: &TenantRecord) -> Result<Added, StoreError>;
    /// Replaces the row whole. False if there is none.
    async fn save_tenant(&self, record: &TenantRecord) -> Result<bool, StoreError>;
    /// The row, and every row of the tenant but those of the audit log, at once. Gives how many of
    /// the latter there were; `None` if there was no such tenant.
    async fn remove_tenant(&self, tenant: &TenantId) -> Result<Option<u64>, StoreError>;
    /// Every row of a tenant that has none of its own here (a file made it).
    async fn remove_rows_of(&self, tenant: &TenantId) -> Result<u64, StoreError>;
}

// ---------------------------------------------------------------- users

/// An account of a user store: its name as the store spells it, `DOMAIN/name` for secondary stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountRef {
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    pub account: Option<AccountRef>,
    pub display_name: Option<String>,
    pub number: Option<String>,
    pub opted_out: bool,
    pub locked: bool,
    pub had_factor: bool,
    /// Whether `set_password` works for this account.
    pub password_changeable: bool,
    pub locale: Option<String>,
    /// Claim URI and value, for `screenUserAttribute` and the account page.
    pub claims: Vec<(String, String)>,
}

/// A linked account at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    pub identity_provider: String,
    pub subject: String,
}

#[derive(Debug)]
#[must_use]
pub enum PasswordCheck {
    Right(AccountRef),
    /// Also for a name nobody has, at the same cost (attack E-01).
    Wrong,
    /// Right, but the account is locked by an administrator. Outwardly the same as `Wrong`.
    Locked(AccountRef),
}

#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Hashing capacity is used up: 503, not out-of-memory.
    #[error("too many password checks at once")]
    Busy,
    #[error("the user store does not allow this")]
    ReadOnly,
    /// Its own rules forbid the value: a password too short, a number it does not take.
    #[error("the user store refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// What came of saving an account's first number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum FirstNumber {
    Saved,
    /// It is the account's number already.
    Known,
    /// The account has another one, or had one once.
    Taken,
}

/// The user directory of a tenant: primary store and secondary ones in order.
#[async_trait]
pub trait Directory: Send + Sync {
    async fn check_password(
        &self,
        tenant: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError>;
    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError>;
    /// `domain` narrows to one store; empty means wherever it is.
    async fn find_association(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
        domain: &str,
    ) -> Result<Option<AccountRef>, DirectoryError>;
    async fn profile(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Profile, DirectoryError>;
    /// The account's first number, in one atomic step: of two that are proven at once one is kept
    /// (attack B-01). Not saved if the account has or ever had a factor, unless it is that very
    /// number. Also marks that the account has had a factor.
    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError>;
    /// Also marks that the account has had a factor.
    async fn save_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError>;
    async fn save_opt_out(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError>;
    async fn associations(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError>;
    async fn remove_association(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError>;
    async fn set_password(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError>;
    /// The backup codes that the user store itself still holds in a claim, handed over exactly once
    /// and gone from there before this returns; where the store cannot be written, they are marked
    /// as taken in Postern's own. Whoever gets them keeps them, or they are lost. Without such a
    /// claim there are none.
    async fn take_backup_codes(
        &self,
        _tenant: &TenantId,
        _account: &AccountRef,
    ) -> Result<Option<Vec<BackupCode>>, DirectoryError> {
        Ok(None)
    }
}

// ---------------------------------------------------------------- settings

/// What a tenant's logins run by. A snapshot: one login may see the next one at its next act.
#[derive(Debug, Clone)]
pub struct TenantSettings {
    pub factor: FactorSettings,
    /// The same with what one SMSOTP entry says, for the applications that name it.
    pub by_entry: BTreeMap<String, Arc<TenantSettings>>,
    pub keys: KeyRing,
    /// Templates by BCP 47 tag; `en` is always there. `{code}`, `{brand}`, `{minutes}`.
    pub templates: Vec<Template>,
    pub brand: String,
    pub limits: SendLimits,
    pub login_lifetime: Duration,
    pub session_lifetime: Duration,
    /// 1,000 failures an hour over the whole tenant (attack A-07).
    pub failures_per_hour: u32,
}

impl TenantSettings {
    /// With the settings of each SMSOTP entry that an application may name.
    #[must_use]
    pub fn with_entries(
        mut self,
        entries: impl IntoIterator<Item = (String, FactorSettings)>,
    ) -> Self {
        let entries = entries.into_iter().map(|(name, factor)| {
            let refined = Self {
                factor,
                by_entry: BTreeMap::new(),
                ..self.clone()
            };
            (name, Arc::new(refined))
        });
        self.by_entry = entries.collect();
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendLimits {
    /// 5 in 10 minutes.
    pub per_account: (u32, Duration),
    pub per_number: (u32, Duration),
    /// 30 in an hour.
    pub per_address: (u32, Duration),
    /// Calls for one message over all senders, whatever they answer. Default 3.
    pub calls_per_message: u32,
    /// To numbers that share all but their last four digits. 200 in an hour: a company whose
    /// telephones stand in one block signs in on one morning; whoever earns by messages sends
    /// thousands to a block of their own (attack R-05).
    pub per_prefix: (u32, Duration),
    /// From the whole tenant. 20,000 in a day: what a day may cost before somebody looks at it
    /// (attack R-09).
    pub per_tenant: (u32, Duration),
    pub conversion: ConversionLimit,
}

/// People type the codes they ask for. Where hardly any comes back, nobody is there (attack R-07).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversionLimit {
    /// So many codes to numbers that share all but their last four digits are sent without asking.
    /// 30: a few people who change their mind stop nobody.
    pub sends_min: u32,
    /// Then at least so many of a hundred must have come back. 10: where messages arrive more than
    /// half do. 0 switches the limit off.
    pub percent_min: u32,
    /// 3,600 s; afterwards it is counted anew, so that a provider's bad hour ends.
    pub window: Duration,
}

impl Default for SendLimits {
    fn default() -> Self {
        let hour = Duration::from_secs(60 * 60);
        let window = Duration::from_secs(10 * 60);
        Self {
            per_account: (5, window),
            per_number: (5, window),
            per_address: (30, hour),
            calls_per_message: 3,
            per_prefix: (200, hour),
            per_tenant: (20_000, 24 * hour),
            conversion: ConversionLimit {
                sends_min: 30,
                percent_min: 10,
                window: hour,
            },
        }
    }
}

#[async_trait]
pub trait SettingsSource: Send + Sync {
    /// `None`: no such tenant. An error fails that tenant's logins and nobody else's.
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError>;
}

// ---------------------------------------------------------------- sending

/// A finished message on its way to a provider.
#[derive(Debug, Clone)]
pub struct Message {
    /// At most 32 of a-z, 0-9; the same over all senders tried.
    pub id: String,
    pub tenant: TenantId,
    pub to: PhoneNumber,
    pub text: MessageText,
    /// The same without the host's last line, where it has one: some providers must not get it.
    pub without_line: Option<MessageText>,
    pub code: Option<Code>,
    pub validity: Duration,
    /// 1, then counting resends.
    pub attempt: u32,
    pub locale: String,
    pub purpose: Purpose,
    /// `brand`, `app-hash`, `template-id`, `entity-id`.
    pub extra: Vec<(String, String)>,
}

/// A provider's verdict, as the host understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    Accepted {
        provider_id: Option<String>,
        parts: Option<u32>,
    },
    Failed(SendFailure),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFailure {
    pub reason: FailureReason,
    pub retry_after: Option<Duration>,
    /// For the log: capped, cleaned.
    pub detail: String,
    /// What the provider itself said, if it said anything. Never logged, never a page's unless the
    /// operator switched it on.
    pub words: Option<ProviderWords>,
}

/// `spec` of the verdicts: decides retry, fail-over and the page; never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureReason {
    Throttled,
    RecipientThrottled,
    ProviderDown,
    OutcomeUnknown,
    InvalidRecipient,
    Unroutable,
    OptedOut,
    ContentRejected,
    SenderRejected,
    RegionBlocked,
    TrialRestricted,
    AuthFailed,
    AccountSuspended,
    InsufficientFunds,
    Misconfigured,
    /// The plugin trapped, ran out of budget or broke its contract before anything was sent.
    PluginFault,
    Unknown,
}

#[async_trait]
pub trait Senders: Send + Sync {
    /// Sends through one configured sender. Ends by the deadline.
    async fn send(&self, sender: &str, message: &Message, deadline: Instant) -> Delivery;
    /// False while its breaker is open or its plugin is quarantined or absent.
    fn ready(&self, tenant: &TenantId, sender: &str) -> bool;
    /// Whether this sender honours an idempotency key: only then is an unknown outcome repeated.
    fn idempotent(&self, tenant: &TenantId, sender: &str) -> bool;
}

// ---------------------------------------------------------------- resolving

/// What an identity provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedLogin {
    pub tenant: TenantId,
    pub identity_provider: String,
    pub subject: String,
    pub subject_identifier: String,
    pub attributes: Vec<(String, String)>,
    /// Settings of the resolver that this identity provider has of its own (`SMSOTP-userAttribute`):
    /// they win over the tenant's.
    pub settings: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Resolution {
    Account(AccountRef),
    NotFound,
    /// A trap, a timeout, a broken contract, or the plugin's own refusal: the login stops.
    Refuse {
        detail: String,
    },
}

#[async_trait]
pub trait UserResolver: Send + Sync {
    /// `usecase` is a resolver plugin's id; the seeds' spellings are aliases.
    async fn resolve(
        &self,
        usecase: &str,
        settings: &[(String, String)],
        login: &FederatedLogin,
    ) -> Resolution;
}

// ---------------------------------------------------------------- audit

#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Durable before it returns for events that decide a login.
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError>;
    /// The store has written this event itself, with the move it belongs to: tells whoever else
    /// listens.
    fn heard(&self, _event: &AuditEvent) {}
}
