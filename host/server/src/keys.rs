//! The host's own keys, in files of the data folder with mode 0600: those that hash codes, the one
//! that signs forms, the administrator's token.
//!
//! They are made when they are missing. A file that others can read is refused: what it protected
//! must be taken for known.

use crate::entropy;
use anyhow::{Context, bail};
use postern_federation::Secret;
use postern_otp::{HashKey, KeyRing, Timestamp};
use postern_store::RowKeys;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// A new key is made when the newest is older. Hashes of codes live ten minutes; but counters of
/// numbers are named by the newest key too, so that a rotation forgets them: seldom, then.
const ROTATE_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);
/// A key that made no hash for this long is dropped. Far longer than any code lives.
const DROP_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The folder of key files.
#[derive(Debug, Clone)]
pub struct Keys {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingFile {
    keys: Vec<RingKey>,
}

/// Newest first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingKey {
    id: u32,
    /// Unix seconds.
    made_at: u64,
    /// 64 hex digits.
    secret: Secret,
}

impl Keys {
    /// The folder `keys` of the data folder; both are made if they are missing.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = data_dir.join("keys");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        Ok(Self { folder })
    }

    /// The keys that hash codes. Makes the first one, and a new one when its time has come.
    pub fn ring(&self, now: Timestamp) -> anyhow::Result<KeyRing> {
        let path = self.folder.join("code-hash.json");
        let mut ring = match read(&path)? {
            Some(text) => serde_json::from_str(&text).with_context(|| {
                format!(
                    "`{}` is no key file: restore it, or remove it if no code is under way",
                    path.display()
                )
            })?,
            None => RingFile { keys: Vec::new() },
        };
        let seconds = now.unix_seconds();
        let age = |key: &RingKey| Duration::from_secs(seconds.saturating_sub(key.made_at));
        let fresh = ring.keys.first().is_some_and(|key| age(key) < ROTATE_AFTER);
        if !fresh {
            let id = ring.keys.iter().map(|key| key.id).max().unwrap_or(0) + 1;
            let secret = Secret::new(hex::encode(entropy::key()?));
            // The former newest made its last hash now; earlier ones made theirs a rotation ago.
            ring.keys.truncate(1);
            ring.keys.insert(
                0,
                RingKey {
                    id,
                    made_at: seconds,
                    secret,
                },
            );
            write(&path, &serde_json::to_string_pretty(&ring)?)?;
        } else if ring.keys.len() > 1 && age(&ring.keys[0]) > DROP_AFTER {
            ring.keys.truncate(1);
            write(&path, &serde_json::to_string_pretty(&ring)?)?;
        }
        let keys = ring
            .keys
            .iter()
            .map(|key| Ok(HashKey::new(key.id, bytes(&path, key.secret.expose())?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        KeyRing::new(keys).context("a key ring has at least one key")
    }

    /// The key that binds forms to their browser. It outlives a restart, or open pages would break.
    pub fn form_key(&self) -> anyhow::Result<[u8; 32]> {
        self.single("forms.key")
    }

    /// The administrator's token: hex, one line.
    pub fn admin_token(&self) -> anyhow::Result<Zeroizing<String>> {
        Ok(Zeroizing::new(hex::encode(self.single("admin.token")?)))
    }

    /// What persistent SAML names are made with.
    pub(crate) fn saml_names(&self) -> anyhow::Result<[u8; 32]> {
        self.single("saml-names.key")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The keys that the store writes rows with.
    pub fn row_keys(&self) -> anyhow::Result<RowKeys> {
        Ok(RowKeys {
            audit: self.single("audit.key")?,
            documents: self.single("documents.key")?,
        })
    }

    fn single(&self, name: &str) -> anyhow::Result<[u8; 32]> {
        let path = self.folder.join(name);
        if let Some(text) = read(&path)? {
            return bytes(&path, text.trim());
        }
        let key = entropy::key()?;
        write(&path, &hex::encode(key))?;
        Ok(key)
    }
}

fn bytes(path: &Path, text: &str) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).map_err(|_| {
        anyhow::anyhow!(
            "`{}` is no key file: expected 64 hexadecimal digits",
            path.display()
        )
    })?;
    Ok(key)
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Zeroizing<String>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read `{}`", path.display()));
        }
    };
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "`{}` can be read by others (mode {:o}): make new keys by removing it, or take the right away by `chmod 600` if nobody looked",
            path.display(),
            mode & 0o777
        );
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Some(text))
}

/// Whole or not at all: a half-written key file would lock everybody out.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    written().with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: u64 = 24 * 3600 * 1000;

    fn keys() -> (tempfile::TempDir, Keys) {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        (dir, keys)
    }

    #[test]
    fn keys_survive_a_restart() {
        let (dir, keys) = keys();
        let first = keys.ring(Timestamp(DAY)).unwrap().newest().id;
        let form = keys.form_key().unwrap();
        let again = Keys::open(dir.path()).unwrap();
        assert_eq!(again.ring(Timestamp(2 * DAY)).unwrap().newest().id, first);
        assert_eq!(again.form_key().unwrap(), form);
    }

    #[test]
    fn a_key_of_ninety_days_is_followed_by_a_new_one_and_still_checks() {
        let (_dir, keys) = keys();
        let first = keys.ring(Timestamp(0)).unwrap().newest().id;
        let next = keys.ring(Timestamp(91 * DAY)).unwrap();
        assert_ne!(next.newest().id, first);
        let file = std::fs::read_to_string(keys.folder.join("code-hash.json")).unwrap();
        assert_eq!(file.matches("made_at").count(), 2);
        let _ = keys.ring(Timestamp(99 * DAY)).unwrap();
        let file = std::fs::read_to_string(keys.folder.join("code-hash.json")).unwrap();
        assert_eq!(file.matches("made_at").count(), 1);
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let (_dir, keys) = keys();
        let _ = keys.form_key().unwrap();
        let path = keys.folder.join("forms.key");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = keys.form_key().unwrap_err().to_string();
        assert!(error.contains("can be read by others"), "{error}");
    }

    #[test]
    fn a_broken_key_file_is_refused_and_never_replaced() {
        let (_dir, keys) = keys();
        let path = keys.folder.join("code-hash.json");
        write(&path, "{").unwrap();
        assert!(keys.ring(Timestamp(0)).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{");
    }
}
