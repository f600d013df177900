//! The first step: a name and a password.

use super::moved;
use crate::error::PageError;
use crate::extract::LoginForm;
use crate::page::{self, Frame};
use crate::state::WebState;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use postern_login::login::Notice;

/// Bytes. Longer ones are nobody's, and hashing them would cost.
const NAME_MAX: usize = 256;
const PASSWORD_MAX: usize = 1024;

#[derive(Template)]
#[template(path = "sign_in/password.html")]
struct PasswordPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    notice: Option<&'a str>,
}

/// What was typed is not shown again: the page is the same for every name (attack E-01).
pub(super) fn draw(f: Frame<'_>, token: &str, notice: Option<Notice>, ended: bool) -> Response {
    let notice = notice
        .map(|notice| f.t.notice(notice))
        .or(ended.then_some(f.t.notice_ended));
    page::draw(&PasswordPage { f, token, notice })
}

/// `POST /sign-in/password`
pub async fn submit(State(state): State<WebState>, form: LoginForm) -> Response {
    let (name, password) = (form.fields.text("username"), form.fields.text("password"));
    if name.len() > NAME_MAX || password.len() > PASSWORD_MAX {
        return PageError::Form.into_response();
    }
    let outcome = state
        .logins
        .password(&form.id, name, password, &form.client)
        .await;
    moved(&state, &form, outcome).await
}
