//! Codes become tokens, and access tokens read userinfo.
//!
//! A code is known by its digest, works once within a minute, and is remembered for longer: whoever
//! brings it again takes the tokens of the first one down with it (RFC 6749, 4.1.2; RFC 9700, 4.5).

use super::error::TokenError;
use super::keys::{SigningKey, SigningKeys};
use super::request::AuthorizationRequest;
use crate::oidc::client::Client;
use crate::oidc::upstream::half_hash;
use crate::ports::{Once, Parked, Parking, ParkingKey, Peers};
use crate::{Moment, RelyingParty};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Header;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

const CODE: &str = "oidc-code";
const ACCESS_TOKEN: &str = "oidc-access-token";
/// Who got tokens in a session; the group is the session's name.
const PARTICIPANT: &str = "oidc-participant";

/// From the browser's redirect to the application's request.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// A code that comes again within this is known for a replay.
const CODE_REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// An ID token is read at once.
const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The token endpoint's part. Cheap to clone.
#[derive(Clone)]
pub struct Provider {
    pub parking: Arc<dyn Parking>,
    pub once: Arc<dyn Once>,
    pub peers: Arc<dyn Peers>,
    pub keys: Arc<dyn SigningKeys>,
}

/// Who signed in, as an application is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub sub: String,
    /// The session's name.
    pub sid: String,
    pub session_ends: Moment,
    pub auth_time: Moment,
    pub acr: String,
    pub amr: Vec<String>,
    /// Members beside those of the protocol.
    pub claims: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Code {
    client_id: String,
    redirect_uri: String,
    code_challenge: String,
    nonce: Option<String>,
    scopes: Vec<String>,
    valid_until: Moment,
    answered: Answered,
    /// The group of the tokens that come of it.
    grant: String,
}

#[derive(Serialize, Deserialize)]
struct Access {
    client_id: String,
    sub: String,
    claims: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Participant {
    client_id: String,
    grant: String,
}

/// What came to the token endpoint.
#[derive(Debug, Default)]
pub struct TokenRequest<'a> {
    /// The header `Authorization`, whole.
    pub authorization: Option<&'a str>,
    pub grant_type: &'a str,
    pub code: &'a str,
    pub redirect_uri: &'a str,
    pub code_verifier: &'a str,
    pub client_id: &'a str,
    pub client_secret: &'a str,
}

#[derive(Debug, Serialize)]
pub struct Redeemed {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: u64,
    pub scope: String,
    pub id_token: String,
}

impl Provider {
    /// A code for an application whose person has signed in. `entropy`: the code, and the grant's name.
    pub async fn code(
        &self,
        tenant: &str,
        request: &AuthorizationRequest,
        answered: Answered,
        entropy: &[u8; 64],
        now: Moment,
    ) -> Result<ParkingKey, TokenError> {
        let [code, grant] = halves(entropy);
        let key = ParkingKey::from_entropy(&code);
        let body = Code {
            client_id: request.client_id.clone(),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            scopes: request.scopes.clone(),
            valid_until: now.plus(CODE_LIFETIME),
            answered,
            grant: URL_SAFE_NO_PAD.encode(grant),
        };
        let parked = parked(tenant, CODE, "", &body, now.plus(CODE_REMEMBERED))?;
        self.parking.park(&key, &parked).await?;
        Ok(key)
    }

    /// The client proves itself, then the code is spent, then everything it was made for is compared:
    /// a wrong verifier costs the code.
    pub async fn redeem(
        &self,
        tenant: &str,
        issuer: &str,
        request: &TokenRequest<'_>,
        entropy: &[u8; 64],
        now: Moment,
    ) -> Result<Redeemed, TokenError> {
        let party = self.client(tenant, request).await?;
        let client = party
            .oidc
            .as_ref()
            .ok_or(TokenError::InvalidClient("it speaks another protocol"))?;
        if request.grant_type != "authorization_code" {
            return Err(TokenError::UnsupportedGrantType);
        }
        let key =
            ParkingKey::parse(request.code).ok_or(TokenError::InvalidGrant("no code of ours"))?;
        let found = self.parking.parked(tenant, CODE, &key, now).await?;
        let found = found.ok_or(TokenError::InvalidGrant("an unknown code"))?;
        let code: Code = read(&found.body)?;
        if code.client_id != client.client_id {
            // Not spent: one application must not be able to burn another's codes.
            return Err(TokenError::InvalidGrant("a code of another client"));
        }
        let until = found.expires_at;
        if !self
            .once
            .first(tenant, CODE, request.code, until, now)
            .await?
        {
            let fallen = self
                .parking
                .claim_group(tenant, ACCESS_TOKEN, &code.grant, now)
                .await?;
            tracing::warn!(
                client_id = %client.client_id,
                tokens = fallen.len(),
                "a code came a second time: the tokens of the first are revoked"
            );
            return Err(TokenError::InvalidGrant("a code that was used before"));
        }
        if now >= code.valid_until {
            return Err(TokenError::InvalidGrant("a code that is over"));
        }
        if code.redirect_uri != request.redirect_uri {
            return Err(TokenError::InvalidGrant(
                "another `redirect_uri` than the request's",
            ));
        }
        if !proves(request.code_verifier, &code.code_challenge) {
            return Err(TokenError::InvalidGrant(
                "a `code_verifier` that does not fit",
            ));
        }
        self.issue(tenant, issuer, &party, client, code, entropy, now)
            .await
    }

