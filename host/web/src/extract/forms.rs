//! A form that came back: from a page of ours, drawn for the very cookie it comes with. Everything
//! that changes something takes one of these two.

use crate::cookies::Cookies;
use crate::error::PageError;
use crate::extract::client::Client;
use crate::extract::fields::Fields;
use crate::extract::session;
use crate::form_token;
use crate::page;
use crate::state::WebState;
use crate::tenant::{self, TenantState};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_login::LoginId;
use postern_login::begin::ClientFacts;
use postern_login::session::Session;

/// A form of the sign-in pages, bound to the login of this browser (attacks S-04, S-05).
#[derive(Debug)]
pub struct LoginForm {
    pub id: LoginId,
    pub fields: Fields,
    pub client: ClientFacts,
    pub headers: HeaderMap,
}

/// A form of the account pages, bound to the session of this browser.
#[derive(Debug)]
pub struct SessionForm {
    pub session: Session,
    pub fields: Fields,
    pub client: ClientFacts,
    pub headers: HeaderMap,
}

impl FromRequest<WebState> for LoginForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &WebState) -> Result<Self, Response> {
        let state = &tenant::of_request(request.extensions(), state);
        Self::read(request, state, state.cookies()).await
    }
}

impl LoginForm {
    /// Of the login that is in these cookies.
    pub(crate) async fn read(
        request: Request,
        state: &TenantState,
        cookies: &Cookies,
    ) -> Result<Self, Response> {
        let (client, headers, fields) = parts(request, state).await?;
        let id = cookies
            .login(&headers)
            .filter(|id| {
                state
                    .form_key
                    .matches(id.as_str(), fields.text(form_token::FIELD))
            })
            .ok_or_else(|| PageError::Stale.into_response())?;
        Ok(Self {
            id,
            fields,
            client,
            headers,
        })
    }
}

impl FromRequest<WebState> for SessionForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &WebState) -> Result<Self, Response> {
        let state = &tenant::of_request(request.extensions(), state);
        let (client, headers, fields) = parts(request, state).await?;
        let id = state
            .cookies()
            .session(&headers)
            .filter(|id| {
                state
                    .form_key
                    .matches(id.as_str(), fields.text(form_token::FIELD))
            })
            .ok_or_else(|| PageError::Stale.into_response())?;
        // The token says that the form is ours; the store says whether the session still is.
        match session::current(state, &headers).await? {
            Some(session) if session.id == id => Ok(Self {
                session,
                fields,
                client,
                headers,
            }),
            _ => Err(page::see_other("/sign-in")),
        }
    }
}

async fn parts(
    request: Request,
    state: &TenantState,
) -> Result<(ClientFacts, HeaderMap, Fields), Response> {
    let (mut head, body) = request.into_parts();
    let Client(client) = Client::from_request_parts(&mut head, state.web())
        .await
        .map_err(IntoResponse::into_response)?;
    let headers = head.headers.clone();
    let fields = Fields::read(Request::from_parts(head, body))
        .await
        .map_err(IntoResponse::into_response)?;
    Ok((client, headers, fields))
}
