//! Single logout: somebody signs out in one place, and everybody they were signed in with is told.
//!
//! The session here ends first, whatever becomes of the rest. Then the browser is led from one participant to the next
//! and comes back to `/saml/logout` after each. Who is still to be told waits under a key in a cookie, so that no
//! participant learns of another. Nothing here waits for a participant: a browser that hangs at one is called back by
//! this page, one that was left at another's error goes on when the person returns, and whoever did not answer is
//! reported to the person and to whoever asked.

mod page;
mod participants;
mod walk;

#[cfg(test)]
pub(crate) use page::tests::partly_page;
pub(super) use participants::takes_part;
pub use walk::show;

use self::participants::{Known, Other, known, participants, upstream_of};
use self::walk::{Ask, Asker, Question, Walk, answer, go_on, keep};
use super::{CONSUMER, SSO, now, park, peers_failed, refuse, security, sp};
use crate::error::{chain, unmoved};
use crate::extract::client::printable;
use crate::extract::session;
use crate::oidc;
use crate::page::{see_other, signed_out, with_cookie};
use crate::tenant::TenantState;
use axum::response::Response;
use http::HeaderMap;
use postern_federation::Moment;
use postern_federation::ports::{Parked, ParkingKey};
use postern_federation::saml::logout::{LogoutRequest, UnverifiedLogout};
use postern_federation::saml::sp::UpstreamSession;
use postern_federation::saml::{self, Binding, Received, Refusal, Status};
use postern_login::begin::ClientFacts;
use postern_login::ports::Subject;
use postern_login::session::Session;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Where the browser comes back to after each participant.
pub const LOGOUT: &str = "/saml/logout";

/// Applications that were answered in a session; the group is the session's name.
const PARTICIPANT: &str = "saml-participant";
/// A request that was checked and waits for the browser's cookies.
const REQUEST: &str = "saml-logout-request";
const WALK: &str = "saml-logout-walk";
const ASKED: &str = "saml-logout-asked";
const ANSWERED: &str = "saml-logout-answered";
const USED: &str = "saml-logout";

/// From the first participant to the last. Long enough for a person who comes back from an error page.
const WALK_LASTS: Duration = Duration::from_secs(10 * 60);
/// As long as a message is fresh, with both clocks wrong.
const REQUEST_REMEMBERED: Duration = Duration::from_secs(20 * 60);
/// A request names a session or two.
const INDEXES_MAX: usize = 20;

/// Which of our two roles a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    IdentityProvider,
    ServiceProvider,
}

impl Role {
    fn path(self) -> &'static str {
        match self {
            Self::IdentityProvider => SSO,
            Self::ServiceProvider => CONSUMER,
        }
    }
}

/// A request of the other side that was checked.
#[derive(Serialize, Deserialize)]
struct Wish {
    other: Other,
    request: LogoutRequest,
}

// ---------------------------------------------------------------- the person signs out here

/// Ends a session of this browser. `None` if nobody else is to be told: the caller knows what to show then.
pub async fn sign_out(
    state: &TenantState,
    session: &Session,
    onward: Option<String>,
) -> Result<Option<Response>, Response> {
    let mut to_ask = end(state, &session.subject(), &session.name).await?;
    to_ask.extend(upstream_of(session).map(asked_elsewhere));
    if to_ask.is_empty() {
        return Ok(None);
    }
    let walk = Walk {
        asker: Asker::Person { onward },
        to_ask: to_ask.into(),
        asked: None,
        told: Vec::new(),
    };
    let key = state.federation.parking_key();
    let key = key.map_err(|error| super::busy(&error))?;
    keep(state, &key, &walk).await?;
    let response = with_cookie(see_other(LOGOUT), state.cookies().set_sign_out(&key));
    Ok(Some(signed_out(response, state.cookies())))
}

