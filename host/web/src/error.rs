//! What a person sees when something does not work: one page, a fixed sentence, no detail. The
//! detail goes to the log under the same reference (attack E-06).

use crate::page::{self, Frame};
use crate::texts::{Texts, counted};
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use postern_login::LoginError;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A failure on its way to the browser. It travels in the response's extensions, and the layer of
/// the pages draws it in the reader's language: handlers need not know the page.
#[derive(Debug, Clone)]
pub enum PageError {
    NotFound,
    Method,
    /// The form does not belong to the cookies that came with it.
    Stale,
    /// Sent by a page of another site, or with a header that means to change the method.
    Refused,
    Host,
    TooLarge,
    Form,
    /// An application asked for something that cannot be answered, not even with an error.
    Application,
    /// The form itself came too slowly.
    Slow,
    Wait {
        seconds: u64,
    },
    /// The person must have proven just now who they are.
    Fresh,
    /// A part is missing for now.
    Busy {
        reference: Reference,
    },
    /// Our own mistake.
    Broken {
        reference: Reference,
    },
}

impl PageError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Stale | Self::Refused | Self::Fresh => StatusCode::FORBIDDEN,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Form | Self::Application => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Wait { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Logs the failure whole, once, and keeps its reference for the page.
    pub fn busy(error: &(dyn std::error::Error + 'static)) -> Self {
        let reference = Reference::new();
        tracing::error!(%reference, error = chain(error), "a request could not be served");
        Self::Busy { reference }
    }

    pub fn draw(&self, frame: Frame<'_>) -> Response {
        self.draw_with(frame, "/")
    }

    /// With the way out at `home`.
    pub fn draw_with(&self, frame: Frame<'_>, home: &str) -> Response {
        let t = frame.t;
        let (title, sentence) = self.sentences(t);
        let reference = match self {
            Self::Busy { reference } | Self::Broken { reference } => Some(*reference),
            _ => None,
        };
        let mut response = page::draw(&ErrorPage {
            f: frame,
            title,
            sentence: &sentence,
            reference,
            again: matches!(self, Self::Fresh),
            home,
        });
        *response.status_mut() = self.status();
        let wait = match self {
            Self::Wait { seconds } => Some((*seconds).max(1)),
            Self::Busy { .. } => Some(5),
            _ => None,
        };
        if let Some(seconds) = wait {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn sentences(&self, t: &'static Texts) -> (&'static str, String) {
        let (title, sentence) = match self {
            Self::NotFound => (t.error_not_found_title, t.error_not_found),
            Self::Method => (t.error_method_title, t.error_method),
            Self::Stale => (t.error_stale_title, t.error_stale),
            Self::Refused => (t.error_refused_title, t.error_refused),
            Self::Host => (t.error_host_title, t.error_host),
            Self::TooLarge => (t.error_too_large_title, t.error_too_large),
            Self::Form => (t.error_form_title, t.error_form),
            Self::Application => (t.error_application_title, t.error_application),
            Self::Slow => (t.error_slow_title, t.error_slow),
            Self::Fresh => (t.error_fresh_title, t.error_fresh),
            Self::Busy { .. } => (t.error_busy_title, t.error_busy),
            Self::Broken { .. } => (t.error_broken_title, t.error_broken),
            Self::Wait { seconds } => {
                let minutes = seconds.div_ceil(60).max(1);
                return (
                    t.error_wait_title,
                    counted(t.error_wait_one, t.error_wait_many, minutes),
                );
            }
        };
        (title, sentence.to_owned())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What became of an act on a login that did not move it. `back` is the page of the flow it
/// belongs to, which shows whatever step the login is really at (attack A-15).
pub fn unmoved(error: LoginError, now: postern_otp::Timestamp, back: &'static str) -> Response {
    match error {
        LoginError::Gone => page::see_other(match back {
            "/sign-in" => "/sign-in?ended",
            other => other,
        }),
        LoginError::OutOfOrder => page::see_other(match back {
            // Shown only where the first step is still to be taken.
            "/sign-in" => "/sign-in?first",
            other => other,
        }),
        LoginError::Conflict => page::see_other(back),
        LoginError::Throttled { at } => PageError::Wait {
            seconds: at.since(now).as_secs() + 1,
        }
        .into_response(),
        LoginError::Reauthenticate => PageError::Fresh.into_response(),
        LoginError::Unavailable(error) => PageError::busy(&error).into_response(),
    }
}

/// Names one failure in the log and on the page. Random, and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference(u64);

impl Reference {
    #[allow(clippy::new_without_default, reason = "each one differs")]
    pub fn new() -> Self {
        // The standard library seeds every RandomState differently; nothing here must be unguessable.
        Self(RandomState::new().build_hasher().finish())
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An error and what caused it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    f: Frame<'a>,
    title: &'a str,
    sentence: &'a str,
    reference: Option<Reference>,
    again: bool,
    home: &'a str,
}
