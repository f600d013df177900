//! Once around: the browser is led from one participant to the next and comes back after each.

use super::page::{draw_end, draw_step};
use super::participants::{Other, known};
use super::{ANSWERED, ASKED, REQUEST, WALK, Wish, follow, key_of, put};
use crate::error::PageError;
use crate::extract::Client;
use crate::extract::client::printable;
use crate::extract::query::Query;
use crate::page::{see_other, with_cookie};
use crate::saml::{busy, claim, fresh_id, now, peers_failed, refuse, security, show as form};
use crate::tenant::{Tenant, TenantState};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::ports::ParkingKey;
use postern_federation::saml::logout::{AnswerLogout, AskLogout};
use postern_federation::saml::response::NameId;
use postern_federation::saml::{self, Outgoing, Status};
use postern_login::begin::ClientFacts;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Somebody to be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) other: Other,
    pub(super) name: NameId,
    pub(super) session_index: Option<String>,
}

/// Who wanted it, and is answered at the end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Asker {
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
pub(super) struct Walk {
    pub(super) asker: Asker,
    pub(super) to_ask: VecDeque<Ask>,
    pub(super) asked: Option<Told>,
    pub(super) told: Vec<Told>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) display_name: String,
    pub(super) request_id: String,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
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
pub(super) struct Question {
    pub(super) entity_id: String,
}

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
                let walk = walk.map_err(|error| busy(&error))?;
                go_on(&state, &client, &key, walk).await
            }
            None => Ok(over()),
        }
    };
    served.await.unwrap_or_else(|response| response)
}

pub(super) async fn go_on(
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
pub(super) async fn message(
    state: &TenantState,
    ask: &Ask,
) -> Result<Option<(Told, Outgoing)>, Response> {
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
pub(super) async fn outcome(state: &TenantState, request_id: &str) -> Result<Outcome, Response> {
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

pub(super) async fn arrive(
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
pub(super) async fn answer(
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
        form::send(state, client, &outgoing)
    } else {
        draw_end(state, client, &told, Some(&outgoing))
    })
}

pub(super) async fn keep(
    state: &TenantState,
    key: &ParkingKey,
    walk: &Walk,
) -> Result<(), Response> {
    put(state, WALK, key, walk).await
}
