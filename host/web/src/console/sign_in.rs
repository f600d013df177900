//! The way into the console: the same login as everybody's, with both factors always, and a session
//! of its own at the end.

use super::{HOME, frame};
use crate::error::{PageError, unmoved};
use crate::extract::{Client, LoginForm};
use crate::page::{self, Frame, see_other, with_cookie};
use crate::sign_in::{code, password};
use crate::state::WebState;
use crate::tenant::{SuperTenant, TenantState};
use askama::Template;
use axum::extract::{FromRequest, RawQuery, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use postern_admin::console::Barred;
use postern_login::begin::Moved;
use postern_login::login::Notice;
use postern_login::{LoginError, LoginId, Origin, Step};

const SIGN_IN: &str = "/console/sign-in";
/// What a login of the console returns to, with the page behind it. No path: at the public pages
/// such a login leads to the account page and nowhere else.
const CONSOLE: &str = "console:";

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    notice: Option<&'a str>,
    again: bool,
}

#[derive(Template)]
#[template(path = "console/stopped.html")]
struct StoppedPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    title: &'a str,
    sentence: String,
    backup_codes: bool,
    finish: bool,
}

/// `GET /console/sign-in`: the page of the step the login is at. Looking sends nothing.
pub async fn show(
    SuperTenant(state): SuperTenant,
    Client(client): Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.as_deref().unwrap_or_default();
    let ended = query == "ended";
    let again = query.contains("again");
    if let Some(id) = state.web().console_cookies().login(&headers) {
        match state.logins.step(&id).await {
            Ok(step) => return draw(&state, &id, &step, ended, again),
            Err(LoginError::Gone) => {}
            Err(error) => return unmoved(error, state.clock.now(), SIGN_IN),
        }
    }
    let to = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("to="))
        .and_then(page::local_path)
        .unwrap_or(HOME);
    let origin = Origin::Browser {
        return_to: format!("{CONSOLE}{to}"),
    };
    match state.logins.begin(origin, &client).await {
        Ok(Moved { id, step }) => with_cookie(
            draw(&state, &id, &step, ended, again),
            state.web().console_cookies().set_login(&id),
        ),
        Err(LoginError::Gone | LoginError::OutOfOrder | LoginError::Conflict) => {
            PageError::Stale.into_response()
        }
        Err(error) => unmoved(error, state.clock.now(), SIGN_IN),
    }
}

/// `GET /console/again`: both factors once more, and back. Reading it changes nothing but which
/// login this browser is at.
pub async fn again(SuperTenant(state): SuperTenant, RawQuery(query): RawQuery) -> Response {
    let to = query
        .as_deref()
        .and_then(|query| query.strip_prefix("to="))
        .and_then(page::local_path)
        .unwrap_or(HOME);
    with_cookie(
        see_other(&format!("{SIGN_IN}?again&to={to}")),
        state.web().console_cookies().clear_login(),
    )
}

fn draw(state: &TenantState, id: &LoginId, step: &Step, ended: bool, again: bool) -> Response {
    let f = frame(state);
    let token = &state.form_key.token(id.as_str());
    let stopped = |sentence: String, backup_codes| {
        page::draw(&StoppedPage {
            f,
            token,
            title: "You cannot go on",
            sentence,
            backup_codes,
            finish: false,
        })
    };
    match step {
        Step::FirstStep { notice, .. } => {
            let notice = notice
                .map(|notice: Notice| f.t.notice(notice))
                .or(ended.then_some(f.t.notice_ended));
            page::draw(&SignInPage {
                f,
                token,
                notice,
                again,
            })
        }
        Step::AskCode(ask) => code::draw(f, token, ask, &code::CONSOLE),
        // Only for a login that began elsewhere.
        Step::SecondStepWanted { .. } => stopped("Start again, please.".to_owned(), false),
        // Whoever has the password only must not choose the number (attack B-01).
        Step::AskNumber { .. } => stopped(
            "This account has no mobile number. Ask another administrator to set it, or invite the account anew on the command line.".to_owned(),
            false,
        ),
        Step::Stopped {
            reason,
            backup_codes,
        } => {
            let minutes = match reason {
                postern_login::login::StopReason::Locked { until } => {
                    until.since(state.clock.now()).as_secs().div_ceil(60).max(2)
                }
                _ => 0,
            };
            stopped(f.t.stopped(*reason, minutes), *backup_codes)
        }
        Step::Authenticated => page::draw(&StoppedPage {
            f,
            token,
            title: "Almost there",
            sentence: "Both factors are proven.".to_owned(),
            backup_codes: false,
            finish: true,
        }),
    }
}

/// A form of these pages, bound to the login of the console in this browser (attacks S-04, S-05).
#[derive(Debug)]
pub struct SignInForm(LoginForm);

impl FromRequest<WebState> for SignInForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &WebState) -> Result<Self, Response> {
        let state = &TenantState::of_super(web);
        let form = LoginForm::read(request, state, web.console_cookies()).await?;
        Ok(Self(form))
    }
}

/// `POST /console/sign-in/password`
pub async fn password(SuperTenant(state): SuperTenant, SignInForm(form): SignInForm) -> Response {
    let Some((name, password)) = password::typed(&form) else {
        return PageError::Form.into_response();
    };
    let outcome = state
        .logins
        .password(&form.id, name, password, &form.client)
        .await;
    moved(&state, &form, outcome).await
}

