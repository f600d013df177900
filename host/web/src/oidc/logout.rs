//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): an application says that its person
//! wants to sign out everywhere.
//!
//! Whoever shows an ID token of this very session is believed; anybody else's link asks first, or
//! any page could sign people out (attack S-04).

use super::{again_by_get, now};
use crate::error::{PageError, chain};
use crate::extract::query::Query;
use crate::extract::{Client, SessionForm, session};
use crate::page::{self, Frame, see_other, with_cookie};
use crate::saml;
use crate::tenant::{Tenant, TenantState};
use askama::Template;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::oidc::provider::{discovery, hint};
use postern_login::begin::ClientFacts;
use postern_login::session::Session;
use url::Url;

#[derive(Template)]
#[template(path = "oidc/sign_out.html")]
struct SignOutPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    client_id: &'a str,
    uri: &'a str,
    state: &'a str,
}

/// `GET /oauth2/logout`
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

/// `POST /oauth2/logout`
pub async fn post(request: Request) -> Response {
    again_by_get(request, discovery::LOGOUT).await
}

async fn serve(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response, Response> {
    let ring = state.federation.signing_keys.ring(now(state));
    let ring = ring.map_err(|error| PageError::busy(&error).into_response())?;
    let hint = query
        .text("id_token_hint")
        .and_then(|token| hint::read(token, &state.issuer(), &ring));
    let client_id = match (&hint, query.text("client_id")) {
        // One that contradicts the token is a mistake or worse.
        (Some(hint), Some(id)) if hint.client_id != id => {
            return Err(PageError::Application.into_response());
        }
        (Some(hint), _) => Some(hint.client_id.clone()),
        (None, id) => id.map(str::to_owned),
    };
    let uri = query.text("post_logout_redirect_uri").unwrap_or_default();
    let application_state = query.text("state").unwrap_or_default();
    let back = way_back(state, client_id.as_deref(), uri, application_state).await?;
    let Some(session) = session::current(state, headers).await? else {
        // Nobody signs out: a sign-in that is under way is not ended by a link, which may be anybody's.
        let response = gone(back.as_deref());
        return Ok(with_cookie(response, state.cookies().clear_session()));
    };
    let of_this_session = hint
        .as_ref()
        .is_some_and(|hint| hint.sid == session.name && hint.sub == super::subject(&session));
    if of_this_session {
        let walk = saml::logout::sign_out(state, &session, back.clone()).await?;
        let over = || page::signed_out(gone(back.as_deref()), state.cookies());
        return Ok(walk.unwrap_or_else(over));
    }
    let client_id = client_id.as_deref().unwrap_or_default();
    let uri = if back.is_some() { uri } else { "" };
    Ok(draw(
        state,
        client,
        &session,
        [client_id, uri, application_state],
    ))
}

/// The page that asks, for whoever comes without saying for whom.
pub async fn ask(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
) -> Result<Response, Response> {
    Ok(match session::current(state, headers).await? {
        Some(session) => draw(state, client, &session, [""; 3]),
        None => see_other("/signed-out"),
    })
}

fn draw(
    state: &TenantState,
    client: &ClientFacts,
    session: &Session,
    [client_id, uri, application_state]: [&str; 3],
) -> Response {
    let f = state.frame(&client.locale);
    let token = state.form_key.token(session.id.as_str());
    page::draw(&SignOutPage {
        f,
        token: &token,
        client_id,
        uri,
        state: application_state,
    })
}

/// `POST /oauth2/logout/confirm`: the person said so, on our page.
pub async fn confirm(Tenant(state): Tenant, form: SessionForm) -> Response {
    let text = |name: &str| form.fields.text(name);
    let client_id = Some(text("client_id")).filter(|id| !id.is_empty());
    let back = way_back(
        &state,
        client_id,
        text("post_logout_redirect_uri"),
        text("state"),
    );
    let back = match back.await {
        Ok(back) => back,
        Err(response) => return response,
    };
    match saml::logout::sign_out(&state, &form.session, back.clone()).await {
        Ok(None) => {}
        // SAML applications are told first; then the browser goes on.
        Ok(Some(walk)) => return walk,
        Err(response) => return response,
    }
    // After a form: a page leads on, as after signing in.
    let f = state.frame(&form.client.locale);
    let response = match &back {
        Some(location) => page::draw(&SignedOutPage { f, location }),
        None => see_other("/signed-out"),
    };
    page::signed_out(response, state.cookies())
}

#[derive(Template)]
#[template(path = "oidc/signed_out.html")]
struct SignedOutPage<'a> {
    f: Frame<'a>,
    location: &'a str,
}

/// Only an address that the application registered for this, byte by byte.
async fn way_back(
    state: &TenantState,
    client_id: Option<&str>,
    uri: &str,
    application_state: &str,
) -> Result<Option<String>, Response> {
    let (Some(client_id), false) = (client_id, uri.is_empty()) else {
        return Ok(None);
    };
    let peers = &state.federation.peers;
    let party = peers
        .relying_party_by_client_id(state.tenant.as_str(), client_id)
        .await;
    let party = party.map_err(|error| PageError::busy(&error).into_response())?;
    let client = party
        .as_ref()
        .filter(|party| party.enabled)
        .and_then(|party| party.oidc.as_ref());
    let registered = client.is_some_and(|client| {
        client
            .post_logout_redirect_uris
            .iter()
            .any(|known| known == uri)
    });
    if !registered {
        return Ok(None);
    }
    if application_state.is_empty() {
        return Ok(Some(uri.to_owned()));
    }
    let glue = if uri.contains('?') { '&' } else { '?' };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", application_state);
    Ok(Some(format!("{uri}{glue}{}", query.finish())))
}

/// What applications were given in a session ends with it. The session is gone already: a failure
/// is told and lasts at most as long as an access token.
pub async fn ended(state: &TenantState, tenant: &str, session: &str) {
    let provider = state.federation.provider();
    let ended = provider.session_ended(tenant, session, now(state));
    if let Err(error) = ended.await {
        tracing::error!(
            error = chain(&error),
            "access tokens of a session that has ended could not be revoked"
        );
    }
}

fn gone(back: Option<&str>) -> Response {
    let web = |back: &&str| Url::parse(back).is_ok();
    see_other(back.filter(web).unwrap_or("/signed-out"))
}
