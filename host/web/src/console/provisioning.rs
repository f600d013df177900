//! The peers that are told of users and groups, and what waits for each; and the address at which others
//! put users here.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused};
use crate::page::{self, see_other};
use crate::tenant::SuperTenant;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use jiff::Timestamp;
use postern_admin::AdminError;
use postern_admin::provisioning::{Queue, Waiting};

const HERE: &str = "/console/provisioning";
/// Rows of one page.
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "console/provisioning.html")]
struct ProvisioningPage<'a> {
    c: ConsoleFrame<'a>,
    queue: Queue,
    /// The addresses of the service, and the user stores that are open.
    origin: &'a str,
    domains: String,
    done: Option<&'static str>,
}

impl ProvisioningPage<'_> {
    fn when(&self, millis: &u64) -> String {
        let millis = i64::try_from(*millis).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(millis)
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
            .unwrap_or_default()
    }

    fn why<'a>(&self, row: &'a Waiting) -> &'a str {
        row.trouble.as_deref().unwrap_or("not told yet")
    }
}

/// `GET /console/provisioning?after=`
pub async fn list(
    SuperTenant(state): SuperTenant,
    here: Here,
    RawQuery(query): RawQuery,
) -> Response {
    let after = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("after="))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let console = &here.console;
    let queue = state
        .administration
        .provisioning_list(&console.actor, &console.tenant, after, ROWS)
        .await;
    match queue {
        Ok(queue) => page::draw(&ProvisioningPage {
            c: ConsoleFrame::new(&state, console, HERE),
            queue,
            origin: state.public_url.origin(),
            domains: state.scim.inbound.domains().join(", "),
            done: done(query.as_deref()),
        }),
        Err(error) => refused(&state, error, HERE),
    }
}

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
