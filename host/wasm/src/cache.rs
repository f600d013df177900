//! Compiled code kept between starts, in a directory nobody else can write.
//!
//! Owns: the files of the cache and the key that proves who wrote them. What is loaded from here
//! runs as native code, so nothing is given back whose MAC does not match, whatever the file system
//! says. Knows nothing of engines: the caller names the compiled code by `code_key`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, fstat, open, openat,
    renameat, renameat_with, statat, unlinkat, utimensat,
};
use rustix::io::Errno;
use sha2::Sha256;

use crate::error::{Refusal, StartError};
use crate::wire::CODE_BYTES_MAX;

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;

/// Where compiled code is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePlace {
    /// The directory of the cache; made (0700) where it is missing. Only the service may own it,
    /// and it must not be the folder plugins are dropped into.
    pub directory: PathBuf,
    /// The file with the key of the MAC; made (0600) at the first start. It belongs beside the
    /// service's other secrets, not into the cache.
    pub key_file: PathBuf,
}

/// An open cache.
pub(crate) struct Cache {
    directory: OwnedFd,
    path: PathBuf,
    key: [u8; KEY_BYTES],
    bytes_max: u64,
    temporary: AtomicU32,
}

/// What the cache knows of a component.
pub(crate) enum Known {
    /// It was compiled.
    Code(Entry),
    /// It was refused, and will be again.
    Refused(Refusal),
}

/// Compiled code in a file that stays open: it can be read again after the cache dropped it.
pub(crate) struct Entry {
    file: File,
    name: String,
    key: [u8; KEY_BYTES],
}

impl Cache {
    /// Opens the cache, making directory and key where they are missing.
    ///
    /// # Errors
    /// If directory or key belong to somebody else or are open to others: code that others may have
    /// written is worse than no cache.
    pub(crate) fn open(place: &CachePlace, bytes_max: u64) -> Result<Self, StartError> {
        let directory =
            open_directory(&place.directory).map_err(|reason| refuse(&place.directory, reason))?;
        let key =
            read_or_make_key(&place.key_file).map_err(|reason| refuse(&place.key_file, reason))?;
        let cache = Cache {
            directory,
            path: place.directory.clone(),
            key,
            bytes_max,
            temporary: AtomicU32::new(0),
        };
        cache.evict();
        Ok(cache)
    }

    /// What is known of a component, if anything. A file that fails its MAC is removed.
    pub(crate) fn find(
        &self,
        sha256: &[u8; 32],
        code_key: &str,
        verdict_key: &str,
    ) -> Option<Known> {
        let name = code_name(sha256, code_key);
        if let Some(entry) = self.find_entry(&name) {
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_NOW,
            };
            let used = Timestamps {
                last_access: now,
                last_modification: now,
            };
            // Without the time the file is only dropped earlier than it deserves.
            let _ = utimensat(&self.directory, &name, &used, AtFlags::SYMLINK_NOFOLLOW);
            return Some(Known::Code(entry));
        }
        let name = refusal_name(sha256, verdict_key);
        let json = self.find_entry(&name)?.read()?;
        serde_json::from_slice(&json).ok().map(Known::Refused)
    }

    /// Keeps compiled code.
    pub(crate) fn keep_code(
        &self,
        sha256: &[u8; 32],
        code_key: &str,
        code: &[u8],
    ) -> Option<Entry> {
        let name = code_name(sha256, code_key);
        self.keep(&name, code)?;
        self.evict();
        self.find_entry(&name)
    }

    /// Keeps a verdict, so that a bad file is not compiled again at every start (P-37).
    pub(crate) fn keep_refusal(&self, sha256: &[u8; 32], code_key: &str, refusal: &Refusal) {
        if let Ok(json) = serde_json::to_vec(refusal) {
            self.keep(&refusal_name(sha256, code_key), &json);
        }
    }

    fn find_entry(&self, name: &str) -> Option<Entry> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return None,
            Err(error) => {
                self.complain(name, &error.to_string());
                return None;
            }
        };
        let checked = fstat(&file)
            .map_err(|error| error.to_string())
            .and_then(|stat| check_ours(&stat, FileType::RegularFile));
        let entry = Entry {
            file: File::from(file),
            name: name.to_owned(),
            key: self.key,
        };
        match checked {
            Ok(()) if entry.read().is_some() => Some(entry),
            Ok(()) => {
                self.complain(name, "its MAC does not match: it is removed");
                let _ = unlinkat(&self.directory, name, AtFlags::empty());
                None
            }
            Err(reason) => {
                self.complain(name, &reason);
                None
            }
        }
    }

    fn keep(&self, name: &str, content: &[u8]) -> Option<()> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(".{}-{number}.tmp", std::process::id());
        let written = (|| {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let _ = unlinkat(&self.directory, &temporary, AtFlags::empty());
            let file = openat(&self.directory, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(file);
            file.write_all(&mac(&self.key, name, content).finalize().into_bytes())?;
            file.write_all(content)?;
            file.sync_all()?;
            // Whoever reads sees the whole file or none.
            renameat(&self.directory, &temporary, &self.directory, name)?;
            rustix::fs::fsync(&self.directory)?;
            Ok::<(), std::io::Error>(())
        })();
        if let Err(error) = written {
            let _ = unlinkat(&self.directory, &temporary, AtFlags::empty());
            self.complain(name, &error.to_string());
            return None;
        }
        Some(())
    }

    /// Drops the least recently used files past the size the cache may have.
    fn evict(&self) {
        let Ok(list) = rustix::fs::Dir::read_from(&self.directory) else {
            return;
        };
        let mut files = Vec::new();
        for entry in list.flatten() {
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let is_ours = name.ends_with(CODE_SUFFIX) || name.ends_with(REFUSAL_SUFFIX);
            if !is_ours {
                continue;
            }
            if let Ok(stat) = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                files.push((
                    stat.st_mtime,
                    u64::try_from(stat.st_size).unwrap_or(0),
                    name.to_owned(),
                ));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, name) in files {
            if total <= self.bytes_max {
                return;
            }
            if unlinkat(&self.directory, &name, AtFlags::empty()).is_ok() {
                total -= size;
            }
        }
    }

    fn complain(&self, name: &str, reason: &str) {
        tracing::warn!(
            path = %self.path.join(name).display(),
            "a file of the compile cache cannot be used: {reason}"
        );
    }
}

