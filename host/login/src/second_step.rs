//! Is a second factor needed, and where does the code go?

use crate::application::SecondStep;
use crate::audit::{AuditEvent, What};
use crate::begin::{ClientFacts, Moved};
use crate::caller::Caller;
use crate::deliver::{event, word_of};
use crate::login::{
    Authenticated, Challenge, Challenged, Login, LoginId, Notice, NumberWanted, SecondFactor,
    State, StopReason, Stopped, Who,
};
use crate::ports::{Advanced, Closings, FederatedLogin, Profile, Settlement, TenantSettings};
use crate::resolve::{federated_number, federated_number_wanted};
use crate::sign_on::said;
use crate::throttle::{Outlay, send_budgets};
use crate::{LoginError, Logins};
use postern_otp::lock::Standing;
use postern_otp::need::{NotNeeded, Refusal, need};
use postern_otp::{AccountFacts, Need, NumberError, PhoneNumber, Region, Requested, Timestamp};
use std::sync::Arc;

/// A challenge that shall begin.
pub(crate) struct Begin {
    pub(crate) who: Who,
    pub(crate) number: PhoneNumber,
    /// The number is kept once its code was right.
    pub(crate) keep: bool,
    pub(crate) shown: Option<String>,
    pub(crate) then: Settlement,
}

impl Logins {
    /// The first step is proven: decides by the table and goes on under a new id. `since` is from before
    /// the account was looked up, where the login is not open for it yet.
    pub(crate) async fn second_step(
        &self,
        login: Login,
        who: Who,
        said: Option<&FederatedLogin>,
        since: Option<Closings>,
        settings: Arc<TenantSettings>,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let profile = self.facts_of(&login.tenant, who.account.as_ref()).await?;
        let now = self.now();
        let address = Some(client.address.clone());
        let barred = self
            .barred(&login.tenant, who.account.as_ref(), &settings)
            .await?;
        let second_step = login.application.sequence.second_step;
        let need = needed(second_step, profile.as_ref(), said, &settings);
        let event = |what| AuditEvent {
            who: Some(who.display.clone()),
            ..event(&login, now, address.clone(), what)
        };
        let mut then = Settlement {
            rename: Some(self.fresh_id()?),
            since,
            events: vec![event(What::FirstStepPassed)],
            ..Settlement::default()
        };
        let next = match (barred, need) {
            (None, Need::Send(number)) => {
                let shown = shown(&settings, profile.as_ref(), &number, Typed::No);
                let begin = Begin {
                    who,
                    number,
                    keep: false,
                    shown,
                    then,
                };
                return self.challenge(login, begin, settings, client).await;
            }
            (None, Need::AskNumber) => State::NumberWanted(NumberWanted {
                who,
                keep: profile.is_some(),
                notice: None,
            }),
            (None, Need::Skip(why)) => {
                then.events
                    .push(event(What::SecondFactorSkipped { why: word_of(&why) }));
                State::Authenticated(Authenticated {
                    who,
                    second: SecondFactor::NotNeeded(why),
                    at: first_step_at(&login.state, now),
                })
            }
            (None, Need::Refuse(refusal)) => {
                let reason = StopReason::Refused(refusal);
                then.events.push(event(stop_event(reason)));
                State::Stopped(Stopped {
                    reason,
                    who: Some(who),
                })
            }
            (Some(reason), _) => {
                then.events.push(event(stop_event(reason)));
                State::Stopped(Stopped {
                    reason,
                    who: Some(who),
                })
            }
        };
        let settled = self.settle(&login, next, then).await?;
        match settled {
            Advanced::Won(login) => Ok(self.moved(&login, &settings)),
            Advanced::Lost => self.overtaken(login, since, &settings, client).await,
        }
    }

    /// The account was changed while it was looked up: the login ends like those that were open for it.
    /// Or somebody was faster with the login itself, and it stays theirs.
    async fn overtaken(
        &self,
        login: Login,
        since: Option<Closings>,
        settings: &TenantSettings,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        if since.is_none() {
            return Err(LoginError::Conflict);
        }
        let closed = postern_otp::Closed::Overtaken;
        let (reason, word) = (StopReason::Closed(closed), word_of(&closed));
        self.stopped_at_first_step(login, settings, client, reason, &word)
            .await
    }

