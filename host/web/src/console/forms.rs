//! Somebody at an open console, and a form that came from one of its pages.

use crate::error::PageError;
use crate::extract::Client;
use crate::extract::fields::Fields;
use crate::form_token;
use crate::state::WebState;
use crate::tenant::{TenantState, of_request, see_outside};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;
use postern_admin::AdminError;
use postern_admin::console::Console;
use postern_login::begin::ClientFacts;

/// An open console. Whoever has none is sent to sign in, and comes back to the page they asked for.
#[derive(Debug)]
pub struct Here {
    pub console: Console,
    pub client: ClientFacts,
}

impl FromRequestParts<WebState> for Here {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, Response> {
        let state = TenantState::of_super(web);
        let Client(client) = Client::from_request_parts(parts, web)
            .await
            .map_err(IntoResponse::into_response)?;
        let found = match web.console_cookies().session(&parts.headers) {
            Some(id) => state
                .administration
                .console(&state.tenant, &id, &client)
                .await
                .map_err(unavailable)?,
            None => None,
        };
        match found {
            Some(console) => Ok(Self { console, client }),
            None => {
                let base = of_request(&parts.extensions, web).base.clone();
                let path = format!("{base}{}", parts.uri.path());
                let back = crate::page::local_path(&path)
                    .filter(|path| parts.method == Method::GET && *path != super::HOME);
                Err(see_outside(&match back {
                    Some(path) => format!("/console/sign-in?to={path}"),
                    None => "/console/sign-in".to_owned(),
                }))
            }
        }
    }
}

/// A form of the console, bound to the console of this browser (attack S-04).
#[derive(Debug)]
pub struct ConsoleForm {
    pub console: Console,
    pub client: ClientFacts,
    pub fields: Fields,
}

impl FromRequest<WebState> for ConsoleForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &WebState) -> Result<Self, Response> {
        let (mut head, body) = request.into_parts();
        let here = Here::from_request_parts(&mut head, web).await?;
        let fields = Fields::read_large(Request::from_parts(head, body))
            .await
            .map_err(IntoResponse::into_response)?;
        let ours = TenantState::of_super(web)
            .form_key
            .matches(here.console.id.as_str(), fields.text(form_token::FIELD));
        if !ours {
            return Err(PageError::Stale.into_response());
        }
        Ok(Self {
            console: here.console,
            client: here.client,
            fields,
        })
    }
}

fn unavailable(error: AdminError) -> Response {
    PageError::busy(&error).into_response()
}
