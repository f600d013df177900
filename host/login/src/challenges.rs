//! Challenges of the JSON API: an application ran its own first step and wants a code sent and
//! checked. The same machine, the same limits, the same counters as in a browser.

use crate::application::Application;
use crate::audit::CodeStatus;
use crate::caller::Caller;
use crate::deliver::event;
use crate::error::StoreError;
use crate::first_step::unavailable;
use crate::login::{
    Challenge, Challenged, FirstFactor, Login, LoginId, Origin, Purpose, State, StopReason,
    Stopped, Who,
};
use crate::occasion::validated;
use crate::ports::{AccountRef, ApiClient, FailureReason, Subject, TenantSettings};
use crate::resend::Resent;
use crate::second_step::{default_region, facts, locked, read_number, region_refused};
use crate::submit::{Judged, To, Typed};
use crate::text::is_app_hash;
use crate::throttle::{Outlay, number_key, send_budgets, wait_budget};
use crate::{LoginError, Logins};
use postern_otp::challenge::{Mismatch, ResendRefused};
use postern_otp::{Closed, PhoneNumber, Requested, Timestamp};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub enum Target {
    User(String),
    /// As typed; read with the tenant's default region.
    Mobile(String),
}

#[derive(Debug)]
pub struct NewChallenge {
    pub target: Target,
    pub purpose: Purpose,
    pub locale: Option<String>,
    /// The person's address, for the limits.
    pub client_ip: Option<String>,
    /// 11 characters: Android's SMS Retriever, instead of the origin-bound line.
    pub app_hash: Option<String>,
}

#[derive(Debug)]
pub struct Created {
    pub id: LoginId,
    pub masked_mobile: String,
    pub expires_in: Duration,
    pub resend_in: Option<Duration>,
}

