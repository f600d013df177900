//! Where a request goes: scheme, host and port, parsed once. What is not spelled plainly is refused rather than mended: an
//! origin is written by a person or copied from a provider's documentation, and every odd spelling in the catalogue of
//! server-side request forgery exists to make two parsers disagree.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;
use url::{Host as UrlHost, Url};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A host: a name in lower-case ASCII (punycode for others), or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(Arc<str>),
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// `scheme://host[:port]`, nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
}

impl Origin {
    /// Parses an origin as it stands in a plugin's request.
    ///
    /// # Errors
    /// Anything but `http` or `https`, a plain host and a port between 1 and 65535 is refused: user information, path,
    /// query or fragment, backslashes, white space and control characters, percent escapes, characters outside ASCII
    /// (punycode is accepted), a trailing dot, an empty port, and addresses in any spelling but the usual one.
    pub fn parse(text: &str) -> Result<Origin, OriginError> {
        let (origin, rest) = Origin::parse_start(text)?;
        match rest {
            "" => Ok(origin),
            _ => Err(OriginError::Path),
        }
    }

    /// Parses the origin a text begins with and returns what follows: nothing, or a path that begins with `/`.
    pub(crate) fn parse_start(text: &str) -> Result<(Origin, &str), OriginError> {
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
            return Err(if odd.is_ascii() {
                OriginError::Character
            } else {
                OriginError::NotAscii
            });
        }
        let (scheme, after) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(OriginError::Scheme),
        };
        let (authority, path) = match after.find(['/', '?', '#']) {
            Some(end) => after.split_at(end),
            None => (after, ""),
        };
        if !path.is_empty() && !path.starts_with('/') {
            return Err(OriginError::Path);
        }
        if authority.contains('@') {
            return Err(OriginError::UserInformation);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(OriginError::Host);
        }
        if authority.contains('%') {
            return Err(OriginError::Character);
        }
        if authority.ends_with(':') {
            return Err(OriginError::Port);
        }
        // The one authority on what a host is: whatever this parser makes of the text is compared with the text below.
        let url =
            Url::parse(&format!("{}://{authority}/", scheme.as_str())).map_err(
                |error| match error {
                    url::ParseError::InvalidPort => OriginError::Port,
                    _ => OriginError::Host,
                },
            )?;
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(OriginError::Port);
        }
        let spelled = spelled_host(authority);
        let host = match url.host().ok_or(OriginError::Host)? {
            UrlHost::Domain(name) => Host::Name(plain_name(name)?.into()),
            UrlHost::Ipv4(address) if spelled == address.to_string() => {
                Host::Address(address.into())
            }
            UrlHost::Ipv4(_) => return Err(OriginError::AddressSpelling),
            UrlHost::Ipv6(address) => Host::Address(address.into()),
        };
        Ok((Origin { scheme, host, port }, path))
    }

    /// The value of the `Host` header: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// The host as it was written, without the port.
fn spelled_host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, _)) if !authority.ends_with(']') => host,
        _ => authority,
    }
}

/// A name whose labels every resolver and every certificate checker reads alike.
pub(crate) fn plain_name(name: &str) -> Result<&str, OriginError> {
    if name.ends_with('.') {
        return Err(OriginError::TrailingDot);
    }
    let label_is_plain = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label_is_plain) {
        return Err(OriginError::Host);
    }
    Ok(name)
}

/// Why a text is not an origin. The text is not repeated: it may hold credentials.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OriginError {
    #[error("an origin begins with `https://` (or `http://` where that is granted)")]
    Scheme,
    #[error("an origin has no white space, control characters, backslashes or percent escapes")]
    Character,
    #[error("an origin outside ASCII is written in punycode")]
    NotAscii,
    #[error("an origin has no user name or password")]
    UserInformation,
    #[error("an origin has no path, query or fragment")]
    Path,
    #[error("the host of an origin is a domain name or an address")]
    Host,
    #[error("the host of an origin has no trailing dot")]
    TrailingDot,
    #[error("an address is written in four decimal parts, or in brackets")]
    AddressSpelling,
    #[error("the port of an origin is between 1 and 65535")]
    Port,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_plain_origin_is_read_and_printed() {
        for (text, printed) in [
            ("https://api.twilio.com", "https://api.twilio.com"),
            ("https://API.Twilio.com", "https://api.twilio.com"),
            ("HTTPS://api.twilio.com:443", "https://api.twilio.com"),
            ("https://api.twilio.com:8443", "https://api.twilio.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:80", "http://localhost"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
            ("https://a_b.example:65535", "https://a_b.example:65535"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    /// O-01, O-02, O-03
    #[test]
    fn an_odd_origin_is_refused() {
        use OriginError as E;
        for (text, error) in [
            ("", E::Scheme),
            ("api.twilio.com", E::Scheme),
            ("//api.twilio.com", E::Scheme),
            ("ftp://api.twilio.com", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("gopher://x", E::Scheme),
            ("javascript:alert(1)", E::Scheme),
            ("https:/api.twilio.com", E::Scheme),
            ("https://", E::Host),
            ("https://:443", E::Host),
            ("https:///evil", E::Host),
            ("https://api.twilio.com@evil.example", E::UserInformation),
            ("https://user:pw@api.twilio.com", E::UserInformation),
            ("https://@api.twilio.com", E::UserInformation),
            ("https://api.twilio.com\\@evil.example", E::Character),
            ("https://api.twilio.com\\.evil.example", E::Character),
            ("https://api%2etwilio.com", E::Character),
            ("https://api.twi\tlio.com", E::Character),
            ("https://api.twilio.com\n", E::Character),
            (" https://api.twilio.com", E::Character),
            ("https://api.twilio.com\0", E::Character),
            ("https://bücher.example", E::NotAscii),
            ("https://api。twilio.com", E::NotAscii),
            ("https://ａpi.twilio.com", E::NotAscii),
            ("https://api.twilio.com.", E::TrailingDot),
            ("https://api..twilio.com", E::Host),
            ("https://xn--a.example", E::Host),
            ("https://api.twilio.com:", E::Port),
            ("https://api.twilio.com:0", E::Port),
            ("https://api.twilio.com:65536", E::Port),
            ("https://api.twilio.com:-1", E::Port),
            ("https://api.twilio.com:4 43", E::Character),
            ("https://api.twilio.com/", E::Path),
            ("https://api.twilio.com/v1", E::Path),
            ("https://api.twilio.com?x", E::Path),
            ("https://api.twilio.com#x", E::Path),
            ("http://2130706433", E::AddressSpelling),
            ("http://0177.0.0.1", E::AddressSpelling),
            ("http://0x7f000001", E::AddressSpelling),
            ("http://127.1", E::AddressSpelling),
            ("http://127.0.0.1.", E::AddressSpelling),
            ("http://0", E::AddressSpelling),
            ("http://127.0.0.01:80", E::AddressSpelling),
            ("http://256.1.1.1", E::Host),
            ("http://[::1%25eth0]", E::Character),
            ("http://[fe80::1%eth0]", E::Character),
            ("http://[::1", E::Host),
            ("http://::1", E::Host),
        ] {
            assert_eq!(Origin::parse(text).unwrap_err(), error, "{text:?}");
        }
    }
}
