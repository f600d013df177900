//! Another code: the old one is dead, the attempts stay spent, fifty clicks are one message.

use crate::begin::{ClientFacts, Moved};
use crate::caller::Caller;
use crate::deliver::is_stale;
use crate::login::{Challenge, Challenged, Login, LoginId, Notice, State};
use crate::ports::{Advanced, Subject, TenantSettings};
use crate::second_step::{is_sending, locked};
use crate::throttle::{Outlay, SendLimit, send_budgets};
use crate::{LoginError, Logins};
use postern_otp::challenge::ResendRefused;
use postern_otp::{Requested, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at a sending that somebody else is at: short at first, for most end soon.
const LOOK_AGAIN: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
];
/// The looks stop here: the deadline of all providers and some time to write the outcome down.
const WAIT_MAX: Duration = Duration::from_secs(26);

/// What became of a wish for another code.
#[derive(Debug)]
pub(crate) enum Resent {
    /// Sent, or tried and not sent: the login says which.
    Tried(Login),
    /// Somebody else asked first; this is what came of theirs.
    Joined(Login),
    Refused(Login, ResendRefused),
    Limit(Login, SendLimit, Timestamp),
    Stopped(Login),
}

impl Logins {
    pub async fn resend(&self, id: &LoginId, client: &ClientFacts) -> Result<Moved, LoginError> {
        let login = self.load_browser(id).await?;
        self.resend_for(login, client).await
    }

    /// Once it is settled that whoever asks may.
    pub(crate) async fn resend_for(
        &self,
        login: Login,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let settings = self.settings_of(&login).await?;
        let resent = self
            .send_again(login, &settings, &Caller::from(client))
            .await?;
        let (login, notice) = match resent {
            Resent::Tried(login) | Resent::Joined(login) | Resent::Stopped(login) => {
                return Ok(self.moved(&login, &settings));
            }
            Resent::Refused(login, ResendRefused::TooSoon { .. }) => (login, Notice::ResendTooSoon),
            Resent::Refused(login, ResendRefused::TooOften) => (login, Notice::ResendTooOften),
            Resent::Refused(login, ResendRefused::Off) => (login, Notice::ResendOff),
            Resent::Limit(login, limit, _) => (login, limit.notice()),
        };
        let login = self.notice(login, notice).await?;
        Ok(self.moved(&login, &settings))
    }

    pub(crate) async fn send_again(
        &self,
        login: Login,
        settings: &Arc<TenantSettings>,
        caller: &Caller,
    ) -> Result<Resent, LoginError> {
        let address = caller.address();
        let State::Challenged(challenged) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let now = self.now();
        let policy = &settings.factor.challenge;
        let asked = match challenged.challenge.clone() {
            Challenge::Sending { requested, since } if is_stale(since, now) => {
                let retry = requested.again(now, now, &policy.resend);
                retry.map_err(|(_, refused)| refused)
            }
            Challenge::Sending { .. } => {
                return Ok(Resent::Joined(self.after_sending(login).await?));
            }
            Challenge::NotSent {
                requested,
                retry_at,
                ..
            } => {
                let retry = requested.again(retry_at, now, &policy.resend);
                retry.map_err(|(_, refused)| refused)
            }
            Challenge::Sent(sent) => sent.resend(now, policy).map_err(|(_, refused)| refused),
        };
        let requested = match asked {
            Ok(requested) => requested,
            Err(refused) => return Ok(Resent::Refused(login, refused)),
        };
        let subject = &challenged.who.subject;
        let standing = self.ports.attempts.ledger(subject).await?.standing(now);
        if let Some(reason) = locked(standing) {
            let login = self.stop(login, reason, address).await?;
            return Ok(Resent::Stopped(login));
        }
        let Some(claimed) = self
            .claim_sending(&login, challenged, &requested, now)
            .await?
        else {
            // Fifty clicks: one claimed it, the others wait for what comes of it (attack R-04).
            let newer = self.load(&login.id).await?;
            return Ok(Resent::Joined(self.after_sending(newer).await?));
        };
        // Spent by the one that claimed, so that fifty clicks cost one; before any provider call.
        // A number's proof is paid for by the account that changes its number.
        let account = challenged.who.account.as_ref();
        let payer = account.map_or_else(
            || subject.clone(),
            |account| Subject::Account {
                tenant: login.tenant.clone(),
                account: account.name.clone(),
            },
        );
        let budgets = send_budgets(settings, &login.tenant, &payer, &requested.number, address);
        let held_back = match self.spend_on_sending(&budgets, now).await {
            Ok(Outlay::Granted) => None,
            Ok(Outlay::Refused { limit, at }) => Some(Ok((limit, at))),
            Err(error) => Some(Err(error)),
        };
        if let Some(why) = held_back {
            // Nothing was sent: the code in hand is still the newest one, and the next wish is looked at anew.
            let back = self.ports.logins.advance(&claimed, login.state.clone());
            let login = match back.await? {
                Advanced::Won(login) => login,
                Advanced::Lost => self.load(&claimed.id).await?,
            };
            let (limit, at) = why?;
            return Ok(Resent::Limit(login, limit, at));
        }
        let settings = Arc::clone(settings);
        let login = self.deliver(claimed, settings, caller.clone()).await?;
        Ok(Resent::Tried(login))
    }

    async fn claim_sending(
        &self,
        login: &Login,
        challenged: &Challenged,
        requested: &Requested,
        now: Timestamp,
    ) -> Result<Option<Login>, LoginError> {
        let sending = State::Challenged(Challenged {
            challenge: Challenge::Sending {
                requested: requested.clone(),
                since: now,
            },
            notice: None,
            ..challenged.clone()
        });
        Ok(match self.ports.logins.advance(login, sending).await? {
            Advanced::Won(claimed) => Some(claimed),
            Advanced::Lost => None,
        })
    }

    /// The login once nobody is sending for it any more, or the sending has outlived its host.
    pub(crate) async fn after_sending(&self, login: Login) -> Result<Login, LoginError> {
        let mut login = login;
        let until = tokio::time::Instant::now() + WAIT_MAX;
        let mut pauses = LOOK_AGAIN.iter();
        let mut pause = LOOK_AGAIN[0];
        while is_sending(&login.state) && !self.is_abandoned(&login) {
            if tokio::time::Instant::now() >= until {
                break;
            }
            pause = pauses.next().copied().unwrap_or(pause);
            tokio::time::sleep(pause).await;
            login = self.load(&login.id).await?;
        }
        Ok(login)
    }

    fn is_abandoned(&self, login: &Login) -> bool {
        match &login.state {
            State::Challenged(Challenged {
                challenge: Challenge::Sending { since, .. },
                ..
            }) => is_stale(*since, self.now()),
            _ => false,
        }
    }

    /// Says something on the next page; whoever moved the login in between has more to say.
    pub(crate) async fn notice(&self, login: Login, notice: Notice) -> Result<Login, LoginError> {
        let State::Challenged(challenged) = &login.state else {
            return Ok(login);
        };
        let next = State::Challenged(Challenged {
            notice: Some(notice),
            ..challenged.clone()
        });
        match self.ports.logins.advance(&login, next).await? {
            Advanced::Won(login) => Ok(login),
            Advanced::Lost => self.load(&login.id).await,
        }
    }
}
