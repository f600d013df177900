//! The login cannot go on: why, and what is left.

use crate::page::{self, Frame};
use askama::Template;
use axum::response::Response;
use postern_login::login::StopReason;
use postern_otp::Timestamp;

#[derive(Template)]
#[template(path = "sign_in/stopped.html")]
struct StoppedPage<'a> {
    f: Frame<'a>,
    token: &'a str,
    sentence: String,
    backup_codes: bool,
}

pub(super) fn draw(
    f: Frame<'_>,
    token: &str,
    reason: StopReason,
    backup_codes: bool,
    now: Timestamp,
) -> Response {
    let minutes = match reason {
        StopReason::Locked { until } => until.since(now).as_secs().div_ceil(60).max(2),
        _ => 0,
    };
    page::draw(&StoppedPage {
        f,
        token,
        sentence: f.t.stopped(reason, minutes),
        backup_codes,
    })
}
