//! An ID token of ours that an application sends back, to say whom it means. It may be over long
//! since; what counts is that we signed it.

use super::keys::SigningRing;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub client_id: String,
    pub sub: String,
    pub sid: String,
}

/// Nothing if it is not ours.
pub fn read(token: &str, issuer: &str, ring: &SigningRing) -> Option<Hint> {
    #[derive(Deserialize)]
    struct Claims {
        aud: String,
        sub: String,
        sid: String,
    }
    let header = decode_header(token).ok()?;
    let key = ring.by_kid(header.kid.as_deref()?)?;
    if header.alg != key.algorithm.jose() {
        return None;
    }
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    // Whose it is, is read below.
    validation.validate_aud = false;
    validation.validate_exp = false;
    let claims = decode::<Claims>(token, &key.decoding().ok()?, &validation)
        .ok()?
        .claims;
    Some(Hint {
        client_id: claims.aud,
        sub: claims.sub,
        sid: claims.sid,
    })
}