    /// The person typed a number where one was asked for.
    pub async fn give_number(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let login = self.load_browser(id).await?;
        // A number that comes with any other step is not looked at (attack B-02).
        let State::NumberWanted(wanted) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let settings = self.settings_of(&login).await?;
        let profile = self
            .facts_of(&login.tenant, wanted.who.account.as_ref())
            .await?;
        // Since the page was shown somebody was locked or given a number from elsewhere, or the settings
        // changed: the table is asked anew, and what it says now a new login gets.
        let second_step = login.application.sequence.second_step;
        let said = said(&login.tenant, &wanted.who);
        let reason = match needed(second_step, profile.as_ref(), said.as_ref(), &settings) {
            Need::AskNumber => None,
            Need::Refuse(refusal) => Some(StopReason::Refused(refusal)),
            Need::Send(_) | Need::Skip(_) => Some(StopReason::Failed),
        };
        if let Some(reason) = reason {
            let stopped = AuditEvent {
                who: Some(wanted.who.display.clone()),
                ..event(
                    &login,
                    self.now(),
                    Some(client.address.clone()),
                    stop_event(reason),
                )
            };
            let next = State::Stopped(Stopped {
                reason,
                who: Some(wanted.who.clone()),
            });
            let then = Settlement {
                events: vec![stopped],
                ..Settlement::default()
            };
            return match self.settle(&login, next, then).await? {
                Advanced::Won(login) => Ok(self.moved(&login, &settings)),
                Advanced::Lost => Err(LoginError::Conflict),
            };
        }
        let number = match read_number(&settings, typed) {
            Ok(number) => number,
            Err(notice) => {
                let next = State::NumberWanted(NumberWanted {
                    notice: Some(notice),
                    ..wanted.clone()
                });
                return match self.ports.logins.advance(&login, next).await? {
                    Advanced::Won(login) => Ok(self.moved(&login, &settings)),
                    Advanced::Lost => Err(LoginError::Conflict),
                };
            }
        };
        let begin = Begin {
            who: wanted.who.clone(),
            keep: wanted.keep,
            shown: shown(&settings, profile.as_ref(), &number, Typed::Yes),
            number,
            then: Settlement::default(),
        };
        self.challenge(login, begin, settings, client).await
    }

