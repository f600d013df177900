//! Codes by text message, on or off, where the operator lets people choose.

use crate::error::{PageError, unmoved};
use crate::extract::SessionForm;
use crate::page::see_other;
use crate::tenant::Tenant;
use axum::response::{IntoResponse, Response};

/// `POST /account/sms-codes`
pub async fn set(Tenant(state): Tenant, form: SessionForm) -> Response {
    let (opted_out, done) = match form.fields.text("codes") {
        "off" => (true, "/account?done=sms-off"),
        "on" => (false, "/account?done=sms-on"),
        _ => return PageError::Form.into_response(),
    };
    match state
        .logins
        .set_opt_out(&form.session, opted_out, &form.client)
        .await
    {
        Ok(()) => see_other(done),
        Err(error) => unmoved(error, state.clock.now(), "/account"),
    }
}
