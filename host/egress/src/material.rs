//! What the host knows for one request and no plugin does: the number, the text, the code, the secrets and kept values, and
//! the instant and the nonce of the request. Owns lookup by name; does not know what a request looks like.

use std::fmt;
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use crate::grant::OriginPattern;
use crate::limits::NAMED_VALUES_MAX;
use crate::origin::Origin;
use crate::program::sign::Key;
use crate::secret::Secret;

/// A secret setting of a sender, and the origins it may go to.
pub struct NamedSecret {
    pub name: String,
    pub value: Secret,
    /// Where the operator bound it: usually the origins of the sender's grant.
    pub origins: Vec<OriginPattern>,
    /// The parsed key, if the secret is one: parsing an RSA key costs more than using it.
    key: OnceLock<Arc<Key>>,
}

impl NamedSecret {
    pub fn new(
        name: impl Into<String>,
        value: impl Into<Secret>,
        origins: Vec<OriginPattern>,
    ) -> NamedSecret {
        NamedSecret {
            name: name.into(),
            value: value.into(),
            origins,
            key: OnceLock::new(),
        }
    }

    /// The secret as a signing key, parsed at the first use and kept for as long as the secret is.
    pub(crate) fn key(&self, parse: impl FnOnce(&[u8]) -> Option<Key>) -> Option<Arc<Key>> {
        if let Some(key) = self.key.get() {
            return Some(key.clone());
        }
        let key = Arc::new(parse(self.value.expose())?);
        Some(self.key.get_or_init(|| key).clone())
    }
}

impl fmt::Debug for NamedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [secret]", self.name)
    }
}

/// The secrets of a sender: made once per configuration, shared by its requests.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<[NamedSecret]>);

impl Secrets {
    /// # Errors
    /// More secrets than a provenance set can name, or one name twice.
    pub fn new(secrets: Vec<NamedSecret>) -> Result<Secrets, SecretsError> {
        if secrets.len() > NAMED_VALUES_MAX - crate::limits::KEPT_PER_SENDER_MAX {
            return Err(SecretsError::TooMany);
        }
        for (at, secret) in secrets.iter().enumerate() {
            if secrets[..at].iter().any(|other| other.name == secret.name) {
                return Err(SecretsError::Twice(secret.name.clone()));
            }
        }
        Ok(Secrets(secrets.into()))
    }

    pub(crate) fn all(&self) -> &[NamedSecret] {
        &self.0
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SecretsError {
    #[error("a sender has at most {} secrets", NAMED_VALUES_MAX - crate::limits::KEPT_PER_SENDER_MAX)]
    TooMany,
    #[error("secret `{0}` is there twice")]
    Twice(String),
}

/// A value cut out of an earlier reply, bound to the origin it came from.
#[derive(Clone, Debug)]
pub struct KeptValue {
    pub name: String,
    pub value: Secret,
    pub origin: Origin,
}

/// The number a message goes to, in the forms the interface names.
#[derive(Clone)]
pub struct Recipient {
    /// `+94771234567`
    pub e164: String,
    /// `94`
    pub calling_code: String,
    /// The national significant number, `771234567`.
    pub national: String,
    /// As dialled at home, `0771234567`.
    pub dialled: String,
}

impl Recipient {
    /// `94771234567`
    pub fn digits(&self) -> &str {
        self.e164.strip_prefix('+').unwrap_or(&self.e164)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[recipient]")
    }
}

/// The text of a message, whole and as segmented.
#[derive(Clone)]
pub struct Text {
    pub whole: String,
    /// Part 1 first; empty where the text is one segment and nobody asks for parts.
    pub parts: Vec<String>,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[text]")
    }
}

/// What is drawn once for a request.
#[derive(Clone, Debug)]
pub struct Nonce {
    /// Fresh random bytes; `uuid`, `hex` and `base64url` are views of them.
    pub bytes: [u8; 16],
    /// 1 to 2147483647, derived from the message, so that a repeated request carries the same number.
    pub int31: u32,
}

impl Nonce {
    /// A nonce from fresh bytes, with the number derived from the message's id.
    pub fn new(bytes: [u8; 16], message_id: &str) -> Nonce {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(message_id.as_bytes());
        let word = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        Nonce {
            bytes,
            int31: word % 0x7fff_ffff + 1,
        }
    }
}

/// Everything the host knows for one request.
#[derive(Clone, Debug)]
pub struct Material {
    pub secrets: Secrets,
    pub kept: Vec<KeptValue>,
    pub recipient: Option<Recipient>,
    pub text: Option<Text>,
    pub code: Option<Secret>,
    /// Where this message's delivery receipts are awaited.
    pub receipt_url: Option<String>,
    /// The instant of the request, in milliseconds since 1970, UTC.
    pub now_unix_ms: i64,
    pub nonce: Nonce,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// L-04
    #[test]
    fn nothing_sensitive_is_printed() {
        let material = Material {
            secrets: Secrets::new(vec![NamedSecret::new("token", "hunter2", vec![])]).unwrap(),
            kept: vec![KeptValue {
                name: "bearer".into(),
                value: Secret::from("hunter3"),
                origin: Origin::parse("https://a.example").unwrap(),
            }],
            recipient: Some(Recipient {
                e164: "+94771234567".into(),
                calling_code: "94".into(),
                national: "771234567".into(),
                dialled: "0771234567".into(),
            }),
            text: Some(Text {
                whole: "hunter4".into(),
                parts: vec!["hunter5".into()],
            }),
            code: Some(Secret::from("123456")),
            receipt_url: None,
            now_unix_ms: 0,
            nonce: Nonce::new([0; 16], "m1"),
        };
        let printed = format!("{material:?}");
        for value in ["hunter", "771234567", "123456"] {
            assert!(!printed.contains(value), "{printed}");
        }
    }

    #[test]
    fn the_idempotency_number_belongs_to_the_message() {
        let number = |bytes, id| Nonce::new(bytes, id).int31;
        assert_eq!(number([1; 16], "m1"), number([2; 16], "m1"));
        assert_ne!(number([1; 16], "m1"), number([1; 16], "m2"));
        assert!((1..=0x7fff_ffff).contains(&number([0; 16], "")));
    }

    #[test]
    fn a_secret_has_one_value() {
        let twice = vec![
            NamedSecret::new("a", "1", vec![]),
            NamedSecret::new("a", "2", vec![]),
        ];
        assert_eq!(
            Secrets::new(twice).unwrap_err(),
            SecretsError::Twice("a".into())
        );
        let many = (0..200)
            .map(|n| NamedSecret::new(n.to_string(), "1", vec![]))
            .collect();
        assert_eq!(Secrets::new(many).unwrap_err(), SecretsError::TooMany);
    }
}
