//! Signed in already; the application asks for a code as well.

use super::moved;
use crate::extract::LoginForm;
use crate::page::{self, Frame};
use crate::tenant::Tenant;
use askama::Template;
use axum::response::Response;
use postern_login::application::Application;

#[derive(Template)]
#[template(path = "sign_in/step_up.html")]
struct StepUpPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    lead: String,
}

pub(super) fn draw(f: Frame<'_>, token: &str, application: &Application) -> Response {
    let lead = match application.display_name.as_str() {
        "" => f.t.step_up_lead.to_owned(),
        name => f.t.step_up_lead_to.replace("{name}", name),
    };
    page::draw(&StepUpPage { f, token, lead })
}

/// `POST /sign-in/second-step`: only now is a message sent, for no other site can post this form.
pub async fn submit(Tenant(state): Tenant, form: LoginForm) -> Response {
    let outcome = state
        .logins
        .second_step_wanted(&form.id, &form.client)
        .await;
    moved(&state, &form, outcome).await
}
