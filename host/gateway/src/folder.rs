//! The plugin folder, looked at again and again: what is in it, what changed, what has to be done.
//!
//! Owns: the reading of the folder and the history of each file name. It is level-triggered: every
//! look compares what is there with what was known, so that a lost file event costs time and
//! nothing else. Never follows a link, never opens a file twice for one decision: the bytes that
//! are hashed are the bytes that are handed on. Knows nothing of WebAssembly (`admission`) and no
//! clock: the time is an argument.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use postern_wasm::one_line;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

/// A file that changed less than this ago may still be written to: what is wrong with it is not
/// held against it yet, and it is read once more afterwards, because a second write within the
/// same tick of the file system's clock leaves no trace in its times.
pub const FRESH: Duration = Duration::from_secs(2);

/// A file that is gone may come back under a rename: that long its plugin serves on.
pub const REMOVAL_WAIT: Duration = Duration::from_secs(2);

/// First and longest pause between two readings of a file that keeps changing.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A file that is still changing after this is reported as such.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// Names in the folder that are looked at; a folder with more is not a plugin folder.
pub const ENTRIES_MAX: usize = 1_000;

/// Files whose refusal is remembered by content.
const REFUSED_MAX: usize = 1_000;

/// Bytes of a file name; file systems end at 255.
const NAME_BYTES_MAX: usize = 128;

/// SHA-256 of a file.
pub type Sha = [u8; 32];

/// The folder and what is known of it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file_bytes_max: u64,
    open: Option<Opened>,
    files: BTreeMap<String, Known>,
    /// Names that are no plugin file's, each with its reason; for the report.
    odd: BTreeMap<String, String>,
    /// What was refused, by content, so that the same bytes are never judged twice.
    refused: Refusals,
    trouble: Option<String>,
    first_look: bool,
}

#[derive(Debug)]
struct Opened {
    dir: Dir,
    identity: (u64, u64),
}

/// What one look at the folder asks for.
#[derive(Debug, Default)]
pub struct Look {
    /// Files to be judged. Each is answered by [`Folder::admitted`] or [`Folder::refused`].
    pub candidates: Vec<Candidate>,
    /// Files that cannot be read any more, each once and not at every try. Whether something of them serves is not
    /// known here.
    pub unread: Vec<(String, Refused)>,
    /// Names whose file has been gone for long enough.
    pub removed: Vec<String>,
    /// When to look again at the latest, beside the periodic look.
    pub again_in: Option<Duration>,
}

/// A file to be judged: its bytes are those that were hashed.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub file: String,
    pub sha256: Sha,
    pub bytes: Arc<[u8]>,
}

/// Why a file is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub sha256: Option<Sha>,
    pub stage: String,
    pub reason: String,
}

/// How a file stands, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Read, and being judged, or still being written.
    Pending {
        reason: String,
    },
    Admitted {
        sha256: Sha,
    },
    Refused(Refused),
    /// Gone; its plugin is about to be retired.
    Gone,
}

#[derive(Debug)]
struct Known {
    /// As it was when last seen; `None` while the file is gone.
    stamp: Option<Stamp>,
    /// When this stamp was first seen, or when the file was first missed.
    changed: Instant,
    /// When the file began to change without pause.
    unsettled_since: Instant,
    /// Not to be read before, so that a file that takes a minute to arrive is not read a thousand times.
    not_before: Instant,
    pause: Duration,
    /// What was read at this stamp; `None` if it has to be read.
    sha256: Option<Sha>,
    /// Read a second time, when it had been quiet for [`FRESH`].
    confirmed: bool,
    standing: Standing,
}

