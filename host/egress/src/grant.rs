//! What a sender may ask for: origins, path prefixes and methods the operator allowed, and the addresses beyond the global
//! ones. Pure functions over parsed values; who asked, and what for, is not known here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Method;
use thiserror::Error;

use crate::address::Private;
use crate::origin::{Host, Origin, OriginError, Scheme, plain_name};

/// Everything a sender is granted. What is not named is refused.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    pub entries: Vec<Entry>,
    pub private: Private,
}

impl Grant {
    /// The origin of a text. One that is spelled as it is granted was parsed with the grant.
    ///
    /// # Errors
    /// Those of [`Origin::parse`].
    pub(crate) fn origin(&self, text: &str) -> Result<Origin, OriginError> {
        let mut granted = self.entries.iter().filter_map(|entry| entry.origin.exact());
        match granted.find(|origin| origin.to_string() == text) {
            Some(origin) => Ok(origin),
            None => Origin::parse(text),
        }
    }

    /// Whether anything at all is granted at an origin.
    pub fn covers(&self, origin: &Origin) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.origin.matches(origin))
    }

    /// Judges a request: some one entry must grant the origin, the path and the method together.
    pub fn permits(&self, origin: &Origin, path: &str, method: &Method) -> Result<(), Ungranted> {
        let mut here = self
            .entries
            .iter()
            .filter(|entry| entry.origin.matches(origin))
            .peekable();
        if here.peek().is_none() {
            return Err(Ungranted::Origin {
                asked: origin.to_string(),
                granted: self.entries.iter().map(ToString::to_string).collect(),
            });
        }
        if here.any(|entry| entry.covers_path(path) && entry.covers_method(method)) {
            return Ok(());
        }
        Err(Ungranted::PathOrMethod {
            origin: origin.to_string(),
            method: method.to_string(),
        })
    }
}

/// One line of a grant: an origin, and what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub origin: OriginPattern,
    /// Begins with `/` and does not end with one; `None` is every path.
    path_prefix: Option<Arc<str>>,
    /// Empty is every method.
    methods: Vec<Method>,
}

impl Entry {
    /// The same entry for these methods only.
    pub fn with_methods(mut self, methods: Vec<Method>) -> Entry {
        self.methods = methods;
        self
    }

    /// Whether a path lies under the prefix, segment by segment: `/v1` covers `/v1` and `/v1/x`, not `/v10`.
    fn covers_path(&self, path: &str) -> bool {
        let Some(prefix) = &self.path_prefix else {
            return true;
        };
        // A server that decodes `%2f` before it routes would leave the prefix by `/v1/..%2f..%2fadmin`.
        let hides_a_slash = || {
            path.as_bytes()
                .windows(3)
                .any(|w| w.eq_ignore_ascii_case(b"%2f") || w.eq_ignore_ascii_case(b"%5c"))
        };
        match path.strip_prefix(&**prefix) {
            Some(rest) => (rest.is_empty() || rest.starts_with('/')) && !hides_a_slash(),
            None => false,
        }
    }

    fn covers_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

/// `https://api.example.com`, `https://*.example.com:8443`, `https://api.example.com/v1`.
impl FromStr for Entry {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Entry, PatternError> {
        let (origin, path) = OriginPattern::parse_start(text)?;
        let prefix = path.trim_end_matches('/');
        if !prefix.is_empty() {
            let read =
                url::Url::parse(&format!("http://h{prefix}")).map_err(|_| PatternError::Path)?;
            if read.path() != prefix
                || read.query().is_some()
                || read.fragment().is_some()
                || prefix.contains("//")
            {
                return Err(PatternError::Path);
            }
        }
        Ok(Entry {
            origin,
            path_prefix: (!prefix.is_empty()).then(|| prefix.into()),
            methods: Vec::new(),
        })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.origin,
            self.path_prefix.as_deref().unwrap_or("")
        )
    }
}

impl From<Origin> for Entry {
    fn from(origin: Origin) -> Entry {
        let Origin { scheme, host, port } = origin;
        let origin = OriginPattern {
            scheme,
            host: HostPattern::Exact(host),
            port,
        };
        Entry {
            origin,
            path_prefix: None,
            methods: Vec::new(),
        }
    }
}

/// An origin, or all origins under a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: Scheme,
    host: HostPattern,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(Host),
    /// With its leading dot.
    Under(Arc<str>),
}