impl Entry {
    /// The content, if it is what was written under this name.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        let size = usize::try_from(self.file.metadata().ok()?.len()).ok()?;
        if !(MAC_BYTES..=CODE_BYTES_MAX + MAC_BYTES).contains(&size) {
            return None;
        }
        let mut tag = [0; MAC_BYTES];
        self.file.read_exact_at(&mut tag, 0).ok()?;
        let mut content = vec![0; size - MAC_BYTES];
        self.file
            .read_exact_at(&mut content, MAC_BYTES as u64)
            .ok()?;
        mac(&self.key, &self.name, &content)
            .verify_slice(&tag)
            .ok()?;
        Some(content)
    }
}

const CODE_SUFFIX: &str = ".code";
const REFUSAL_SUFFIX: &str = ".refused";

fn code_name(sha256: &[u8; 32], code_key: &str) -> String {
    file_name(sha256, code_key, CODE_SUFFIX)
}

fn refusal_name(sha256: &[u8; 32], code_key: &str) -> String {
    file_name(sha256, code_key, REFUSAL_SUFFIX)
}

/// The key comes from the worker: only what is harmless in a name is taken from it.
fn file_name(sha256: &[u8; 32], code_key: &str, suffix: &str) -> String {
    let mut name = hex::encode(sha256);
    name.push('-');
    name.extend(
        code_key
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .take(100),
    );
    name.push_str(suffix);
    name
}

/// The name is under the MAC too: code of one component must not be offered as that of another.
fn mac(key: &[u8; KEY_BYTES], name: &str, content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(content);
    mac
}

fn open_directory(path: &Path) -> Result<OwnedFd, String> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(format!("it cannot be made: {error}")),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(path, flags, Mode::empty())
        .map_err(|error| format!("it cannot be opened: {error}"))?;
    let stat = fstat(&directory).map_err(|error| error.to_string())?;
    check_ours(&stat, FileType::Directory)?;
    Ok(directory)
}

fn read_or_make_key(path: &Path) -> Result<[u8; KEY_BYTES], String> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| format!("no randomness for a new key: {error}"))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let made = (|| {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(open(&temporary, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&key)?;
        file.sync_all()?;
        let at = rustix::fs::CWD;
        // Another process may have been first: its key then stands, and is read below.
        match renameat_with(at, &temporary, at, path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                unlinkat(at, &temporary, AtFlags::empty())?;
                Ok(())
            }
            Err(error) => Err(std::io::Error::from(error)),
        }
    })();
    made.map_err(|error: std::io::Error| format!("a new key cannot be written: {error}"))?;
    read_key(path)?.ok_or_else(|| "the new key is gone again".into())
}

fn read_key(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(format!("it cannot be opened: {error}")),
    };
    let stat = fstat(&file).map_err(|error| error.to_string())?;
    check_ours(&stat, FileType::RegularFile)?;
    let mut content = Vec::new();
    File::from(file)
        .take(KEY_BYTES as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| error.to_string())?;
    let key = content
        .try_into()
        .map_err(|_| format!("a key of {KEY_BYTES} bytes is expected"))?;
    Ok(Some(key))
}