#[derive(Debug)]
pub enum Verification {
    Accepted,
    Refused {
        reason: RefusedReason,
        attempts_left: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReason {
    CodeMismatch,
    CodeSuperseded,
    Expired,
    AttemptsExhausted,
    Locked,
    Used,
}

/// Each has a status and a problem type of its own: the caller is an authenticated client.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    #[error("no such user")]
    UnknownUser,
    #[error("the user has no mobile number")]
    NoNumber,
    #[error("the user opted out of SMS codes")]
    OptedOut,
    #[error("the factor is locked")]
    Locked { until: Option<Timestamp> },
    #[error("not a number codes are sent to")]
    NumberRefused,
    #[error("no such challenge")]
    NotFound,
    #[error("too soon or too often")]
    TooMany { at: Timestamp },
    #[error("no provider took the message")]
    NotSent { reason: Option<FailureReason> },
    #[error("not available: {0}")]
    Unavailable(#[from] StoreError),
}

fn not_sent(challenge: &Challenge) -> ChallengeError {
    let reason = match challenge {
        Challenge::NotSent { why: Some(why), .. } => Some(why.reason),
        _ => None,
    };
    ChallengeError::NotSent { reason }
}

impl Logins {
    pub async fn create_challenge(
        &self,
        client: &ApiClient,
        new: NewChallenge,
    ) -> Result<Created, ChallengeError> {
        let settings = self.settings(&client.tenant).await?;
        let (who, number) = self.target(client, &new.target, &settings).await?;
        let now = self.now();
        let state = State::Challenged(Challenged {
            challenge: Challenge::Sending {
                requested: Requested::new(number.clone()),
                since: now,
            },
            pending_number: None,
            shown: None,
            attempts_left: settings.factor.challenge.attempts.attempts_max,
            app_hash: new.app_hash.filter(|hash| is_app_hash(hash)),
            notice: None,
            who,
        });
        let origin = Origin::Api {
            client: client.name.clone(),
            address: new.client_ip.clone(),
        };
        let locale = new.locale.unwrap_or_default();
        let login = self.new_login(
            &client.tenant,
            origin,
            Application::account_page(),
            new.purpose,
            locale,
            &settings,
            state,
        )?;
        let login = self
            .claim_challenge(login, &number, new.client_ip.as_deref(), &settings)
            .await?;
        let login = self
            .deliver(login, Arc::clone(&settings), Caller::at(new.client_ip))
            .await?;
        let State::Challenged(challenged) = &login.state else {
            return Err(ChallengeError::NotSent { reason: None });
        };
        let Challenge::Sent(sent) = &challenged.challenge else {
            // Nobody knows the id: nothing to keep.
            let _taken = self.ports.logins.take(&login).await?;
            return Err(not_sent(&challenged.challenge));
        };
        let resend = sent.next_resend(&settings.factor.challenge.resend);
        Ok(Created {
            id: login.id.clone(),
            masked_mobile: number.masked(),
            expires_in: sent.expires_at.since(sent.sent_at),
            resend_in: resend.map(|at| at.since(sent.sent_at)),
        })
    }

    /// Another client's challenge is `NotFound`.
    pub async fn verify_challenge(
        &self,
        client: &ApiClient,
        id: &LoginId,
        code: &str,
    ) -> Result<Verification, ChallengeError> {
        let login = self.challenge_of(client, id).await?;
        let caller = Caller::at(person_address(&login));
        let settings = self.settings_of(&login).await?;
        let login = self.after_sending(login).await?;
        let who = match &login.state {
            State::Challenged(challenged) => challenged.who.clone(),
            state => {
                let refused = over(state).ok_or(ChallengeError::NotFound)?;
                if let RefusedReason::Used = refused {
                    self.replay(&login, caller.address()).await?;
                }
                return Ok(Verification::Refused {
                    reason: refused,
                    attempts_left: 0,
                });
            }
        };
        let typed = Typed {
            text: code,
            caller: &caller,
        };
        match self.judge(login.clone(), typed, &settings).await? {
            Judged::Accept(verified) => {
                let used = State::Stopped(Stopped {
                    reason: StopReason::Closed(Closed::Used),
                    who: Some(who),
                });
                let used = To::State(&used);
                let from = caller.address.clone();
                let what = validated(&login, &caller, CodeStatus::Success, None);
                let accepted = event(&login, self.now(), from, what);
                Ok(match self.accept(login, used, vec![accepted]).await? {
                    Some(_) => {
                        self.code_came_back(&settings, &client.tenant, &verified.number);
                        Verification::Accepted
                    }
                    None => Verification::Refused {
                        reason: RefusedReason::Used,
                        attempts_left: 0,
                    },
                })
            }
            Judged::Refused {
                why, attempts_left, ..
            } => Ok(Verification::Refused {
                reason: match why {
                    Mismatch::Wrong => RefusedReason::CodeMismatch,
                    Mismatch::Superseded => RefusedReason::CodeSuperseded,
                    Mismatch::Expired => RefusedReason::Expired,
                },
                attempts_left,
            }),
            Judged::Stopped { reason, .. } => Ok(Verification::Refused {
                reason: reason_of(reason),
                attempts_left: 0,
            }),
            // The old code died with the resend, and no new one is out.
            Judged::NotSent { login } => Ok(Verification::Refused {
                reason: RefusedReason::Expired,
                attempts_left: match &login.state {
                    State::Challenged(challenged) => challenged.attempts_left,
                    _ => 0,
                },
            }),
        }
    }

    /// The wait until the next resend.
    pub async fn resend_challenge(
        &self,
        client: &ApiClient,
        id: &LoginId,
    ) -> Result<Option<Duration>, ChallengeError> {
        let login = self.challenge_of(client, id).await?;
        let settings = self.settings_of(&login).await?;
        if let State::Stopped(stopped) = &login.state {
            return Err(match stopped.reason {
                StopReason::Locked { until } => ChallengeError::Locked { until: Some(until) },
                StopReason::FactorDisabled => ChallengeError::Locked { until: None },
                StopReason::Refused(_)
                | StopReason::Closed(_)
                | StopReason::CodeWrong
                | StopReason::CodeExpired
                | StopReason::Failed
                | StopReason::Abandoned => ChallengeError::NotFound,
            });
        }
        let caller = Caller::at(person_address(&login));
        let resent = self.send_again(login, &settings, &caller).await?;
        let login = match resent {
            Resent::Tried(login) | Resent::Joined(login) | Resent::Stopped(login) => login,
            Resent::Refused(_, ResendRefused::TooSoon { at }) | Resent::Limit(_, _, at) => {
                return Err(ChallengeError::TooMany { at });
            }
            Resent::Refused(login, ResendRefused::TooOften | ResendRefused::Off) => {
                let at = login.expires_at;
                return Err(ChallengeError::TooMany { at });
            }
        };
        match &login.state {
            State::Challenged(challenged) => match &challenged.challenge {
                Challenge::Sent(sent) => {
                    let next = sent.next_resend(&settings.factor.challenge.resend);
                    Ok(next.map(|at| at.since(self.now())))
                }
                challenge @ (Challenge::NotSent { .. } | Challenge::Sending { .. }) => {
                    Err(not_sent(challenge))
                }
            },
            State::Stopped(stopped) => Err(match stopped.reason {
                StopReason::Locked { until } => ChallengeError::Locked { until: Some(until) },
                StopReason::FactorDisabled => ChallengeError::Locked { until: None },
                StopReason::Refused(_)
                | StopReason::Closed(_)
                | StopReason::CodeWrong
                | StopReason::CodeExpired
                | StopReason::Failed
                | StopReason::Abandoned => ChallengeError::NotFound,
            }),
            State::Started(_)
            | State::Identified(_)
            | State::NumberWanted(_)
            | State::Authenticated(_) => Err(ChallengeError::NotFound),
        }
    }

    /// Whose attempts are counted, and where the code goes. The client vouches for the first step.
    async fn target(
        &self,
        client: &ApiClient,
        target: &Target,
        settings: &TenantSettings,
    ) -> Result<(Who, PhoneNumber), ChallengeError> {
        let first = FirstFactor::Client {
            client: client.name.clone(),
        };
        match target {
            Target::Mobile(typed) => {
                let number =
                    read_number(settings, typed).map_err(|_| ChallengeError::NumberRefused)?;
                let who = Who {
                    subject: Subject::Number {
                        tenant: client.tenant.clone(),
                        client: client.name.clone(),
                        number: number_key(settings, &number),
                    },
                    account: None,
                    display: number.masked(),
                    first,
                    attributes: Vec::new(),
                };
                Ok((who, number))
            }
            Target::User(name) => {
                let (account, number) = self.user(client, name, settings).await?;
                let who = Who {
                    subject: Subject::Account {
                        tenant: client.tenant.clone(),
                        account: account.name.clone(),
                    },
                    display: account.name.clone(),
                    account: Some(account),
                    first,
                    attributes: Vec::new(),
                };
                Ok((who, number))
            }
        }
    }

    async fn user(
        &self,
        client: &ApiClient,
        name: &str,
        settings: &TenantSettings,
    ) -> Result<(AccountRef, PhoneNumber), ChallengeError> {
        let directory = &self.ports.directory;
        let account = directory
            .find(&client.tenant, name)
            .await
            .map_err(unavailable)?
            .ok_or(ChallengeError::UnknownUser)?;
        let profile = directory
            .profile(&client.tenant, &account)
            .await
            .map_err(unavailable)?;
        let facts = facts(Some(&profile), default_region(settings).as_ref());
        if facts.locked {
            return Err(ChallengeError::Locked { until: None });
        }
        if facts.opted_out && settings.factor.enable_by_user_claim {
            return Err(ChallengeError::OptedOut);
        }
        let number = facts.number.ok_or(ChallengeError::NoNumber)?;
        if region_refused(settings, &number) {
            return Err(ChallengeError::NumberRefused);
        }
        Ok((account, number))
    }

    /// The row, the limits and the lock in one round trip: a store commits them together. The row
    /// goes again if the answer is no, or there is none; nobody knows its id yet, and nothing was sent.
    async fn claim_challenge(
        &self,
        login: Login,
        number: &PhoneNumber,
        address: Option<&str>,
        settings: &TenantSettings,
    ) -> Result<Login, ChallengeError> {
        let State::Challenged(challenged) = &login.state else {
            return Err(ChallengeError::NotFound);
        };
        let subject = &challenged.who.subject;
        let now = self.now();
        let wait = wait_budget(settings, subject);
        let budgets =
            send_budgets(settings, &login.tenant, subject, number, address).and_wait(wait);
        let (inserted, spending, ledger) = tokio::join!(
            self.ports.logins.insert(&login),
            self.spend_on_sending(&budgets, now),
            self.ports.attempts.ledger(subject)
        );
        inserted?;
        let refused = match (ledger, spending) {
            (Err(error), _) | (_, Err(error)) => Some(ChallengeError::Unavailable(error)),
            (Ok(ledger), Ok(outlay)) => match (locked(ledger.standing(now)), outlay) {
                (None, Outlay::Granted) => None,
                (Some(StopReason::Locked { until }), _) => {
                    Some(ChallengeError::Locked { until: Some(until) })
                }
                (Some(_), _) => Some(ChallengeError::Locked { until: None }),
                (None, Outlay::Refused { at, .. }) => Some(ChallengeError::TooMany { at }),
            },
        };
        match refused {
            None => Ok(login),
            Some(refused) => {
                let _taken = self.ports.logins.take(&login).await?;
                Err(refused)
            }
        }
    }

    /// Another client's, another tenant's and nobody's all look alike (attack E-04).
    async fn challenge_of(
        &self,
        client: &ApiClient,
        id: &LoginId,
    ) -> Result<Login, ChallengeError> {
        let login = self.load(id).await?;
        match &login.origin {
            Origin::Api { client: name, .. }
                if *name == client.name && login.tenant == client.tenant =>
            {
                Ok(login)
            }
            Origin::Api { .. } | Origin::Browser { .. } | Origin::Account { .. } => {
                Err(ChallengeError::NotFound)
            }
        }
    }
}

fn person_address(login: &Login) -> Option<String> {
    match &login.origin {
        Origin::Api { address, .. } => address.clone(),
        Origin::Browser { .. } | Origin::Account { .. } => None,
    }
}

fn over(state: &State) -> Option<RefusedReason> {
    match state {
        State::Stopped(stopped) => Some(reason_of(stopped.reason)),
        State::Started(_)
        | State::Identified(_)
        | State::NumberWanted(_)
        | State::Challenged(_)
        | State::Authenticated(_) => None,
    }
}

fn reason_of(reason: StopReason) -> RefusedReason {
    match reason {
        StopReason::Closed(Closed::Used) => RefusedReason::Used,
        StopReason::Closed(Closed::AttemptsExhausted) => RefusedReason::AttemptsExhausted,
        StopReason::Locked { .. } | StopReason::FactorDisabled => RefusedReason::Locked,
        // The code is dead before its time: its number changed, or it was given up.
        StopReason::Closed(Closed::Overtaken)
        | StopReason::Refused(_)
        | StopReason::CodeWrong
        | StopReason::CodeExpired
        | StopReason::Failed
        | StopReason::Abandoned => RefusedReason::Expired,
    }
}

impl From<LoginError> for ChallengeError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Gone | LoginError::OutOfOrder | LoginError::Reauthenticate => {
                Self::NotFound
            }
            LoginError::Throttled { at } => Self::TooMany { at },
            LoginError::Conflict => {
                Self::Unavailable(StoreError::new("another act on this challenge came first"))
            }
            LoginError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}
