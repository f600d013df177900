//! How entries are named, and which addresses they may have.

use crate::Problem;
use url::Url;

/// What names of identity providers and relying parties look like: they stand in addresses.
pub const EXPECTED: &str = "1 to 32 of a-z, 0-9, `-` and `_`";

pub fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// One line a person reads on a button or a page.
pub fn is_display_name(text: &str) -> bool {
    let count = text.chars().count();
    (1..=60).contains(&count) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// Whether a host name means this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address of another server: https, or http at this machine. A fragment or a user in it is refused.
pub(crate) fn check_address(key: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Url> {
    let expected = "an address such as `https://login.example/path` (http only at localhost)";
    let url = Url::parse(text).ok().filter(|url| {
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        let bare =
            url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        scheme && bare && url.has_host()
    });
    if url.is_none() {
        problems.push(Problem::new(key, format!("`{text}`: expected {expected}")));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_an_address() {
        for good in ["a", "google", "acme-1_x", &"x".repeat(32)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "Google", "a b", "a/b", "..", "ä", &"x".repeat(33)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let ok = |text| check_address("k", text, &mut Vec::new()).is_some();
        for good in [
            "https://idp.example/x",
            "http://localhost:1/x",
            "http://127.0.0.1:5/",
        ] {
            assert!(ok(good), "{good}");
        }
        for bad in [
            "",
            "idp.example",
            "http://idp.example/",
            "https://u:p@idp.example/",
            "https://idp.example/#x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://localhost.evil.example/",
        ] {
            assert!(!ok(bad), "{bad}");
        }
    }
}
