//! Which application calls.

use crate::api::problem::{self, Problem};
use crate::state::WebState;
use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use postern_login::ports::{ApiClient, Scope};
use sha2::{Digest, Sha256};

/// An application whose token is known.
#[derive(Debug)]
pub struct Caller(pub ApiClient);

impl FromRequestParts<WebState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Problem> {
        let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
        let token = lines
            .next()
            .filter(|_| lines.next().is_none())
            .and_then(|value| value.to_str().ok())
            .and_then(token)
            .ok_or_else(|| Problem::new(&problem::UNAUTHORIZED))?;
        // The token is 256 random bits: its plain hash is found, or it is nobody's.
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        match state.logins.client(&hash).await {
            Ok(Some(client)) if client.may(Scope::Challenges) => Ok(Self(client)),
            Ok(Some(_)) => Err(Problem::new(&problem::FORBIDDEN)
                .detail("the client has not the scope `challenges`")),
            Ok(None) => Err(Problem::new(&problem::UNAUTHORIZED)),
            Err(error) => Err(Problem::unavailable(&error)),
        }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750); the scheme in any case, the token at most 512 bytes.
pub fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let orderly = (1..=512).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
    (scheme.eq_ignore_ascii_case("bearer") && orderly).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_one_word() {
        assert_eq!(token("Bearer abc"), Some("abc"));
        assert_eq!(token("bearer  a-b._~+/="), Some("a-b._~+/="));
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "Bearer a b",
            "Bearer a,b",
            "abc",
        ] {
            assert_eq!(token(bad), None, "{bad}");
        }
    }
}
