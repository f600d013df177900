//! Addresses of pages that the operator brings along.

use crate::config::section::Section;
use crate::config::server::Server;
use url::{Host, Url};

const EXPECTED: &str =
    "an address such as `https://pages.example/code.html`, or a path such as `pages/code.html`";

/// An absolute address, or a path below the public one.
pub(super) fn read(s: &mut Section<'_>, name: &str, server: &Server) -> Option<String> {
    let text = s.optional::<String>(name, EXPECTED)?;
    let text = text.trim();
    if let Err(problem) = check(text, &server.public_url) {
        s.problem(name, format!("`{text}`: {problem}"));
        return None;
    }
    Some(text.to_owned())
}

pub(crate) fn check(text: &str, public_url: &str) -> Result<(), String> {
    let expected = || format!("expected {EXPECTED}");
    let public = Url::parse(public_url).map_err(|_| expected())?;
    let orderly = !text.is_empty()
        && text.len() <= 1024
        && !text.contains(['\\', '#'])
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !orderly {
        return Err(expected());
    }
    let absolute = text.contains("://");
    if !absolute {
        // `//host/` and `javascript:` are addresses of elsewhere (attack S-08).
        let first = text.split(['/', '?']).next().unwrap_or_default();
        let leaves = text.starts_with("//")
            || first.contains(':')
            || text.split(['/', '?']).any(|part| part == "..");
        return if leaves { Err(expected()) } else { Ok(()) };
    }
    let page = Url::parse(text).map_err(|_| expected())?;
    if !page.username().is_empty() || page.password().is_some() {
        return Err("expected no user name in it".into());
    }
    match (page.scheme(), page.host()) {
        ("https", Some(_)) => {}
        ("http", Some(host)) if is_loopback(&host) => {}
        ("http", Some(_)) => {
            return Err(
                "expected https, because over http anybody on the way reads the page; http is for localhost only"
                    .into(),
            );
        }
        _ => return Err(expected()),
    }
    if !same_site(&public, &page) {
        return Err(format!(
            "expected a host of the same site as `{public_url}`: browsers keep the login's cookie from forms of other sites, so nothing typed there would arrive"
        ));
    }
    Ok(())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Schemes and last two labels alike. It says yes too often where people register under three
/// labels; there the cookie stays away, and the login is refused as it should.
fn same_site(public: &Url, page: &Url) -> bool {
    let site = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => {
            let labels: Vec<&str> = name.rsplit('.').take(2).collect();
            Some(labels.join("."))
        }
        Some(address) => Some(address.to_string()),
        None => None,
    };
    public.scheme() == page.scheme() && site(public) == site(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_page_is_a_path_or_an_address_of_the_same_site() {
        let public = "https://login.example.com";
        for good in [
            "https://login.example.com/smsotp.jsp",
            "https://pages.example.com:8443/code?theme=dark",
            "https://example.com/",
            "smsotpauthenticationendpoint/smsotp.jsp",
            "/pages/code.html",
            "pages/code.html?theme=dark",
        ] {
            assert_eq!(check(good, public), Ok(()), "{good}");
        }
    }

    /// S-08
    #[test]
    fn an_own_page_leads_nowhere_else() {
        let public = "https://login.example.com";
        for bad in [
            "",
            "//evil.example/x",
            "https:evil",
            "javascript:alert(1)",
            "javascript://login.example.com/%0aalert(1)",
            "http://login.example.com/code",
            "https://evil.example/code",
            "https://login.example.com@evil.example/code",
            "https://user@login.example.com/code",
            "\\\\evil.example",
            "pages\\code",
            "../code",
            "pages/../../code",
            "pages/code#x",
            "a b",
            "a\r\nSet-Cookie: x",
            "data:text/html,x",
        ] {
            assert!(check(bad, public).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        let public = "http://localhost:9443";
        assert_eq!(check("http://localhost:8080/code", public), Ok(()));
        assert!(check("http://pages.example/code", public).is_err());
    }
}
