//! A number is wanted, and the operator allows people to give one.

use super::moved;
use crate::extract::LoginForm;
use crate::page::{self, Frame};
use crate::state::WebState;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use postern_login::login::Notice;

#[derive(Template)]
#[template(path = "sign_in/number.html")]
struct NumberPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    notice: Option<&'a str>,
}

pub(super) fn draw(f: Frame<'_>, token: &str, notice: Option<Notice>) -> Response {
    let notice = notice.map(|notice| f.t.notice(notice));
    page::draw(&NumberPage { f, token, notice })
}

/// The operator's own sentence about a number that does not look as it must.
pub(super) fn draw_saying(f: Frame<'_>, token: &str, sentence: &str) -> Response {
    let notice = Some(sentence);
    page::draw(&NumberPage { f, token, notice })
}

/// `POST /sign-in/number`
pub async fn submit(State(state): State<WebState>, form: LoginForm) -> Response {
    let typed = form.fields.text("mobile");
    let outcome = state
        .logins
        .give_number(&form.id, typed, &form.client)
        .await;
    moved(&state, &form, outcome).await
}
