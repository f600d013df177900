//! Methods are what they are (attack S-12).

use http::HeaderMap;

/// A header that asks to treat the request as one of another method.
pub fn disguised(headers: &HeaderMap) -> bool {
    [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ]
    .iter()
    .any(|name| headers.contains_key(*name))
}
