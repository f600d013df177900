//! A code or a backup code comes in: pay, compare, advance.

use crate::audit::{AuditEvent, CodeStatus, What};
use crate::begin::{ClientFacts, Moved};
use crate::caller::Caller;
use crate::deliver::{binding, event};
use crate::finish::Finished;
use crate::login::{
    Authenticated, Challenge, Challenged, Login, LoginId, Notice, NumberWanted, Origin,
    SecondFactor, State, StopReason, Stopped, Who,
};
use crate::occasion::validated;
use crate::ports::{
    Advanced, DirectoryError, Ending, FirstNumber, Payment, Settlement, TenantSettings,
};
use crate::second_step::stop_event;
use crate::session::{Session, SessionId};
use crate::step::{backup_offered, takes_backup_codes};
use crate::throttle::tenant_failures;
use crate::{LoginError, Logins};
use postern_otp::challenge::Mismatch;
use postern_otp::{BackupCode, Closed, Code, PhoneNumber, Requested, Sent, Submission, Verified};
use std::sync::Arc;

/// A right code that lost against a wrong one is carried over to the newer row this often.
const CARRIED_OVER_MAX: u32 = 16;

/// What a submitted code was, once it was paid for.
#[derive(Debug)]
pub(crate) enum Judged {
    /// Not yet consumed: `accept` does that.
    Accept(Verified),
    /// Written down; another try may be left.
    Refused {
        login: Login,
        why: Mismatch,
        attempts_left: u32,
    },
    /// Written down: no further try.
    Stopped { login: Login, reason: StopReason },
    /// There is no code that could be right.
    NotSent { login: Login },
}

/// Who types, and whether another try is offered at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Typed<'a> {
    pub(crate) text: &'a str,
    pub(crate) caller: &'a Caller,
}

/// What came of a code on the way to a session.
#[derive(Debug)]
pub enum Entered {
    In(Box<Finished>),
    Moved(Moved),
}

/// A code that is right and not yet used up, or where the login stands without one.
enum Proof {
    Right(Box<Right>),
    Moved(Moved),
}

struct Right {
    login: Login,
    settings: Arc<TenantSettings>,
    authenticated: Authenticated,
    number: PhoneNumber,
    /// The number was kept with the account.
    kept: bool,
    accepted: AuditEvent,
}

