//! What happens around every handler, one concern a file, put together once for the pages and once
//! for the API.

pub mod act;
pub mod cross_origin;
pub mod headers;
pub mod host;
pub mod method;
pub mod origin;

use crate::api::problem::{self, Problem};
use crate::error::PageError;
use crate::extract::client::locale;
use crate::sign_in::own_page;
use crate::state::WebState;
use crate::tenant::{self, Place, TenantState};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;
use postern_login::TenantId;

/// Around the pages: who may ask, one act to its end, errors drawn, headers set.
pub async fn pages(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let ours = origin::ours(
        request.method(),
        request.headers(),
        state.public_url.origin(),
    );
    around(state, request, next, ours).await
}

/// The same for what other sites may send: their messages say themselves whose they are.
pub async fn peers(State(state): State<WebState>, request: Request, next: Next) -> Response {
    around(state, request, next, true).await
}

async fn around(state: WebState, request: Request, next: Next, ours: bool) -> Response {
    let tenant = tenant::of_request(request.extensions(), &state);
    let frame = tenant.frame(&locale(request.headers()));
    let refusal = if !host::known(&request, &state) {
        Some(PageError::Host)
    } else if method::disguised(request.headers()) || !ours {
        Some(PageError::Refused)
    } else {
        None
    };
    let mut response = match (refusal, tenant.place()) {
        (Some(error), _) => error.into_response(),
        (None, None) => PageError::busy(&Crowded(tenant.tenant.clone())).into_response(),
        (None, Some(place)) => match act::to_its_end(held(place, next.run(request))).await {
            Ok(response) => response,
            Err(failure) => failure.page().into_response(),
        },
    };
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        response = drawn(&response, error.draw(frame));
    }
    // A store that cannot say is told of elsewhere; the policy stays the narrow one then.
    let elsewhere = match tenant.logins.page_settings(&tenant.tenant).await {
        Ok(settings) => own_page::origins(&settings.own, &state.public_url),
        Err(_) => Vec::new(),
    };
    headers::page(
        response.headers_mut(),
        state.public_url.secure(),
        &elsewhere,
    );
    response
}

/// Around the administrator's console: as careful as around the pages, at an address of its own.
pub async fn console(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let tenant = TenantState::of_super(&state);
    let frame = crate::console::frame(&tenant);
    let site = host::console(&request, &state);
    let refusal = match &site {
        None => Some(PageError::Host),
        Some(origin)
            if method::disguised(request.headers())
                || !origin::ours(request.method(), request.headers(), origin) =>
        {
            Some(PageError::Refused)
        }
        Some(_) => None,
    };
    let mut response = match refusal {
        Some(error) => error.into_response(),
        None => match act::to_its_end(next.run(request)).await {
            Ok(response) => response,
            Err(failure) => failure.page().into_response(),
        },
    };
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        response = drawn(&response, crate::console::draw_error(&error, frame));
    }
    let secure = state.console_url.as_ref().is_some_and(|url| url.secure());
    headers::page(response.headers_mut(), secure, &[]);
    response
}

/// The page in place of the bare answer, with what of it must not be lost.
fn drawn(response: &Response, mut page: Response) -> Response {
    for kept in [header::SET_COOKIE, header::ALLOW] {
        for value in response.headers().get_all(&kept) {
            page.headers_mut().append(kept.clone(), value.clone());
        }
    }
    page
}
/// The act, and its place until it has ended, whoever goes away in between.
async fn held(place: Place, act: impl Future<Output = Response>) -> Response {
    let response = act.await;
    drop(place);
    response
}

/// For the log; the browser sees the sentence of any overload.
#[derive(Debug, thiserror::Error)]
#[error("tenant `{0}` has {max} requests under way already", max = tenant::ACTS_MAX)]
struct Crowded(TenantId);

/// Around the JSON API: the same, in its own language and as light as it can be.
pub async fn api(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let mut response = if !host::known(&request, &state) {
        Problem::new(&problem::MISDIRECTED).into_response()
    } else if method::disguised(request.headers()) {
        Problem::new(&problem::INVALID_REQUEST)
            .detail("a header that changes the method is refused")
            .into_response()
    } else {
        let tenant = tenant::of_request(request.extensions(), &state);
        match tenant.place() {
            None => Problem::unavailable(&Crowded(tenant.tenant.clone())).into_response(),
            Some(place) => match act::to_its_end(held(place, next.run(request))).await {
                Ok(response) => response,
                Err(failure) => failure.problem().into_response(),
            },
        }
    };
    headers::api(response.headers_mut(), state.public_url.secure());
    response
}
