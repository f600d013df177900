//! Somebody who is signed in.

use crate::error::PageError;
use crate::page;
use crate::state::WebState;
use crate::tenant::{self, TenantState};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use postern_login::session::Session;

/// A session that the store knows. Whoever has none is sent to sign in.
#[derive(Debug)]
pub struct SignedIn(pub Session);

impl FromRequestParts<WebState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        let state = tenant::of_request(&parts.extensions, state);
        match current(&state, &parts.headers).await? {
            Some(session) => Ok(Self(session)),
            None => Err(page::see_other("/sign-in")),
        }
    }
}

/// The session of the cookie, if it is still open.
pub async fn current(
    state: &TenantState,
    headers: &HeaderMap,
) -> Result<Option<Session>, Response> {
    let Some(id) = state.cookies().session(headers) else {
        return Ok(None);
    };
    state
        .logins
        .session(&id)
        .await
        .map_err(|error| match error {
            postern_login::LoginError::Unavailable(error) => {
                PageError::busy(&error).into_response()
            }
            // Nothing but the store can fail here; the rest means that there is no session.
            _ => page::see_other("/sign-in"),
        })
}
