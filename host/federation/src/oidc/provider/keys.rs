//! The keys that sign ID tokens. The next one is published before it signs, and the previous one
//! after, so that no application meets a key it could not have read.

use crate::oidc::client::SigningAlgorithm;
use crate::ports::PortError;
use crate::{Moment, Secret};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use std::sync::Arc;

impl SigningAlgorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
        }
    }

    pub(crate) fn jose(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::ES256 => Algorithm::ES256,
        }
    }
}

/// A private key in PKCS #8, as PEM, to be kept by the caller.
pub fn generate(algorithm: SigningAlgorithm) -> Result<Secret, PortError> {
    let pair = match algorithm {
        SigningAlgorithm::RS256 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        SigningAlgorithm::ES256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
    };
    let pair = pair.map_err(|error| PortError::caused("a signing key cannot be made", error))?;
    Ok(Secret::new(pair.serialize_pem()))
}

#[derive(Clone)]
pub struct SigningKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    encoding: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    pub fn read(algorithm: SigningAlgorithm, pem: &str) -> Result<Self, PortError> {
        let broken = |error| PortError::caused("a signing key cannot be read", error);
        let encoding = match algorithm {
            SigningAlgorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            SigningAlgorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        };
        let encoding = encoding.map_err(broken)?;
        let mut public = Jwk::from_encoding_key(&encoding, algorithm.jose()).map_err(broken)?;
        // RFC 7638: the name follows from the key, so that two hosts with one key agree.
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(broken)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            kid,
            algorithm,
            encoding,
            public,
        })
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    pub(crate) fn decoding(&self) -> Result<DecodingKey, jsonwebtoken::errors::Error> {
        DecodingKey::from_jwk(&self.public)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// All keys there are now.
#[derive(Debug, Clone, Default)]
pub struct SigningRing {
    /// Those that sign, at most one of each algorithm.
    pub signing: Vec<SigningKey>,
    /// Those that will sign or have signed: published, and no more.
    pub published: Vec<SigningKey>,
}

impl SigningRing {
    pub fn signer(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        self.signing.iter().find(|key| key.algorithm == algorithm)
    }

    pub fn by_kid(&self, kid: &str) -> Option<&SigningKey> {
        self.all().find(|key| key.kid == kid)
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        self.signing.iter().chain(&self.published)
    }

    /// The public halves, for `jwks_uri`.
    pub fn jwks(&self) -> JwkSet {
        JwkSet {
            keys: self.all().map(|key| key.public.clone()).collect(),
        }
    }
}

/// Where the keys are kept and when they change: the host's business.
pub trait SigningKeys: Send + Sync {
    fn ring(&self, now: Moment) -> Result<Arc<SigningRing>, PortError>;
}
