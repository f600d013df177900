//! What went wrong, for a program (RFC 9457). Types and titles are fixed and documented; nothing of
//! a provider, a plugin or a store is in them (attack E-06).

use crate::error::{Reference, chain};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use postern_login::ports::FailureReason;
use postern_otp::Timestamp;
use serde::Serialize;

/// A kind of problem: the last part of its type, its title and its status.
#[derive(Debug)]
pub struct Kind {
    pub slug: &'static str,
    pub title: &'static str,
    pub status: StatusCode,
}

const fn kind(slug: &'static str, status: StatusCode, title: &'static str) -> Kind {
    Kind {
        slug,
        title,
        status,
    }
}

/// Types are this and a slug.
pub const TYPES: &str = "https://postern.example/problems/";

pub static INVALID_REQUEST: Kind = kind(
    "invalid-request",
    StatusCode::BAD_REQUEST,
    "The request does not have the documented form",
);
pub static UNAUTHORIZED: Kind = kind(
    "unauthorized",
    StatusCode::UNAUTHORIZED,
    "A valid bearer token is needed",
);
pub static NOT_FOUND: Kind = kind(
    "not-found",
    StatusCode::NOT_FOUND,
    "There is nothing here by that name",
);
pub static METHOD_NOT_ALLOWED: Kind = kind(
    "method-not-allowed",
    StatusCode::METHOD_NOT_ALLOWED,
    "This address does not take that method",
);
pub static REQUEST_TIMEOUT: Kind = kind(
    "request-timeout",
    StatusCode::REQUEST_TIMEOUT,
    "The body did not arrive in time",
);
pub static IN_PROGRESS: Kind = kind(
    "in-progress",
    StatusCode::CONFLICT,
    "A request with this idempotency key is under way",
);
pub static TOO_LARGE: Kind = kind(
    "too-large",
    StatusCode::PAYLOAD_TOO_LARGE,
    "The body is larger than this address takes",
);
pub static UNSUPPORTED_MEDIA_TYPE: Kind = kind(
    "unsupported-media-type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "The body must be application/json, not compressed",
);
pub static MISDIRECTED: Kind = kind(
    "misdirected",
    StatusCode::MISDIRECTED_REQUEST,
    "This service is not known by that host name",
);
pub static UNKNOWN_USER: Kind = kind(
    "unknown-user",
    StatusCode::UNPROCESSABLE_ENTITY,
    "There is no such user",
);
pub static NO_NUMBER: Kind = kind(
    "no-number",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The user has no mobile number",
);
pub static OPTED_OUT: Kind = kind(
    "opted-out",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The user opted out of codes by text message",
);
pub static LOCKED: Kind = kind(
    "locked",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The factor is locked after too many wrong codes",
);
pub static NUMBER_REFUSED: Kind = kind(
    "number-refused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "Not a number that messages are sent to",
);
pub static TEXT_REFUSED: Kind = kind(
    "text-refused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The text is empty, too long, or names no template",
);
pub static KEY_REUSED: Kind = kind(
    "idempotency-key-reused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "This idempotency key was used for another request",
);
pub static TOO_MANY: Kind = kind(
    "too-many-requests",
    StatusCode::TOO_MANY_REQUESTS,
    "Too soon or too often",
);
pub static FORBIDDEN: Kind = kind(
    "forbidden",
    StatusCode::FORBIDDEN,
    "The role does not allow this",
);
pub static INSUFFICIENT_SCOPE: Kind = kind(
    "insufficient-scope",
    StatusCode::FORBIDDEN,
    "The token is not good for this part of the API",
);
pub static EXISTS: Kind = kind(
    "exists",
    StatusCode::CONFLICT,
    "There is one by that name already",
);
pub static CHANGED: Kind = kind(
    "changed",
    StatusCode::CONFLICT,
    "It was changed by somebody else meanwhile",
);
pub static IN_USE: Kind = kind(
    "in-use",
    StatusCode::CONFLICT,
    "Something else refers to it",
);
pub static READ_ONLY: Kind = kind(
    "read-only",
    StatusCode::CONFLICT,
    "It is defined in the configuration file",
);
pub static NOT_VALID: Kind = kind(
    "not-valid",
    StatusCode::UNPROCESSABLE_ENTITY,
    "A value cannot be used",
);
pub static BROKEN: Kind = kind(
    "internal",
    StatusCode::INTERNAL_SERVER_ERROR,
    "Something went wrong here",
);
pub static NOT_SENT: Kind = kind(
    "not-sent",
    StatusCode::SERVICE_UNAVAILABLE,
    "No provider took the message",
);
pub static UNAVAILABLE: Kind = kind(
    "unavailable",
    StatusCode::SERVICE_UNAVAILABLE,
    "Not available just now",
);

/// One problem, ready to be answered.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: Option<String>,
    reason: Option<String>,
    reference: Option<Reference>,
    retry_after: Option<u64>,
}

/// The body, members in the order of RFC 9457.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// Names the kind of problem; stays the same over versions.
    #[serde(rename = "type")]
    #[schema(pattern = "^https://postern.example/problems/[a-z-]+$")]
    pub kind: String,
    pub title: &'a str,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What in the request did not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<&'a str>,
    /// With `not-sent`: the verdict of the last provider asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'a str>,
    /// Names the failure in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reference: Option<String>,
}

impl Problem {
    pub fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            detail: None,
            reason: None,
            reference: None,
            retry_after: None,
        }
    }

    /// What in the request did not fit; nothing that was sent is repeated.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    #[must_use]
    pub fn reference(mut self, reference: Reference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Retry when the host's clock says `at`.
    #[must_use]
    pub fn retry_at(self, at: Timestamp, now: Timestamp) -> Self {
        let seconds = at.since(now).as_millis().div_ceil(1000).max(1);
        self.retry_after(u64::try_from(seconds).unwrap_or(u64::MAX))
    }

    /// With one of our own fixed words, never the provider's text.
    pub fn not_sent(reason: Option<FailureReason>) -> Self {
        let problem = Self::new(&NOT_SENT);
        match serde_json::to_value(reason) {
            Ok(serde_json::Value::String(word)) => problem.reason(word),
            _ => problem,
        }
    }

    /// Logs the failure whole, once, and answers with its reference.
    pub fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        let reference = Reference::new();
        tracing::error!(%reference, error = chain(error), "a request could not be served");
        Self::new(&UNAVAILABLE).reference(reference).retry_after(5)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: format!("{TYPES}{}", self.kind.slug),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: self.detail.as_deref(),
            reason: self.reason.as_deref(),
            reference: self.reference.map(|reference| reference.to_string()),
        };
        let body = serde_json::to_vec(&document).expect("texts and numbers are always JSON");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.kind.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"postern\""),
            );
        }
        response
    }
}
