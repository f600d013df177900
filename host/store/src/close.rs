//! Which open challenges die with an account's number, and what they become; one answer for both
//! backends.

use postern_login::login::{StopReason, Stopped};
use postern_login::ports::AccountRef;
use postern_login::{Login, State, TenantId};
use postern_otp::challenge::Closed;

pub(crate) fn is_challenge_of(login: &Login, tenant: &TenantId, account: &AccountRef) -> bool {
    match &login.state {
        State::Challenged(challenged) => {
            login.tenant == *tenant && challenged.who.account.as_ref() == Some(account)
        }
        State::Started(_)
        | State::Identified(_)
        | State::NumberWanted(_)
        | State::Authenticated(_)
        | State::Stopped(_) => false,
    }
}

/// What a challenge becomes whose account's number changed: nothing can be done with it.
pub(crate) fn killed() -> State {
    State::Stopped(Stopped {
        reason: StopReason::Closed(Closed::Abandoned),
        who: None,
    })
}
