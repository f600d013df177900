//! Single logout: somebody signs out in one place, and everybody they were signed in with is told.
//!
//! The session here ends first, whatever becomes of the rest. Then the browser is led from one participant to the next
//! and comes back to `/saml/logout` after each. Who is still to be told waits under a key in a cookie, so that no
//! participant learns of another. Nothing here waits for a participant: a browser that hangs at one is called back by
//! this page, one that was left at another's error goes on when the person returns, and whoever did not answer is
//! reported to the person and to whoever asked.

use super::{CONSUMER, SSO, claim, entity_id, fresh_id, now, park, peers_failed, refuse};
use super::{security, show, sp};
use crate::applications::moment;
use crate::error::{PageError, chain, unmoved};
use crate::extract::Client;
use crate::extract::client::printable;
use crate::extract::query::Query;
use crate::extract::session;
use crate::oidc;
use crate::page::{self, Frame, see_other, with_cookie};
use crate::tenant::{Tenant, TenantState};
use crate::texts::Texts;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use postern_federation::identity_provider::Protocol;
use postern_federation::ports::{Parked, ParkingKey};
use postern_federation::saml::logout::{
    AnswerLogout, AskLogout, LogoutEndpoint, LogoutRequest, UnverifiedLogout,
};
use postern_federation::saml::response::NameId;
use postern_federation::saml::sp::UpstreamSession;
use postern_federation::saml::{
    self, Binding, Certificate, Outgoing, Received, Refusal, SESSION_ATTRIBUTE, ServiceProvider,
    Status,
};
use postern_federation::{IdentityProvider, Moment};
use postern_login::begin::ClientFacts;
use postern_login::login::FirstFactor;
use postern_login::ports::Subject;
use postern_login::session::Session;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
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

/// The other side, by what it cannot change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Other {
    Application { entity_id: String },
    IdentityProvider { name: String },
}

/// The other side as the operator describes it now.
struct Known {
    display_name: String,
    entity_id: String,
    our_entity_id: String,
    certificates: Vec<Certificate>,
    endpoint: LogoutEndpoint,
}

/// An application that was told of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Participant {
    entity_id: String,
    name: NameId,
    subject: Subject,
}

/// Somebody to be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ask {
    other: Other,
    name: NameId,
    session_index: Option<String>,
}

/// Who wanted it, and is answered at the end.
#[derive(Debug, Serialize, Deserialize)]
enum Asker {
    /// The person, on a page of ours; then they go on to there.
    Person { onward: Option<String> },
    Other {
        other: Other,
        request_id: String,
        relay_state: Option<String>,
    },
}

