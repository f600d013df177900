//! The page behind an invitation's link: a number, its code and a password, and somebody administers.

use super::{HOME, frame, refused, sentence};
use crate::error::PageError;
use crate::extract::Client;
use crate::extract::fields::Fields;
use crate::form_token;
use crate::page::{self, Frame, see_other, with_cookie};
use crate::state::WebState;
use crate::tenant::{SuperTenant, TenantState};
use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use postern_admin::invitations::{Invitation, Joined};
use postern_admin::{AdminError, Password};
use postern_login::begin::ClientFacts;
use postern_login::challenges::RefusedReason;

#[derive(Template)]
#[template(path = "console/invitation.html")]
struct InvitationPage<'a> {
    f: Frame<'a>,
    secret: &'a str,
    token: String,
    account: &'a str,
    role: &'static str,
    number: Option<&'a str>,
    notice: Option<String>,
}

fn draw(
    state: &TenantState,
    secret: &str,
    invitation: &Invitation,
    notice: Option<String>,
) -> Response {
    page::draw(&InvitationPage {
        f: frame(state),
        secret,
        token: state.form_key.token(secret),
        account: &invitation.account,
        role: invitation.role.as_str(),
        number: invitation.number.as_deref(),
        notice,
    })
}

/// `GET /console/invitation/{secret}`: looking uses nothing up.
pub async fn show(SuperTenant(state): SuperTenant, Path(secret): Path<String>) -> Response {
    match state
        .administration
        .invitation(&state.tenant, &secret)
        .await
    {
        Ok(Some(invitation)) => draw(&state, &secret, &invitation, None),
        Ok(None) => refused(&state, over(), HOME),
        Err(error) => refused(&state, error, HOME),
    }
}

/// A form of this page, bound to the link.
#[derive(Debug)]
pub struct InvitationForm {
    secret: String,
    fields: Fields,
    client: ClientFacts,
}

impl FromRequest<WebState> for InvitationForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &WebState) -> Result<Self, Response> {
        let (mut head, body) = request.into_parts();
        let Path(secret) = Path::<String>::from_request_parts(&mut head, web)
            .await
            .map_err(|_| PageError::NotFound.into_response())?;
        let Client(client) = Client::from_request_parts(&mut head, web)
            .await
            .map_err(IntoResponse::into_response)?;
        let fields = Fields::read(Request::from_parts(head, body))
            .await
            .map_err(IntoResponse::into_response)?;
        if !TenantState::of_super(web)
            .form_key
            .matches(&secret, fields.text(form_token::FIELD))
        {
            return Err(PageError::Stale.into_response());
        }
        Ok(Self {
            secret,
            fields,
            client,
        })
    }
}

/// `POST /console/invitation/{secret}/number`
pub async fn number(SuperTenant(state): SuperTenant, form: InvitationForm) -> Response {
    let sent = state
        .administration
        .invitation_number(
            &state.tenant,
            &form.secret,
            form.fields.text("mobile"),
            &form.client,
        )
        .await;
    back(&state, &form.secret, sent).await
}

/// `POST /console/invitation/{secret}/resend`
pub async fn resend(SuperTenant(state): SuperTenant, form: InvitationForm) -> Response {
    let sent = state
        .administration
        .invitation_resend(&state.tenant, &form.secret)
        .await;
    back(&state, &form.secret, sent).await
}

/// `POST /console/invitation/{secret}/accept`
pub async fn accept(SuperTenant(state): SuperTenant, form: InvitationForm) -> Response {
    let fields = &form.fields;
    if fields.text("password") != fields.text("again") {
        let differ = AdminError::Invalid("the two passwords differ".to_owned());
        return back(&state, &form.secret, Err(differ)).await;
    }
    let password = Password::new(fields.text("password").to_owned());
    let joined = state
        .administration
        .invitation_accept(
            &state.tenant,
            &form.secret,
            fields.text("code"),
            password,
            &form.client,
        )
        .await;
    let administrator = match joined {
        Ok(Joined::Done(administrator)) => administrator,
        Ok(Joined::Refused {
            reason,
            attempts_left,
        }) => {
            let words = match reason {
                RefusedReason::CodeMismatch => {
                    format!("that code is not right; {attempts_left} tries are left")
                }
                RefusedReason::CodeSuperseded => {
                    "that code was replaced by a newer one: use the newest message".to_owned()
                }
                RefusedReason::Expired => "that code has expired: ask for a new one".to_owned(),
                RefusedReason::AttemptsExhausted | RefusedReason::Used => {
                    "that code is over: give the number again".to_owned()
                }
                RefusedReason::Locked => {
                    "too many wrong codes: this number is locked for a while".to_owned()
                }
            };
            return back(&state, &form.secret, Err(AdminError::Invalid(words))).await;
        }
        Err(error) => return back(&state, &form.secret, Err(error)).await,
    };
    let opened = state
        .administration
        .open(
            &state.tenant,
            &administrator.account,
            administrator.role,
            &form.client,
        )
        .await;
    match opened {
        Ok(console) => with_cookie(
            see_other(HOME),
            state.web().console_cookies().set_session(&console.id),
        ),
        Err(error) => refused(&state, error, "/console/sign-in"),
    }
}

/// The page again; with what was wrong, if something was.
async fn back(state: &TenantState, secret: &str, outcome: Result<(), AdminError>) -> Response {
    let invitation = match state.administration.invitation(&state.tenant, secret).await {
        Ok(Some(invitation)) => invitation,
        Ok(None) => return refused(state, over(), HOME),
        Err(error) => return refused(state, error, HOME),
    };
    match outcome {
        Ok(()) => see_other(&format!("/console/invitation/{}", super::segment(secret))),
        Err(error @ (AdminError::Unavailable(_) | AdminError::NotFound { .. })) => {
            refused(state, error, HOME)
        }
        Err(error) => {
            let mut response = draw(state, secret, &invitation, Some(sentence(&error)));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
    }
}

/// The same for a link that never was, is over, or was used.
fn over() -> AdminError {
    AdminError::Invalid(
        "this link is over: it works once, within 15 minutes; `postern admin invite` makes a new one"
            .to_owned(),
    )
}