/// On the server and at once. Returns the applications that take part in it.
async fn end(state: &TenantState, subject: &Subject, name: &str) -> Result<Vec<Ask>, Response> {
    let participants = participants(state, name).await?;
    state
        .logins
        .logout_named(&state.tenant, subject, name)
        .await
        .map_err(|error| unmoved(error, state.clock.now(), "/account"))?;
    let tenant = state.tenant.as_str();
    oidc::logout::ended(state, tenant, name).await;
    let parking = &state.federation.parking;
    if let Err(error) = parking
        .claim_group(tenant, PARTICIPANT, name, now(state))
        .await
    {
        // They are known already, and what is left goes with the session's time.
        tracing::error!(
            error = chain(&error),
            "the participants of a session that has ended could not be removed"
        );
    }
    let asks = participants.into_iter().map(|participant| Ask {
        other: Other::Application {
            entity_id: participant.entity_id,
        },
        name: participant.name,
        session_index: Some(name.to_owned()),
    });
    Ok(asks.collect())
}

fn asked_elsewhere((identity_provider, kept): (String, UpstreamSession)) -> Ask {
    Ask {
        other: Other::IdentityProvider {
            name: identity_provider,
        },
        name: kept.name,
        session_index: kept.index,
    }
}

// ---------------------------------------------------------------- what comes from others

/// A logout message at one of our addresses.
pub(super) async fn received(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    received: Received,
    role: Role,
) -> Result<Response, Response> {
    let by_post = received.binding == Binding::Post;
    let unverified = UnverifiedLogout::new(received).map_err(|refusal| refuse(&refusal))?;
    let issuer = unverified.issuer().to_owned();
    let other = match role {
        Role::IdentityProvider => Other::Application {
            entity_id: issuer.clone(),
        },
        Role::ServiceProvider => Other::IdentityProvider {
            name: sp::issued_by(state, &issuer).await?.name.clone(),
        },
    };
    let Some(known) = known(state, &other).await? else {
        return Err(refuse(&Refusal::LogoutOff(printable(&issuer))));
    };
    let our_url = state.address(role.path());
    let security = security(state)?;
    let (moment, at) = (now(state), saml::at(now(state)));
    match unverified {
        UnverifiedLogout::Request(message) => {
            let request = message
                .request(
                    &known.entity_id,
                    &known.certificates,
                    &our_url,
                    &*security,
                    at,
                )
                .map_err(|refusal| refuse(&refusal))?;
            used_once(state, &request, moment).await?;
            let wish = Wish { other, request };
            if by_post {
                // The cookies did not come along: by GET they do.
                let key = park(state, REQUEST, &wish).await?;
                return Ok(see_other(&format!("{LOGOUT}?request={}", key.as_str())));
            }
            follow(state, client, headers, wish).await
        }
        UnverifiedLogout::Response(message) => {
            let response = message
                .response(
                    &known.entity_id,
                    &known.certificates,
                    &our_url,
                    &*security,
                    at,
                )
                .map_err(|refusal| refuse(&refusal))?;
            answered(state, &known, response.in_response_to(), response.success()).await?;
            Ok(see_other(LOGOUT))
        }
    }
}

/// A request that was caught must not end the next session of the same name.
async fn used_once(
    state: &TenantState,
    request: &LogoutRequest,
    now: Moment,
) -> Result<(), Response> {
    let id = format!(
        "{}:{}{}",
        request.issuer().len(),
        request.issuer(),
        request.id()
    );
    let until = now.plus(REQUEST_REMEMBERED);
    let first = state
        .federation
        .once
        .first(state.tenant.as_str(), USED, &id, until, now)
        .await
        .map_err(peers_failed)?;
    if first {
        Ok(())
    } else {
        Err(refuse(&Refusal::Replayed))
    }
}

/// An answer counts once, for a question of ours, from whoever was asked.
async fn answered(
    state: &TenantState,
    from: &Known,
    request_id: &str,
    success: bool,
) -> Result<(), Response> {
    let (parking, tenant) = (&state.federation.parking, state.tenant.as_str());
    let key = key_of(&[ASKED, tenant, request_id]);
    let question = parking.parked(tenant, ASKED, &key, now(state)).await;
    let question = question
        .map_err(peers_failed)?
        .and_then(|parked| serde_json::from_slice::<Question>(&parked.body).ok())
        .filter(|question| question.entity_id == from.entity_id);
    if question.is_none() {
        return Err(refuse(&Refusal::InResponseTo));
    }
    let open = parking.claim(tenant, ASKED, &key, now(state)).await;
    if open.map_err(peers_failed)?.is_none() {
        return Err(refuse(&Refusal::Replayed));
    }
    let key = key_of(&[ANSWERED, tenant, request_id]);
    put(state, ANSWERED, &key, &success).await
}