/// Once around.
#[derive(Debug, Serialize, Deserialize)]
struct Walk {
    asker: Asker,
    to_ask: VecDeque<Ask>,
    asked: Option<Told>,
    told: Vec<Told>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    display_name: String,
    request_id: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Outcome {
    /// It said so.
    Ended,
    /// It said that not everything ended.
    Refused,
    Silent,
    /// It is not configured any more.
    NotTold,
}

/// The question an answer belongs to, until it is answered.
#[derive(Serialize, Deserialize)]
struct Question {
    entity_id: String,
}

/// A request of the other side that was checked.
#[derive(Serialize, Deserialize)]
struct Wish {
    other: Other,
    request: LogoutRequest,
}

// ---------------------------------------------------------------- who takes part

/// An application is about to be told of this session: it is told of its end as well. The newest name counts.
pub(super) async fn takes_part(
    state: &TenantState,
    provider: &ServiceProvider,
    session: &Session,
    name: &NameId,
) -> Result<(), Response> {
    if provider.logout.is_none() {
        return Ok(());
    }
    let tenant = state.tenant.as_str();
    let participant = Participant {
        entity_id: provider.entity_id.clone(),
        name: name.clone(),
        subject: session.subject(),
    };
    let key = key_of(&[PARTICIPANT, tenant, &session.name, &provider.entity_id]);
    let parked = Parked {
        kind: PARTICIPANT.to_owned(),
        tenant: tenant.to_owned(),
        group: session.name.clone(),
        body: serde_json::to_vec(&participant).map_err(|error| super::busy(&error))?,
        expires_at: moment(session.expires_at),
    };
    let parking = &state.federation.parking;
    let known = parking
        .parked(tenant, PARTICIPANT, &key, now(state))
        .await
        .map_err(peers_failed)?;
    match known {
        // A read, and no write, each further time.
        Some(known) if known.body == parked.body && known.expires_at >= parked.expires_at => {
            return Ok(());
        }
        Some(_) => {
            let earlier = parking.claim(tenant, PARTICIPANT, &key, now(state));
            earlier.await.map_err(peers_failed)?;
        }
        None => {}
    }
    parking.park(&key, &parked).await.map_err(peers_failed)
}

async fn participants(state: &TenantState, session: &str) -> Result<Vec<Participant>, Response> {
    let all = state
        .federation
        .parking
        .group(state.tenant.as_str(), PARTICIPANT, session, now(state))
        .await
        .map_err(peers_failed)?;
    all.iter()
        .map(|parked| serde_json::from_slice(&parked.body).map_err(|error| super::busy(&error)))
        .collect()
}

/// The identity provider that vouched for this session, if it is to be told of its end.
fn upstream_of(session: &Session) -> Option<(String, UpstreamSession)> {
    let FirstFactor::Federated { identity_provider } = &session.first else {
        return None;
    };
    let kept = session
        .attributes
        .iter()
        .find(|(name, _)| name == SESSION_ATTRIBUTE)?;
    let kept = serde_json::from_str(&kept.1).ok()?;
    Some((identity_provider.clone(), kept))
}

async fn known(state: &TenantState, other: &Other) -> Result<Option<Known>, Response> {
    let (peers, tenant) = (&state.federation.peers, state.tenant.as_str());
    let ours = &entity_id(state);
    match other {
        Other::Application { entity_id } => {
            let party = peers.relying_party_by_entity_id(tenant, entity_id).await;
            let party = party.map_err(peers_failed)?.filter(|party| party.enabled);
            Ok(party.and_then(|party| {
                let provider = party.saml.as_ref()?;
                Some(Known {
                    display_name: party.display_name.clone(),
                    entity_id: provider.entity_id.clone(),
                    our_entity_id: ours.clone(),
                    certificates: provider.certificates.clone(),
                    endpoint: provider.logout.clone()?,
                })
            }))
        }
        Other::IdentityProvider { name } => {
            let found = peers.identity_provider(tenant, name).await;
            let found = found.map_err(peers_failed)?.filter(|found| found.enabled);
            Ok(found.and_then(|found| vouching(ours, &found)))
        }
    }
}

fn vouching(ours: &str, provider: &Arc<IdentityProvider>) -> Option<Known> {
    let Protocol::Saml(upstream) = &provider.protocol else {
        return None;
    };
    Some(Known {
        display_name: provider.display_name.clone(),
        entity_id: upstream.entity_id.clone(),
        our_entity_id: upstream
            .our_entity_id
            .clone()
            .unwrap_or_else(|| ours.to_owned()),
        certificates: upstream.certificates.clone(),
        endpoint: upstream.logout.clone()?,
    })
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
    Ok(Some(with_cookie(response, state.cookies().clear_session())))
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
        with_cookie(response, state.cookies().clear_session())
    } else {
        response
    })
}

// ---------------------------------------------------------------- once around

/// `GET /saml/logout`: to the next participant, or to the end.
pub async fn show(
    Tenant(state): Tenant,
    Client(client): Client,
    query: Query,
    headers: HeaderMap,
) -> Response {
    let served = async {
        if let Some(key) = query.text("request") {
            let key = ParkingKey::parse(key).ok_or_else(|| PageError::Stale.into_response())?;
            let wish: Wish = claim(&state, REQUEST, &key).await?;
            return follow(&state, &client, &headers, wish).await;
        }
        let over = || with_cookie(see_other("/signed-out"), state.cookies().clear_sign_out());
        let Some(key) = state.cookies().sign_out(&headers) else {
            return Ok(over());
        };
        let parking = &state.federation.parking;
        let parked = parking
            .claim(state.tenant.as_str(), WALK, &key, now(&state))
            .await
            .map_err(peers_failed)?;
        match parked {
            Some(parked) => {
                let walk = serde_json::from_slice(&parked.body);
                let walk = walk.map_err(|error| super::busy(&error))?;
                go_on(&state, &client, &key, walk).await
            }
            None => Ok(over()),
        }
    };
    served.await.unwrap_or_else(|response| response)
}

