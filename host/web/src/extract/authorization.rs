//! The one `Authorization` header of a request.

use http::{HeaderMap, header};

/// There are two, or it is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one Authorization header")]
pub struct Ambiguous;

/// Nothing if there is none; an error if there are two, of which two readers could pick two.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Ambiguous> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Ambiguous),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}
