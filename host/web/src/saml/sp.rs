//! The service provider: somebody's first step is taken at another identity provider.

use super::{Us, claim, fresh_id, look, now, park, peers_failed, refuse, security, show};
use crate::applications;
use crate::error::{PageError, unmoved};
use crate::extract::client::printable;
use crate::page::{see_other, with_cookie};
use crate::sign_in;
use crate::tenant::TenantState;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::identity_provider::Protocol;
use postern_federation::ports::ParkingKey;
use postern_federation::saml::sp::{Question, UpstreamSession, Wish};
use postern_federation::saml::{
    self, AuthnContext, CONTEXT_ATTRIBUTE, Received, Refusal, SESSION_ATTRIBUTE,
    UnverifiedResponse, Upstream, VerifiedAssertion,
};
use postern_federation::{IdentityProvider, Moment};
use postern_login::LoginId;
use postern_login::application::Application;
use postern_login::begin::{ClientFacts, Moved};
use postern_login::login::{Notice, Origin};
use postern_login::ports::FederatedLogin;
use postern_login::session::{ASKED_ATTRIBUTE, Session, UNTIL_ATTRIBUTE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const TRIP: &str = "saml-trip";
const VOUCHED: &str = "saml-vouched";
const ASSERTION: &str = "saml-assertion";

/// A browser was sent away; its RelayState is the key of this.
#[derive(Serialize, Deserialize)]
struct Trip {
    identity_provider: String,
    request_id: String,
    login: String,
    /// When it was asked to ask the person again, if it was.
    #[serde(default)]
    afresh_since: Option<Moment>,
}

/// What came back, checked; it waits for the browser to come for it with its cookies.
#[derive(Serialize, Deserialize)]
struct Vouched {
    identity_provider: String,
    /// The login it belongs to; `None` if nobody asked.
    login: Option<String>,
    /// `None` if the provider said that it did not sign anybody in.
    said: Option<Said>,
}

#[derive(Serialize, Deserialize)]
struct Said {
    subject: String,
    attributes: Vec<(String, String)>,
}

/// The id is a secret of the browser: what waits knows only its digest.
fn digest(id: &LoginId) -> String {
    hex::encode(Sha256::digest(id.as_str()))
}

/// The way there, for a login that is at its first step.
pub async fn leave(
    state: &TenantState,
    client: &ClientFacts,
    id: &LoginId,
    application: &Application,
    provider: &IdentityProvider,
    upstream: &Upstream,
) -> Result<Response, Response> {
    let security = security(state)?;
    let request_id = fresh_id(state)?;
    let trip = Trip {
        identity_provider: provider.name.clone(),
        request_id: request_id.as_str().to_owned(),
        login: digest(id),
        afresh_since: application.sequence.afresh.then(|| now(state)),
    };
    let key = park(state, TRIP, &trip).await?;
    let us = Us::of(state);
    let wish = Wish {
        force_authn: application.sequence.afresh,
        is_passive: false,
        relay_state: Some(key.as_str()),
    };
    let outgoing = upstream
        .ask(
            us.here(),
            wish,
            &request_id,
            &*security,
            saml::at(now(state)),
        )
        .map_err(|refusal| refuse(&refusal))?;
    Ok(show::send(state, client, &outgoing))
}

/// `POST /commonauth`: everything is checked here that does not need the browser's cookies.
pub(super) async fn answer(state: &TenantState, received: Received) -> Result<Response, Response> {
    let response = UnverifiedResponse::new(received).map_err(|refusal| not_accepted(&refusal))?;
    let key = response.relay_state().and_then(ParkingKey::parse);
    let trip: Option<Trip> = match &key {
        Some(key) => look(state, TRIP, key).await.ok(),
        None => None,
    };
    let provider = match &trip {
        Some(trip) => named(state, &trip.identity_provider).await?,
        None => issued_by(state, response.issuer()).await?,
    };
    let upstream = spoken(&provider)?;
    let security = security(state)?;
    let us = Us::of(state);
    let asked = trip.as_ref().map(|trip| Question {
        id: &trip.request_id,
        afresh_since: trip.afresh_since.map(saml::at),
    });
    let moment = now(state);
    let accepted = upstream.accept(response, asked, us.here(), &*security, saml::at(moment));
    let said = match accepted {
        Ok(assertion) => {
            // Two sides, or this one after a restart: whoever comes second is a replay (attack X-19).
            let id = format!(
                "{}:{}{}",
                assertion.issuer().len(),
                assertion.issuer(),
                assertion.id()
            );
            let until = saml::moment(assertion.good_until());
            let first = state
                .federation
                .once
                .first(state.tenant.as_str(), ASSERTION, &id, until, moment)
                .await
                .map_err(peers_failed)?;
            if !first {
                return Err(not_accepted(&Refusal::Replayed));
            }
            let since = trip.as_ref().and_then(|trip| trip.afresh_since);
            let asked_at = saml::moment(assertion.authenticated_at()).between(since, moment);
            Some(said(&provider, upstream, &assertion, asked_at)?)
        }
        // Nobody is let in by it, so it needs no signature; the login says that it did not work.
        Err(refusal @ Refusal::Status { .. }) if trip.is_some() => {
            tracing::info!(
                identity_provider = provider.name,
                cause = printable(&refusal.to_string()),
                "an identity provider did not sign somebody in"
            );
            None
        }
        Err(refusal) => return Err(not_accepted(&refusal)),
    };
    // One answer a request. A bad one does not take the place of the good one.
    if let (Some(key), Some(_)) = (&key, &trip) {
        let _: Trip = claim(state, TRIP, key).await?;
    }
    let vouched = Vouched {
        identity_provider: provider.name.clone(),
        login: trip.map(|trip| trip.login),
        said,
    };
    let key = park(state, VOUCHED, &vouched).await?;
    Ok(see_other(&format!(
        "{}?sessionDataKey={}",
        super::CONSUMER,
        key.as_str()
    )))
}

/// `GET /commonauth?sessionDataKey=`: bound to the browser by the cookie of its login (attack X-20).
pub(super) async fn arrive(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    key: &str,
) -> Result<Response, Response> {
    let key = ParkingKey::parse(key).ok_or_else(|| PageError::Stale.into_response())?;
    let vouched: Vouched = claim(state, VOUCHED, &key).await?;
    let provider = named(state, &vouched.identity_provider).await?;
    let upstream = spoken(&provider)?;
    let id = match &vouched.login {
        Some(login) => {
            let id = state.cookies().login(headers);
            id.filter(|id| digest(id) == *login)
                .ok_or_else(|| not_accepted(&Refusal::InResponseTo))?
        }
        None if upstream.unsolicited => unasked(state, client).await?,
        None => return Err(not_accepted(&Refusal::Unsolicited)),
    };
    let outcome = match vouched.said {
        Some(said) => {
            let said = FederatedLogin {
                tenant: state.tenant.clone(),
                identity_provider: provider.name.clone(),
                subject_identifier: said.subject.clone(),
                subject: said.subject,
                attributes: said.attributes,
                settings: sign_in::federated::resolver_settings(&provider),
            };
            state.logins.federated(&id, said, client).await
        }
        None => {
            let notice = Notice::ElsewhereRefused;
            state.logins.not_vouched(&id, notice, client).await
        }
    };
    let response = sign_in::went_on(state, &id, client, headers, outcome).await;
    Ok(match vouched.login {
        Some(_) => response,
        // The login is new: without its cookie a further step would not find it.
        None if response.headers().contains_key(http::header::SET_COOKIE) => response,
        None => with_cookie(response, state.cookies().set_login(&id)),
    })
}

/// Nobody asked, and the operator allows that: a login for the person's own account page.
async fn unasked(state: &TenantState, client: &ClientFacts) -> Result<LoginId, Response> {
    let application = applications::own(state).await.map_err(peers_failed)?;
    let origin = Origin::Browser {
        return_to: "/account".to_owned(),
    };
    let begun = state.logins.begin_for(application, origin, client).await;
    let Moved { id, .. } = begun.map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    Ok(id)
}

fn said(
    provider: &IdentityProvider,
    upstream: &Upstream,
    assertion: &VerifiedAssertion,
    asked_at: Moment,
) -> Result<Said, Response> {
    let attributes = assertion
        .attributes()
        .iter()
        .flat_map(|attribute| {
            let values = attribute.values.iter();
            values.map(|value| (attribute.name.clone(), value.clone()))
        })
        .collect();
    let mut attributes = sign_in::federated::without_ours(provider.mapped(attributes));
    attributes.push((
        CONTEXT_ATTRIBUTE.to_owned(),
        assertion.context().uri().to_owned(),
    ));
    attributes.push((ASKED_ATTRIBUTE.to_owned(), asked_at.0.to_string()));
    if let Some(until) = assertion.session_until() {
        let until = saml::moment(until).0.to_string();
        attributes.push((UNTIL_ATTRIBUTE.to_owned(), until));
    }
    if upstream.logout.is_some() {
        let kept = UpstreamSession {
            name: assertion.subject().clone(),
            index: assertion.session_index().map(str::to_owned),
        };
        let kept = serde_json::to_string(&kept).map_err(|error| super::busy(&error))?;
        attributes.push((SESSION_ATTRIBUTE.to_owned(), kept));
    }
    Ok(Said {
        subject: assertion.subject().value.clone(),
        attributes,
    })
}

/// How the person signed in there, on the word of whoever vouched.
pub(super) fn context_of(session: &Session) -> AuthnContext {
    let said = session
        .attributes
        .iter()
        .find(|(name, _)| name == CONTEXT_ATTRIBUTE)
        .and_then(|(_, uri)| AuthnContext::from_uri(uri));
    said.unwrap_or(AuthnContext::Unspecified)
}

async fn named(state: &TenantState, name: &str) -> Result<Arc<IdentityProvider>, Response> {
    let peers = &state.federation.peers;
    let found = peers
        .identity_provider(state.tenant.as_str(), name)
        .await
        .map_err(peers_failed)?;
    found
        .filter(|provider| provider.enabled)
        .ok_or_else(|| not_accepted(&Refusal::UnknownPeer(name.to_owned())))
}

pub(super) async fn issued_by(
    state: &TenantState,
    issuer: &str,
) -> Result<Arc<IdentityProvider>, Response> {
    let peers = &state.federation.peers;
    let all = peers
        .identity_providers(state.tenant.as_str())
        .await
        .map_err(peers_failed)?;
    let is_it = |provider: &Arc<IdentityProvider>| match &provider.protocol {
        Protocol::Saml(upstream) => provider.enabled && upstream.entity_id == issuer,
        Protocol::Oidc(_) | Protocol::OAuth2(_) => false,
    };
    all.into_iter()
        .find(is_it)
        .ok_or_else(|| not_accepted(&Refusal::UnknownPeer(issuer.chars().take(200).collect())))
}

fn spoken(provider: &IdentityProvider) -> Result<&Upstream, Response> {
    match &provider.protocol {
        Protocol::Saml(upstream) => Ok(upstream),
        Protocol::Oidc(_) | Protocol::OAuth2(_) => {
            Err(not_accepted(&Refusal::UnknownPeer(provider.name.clone())))
        }
    }
}

/// Nothing of a login changes, whoever made the browser come here.
fn not_accepted(refusal: &Refusal) -> Response {
    tracing::warn!(
        cause = printable(&refusal.to_string()),
        "an identity provider's answer was refused"
    );
    PageError::Stale.into_response()
}
