//! Is the process alive, and can it do its work? Two fixed addresses for whoever routes traffic.

use crate::state::WebState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// `GET /health/live`
pub async fn live() -> &'static str {
    "alive\n"
}

/// `GET /health/ready`
pub async fn ready(State(state): State<WebState>) -> Response {
    let ready = state.readiness.check().await;
    let status = if ready.all() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(ready)).into_response()
}
