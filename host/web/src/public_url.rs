//! The address browsers see. Everything that must not come from a request (links, cookie names,
//! the origin that forms may come from) is made from it.

use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Scheme, host and port of this host as browsers see it: `https://login.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    authority: String,
    secure: bool,
}

/// Why a text is no public address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    #[error("public_url `{0}`: expected an address such as `https://login.example`")]
    Malformed(String),
    #[error("public_url `{0}`: expected no path, query or user name")]
    MoreThanOrigin(String),
    #[error(
        "public_url `{0}`: plain http is for a loopback address only; put TLS here or in front and write https"
    )]
    PlainHttp(String),
}

impl PublicUrl {
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = url::Url::parse(text).map_err(|_| PublicUrlError::Malformed(text.to_owned()))?;
        let (Some(host), "http" | "https") = (url.host(), url.scheme()) else {
            return Err(PublicUrlError::Malformed(text.to_owned()));
        };
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(PublicUrlError::MoreThanOrigin(text.to_owned()));
        }
        let secure = url.scheme() == "https";
        let loopback = match &host {
            url::Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
            url::Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
            url::Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
        };
        if !secure && !loopback {
            return Err(PublicUrlError::PlainHttp(text.to_owned()));
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self {
            origin: format!("{}://{authority}", url.scheme()),
            authority,
            secure,
        })
    }

    /// `https://login.example`, as browsers write it in `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `login.example`, with the port if it is not the scheme's own: what `Host` must say.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// False only on plain HTTP at a loopback address.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Eight hex digits of SHA-256: cookies do not know ports, so two hosts on one name would
    /// otherwise log each other out. With the path of a part of this host, that part's.
    pub fn short_hash(&self, path: &str) -> String {
        let hash = Sha256::new()
            .chain_update(self.origin.as_bytes())
            .chain_update(path.as_bytes());
        hex::encode(&hash.finalize()[..4])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "http://localhost:9443",
            "http://127.0.0.1:9443/",
            "http://[::1]:1",
            "https://login.example",
            "https://login.example:8443",
        ] {
            assert!(PublicUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.example",
            "http://10.0.0.1",
            "http://localhost.evil.example",
        ] {
            assert!(
                matches!(PublicUrl::parse(bad), Err(PublicUrlError::PlainHttp(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_an_origin_is_a_public_address() {
        for bad in [
            "https://a.example/x",
            "https://u@a.example",
            "https://a.example/?q",
            "ftp://a.example",
            "login.example",
            "",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_default_port_is_not_written() {
        let url = PublicUrl::parse("https://Login.Example:443/").unwrap();
        assert_eq!(url.origin(), "https://login.example");
        assert_eq!(url.authority(), "login.example");
        let other = PublicUrl::parse("https://login.example:444").unwrap();
        assert_eq!(other.authority(), "login.example:444");
        assert_ne!(url.short_hash(""), other.short_hash(""));
        assert_ne!(url.short_hash(""), url.short_hash("/t/acme"));
    }
}