async fn go_on(
    state: &TenantState,
    client: &ClientFacts,
    key: &ParkingKey,
    mut walk: Walk,
) -> Result<Response, Response> {
    if let Some(mut asked) = walk.asked.take() {
        asked.outcome = outcome(state, &asked.request_id).await?;
        walk.told.push(asked);
    }
    while let Some(ask) = walk.to_ask.pop_front() {
        let Some((told, outgoing)) = message(state, &ask).await? else {
            walk.told.push(Told {
                display_name: match ask.other {
                    Other::Application { entity_id } => printable(&entity_id),
                    Other::IdentityProvider { name } => name,
                },
                request_id: String::new(),
                outcome: Outcome::NotTold,
            });
            continue;
        };
        walk.asked = Some(told);
        keep(state, key, &walk).await?;
        let response = draw_step(state, client, &walk, &outgoing);
        return Ok(with_cookie(response, state.cookies().set_sign_out(key)));
    }
    let response = arrive(state, client, walk).await?;
    Ok(with_cookie(response, state.cookies().clear_sign_out()))
}

/// `None` if the other side is not there any more, or takes no logout.
async fn message(state: &TenantState, ask: &Ask) -> Result<Option<(Told, Outgoing)>, Response> {
    let Some(known) = known(state, &ask.other).await? else {
        return Ok(None);
    };
    let id = fresh_id(state)?;
    let security = security(state)?;
    let asking = AskLogout {
        id: &id,
        at: saml::at(now(state)),
        issuer: &known.our_entity_id,
        to: &known.endpoint,
        name: &ask.name,
        session_index: ask.session_index.as_deref(),
        relay_state: None,
    };
    let outgoing = asking
        .send(&*security)
        .map_err(|refusal| refuse(&refusal))?;
    let question = Question {
        entity_id: known.entity_id,
    };
    let key = key_of(&[ASKED, state.tenant.as_str(), id.as_str()]);
    put(state, ASKED, &key, &question).await?;
    let told = Told {
        display_name: known.display_name,
        request_id: id.as_str().to_owned(),
        outcome: Outcome::Silent,
    };
    Ok(Some((told, outgoing)))
}

/// What a participant said by now.
async fn outcome(state: &TenantState, request_id: &str) -> Result<Outcome, Response> {
    let (parking, tenant) = (&state.federation.parking, state.tenant.as_str());
    let key = key_of(&[ANSWERED, tenant, request_id]);
    let said = parking.claim(tenant, ANSWERED, &key, now(state)).await;
    let said = said.map_err(peers_failed)?;
    Ok(
        match said.map(|parked| serde_json::from_slice(&parked.body)) {
            None => Outcome::Silent,
            Some(Ok(true)) => Outcome::Ended,
            Some(Ok(false) | Err(_)) => Outcome::Refused,
        },
    )
}

async fn arrive(
    state: &TenantState,
    client: &ClientFacts,
    mut walk: Walk,
) -> Result<Response, Response> {
    for told in &mut walk.told {
        // Late is better than never.
        if told.outcome == Outcome::Silent {
            told.outcome = outcome(state, &told.request_id).await?;
        }
    }
    let everybody = walk.told.iter().all(|told| told.outcome == Outcome::Ended);
    if !everybody {
        let missing = walk.told.iter().filter(|t| t.outcome != Outcome::Ended);
        let missing: Vec<&str> = missing.map(|told| told.display_name.as_str()).collect();
        tracing::warn!(participants = ?missing, "not every participant confirmed a logout");
    }
    match walk.asker {
        Asker::Person { onward: None } if everybody => Ok(see_other("/signed-out")),
        Asker::Person { onward } => {
            let way = onward.map(Outgoing::Redirect);
            Ok(draw_end(state, client, &walk.told, way.as_ref()))
        }
        asker @ Asker::Other { .. } => {
            let status = if everybody {
                Status::Success
            } else {
                Status::PartialLogout
            };
            answer(state, client, asker, status, walk.told).await
        }
    }
}

/// Answers whoever asked. By a page, for the browser may come here by a participant's form, whose policy would hold
/// our redirect.
async fn answer(
    state: &TenantState,
    client: &ClientFacts,
    asker: Asker,
    status: Status,
    told: Vec<Told>,
) -> Result<Response, Response> {
    let Asker::Other {
        other,
        request_id,
        relay_state,
    } = asker
    else {
        return Ok(see_other("/signed-out"));
    };
    let Some(known) = known(state, &other).await? else {
        return Ok(draw_end(state, client, &told, None));
    };
    let security = security(state)?;
    let answer = AnswerLogout {
        id: &fresh_id(state)?,
        at: saml::at(now(state)),
        issuer: &known.our_entity_id,
        to: &known.endpoint,
        in_response_to: &request_id,
        status,
        relay_state: relay_state.as_deref(),
    };
    let outgoing = answer
        .send(&*security)
        .map_err(|refusal| refuse(&refusal))?;
    Ok(if told.is_empty() {
        show::send(state, client, &outgoing)
    } else {
        draw_end(state, client, &told, Some(&outgoing))
    })
}

