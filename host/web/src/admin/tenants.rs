//! Which tenants there are, and why the logins of any fail.

use crate::api::problem::Problem;
use crate::state::WebState;
use axum::Json;
use axum::extract::State;
use postern_admin::tenants::TenantReport;

/// `GET /admin/tenants`
pub async fn list(State(state): State<WebState>) -> Result<Json<Vec<TenantReport>>, Problem> {
    let reports = state.tenant_acts.list().await;
    Ok(Json(reports.map_err(|error| Problem::unavailable(&error))?))
}
