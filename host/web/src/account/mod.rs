//! The account page: what a person may see and change of their own.

pub mod backup_codes;
pub mod links;
pub mod number;
pub mod opt_out;
pub mod password;
pub mod sessions;

use crate::error::unmoved;
use crate::extract::{Client, SessionForm, SignedIn};
use crate::page::{self, Frame, see_other};
use crate::tenant::{Tenant, TenantState};
use crate::texts::{Texts, counted};
use crate::time;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use postern_login::account::Overview;
use postern_login::session::Session;

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
    Tenant(state): Tenant,
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
        .map(|other| Line::new(other, &session.name))
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
        "password" => Some(t.done_password),
        "sms-off" => Some(t.done_sms_off),
        "sms-on" => Some(t.done_sms_on),
        "unlinked" => Some(t.done_unlinked),
        "session-ended" => Some(t.done_session_ended),
        "others-ended" => Some(t.done_others_ended),
        "nothing" => Some(t.done_nothing),
        _ => None,
    }
}

fn frame<'a>(state: &'a TenantState, locale: &str) -> Frame<'a> {
    state.frame(locale)
}

impl<'a> Line<'a> {
    /// By name: a list out of the store does not carry the ids, which are secrets of their browsers.
    fn new(session: &'a Session, this: &str) -> Self {
        Self {
            name: &session.name,
            browser: sessions::browser(&session.user_agent),
            address: &session.address,
            since: time::minute(session.authenticated_at),
            this: session.name == this,
        }
    }
}

/// `POST /sign-out`: the session ends here, whatever the browser keeps (attack S-16).
pub async fn sign_out(Tenant(state): Tenant, form: SessionForm) -> Response {
    match crate::saml::logout::sign_out(&state, &form.session, None).await {
        Ok(Some(walk)) => walk,
        Ok(None) => page::signed_out(see_other("/signed-out"), state.cookies()),
        Err(response) => response,
    }
}

#[derive(Template)]
#[template(path = "account/signed_out.html")]
struct SignedOutPage<'a> {
    f: Frame<'a>,
}

/// `GET /signed-out`
pub async fn signed_out(Tenant(state): Tenant, Client(client): Client) -> Response {
    page::draw(&SignedOutPage {
        f: frame(&state, &client.locale),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_login::TenantId;
    use postern_login::login::{FirstFactor, SecondFactor};
    use postern_login::ports::Association;
    use postern_login::session::SessionId;
    use postern_otp::Timestamp;

    fn session(id: char, user_agent: &str) -> Session {
        Session {
            id: SessionId::parse(&id.to_string().repeat(43)).unwrap(),
            name: format!("session-{id}"),
            tenant: TenantId::super_tenant(),
            account: "alice".to_owned(),
            has_local_account: true,
            display: "alice".to_owned(),
            first: FirstFactor::Password,
            second: SecondFactor::BackupCode,
            authenticated_at: Timestamp(1_795_310_100_000),
            expires_at: Timestamp(1_795_340_100_000),
            user_agent: user_agent.to_owned(),
            address: "203.0.113.7".to_owned(),
            locale: "en".to_owned(),
            attributes: Vec::new(),
        }
    }

    /// `value` stands wherever somebody else's text is shown.
    pub(crate) fn overview_page(f: Frame<'_>, value: &str, full: bool) -> Response {
        let this = session('a', "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0");
        let mut overview = Overview {
            name: value.to_owned(),
            display_name: Some(value.to_owned()),
            number: full.then(|| "*****4567".to_owned()),
            opted_out: !full,
            opt_out_allowed: true,
            backup_codes_allowed: true,
            backup_codes_left: if full { 7 } else { 0 },
            password_changeable: full,
            sessions: vec![this.clone()],
            associations: Vec::new(),
            fresh: full,
        };
        if full {
            let mut other = session('b', value);
            other.name = value.to_owned();
            other.address = value.to_owned();
            overview.sessions.push(other);
            overview.associations.push(Association {
                identity_provider: value.to_owned(),
                subject: value.to_owned(),
            });
        }
        let done = full.then_some(f.t.done_number);
        draw(f, "token", &this, &overview, done)
    }

    pub(crate) fn number_page(f: Frame<'_>) -> Response {
        number::draw(f, "token", Some(f.t.notice_number_refused))
    }

    pub(crate) fn password_page(f: Frame<'_>, value: &str) -> Response {
        password::draw(f, "token", value, Some(f.t.password_wrong))
    }

    pub(crate) fn backup_codes_page(f: Frame<'_>, value: &str) -> Response {
        let codes: Vec<String> = (0..9)
            .map(|i| format!("{i}KD7F-2MVQ{i}"))
            .chain([value.to_owned()])
            .collect();
        backup_codes::draw(f, &codes)
    }

    pub(crate) fn signed_out_page(f: Frame<'_>) -> Response {
        page::draw(&SignedOutPage { f })
    }

    #[test]
    fn an_address_cannot_put_words_on_the_page() {
        let t = Texts::of("en");
        assert_eq!(done(t, Some("done=number")), Some(t.done_number));
        for other in [
            None,
            Some(""),
            Some("done="),
            Some("done=<b>"),
            Some("number"),
            Some("done=number&x"),
        ] {
            assert_eq!(done(t, other), None, "{other:?}");
        }
    }
}
