//! What is loaded, what was refused and why.

use crate::state::WebState;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use postern_admin::plugins::PluginReport;

/// `GET /admin/plugins`
pub async fn list(State(state): State<WebState>) -> Json<Vec<PluginReport>> {
    Json(state.plugins.report())
}

/// `POST /admin/plugins/rescan`: looks at the folder now; the list tells what came of it.
pub async fn rescan(State(state): State<WebState>) -> StatusCode {
    state.plugins.rescan();
    StatusCode::ACCEPTED
}
