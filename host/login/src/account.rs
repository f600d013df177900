//! What a person does with their own account. Anything that weakens or moves a factor needs a
//! session with a second factor in which something was proven less than 10 minutes ago.

mod password;

use crate::application::Application;
use crate::audit::{AuditEvent, CodeStatus, What};
use crate::begin::{ClientFacts, Moved};
use crate::caller::Caller;
use crate::error::StoreError;
use crate::first_step::unavailable;
use crate::login::{
    Challenge, Challenged, Login, LoginId, Notice, Origin, Purpose, State, StopReason, Stopped, Who,
};
use crate::occasion::validated;
use crate::ports::{AccountRef, Association, Message, Profile, Subject, TenantSettings};
use crate::routing::{self, Routed};
use crate::second_step::{default_region, facts, locked, read_number};
use crate::session::Session;
use crate::submit::{Judged, To, Typed};
use crate::text::{self, MessageText};
use crate::throttle::{Outlay, number_key, send_budgets};
use crate::{LoginError, Logins, Step};
use postern_otp::lock::Standing;
use postern_otp::{BackupCode, Closed, PhoneNumber, Requested, Timestamp, Verified};
use std::sync::Arc;
use std::time::Duration;

pub use password::{NewPassword, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// Long enough to find the page and type a number, short enough that a session left open on a
/// shared computer moves nothing.
const FRESH_MILLIS: u64 = 10 * 60 * 1000;
/// As many as fit a wallet card.
const BACKUP_CODES: usize = 10;

#[derive(Debug)]
pub struct Overview {
    pub name: String,
    pub display_name: Option<String>,
    /// Masked.
    pub number: Option<String>,
    pub opted_out: bool,
    /// Switching SMS codes off is the tenant's to allow.
    pub opt_out_allowed: bool,
    pub backup_codes_allowed: bool,
    pub backup_codes_left: u32,
    /// Whether the account's user store takes a new password from here.
    pub password_changeable: bool,
    pub sessions: Vec<Session>,
    pub associations: Vec<Association>,
    /// False: acts that move a factor will ask for a fresh sign-in.
    pub fresh: bool,
}

/// What became of an act that needs a code first.
#[derive(Debug)]
pub enum Proven {
    Done,
    /// The code page again.
    Again(Moved),
}

impl Logins {
    pub async fn overview(&self, session: &Session) -> Result<Overview, LoginError> {
        let settings = self.settings(&session.tenant).await?;
        let sessions = self
            .ports
            .sessions
            .all_of(&session.subject(), self.now())
            .await?;
        let Ok(account) = local_account(session) else {
            return Ok(Overview {
                name: session.account.clone(),
                display_name: None,
                number: None,
                opted_out: false,
                opt_out_allowed: false,
                backup_codes_allowed: false,
                backup_codes_left: 0,
                password_changeable: false,
                sessions,
                associations: Vec::new(),
                fresh: false,
            });
        };
        let directory = &self.ports.directory;
        let subject = subject(session, &account);
        let (profile, associations, left) = tokio::join!(
            directory.profile(&session.tenant, &account),
            directory.associations(&session.tenant, &account),
            self.ports.backup_codes.remaining(&subject),
        );
        let profile = profile.map_err(unavailable)?;
        let region = default_region(&settings);
        let number = facts(Some(&profile), region.as_ref()).number;
        Ok(Overview {
            name: account.name,
            fresh: self.moves_factors(session, &profile),
            display_name: profile.display_name,
            number: number.map(|number| number.masked()),
            opted_out: profile.opted_out,
            opt_out_allowed: opt_out_allowed(&settings),
            backup_codes_allowed: settings.factor.backup_codes,
            backup_codes_left: left?,
            password_changeable: profile.password_changeable,
            sessions,
            associations: associations.map_err(unavailable)?,
        })
    }

    /// Sends a code to the new number. `Err(Notice)` if the number cannot be used.
    pub async fn change_number(
        &self,
        session: &Session,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Result<Moved, Notice>, LoginError> {
        let account = local_account(session)?;
        self.require_moving(session, &account).await?;
        let settings = self.settings(&session.tenant).await?;
        let number = match read_number(&settings, typed) {
            Ok(number) => number,
            Err(notice) => return Ok(Err(notice)),
        };
        let budgets = send_budgets(
            &settings,
            &session.tenant,
            &subject(session, &account),
            &number,
            Some(&client.address),
        );
        let login = self.number_login(session, account, number, &settings, client)?;
        let now = self.now();
        // A number whose proof is locked is sent nothing: no code for it would be taken.
        let standing = match login.state.who() {
            Some(who) => self
                .ports
                .attempts
                .ledger(&who.subject)
                .await?
                .standing(now),
            None => return Err(LoginError::OutOfOrder),
        };
        if let Some(reason) = locked(standing) {
            self.ports.logins.insert(&login).await?;
            let login = self.stop(login, reason, Some(&client.address)).await?;
            return Ok(Ok(self.moved(&login, &settings)));
        }
        let (inserted, spending) = tokio::join!(
            self.ports.logins.insert(&login),
            self.spend_on_sending(&budgets, now)
        );
        inserted?;
        let held_back = match spending {
            Ok(Outlay::Granted) => None,
            Ok(Outlay::Refused { limit, .. }) => Some(Ok(limit.notice())),
            Err(error) => Some(Err(error)),
        };
        if let Some(why) = held_back {
            // Nobody knows the id: nothing to keep.
            let _taken = self.ports.logins.take(&login).await?;
            return Ok(Err(why?));
        }
        let caller = Caller::from(client);
        let login = self.deliver(login, Arc::clone(&settings), caller).await?;
        Ok(Ok(self.moved(&login, &settings)))
    }

    /// The code came back: the very number it went to is stored, open logins by the old one end,
    /// the old number is told, the change is audited.
    pub async fn confirm_number(
        &self,
        session: &Session,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Proven, LoginError> {
        let account = local_account(session)?;
        // The session need not be fresh any more: it was when it chose the number and had the code sent there, and
        // no other number can be stored by it. How long the code is waited for, the proof's lifetime says.
        let login = self.own_proof(session, id).await?;
        // The account may have got a factor since the proof began (attack B-01).
        let profile = self.profile(session, &account).await?;
        if profile.had_factor && !session.has_second_factor() {
            return Err(LoginError::Reauthenticate);
        }
        let settings = self.settings_of(&login).await?;
        let caller = Caller::from(client);
        let typed = Typed {
            text: typed,
            caller: &caller,
        };
        let login = self.challenged(login, typed).await?;
        let verified = match self.judge(login.clone(), typed, &settings).await? {
            Judged::Accept(verified) => verified,
            Judged::Refused { login, .. }
            | Judged::Stopped { login, .. }
            | Judged::NotSent { login } => {
                return Ok(Proven::Again(self.moved(&login, &settings)));
            }
        };
        let used = State::Stopped(Stopped {
            reason: StopReason::Closed(Closed::Used),
            who: login.state.who().cloned(),
        });
        let what = validated(&login, &caller, CodeStatus::Success, None);
        let accepted = self.event(session, client, what);
        match self.accept(login, To::State(&used), vec![accepted]).await? {
            Some(_) => {
                self.code_came_back(&settings, &session.tenant, &verified.number);
                self.bind(session, &account, &verified, &settings, client)
                    .await?;
                Ok(Proven::Done)
            }
            None => Err(LoginError::Conflict),
        }
    }

    /// The page of a number's proof that this session began.
    pub async fn number_step(&self, session: &Session, id: &LoginId) -> Result<Step, LoginError> {
        let login = self.own_proof(session, id).await?;
        self.step_of(&login).await
    }

    /// Another code to the number that this session wants to prove.
    pub async fn resend_number(
        &self,
        session: &Session,
        id: &LoginId,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.own_proof(session, id).await?;
        self.resend_for(login, client).await
    }

    pub async fn abandon_number(&self, session: &Session, id: &LoginId) -> Result<(), LoginError> {
        let login = self.own_proof(session, id).await?;
        self.give_up(login).await
    }

    /// A number's proof by the session that began it. Another's looks like none.
    async fn own_proof(&self, session: &Session, id: &LoginId) -> Result<Login, LoginError> {
        let login = self.load(id).await?;
        let own = login.tenant == session.tenant
            && login.purpose == Purpose::VerifyNumber
            && login.origin == origin(session);
        if own {
            Ok(login)
        } else {
            Err(LoginError::Gone)
        }
    }

    /// Refused where the factor is mandatory (attack B-06).
    pub async fn set_opt_out(
        &self,
        session: &Session,
        opted_out: bool,
        client: &ClientFacts,
    ) -> Result<(), LoginError> {
        let account = local_account(session)?;
        let settings = self.settings(&session.tenant).await?;
        if opted_out {
            if !opt_out_allowed(&settings) {
                return Err(LoginError::OutOfOrder);
            }
            self.require_second_factor(session)?;
        } else if !self.is_fresh(session) {
            return Err(LoginError::Reauthenticate);
        }
        self.ports
            .directory
            .save_opt_out(&session.tenant, &account, opted_out)
            .await
            .map_err(unavailable)?;
        let changed = self.event(session, client, What::OptOutChanged { opted_out });
        Ok(self.ports.audit.record(changed).await?)
    }

    /// Ten new ones, shown once; all earlier ones are dead.
    pub async fn new_backup_codes(
        &self,
        session: &Session,
        client: &ClientFacts,
    ) -> Result<Vec<BackupCode>, LoginError> {
        let account = local_account(session)?;
        self.require_second_factor(session)?;
        let settings = self.settings(&session.tenant).await?;
        if !settings.factor.backup_codes {
            return Err(LoginError::OutOfOrder);
        }
        let codes = self.draw_backup_codes()?;
        let now = self.now();
        self.forget_claimed_backup_codes(&session.tenant, &account)
            .await?;
        self.ports
            .backup_codes
            .replace(&subject(session, &account), &codes, now)
            .await?;
        let replaced = self.event(session, client, What::BackupCodesReplaced);
        self.ports.audit.record(replaced).await?;
        let profile = self.profile(session, &account).await?;
        let region = default_region(&settings);
        if let Some(number) = facts(Some(&profile), region.as_ref()).number {
            self.tell(session, number, Told::BackupCodesReplaced, &settings);
        }
        Ok(codes)
    }

    pub async fn unlink(
        &self,
        session: &Session,
        association: &Association,
        client: &ClientFacts,
    ) -> Result<bool, LoginError> {
        let account = local_account(session)?;
        self.require_moving(session, &account).await?;
        let removed = self
            .ports
            .directory
            .remove_association(&session.tenant, &account, association)
            .await
            .map_err(unavailable)?;
        if removed {
            let identity_provider = association.identity_provider.clone();
            let what = What::AssociationRemoved { identity_provider };
            let event = self.event(session, client, what);
            self.ports.audit.record(event).await?;
        }
        Ok(removed)
    }

    /// By name, as listed; ends at once on the server.
    pub async fn end_session(
        &self,
        session: &Session,
        name: &str,
        client: &ClientFacts,
    ) -> Result<bool, LoginError> {
        let ended = self
            .ports
            .sessions
            .close_named(&session.subject(), name)
            .await?;
        if ended {
            let event = self.event(session, client, What::SessionClosed);
            self.ports.audit.record(event).await?;
        }
        Ok(ended)
    }

    pub async fn end_other_sessions(
        &self,
        session: &Session,
        client: &ClientFacts,
    ) -> Result<u64, LoginError> {
        let ended = self
            .ports
            .sessions
            .close_all_of(&session.subject(), Some(&session.id))
            .await?;
        if ended > 0 {
            let event = self.event(session, client, What::SessionClosed);
            self.ports.audit.record(event).await?;
        }
        Ok(ended)
    }

    /// Ten, from the system's random source.
    pub fn draw_backup_codes(&self) -> Result<Vec<BackupCode>, StoreError> {
        (0..BACKUP_CODES)
            .map(|_| {
                let bytes = zeroize::Zeroizing::new(self.random::<10>()?);
                BackupCode::from_entropy(bytes.as_slice())
                    .ok_or_else(|| StoreError::new("a backup code takes ten random bytes"))
            })
            .collect()
    }

    /// The new number is the account's: logins by the old one end, its owner is told, and a
    /// factor that was disabled is bound anew.
    async fn bind(
        &self,
        session: &Session,
        account: &AccountRef,
        verified: &Verified,
        settings: &Arc<TenantSettings>,
        client: &ClientFacts,
    ) -> Result<(), LoginError> {
        let profile = self.profile(session, account).await?;
        let region = default_region(settings);
        let old = facts(Some(&profile), region.as_ref()).number;
        self.ports
            .directory
            .save_number(&session.tenant, account, &verified.number)
            .await
            .map_err(unavailable)?;
        let what = What::NumberChanged {
            from: old.as_ref().map(PhoneNumber::masked),
            to: verified.number.masked(),
        };
        let changed = self.event(session, client, what);
        let (closed, recorded) = tokio::join!(
            self.ports
                .logins
                .close_logins_of(&session.tenant, account, None),
            self.ports.audit.record(changed)
        );
        closed?;
        recorded?;
        let subject = subject(session, account);
        let standing = self.ports.attempts.ledger(&subject).await?;
        if standing.standing(self.now()) == Standing::Disabled {
            self.ports.attempts.unlock(&subject).await?;
        }
        if let Some(old) = old.filter(|old| *old != verified.number) {
            self.tell(session, old, Told::NumberChanged, settings);
        }
        Ok(())
    }

    /// A message about the account, to whoever holds the number. Best effort: what it tells of has
    /// happened, and nobody waits for it.
    fn tell(&self, session: &Session, to: PhoneNumber, told: Told, settings: &Arc<TenantSettings>) {
        let logins = self.clone();
        let settings = Arc::clone(settings);
        let (tenant, locale) = (session.tenant.clone(), session.locale.clone());
        tokio::spawn(async move {
            let brand = text::one_line(&settings.brand);
            let words = told.words().replace("{brand}", &brand);
            let (Some(text), Ok(id)) = (MessageText::measured(words), logins.message_id()) else {
                return;
            };
            let message = Message {
                id,
                tenant,
                to,
                text,
                without_line: None,
                code: None,
                validity: Duration::from_secs(24 * 60 * 60),
                attempt: 1,
                locale,
                purpose: Purpose::VerifyNumber,
                extra: vec![("brand".to_owned(), brand)],
            };
            let senders = &settings.factor.senders;
            let calls_max = settings.limits.calls_per_message;
            let routed = routing::route(&logins.ports, senders, &message, calls_max).await;
            if let Routed::Failed { reason, .. } = routed {
                tracing::warn!(
                    message.id = %message.id,
                    ?reason,
                    "a notice about an account was not sent"
                );
            }
        });
    }

    fn number_login(
        &self,
        session: &Session,
        account: AccountRef,
        number: PhoneNumber,
        settings: &TenantSettings,
        client: &ClientFacts,
    ) -> Result<Login, LoginError> {
        let who = Who {
            // Proving a number is counted by itself: a factor that is disabled can be bound anew,
            // and guesses at a foreign number do not lock the account.
            subject: Subject::Number {
                tenant: session.tenant.clone(),
                client: format!("account/{}", account.name),
                number: number_key(settings, &number),
            },
            account: Some(account),
            display: session.account.clone(),
            first: session.first.clone(),
            attributes: Vec::new(),
        };
        let state = State::Challenged(Challenged {
            who,
            challenge: Challenge::Sending {
                requested: Requested::new(number.clone()),
                since: self.now(),
            },
            shown: Some(number.masked()),
            pending_number: Some(number),
            attempts_left: settings.factor.challenge.attempts.attempts_max,
            app_hash: None,
            notice: None,
        });
        self.new_login(
            &session.tenant,
            origin(session),
            Application::account_page(),
            Purpose::VerifyNumber,
            client.locale.clone(),
            settings,
            state,
        )
    }

    async fn profile(
        &self,
        session: &Session,
        account: &AccountRef,
    ) -> Result<Profile, LoginError> {
        let directory = &self.ports.directory;
        directory
            .profile(&session.tenant, account)
            .await
            .map_err(unavailable)
    }

    async fn require_moving(
        &self,
        session: &Session,
        account: &AccountRef,
    ) -> Result<(), LoginError> {
        let profile = self.profile(session, account).await?;
        if self.moves_factors(session, &profile) {
            Ok(())
        } else {
            Err(LoginError::Reauthenticate)
        }
    }

    /// Fresh, with a second factor. An account that never had one may bind its first by a fresh
    /// password alone (attack B-01 is about those that had).
    fn moves_factors(&self, session: &Session, profile: &Profile) -> bool {
        let has_factor = facts(Some(profile), None).had_factor;
        self.is_fresh(session) && (session.has_second_factor() || !has_factor)
    }

    fn require_second_factor(&self, session: &Session) -> Result<(), LoginError> {
        if self.is_fresh(session) && session.has_second_factor() {
            Ok(())
        } else {
            Err(LoginError::Reauthenticate)
        }
    }

    /// Not when it was opened counts, but when something was last proven: an identity provider may have
    /// let the person in without asking. A session from the future is one before a clock was turned
    /// back: not fresh.
    fn is_fresh(&self, session: &Session) -> bool {
        let now = self.now();
        let since = Timestamp(now.0.saturating_sub(FRESH_MILLIS));
        session.authenticated_at <= now && session.is_proven_after(since)
    }

    fn event(&self, session: &Session, client: &ClientFacts, what: What) -> AuditEvent {
        AuditEvent {
            at: self.now(),
            tenant: session.tenant.clone(),
            login: None,
            who: Some(session.account.clone()),
            address: Some(client.address.clone()),
            what,
        }
    }
}

/// What an account's number is told.
#[derive(Debug, Clone, Copy)]
enum Told {
    NumberChanged,
    BackupCodesReplaced,
    PasswordChanged,
}

impl Told {
    fn words(self) -> &'static str {
        match self {
            Self::NumberChanged => {
                "{brand}: the mobile number of your account was changed. \
                 If this was not you, contact your administrator."
            }
            Self::BackupCodesReplaced => {
                "{brand}: the backup codes of your account were replaced. \
                 If this was not you, contact your administrator."
            }
            Self::PasswordChanged => {
                "{brand}: the password of your account was changed. \
                 If this was not you, contact your administrator."
            }
        }
    }
}

fn opt_out_allowed(settings: &TenantSettings) -> bool {
    settings.factor.enable_by_user_claim && !settings.factor.mandatory
}

/// Whoever has no account here has nothing to change here.
fn local_account(session: &Session) -> Result<AccountRef, LoginError> {
    if session.has_local_account {
        Ok(AccountRef {
            name: session.account.clone(),
        })
    } else {
        Err(LoginError::OutOfOrder)
    }
}

fn subject(session: &Session, account: &AccountRef) -> Subject {
    Subject::Account {
        tenant: session.tenant.clone(),
        account: account.name.clone(),
    }
}

/// A number is proven in the session that asked for it, and in no other.
fn origin(session: &Session) -> Origin {
    Origin::Account {
        session_subject: session.name.clone(),
    }
}
