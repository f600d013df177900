//! What is done about peers that are told of users and groups, and about what waits for them. The page
//! they stand on is the resident service provider's.

use super::{ConsoleForm, refused};
use crate::page::see_other;
use crate::tenant::SuperTenant;
use axum::response::Response;
use postern_admin::AdminError;

const HERE: &str = super::resident::SERVICE_PROVIDER;

/// `POST /console/provisioning/retry`: all of a connector's, or one.
pub async fn retry(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let number = match form.fields.text("number") {
        "" => Ok(None),
        text => text.parse().map(Some),
    };
    let Ok(number) = number else {
        return refused(&state, no_number(), HERE);
    };
    let (console, connector) = (&form.console, form.fields.text("connector"));
    let retried = state
        .administration
        .provisioning_retry(&console.actor, &console.tenant, connector, number)
        .await;
    match retried {
        Ok(_) => see_other(&format!("{HERE}?done=retried")),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/provisioning/push`: a connector is told of everybody there is.
pub async fn push(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let (console, connector) = (&form.console, form.fields.text("connector"));
    let pushed = state
        .administration
        .provisioning_push(&console.actor, &console.tenant, connector)
        .await;
    match pushed {
        Ok(()) => see_other(&format!("{HERE}?done=pushed")),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/provisioning/drop`
pub async fn drop_one(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let Ok(number) = form.fields.text("number").parse() else {
        return refused(&state, no_number(), HERE);
    };
    let console = &form.console;
    let dropped = state
        .administration
        .provisioning_drop(&console.actor, &console.tenant, number)
        .await;
    match dropped {
        Ok(()) => see_other(&format!("{HERE}?done=dropped")),
        Err(error) => refused(&state, error, HERE),
    }
}

fn no_number() -> AdminError {
    AdminError::Invalid("expected the number of a waiting change".to_owned())
}
