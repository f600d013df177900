//! A code as it is stored: a keyed hash bound to everything the code is for.

use crate::{Code, PhoneNumber};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A key for HMAC-SHA-256, 32 bytes, and the number it is known by.
#[derive(Clone)]
pub struct HashKey {
    pub id: u32,
    secret: Zeroizing<[u8; 32]>,
}

/// The keys in use: hashes are made with the newest, checked with the one they name.
#[derive(Clone, Debug)]
pub struct KeyRing(Vec<HashKey>);

/// What a code is bound to: a code of one login, tenant, purpose or number is no code of another.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    pub challenge: &'a str,
    pub tenant: &'a str,
    pub purpose: &'a str,
    pub number: &'a PhoneNumber,
}

/// HMAC-SHA-256 over the code and its binding (each part length-prefixed).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeHash {
    pub key: u32,
    mac: [u8; 32],
}

impl HashKey {
    pub fn new(id: u32, secret: [u8; 32]) -> Self {
        Self {
            id,
            secret: Zeroizing::new(secret),
        }
    }
    /// A keyed digest for identifiers that must not be stored in clear (a number as a counter's name).
    pub fn digest(&self, domain: &str, value: &str) -> [u8; 32] {
        let _ = (domain, value, &self.secret);
        todo!()
    }
}

impl KeyRing {
    /// Newest first; at least one.
    pub fn new(keys: Vec<HashKey>) -> Option<Self> {
        if keys.is_empty() {
            None
        } else {
            Some(Self(keys))
        }
    }
    pub fn newest(&self) -> &HashKey {
        &self.0[0]
    }
    pub fn hash(&self, code: &Code, binding: Binding<'_>) -> CodeHash {
        let _ = (code, binding);
        todo!()
    }
    /// Constant time. False if the key the hash names is gone.
    pub fn matches(&self, hash: &CodeHash, code: &Code, binding: Binding<'_>) -> bool {
        let _ = (hash, code, binding);
        todo!()
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HashKey({})", self.id)
    }
}
impl std::fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[code hash]")
    }
}
