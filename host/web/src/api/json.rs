//! A JSON body of exactly the documented form: nothing missing, nothing twice, nothing else.

use crate::api::problem::{self, Problem};
use crate::extract::fields::{BodyFailure, whole};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Every documented body fits many times over.
pub const JSON_BYTES_MAX: usize = 64 * 1024;

/// Types read with it deny unknown fields; serde_json ends at depth 128 (attack S-15).
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE));
        }
        let body = whole(request.into_body(), JSON_BYTES_MAX)
            .await
            .map_err(|failure| {
                Problem::new(match failure {
                    BodyFailure::TooLarge => &problem::TOO_LARGE,
                    BodyFailure::Slow => &problem::REQUEST_TIMEOUT,
                    BodyFailure::Broken => &problem::INVALID_REQUEST,
                })
            })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            // Category and place, not the message: that may repeat what was sent.
            let what = match error.classify() {
                serde_json::error::Category::Data => {
                    "a field is missing, unknown, repeated or of another type"
                }
                _ => "not JSON",
            };
            Problem::new(&problem::INVALID_REQUEST).detail(format!(
                "{what} (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let identity = headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding == "identity");
    identity
        && headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// An answer with a body.
pub fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            response
        }
        Err(error) => Problem::unavailable(&error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body1 {
        code: String,
    }

    async fn read(kind: Option<&str>, body: impl Into<Body>) -> Result<String, StatusCode> {
        let mut request = Request::new(body.into());
        if let Some(kind) = kind {
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        StrictJson::<Body1>::from_request(request, &())
            .await
            .map(|StrictJson(body)| body.code)
            .map_err(|problem| problem.into_response().status())
    }

    /// A-19
    #[tokio::test]
    async fn a_code_is_a_text_or_the_body_is_refused() {
        let json = Some("application/json; charset=utf-8");
        assert_eq!(read(json, r#"{"code":"1"}"#).await, Ok("1".to_owned()));
        for bad in [
            "",
            "{}",
            "null",
            "[]",
            r#"{"code":null}"#,
            r#"{"code":1}"#,
            r#"{"code":true}"#,
            r#"{"code":["1"]}"#,
            r#"{"code":{"a":1}}"#,
            r#"{"code":"1","code":"2"}"#,
            r#"{"code":"1","more":1}"#,
            r#"{"code":"1"} x"#,
            "\u{feff}{}",
        ] {
            assert_eq!(read(json, bad).await, Err(StatusCode::BAD_REQUEST), "{bad}");
        }
    }

    /// S-15
    #[tokio::test]
    async fn deep_and_large_bodies_are_refused() {
        let json = Some("application/json");
        let deep = format!(r#"{{"code":{}"#, "[".repeat(10_000));
        assert_eq!(read(json, deep).await, Err(StatusCode::BAD_REQUEST));
        let large = format!(r#"{{"code":"{}"}}"#, "1".repeat(JSON_BYTES_MAX));
        assert_eq!(read(json, large).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test]
    async fn only_json_is_json() {
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
        ] {
            assert_eq!(
                read(kind, r#"{"code":"1"}"#).await,
                Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
                "{kind:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_problem_does_not_repeat_what_was_sent() {
        let mut request = Request::new(Body::from(r#"{"secret-123456":1}"#));
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        let problem = StrictJson::<Body1>::from_request(request, &())
            .await
            .unwrap_err();
        assert!(!format!("{problem:?}").contains("123456"));
    }
}
