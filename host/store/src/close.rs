//! Which logins die with an account's number or password, and what they become; one answer for both
//! backends.

use postern_login::login::{SecondFactor, StopReason, Stopped};
use postern_login::ports::AccountRef;
use postern_login::{Login, State, TenantId};
use postern_otp::challenge::Closed;

pub(crate) fn is_challenge_of(login: &Login, tenant: &TenantId, account: &AccountRef) -> bool {
    login.tenant == *tenant && whose(&login.state) == Some(account)
}

/// Whose login it is while no more than a first step stands behind it: a challenge that is open, one
/// that begins as soon as somebody asks or types a number, or none because none is needed. A second step
/// that was proven stands.
pub(crate) fn whose(state: &State) -> Option<&AccountRef> {
    let who = match state {
        State::Identified(identified) => &identified.who,
        State::NumberWanted(wanted) => &wanted.who,
        State::Challenged(challenged) => &challenged.who,
        State::Authenticated(authenticated) => match authenticated.second {
            SecondFactor::NotNeeded(_) => &authenticated.who,
            SecondFactor::Sms { .. } | SecondFactor::BackupCode => return None,
        },
        State::Started(_) | State::Stopped(_) => return None,
    };
    who.account.as_ref()
}

/// What it becomes: nothing can be done with it.
pub(crate) fn killed() -> State {
    State::Stopped(Stopped {
        reason: StopReason::Closed(Closed::Abandoned),
        who: None,
    })
}