    /// Locked factors get no message. Before any provider is called the limits are spent and the sending is
    /// claimed, both in one round trip: a store commits them together.
    async fn challenge(
        &self,
        login: Login,
        begin: Begin,
        settings: Arc<TenantSettings>,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let address = Some(client.address.clone());
        let now = self.now();
        let state = self.claim(&begin, &settings, now).await?;
        let mut then = begin.then;
        let since = then.since;
        if let State::Stopped(stopped) = &state {
            then.events.push(AuditEvent {
                who: Some(begin.who.display.clone()),
                ..event(&login, now, address.clone(), stop_event(stopped.reason))
            });
        }
        let budgets = is_sending(&state).then(|| {
            send_budgets(
                &settings,
                &login.tenant,
                &begin.who.subject,
                &begin.number,
                Some(&client.address),
            )
        });
        let spending = async {
            match &budgets {
                Some(budgets) => self.spend_on_sending(budgets, now).await.map(Some),
                None => Ok(None),
            }
        };
        let (outlay, settled) = tokio::join!(spending, self.settle(&login, state, then));
        let login = match settled? {
            Advanced::Won(login) => login,
            Advanced::Lost => return self.overtaken(login, since, &settings, client).await,
        };
        let login = match outlay {
            Ok(Some(Outlay::Granted)) => {
                self.deliver(login, Arc::clone(&settings), Caller::from(client))
                    .await?
            }
            Ok(Some(Outlay::Refused { limit, at })) => {
                self.hold_back(login, limit.notice(), at).await?
            }
            Ok(None) => login,
            // The claim stands, under an id that only this answer tells: as if no provider had taken it.
            Err(error) => {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "whether a message may go out could not be asked"
                );
                let retry_at = now.plus(settings.factor.challenge.resend.wait_after(0));
                self.hold_back(login, Notice::NotSent, retry_at).await?
            }
        };
        Ok(self.moved(&login, &settings))
    }

    /// What was claimed is not sent: a limit is spent, or could not be asked.
    async fn hold_back(
        &self,
        login: Login,
        notice: Notice,
        retry_at: Timestamp,
    ) -> Result<Login, LoginError> {
        let State::Challenged(challenged) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let Challenge::Sending { requested, .. } = &challenged.challenge else {
            return Err(LoginError::OutOfOrder);
        };
        let next = State::Challenged(Challenged {
            challenge: Challenge::NotSent {
                requested: requested.clone(),
                retry_at,
                why: None,
            },
            notice: Some(notice),
            ..challenged.clone()
        });
        match self.ports.logins.advance(&login, next).await? {
            Advanced::Won(login) => Ok(login),
            Advanced::Lost => self.load(&login.id).await,
        }
    }

    async fn claim(
        &self,
        begin: &Begin,
        settings: &TenantSettings,
        now: Timestamp,
    ) -> Result<State, LoginError> {
        let ledger = self.ports.attempts.ledger(&begin.who.subject).await?;
        if let Some(reason) = locked(ledger.standing(now)) {
            return Ok(State::Stopped(Stopped {
                reason,
                who: Some(begin.who.clone()),
            }));
        }
        let mut requested = Requested::new(begin.number.clone());
        let resends_max = settings.factor.challenge.resend.resends_max;
        let (challenge, notice) = if region_refused(settings, &begin.number) {
            // Nothing will change about the number: no further try is offered.
            requested.resends = resends_max;
            let retry_at = now;
            (
                Challenge::NotSent {
                    requested,
                    retry_at,
                    why: None,
                },
                Some(Notice::NumberRefused),
            )
        } else {
            let since = now;
            (Challenge::Sending { requested, since }, None)
        };
        Ok(State::Challenged(Challenged {
            who: begin.who.clone(),
            challenge,
            pending_number: begin.keep.then(|| begin.number.clone()),
            shown: begin.shown.clone(),
            attempts_left: settings.factor.challenge.attempts.attempts_max,
            app_hash: None,
            notice,
        }))
    }
}

/// What the table says of a person, by their account and by what an identity provider said.
pub(crate) fn needed(
    second_step: SecondStep,
    profile: Option<&Profile>,
    said: Option<&FederatedLogin>,
    settings: &TenantSettings,
) -> Need {
    let region = default_region(settings);
    let mut facts = facts(profile, region.as_ref());
    facts.federated_number =
        said.and_then(|said| federated_number(said, settings, region.as_ref()));
    facts.federated_number_wanted =
        said.is_some_and(|said| federated_number_wanted(said, settings));
    match second_step {
        SecondStep::SmsOtp => need(&settings.factor, &facts),
        SecondStep::None if facts.locked => Need::Refuse(Refusal::Locked),
        SecondStep::None => Need::Skip(NotNeeded::NotAsked),
    }
}

pub(crate) fn is_sending(state: &State) -> bool {
    matches!(
        state,
        State::Challenged(Challenged {
            challenge: Challenge::Sending { .. },
            ..
        })
    )
}

/// Why a standing other than free stops a login.
pub(crate) fn locked(standing: Standing) -> Option<StopReason> {
    match standing {
        Standing::Free => None,
        Standing::Locked { until } => Some(StopReason::Locked { until }),
        Standing::Disabled => Some(StopReason::FactorDisabled),
    }
}