/// `POST /console/sign-in/code`
pub async fn code(SuperTenant(state): SuperTenant, SignInForm(form): SignInForm) -> Response {
    let typed = form.fields.text("code");
    let outcome = state
        .logins
        .submit_code(&form.id, typed, &form.client)
        .await;
    moved(&state, &form, outcome).await
}

/// `POST /console/sign-in/backup-code`
pub async fn backup_code(
    SuperTenant(state): SuperTenant,
    SignInForm(form): SignInForm,
) -> Response {
    let typed = form.fields.text("backup_code");
    let outcome = state
        .logins
        .submit_backup_code(&form.id, typed, &form.client)
        .await;
    moved(&state, &form, outcome).await
}

/// `POST /console/sign-in/resend`
pub async fn resend(SuperTenant(state): SuperTenant, SignInForm(form): SignInForm) -> Response {
    let outcome = state.logins.resend(&form.id, &form.client).await;
    moved(&state, &form, outcome).await
}

/// `POST /console/sign-in/abandon`
pub async fn abandon(SuperTenant(state): SuperTenant, SignInForm(form): SignInForm) -> Response {
    match state.logins.abandon(&form.id).await {
        Ok(()) | Err(LoginError::Gone | LoginError::OutOfOrder | LoginError::Conflict) => {
            with_cookie(
                see_other(SIGN_IN),
                state.web().console_cookies().clear_login(),
            )
        }
        Err(error) => unmoved(error, state.clock.now(), SIGN_IN),
    }
}

/// `POST /console/sign-in/finish`
pub async fn finish(SuperTenant(state): SuperTenant, SignInForm(form): SignInForm) -> Response {
    open(&state, &form.id, &form).await
}

/// `POST /console/sign-out`
pub async fn sign_out(SuperTenant(state): SuperTenant, form: super::ConsoleForm) -> Response {
    match state.administration.close_console(&form.console).await {
        Ok(()) => page::signed_out(see_other(SIGN_IN), state.web().console_cookies()),
        Err(error) => super::refused(&state, error, HOME),
    }
}

async fn moved(
    state: &TenantState,
    form: &LoginForm,
    outcome: Result<Moved, LoginError>,
) -> Response {
    match outcome {
        Ok(Moved {
            id,
            step: Step::Authenticated,
        }) => open(state, &id, form).await,
        Ok(Moved { id, .. }) if id == form.id => see_other(SIGN_IN),
        Ok(Moved { id, .. }) => with_cookie(
            see_other(SIGN_IN),
            state.web().console_cookies().set_login(&id),
        ),
        Err(LoginError::Gone) => see_other("/console/sign-in?ended"),
        Err(error) => unmoved(error, state.clock.now(), SIGN_IN),
    }
}

/// The login is taken; what it opened is closed again at once, and a console opens in its place, if
/// the account administers and proved both factors.
async fn open(state: &TenantState, id: &LoginId, form: &LoginForm) -> Response {
    let finished = match state.logins.finish(id, &form.client).await {
        Ok(finished) => finished,
        Err(LoginError::Gone) => return see_other("/console/sign-in?ended"),
        Err(error) => return unmoved(error, state.clock.now(), SIGN_IN),
    };
    let opened = match &finished.origin {
        Origin::Browser { return_to } => match return_to.strip_prefix(CONSOLE) {
            Some(to) => {
                let to = page::local_path(to).unwrap_or(HOME).to_owned();
                let opened = state
                    .administration
                    .open_console(&finished.session, &form.client)
                    .await;
                Some((to, opened))
            }
            None => None,
        },
        Origin::Api { .. } | Origin::Account { .. } => None,
    };
    if let Err(error) = state.logins.logout(&finished.session.id).await {
        return PageError::busy(&error).into_response();
    }
    let Some((to, opened)) = opened else {
        return PageError::Stale.into_response();
    };
    match opened {
        Ok(Ok(console)) => {
            // Two consoles in one browser would leave the first one open behind the second.
            if let Some(earlier) = state.web().console_cookies().session(&form.headers)
                && let Ok(Some(earlier)) = state
                    .administration
                    .console(&state.tenant, &earlier, &form.client)
                    .await
                && let Err(error) = state.administration.close_console(&earlier).await
            {
                tracing::error!(
                    error = crate::error::chain(&error),
                    "an earlier console could not be closed"
                );
            }
            let response = with_cookie(see_other(&to), state.web().console_cookies().clear_login());
            with_cookie(
                response,
                state.web().console_cookies().set_session(&console.id),
            )
        }
        Ok(Err(barred)) => {
            let sentence = match barred {
                Barred::NoAdministrator => "This account does not administer Postern.",
                Barred::OneFactor => {
                    "The console needs both factors: a password and a code by text message, or a backup code."
                }
            };
            let mut response = page::draw(&StoppedPage {
                f: frame(state),
                token: "",
                title: "No way in",
                sentence: sentence.to_owned(),
                backup_codes: false,
                finish: false,
            });
            *response.status_mut() = StatusCode::FORBIDDEN;
            with_cookie(response, state.web().console_cookies().clear_login())
        }
        Err(error) => super::refused(state, error, SIGN_IN),
    }
}