/// What tells that a file is another than before, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Folder {
    /// A folder that has not been looked at. It need not exist yet.
    pub fn new(path: impl Into<PathBuf>, file_bytes_max: u64) -> Self {
        Folder {
            path: path.into(),
            file_bytes_max,
            open: None,
            files: BTreeMap::new(),
            odd: BTreeMap::new(),
            refused: Refusals::default(),
            trouble: None,
            first_look: true,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at everything once. Never fails: a folder that cannot be read leaves all as it was,
    /// and [`Folder::trouble`] says why.
    pub fn look(&mut self, now: Instant) -> Look {
        match self.list() {
            Ok(names) => {
                self.trouble = None;
                self.compare(names, now)
            }
            Err(reason) => {
                if self.trouble.as_ref() != Some(&reason) {
                    tracing::warn!(plugins.folder = %self.path.display(), "{reason}; what serves goes on serving");
                }
                self.trouble = Some(reason);
                Look::default()
            }
        }
    }

    /// The candidate serves.
    pub fn admitted(&mut self, file: &str, sha256: Sha) {
        if let Some(known) = self.of(file, sha256) {
            known.standing = Standing::Admitted { sha256 };
        }
    }

    /// The candidate was refused. `lasting` says that the same bytes will be refused again.
    pub fn refused(&mut self, file: &str, refused: Refused, lasting: bool, now: Instant) {
        let Some(sha256) = refused.sha256 else { return };
        if lasting {
            self.refused.remember(sha256, refused.clone());
        }
        if let Some(known) = self.of(file, sha256) {
            if !lasting {
                known.sha256 = None;
                known.back_off(now);
            }
            known.refuse(refused, now);
        }
    }

    /// A file that served is kept out from now on: its content was condemned.
    pub fn condemn(&mut self, sha256: Sha, refused: &Refused) {
        self.refused.remember(sha256, refused.clone());
        for known in self.files.values_mut() {
            if known.sha256 == Some(sha256) {
                known.standing = Standing::Refused(refused.clone());
            }
        }
    }

    /// A content that was refused gets another chance when it comes again.
    pub fn pardon(&mut self, sha256: &Sha) {
        self.refused.forget(sha256);
    }

    /// Forgets why files were refused, so that each is judged again: what a plugin may do was
    /// changed by configuration.
    pub fn reconsider(&mut self) {
        self.refused = Refusals::default();
        for known in self.files.values_mut() {
            if !matches!(known.standing, Standing::Admitted { .. }) {
                known.sha256 = None;
            }
        }
    }

    /// In how long something is due, beside the periodic look.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let waits = self.files.values().filter_map(|known| known.due_in(now));
        waits.min()
    }

    /// Every name that matters and how it stands.
    pub fn standings(&self) -> impl Iterator<Item = (&str, Standing)> {
        let files = self
            .files
            .iter()
            .map(|(name, known)| (name.as_str(), known.standing.clone()));
        let odd = self.odd.iter().map(|(name, reason)| {
            let refused = Refused {
                sha256: None,
                stage: "file".into(),
                reason: reason.clone(),
            };
            (name.as_str(), Standing::Refused(refused))
        });
        files.chain(odd)
    }

    /// The files whose content is refused. Names that are no plugin file's are not among them.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, &Refused)> {
        self.files
            .iter()
            .filter_map(|(name, known)| match &known.standing {
                Standing::Refused(refused) => Some((name.as_str(), refused)),
                Standing::Pending { .. } | Standing::Admitted { .. } | Standing::Gone => None,
            })
    }

    /// Why what stands under this name is no plugin file, if it is none.
    pub fn ignored(&self, file: &str) -> Option<&str> {
        self.odd.get(file).map(String::as_str)
    }

    /// Why the folder itself cannot be used.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn of(&mut self, file: &str, sha256: Sha) -> Option<&mut Known> {
        self.files
            .get_mut(file)
            .filter(|known| known.sha256 == Some(sha256))
    }

    /// The directory, opened once; again if what stands at the path is another one now.
    fn dir(&mut self) -> Result<&Dir, String> {
        let shown = one_line(&self.path.display().to_string(), 200);
        let outside = std::fs::symlink_metadata(&self.path)
            .map_err(|error| format!("the plugin folder `{shown}` cannot be read: {error}"))?;
        if !outside.is_dir() {
            return Err(format!(
                "the plugin folder `{shown}` is not a directory: a link is not followed"
            ));
        }
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (outside.dev(), outside.ino())
        };
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.identity != identity)
        {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::open(&self.path, flags, rustix::fs::Mode::empty()).map_err(
                |error| format!("the plugin folder `{shown}` cannot be opened: {error}"),
            )?;
            let dir = Dir::from_std_file(opened.into());
            let inside = dir
                .dir_metadata()
                .map_err(|error| format!("the plugin folder `{shown}` cannot be read: {error}"))?;
            self.open = Some(Opened {
                dir,
                identity: (inside.dev(), inside.ino()),
            });
        }
        let dir = &self.open.as_ref().expect("opened above").dir;
        let mode = dir
            .dir_metadata()
            .map_err(|error| format!("the plugin folder `{shown}` cannot be read: {error}"))?
            .mode();
        if mode & 0o002 != 0 {
            return Err(format!(
                "the plugin folder `{shown}` can be written by everybody: take that right away (`chmod o-w`)"
            ));
        }
        Ok(dir)
    }

    /// The plugin files that are there, each with its stamp.
    fn list(&mut self) -> Result<Vec<(String, Stamp)>, String> {
        let dir = self.dir()?;
        let unreadable = |error: io::Error| format!("the plugin folder cannot be read: {error}");
        let (mut files, mut odd) = (Vec::new(), BTreeMap::new());
        for (count, entry) in dir.entries().map_err(unreadable)?.enumerate() {
            if count >= ENTRIES_MAX {
                return Err(format!(
                    "the plugin folder holds more than {ENTRIES_MAX} names: a folder of its own is expected"
                ));
            }
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let named = match judge_name(&name) {
                Name::Ignored => continue,
                Name::Odd(reason) => Err(reason.to_owned()),
                Name::Plugin(named) => match entry.metadata() {
                    // Gone between the listing and the look: the next look says the same.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => Err(format!("the file cannot be looked at: {error}")),
                    Ok(metadata) => judge_kind(&metadata).map(|()| (named, Stamp::of(&metadata))),
                },
            };
            match named {
                Ok(file) => files.push(file),
                Err(reason) => {
                    odd.insert(one_line(&name.to_string_lossy(), NAME_BYTES_MAX), reason);
                }
            }
        }
        for (name, reason) in &odd {
            if self.odd.get(name) != Some(reason) {
                tracing::warn!(plugin.file = %name, "ignored in the plugin folder: {reason}");
            }
        }
        self.odd = odd;
        Ok(files)
    }

    fn compare(&mut self, there: Vec<(String, Stamp)>, now: Instant) -> Look {
        let mut look = Look::default();
        let there: BTreeMap<String, Stamp> = there.into_iter().collect();
        for (name, stamp) in &there {
            let first_look = self.first_look;
            let known = self
                .files
                .entry(name.clone())
                .or_insert_with(|| Known::unseen(now, first_look));
            if known.stamp != Some(*stamp) {
                known.change(*stamp, now);
            }
        }
        self.first_look = false;

        self.files.retain(|name, known| {
            if there.contains_key(name) {
                return true;
            }
            let gone_for = known.miss(now);
            if gone_for >= REMOVAL_WAIT {
                look.removed.push(name.clone());
                return false;
            }
            sooner(&mut look.again_in, REMOVAL_WAIT - gone_for);
            true
        });

        for name in there.keys() {
            self.read_if_due(name, now, &mut look);
        }
        look
    }

    /// Reads a file that changed, or that has to be read once more.
    fn read_if_due(&mut self, name: &str, now: Instant, look: &mut Look) {
        let (Some(opened), Some(known)) = (&self.open, self.files.get_mut(name)) else {
            return;
        };
        if let Some(wait) = known.due_in(now) {
            if wait > Duration::ZERO {
                sooner(&mut look.again_in, wait);
                return;
            }
        } else {
            return;
        }

        known.back_off(now);
        let (bytes, stamp) = match read_whole(&opened.dir, name, self.file_bytes_max) {
            Ok(read) => read,
            Err(ReadError::Changing) => {
                known.changed = now;
                known.pend("being written".into(), now);
                sooner(&mut look.again_in, known.pause);
                return;
            }
            Err(ReadError::Refused(reason)) => {
                // It may be the reading that failed: try again, but not soon.
                known.not_before = now + BACK_OFF.1;
                let refused = Refused {
                    sha256: None,
                    stage: "file".into(),
                    reason,
                };
                let standing = Standing::Refused(refused.clone());
                if known.standing != standing {
                    look.unread.push((name.to_owned(), refused));
                    known.standing = standing;
                }
                return;
            }
        };
        if known.stamp != Some(stamp) {
            // Changed since it was listed: these bytes are whole, but may not be the last.
            known.change(stamp, now);
        }
        let sha256: Sha = Sha256::digest(&bytes).into();
        known.sha256 = Some(sha256);
        known.confirmed = known.quiet_for(now) >= FRESH;
        if let Some(wait) = known.due_in(now) {
            sooner(&mut look.again_in, wait);
        }
        if matches!(known.standing, Standing::Admitted { sha256: serving } if serving == sha256) {
            return;
        }
        if let Some(refused) = self.refused.find(&sha256) {
            known.refuse(refused.clone(), now);
            return;
        }
        known.pend("being judged".into(), now);
        look.candidates.push(Candidate {
            file: name.to_owned(),
            sha256,
            bytes: bytes.into(),
        });
    }
}

