//! The last good content of each plugin file, kept in the data folder for the next start.
//!
//! Owns: a folder of the host's own, with one folder in it for each file of the plugin folder, named
//! alike. In that lie the newest content that was admitted, the one before it, and a note on content
//! that was taken out of service. What is read from here is admitted like any file: nothing is
//! trusted but that it is what its name says. Losing all of it costs the next start its way back,
//! and nothing else, so no trouble here stops a plugin.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::folder::Sha;

const NEWEST: &str = "newest";
const BEFORE: &str = "before";
const CONDEMNED: &str = "condemned";

/// The kept contents. Every call reads or writes files: not for the runtime's threads.
#[derive(Debug)]
pub(crate) struct LastGood {
    place: PathBuf,
}

/// A kept content, as it was when it was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) sha256: Sha,
    pub(crate) bytes: Vec<u8>,
}

/// What a file in the folder of a plugin file is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    role: String,
    id: String,
    sha256: Sha,
}

impl Entry {
    /// `newest-ID-SHA256.wasm`; an id is letters, digits and hyphens.
    fn name(&self) -> String {
        format!(
            "{}-{}-{}.wasm",
            self.role,
            self.id,
            hex::encode(self.sha256)
        )
    }

    fn parse(name: &str) -> Option<Self> {
        let (role, rest) = name.strip_suffix(".wasm")?.split_once('-')?;
        let (id, sha256) = rest.rsplit_once('-')?;
        Some(Entry {
            role: role.to_owned(),
            id: id.to_owned(),
            sha256: hex::decode(sha256).ok()?.try_into().ok()?,
        })
    }
}

impl LastGood {
    pub(crate) fn new(place: PathBuf) -> Self {
        LastGood { place }
    }

    /// This content of the file serves now; what was the newest until now is the one before.
    pub(crate) fn keep(&self, file: &str, id: &str, sha256: &Sha, bytes: &[u8]) {
        self.warn(file, "kept", self.try_keep(file, id, sha256, bytes));
    }

    /// This content was taken out of service: it does not come back by a restart, and what was there
    /// before it is the newest again.
    pub(crate) fn condemn(&self, file: &str, id: &str, sha256: &Sha) {
        self.warn(file, "condemned", self.try_condemn(file, id, sha256));
    }

