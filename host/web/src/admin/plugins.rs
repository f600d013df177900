//! What is loaded, what was refused and why.

use super::api::{Token, problem};
use crate::api::problem::Problem;
use crate::tenant::SuperTenant;
use axum::Json;
use http::StatusCode;
use postern_admin::plugins::PluginReport;

/// `GET /admin/plugins`
pub async fn list(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
) -> Result<Json<Vec<PluginReport>>, Problem> {
    let report = state.administration.plugin_list(&actor).await;
    report.map(Json).map_err(problem)
}

/// `POST /admin/plugins/rescan`: looks at the folder now; the list tells what came of it.
pub async fn rescan(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
) -> Result<StatusCode, Problem> {
    let rescanned = state.administration.plugin_rescan(&actor).await;
    rescanned.map(|()| StatusCode::ACCEPTED).map_err(problem)
}