impl Known {
    /// A name seen for the first time. What was there before the first look is not news: nobody
    /// is likely to be writing it.
    fn unseen(now: Instant, first_look: bool) -> Self {
        let changed = match first_look {
            true => now.checked_sub(FRESH).unwrap_or(now),
            false => now,
        };
        Known {
            stamp: None,
            changed,
            unsettled_since: changed,
            not_before: now,
            pause: Duration::ZERO,
            sha256: None,
            confirmed: false,
            standing: Standing::Pending {
                reason: "not read yet".into(),
            },
        }
    }

    fn quiet_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed)
    }

    /// The file is another than before.
    fn change(&mut self, stamp: Stamp, now: Instant) {
        let unseen = self.stamp.is_none() && self.standing != Standing::Gone;
        if unseen {
            // `changed` was set when the name was entered.
        } else if self.quiet_for(now) >= FRESH || self.standing == Standing::Gone {
            (self.changed, self.unsettled_since) = (now, now);
            (self.not_before, self.pause) = (now, Duration::ZERO);
        } else {
            self.changed = now;
        }
        self.stamp = Some(stamp);
        self.sha256 = None;
        self.confirmed = false;
        if self.standing == Standing::Gone {
            self.pend("it came back".into(), now);
        }
    }

    /// The file is not there. Since when?
    fn miss(&mut self, now: Instant) -> Duration {
        if self.standing != Standing::Gone {
            self.standing = Standing::Gone;
            self.changed = now;
            (self.stamp, self.sha256) = (None, None);
        }
        self.quiet_for(now)
    }

    /// In how long it has to be read; `None` if it has been read for good.
    fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.standing == Standing::Gone {
            return Some(REMOVAL_WAIT.saturating_sub(self.quiet_for(now)));
        }
        let allowed_in = self.not_before.saturating_duration_since(now);
        match (self.sha256, self.confirmed) {
            (None, _) => Some(allowed_in),
            (Some(_), false) => Some(allowed_in.max(FRESH.saturating_sub(self.quiet_for(now)))),
            (Some(_), true) => None,
        }
    }

    fn back_off(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(BACK_OFF.0, BACK_OFF.1);
        self.not_before = now + self.pause;
    }

    fn pend(&mut self, reason: String, now: Instant) {
        let long = now.saturating_duration_since(self.unsettled_since) > GIVE_UP;
        let reason = match long {
            true => format!("{reason}; changing for more than {} s", GIVE_UP.as_secs()),
            false => reason,
        };
        self.standing = Standing::Pending { reason };
    }

    /// What is wrong with a fresh file may be that half of it is missing.
    fn refuse(&mut self, refused: Refused, now: Instant) {
        let long = now.saturating_duration_since(self.unsettled_since) > GIVE_UP;
        if self.quiet_for(now) < FRESH && !long {
            self.pend(
                format!("may still be written; so far: {}", refused.reason),
                now,
            );
        } else {
            self.standing = Standing::Refused(refused);
        }
    }
}

