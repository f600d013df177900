//! The authorization endpoint: an application sends a browser, and gets it back with a code.

use super::{REQUEST, REQUEST_WAITS, again_by_get, answered, now};
use crate::applications;
use crate::error::{PageError, unmoved};
use crate::extract::query::Query;
use crate::extract::{Client, client};
use crate::page::{self, Frame, see_other, with_cookie};
use crate::sign_in;
use crate::tenant::{Tenant, TenantState};
use askama::Template;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::RelyingParty;
use postern_federation::oidc::provider::request::{self, RequestError};
use postern_federation::oidc::provider::{
    AuthorizationRequest, ErrorCode, Prompt, discovery, hint,
};
use postern_federation::ports::{Parked, ParkingKey};
use postern_login::application::{Application, SecondStep};
use postern_login::begin::{ClientFacts, Moved};
use postern_login::login::Origin;
use postern_login::session::Session;
use postern_login::sign_on::{Demand, Recognized};
use postern_otp::Timestamp;
use std::sync::Arc;
use url::Url;

/// `GET /oauth2/authorize`
pub async fn get(
    Tenant(state): Tenant,
    Client(client): Client,
    query: Query,
    headers: HeaderMap,
) -> Response {
    serve(&state, &client, &headers, &query)
        .await
        .unwrap_or_else(|response| response)
}

/// `POST /oauth2/authorize`
pub async fn post(request: Request) -> Response {
    again_by_get(request, discovery::AUTHORIZE).await
}

async fn serve(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response, Response> {
    let tenant = state.tenant.as_str();
    let party = match query.text("client_id") {
        Some(id) => {
            let found = state
                .federation
                .peers
                .relying_party_by_client_id(tenant, id);
            found.await.map_err(|error| busy(&error))?
        }
        None => None,
    };
    let request = match request::read(|name| query.text(name), party.as_deref(), now(state)) {
        Ok(request) => request,
        Err(RequestError::Unanswerable(why)) => {
            tracing::warn!(
                client_id = query.text("client_id").map(client::printable),
                "an authorization request was refused: {why}"
            );
            return Err(PageError::Application.into_response());
        }
        Err(RequestError::Answer {
            redirect_uri,
            state: application_state,
            code,
            why,
        }) => {
            tracing::warn!(
                client_id = query.text("client_id").map(client::printable),
                "an authorization request was refused: {why}"
            );
            return Ok(answer_error(
                state,
                &redirect_uri,
                application_state.as_deref(),
                code,
                why,
            ));
        }
    };
    // `read` refuses a request of nobody.
    let party = party.ok_or_else(|| PageError::Application.into_response())?;
    let (application, recognized) = recognize(state, headers, &party, &request).await?;
    match (recognized, request.prompt) {
        (Recognized::Enough(session), _) => {
            let location = code(state, &party, &request, &session).await?;
            Ok(see_other(&location))
        }
        (Recognized::SecondStep(_), Prompt::Never) => Ok(refuse(
            state,
            &request,
            ErrorCode::InteractionRequired,
            "a second factor is asked for",
        )),
        (Recognized::Nobody, Prompt::Never) => Ok(refuse(
            state,
            &request,
            ErrorCode::LoginRequired,
            "nobody is signed in",
        )),
        (other, Prompt::AsNeeded | Prompt::Login) => {
            let key = park(state, &request).await?;
            begin(state, client, &request, application, other, &key).await
        }
    }
}

/// `GET /oauth2/authorize/continue?request=KEY`: where a login that began here ends.
pub async fn go_on(
    Tenant(state): Tenant,
    Client(client): Client,
    query: Query,
    headers: HeaderMap,
) -> Response {
    resume(&state, &client, &headers, &query)
        .await
        .unwrap_or_else(|response| response)
}

async fn resume(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response, Response> {
    let key = query.text("request").and_then(ParkingKey::parse);
    let key = key.ok_or_else(|| PageError::Stale.into_response())?;
    let tenant = state.tenant.as_str();
    let parking = &state.federation.parking;
    let parked = parking.parked(tenant, REQUEST, &key, now(state)).await;
    let parked = parked.map_err(|error| busy(&error))?;
    let parked = parked.ok_or_else(|| PageError::Stale.into_response())?;
    let request: AuthorizationRequest =
        serde_json::from_slice(&parked.body).map_err(|error| busy(&error))?;
    let peers = &state.federation.peers;
    let party = peers
        .relying_party_by_client_id(tenant, &request.client_id)
        .await;
    let party = party.map_err(|error| busy(&error))?;
    // It may have been taken away, or its address with it, while the person signed in.
    let party = party
        .filter(|party| party.enabled && still_registered(party, &request))
        .ok_or_else(|| PageError::Application.into_response())?;
    // Once: the same request is not answered twice.
    let once = async || {
        let taken = parking.claim(tenant, REQUEST, &key, now(state)).await;
        match taken.map_err(|error| busy(&error))? {
            Some(_) => Ok(()),
            None => Err(PageError::Stale.into_response()),
        }
    };
    if query.has(sign_in::DECLINED) {
        once().await?;
        let location = refusal(
            state,
            &request.redirect_uri,
            request.state.as_deref(),
            ErrorCode::AccessDenied,
            "nobody signed in",
        );
        return Ok(onward(state, client, &location));
    }
    let (application, recognized) = recognize(state, headers, &party, &request).await?;
    match recognized {
        Recognized::Enough(session) => {
            once().await?;
            let location = code(state, &party, &request, &session).await?;
            Ok(onward(state, client, &location))
        }
        other => begin(state, client, &request, application, other, &key).await,
    }
}

fn still_registered(party: &RelyingParty, request: &AuthorizationRequest) -> bool {
    let client = party.oidc.as_ref();
    client.is_some_and(|client| client.redirect_uris.contains(&request.redirect_uri))
}

/// `id_token_hint`: somebody else's session does not answer (OpenID Connect Core 1.0, 3.1.2.1).
#[allow(
    clippy::result_large_err,
    reason = "the error is the answer itself, made once and handed on"
)]
fn meant(
    state: &TenantState,
    request: &AuthorizationRequest,
    recognized: Recognized,
) -> Result<Recognized, Response> {
    let Some(token) = &request.id_token_hint else {
        return Ok(recognized);
    };
    let ring = state.federation.signing_keys.ring(now(state));
    let ring = ring.map_err(|error| busy(&error))?;
    let hint = hint::read(token, &state.issuer(), &ring);
    let is_meant = |session: &Session| {
        hint.as_ref()
            .is_some_and(|hint| hint.sub == super::subject(session))
    };
    Ok(match recognized {
        Recognized::Enough(session) if is_meant(&session) => Recognized::Enough(session),
        Recognized::SecondStep(session) if is_meant(&session) => Recognized::SecondStep(session),
        Recognized::Enough(_) | Recognized::SecondStep(_) | Recognized::Nobody => {
            Recognized::Nobody
        }
    })
}

