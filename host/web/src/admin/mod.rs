//! The administrator's listener: plugins, metrics, the API's description. Never on the public
//! address (attack S-17).

pub mod api;
pub mod openapi;
pub mod plugins;

use crate::state::WebState;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

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