// ---------------------------------------------------------------- pages

struct Line<'a> {
    name: &'a str,
    word: &'static str,
}

#[derive(Template)]
#[template(path = "saml/sign_out.html")]
struct SignOutPage<'a> {
    f: Frame<'a>,
    title: &'a str,
    lead: &'a str,
    lines: Vec<Line<'a>>,
    link: Option<&'a str>,
    form: Option<(&'a str, &'a [(&'static str, String)])>,
    /// Otherwise the person reads first.
    by_itself: bool,
    /// Calls the browser back from a participant that hangs.
    waits: bool,
}

fn word(t: &'static Texts, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ended => t.logout_ended,
        Outcome::Refused => t.logout_refused,
        Outcome::Silent => t.logout_silent,
        Outcome::NotTold => t.logout_not_told,
    }
}

fn lines<'a>(t: &'static Texts, told: &'a [Told]) -> Vec<Line<'a>> {
    let line = |told: &'a Told| Line {
        name: &told.display_name,
        word: word(t, told.outcome),
    };
    told.iter().map(line).collect()
}

fn draw_step(
    state: &TenantState,
    client: &ClientFacts,
    walk: &Walk,
    outgoing: &Outgoing,
) -> Response {
    let f = state.frame(&client.locale);
    let mut lines = lines(f.t, &walk.told);
    lines.extend(walk.asked.iter().map(|asked| Line {
        name: &asked.display_name,
        word: f.t.logout_asked,
    }));
    let page = SignOutPage {
        f,
        title: f.t.logout_title,
        lead: f.t.logout_lead,
        lines,
        link: None,
        form: None,
        by_itself: true,
        waits: true,
    };
    draw(page, Some(outgoing))
}

fn draw_end(
    state: &TenantState,
    client: &ClientFacts,
    told: &[Told],
    way: Option<&Outgoing>,
) -> Response {
    let f = state.frame(&client.locale);
    draw(end_page(f, told), way)
}

fn end_page<'a>(f: Frame<'a>, told: &'a [Told]) -> SignOutPage<'a> {
    let everybody = told.iter().all(|told| told.outcome == Outcome::Ended);
    SignOutPage {
        f,
        title: f.t.signed_out_title,
        lead: if everybody {
            f.t.signed_out_lead
        } else {
            f.t.logout_partly_lead
        },
        lines: lines(f.t, told),
        link: None,
        form: None,
        by_itself: everybody,
        waits: false,
    }
}

fn draw<'a>(mut page: SignOutPage<'a>, way: Option<&'a Outgoing>) -> Response {
    let mut policy = None;
    match way {
        Some(Outgoing::Redirect(location)) => page.link = Some(location),
        Some(Outgoing::Post { action, fields }) => {
            page.form = Some((action, fields));
            policy = show::policy(action);
        }
        None => {}
    }
    let mut response = page::draw(&page);
    if let Some(policy) = policy {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

// ---------------------------------------------------------------- what waits

async fn keep(state: &TenantState, key: &ParkingKey, walk: &Walk) -> Result<(), Response> {
    put(state, WALK, key, walk).await
}

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
pub(crate) mod tests {
    use super::*;

    /// `value` stands wherever somebody else's text is shown.
    pub(crate) fn partly_page(f: Frame<'_>, value: &str) -> Response {
        let outcomes = [
            Outcome::Ended,
            Outcome::Refused,
            Outcome::Silent,
            Outcome::NotTold,
        ];
        let told = outcomes.map(|outcome| Told {
            display_name: value.to_owned(),
            request_id: String::new(),
            outcome,
        });
        draw(end_page(f, &told), None)
    }

    #[test]
    fn keys_of_different_things_differ() {
        assert_ne!(key_of(&["a", "bc"]), key_of(&["ab", "c"]));
        assert_ne!(key_of(&[ASKED, "t", "1"]), key_of(&[ANSWERED, "t", "1"]));
        assert_eq!(key_of(&["a"]), key_of(&["a"]));
    }
}