impl OriginPattern {
    pub fn matches(&self, origin: &Origin) -> bool {
        self.scheme == origin.scheme
            && self.port == origin.port
            && match (&self.host, &origin.host) {
                (HostPattern::Exact(host), other) => host == other,
                (HostPattern::Under(suffix), Host::Name(name)) => {
                    name.len() > suffix.len() && name.ends_with(&**suffix)
                }
                (HostPattern::Under(_), Host::Address(_)) => false,
            }
    }

    fn exact(&self) -> Option<Origin> {
        match &self.host {
            HostPattern::Exact(host) => Some(Origin {
                scheme: self.scheme,
                host: host.clone(),
                port: self.port,
            }),
            HostPattern::Under(_) => None,
        }
    }

    fn parse_start(text: &str) -> Result<(OriginPattern, &str), PatternError> {
        // The wildcard is taken out before the text meets the URL parser, which would accept `*` as a character of a name.
        let wildcard = text
            .split_once("://")
            .and_then(|(scheme, rest)| Some((scheme, rest.strip_prefix('*')?)));
        match wildcard {
            Some((scheme, rest)) => {
                let suffix = rest.strip_prefix('.').ok_or(PatternError::Wildcard)?;
                let bare = format!("{scheme}://{suffix}");
                let (origin, path) = Origin::parse_start(&bare)?;
                let Host::Name(name) = &origin.host else {
                    return Err(PatternError::Wildcard);
                };
                // `*.com` would be a grant to half the Internet.
                if !name.contains('.') || plain_name(name).is_err() || name.contains('*') {
                    return Err(PatternError::Wildcard);
                }
                let host = HostPattern::Under(format!(".{name}").into());
                let path = &text[text.len() - path.len()..];
                Ok((
                    OriginPattern {
                        scheme: origin.scheme,
                        host,
                        port: origin.port,
                    },
                    path,
                ))
            }
            None if text.contains('*') => Err(PatternError::Wildcard),
            None => {
                let (Origin { scheme, host, port }, path) = Origin::parse_start(text)?;
                Ok((
                    OriginPattern {
                        scheme,
                        host: HostPattern::Exact(host),
                        port,
                    },
                    path,
                ))
            }
        }
    }
}

impl FromStr for OriginPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<OriginPattern, PatternError> {
        match OriginPattern::parse_start(text)? {
            (pattern, "") => Ok(pattern),
            _ => Err(PatternError::Origin(OriginError::Path)),
        }
    }
}

impl From<Origin> for OriginPattern {
    fn from(origin: Origin) -> OriginPattern {
        Entry::from(origin).origin
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (star, host) = match &self.host {
            HostPattern::Exact(host) => ("", host.clone()),
            HostPattern::Under(suffix) => ("*.", Host::Name(suffix[1..].into())),
        };
        let origin = Origin {
            scheme: self.scheme,
            host,
            port: self.port,
        }
        .to_string();
        match origin.split_once("://") {
            Some((scheme, rest)) => write!(f, "{scheme}://{star}{rest}"),
            None => f.write_str(&origin),
        }
    }
}

/// Why a line of a grant cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(
        "a wildcard stands alone before a domain of at least two labels, as in `https://*.example.com`"
    )]
    Wildcard,
    #[error(
        "a path prefix is written as it stands in a URL, without `.` or empty segments, query or fragment"
    )]
    Path,
}