/// Whoever asks must take part in the session, under the name it was told (attack X-34).
async fn follow(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    wish: Wish,
) -> Result<Response, Response> {
    let Wish { other, request } = wish;
    let own = session::current(state, headers).await?;
    let mut ended: Vec<String> = Vec::new();
    let mut to_ask: Vec<Ask> = Vec::new();
    match &other {
        Other::Application { entity_id } => {
            let named = request.session_indexes();
            // None named: every one of that name, and this browser's is the one we know of.
            let indexes: Vec<String> = if named.is_empty() {
                own.iter().map(|session| session.name.clone()).collect()
            } else {
                named.iter().take(INDEXES_MAX).cloned().collect()
            };
            for index in indexes {
                let all = participants(state, &index).await?;
                let asker = all.iter().find(|participant| {
                    participant.entity_id == *entity_id
                        && participant.name.is_meant_by(request.name())
                });
                if let Some(asker) = asker {
                    to_ask.extend(end(state, &asker.subject, &index).await?);
                    ended.push(index);
                }
            }
        }
        Other::IdentityProvider { name } => {
            let meant = own.as_ref().filter(|session| {
                upstream_of(session)
                    .is_some_and(|(from, kept)| from == *name && kept.is_meant_by(&request))
            });
            if let Some(session) = meant {
                to_ask.extend(end(state, &session.subject(), &session.name).await?);
                ended.push(session.name.clone());
            }
        }
    }
    let this_one = own.as_ref().filter(|session| ended.contains(&session.name));
    if let Some(upstream) = this_one.and_then(upstream_of) {
        to_ask.push(asked_elsewhere(upstream));
    }
    // Whoever asks knows already.
    to_ask.retain(|ask| ask.other != other);
    let this_one = this_one.is_some();
    let asker = Asker::Other {
        other,
        request_id: request.id().to_owned(),
        relay_state: request.relay_state().map(str::to_owned),
    };
    if ended.is_empty() && own.is_some() {
        // Somebody is signed in here, and it is not whom it means.
        tracing::warn!(
            issuer = printable(request.issuer()),
            "a logout request names no session that its sender takes part in"
        );
        return answer(state, client, asker, Status::UnknownPrincipal, Vec::new()).await;
    }
    tracing::info!(
        issuer = printable(request.issuer()),
        sessions = ended.len(),
        "a participant signed somebody out"
    );
    let walk = Walk {
        asker,
        to_ask: to_ask.into(),
        asked: None,
        told: Vec::new(),
    };
    let key = state.federation.parking_key();
    let key = key.map_err(|error| super::busy(&error))?;
    let response = go_on(state, client, &key, walk).await?;
    Ok(if this_one {
        signed_out(response, state.cookies())
    } else {
        response
    })
}

// ---------------------------------------------------------------- what waits

async fn put<T: Serialize + Sync>(
    state: &TenantState,
    kind: &str,
    key: &ParkingKey,
    what: &T,
) -> Result<(), Response> {
    let parked = Parked {
        kind: kind.to_owned(),
        tenant: state.tenant.as_str().to_owned(),
        group: String::new(),
        body: serde_json::to_vec(what).map_err(|error| super::busy(&error))?,
        expires_at: now(state).plus(WALK_LASTS),
    };
    let done = state.federation.parking.park(key, &parked).await;
    done.map_err(peers_failed)
}

/// A key that follows from what it is for, so that it is found again without being kept. Nobody outside is ever asked
/// for one of these kinds.
fn key_of(parts: &[&str]) -> ParkingKey {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(format!("{}:", part.len()));
        digest.update(part);
    }
    ParkingKey::from_entropy(&digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_things_differ() {
        assert_ne!(key_of(&["a", "bc"]), key_of(&["ab", "c"]));
        assert_ne!(key_of(&[ASKED, "t", "1"]), key_of(&[ANSWERED, "t", "1"]));
        assert_eq!(key_of(&["a"]), key_of(&["a"]));
    }
}
