//! What the two events of a code's life say beside user, tenant, time and address: whose store, for
//! which application, from which browser, sent and good until when. Never the code.

use crate::audit::{CodeStatus, Occasion, What};
use crate::caller::Caller;
use crate::login::{Challenge, Login, Origin, State};
use postern_otp::Timestamp;

/// Where accounts without a store's name are.
const PRIMARY: &str = "PRIMARY";

/// A code was judged, or a backup code in its place.
pub(crate) fn validated(
    login: &Login,
    caller: &Caller,
    status: CodeStatus,
    attempts_left: Option<u32>,
) -> What {
    What::CodeValidated {
        status,
        attempts_left,
        occasion: occasion(login, caller),
    }
}

/// As the login stands now.
pub(crate) fn occasion(login: &Login, caller: &Caller) -> Occasion {
    let (sent_at, expires_at, resend) = times(&login.state);
    Occasion {
        store_domain: login.state.who().and_then(|who| {
            let account = who.account.as_ref()?;
            let domain = account.name.split_once('/').map(|(domain, _)| domain);
            Some(domain.unwrap_or(PRIMARY).to_owned())
        }),
        application: Some(application(login)),
        user_agent: caller.user_agent.clone(),
        sent_at,
        expires_at,
        resend,
    }
}

fn times(state: &State) -> (Option<Timestamp>, Option<Timestamp>, bool) {
    let State::Challenged(challenged) = state else {
        return (None, None, false);
    };
    match &challenged.challenge {
        Challenge::Sent(sent) => (Some(sent.sent_at), Some(sent.expires_at), sent.resends > 0),
        Challenge::Sending { requested, .. } | Challenge::NotSent { requested, .. } => {
            (None, None, requested.resends > 0)
        }
    }
}

/// The API client, the application that is signed in to, or the person's own account page.
fn application(login: &Login) -> String {
    match &login.origin {
        Origin::Api { client, .. } => client.clone(),
        Origin::Account { .. } | Origin::Browser { .. } => match login.application.name.as_str() {
            "" => "account".to_owned(),
            name => name.to_owned(),
        },
    }
}
