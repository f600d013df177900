//! How the senders stand, and a test message.

use super::{ConsoleForm, ConsoleFrame, Here, refused, sentence};
use crate::page;
use crate::tenant::{Tenant, TenantState};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use postern_admin::AdminError;
use postern_admin::console::Console;
use postern_admin::senders::{SenderReport, TestOutcome};

const HERE: &str = "/console/senders";

#[derive(Template)]
#[template(path = "console/senders.html")]
struct SendersPage<'a> {
    c: ConsoleFrame<'a>,
    senders: Vec<SenderReport>,
    /// The sender of the last test message, and what became of it.
    tested: Option<(&'a str, TestOutcome)>,
    notice: Option<String>,
    number: &'a str,
    chosen: &'a str,
}

impl SendersPage<'_> {
    fn is_chosen(&self, sender: &SenderReport) -> bool {
        sender.name == self.chosen
    }
}

/// `GET /console/senders`
pub async fn list(Tenant(state): Tenant, here: Here) -> Response {
    draw(&state, &here.console, None, None, "", "").await
}

async fn draw(
    state: &TenantState,
    console: &Console,
    tested: Option<(&str, TestOutcome)>,
    notice: Option<String>,
    number: &str,
    chosen: &str,
) -> Response {
    let refusal = notice.is_some();
    match state
        .administration
        .sender_list(&console.actor, &state.tenant)
        .await
    {
        Ok(senders) => {
            let mut response = page::draw(&SendersPage {
                c: ConsoleFrame::new(state, console, HERE),
                senders,
                tested,
                notice,
                number,
                chosen,
            });
            if refusal {
                *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            }
            response
        }
        Err(error) => refused(state, error, HERE),
    }
}

/// `POST /console/senders/test`: the answer shows what was sent; a reload asks before it sends again.
pub async fn test(Tenant(state): Tenant, form: ConsoleForm) -> Response {
    let (sender, number) = (form.fields.text("sender"), form.fields.text("number"));
    let outcome = state
        .administration
        .sender_test(&form.console.actor, &state.tenant, sender, number)
        .await;
    match outcome {
        Ok(outcome) => {
            let tested = Some((sender, outcome));
            draw(&state, &form.console, tested, None, number, sender).await
        }
        Err(error @ AdminError::Invalid(_)) => {
            let notice = Some(sentence(&error));
            draw(&state, &form.console, None, notice, number, sender).await
        }
        Err(error) => refused(&state, error, HERE),
    }
}