pub(crate) fn stop_event(reason: StopReason) -> What {
    match reason {
        StopReason::Locked { until } => What::FactorLocked { until },
        StopReason::FactorDisabled => What::FactorDisabled,
        StopReason::Closed(postern_otp::Closed::AttemptsExhausted) => What::AttemptsExhausted,
        StopReason::Closed(closed) => What::LoginStopped {
            reason: word_of(&closed),
        },
        StopReason::Refused(refusal) => What::LoginStopped {
            reason: word_of(&refusal),
        },
        StopReason::CodeWrong
        | StopReason::CodeExpired
        | StopReason::Failed
        | StopReason::Abandoned => What::LoginStopped {
            reason: word_of(&reason),
        },
    }
}

pub(crate) fn default_region(settings: &TenantSettings) -> Option<Region> {
    let text = settings.factor.default_region.as_deref()?;
    Region::parse(text).ok()
}

/// A number as typed, if codes are sent there.
pub(crate) fn read_number(settings: &TenantSettings, typed: &str) -> Result<PhoneNumber, Notice> {
    // The original asked the browser alone, which anybody can leave out.
    let pattern = settings.factor.number_pattern.as_ref();
    if pattern.is_some_and(|pattern| !pattern.fits(typed.trim())) {
        return Err(Notice::NumberInvalid);
    }
    let number =
        PhoneNumber::parse(typed, default_region(settings).as_ref()).map_err(
            |error| match error {
                NumberError::KindRefused => Notice::NumberRefused,
                NumberError::Malformed | NumberError::Invalid | NumberError::UnknownRegion => {
                    Notice::NumberInvalid
                }
            },
        )?;
    if region_refused(settings, &number) {
        return Err(Notice::NumberRefused);
    }
    Ok(number)
}

/// Now, unless an earlier session took it: who is excused from the code on the way to it has proven
/// nothing since.
fn first_step_at(state: &State, now: Timestamp) -> Timestamp {
    match state {
        State::Identified(identified) => identified.at,
        State::Started(_)
        | State::NumberWanted(_)
        | State::Challenged(_)
        | State::Authenticated(_)
        | State::Stopped(_) => now,
    }
}

/// the operator's list of countries; empty means any.
pub(crate) fn region_refused(settings: &TenantSettings, number: &PhoneNumber) -> bool {
    let regions = &settings.factor.regions;
    let listed = |region: &String| region.eq_ignore_ascii_case(number.country());
    !regions.is_empty() && !regions.iter().any(listed)
}

pub(crate) fn facts(profile: Option<&Profile>, region: Option<&Region>) -> AccountFacts {
    let Some(profile) = profile else {
        return AccountFacts::default();
    };
    let text = profile.number.as_deref().map(str::trim);
    let text = text.filter(|text| !text.is_empty());
    let number = text.and_then(|text| PhoneNumber::parse(text, region).ok());
    AccountFacts {
        exists: true,
        opted_out: profile.opted_out,
        locked: profile.locked,
        // A number that cannot be read is still a factor: nobody types another one (attack B-01).
        had_factor: profile.had_factor || text.is_some(),
        number,
        ..AccountFacts::default()
    }
}

/// Whether somebody typed the number a moment ago.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Typed {
    Yes,
    No,
}

/// What the code page shows: the operator's attribute by the seeds' rule where one is set and the
/// account has it, or the typed number by the same rule where it has not; else the number with a fixed
/// number of stars.
fn shown(
    settings: &TenantSettings,
    profile: Option<&Profile>,
    number: &PhoneNumber,
    typed: Typed,
) -> Option<String> {
    let factor = &settings.factor;
    let Some(attribute) = &factor.screen_user_attribute else {
        return Some(number.masked());
    };
    let Some(profile) = profile else {
        return Some(number.masked());
    };
    let claim = profile
        .claims
        .iter()
        .find(|(uri, _)| uri == attribute)
        .map(|(_, value)| value.as_str());
    let mobile = profile.number.as_deref();
    let value = claim.or(mobile.filter(|_| attribute == crate::claims::MOBILE));
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    let pending = (typed == Typed::Yes).then(|| number.e164());
    value.or(pending).map(|value| match &factor.screen_mask {
        Some(mask) => mask.mask(value),
        None => postern_otp::phone::mask(value, factor.screen_digits, factor.screen_from_end),
    })
}