    /// The file is gone, by the operator's hand: nothing of it shall come back. What was taken out of
    /// service may be tried again then; says what that was.
    pub(crate) fn forget(&self, file: &str) -> Vec<Sha> {
        let entries = self.entries(file).unwrap_or_default();
        let condemned = entries.iter().filter(|entry| entry.role == CONDEMNED);
        let condemned = condemned.map(|entry| entry.sha256).collect();
        let forgotten = match fs::remove_dir_all(self.of(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        self.warn(file, "forgotten", forgotten);
        condemned
    }

    /// Whether this content was taken out of service before.
    pub(crate) fn is_condemned(&self, file: &str, sha256: &Sha) -> bool {
        let entries = self.entries(file).unwrap_or_default();
        entries
            .iter()
            .any(|entry| entry.role == CONDEMNED && entry.sha256 == *sha256)
    }

    /// Whether this content of the file was admitted before, and nothing is held against it.
    pub(crate) fn is_kept(&self, file: &str, sha256: &Sha) -> bool {
        let entries = self.entries(file).unwrap_or_default();
        entries
            .iter()
            .any(|entry| entry.role != CONDEMNED && entry.sha256 == *sha256)
    }

    /// The contents to fall back on, the newest first. What is not what its name says is passed over.
    pub(crate) fn of_file(&self, file: &str, bytes_max: u64) -> Vec<Kept> {
        let entries = self.entries(file).unwrap_or_default();
        let role = |wanted: &'static str| entries.iter().filter(move |entry| entry.role == wanted);
        let mut found = Vec::new();
        for entry in role(NEWEST).chain(role(BEFORE)) {
            let path = self.of(file).join(entry.name());
            match read(&path, bytes_max) {
                Ok(bytes) if Sha::from(Sha256::digest(&bytes)) == entry.sha256 => {
                    found.push(Kept {
                        sha256: entry.sha256,
                        bytes,
                    });
                }
                Ok(_) => tracing::warn!(
                    plugin.file = file,
                    "a kept version of {file} is damaged and passed over"
                ),
                Err(error) => tracing::warn!(
                    plugin.file = file,
                    "a kept version of {file} cannot be read: {error}"
                ),
            }
        }
        found
    }

    fn try_keep(&self, file: &str, id: &str, sha256: &Sha, bytes: &[u8]) -> io::Result<()> {
        let entries = self.entries(file)?;
        let newest = entries.iter().find(|entry| entry.role == NEWEST);
        if newest.is_some_and(|entry| entry.sha256 == *sha256) {
            return Ok(());
        }
        let folder = self.of(file);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let entry = Entry {
            role: NEWEST.into(),
            id: id.to_owned(),
            sha256: *sha256,
        };
        // Whole under another name first: a crash leaves the old one.
        let unfinished = folder.join("unfinished");
        write(&unfinished, bytes)?;
        if let Some(newest) = newest {
            self.remove(file, &entries, BEFORE)?;
            self.rename(file, newest, BEFORE)?;
        }
        fs::rename(unfinished, folder.join(entry.name()))?;
        fs::File::open(folder)?.sync_all()
    }

    fn try_condemn(&self, file: &str, id: &str, sha256: &Sha) -> io::Result<()> {
        let entries = self.entries(file)?;
        for entry in entries.iter().filter(|entry| entry.sha256 == *sha256) {
            if entry.role != CONDEMNED {
                fs::remove_file(self.of(file).join(entry.name()))?;
            }
        }
        let left = entries.iter().find(|entry| entry.role == BEFORE);
        if let Some(before) = left.filter(|entry| entry.sha256 != *sha256) {
            self.rename(file, before, NEWEST)?;
        }
        // One note is enough: the file has one content at a time.
        self.remove(file, &entries, CONDEMNED)?;
        let folder = self.of(file);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let note = Entry {
            role: CONDEMNED.into(),
            id: id.to_owned(),
            sha256: *sha256,
        };
        write(&folder.join(note.name()), b"")
    }

    fn entries(&self, file: &str) -> io::Result<Vec<Entry>> {
        let listed = match fs::read_dir(self.of(file)) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for entry in listed {
            entries.extend(entry?.file_name().to_str().and_then(Entry::parse));
        }
        Ok(entries)
    }

    fn remove(&self, file: &str, entries: &[Entry], role: &str) -> io::Result<()> {
        for entry in entries.iter().filter(|entry| entry.role == role) {
            fs::remove_file(self.of(file).join(entry.name()))?;
        }
        Ok(())
    }

    fn rename(&self, file: &str, entry: &Entry, role: &str) -> io::Result<()> {
        let renamed = Entry {
            role: role.into(),
            ..entry.clone()
        };
        let folder = self.of(file);
        fs::rename(folder.join(entry.name()), folder.join(renamed.name()))
    }

    /// File names of the plugin folder are letters, digits, `.`, `_` and `-`, without `..`.
    fn of(&self, file: &str) -> PathBuf {
        self.place.join(file)
    }

    fn warn(&self, file: &str, done: &str, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            tracing::warn!(
                plugin.file = file,
                "the last good version of {file} is not {done} in `{}`: {error}",
                self.place.display()
            );
        }
    }
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(
            i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).expect("open flags are small"),
        )
        .open(path)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, bytes_max), &mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn kept() -> (tempfile::TempDir, LastGood) {
        let home = tempfile::tempdir().unwrap();
        let kept = LastGood::new(home.path().join("last-good"));
        (home, kept)
    }

    fn sha(text: &str) -> Sha {
        Sha256::digest(text).into()
    }

    fn keep(kept: &LastGood, text: &str) {
        kept.keep("acme.wasm", "acme-sms", &sha(text), text.as_bytes());
    }

    fn texts(kept: &LastGood) -> Vec<String> {
        kept.of_file("acme.wasm", 100)
            .into_iter()
            .map(|kept| String::from_utf8(kept.bytes).unwrap())
            .collect()
    }

    #[test]
    fn two_contents_are_kept_the_newest_first() {
        let (_home, kept) = kept();
        assert!(texts(&kept).is_empty());
        for text in ["one", "two", "two", "three"] {
            keep(&kept, text);
        }
        assert_eq!(texts(&kept), ["three", "two"]);
        assert!(kept.forget("acme.wasm").is_empty());
        assert!(texts(&kept).is_empty());
        assert!(kept.forget("acme.wasm").is_empty());
    }

    #[test]
    fn what_was_condemned_is_remembered_and_gives_way_to_the_one_before() {
        let (_home, kept) = kept();
        keep(&kept, "good");
        keep(&kept, "bad");
        kept.condemn("acme.wasm", "acme-sms", &sha("bad"));
        assert_eq!(texts(&kept), ["good"]);
        assert!(kept.is_condemned("acme.wasm", &sha("bad")));
        assert!(!kept.is_condemned("acme.wasm", &sha("good")));
        keep(&kept, "better");
        assert_eq!(texts(&kept), ["better", "good"]);
        assert_eq!(kept.forget("acme.wasm"), [sha("bad")]);
    }

    #[test]
    fn only_the_owner_reads_them() {
        let (home, kept) = kept();
        keep(&kept, "one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = home.path().join("last-good/acme.wasm");
        assert_eq!(mode(&home.path().join("last-good")), 0o700);
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(folder).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    /// P-28: what lies in the data folder is believed no more than what lies in the plugin folder.
    #[test]
    fn what_is_not_what_its_name_says_is_passed_over() {
        let (home, kept) = kept();
        keep(&kept, "one");
        keep(&kept, "two");
        let folder = home.path().join("last-good/acme.wasm");
        let name =
            |role: &str, text: &str| format!("{role}-acme-sms-{}.wasm", hex::encode(sha(text)));
        fs::write(folder.join(name("newest", "two")), "twice").unwrap();
        fs::write(folder.join("newest-acme.wasm"), "no hash").unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "three").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join(name("before", "three"))).unwrap();
        assert_eq!(texts(&kept), ["one"]);
        assert!(
            kept.of_file("acme.wasm", 2).is_empty(),
            "longer than a plugin file may be"
        );
    }
}
