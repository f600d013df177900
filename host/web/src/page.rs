//! What all pages have in common: the frame around them and the ways to answer.

use crate::assets;
use crate::cookies::Cookies;
use crate::texts::Texts;
use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// What the base template needs.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub t: &'static Texts,
    pub brand: &'a str,
    /// In front of every address in a template: `href="{{ f.base }}/sign-in"`. Empty, or `/t/NAME`.
    pub base: &'a str,
}

impl Frame<'_> {
    pub fn style(&self) -> &'static str {
        assets::style().path()
    }
    pub fn console_style(&self) -> &'static str {
        assets::console_style().path()
    }
    pub fn script(&self) -> &'static str {
        assets::script().path()
    }
    pub fn logo(&self) -> &'static str {
        assets::logo().path()
    }
}

/// A page, 200.
pub fn draw(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            )],
            Body::from(html),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(
                error = crate::error::chain(&error),
                "a page could not be drawn"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// After a POST: 303, so that credentials are not posted again elsewhere (RFC 9700, 4.12; attack S-09).
pub fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// Adds a cookie to an answer.
pub fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// Whoever signs out leaves nothing in the browser. What they had begun goes with the session: a number's proof,
/// and a sign-in, also one that had them asked afresh, so that the next one is an ordinary one.
pub fn signed_out(response: Response, cookies: &Cookies) -> Response {
    let gone = [
        cookies.clear_session(),
        cookies.clear_proof(),
        cookies.clear_login(),
    ];
    gone.into_iter().fold(response, with_cookie)
}

/// A place on this host to go to: a path of ours, or nothing (attack S-08).
pub fn local_path(text: &str) -> Option<&str> {
    let orderly = text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= 512
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-._~?=&".contains(&b));
    orderly.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-08
    #[test]
    fn only_a_path_of_ours_is_a_way_back() {
        for good in ["/", "/account", "/account?done=number", "/samlsso/continue"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in [
            "",
            "account",
            "//evil",
            "/\\evil",
            "\\\\evil",
            "https:evil",
            "https://evil.example",
            "javascript:alert(1)",
            "https://ok@evil",
            "https://ok.evil.example",
            "/a\r\nSet-Cookie: x",
            "%09//evil",
            "/%2f/evil",
            "/\t/evil",
            " /account",
            "/é",
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }
}
