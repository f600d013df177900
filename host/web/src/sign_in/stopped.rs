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
    /// The sentence of the button.
    back: Option<String>,
}

/// What is left besides starting again.
pub(super) struct WayOn<'a> {
    pub(super) backup_codes: bool,
    /// The application that people came from.
    pub(super) awaited_by: Option<&'a str>,
}

pub(super) fn draw(
    f: Frame<'_>,
    token: &str,
    reason: StopReason,
    way_on: WayOn<'_>,
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
        backup_codes: way_on.backup_codes,
        back: way_on
            .awaited_by
            .map(|name| f.t.back_to.replace("{name}", name)),
    })
}
