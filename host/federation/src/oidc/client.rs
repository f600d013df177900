//! An application that speaks OpenID Connect with us.

use crate::Problem;
use crate::name::is_loopback;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;
use url::Url;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub client_id: String,
    /// `None`: a public client, an app on somebody's device. PKCE is asked of both kinds.
    pub secret: Option<ClientSecret>,
    /// Compared as they are, byte by byte (RFC 9700, 2.1).
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// How long an access token reads `userinfo`.
    pub access_token_lifetime: Duration,
    pub id_token_alg: SigningAlgorithm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    #[default]
    RS256,
    ES256,
}

/// SHA-256 of a client's secret, which has to be drawn at random: then no salt is needed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret([u8; 32]);

/// Characters. 32 of base64 are 192 bits.
pub const SECRET_CHARS_MIN: usize = 32;

impl ClientSecret {
    /// `None` if it is too short to be a random one.
    pub fn new(secret: &str) -> Option<Self> {
        (secret.chars().count() >= SECRET_CHARS_MIN).then(|| Self::digest(secret))
    }

    fn digest(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Constant time.
    #[must_use]
    pub fn matches(&self, secret: &str) -> bool {
        Self::digest(secret).0.ct_eq(&self.0).into()
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[client secret]")
    }
}

/// Members of an ID token or of userinfo that mean what the protocol says, and nothing an operator maps.
pub fn is_ours(member: &str) -> bool {
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "at_hash",
        "c_hash",
        "sid",
        "cnf",
    ]
    .contains(&member)
}

impl Client {
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let visible = |text: &str| {
            text.bytes()
                .all(|b| (0x21..=0x7e).contains(&b) && b != b':')
        };
        if !(1..=128).contains(&self.client_id.len()) || !visible(&self.client_id) {
            problems.push(Problem::new(
                "client_id",
                "expected 1 to 128 visible ASCII characters without a colon",
            ));
        }
        if self.redirect_uris.is_empty() {
            problems.push(Problem::new(
                "redirect_uris",
                "missing: expected the addresses answers may go to",
            ));
        }
        for uri in &self.redirect_uris {
            if let Err(why) = check_redirect(uri, self.secret.is_none()) {
                problems.push(Problem::new("redirect_uris", format!("`{uri}`: {why}")));
            }
        }
        for uri in &self.post_logout_redirect_uris {
            if let Err(why) = check_redirect(uri, self.secret.is_none()) {
                problems.push(Problem::new(
                    "post_logout_redirect_uris",
                    format!("`{uri}`: {why}"),
                ));
            }
        }
        let seconds = self.access_token_lifetime.as_secs();
        if !(30..=3600).contains(&seconds) {
            problems.push(Problem::new(
                "access_token_lifetime",
                format!("{seconds}: expected 30 to 3600 seconds"),
            ));
        }
        problems
    }
}

/// https anywhere, http at this machine, and for public clients a scheme of their own that is a
/// reversed domain name (RFC 8252, 7.1).
fn check_redirect(uri: &str, public: bool) -> Result<(), &'static str> {
    let url = Url::parse(uri).map_err(|_| "expected an absolute address")?;
    if uri.contains('#') {
        return Err("expected no fragment");
    }
    if uri.contains('*') {
        return Err("expected the whole address: there are no wildcards");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected no user in it");
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("expected https: over http anybody on the way reads the code"),
        scheme if public && scheme.contains('.') => Ok(()),
        _ => Err("expected https, or for a public client a scheme such as `com.example.app`"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client() -> Client {
        Client {
            client_id: "shop".into(),
            secret: ClientSecret::new(&"s".repeat(32)),
            redirect_uris: vec!["https://shop.example/callback".into()],
            post_logout_redirect_uris: vec![],
            access_token_lifetime: Duration::from_secs(300),
            id_token_alg: SigningAlgorithm::RS256,
        }
    }

    #[test]
    fn a_secret_is_compared_whole_and_never_printed() {
        let secret = ClientSecret::new(&"a".repeat(32)).unwrap();
        assert!(secret.matches(&"a".repeat(32)));
        assert!(!secret.matches(&"a".repeat(33)));
        assert!(!secret.matches(""));
        assert_eq!(format!("{secret:?}"), "[client secret]");
        assert!(ClientSecret::new(&"a".repeat(31)).is_none());
    }

    #[test]
    fn all_problems_are_told_at_once() {
        assert_eq!(client().check(), []);
        let wrong = Client {
            client_id: "a b".into(),
            redirect_uris: vec![
                "http://shop.example/".into(),
                "https://shop.example/*".into(),
            ],
            access_token_lifetime: Duration::from_secs(5),
            ..client()
        };
        let keys: Vec<_> = wrong
            .check()
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        assert_eq!(
            keys,
            [
                "client_id",
                "redirect_uris",
                "redirect_uris",
                "access_token_lifetime"
            ]
        );
    }

    #[test]
    fn only_addresses_that_can_be_kept_to_are_registered() {
        for (uri, public, good) in [
            ("https://a.example/cb?x=1", false, true),
            ("http://127.0.0.1:8080/cb", false, true),
            ("com.example.app:/cb", true, true),
            ("com.example.app:/cb", false, false),
            ("javascript:alert(1)", true, false),
            ("data:text/html,x", true, false),
            ("https://a.example/cb#f", false, false),
            ("https://u@a.example/cb", false, false),
            ("/cb", false, false),
            ("http://a.example/cb", false, false),
        ] {
            assert_eq!(check_redirect(uri, public).is_ok(), good, "{uri}");
        }
    }
}
