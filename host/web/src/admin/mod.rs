//! The administrator's listener: plugins, metrics, the API's description. Never on the public
//! address (attack S-17).

pub mod plugins;
pub mod tenants;

use crate::api::problem::{self, Problem};
use crate::state::WebState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;

/// Bearer token of the administrator, or 401. Without a configured token nobody is one.
pub async fn authorized(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let right = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(crate::api::bearer::token)
        .zip(state.admin_token.as_ref())
        .is_some_and(|(token, admin)| admin.matches(token));
    if right {
        next.run(request).await
    } else {
        Problem::new(&problem::UNAUTHORIZED).into_response()
    }
}

/// `GET /metrics`
pub async fn metrics(State(state): State<WebState>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        )],
        (state.metrics)(),
    )
        .into_response()
}
