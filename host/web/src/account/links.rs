//! Linked accounts at identity providers.

use crate::error::unmoved;
use crate::extract::SessionForm;
use crate::page::see_other;
use crate::tenant::Tenant;
use axum::response::Response;
use postern_login::ports::Association;

/// `POST /account/links/remove`
pub async fn remove(Tenant(state): Tenant, form: SessionForm) -> Response {
    let association = Association {
        identity_provider: form.fields.text("identity_provider").to_owned(),
        subject: form.fields.text("subject").to_owned(),
    };
    match state
        .logins
        .unlink(&form.session, &association, &form.client)
        .await
    {
        Ok(true) => see_other("/account?done=unlinked"),
        Ok(false) => see_other("/account?done=nothing"),
        Err(error) => unmoved(error, state.clock.now(), "/account"),
    }
}
