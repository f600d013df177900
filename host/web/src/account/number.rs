//! Another mobile number: a code goes to the new one, and with that code it becomes the account's.

use super::frame;
use crate::error::{PageError, unmoved};
use crate::extract::{Client, SessionForm, SignedIn};
use crate::page::{self, Frame, see_other, with_cookie};
use crate::sign_in::code;
use crate::tenant::{Tenant, TenantState};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_login::account::Proven;
use postern_login::begin::Moved;
use postern_login::login::Notice;
use postern_login::{LoginError, LoginId, Step};

const HERE: &str = "/account/number";

#[derive(Template)]
#[template(path = "account/number.html")]
struct NumberPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    notice: Option<&'a str>,
}

/// `GET /account/number`: the form, or the code page while a number is being proven.
pub async fn show(
    Tenant(state): Tenant,
    SignedIn(session): SignedIn,
    Client(client): Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let f = frame(&state, &client.locale);
    let token = &state.form_key.token(session.id.as_str());
    if let Some(id) = state.cookies().proof(&headers) {
        match state.logins.number_step(&session, &id).await {
            Ok(Step::AskCode(ask)) => return code::draw(f, token, &ask, &code::NEW_NUMBER),
            Ok(Step::Stopped { reason, .. }) => {
                let sentence = f.t.stopped(reason, 2);
                return with_cookie(
                    draw(f, token, Some(&sentence)),
                    state.cookies().clear_proof(),
                );
            }
            Ok(
                Step::FirstStep { .. }
                | Step::SecondStepWanted { .. }
                | Step::AskNumber { .. }
                | Step::Authenticated,
            )
            | Err(LoginError::Gone) => {}
            Err(error) => return unmoved(error, state.clock.now(), "/account"),
        }
    }
    let notice = refused(query.as_deref());
    if notice == Some(Notice::NumberInvalid) {
        // The operator's own sentence, as where a number is captured.
        match state.logins.page_settings(&state.tenant).await {
            Ok(settings) => {
                if let Some(sentence) = &settings.number_pattern_message {
                    return draw(f, token, Some(sentence));
                }
            }
            Err(error) => return PageError::busy(&error).into_response(),
        }
    }
    draw(f, token, notice.map(|notice| f.t.notice(notice)))
}

pub(super) fn draw(f: Frame<'_>, token: &str, notice: Option<&str>) -> Response {
    page::draw(&NumberPage { f, token, notice })
}

/// `POST /account/number`
pub async fn change(Tenant(state): Tenant, form: SessionForm) -> Response {
    let typed = form.fields.text("mobile");
    match state
        .logins
        .change_number(&form.session, typed, &form.client)
        .await
    {
        Ok(Ok(moved)) => proving(&state, &moved),
        Ok(Err(notice)) => see_other(match notice {
            Notice::NumberInvalid => "/account/number?invalid",
            Notice::SendLimit => "/account/number?limit",
            _ => "/account/number?refused",
        }),
        Err(error) => unmoved(error, state.clock.now(), HERE),
    }
}

/// `POST /account/number/code`
pub async fn confirm(Tenant(state): Tenant, form: SessionForm) -> Response {
    let Some(id) = state.cookies().proof(&form.headers) else {
        return see_other(HERE);
    };
    let typed = form.fields.text("code");
    match state
        .logins
        .confirm_number(&form.session, &id, typed, &form.client)
        .await
    {
        Ok(Proven::Done) => with_cookie(
            see_other("/account?done=number"),
            state.cookies().clear_proof(),
        ),
        Ok(Proven::Again(moved)) => proving(&state, &moved),
        Err(error) => unmoved(error, state.clock.now(), HERE),
    }
}

/// `POST /account/number/resend`
pub async fn resend(Tenant(state): Tenant, form: SessionForm) -> Response {
    let Some(id) = state.cookies().proof(&form.headers) else {
        return see_other(HERE);
    };
    match state
        .logins
        .resend_number(&form.session, &id, &form.client)
        .await
    {
        Ok(moved) => proving(&state, &moved),
        Err(error) => unmoved(error, state.clock.now(), HERE),
    }
}

/// `POST /account/number/abandon`
pub async fn abandon(Tenant(state): Tenant, form: SessionForm) -> Response {
    let gone = |id: Option<LoginId>| async {
        match id {
            Some(id) => state.logins.abandon_number(&form.session, &id).await,
            None => Ok(()),
        }
    };
    match gone(state.cookies().proof(&form.headers)).await {
        Ok(()) | Err(LoginError::Gone | LoginError::OutOfOrder | LoginError::Conflict) => {
            with_cookie(see_other("/account"), state.cookies().clear_proof())
        }
        Err(error) => unmoved(error, state.clock.now(), HERE),
    }
}

fn proving(state: &TenantState, moved: &Moved) -> Response {
    with_cookie(see_other(HERE), state.cookies().set_proof(&moved.id))
}

/// Fixed words only.
fn refused(query: Option<&str>) -> Option<Notice> {
    match query? {
        "invalid" => Some(Notice::NumberInvalid),
        "limit" => Some(Notice::SendLimit),
        "refused" => Some(Notice::NumberRefused),
        _ => None,
    }
}