fn check_ours(stat: &Stat, kind: FileType) -> Result<(), String> {
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Err("it is not of the expected type".into());
    }
    let me = rustix::process::geteuid().as_raw();
    if stat.st_uid != me {
        return Err(format!(
            "it belongs to user {}: user {me} must own it",
            stat.st_uid
        ));
    }
    let others = stat.st_mode & 0o077;
    if others != 0 {
        let mut mode = String::new();
        let _ = write!(mode, "{:04o}", stat.st_mode & 0o7777);
        return Err(format!(
            "its mode is {mode}: nobody but its owner may have a right to it"
        ));
    }
    Ok(())
}

fn refuse(path: &Path, reason: String) -> StartError {
    StartError::Cache {
        path: path.display().to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::error::Stage;

    const SHA: [u8; 32] = [7; 32];

    struct Place {
        directory: tempfile::TempDir,
        place: CachePlace,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let place = CachePlace {
            directory: directory.path().join("cache"),
            key_file: directory.path().join("cache.key"),
        };
        Place { directory, place }
    }

    fn code(cache: &Cache) -> Option<Vec<u8>> {
        match cache.find(&SHA, "key", "key")? {
            Known::Code(entry) => entry.read(),
            Known::Refused(refusal) => panic!("{refusal}"),
        }
    }

    fn only_file(place: &Place) -> PathBuf {
        let mut files = std::fs::read_dir(&place.place.directory).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        file
    }

    #[test]
    fn what_was_kept_is_found_after_a_restart() {
        let at = place();
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        assert!(code(&cache).is_none());
        cache.keep_code(&SHA, "key", b"compiled").unwrap();
        drop(cache);
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        assert_eq!(code(&cache).unwrap(), b"compiled");
        assert!(
            cache
                .find(&SHA, "another-engine", "another-engine")
                .is_none()
        );
        assert!(cache.find(&[8; 32], "key", "key").is_none());
    }

    /// P-30
    #[test]
    fn a_file_that_was_changed_is_not_given_back_and_removed() {
        let at = place();
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        cache.keep_code(&SHA, "key", b"compiled").unwrap();
        let file = only_file(&at);
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(code(&cache).is_none());
        assert!(!file.exists());
    }

    /// P-30
    #[test]
    fn code_of_one_component_is_not_that_of_another() {
        let at = place();
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        cache.keep_code(&[1; 32], "key", b"compiled").unwrap();
        std::fs::rename(
            only_file(&at),
            at.place.directory.join(code_name(&SHA, "key")),
        )
        .unwrap();
        assert!(code(&cache).is_none());
    }

    /// P-30
    #[test]
    fn a_link_is_not_followed() {
        let at = place();
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        cache.keep_code(&SHA, "key", b"compiled").unwrap();
        let file = only_file(&at);
        let elsewhere = at.directory.path().join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(code(&cache).is_none());
    }

    /// P-30
    #[test]
    fn a_directory_or_key_open_to_others_is_refused() {
        let at = place();
        drop(Cache::open(&at.place, 1 << 20).unwrap());
        for path in [&at.place.directory, &at.place.key_file] {
            let before = std::fs::metadata(path).unwrap().permissions();
            let mut open = before.clone();
            open.set_mode(before.mode() | 0o020);
            std::fs::set_permissions(path, open).unwrap();
            assert!(matches!(
                Cache::open(&at.place, 1 << 20),
                Err(StartError::Cache { .. })
            ));
            std::fs::set_permissions(path, before).unwrap();
        }
        assert!(Cache::open(&at.place, 1 << 20).is_ok());
    }

    #[test]
    fn an_open_entry_outlives_its_file() {
        let at = place();
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        let entry = cache.keep_code(&SHA, "key", b"compiled").unwrap();
        std::fs::remove_file(only_file(&at)).unwrap();
        assert_eq!(entry.read().unwrap(), b"compiled");
    }

    #[test]
    fn the_least_recently_used_files_go_first() {
        let at = place();
        let cache = Cache::open(&at.place, 250).unwrap();
        for n in 0..4_u8 {
            cache.keep(&code_name(&[n; 32], "key"), &[n; 68]).unwrap();
            let file = File::open(at.place.directory.join(code_name(&[n; 32], "key"))).unwrap();
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n.into());
            file.set_modified(then).unwrap();
        }
        cache.evict();
        let left = |n: u8| cache.find(&[n; 32], "key", "key").is_some();
        assert_eq!(
            [left(0), left(1), left(2), left(3)],
            [false, false, true, true]
        );
    }

    /// P-37
    #[test]
    fn a_verdict_is_remembered_as_the_code_would_be() {
        let at = place();
        let cache = Cache::open(&at.place, 1 << 20).unwrap();
        let refusal = Refusal::new(Stage::Compile, "too slow");
        cache.keep_refusal(&SHA, "key", &refusal);
        assert!(
            matches!(cache.find(&SHA, "key", "key"), Some(Known::Refused(found)) if found == refusal)
        );
    }
}