/// What a right code leads to.
#[derive(Clone, Copy)]
pub(crate) enum To<'a> {
    State(&'a State),
    Session(&'a Session),
}

impl Logins {
    pub async fn submit_code(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let right = match self.prove(id, typed, client).await? {
            Proof::Right(right) => *right,
            Proof::Moved(moved) => return Ok(moved),
        };
        let settings = Arc::clone(&right.settings);
        let login = self.authenticated(right).await?;
        Ok(self.moved(&login, &settings))
    }

    /// As `submit_code` and `finish_in_place_of` after it, written down as one.
    pub async fn sign_in_with_code(
        &self,
        id: &LoginId,
        typed: &str,
        earlier: Option<&SessionId>,
        client: &ClientFacts,
    ) -> Result<Entered, LoginError> {
        let right = match Box::pin(self.prove(id, typed, client)).await? {
            Proof::Right(right) => *right,
            Proof::Moved(moved) => return Ok(Entered::Moved(moved)),
        };
        // Whether failures bar the account is not asked: they did not when the attempt was paid, and a lock
        // that came with it or behind it goes with a right code (attack A-11).
        let opening = self
            .opening(
                &right.login,
                &right.authenticated,
                earlier,
                &right.settings,
                client,
            )
            .await;
        let opening = match opening {
            Ok(Some(opening)) => opening,
            // Used up and told of all the same, before anybody is answered.
            Ok(None) => {
                let login = Box::pin(self.authenticated(right)).await?;
                let _taken = self.ports.logins.take(&login).await?;
                return Err(LoginError::Gone);
            }
            Err(error) => {
                Box::pin(self.authenticated(right)).await?;
                return Err(error);
            }
        };
        let to = To::Session(&opening.session);
        let used_up = self.used_up(right, to, vec![opening.succeeded.clone()]);
        let login = Box::pin(used_up).await?;
        Ok(Entered::In(Box::new(self.opened(login, opening).await)))
    }

    async fn prove(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Proof, LoginError> {
        let login = self.load_browser(id).await?;
        let settings = self.settings_of(&login).await?;
        let caller = Caller::from(client);
        let typed = Typed {
            text: typed,
            caller: &caller,
        };
        let login = self.challenged(login, typed).await?;
        let judged = self.judge(login.clone(), typed, &settings).await?;
        let verified = match judged {
            Judged::Accept(verified) => verified,
            Judged::Stopped { login, reason } => {
                let moved = self.ended(login, reason, &settings).await?;
                return Ok(Proof::Moved(moved));
            }
            Judged::Refused { login, .. } | Judged::NotSent { login } => {
                return Ok(Proof::Moved(self.moved(&login, &settings)));
            }
        };
        let State::Challenged(challenged) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let now = self.now();
        let what = validated(&login, &caller, CodeStatus::Success, None);
        let accepted = event(&login, now, caller.address.clone(), what);
        let kept = challenged.pending_number.is_some();
        if kept {
            let keeping = self.keep_number(&login, challenged, &verified, client);
            match keeping.await {
                Ok(Kept::Saved) => {}
                Ok(Kept::Refused) => {
                    // The code is used up; the next number gets one of its own.
                    let next = State::NumberWanted(NumberWanted {
                        who: challenged.who.clone(),
                        keep: true,
                        notice: Some(Notice::NumberNotSaved),
                    });
                    let moved = self.accept(login, To::State(&next), vec![accepted]);
                    let login = moved.await?.ok_or(LoginError::Conflict)?;
                    return Ok(Proof::Moved(self.moved(&login, &settings)));
                }
                // Somebody else's first number won: this login ends now, not once the winner's act reaches it.
                Ok(Kept::Taken) => {
                    self.ports.audit.record(accepted).await?;
                    let reason = StopReason::Closed(Closed::Overtaken);
                    let login = self.stop(login, reason, caller.address()).await?;
                    return Ok(Proof::Moved(self.moved(&login, &settings)));
                }
                // Good for another try, and told of all the same, before anybody hears that it was right.
                Err(error) => {
                    self.ports.audit.record(accepted).await?;
                    return Err(error);
                }
            }
        }
        let authenticated = Authenticated {
            who: challenged.who.clone(),
            second: SecondFactor::Sms {
                number: verified.number.clone(),
            },
            at: now,
        };
        Ok(Proof::Right(Box::new(Right {
            login,
            settings,
            authenticated,
            number: verified.number,
            kept,
            accepted,
        })))
    }

    /// The code is used up, and the session is still to be opened.
    async fn authenticated(&self, right: Right) -> Result<Login, LoginError> {
        let next = State::Authenticated(right.authenticated.clone());
        self.used_up(right, To::State(&next), Vec::new()).await
    }

    /// The code is used up, and what it leads to is there. `Conflict`: another one was faster.
    async fn used_up(
        &self,
        right: Right,
        to: To<'_>,
        then: Vec<AuditEvent>,
    ) -> Result<Login, LoginError> {
        let mut events = vec![right.accepted];
        events.extend(then);
        let accepted = self.accept(right.login, to, events).await?;
        let login = accepted.ok_or(LoginError::Conflict)?;
        self.code_came_back(&right.settings, &login.tenant, &right.number);
        if right.kept
            && let Some(account) = &right.authenticated.who.account
        {
            // Whoever else was proving a number for this account is too late (attack B-04).
            let logins = &self.ports.logins;
            let closed = logins.close_logins_of(&login.tenant, account, Some(&login.id));
            if let Err(error) = closed.await {
                // What this code leads to stands; no second first number is kept, whoever proves it.
                tracing::error!(%error, "logins that wait for another number could not be ended");
            }
        }
        Ok(login)
    }

    /// A form of its own: never tried because an SMS code did not match (attack C-06).
    pub async fn submit_backup_code(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_browser(id).await?;
        let settings = self.settings_of(&login).await?;
        let who = backup_who(&login).filter(|_| backup_offered(&login, &settings.factor));
        let Some(who) = who.cloned() else {
            return Err(LoginError::OutOfOrder);
        };
        let caller = Caller::from(client);
        let now = self.now();
        let failures = [tenant_failures(&settings, &login.tenant)];
        self.refuse_if_spent(&failures, now)?;
        // No code is spent on an account that is not let in.
        let barred = self
            .barred(&login.tenant, who.account.as_ref(), &settings)
            .await?;
        if let Some(reason) = barred {
            let login = self.stop(login, reason, caller.address()).await?;
            return Ok(self.moved(&login, &settings));
        }
        self.import_backup_codes(&login.tenant, &who, now).await?;
        // Asked before anything is spent: nothing may stand between a spent code and the row that tells of it.
        let codes = &self.ports.backup_codes;
        let before = codes.remaining(&who.subject).await?;
        let policy = &settings.factor.challenge.attempts;
        let payment = self
            .ports
            .attempts
            .pay_backup(&who.subject, &login.id, now, policy)
            .await?;
        let paid = match payment {
            Payment::Paid(paid) => paid,
            refused => {
                let reason = stop_reason(refused);
                let login = self.stop(login, reason, caller.address()).await?;
                return Ok(self.moved(&login, &settings));
            }
        };
        let attempts_left = paid.attempts_left();
        let right = match BackupCode::imported(typed) {
            Some(code) => codes.consume(&who.subject, &code, now).await?,
            None => false,
        };
        if !right {
            // The row first: what it cost the tenant is counted whatever became of the login.
            let refused = self.backup_refused(login.clone(), attempts_left, &settings, &caller);
            let moved = Box::pin(refused).await;
            self.count_tenant_failure(&login, &settings, caller.address())
                .await?;
            return moved;
        }
        // The code is spent from here on, whoever wins the login.
        let left = before.saturating_sub(1);
        let told = |what| event(&login, now, caller.address.clone(), what);
        let spent = told(What::BackupCodeUsed { left });
        let used = vec![
            told(validated(&login, &caller, CodeStatus::Backup, None)),
            spent.clone(),
        ];
        let next = State::Authenticated(Authenticated {
            who,
            second: SecondFactor::BackupCode,
            at: now,
        });
        match self.accept(login, To::State(&next), used).await? {
            Some(login) => Ok(self.moved(&login, &settings)),
            None => {
                self.ports.audit.record(spent).await?;
                Err(LoginError::Conflict)
            }
        }
    }

    /// The login with a challenge that a code can be tried on, once a sending under way has ended.
    pub(crate) async fn challenged(
        &self,
        login: Login,
        typed: Typed<'_>,
    ) -> Result<Login, LoginError> {
        let login = self.after_sending(login).await?;
        match &login.state {
            State::Challenged(_) => Ok(login),
            State::Authenticated(_) => {
                self.replay(&login, typed.caller.address()).await?;
                Err(LoginError::OutOfOrder)
            }
            State::Started(_)
            | State::Identified(_)
            | State::NumberWanted(_)
            | State::Stopped(_) => Err(LoginError::OutOfOrder),
        }
    }

    /// Lock, attempts, expiry, binding, comparison, in this order; consumption is `accept`'s.
    /// Whatever is not right is written down here.
    pub(crate) async fn judge(
        &self,
        login: Login,
        typed: Typed<'_>,
        settings: &TenantSettings,
    ) -> Result<Judged, LoginError> {
        let State::Challenged(challenged) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let sent = match &challenged.challenge {
            Challenge::Sent(sent) => sent.clone(),
            Challenge::NotSent { .. } | Challenge::Sending { .. } => {
                return Ok(Judged::NotSent { login });
            }
        };
        let now = self.now();
        let failures = [tenant_failures(settings, &login.tenant)];
        self.refuse_if_spent(&failures, now)?;

        let policy = &settings.factor.challenge;
        let subject = &challenged.who.subject;
        // Count first, compare second: a thousand parallel guesses cost what they would one by one.
        let payment = self
            .ports
            .attempts
            .pay(subject, &login.id, now, &policy.attempts)
            .await?;
        let paid = match payment {
            Payment::Paid(paid) => paid,
            refused => {
                let reason = stop_reason(refused);
                let login = self.stop(login, reason, typed.caller.address()).await?;
                return Ok(Judged::Stopped { login, reason });
            }
        };
        let code = Code::parse(policy.format, typed.text);
        let requested = Requested::new(sent.number.clone());
        let binding = binding(&login, &requested);
        // The clock is read again: what was waited for to be durable counts against the code.
        let submission = sent.submit(paid, code.as_ref(), &settings.keys, binding, self.now());
        match submission {
            Submission::Accept(verified) => Ok(Judged::Accept(verified)),
            Submission::Refuse {
                sent,
                why,
                attempts_left,
            } => {
                let refused = Refused {
                    sent,
                    why,
                    attempts_left,
                };
                // The row first: what it cost the tenant is counted whatever became of the login.
                let refusing = self.refuse(login.clone(), refused, settings, typed.caller);
                let judged = Box::pin(refusing).await;
                self.count_tenant_failure(&login, settings, typed.caller.address())
                    .await?;
                judged
            }
            Submission::Close { closed, why } => {
                let address = typed.caller.address();
                let what = validated(&login, typed.caller, status_of(why), Some(0));
                let told = event(&login, self.now(), address.map(str::to_owned), what);
                self.ports.audit.record(told).await?;
                let counted = self.count_tenant_failure(&login, settings, address).await;
                let reason = StopReason::Closed(closed);
                let login = self.stop(login, reason, address).await?;
                counted?;
                Ok(Judged::Stopped { login, reason })
            }
        }
    }

    /// Takes the challenge, exactly once: of two right codes one moves the login. A wrong code that
    /// was written down in between does not stand in the way of a right one that was paid for. The first
    /// of the events says what was typed.
    pub(crate) async fn accept(
        &self,
        login: Login,
        to: To<'_>,
        accepted: Vec<AuditEvent>,
    ) -> Result<Option<Login>, LoginError> {
        let clear = login.state.who().map(|who| who.subject.clone());
        let address = accepted.iter().find_map(|event| event.address.clone());
        let mut seen = login;
        for _ in 0..CARRIED_OVER_MAX {
            let (clear, events) = (clear.clone(), accepted.clone());
            let won = match to {
                To::State(next) => {
                    let then = Settlement {
                        clear,
                        events,
                        ..Settlement::default()
                    };
                    match self.settle(&seen, next.clone(), then).await? {
                        Advanced::Won(login) => Some(login),
                        Advanced::Lost => None,
                    }
                }
                To::Session(session) => {
                    let ending = Ending {
                        session: session.clone(),
                        clear,
                        events,
                    };
                    self.end(&seen, ending).await?
                }
            };
            if won.is_some() {
                return Ok(won);
            }
            let newer = match self.load(&seen.id).await {
                Err(LoginError::Gone) if seen.expires_at <= self.now() => break,
                // The one that was faster is in.
                Err(LoginError::Gone) => {
                    self.replay(&seen, address.as_deref()).await?;
                    return Ok(None);
                }
                newer => newer?,
            };
            if is_used_up(&newer.state) {
                self.replay(&newer, address.as_deref()).await?;
                return Ok(None);
            }
            if !awaits_the_same(&seen.state, &newer.state) {
                break;
            }
            seen = newer;
        }
        // Not used up, for the login ended before or was overtaken too often, and told of all the same.
        if let Some(tried) = accepted.into_iter().next() {
            self.ports.audit.record(tried).await?;
        }
        Ok(None)
    }

    async fn refuse(
        &self,
        login: Login,
        refused: Refused,
        settings: &TenantSettings,
        caller: &Caller,
    ) -> Result<Judged, LoginError> {
        let Refused {
            sent,
            why,
            attempts_left,
        } = refused;
        let address = caller.address();
        let State::Challenged(challenged) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let what = validated(&login, caller, status_of(why), Some(attempts_left));
        let told = event(&login, self.now(), address.map(str::to_owned), what);
        // `RetryEnable` off: one wrong code ends the step, and the code with it.
        if !settings.factor.retry && matches!(login.origin, Origin::Browser { .. }) {
            self.ports.audit.record(told).await?;
            let reason = match why {
                Mismatch::Expired => StopReason::CodeExpired,
                Mismatch::Wrong | Mismatch::Superseded => StopReason::CodeWrong,
            };
            let login = self.stop(login, reason, address).await?;
            return Ok(Judged::Stopped { login, reason });
        }
        let next = State::Challenged(Challenged {
            challenge: Challenge::Sent(sent),
            attempts_left,
            notice: Some(match why {
                Mismatch::Wrong => Notice::CodeWrong,
                Mismatch::Expired => Notice::CodeExpired,
                Mismatch::Superseded => Notice::CodeSuperseded,
            }),
            ..challenged.clone()
        });
        let login = self.write_down(login, next, told).await?;
        Ok(Judged::Refused {
            login,
            why,
            attempts_left,
        })
    }

    /// `redirectToMultiOptionPageOnFailure`: where there was a choice of first steps, wrong codes lead
    /// back to it. What they cost stays spent: it is the account's, not the login's.
    async fn ended(
        &self,
        login: Login,
        reason: StopReason,
        settings: &TenantSettings,
    ) -> Result<Moved, LoginError> {
        let by_codes = match reason {
            StopReason::CodeWrong
            | StopReason::CodeExpired
            | StopReason::Closed(Closed::AttemptsExhausted) => true,
            StopReason::Closed(Closed::Used | Closed::Overtaken)
            | StopReason::Refused(_)
            | StopReason::Locked { .. }
            | StopReason::FactorDisabled
            | StopReason::Failed
            | StopReason::Abandoned => false,
        };
        let back = settings.factor.choose_again_on_failure
            && matches!(login.origin, Origin::Browser { .. })
            && login.application.sequence.is_choice();
        if by_codes && back {
            return self
                .begin_again(&login, settings, Notice::ChooseAgain)
                .await;
        }
        Ok(self.moved(&login, settings))
    }

    async fn backup_refused(
        &self,
        login: Login,
        attempts_left: u32,
        settings: &TenantSettings,
        caller: &Caller,
    ) -> Result<Moved, LoginError> {
        let status = CodeStatus::BackupMismatch;
        let what = validated(&login, caller, status, Some(attempts_left));
        let told = event(&login, self.now(), caller.address.clone(), what);
        let next = match &login.state {
            State::Challenged(challenged) if attempts_left > 0 => State::Challenged(Challenged {
                attempts_left,
                notice: Some(Notice::BackupCodeWrong),
                ..challenged.clone()
            }),
            State::Challenged(challenged) => State::Stopped(Stopped {
                reason: StopReason::Closed(Closed::AttemptsExhausted),
                who: Some(challenged.who.clone()),
            }),
            // A locked factor: the page stays, until the tries that are left are spent.
            other => other.clone(),
        };
        let login = self.write_down(login, next, told).await?;
        Ok(self.moved(&login, settings))
    }

    /// Moves the login if nobody was faster; the event is recorded either way.
    async fn write_down(
        &self,
        login: Login,
        next: State,
        told: AuditEvent,
    ) -> Result<Login, LoginError> {
        let then = Settlement {
            events: vec![told.clone()],
            ..Settlement::default()
        };
        let settled = self.settle(&login, next, then).await?;
        match settled {
            Advanced::Won(login) => Ok(login),
            Advanced::Lost => {
                self.ports.audit.record(told).await?;
                self.load(&login.id).await
            }
        }
    }

    /// Ends the login with a reason, unless it has ended already.
    pub(crate) async fn stop(
        &self,
        login: Login,
        reason: StopReason,
        address: Option<&str>,
    ) -> Result<Login, LoginError> {
        let mut seen = login;
        for _ in 0..CARRIED_OVER_MAX {
            match &seen.state {
                State::Challenged(_) => (),
                // A lock that has grown, or a factor that is disabled by now, is told anew.
                State::Stopped(stopped) if takes_backup_codes(stopped) => {
                    if stopped.reason == reason || !ends_backup(reason) {
                        return Ok(seen);
                    }
                }
                State::Started(_)
                | State::Identified(_)
                | State::NumberWanted(_)
                | State::Authenticated(_)
                | State::Stopped(_) => return Ok(seen),
            }
            let next = State::Stopped(Stopped {
                reason,
                who: seen.state.who().cloned(),
            });
            let told = event(
                &seen,
                self.now(),
                address.map(str::to_owned),
                stop_event(reason),
            );
            let then = Settlement {
                events: vec![told],
                ..Settlement::default()
            };
            let settled = self.settle(&seen, next, then).await?;
            if let Advanced::Won(login) = settled {
                return Ok(login);
            }
            seen = self.load(&seen.id).await?;
        }
        Err(LoginError::Conflict)
    }

    async fn count_tenant_failure(
        &self,
        login: &Login,
        settings: &TenantSettings,
        address: Option<&str>,
    ) -> Result<(), LoginError> {
        let now = self.now();
        let failures = [tenant_failures(settings, &login.tenant)];
        if self.count_failure(&failures, now).await? {
            tracing::error!(
                tenant = %login.tenant,
                "the failure budget of a tenant is spent: codes are refused until it has room"
            );
            let address = address.map(str::to_owned);
            let told = event(login, now, address, What::TenantBudgetSpent);
            self.ports.audit.record(told).await?;
        }
        Ok(())
    }

    /// A code for something that is accepted already.
    pub(crate) async fn replay(
        &self,
        login: &Login,
        address: Option<&str>,
    ) -> Result<(), LoginError> {
        let address = address.map(str::to_owned);
        let told = event(login, self.now(), address, What::Replay);
        Ok(self.ports.audit.record(told).await?)
    }

    /// Proven by its own code: only now the number becomes the account's (attack B-03), and only if
    /// the account still has none (attack B-01: two first enrolments at once).
    async fn keep_number(
        &self,
        login: &Login,
        challenged: &Challenged,
        verified: &Verified,
        client: &ClientFacts,
    ) -> Result<Kept, LoginError> {
        let Some(account) = &challenged.who.account else {
            return Ok(Kept::Saved);
        };
        let saved = self
            .ports
            .directory
            .save_first_number(&login.tenant, account, &verified.number)
            .await;
        match saved {
            Ok(FirstNumber::Saved) => {}
            Ok(FirstNumber::Known) => return Ok(Kept::Saved),
            Ok(FirstNumber::Taken) => return Ok(Kept::Taken),
            Err(DirectoryError::Refused(reason)) => {
                tracing::warn!(
                    login.id = %login.name,
                    reason,
                    "the user store refused a number that was proven"
                );
                return Ok(Kept::Refused);
            }
            Err(error) => return Err(crate::first_step::unavailable(error)),
        }
        let what = What::NumberChanged {
            from: None,
            to: verified.number.masked(),
        };
        let told = event(login, self.now(), Some(client.address.clone()), what);
        self.ports.audit.record(told).await?;
        Ok(Kept::Saved)
    }
}

/// What became of a number that was proven.
enum Kept {
    Saved,
    /// By the store's own policy.
    Refused,
    /// The account has another one.
    Taken,
}

struct Refused {
    sent: Sent,
    why: Mismatch,
    attempts_left: u32,
}

/// Whose backup codes are asked for: of an open challenge, or of a factor that is locked.
fn backup_who(login: &Login) -> Option<&Who> {
    match &login.state {
        State::Challenged(challenged) => Some(&challenged.who),
        State::Stopped(stopped) if takes_backup_codes(stopped) => stopped.who.as_ref(),
        State::Started(_)
        | State::Identified(_)
        | State::NumberWanted(_)
        | State::Authenticated(_)
        | State::Stopped(_) => None,
    }
}

fn status_of(why: Mismatch) -> CodeStatus {
    match why {
        Mismatch::Wrong => CodeStatus::Mismatch,
        Mismatch::Expired => CodeStatus::Expired,
        Mismatch::Superseded => CodeStatus::Superseded,
    }
}

fn stop_reason(refused: Payment) -> StopReason {
    match refused {
        Payment::Locked { until } => StopReason::Locked { until },
        Payment::Disabled => StopReason::FactorDisabled,
        Payment::Exhausted | Payment::Paid(_) => StopReason::Closed(Closed::AttemptsExhausted),
    }
}

fn ends_backup(reason: StopReason) -> bool {
    matches!(
        reason,
        StopReason::Locked { .. } | StopReason::FactorDisabled | StopReason::Closed(_)
    )
}

/// Whether a code brought the login here: the same code again is a replay. What ended it otherwise used
/// no code up.
fn is_used_up(state: &State) -> bool {
    match state {
        State::NumberWanted(_) | State::Authenticated(_) => true,
        State::Stopped(stopped) => stopped.reason == StopReason::Closed(Closed::Used),
        State::Started(_) | State::Identified(_) | State::Challenged(_) => false,
    }
}

/// Whether what was right for the older state may still be carried over to the newer one: it waits
/// for the very same code, or was stopped because others asked for more than the budget bears. What
/// was paid for within the budget is not undone by those that came too late (attack A-11).
fn awaits_the_same(older: &State, newer: &State) -> bool {
    match (older, newer) {
        (State::Challenged(older), State::Challenged(newer)) => {
            match (&older.challenge, &newer.challenge) {
                (Challenge::Sent(older), Challenge::Sent(newer)) => older.awaits_same_code(newer),
                // A backup code does not depend on what became of the message.
                (Challenge::Sending { .. } | Challenge::NotSent { .. }, _) => true,
                (Challenge::Sent(_), Challenge::Sending { .. } | Challenge::NotSent { .. }) => {
                    false
                }
            }
        }
        (State::Challenged(_) | State::Stopped(_), State::Stopped(newer)) => match newer.reason {
            StopReason::Locked { .. }
            | StopReason::FactorDisabled
            | StopReason::Closed(Closed::AttemptsExhausted) => true,
            StopReason::Closed(Closed::Used | Closed::Overtaken)
            | StopReason::Refused(_)
            | StopReason::CodeWrong
            | StopReason::CodeExpired
            | StopReason::Failed
            | StopReason::Abandoned => false,
        },
        _ => false,
    }
}
