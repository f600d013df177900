//! HTTP Basic authentication (RFC 7617), as both providers use it. Knows no accounts.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The user and password of an Authorization header, if it is a Basic one and orderly.
pub(crate) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Whether the request is a form, and its fields in order. `None` if it is no form.
pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Option<Vec<(String, String)>> {
    let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = media.split(';').next().unwrap_or_default().trim();
    media
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        .then(|| form_urlencoded::parse(body).into_owned().collect())
}

/// The first field of this exact name; empty if there is none.
pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields
        .iter()
        .find(|(key, _)| key == name)
        .map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn authorization(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_password_may_hold_a_colon() {
        let headers = authorization(&format!("Basic {}", STANDARD.encode("user:a:b")));
        assert_eq!(basic(&headers), Some(("user".into(), "a:b".into())));
    }

    #[test]
    fn another_scheme_is_no_basic_authentication() {
        assert_eq!(basic(&authorization("Bearer abc")), None);
        assert_eq!(basic(&authorization("Basic ???")), None);
        assert_eq!(basic(&HeaderMap::new()), None);
    }
}
