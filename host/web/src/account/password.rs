//! Another password, for accounts whose user store takes one.

use super::frame;
use crate::error::unmoved;
use crate::extract::{Client, SessionForm, SignedIn};
use crate::page::{self, Frame, see_other};
use crate::tenant::Tenant;
use crate::texts::Texts;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use postern_login::account::NewPassword;

const HERE: &str = "/account/password";

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    /// For the password keeper: whose password it is.
    name: &'a str,
    notice: Option<&'a str>,
}

/// `GET /account/password`
pub async fn show(
    Tenant(state): Tenant,
    SignedIn(session): SignedIn,
    Client(client): Client,
    RawQuery(query): RawQuery,
) -> Response {
    let f = frame(&state, &client.locale);
    let token = &state.form_key.token(session.id.as_str());
    draw(f, token, &session.account, refused(f.t, query.as_deref()))
}

pub(super) fn draw(f: Frame<'_>, token: &str, name: &str, notice: Option<&str>) -> Response {
    page::draw(&PasswordPage {
        f,
        token,
        name,
        notice,
    })
}

/// `POST /account/password`
pub async fn change(Tenant(state): Tenant, form: SessionForm) -> Response {
    let (current, new) = (
        form.fields.text("current_password"),
        form.fields.text("new_password"),
    );
    // What nobody typed twice may be mistyped, and nobody would know the password then.
    if new != form.fields.text("new_password_again") {
        return see_other("/account/password?differ");
    }
    match state
        .logins
        .change_password(&form.session, current, new, &form.client)
        .await
    {
        Ok(NewPassword::Changed) => see_other("/account?done=password"),
        Ok(NewPassword::CurrentWrong) => see_other("/account/password?wrong"),
        Ok(NewPassword::TooShort) => see_other("/account/password?short"),
        Ok(NewPassword::TooLong) => see_other("/account/password?long"),
        Ok(NewPassword::Same) => see_other("/account/password?same"),
        Ok(NewPassword::ReadOnly) => see_other("/account/password?elsewhere"),
        Err(error) => unmoved(error, state.clock.now(), HERE),
    }
}

/// Fixed words only.
fn refused(t: &'static Texts, query: Option<&str>) -> Option<&'static str> {
    match query? {
        "differ" => Some(t.password_differ),
        "wrong" => Some(t.password_wrong),
        "short" => Some(t.password_short),
        "long" => Some(t.password_long),
        "same" => Some(t.password_same),
        "elsewhere" => Some(t.password_elsewhere),
        _ => None,
    }
}