    #[allow(clippy::too_many_arguments, reason = "each a type of its own")]
    async fn issue(
        &self,
        tenant: &str,
        issuer: &str,
        party: &RelyingParty,
        client: &Client,
        code: Code,
        entropy: &[u8; 64],
        now: Moment,
    ) -> Result<Redeemed, TokenError> {
        let [token, participant] = halves(entropy);
        let access_token = ParkingKey::from_entropy(&token);
        let ring = self.keys.ring(now)?;
        let signer = ring.signer(client.id_token_alg);
        let signer = signer.ok_or_else(|| {
            crate::ports::PortError::new(format!(
                "there is no {} key",
                client.id_token_alg.as_str()
            ))
        })?;
        let answered = code.answered;
        let id_token = id_token(
            signer,
            issuer,
            &client.client_id,
            code.nonce.as_deref(),
            &answered,
            &access_token,
            now,
        )?;
        let access = Access {
            client_id: client.client_id.clone(),
            sub: answered.sub.clone(),
            claims: answered.claims.clone(),
        };
        // It never outlives the session it was given in.
        let ends = now
            .plus(client.access_token_lifetime)
            .min(answered.session_ends);
        let body = parked(tenant, ACCESS_TOKEN, &code.grant, &access, ends)?;
        let takes_part = Participant {
            client_id: client.client_id.clone(),
            grant: code.grant.clone(),
        };
        let takes_part = parked(
            tenant,
            PARTICIPANT,
            &answered.sid,
            &takes_part,
            answered.session_ends,
        )?;
        self.parking.park(&access_token, &body).await?;
        self.parking
            .park(&ParkingKey::from_entropy(&participant), &takes_part)
            .await?;
        tracing::info!(relying_party = %party.name, "an application was given an ID token");
        Ok(Redeemed {
            access_token: access_token.as_str().to_owned(),
            token_type: "Bearer",
            expires_in: ends.since(now).as_secs(),
            scope: code.scopes.join(" "),
            id_token,
        })
    }

    /// What an access token reads.
    pub async fn userinfo(
        &self,
        tenant: &str,
        token: &str,
        now: Moment,
    ) -> Result<Map<String, Value>, TokenError> {
        let key = ParkingKey::parse(token).ok_or(TokenError::InvalidToken)?;
        let found = self.parking.parked(tenant, ACCESS_TOKEN, &key, now).await?;
        let access: Access = read(&found.ok_or(TokenError::InvalidToken)?.body)?;
        // An application that was switched off reads nothing more.
        let party = self
            .peers
            .relying_party_by_client_id(tenant, &access.client_id)
            .await?;
        if !party.is_some_and(|party| party.enabled) {
            return Err(TokenError::InvalidToken);
        }
        let mut said = access.claims;
        said.insert("sub".to_owned(), access.sub.into());
        Ok(said)
    }

    /// The session has ended: its access tokens read nothing more. Returns the clients that had some.
    pub async fn session_ended(
        &self,
        tenant: &str,
        sid: &str,
        now: Moment,
    ) -> Result<Vec<String>, TokenError> {
        let mut clients = Vec::new();
        for parked in self
            .parking
            .claim_group(tenant, PARTICIPANT, sid, now)
            .await?
        {
            let participant: Participant = read(&parked.body)?;
            self.parking
                .claim_group(tenant, ACCESS_TOKEN, &participant.grant, now)
                .await?;
            if !clients.contains(&participant.client_id) {
                clients.push(participant.client_id);
            }
        }
        Ok(clients)
    }

