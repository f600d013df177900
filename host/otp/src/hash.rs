//! A code as it is stored: a keyed hash bound to everything the code is for.

use crate::{Code, PhoneNumber};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
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
        self.mac("digest", &[domain, value])
    }

    /// `use_of_key` keeps the uses of one key apart: no digest of an identifier is ever the hash of
    /// a code. Every part is preceded by its length, so that no two lists of parts read alike.
    fn mac(&self, use_of_key: &str, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_slice())
            .expect("HMAC takes a key of any length");
        for part in std::iter::once(&use_of_key).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn code_mac(&self, code: &Code, binding: Binding<'_>) -> [u8; 32] {
        self.mac(
            "code",
            &[
                binding.challenge,
                binding.tenant,
                binding.purpose,
                binding.number.e164(),
                code.as_str(),
            ],
        )
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
        let key = self.newest();
        CodeHash {
            key: key.id,
            mac: key.code_mac(code, binding),
        }
    }

    /// Constant time. False if the key the hash names is gone.
    pub fn matches(&self, hash: &CodeHash, code: &Code, binding: Binding<'_>) -> bool {
        self.compare(hash, code, binding).into()
    }

    /// As `matches`, without ever becoming a branch: which of several hashes matched must not show
    /// in the time taken (attack A-17).
    pub(crate) fn compare(&self, hash: &CodeHash, code: &Code, binding: Binding<'_>) -> Choice {
        match self.0.iter().find(|key| key.id == hash.key) {
            Some(key) => key.code_mac(code, binding).ct_eq(&hash.mac),
            None => Choice::from(0),
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::code::{Alphabet, CodeFormat};

    fn code(text: &str) -> Code {
        let format = CodeFormat {
            length: 6,
            alphabet: Alphabet::Digits,
        };
        Code::parse(format, text).unwrap()
    }

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text, None).unwrap()
    }

    /// a code of one login, tenant, purpose or number is no code of another.
    #[test]
    fn a_hash_matches_only_its_own_binding() {
        let keys = KeyRing::new(vec![HashKey::new(1, [7; 32])]).unwrap();
        let (mine, other) = (number("+94771234567"), number("+94771234568"));
        let binding = Binding {
            challenge: "one",
            tenant: "t1",
            purpose: "login",
            number: &mine,
        };
        let hash = keys.hash(&code("123456"), binding);
        assert!(keys.matches(&hash, &code("123456"), binding));
        assert!(!keys.matches(&hash, &code("123457"), binding));
        for wrong in [
            Binding {
                challenge: "two",
                ..binding
            },
            Binding {
                tenant: "t2",
                ..binding
            },
            Binding {
                purpose: "verify-number",
                ..binding
            },
            Binding {
                number: &other,
                ..binding
            },
            // The same letters, cut elsewhere: the length prefixes keep them apart.
            Binding {
                challenge: "onet",
                tenant: "1",
                ..binding
            },
        ] {
            assert!(!keys.matches(&hash, &code("123456"), wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_older_key_still_checks_and_a_dropped_one_refuses() {
        let (old, new) = (HashKey::new(1, [1; 32]), HashKey::new(2, [2; 32]));
        let mine = number("+94771234567");
        let binding = Binding {
            challenge: "one",
            tenant: "t1",
            purpose: "login",
            number: &mine,
        };
        let before = KeyRing::new(vec![old.clone()]).unwrap();
        let hash = before.hash(&code("123456"), binding);
        let during = KeyRing::new(vec![new.clone(), old]).unwrap();
        assert!(during.matches(&hash, &code("123456"), binding));
        assert_eq!(during.hash(&code("123456"), binding).key, 2);
        let after = KeyRing::new(vec![new]).unwrap();
        assert!(!after.matches(&hash, &code("123456"), binding));
    }

    /// The digest of an identifier never equals the hash of a code, whatever the identifier says.
    #[test]
    fn the_uses_of_a_key_are_apart() {
        let key = HashKey::new(1, [7; 32]);
        assert_ne!(key.digest("a", "b"), key.digest("ab", ""));
        assert_ne!(key.mac("code", &["a", "b"]), key.digest("a", "b"));
    }

    /// RFC 4231, test case 2 has another key; what is pinned here is our own framing, so that a
    /// change of it (which would void every open challenge) is seen.
    #[test]
    fn the_framing_is_stable() {
        let key = HashKey::new(1, [0; 32]);
        let expected = {
            let mut mac = Hmac::<Sha256>::new_from_slice(&[0; 32]).unwrap();
            mac.update(b"\0\0\0\0\0\0\0\x06digest\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\x02bc");
            <[u8; 32]>::from(mac.finalize().into_bytes())
        };
        assert_eq!(key.digest("a", "bc"), expected);
    }

    /// constant time is by construction (HMAC of what was typed, compared by `subtle`); this
    /// would notice a comparison that ends early. Welch's t over 20,000 samples each, interleaved,
    /// the slowest tenth left out; a noisy machine gets ten rounds.
    #[test]
    fn a_code_that_begins_right_takes_as_long_as_one_that_does_not() {
        let keys = KeyRing::new(vec![HashKey::new(1, [7; 32])]).unwrap();
        let mine = number("+94771234567");
        let binding = Binding {
            challenge: "one",
            tenant: "t1",
            purpose: "login",
            number: &mine,
        };
        let hash = keys.hash(&code("123456"), binding);
        let typed = [code("123450"), code("987650")];
        let round = || {
            let mut samples = [Vec::new(), Vec::new()];
            for turn in 0..40_000 {
                // One goes first as often as the other: a busy machine is no kinder to either.
                let which = (turn + turn / 2) % 2;
                let began = std::time::Instant::now();
                let matched = std::hint::black_box(keys.matches(&hash, &typed[which], binding));
                let nanos = began.elapsed().as_nanos();
                assert!(!matched);
                samples[which].push(f64::from(u32::try_from(nanos).unwrap_or(u32::MAX)));
            }
            let [(mean_a, variance_a), (mean_b, variance_b)] = samples.map(|mut samples| {
                samples.sort_by(f64::total_cmp);
                samples.truncate(18_000);
                let mean = samples.iter().sum::<f64>() / 18_000.0;
                let squares: f64 = samples.iter().map(|s| (s - mean).powi(2)).sum();
                (mean, squares / 17_999.0)
            });
            (mean_a - mean_b) / ((variance_a + variance_b) / 18_000.0).sqrt()
        };
        let mut rounds = Vec::new();
        while rounds.len() < 10 {
            let t = round();
            if t.abs() < 4.5 {
                return;
            }
            rounds.push(t);
        }
        panic!("{rounds:?}");
    }

    #[test]
    fn it_prints_nothing() {
        assert_eq!(format!("{:?}", HashKey::new(3, [9; 32])), "HashKey(3)");
    }
}
