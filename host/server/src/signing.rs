//! The keys that sign ID tokens, in a file of the data folder with mode 0600.
//!
//! A key is published two days before it signs and a week after it did: applications read the
//! published ones about once an hour, and an ID token is read at once.

use crate::keys::{Keys, read, write};
use anyhow::Context;
use postern_federation::oidc::client::SigningAlgorithm;
use postern_federation::oidc::provider::keys::generate;
use postern_federation::oidc::provider::{SigningKey, SigningKeys, SigningRing};
use postern_federation::ports::PortError;
use postern_federation::{Moment, Secret};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

const DAY: u64 = 24 * 3600;
/// How long a key signs.
const SIGNS_FOR: u64 = 90 * DAY;
const PUBLISHED_BEFORE: u64 = 2 * DAY;
const PUBLISHED_AFTER: u64 = 7 * DAY;
/// The file is looked at again after this.
const LOOK_AGAIN: u64 = 60;

const ALGORITHMS: [SigningAlgorithm; 2] = [SigningAlgorithm::RS256, SigningAlgorithm::ES256];

#[derive(Debug)]
pub(crate) struct FileSigningKeys {
    path: PathBuf,
    last: Mutex<Option<(u64, Arc<SigningRing>)>>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    algorithm: SigningAlgorithm,
    /// Unix seconds.
    signs_from: u64,
    /// PKCS #8.
    pem: Secret,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    keys: Vec<Entry>,
}

impl FileSigningKeys {
    /// Makes the first keys where there are none, so that nobody waits for them later.
    pub(crate) fn open(keys: &Keys, now: Moment) -> anyhow::Result<Self> {
        let opened = Self {
            path: keys.path("id-token-signing.json"),
            last: Mutex::default(),
        };
        opened.look(now.seconds())?;
        Ok(opened)
    }

    fn look(&self, now: u64) -> anyhow::Result<Arc<SigningRing>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, ring)) = &*last
            && now.abs_diff(*at) < LOOK_AGAIN
        {
            return Ok(ring.clone());
        }
        let mut file: File = match read(&self.path)? {
            Some(text) => serde_json::from_str(&text).with_context(|| {
                format!(
                    "`{}` is no key file: restore it, or remove it and have applications read the new keys",
                    self.path.display()
                )
            })?,
            None => File::default(),
        };
        if turn(&mut file.keys, now)? {
            write(&self.path, &serde_json::to_string_pretty(&file)?)?;
        }
        let ring = Arc::new(ring(&file.keys, now)?);
        *last = Some((now, ring.clone()));
        Ok(ring)
    }
}

impl SigningKeys for FileSigningKeys {
    fn ring(&self, now: Moment) -> Result<Arc<SigningRing>, PortError> {
        self.look(now.seconds())
            .map_err(|error| PortError::new(format!("{error:#}")))
    }
}

/// Makes the keys that are due and drops those that are over. True if anything changed.
fn turn(keys: &mut Vec<Entry>, now: u64) -> anyhow::Result<bool> {
    let mut changed = false;
    for algorithm in ALGORITHMS {
        let newest = keys
            .iter()
            .filter(|key| key.algorithm == algorithm)
            .map(|key| key.signs_from)
            .max();
        let signs_from = match newest {
            None => Some(now),
            Some(from) if now + PUBLISHED_BEFORE >= from + SIGNS_FOR => {
                Some((from + SIGNS_FOR).max(now + PUBLISHED_BEFORE))
            }
            Some(_) => None,
        };
        if let Some(signs_from) = signs_from {
            let pem = generate(algorithm)?;
            keys.push(Entry {
                algorithm,
                signs_from,
                pem,
            });
            changed = true;
        }
        if let Some(current) = current(keys, algorithm, now) {
            let before = keys.len();
            keys.retain(|key| {
                key.algorithm != algorithm
                    || key.signs_from >= current
                    || now < current + PUBLISHED_AFTER
            });
            changed |= keys.len() < before;
        }
    }
    Ok(changed)
}

/// Since when the key that signs now has signed.
fn current(keys: &[Entry], algorithm: SigningAlgorithm, now: u64) -> Option<u64> {
    keys.iter()
        .filter(|key| key.algorithm == algorithm && key.signs_from <= now)
        .map(|key| key.signs_from)
        .max()
}

fn ring(keys: &[Entry], now: u64) -> anyhow::Result<SigningRing> {
    let mut ring = SigningRing::default();
    for key in keys {
        let read = SigningKey::read(key.algorithm, key.pem.expose())?;
        if current(keys, key.algorithm, now) == Some(key.signs_from) {
            ring.signing.push(read);
        } else {
            ring.published.push(read);
        }
    }
    Ok(ring)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(days: u64) -> Moment {
        Moment::from_seconds((20_000 + days) * DAY)
    }

    fn signer(keys: &FileSigningKeys, days: u64) -> String {
        let ring = keys.ring(at(days)).unwrap();
        ring.signer(SigningAlgorithm::ES256).unwrap().kid.clone()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Keys::open(dir.path()).unwrap();
        let keys = FileSigningKeys::open(&folder, at(0)).unwrap();
        let first = signer(&keys, 0);
        assert_eq!(
            keys.ring(at(87)).unwrap().jwks().keys.len(),
            2,
            "one of each algorithm"
        );
        let ring = keys.ring(at(89)).unwrap();
        assert_eq!(ring.jwks().keys.len(), 4, "the next ones are published");
        assert_eq!(signer(&keys, 89), first, "and do not sign yet");
        let second = signer(&keys, 91);
        assert_ne!(second, first);
        let ring = keys.ring(at(92)).unwrap();
        assert!(
            ring.by_kid(&first).is_some(),
            "tokens of the first are still read"
        );
        let ring = keys.ring(at(98)).unwrap();
        assert!(ring.by_kid(&first).is_none());
        assert_eq!(ring.jwks().keys.len(), 2);
    }

    #[test]
    fn keys_survive_a_restart_and_stay_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Keys::open(dir.path()).unwrap();
        let keys = FileSigningKeys::open(&folder, at(0)).unwrap();
        let again = FileSigningKeys::open(&folder, at(1)).unwrap();
        assert_eq!(signer(&keys, 1), signer(&again, 1));
        let published = serde_json::to_string(&keys.ring(at(1)).unwrap().jwks()).unwrap();
        for private in ["\"d\"", "\"p\"", "\"q\"", "PRIVATE"] {
            assert!(!published.contains(private), "{private}");
        }
    }
}
