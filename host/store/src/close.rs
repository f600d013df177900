//! Which logins die with an account's number or password, and what they become; one answer for both
//! backends.

use postern_login::login::{StopReason, Stopped};
use postern_login::ports::AccountRef;
use postern_login::{Login, State, TenantId};
use postern_otp::challenge::Closed;

pub(crate) fn is_challenge_of(login: &Login, tenant: &TenantId, account: &AccountRef) -> bool {
    login.tenant == *tenant && challenged(&login.state) == Some(account)
}

/// Whose challenge is open, or begins as soon as a number is typed (attack B-01).
pub(crate) fn challenged(state: &State) -> Option<&AccountRef> {
    match state {
        State::Challenged(challenged) => challenged.who.account.as_ref(),
        State::NumberWanted(wanted) => wanted.who.account.as_ref(),
        State::Started(_) | State::Identified(_) | State::Authenticated(_) | State::Stopped(_) => {
            None
        }
    }
}

/// What a challenge becomes whose account's number changed: nothing can be done with it.
pub(crate) fn killed() -> State {
    State::Stopped(Stopped {
        reason: StopReason::Closed(Closed::Abandoned),
        who: None,
    })
}
