//! The first step: a name and a password, and the identity providers that may take it instead.

use super::{Word, moved};
use crate::error::PageError;
use crate::extract::LoginForm;
use crate::page::{self, Frame};
use crate::tenant::Tenant;
use askama::Template;
use axum::response::{IntoResponse, Response};
use postern_login::application::Application;
use postern_login::login::Notice;

/// Bytes. Longer ones are nobody's, and hashing them would cost.
pub(super) const NAME_MAX: usize = 256;
const PASSWORD_MAX: usize = 1024;

#[derive(Template)]
#[template(path = "sign_in/password.html")]
struct PasswordPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    title: String,
    notice: Option<&'a str>,
    password: bool,
    others: Vec<Other>,
    /// Whom the application expects.
    hint: Option<&'a str>,
}

/// A button that leads to an identity provider. Going there changes nothing here, so it is a link.
struct Other {
    name: String,
    sentence: String,
}

/// What was typed is not shown again: the page is the same for every name (attack E-01).
pub(super) fn draw(
    f: Frame<'_>,
    token: &str,
    notice: Option<Notice>,
    application: &Application,
    word: Option<Word>,
    hint: Option<&str>,
) -> Response {
    let sequence = &application.sequence;
    let word = word.and_then(|word| match word {
        Word::Ended => Some(f.t.notice_ended),
        Word::FirstStepMissing => Some(f.t.notice_first_step),
        Word::Again => None,
    });
    let notice = notice.map(|notice| f.t.notice(notice)).or(word);
    let title = match application.display_name.as_str() {
        "" => f.t.sign_in_title.to_owned(),
        name => f.t.sign_in_to.replace("{name}", name),
    };
    let others = sequence.identity_providers.iter().map(|offer| Other {
        name: offer.name.clone(),
        sentence: f.t.sign_in_with.replace("{name}", &offer.display_name),
    });
    page::draw(&PasswordPage {
        f,
        token,
        title,
        notice,
        password: sequence.password,
        others: others.collect(),
        hint,
    })
}

/// Name and password, unless they are too long to be anybody's.
pub(crate) fn typed(form: &LoginForm) -> Option<(&str, &str)> {
    let (name, password) = (form.fields.text("username"), form.fields.text("password"));
    (name.len() <= NAME_MAX && password.len() <= PASSWORD_MAX).then_some((name, password))
}

/// `POST /sign-in/password`
pub async fn submit(Tenant(state): Tenant, form: LoginForm) -> Response {
    let Some((name, password)) = typed(&form) else {
        return PageError::Form.into_response();
    };
    let outcome = state
        .logins
        .password(&form.id, name, password, &form.client)
        .await;
    moved(&state, &form, outcome).await
}
