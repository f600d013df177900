//! Is this ID token the provider's, for us, for this trip, and of now? (OpenID Connect Core 1.0, 3.1.3.7)

use super::keys::KeySet;
use crate::Moment;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation, decode_header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// What the token must say.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) access_token: Option<&'a str>,
    /// The person was to be asked again: at this moment or later.
    pub(super) since: Option<Moment>,
    pub(super) now: Moment,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No key of the set has signed it: the provider may have changed its keys.
    UnknownKey,
    Because(String),
}

/// Clocks differ.
const SKEW_SECONDS: u64 = 60;
/// An ID token that was made longer ago is none of this trip's, which takes minutes.
const AGE_SECONDS_MAX: u64 = 600;
const TOKEN_BYTES_MAX: usize = 32 * 1024;

pub(super) fn header(token: &str) -> Result<Header, Refused> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(because("it is larger than 32 KiB"));
    }
    // Also what `alg: none` comes to: the library knows no such algorithm.
    let header = decode_header(token)
        .map_err(|error| because(format!("its header cannot be read: {error}")))?;
    if header.crit.is_some() {
        return Err(because(
            "its header has `crit`, of which nothing is understood here",
        ));
    }
    Ok(header)
}

pub(super) fn validate(
    token: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Refused> {
    let header = header(token)?;
    let candidates = keys.candidates(header.alg, header.kid.as_deref());
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    // Times are compared below with the clock that is given: this crate reads none.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let mut failure = Refused::UnknownKey;
    for key in &candidates {
        match jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation) {
            Ok(decoded) => return times_and_bindings(decoded.claims, header.alg, expected),
            Err(error) => {
                use jsonwebtoken::errors::ErrorKind;
                if !matches!(error.kind(), ErrorKind::InvalidSignature) {
                    failure = because(error.to_string());
                }
            }
        }
    }
    Err(failure)
}

fn times_and_bindings(
    claims: Map<String, Value>,
    algorithm: Algorithm,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Refused> {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64).map(|at| at as u64);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let now = expected.now.seconds();
    let expires = seconds("exp").ok_or_else(|| because("it has no `exp`"))?;
    if now >= expires.saturating_add(SKEW_SECONDS) {
        return Err(because("it has expired"));
    }
    let issued = seconds("iat").ok_or_else(|| because("it has no `iat`"))?;
    if issued > now + SKEW_SECONDS {
        return Err(because("it was issued in the future"));
    }
    if now > issued.saturating_add(AGE_SECONDS_MAX + SKEW_SECONDS) {
        return Err(because("it was issued too long ago"));
    }
    if seconds("nbf").is_some_and(|from| from > now + SKEW_SECONDS) {
        return Err(because("it is not valid yet"));
    }
    // Several audiences: one of them may have got it from us, unless it says that we are the party.
    let several = matches!(claims.get("aud"), Some(Value::Array(all)) if all.len() > 1);
    match claims.get("azp") {
        Some(Value::String(party)) if party == expected.client_id => {}
        Some(_) => return Err(because("its `azp` is another client")),
        None if several => return Err(because("it has several audiences and no `azp`")),
        None => {}
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(because("its `nonce` is not the one of this sign-in"));
    }
    if let (Some(access_token), Some(said)) = (expected.access_token, text("at_hash"))
        && half_hash(algorithm, access_token).is_some_and(|hash| hash != said)
    {
        return Err(because("its `at_hash` is of another access token"));
    }
    if seconds("auth_time").is_some_and(|at| at > now + SKEW_SECONDS) {
        return Err(because("the person signed in in the future"));
    }
    if let Some(since) = expected.since {
        let at = seconds("auth_time").ok_or_else(|| {
            because("it has no `auth_time`, and the person was to be asked again")
        })?;
        if at.saturating_add(SKEW_SECONDS) < since.seconds() {
            return Err(because("the person was to be asked again, and was not"));
        }
    }
    Ok(claims)
}

/// When the person was asked there, if it says so. `claims` were validated.
pub(super) fn asked_at(claims: &Map<String, Value>, expected: &Expected<'_>) -> Option<Moment> {
    let at = claims.get("auth_time")?.as_f64()? as u64;
    Some(Moment::from_seconds(at).between(expected.since, expected.now))
}

/// `at_hash`: the left half of the hash of the algorithm.
pub(crate) fn half_hash(algorithm: Algorithm, text: &str) -> Option<String> {
    let digest: Vec<u8> = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => Sha256::digest(text).to_vec(),
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(text).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 => Sha512::digest(text).to_vec(),
        _ => return None,
    };
    Some(URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2]))
}

fn because(detail: impl Into<String>) -> Refused {
    Refused::Because(detail.into())
}