/// How people sign in to the application, as this request has it, and whether somebody did already.
async fn recognize(
    state: &TenantState,
    headers: &HeaderMap,
    party: &RelyingParty,
    request: &AuthorizationRequest,
) -> Result<(Application, Recognized), Response> {
    let mut application = applications::of(state, party)
        .await
        .map_err(|error| busy(&error))?;
    // An application may ask for more than its entry says, never for less.
    if request.wants_second_factor {
        application.sequence.second_step = SecondStep::SmsOtp;
    }
    let since = request.since();
    application.sequence.afresh = since.is_some();
    let demand = Demand {
        since: since.map(|moment| Timestamp(moment.0)),
    };
    let session = state.cookies().session(headers);
    let recognized = state
        .logins
        .recognize(&state.tenant, &application, &demand, session.as_ref())
        .await
        .map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    Ok((application, meant(state, request, recognized)?))
}

async fn park(state: &TenantState, request: &AuthorizationRequest) -> Result<ParkingKey, Response> {
    let key = state
        .federation
        .parking_key()
        .map_err(|error| busy(&error))?;
    let parked = Parked {
        kind: REQUEST.to_owned(),
        tenant: state.tenant.as_str().to_owned(),
        group: String::new(),
        body: serde_json::to_vec(request).map_err(|error| busy(&error))?,
        expires_at: now(state).plus(REQUEST_WAITS),
    };
    let parked = state.federation.parking.park(&key, &parked).await;
    parked.map_err(|error| busy(&error))?;
    Ok(key)
}

