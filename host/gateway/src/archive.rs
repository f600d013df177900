//! Contents of plugin files that were admitted, kept so that an operator can go back to the one
//! before. Copies of what lies in the folder: nothing is ever loaded from here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::folder::Sha;

/// Contents kept of one plugin: the serving one and a few before it.
const KEPT_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Archive(PathBuf);

/// A content that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) version: String,
    pub(crate) path: PathBuf,
    sha256: String,
    /// Counts up; clocks of file systems are too coarse for an order.
    number: u64,
}

impl Archive {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Keeps a content, as the newest of its plugin. What is too many goes.
    pub(crate) fn keep(
        &self,
        id: &str,
        version: &str,
        sha256: &Sha,
        bytes: &[u8],
    ) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let sha256 = hex::encode(sha256);
        let all = self.of(id);
        if all.first().is_some_and(|newest| newest.sha256 == sha256) {
            return Ok(());
        }
        let number = all.first().map_or(1, |newest| newest.number + 1);
        // Ids and versions are checked by the manifest's reader; neither holds a slash or an `@`.
        let name = format!("{id}@{number:06}@{version}@{sha256}.wasm");
        write_whole(&self.0.join(name), bytes)?;
        let (same, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|kept| kept.sha256 == sha256);
        for old in same.iter().chain(others.iter().skip(KEPT_MAX - 1)) {
            fs::remove_file(&old.path)?;
        }
        Ok(())
    }

    /// The content of the plugin that was kept before this one.
    pub(crate) fn before(&self, id: &str, serving: &Sha) -> Option<Kept> {
        let serving = hex::encode(serving);
        let all = self.of(id);
        // What was kept after the serving content is what the operator went back from.
        let mut older = all.iter().skip_while(|kept| kept.sha256 != serving).skip(1);
        older.next().cloned()
    }

    /// Newest first.
    fn of(&self, id: &str) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let mut all: Vec<Kept> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let mut parts = name.strip_suffix(".wasm")?.split('@');
                let known = parts.next()?;
                let (number, version, sha256) = (parts.next()?, parts.next()?, parts.next()?);
                (known == id).then_some(Kept {
                    version: version.to_owned(),
                    path: entry.path(),
                    sha256: sha256.to_owned(),
                    number: number.parse().ok()?,
                })
            })
            .collect();
        all.sort_by_key(|kept| std::cmp::Reverse(kept.number));
        all
    }
}

/// Whole or not at all, so that whoever looks never reads half a file.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keep(archive: &Archive, number: u8) {
        let version = format!("1.0.{number}");
        archive
            .keep("acme", &version, &[number; 32], &[number])
            .unwrap();
    }

    #[test]
    fn the_content_before_is_the_one_kept_before() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path().join("kept"));
        assert_eq!(archive.before("acme", &[1; 32]), None);
        keep(&archive, 1);
        assert_eq!(archive.before("acme", &[1; 32]), None, "nothing before");
        keep(&archive, 2);
        keep(&archive, 2);
        let before = archive.before("acme", &[2; 32]).unwrap();
        assert_eq!(before.version, "1.0.1");
        assert_eq!(fs::read(before.path).unwrap(), [1]);
        assert_eq!(archive.before("acme", &[1; 32]), None, "not forward");
        assert_eq!(archive.before("other", &[2; 32]), None);
        // The first again: now the second is the one before.
        keep(&archive, 1);
        assert_eq!(archive.before("acme", &[1; 32]).unwrap().version, "1.0.2");
        assert_eq!(fs::read_dir(&archive.0).unwrap().count(), 2);
    }

    #[test]
    fn a_few_contents_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path().to_owned());
        for number in 1..=9 {
            keep(&archive, number);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT_MAX);
        assert_eq!(archive.before("acme", &[9; 32]).unwrap().version, "1.0.8");
    }
}
