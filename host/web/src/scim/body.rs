//! Bodies, conditions and queries of a SCIM request.

use super::answer::Refused;
use crate::extract::fields::{BodyFailure, whole};
use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use postern_federation::scim::limits::BODY_BYTES_MAX;
use postern_federation::scim::{ScimError, json};
use serde_json::{Map, Value};

/// A whole resource, or a part of one.
#[derive(Debug)]
pub(super) enum Change {
    Whole(Map<String, Value>),
    Part(Map<String, Value>),
}

pub(super) async fn object(head: &Parts, body: Body) -> Result<Map<String, Value>, Refused> {
    let headers = &head.headers;
    let plain = headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding == "identity");
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase());
    let known = kind
        .is_some_and(|kind| ["application/scim+json", "application/json"].contains(&kind.as_str()));
    if !known || !plain {
        let words = "the body must be application/scim+json, not compressed";
        return Err(ScimError::new(415, words).into());
    }
    let bytes = whole(body, BODY_BYTES_MAX)
        .await
        .map_err(|failure| match failure {
            BodyFailure::TooLarge => {
                ScimError::new(413, format!("a body has at most {BODY_BYTES_MAX} bytes"))
            }
            BodyFailure::Slow => ScimError::new(408, "the body did not arrive in time"),
            BodyFailure::Broken => ScimError::syntax("the body broke off"),
        })?;
    Ok(json::object(&bytes)?)
}

/// Whether a version is one of those a header names; `None` if there is no such header. Weak and strong
/// tags are compared alike: the versions are of contents.
fn names(headers: &HeaderMap, name: HeaderName, version: &str) -> Option<bool> {
    let mut there = false;
    let mut named = false;
    for value in headers.get_all(name) {
        there = true;
        let Ok(text) = value.to_str() else { continue };
        named |= text.split(',').map(str::trim).any(|tag| {
            let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
            tag == "*" || bare(tag) == bare(version)
        });
    }
    there.then_some(named)
}

/// `If-Match`: somebody else's change must not be lost.
pub(super) fn unchanged(head: &Parts, version: &str) -> Result<(), ScimError> {
    match names(&head.headers, header::IF_MATCH, version) {
        Some(false) => Err(ScimError::new(
            412,
            "the resource has another version now: look at it again",
        )),
        Some(true) | None => Ok(()),
    }
}

/// `If-None-Match`: the client has it already.
pub(super) fn known(head: &Parts, version: &str) -> bool {
    names(&head.headers, header::IF_NONE_MATCH, version) == Some(true)
}

/// The query, each name once.
pub(super) fn query(head: &Parts) -> Result<Vec<(String, String)>, ScimError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let query = head.uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if pairs
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(&name))
        {
            return Err(ScimError::value("a parameter stands twice in the address"));
        }
        if pairs.len() == 16 {
            return Err(ScimError::value("too many parameters"));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Ok(pairs)
}

pub(super) fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