/// The login comes back to `go_on`, whatever happens in between.
async fn begin(
    state: &TenantState,
    client: &ClientFacts,
    request: &AuthorizationRequest,
    application: Application,
    recognized: Recognized,
    key: &ParkingKey,
) -> Result<Response, Response> {
    // The language the person chose at the application holds for the whole login.
    let chosen = request.ui_locales.as_deref().and_then(client::ui_locale);
    let client = &ClientFacts {
        locale: chosen.unwrap_or_else(|| client.locale.clone()),
        ..client.clone()
    };
    let origin = Origin::Browser {
        return_to: format!("{}/continue?request={}", discovery::AUTHORIZE, key.as_str()),
    };
    let begun = match recognized {
        Recognized::SecondStep(session) => {
            state
                .logins
                .step_up(&session, application, origin, client)
                .await
        }
        Recognized::Enough(_) | Recognized::Nobody => {
            state.logins.begin_for(application, origin, client).await
        }
    };
    let Moved { id, .. } = begun.map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    let sign_in = sign_in::address(request.login_hint.as_deref());
    Ok(with_cookie(
        see_other(&sign_in),
        state.cookies().set_login(&id),
    ))
}

async fn code(
    state: &TenantState,
    party: &Arc<RelyingParty>,
    request: &AuthorizationRequest,
    session: &Session,
) -> Result<String, Response> {
    let attributes = state.logins.attributes(session).await;
    let attributes = attributes.map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    let mut entropy = [0; 64];
    state
        .federation
        .entropy
        .fill(&mut entropy)
        .map_err(|error| busy(&error))?;
    let answered = answered(session, party, &request.scopes, &attributes);
    let provider = state.federation.provider();
    let code = provider.code(
        state.tenant.as_str(),
        request,
        answered,
        &entropy,
        now(state),
    );
    let code = code.await.map_err(|error| busy(&error))?;
    Ok(answer(
        state,
        &request.redirect_uri,
        request.state.as_deref(),
        &[("code", code.as_str())],
    ))
}

fn refuse(
    state: &TenantState,
    request: &AuthorizationRequest,
    code: ErrorCode,
    why: &'static str,
) -> Response {
    answer_error(
        state,
        &request.redirect_uri,
        request.state.as_deref(),
        code,
        why,
    )
}

fn answer_error(
    state: &TenantState,
    redirect_uri: &str,
    application_state: Option<&str>,
    code: ErrorCode,
    why: &str,
) -> Response {
    see_other(&refusal(state, redirect_uri, application_state, code, why))
}

/// Where the browser takes it.
fn refusal(
    state: &TenantState,
    redirect_uri: &str,
    application_state: Option<&str>,
    code: ErrorCode,
    why: &str,
) -> String {
    let pairs = [("error", code.as_str()), ("error_description", why)];
    answer(state, redirect_uri, application_state, &pairs)
}

/// The registered address with our parameters added to its query. `iss` says whose answer it is
/// (RFC 9207).
fn answer(
    state: &TenantState,
    redirect_uri: &str,
    application_state: Option<&str>,
    pairs: &[(&str, &str)],
) -> String {
    // Appended, not rewritten: the address is the one that was registered, byte by byte.
    let glue = if redirect_uri.contains('?') { '&' } else { '?' };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    if let Some(application_state) = application_state {
        query.append_pair("state", application_state);
    }
    query.append_pair("iss", &state.issuer());
    format!("{redirect_uri}{glue}{}", query.finish())
}

#[derive(Template)]
#[template(path = "oidc/onward.html")]
struct OnwardPage<'a> {
    f: Frame<'a>,
    location: &'a str,
}

/// A page that leads on, not a redirect: after a form of ours was posted, browsers hold redirects to
/// the policy of the page with that form, which lets forms go nowhere but here (attack S-06).
fn onward(state: &TenantState, client: &ClientFacts, location: &str) -> Response {
    let f = state.frame(&client.locale);
    let web = Url::parse(location).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    if web {
        return page::draw(&OnwardPage { f, location });
    }
    // An app's own scheme: only a redirect opens it, and no page's policy knows it.
    see_other(location)
}

fn busy(error: &(dyn std::error::Error + 'static)) -> Response {
    PageError::busy(error).into_response()
}