/// Why a request lies outside the grant.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Ungranted {
    #[error("origin `{asked}` is not granted; granted are: {}", .granted.join(", "))]
    Origin { asked: String, granted: Vec<String> },
    #[error("`{method}` on this path of `{origin}` is not granted")]
    PathOrMethod { origin: String, method: String },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grant(entries: &[&str]) -> Grant {
        Grant {
            entries: entries.iter().map(|e| e.parse().unwrap()).collect(),
            private: Private::default(),
        }
    }

    #[test]
    fn an_origin_is_read_the_same_whether_or_not_it_is_spelled_as_granted() {
        let grant = grant(&[
            "https://api.example.com/v1",
            "http://[2001:db8::1]:8080",
            "https://*.example.org",
        ]);
        for text in [
            "https://api.example.com",
            "https://api.example.com:443",
            "https://API.example.com",
            "https://api.example.com/",
            "https://api.example.com/v1",
            "http://api.example.com",
            "http://[2001:db8::1]:8080",
            "http://[2001:db8:0::1]:8080",
            "https://a.example.org",
            "https://.example.org",
            "https://*.example.org",
            "",
        ] {
            assert_eq!(grant.origin(text), Origin::parse(text), "{text}");
        }
    }

    /// O-02
    #[test]
    fn an_origin_is_granted_exactly_or_under_a_suffix() {
        let exact = grant(&["https://api.twilio.com"]);
        let under = grant(&["https://*.twilio.com"]);
        let port = grant(&["https://api.twilio.com:8443"]);
        let plain = grant(&["http://api.twilio.com"]);
        let address = grant(&["http://127.0.0.1:8080"]);
        let none = grant(&[]);
        // origin, granted by: exact, under, port, plain, address, none
        for (origin, expected) in [
            (
                "https://api.twilio.com",
                [true, true, false, false, false, false],
            ),
            (
                "https://API.TWILIO.COM:443",
                [true, true, false, false, false, false],
            ),
            ("https://twilio.com", [false; 6]),
            (
                "https://eu.api.twilio.com",
                [false, true, false, false, false, false],
            ),
            (
                "https://evilapi.twilio.com",
                [false, true, false, false, false, false],
            ),
            ("https://eviltwilio.com", [false; 6]),
            ("https://api.twilio.com.evil.example", [false; 6]),
            ("https://xn--pi-twilio-4ya.com", [false; 6]),
            (
                "https://api.twilio.com:8443",
                [false, false, true, false, false, false],
            ),
            ("https://api.twilio.com:22", [false; 6]),
            ("https://api.twilio.com:80", [false; 6]),
            (
                "http://api.twilio.com",
                [false, false, false, true, false, false],
            ),
            ("http://api.twilio.com:443", [false; 6]),
            (
                "http://127.0.0.1:8080",
                [false, false, false, false, true, false],
            ),
            ("http://[::ffff:127.0.0.1]:8080", [false; 6]),
            ("http://localhost:8080", [false; 6]),
        ] {
            let origin = Origin::parse(origin).unwrap();
            let granted =
                [&exact, &under, &port, &plain, &address, &none].map(|g| g.covers(&origin));
            assert_eq!(granted, expected, "{origin}");
        }
    }

    #[test]
    fn a_path_prefix_covers_whole_segments_and_goes_with_its_method() {
        let grant = Grant {
            entries: vec![
                "https://a.example/v1/"
                    .parse::<Entry>()
                    .unwrap()
                    .with_methods(vec![Method::POST]),
                "https://a.example/v1/status".parse::<Entry>().unwrap(),
            ],
            private: Private::default(),
        };
        let origin = Origin::parse("https://a.example").unwrap();
        for (path, post, get) in [
            ("/v1", true, false),
            ("/v1/", true, false),
            ("/v1/messages", true, false),
            ("/v1/status", true, true),
            ("/v1/status/7", true, true),
            ("/v10", false, false),
            ("/", false, false),
            ("/V1", false, false),
            ("/v1/..%2fadmin", false, false),
            ("/v1/..%5Cadmin", false, false),
        ] {
            assert_eq!(
                grant.permits(&origin, path, &Method::POST).is_ok(),
                post,
                "POST {path}"
            );
            assert_eq!(
                grant.permits(&origin, path, &Method::GET).is_ok(),
                get,
                "GET {path}"
            );
        }
    }

    #[test]
    fn a_refusal_names_both_lists() {
        let asked = Origin::parse("https://evil.example").unwrap();
        let error = grant(&["https://*.a.example:8443", "https://b.example/v1"]).permits(
            &asked,
            "/",
            &Method::GET,
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "origin `https://evil.example` is not granted; granted are: https://*.a.example:8443, https://b.example/v1"
        );
    }

    #[test]
    fn an_unreadable_entry_is_refused() {
        for text in [
            "*",
            "https://*",
            "https://*.com",
            "https://*:443",
            "https://a.*.example",
            "https://*a.example",
            "https://a*",
            "https://*.*.example.com",
            "https://*.127.0.0.1",
            "*://a.example",
            "a.example",
            "https://a.example/v1/../x",
            "https://a.example/v1?x",
            "https://a.example?x",
            "https://a.example//v1",
            "https://a.example/./v1",
            "https://a.example/%2e%2e",
            "https://u:p@a.example",
            "https://*.a.example@evil.example",
            "ws://a.example",
        ] {
            assert!(text.parse::<Entry>().is_err(), "{text}");
        }
    }
}
