//! Signatures with a private key: RS256, ES256 (as JWT has it, r and s side by side) and Ed25519.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use super::Fault;

pub(crate) enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    /// A PKCS#8 key in PEM, whatever kind it is.
    pub(crate) fn parse(pem: &[u8]) -> Option<Key> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        let der = der.secret_pkcs8_der();
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Some(Key::Ed25519(key));
        }
        if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Some(Key::P256(key));
        }
        RsaKeyPair::from_pkcs8(der).ok().map(Key::Rsa)
    }

    /// A signature by an algorithm of the registry; the key must be of its kind.
    pub(crate) fn sign(&self, algorithm: Algorithm, data: &[u8]) -> Option<Result<Vec<u8>, Fault>> {
        Some(match (algorithm, self) {
            (Algorithm::Rs256, Key::Rsa(key)) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    data,
                    &mut signature,
                )
                .map(|()| signature)
                .map_err(|_| Fault::Signing)
            }
            (Algorithm::Es256, Key::P256(key)) => key
                .sign(&SystemRandom::new(), data)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| Fault::Signing),
            (Algorithm::Ed25519, Key::Ed25519(key)) => Ok(key.sign(data).as_ref().to_vec()),
            (Algorithm::Rs256 | Algorithm::Es256 | Algorithm::Ed25519, _) => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    Ed25519,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Result<Algorithm, Fault> {
        match name {
            "rs256" => Ok(Algorithm::Rs256),
            "es256" => Ok(Algorithm::Es256),
            "ed25519" => Ok(Algorithm::Ed25519),
            _ => Err(Fault::Unknown {
                registry: "signature",
                name: name.into(),
            }),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "rs256",
            Algorithm::Es256 => "es256",
            Algorithm::Ed25519 => "ed25519",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;
    use crate::program::encode::encode;

    const RSA: &str = include_str!("vectors/rfc7515-a2-rsa.pem");
    const P256: &str = include_str!("vectors/rfc7515-a3-p256.pem");
    const ED25519: &str = include_str!("vectors/rfc8032-test1-ed25519.pem");
    const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    fn sign(pem: &str, algorithm: &str, data: &[u8]) -> Option<Vec<u8>> {
        let key = Key::parse(pem.as_bytes()).unwrap();
        key.sign(Algorithm::named(algorithm).unwrap(), data)
            .map(Result::unwrap)
    }

    /// RFC 7515 appendix A.2
    #[test]
    fn the_published_rs256_signature_holds() {
        let signature = sign(
            RSA,
            "rs256",
            format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}").as_bytes(),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(encode("base64url", &signature).unwrap()).unwrap(),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dn\
             ZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e\
             OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
                .replace(' ', "")
        );
    }

    /// RFC 7515 appendix A.3: the signature is drawn anew each time, so the published public key judges it.
    #[test]
    fn an_es256_signature_verifies_under_the_published_key() {
        let data = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}");
        let signature = sign(P256, "es256", data.as_bytes()).unwrap();
        assert_eq!(signature.len(), 64);
        let mut public = vec![4];
        public.extend(
            encode(
                "from-base64url",
                b"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            )
            .unwrap(),
        );
        public.extend(
            encode(
                "from-base64url",
                b"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            )
            .unwrap(),
        );
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
            .verify(data.as_bytes(), &signature)
            .unwrap();
    }

    /// RFC 8032 section 7.1, test 1
    #[test]
    fn the_published_ed25519_signature_holds() {
        assert_eq!(
            hex::encode(sign(ED25519, "ed25519", b"").unwrap()),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
    }

    #[test]
    fn a_key_of_another_kind_does_not_sign() {
        assert_eq!(sign(RSA, "es256", b""), None);
        assert_eq!(sign(P256, "ed25519", b""), None);
        assert_eq!(sign(ED25519, "rs256", b""), None);
        assert!(Key::parse(b"not a key").is_none());
        assert!(Algorithm::named("none").is_err());
    }
}