/// What a name in the folder is.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Plugin(String),
    /// Somebody else's: hidden, temporary, or of another kind.
    Ignored,
    /// Looks like a plugin's, and is refused.
    Odd(&'static str),
}

fn judge_name(name: &OsStr) -> Name {
    let lossy = name.to_string_lossy();
    let lower = lossy.to_ascii_lowercase();
    let temporary = [".tmp", ".part", ".swp", "~"];
    let hidden = lossy.starts_with('.') && !lossy.starts_with("..");
    if hidden || temporary.iter().any(|end| lower.ends_with(end)) {
        return Name::Ignored;
    }
    let Some(stem) = lower.strip_suffix(".wasm") else {
        return Name::Ignored;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let device = |stem: &str| {
        matches!(stem, "con" | "prn" | "aux" | "nul")
            || stem
                .strip_prefix("com")
                .or_else(|| stem.strip_prefix("lpt"))
                .is_some_and(|port| port.len() == 1 && port.chars().all(|c| c.is_ascii_digit()))
    };
    match name.to_str() {
        None => Name::Odd("the name is not text: letters, digits, `.`, `_` and `-` are expected"),
        Some(_) if stem.is_empty() => Name::Ignored,
        Some(name) if !name.chars().all(plain) || stem.contains("..") => Name::Odd(
            "the name has unusual characters: letters, digits, `.`, `_` and `-` are expected",
        ),
        Some(name) if name.len() > NAME_BYTES_MAX => {
            Name::Odd("the name is too long: at most 128 characters are expected")
        }
        Some(_) if device(stem.split('.').next().unwrap_or(stem)) => {
            Name::Odd("the name is a device's on other systems: choose another")
        }
        Some(name) => Name::Plugin(name.to_owned()),
    }
}

fn judge_kind(metadata: &Metadata) -> Result<(), String> {
    if metadata.is_symlink() {
        return Err("a link is not followed: put the file itself here".into());
    }
    if !metadata.is_file() {
        return Err("not a regular file".into());
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(
            "the file can be written by everybody: take that right away (`chmod o-w`)".into(),
        );
    }
    Ok(())
}

enum ReadError {
    /// Another process is writing it.
    Changing,
    Refused(String),
}

/// The whole file from one descriptor, with the stamp it had before and after.
fn read_whole(dir: &Dir, name: &str, bytes_max: u64) -> Result<(Vec<u8>, Stamp), ReadError> {
    let refuse = |what: &str, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Changing,
        _ => ReadError::Refused(format!("the file cannot be {what}: {error}")),
    };
    let mut options = OpenOptions::new();
    // Non-blocking, or a FIFO that took the file's place would hold the reconciler for ever.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).expect("open flags are small"));
    let mut file: File = dir
        .open_with(name, &options)
        .map_err(|error| refuse("opened", error))?;
    let before = file
        .metadata()
        .map_err(|error| refuse("looked at", error))?;
    judge_kind(&before).map_err(ReadError::Refused)?;
    if before.len() > bytes_max {
        return Err(ReadError::Refused(format!(
            "the file has {} bytes: at most {bytes_max} are accepted",
            before.len()
        )));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0));
    (&mut file)
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse("read", error))?;
    let after = file
        .metadata()
        .map_err(|error| refuse("looked at", error))?;
    // Links come and go without touching the content; the change time tells of them too.
    let content = |metadata: &Metadata| {
        let stamp = Stamp::of(metadata);
        (stamp.size, stamp.modified)
    };
    if content(&before) != content(&after) || bytes.len() as u64 != after.len() {
        return Err(ReadError::Changing);
    }
    Ok((bytes, Stamp::of(&after)))
}

/// Refusals by content, the oldest forgotten first.
#[derive(Debug, Default)]
struct Refusals {
    by_sha: HashMap<Sha, Refused>,
    order: VecDeque<Sha>,
}

impl Refusals {
    fn remember(&mut self, sha256: Sha, refused: Refused) {
        if self.by_sha.insert(sha256, refused).is_none() {
            self.order.push_back(sha256);
        }
        if self.order.len() > REFUSED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_sha.remove(&oldest);
        }
    }

    fn forget(&mut self, sha256: &Sha) {
        if self.by_sha.remove(sha256).is_some() {
            self.order.retain(|known| known != sha256);
        }
    }

    fn find(&self, sha256: &Sha) -> Option<&Refused> {
        self.by_sha.get(sha256)
    }
}

fn sooner(at: &mut Option<Duration>, other: Duration) {
    *at = Some(at.map_or(other, |at| at.min(other)));
}

#[cfg(test)]
mod tests;
