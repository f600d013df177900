//! The code page: a code from the message, a new message, or a backup code.

use super::{entered, moved};
use crate::extract::LoginForm;
use crate::message_key;
use crate::page::{self, Frame};
use crate::tenant::Tenant;
use crate::texts::{Texts, counted};
use askama::Template;
use axum::response::Response;
use postern_login::login::Notice;
use postern_login::step::AskCode;

/// Where the forms of the page go, and what it is called: signing in, or proving a new number.
#[derive(Debug)]
pub struct Place {
    pub submit: &'static str,
    pub resend: &'static str,
    pub backup: &'static str,
    pub abandon: &'static str,
    title: fn(&Texts) -> &'static str,
    check: fn(&Texts) -> &'static str,
    cancel: fn(&Texts) -> &'static str,
}

pub static SIGN_IN: Place = Place {
    submit: "/sign-in/code",
    resend: "/sign-in/resend",
    backup: "/sign-in/backup-code",
    abandon: "/sign-in/abandon",
    title: |t| t.code_title,
    check: |t| t.code_check,
    cancel: |t| t.start_over,
};

pub static NEW_NUMBER: Place = Place {
    submit: "/account/number/code",
    resend: "/account/number/resend",
    backup: "",
    abandon: "/account/number/abandon",
    title: |t| t.change_code_title,
    check: |t| t.change_confirm,
    cancel: |t| t.change_cancel,
};

pub static CONSOLE: Place = Place {
    submit: "/console/sign-in/code",
    resend: "/console/sign-in/resend",
    backup: "/console/sign-in/backup-code",
    abandon: "/console/sign-in/abandon",
    title: |t| t.code_title,
    check: |t| t.code_check,
    cancel: |t| t.start_over,
};

#[derive(Template)]
#[template(path = "sign_in/code.html")]
struct CodePage<'a> {
    f: Frame<'a>,
    token: &'a str,
    place: &'a Place,
    title: &'a str,
    check: &'a str,
    cancel: &'a str,
    notice: Option<&'a str>,
    /// What is known of why nothing could be sent.
    detail: Vec<String>,
    /// The notice is good news.
    calm: bool,
    sent: bool,
    lead: String,
    valid: Option<String>,
    digits_only: bool,
    length: u8,
    resend: Resend,
    tries: Option<String>,
    backup_codes: bool,
}

/// The wait comes from the server's clock; the script only counts down from it.
enum Resend {
    Never,
    Now,
    After { seconds: u64, sentence: String },
}

pub(crate) fn draw(f: Frame<'_>, token: &str, ask: &AskCode, place: &Place) -> Response {
    page::draw(&CodePage::new(f, token, ask, place))
}

impl<'a> CodePage<'a> {
    fn new(f: Frame<'a>, token: &'a str, ask: &AskCode, place: &'a Place) -> Self {
        let t = f.t;
        let lead = match &ask.number {
            Some(number) => t.code_sent_to.replace("{number}", number),
            None => t.code_sent.to_owned(),
        };
        let valid = ask
            .expires_at
            // To the nearest: a code that was just sent is good for as long as its message says.
            .map(|at| (at.since(ask.now).as_secs() + 30) / 60)
            .filter(|minutes| *minutes >= 2)
            .map(|minutes| counted("", t.code_valid, minutes));
        let resend = match ask.resend_at {
            None => Resend::Never,
            // Rounded up: who waits as long as the page says is never too soon.
            Some(at) => match at.since(ask.now).as_millis().div_ceil(1000) {
                0 => Resend::Now,
                seconds => {
                    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                    Resend::After {
                        seconds,
                        sentence: counted(t.resend_wait_one, t.resend_wait_many, seconds),
                    }
                }
            },
        };
        let tried = matches!(
            ask.notice,
            Some(Notice::CodeWrong | Notice::CodeSuperseded | Notice::BackupCodeWrong)
        );
        Self {
            f,
            token,
            place,
            title: if ask.sent {
                (place.title)(t)
            } else {
                t.code_not_sent_title
            },
            check: (place.check)(t),
            cancel: (place.cancel)(t),
            notice: ask.notice.map(|notice| t.notice(notice)),
            detail: detail(t, ask),
            calm: matches!(ask.notice, Some(Notice::NewCodeSent)),
            sent: ask.sent,
            lead,
            valid,
            digits_only: ask.digits_only,
            length: ask.code_length,
            resend,
            tries: tried.then(|| {
                counted(
                    t.tries_left_one,
                    t.tries_left_many,
                    u64::from(ask.attempts_left),
                )
            }),
            backup_codes: ask.backup_codes && !place.backup.is_empty(),
        }
    }
}

/// Only what the settings let through; the step says nothing else.
fn detail(t: &Texts, ask: &AskCode) -> Vec<String> {
    let Some(not_sent) = &ask.not_sent else {
        return Vec::new();
    };
    let code = not_sent.reason.map(message_key::of_failure);
    let code = code.map(|code| t.notice_not_sent_code.replace("{name}", code));
    let words = not_sent.words.as_deref();
    let words = words.map(|words| t.notice_not_sent_words.replace("{name}", words));
    code.into_iter().chain(words).collect()
}

/// `POST /sign-in/code`
pub async fn submit(Tenant(state): Tenant, form: LoginForm) -> Response {
    entered(&state, &form, form.fields.text("code")).await
}

/// `POST /sign-in/backup-code`: its own form, so that a wrong SMS code is never tried as one (attack C-06).
pub async fn backup(Tenant(state): Tenant, form: LoginForm) -> Response {
    let typed = form.fields.text("backup_code");
    let outcome = state
        .logins
        .submit_backup_code(&form.id, typed, &form.client)
        .await;
    moved(&state, &form, outcome).await
}

/// `POST /sign-in/resend`: needs no code, and answers politely if it is too soon.
pub async fn resend(Tenant(state): Tenant, form: LoginForm) -> Response {
    let outcome = state.logins.resend(&form.id, &form.client).await;
    moved(&state, &form, outcome).await
}
