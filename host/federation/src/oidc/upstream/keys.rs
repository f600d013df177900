//! A provider's public keys, and which one a token was signed with.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// What we accept, whatever a token or a key says (attack X-36): no `none`, no HMAC with a public
/// key, nothing weaker than SHA-256.
const ACCEPTED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// More are nobody's: a key set is small.
const KEYS_MAX: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct KeySet(Vec<Jwk>);

impl KeySet {
    /// Keys of kinds we do not know are passed over: a set may hold them for others.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let keys = document.keys.into_iter().take(KEYS_MAX);
        Ok(Self(
            keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
                .filter(signs)
                .collect(),
        ))
    }

    /// The keys that may have signed a token: by `kid` where it has one, which only ever looks up
    /// (attack X-36), and never one of another family than the algorithm.
    pub(super) fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> Vec<DecodingKey> {
        if !ACCEPTED.contains(&algorithm) {
            return Vec::new();
        }
        let fits = |key: &&Jwk| {
            let named = match (kid, &key.common.key_id) {
                (Some(kid), Some(id)) => kid == id,
                (Some(_), None) => false,
                (None, _) => true,
            };
            named && is_for(key, algorithm)
        };
        let found = self.0.iter().filter(fits);
        found
            .filter_map(|key| DecodingKey::from_jwk(key).ok())
            .take(4)
            .collect()
    }
}

fn signs(key: &Jwk) -> bool {
    let uses = match &key.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(_) => false,
    };
    let operations = key.common.key_operations.as_ref();
    uses && operations.is_none_or(|all| all.contains(&KeyOperations::Verify))
}

fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let family = match (&key.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512,
        ) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            curve.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES384) => {
            curve.curve == EllipticCurve::P384
        }
        (AlgorithmParameters::OctetKeyPair(pair), Algorithm::EdDSA) => {
            pair.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    let said = key.common.key_algorithm;
    family && said.is_none_or(|said| said == algorithm.into())
}
