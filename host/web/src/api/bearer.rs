//! Which application calls, and whether its token is good for what it calls.

use crate::api::problem::{self, Problem};
use crate::extract::authorization::authorization;
use crate::state::WebState;
use crate::tenant;
use axum::extract::FromRequestParts;
use http::request::Parts;
use postern_login::ports::{ApiClient, Scope};
use sha2::{Digest, Sha256};

/// An application whose token is known and good for challenges.
#[derive(Debug)]
pub struct ChallengeCaller(pub ApiClient);

/// And for messages.
#[derive(Debug)]
pub struct MessageCaller(pub ApiClient);

impl FromRequestParts<WebState> for ChallengeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Problem> {
        Ok(Self(caller(parts, state, Scope::Challenges).await?))
    }
}

impl FromRequestParts<WebState> for MessageCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Problem> {
        Ok(Self(caller(parts, state, Scope::Messages).await?))
    }
}

async fn caller(parts: &Parts, state: &WebState, scope: Scope) -> Result<ApiClient, Problem> {
    let token = authorization(&parts.headers)
        .ok()
        .flatten()
        .and_then(token)
        .ok_or_else(|| Problem::new(&problem::UNAUTHORIZED))?;
    // The token is 256 random bits: its plain hash is found, or it is nobody's.
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let state = tenant::of_request(&parts.extensions, state);
    match state.logins.client(&hash).await {
        // The token says whose client it is; at another tenant's address it finds nothing
        // (attacks E-04, Q-09).
        Ok(Some(client)) if client.tenant != state.tenant => Err(Problem::new(&problem::NOT_FOUND)),
        Ok(Some(client)) if client.may(scope) => Ok(client),
        Ok(Some(_)) => Err(Problem::new(&problem::INSUFFICIENT_SCOPE)),
        Ok(None) => Err(Problem::new(&problem::UNAUTHORIZED)),
        Err(error) => Err(Problem::unavailable(&error)),
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
