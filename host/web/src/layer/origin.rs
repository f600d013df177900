//! Did a page of ours send this? First of two walls against forged requests; the form's token is
//! the second (attack S-04).

use http::{HeaderMap, Method, header};

/// Reading is everybody's. For anything else the browser must say that it comes from here:
/// `Sec-Fetch-Site` where it sends it, else `Origin`, else the token alone decides (old browsers).
pub fn ours(method: &Method, headers: &HeaderMap, origin: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return true;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    headers
        .get(header::ORIGIN)
        .is_none_or(|from| from.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(method: Method, fields: &[(&'static str, &str)], expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        assert_eq!(
            ours(&method, &headers, "https://login.example"),
            expected,
            "{method} {fields:?}"
        );
    }

    /// S-04
    #[test]
    fn a_post_from_another_site_is_not_ours() {
        check(Method::POST, &[("sec-fetch-site", "same-origin")], true);
        check(Method::POST, &[("sec-fetch-site", "none")], true);
        check(Method::POST, &[("sec-fetch-site", "same-site")], false);
        check(Method::POST, &[("sec-fetch-site", "cross-site")], false);
        check(
            Method::POST,
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://login.example"),
            ],
            false,
        );
        check(Method::POST, &[("origin", "https://login.example")], true);
        check(
            Method::POST,
            &[("origin", "https://login.example.evil")],
            false,
        );
        check(Method::POST, &[("origin", "http://login.example")], false);
        check(Method::POST, &[("origin", "null")], false);
        check(Method::POST, &[], true);
        check(Method::GET, &[("sec-fetch-site", "cross-site")], true);
        check(Method::DELETE, &[("sec-fetch-site", "cross-site")], false);
    }
}