    /// `client_secret_basic`, `client_secret_post`, or none for a public client. One way at a time
    /// (RFC 6749, 2.3).
    async fn client(
        &self,
        tenant: &str,
        request: &TokenRequest<'_>,
    ) -> Result<Arc<RelyingParty>, TokenError> {
        let (id, secret) = match request.authorization {
            Some(header) => {
                if !request.client_secret.is_empty() {
                    return Err(TokenError::InvalidRequest(
                        "two ways of client authentication at once",
                    ));
                }
                let (id, secret) = basic(header)
                    .ok_or(TokenError::InvalidClient("a header that cannot be read"))?;
                if !request.client_id.is_empty() && request.client_id != id {
                    return Err(TokenError::InvalidRequest("two clients at once"));
                }
                (id, Some(secret))
            }
            None => {
                let secret =
                    (!request.client_secret.is_empty()).then(|| request.client_secret.to_owned());
                (request.client_id.to_owned(), secret)
            }
        };
        let party = self.peers.relying_party_by_client_id(tenant, &id).await?;
        let party = party
            .filter(|party| party.enabled)
            .ok_or(TokenError::InvalidClient("an unknown client"))?;
        let known = party.oidc.as_ref().and_then(|client| client.secret);
        match (known, secret) {
            (Some(known), Some(given)) if known.matches(&given) => Ok(party),
            (Some(_), Some(_)) => Err(TokenError::InvalidClient("another secret")),
            (Some(_), None) => Err(TokenError::InvalidClient("no secret")),
            (None, None) => Ok(party),
            // A public client that sends one believes that it is protected by it.
            (None, Some(_)) => Err(TokenError::InvalidClient("a secret of a public client")),
        }
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Provider")
    }
}

fn id_token(
    signer: &SigningKey,
    issuer: &str,
    client_id: &str,
    nonce: Option<&str>,
    answered: &Answered,
    access_token: &ParkingKey,
    now: Moment,
) -> Result<String, TokenError> {
    let algorithm = signer.algorithm.jose();
    let mut claims = answered.claims.clone();
    let ours = json!({
        "iss": issuer,
        "sub": answered.sub,
        "aud": client_id,
        "iat": now.seconds(),
        "exp": now.plus(ID_TOKEN_LIFETIME).seconds(),
        "auth_time": answered.auth_time.seconds(),
        "acr": answered.acr,
        "amr": answered.amr,
        "sid": answered.sid,
    });
    if let Value::Object(ours) = ours {
        // Ours last: no claim of an account can speak for the protocol.
        claims.extend(ours);
    }
    if let Some(nonce) = nonce {
        claims.insert("nonce".to_owned(), nonce.into());
    }
    if let Some(hash) = half_hash(algorithm, access_token.as_str()) {
        claims.insert("at_hash".to_owned(), hash.into());
    }
    let mut header = Header::new(algorithm);
    header.kid = Some(signer.kid.clone());
    Ok(jsonwebtoken::encode(&header, &claims, signer.encoding())?)
}

/// RFC 7636, 4.6: 43 to 128 unreserved characters whose SHA-256 is the challenge.
fn proves(verifier: &str, challenge: &str) -> bool {
    let orderly = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    orderly && bool::from(hash.as_bytes().ct_eq(challenge.as_bytes()))
}

/// RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let form = format!("x={}", text.replace('&', "%26").replace(';', "%3B"));
        let mut pairs = url::form_urlencoded::parse(form.as_bytes());
        pairs.next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

fn halves(entropy: &[u8; 64]) -> [[u8; 32]; 2] {
    let mut halves = [[0; 32]; 2];
    halves[0].copy_from_slice(&entropy[..32]);
    halves[1].copy_from_slice(&entropy[32..]);
    halves
}

fn parked(
    tenant: &str,
    kind: &str,
    group: &str,
    body: &impl Serialize,
    expires_at: Moment,
) -> Result<Parked, TokenError> {
    let body = serde_json::to_vec(body)
        .map_err(|error| crate::ports::PortError::caused("it cannot be written", error))?;
    Ok(Parked {
        kind: kind.to_owned(),
        tenant: tenant.to_owned(),
        group: group.to_owned(),
        body,
        expires_at,
    })
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, TokenError> {
    Ok(serde_json::from_slice(body).map_err(|error| {
        crate::ports::PortError::caused("what was parked cannot be read", error)
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_challenge_and_nothing_else_does() {
        // RFC 7636, appendix B
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, challenge));
        assert!(!proves(challenge, challenge), "plain is not S256");
        assert!(!proves("", challenge));
        assert!(!proves(&verifier[..42], challenge));
    }

    #[test]
    fn both_parts_of_basic_are_form_decoded() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let of = |text: &str| basic(&header(text));
        assert_eq!(of("shop:s3cret"), Some(("shop".into(), "s3cret".into())));
        assert_eq!(of("a%3Ab:p%2B+q"), Some(("a:b".into(), "p+ q".into())));
        assert_eq!(of("shop:a&b=c"), Some(("shop".into(), "a&b=c".into())));
        assert_eq!(basic("Bearer x"), None);
        assert_eq!(basic("Basic ***"), None);
        assert_eq!(of("nocolon"), None);
    }
}
