//! The account page: what a person may see and change of their own.

pub mod backup_codes;
pub mod links;
pub mod number;
pub mod opt_out;
pub mod sessions;

use crate::error::unmoved;
use crate::extract::{Client, SessionForm, SignedIn};
use crate::page::{self, Frame, see_other, with_cookie};
use crate::state::WebState;
use crate::texts::{Texts, counted};
use crate::time;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use postern_login::account::Overview;
use postern_login::session::{Session, SessionId};

#[derive(Template)]
#[template(path = "account/overview.html")]
struct OverviewPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    done: Option<&'a str>,
    overview: &'a Overview,
    links: Vec<Link<'a>>,
    sessions: Vec<Line<'a>>,
    others: bool,
    codes_left: String,
}

struct Link<'a> {
    identity_provider: &'a str,
    subject: &'a str,
    remove: String,
}

struct Line<'a> {
    name: &'a str,
    browser: String,
    address: &'a str,
    since: String,
    this: bool,
}

/// `GET /account`
pub async fn show(
    State(state): State<WebState>,
    SignedIn(session): SignedIn,
    Client(client): Client,
    RawQuery(query): RawQuery,
) -> Response {
    let overview = match state.logins.overview(&session).await {
        Ok(overview) => overview,
        Err(error) => return unmoved(error, state.clock.now(), "/sign-in"),
    };
    let f = frame(&state, &client.locale);
    let token = &state.form_key.token(session.id.as_str());
    draw(f, token, &session, &overview, done(f.t, query.as_deref()))
}

fn draw(
    f: Frame<'_>,
    token: &str,
    session: &Session,
    overview: &Overview,
    done: Option<&str>,
) -> Response {
    let t = f.t;
    let sessions: Vec<_> = overview
        .sessions
        .iter()
        .map(|other| Line::new(other, &session.id))
        .collect();
    page::draw(&OverviewPage {
        f,
        token,
        done,
        overview,
        links: overview
            .associations
            .iter()
            .map(|link| Link {
                identity_provider: &link.identity_provider,
                subject: &link.subject,
                remove: t
                    .account_link_remove
                    .replace("{name}", &link.identity_provider),
            })
            .collect(),
        others: sessions.iter().any(|line| !line.this),
        sessions,
        codes_left: match overview.backup_codes_left {
            0 => t.account_backup_left_none.to_owned(),
            n => counted(
                t.account_backup_left_one,
                t.account_backup_left_many,
                u64::from(n),
            ),
        },
    })
}

/// Fixed words only: the address cannot put a sentence of its own on the page.
fn done(t: &'static Texts, query: Option<&str>) -> Option<&'static str> {
    match query?.strip_prefix("done=")? {
        "number" => Some(t.done_number),
        "sms-off" => Some(t.done_sms_off),
        "sms-on" => Some(t.done_sms_on),
        "unlinked" => Some(t.done_unlinked),
        "session-ended" => Some(t.done_session_ended),
        "others-ended" => Some(t.done_others_ended),
        "nothing" => Some(t.done_nothing),
        _ => None,
    }
}

fn frame<'a>(state: &'a WebState, locale: &str) -> Frame<'a> {
    Frame {
        t: Texts::of(locale),
        brand: &state.brand,
    }
}

impl<'a> Line<'a> {
    fn new(session: &'a Session, this: &SessionId) -> Self {
        Self {
            name: &session.name,
            browser: sessions::browser(&session.user_agent),
            address: &session.address,
            since: time::minute(session.authenticated_at),
            this: session.id == *this,
        }
    }
}

/// `POST /sign-out`: the session ends here, whatever the browser keeps (attack S-16).
pub async fn sign_out(State(state): State<WebState>, form: SessionForm) -> Response {
    match state.logins.logout(&form.session.id).await {
        Ok(()) => {
            let response = with_cookie(see_other("/signed-out"), state.cookies().clear_session());
            with_cookie(response, state.cookies().clear_proof())
        }
        Err(error) => unmoved(error, state.clock.now(), "/account"),
    }
}

#[derive(Template)]
#[template(path = "account/signed_out.html")]
struct SignedOutPage<'a> {
    f: Frame<'a>,
}

/// `GET /signed-out`
pub async fn signed_out(State(state): State<WebState>, Client(client): Client) -> Response {
    page::draw(&SignedOutPage {
        f: frame(&state, &client.locale),
    })
}
