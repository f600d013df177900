//! The embedded store: SQLite in the data directory, for one host.
//!
//! One thread writes; whoever waits shares its commit, and is answered after it: what must outlive the
//! machine's power is on disk by then, the rest within a second. Reads go through a few connections of
//! their own. The directory belongs to one host at a time, which a lock on it enforces.

mod attempts;
mod audit;
mod backup_codes;
mod clients;
mod counters;
mod deliveries;
mod documents;
mod groups;
mod idempotency;
mod identities;
mod logins;
mod matching;
mod once;
mod parking;
mod readers;
mod schema;
mod sessions;
mod tenants;
mod users;
mod writer;

use crate::RowKeys;
use crate::audit_chain::Chain;
use crate::closed::Closed;
use crate::directory::hashing::Hashing;
use crate::seal::Seal;
use clients::ByToken;
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use readers::Readers;
use rusqlite::Connection;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use writer::{Outlives, Writer};

const FILE: &str = "postern.db";
/// SQLite's own name for the log beside the file.
const LOG: &str = "postern.db-wal";
const LOCK: &str = "postern.lock";
/// Stands in the lock file once the store has been made, so that a store that is gone is not
/// taken for one that never was.
const MADE: &[u8] = b"postern.db was made here\n";

/// How the embedded store runs. The defaults suit one host on a small machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Writes that may wait for the writer; one more is refused as busy. At 3,000 cycles a second
    /// with five writes each this is a quarter of a second of work.
    pub writes_waiting_max: usize,
    /// Pages of 4 KiB the file may have. A write past it fails as a full disk does.
    pub pages_max: Option<u32>,
    /// Where password and backup-code hashes are computed.
    pub hashing: Hashing,
    /// Asked once the store's lock is held, so that two hosts that start at once do not make two
    /// keys. The default is a key that everybody knows, for tests: a host gives its own.
    pub row_keys: RowKeySource,
}

/// Where the keys of rows come from.
#[derive(Clone)]
pub struct RowKeySource(Arc<dyn Fn() -> std::io::Result<RowKeys> + Send + Sync>);

impl RowKeySource {
    pub fn new(source: impl Fn() -> std::io::Result<RowKeys> + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl std::fmt::Debug for RowKeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowKeySource")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            writes_waiting_max: 4096,
            pages_max: None,
            hashing: Hashing::default(),
            row_keys: RowKeySource::new(|| {
                Ok(RowKeys {
                    audit: [0; 32],
                    documents: [0; 32],
                })
            }),
        }
    }
}

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the store in `{}` is in use by another process: wait for it if that is a host that is starting, else stop it, or give this one a `data_dir` of its own", .dir.display())]
    InUse { dir: PathBuf },
    #[error("the store in `{}` has schema {found}: this version knows up to {known}; use the newer Postern that wrote it", .dir.display())]
    Newer {
        dir: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("the data folder `{}` can be written by others (mode {mode:o}): whoever does replaces the store and the keys; take the right away (`chmod go-w`)", .dir.display())]
    Writable { dir: PathBuf, mode: u32 },
    #[error("`{}` is not a store of Postern", .file.display())]
    Foreign { file: PathBuf },
    #[error("`{}` is missing or empty although a store was made there: restore it, or remove `{LOCK}` beside it to begin with nothing", .file.display())]
    Vanished { file: PathBuf },
    #[error("cannot use `{}`: {source}", .path.display())]
    Files {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot open the store in `{}`: {source}", .dir.display())]
    Database {
        dir: PathBuf,
        source: rusqlite::Error,
    },
}

/// The embedded store. A cheap handle; the last one to go closes the store.
#[derive(Clone)]
pub struct Sqlite {
    parts: Arc<Parts>,
}

struct Parts {
    readers: Readers,
    by_token: ByToken,
    /// Noted and asked by the writer, between whose acts nothing comes.
    closed: Arc<Closed>,
    hashing: Hashing,
    chain: Chain,
    seal: Seal,
    /// Last: dropping it waits for the writes under way, then lets go of the lock.
    writer: Writer,
}

impl Sqlite {
    /// Opens the store in `dir`, or makes it there: the directory 0700 if it is made, the files 0600.
    /// A directory that others can write to is refused. A store of
    /// an older version is brought forward; one of a newer version is refused.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let files = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Files { path, source }
        };
        let database = |source| OpenError::Database {
            dir: dir.to_owned(),
            source,
        };
        folder(dir)?;

        let (mut lock, made) = lock(dir)?;
        let file = dir.join(FILE);
        // Empty counts as gone: SQLite would begin anew, and throw away a log that lies beside it.
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if bytes(&file) == 0 && (made || bytes(&dir.join(LOG)) > 0) {
            return Err(OpenError::Vanished { file });
        }
        // SQLite gives its log and index the mode of the file.
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(files(&file))?;

        let mut connection = Connection::open(&file).map_err(database)?;
        let found = schema::prepare(&mut connection, &options).map_err(|error| match error {
            schema::Refused::Newer { found } => OpenError::Newer {
                dir: dir.to_owned(),
                found,
                known: schema::VERSION,
            },
            schema::Refused::Foreign => OpenError::Foreign { file: file.clone() },
            schema::Refused::Database(source) => database(source),
        })?;
        let keys = (options.row_keys.0)().map_err(files(dir))?;
        let chain = Chain::new(&keys.audit);
        if found < schema::CHAINED {
            audit::link_old_rows(&mut connection, &chain).map_err(database)?;
        }
        if !made {
            lock.write_all(MADE)
                .and_then(|()| lock.sync_all())
                .and_then(|()| File::open(dir)?.sync_all())
                .map_err(files(&dir.join(LOCK)))?;
        }

        let readers = Readers::open(&file).map_err(database)?;
        let by_token = ByToken::load(&connection).map_err(database)?;
        let writer =
            Writer::start(connection, lock, options.writes_waiting_max).map_err(files(dir))?;
        Ok(Self {
            parts: Arc::new(Parts {
                readers,
                by_token,
                closed: Arc::default(),
                hashing: options.hashing,
                chain,
                seal: Seal::new(&keys.documents),
                writer,
            }),
        })
    }

    /// Removes what has expired, a bounded number of rows of each kind. Returns how many went;
    /// whoever calls it calls again soon while that is many.
    pub async fn sweep(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.write(move |db| {
            Ok(logins::remove_expired(db, now, rows_max)?
                + sessions::remove_expired(db, now, rows_max)?
                + counters::remove_expired(db, now, rows_max)?
                + idempotency::remove_expired(db, now, rows_max)?
                + parking::remove_expired(db, column(now), rows_max)?
                + once::remove_expired(db, column(now), rows_max)?)
        })
        .await
    }

    /// What SQLite was told about durability, asked of it within a write that must outlive the machine's
    /// power: the journal's mode and the level of syncing (2 is FULL: at this commit).
    pub async fn durability(&self) -> Result<(String, i64), StoreError> {
        // Both pragmas are read outside of any snapshot, so they may be asked within the batch.
        self.write(|db| {
            Ok((
                db.query_row("PRAGMA journal_mode", [], |row| row.get(0))?,
                db.query_row("PRAGMA synchronous", [], |row| row.get(0))?,
            ))
        })
        .await
    }

    /// Where this store computes hashes, for a directory that shall share the bound.
    pub fn hashing(&self) -> Hashing {
        self.parts.hashing.clone()
    }

    /// Runs `act` in the writer's next transaction and returns when that is on disk. `act` may run
    /// a second time, in a transaction of its own, if another one's failure undid the first.
    async fn write<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.write_to_outlive(Outlives::Power, act).await
    }

    /// As `write`. What need not outlive the machine's power may be forgotten with it, and only so: whoever
    /// was answered begins again, and nothing is good a second time.
    async fn write_to_outlive<T, F>(&self, outlives: Outlives, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.parts.writer.run(outlives, act).await
    }

    /// Queues `act` as `write` does, in the same order, without waiting for the disk.
    fn write_later<F>(&self, act: F) -> Result<(), StoreError>
    where
        F: Fn(&Connection) -> Result<(), Fault> + Send + 'static,
    {
        self.parts.writer.queue(act)
    }

    /// Runs `look` at once. A point read takes microseconds, less than handing it to another
    /// thread and back; whatever may read many rows bounds them.
    fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.parts.readers.run(look)
    }

    /// As `read`, for what may go through a whole table: on a thread that may be kept busy.
    async fn scan<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let parts = Arc::clone(&self.parts);
        tokio::task::spawn_blocking(move || parts.readers.scan(look))
            .await
            .map_err(|broken| StoreError::caused("a search of the store broke off", broken))?
    }
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sqlite")
    }
}

/// Why an act failed: it is undone.
#[derive(Debug)]
enum Fault {
    Database(rusqlite::Error),
    /// A row that is there and cannot be understood.
    Unreadable(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Database(error) => {
                let what = match error.sqlite_error_code() {
                    Some(rusqlite::ErrorCode::DiskFull) => "the store's disk is full",
                    Some(rusqlite::ErrorCode::SystemIoFailure) => "the store's disk fails",
                    Some(
                        rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase,
                    ) => "the store's file is damaged",
                    _ => "the store failed",
                };
                Self::caused(what, error)
            }
            Fault::Unreadable(error) => error,
        }
    }
}

/// The directory, made 0700 if it is not there. One that was there belongs to whoever made it, and its
/// rights are left alone: a service manager makes 0755, which lets others see the names of files they
/// cannot read. Writing is another thing: who can rename in it can replace what the files say.
fn folder(dir: &Path) -> Result<(), OpenError> {
    let files = |source| OpenError::Files {
        path: dir.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(files)?;
    let mode = std::fs::metadata(dir).map_err(files)?.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(OpenError::Writable {
            dir: dir.to_owned(),
            mode,
        });
    }
    if mode & 0o055 != 0 {
        tracing::warn!(
            data_dir = %dir.display(),
            "others can look into the data folder (mode {mode:o}): the files in it are the owner's alone, `chmod 700` hides their names too"
        );
    }
    Ok(())
}

/// Takes the lock, and says whether a store has been made here before.
fn lock(dir: &Path) -> Result<(File, bool), OpenError> {
    let path = dir.join(LOCK);
    let files = |source| OpenError::Files {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(files)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse {
                dir: dir.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(files(source)),
    }
    let mut text = Vec::new();
    (&file).take(64).read_to_end(&mut text).map_err(files)?;
    if text == MADE {
        return Ok((file, true));
    }
    // A crash may have cut the mark short; it is written again before anyone is answered.
    file.set_len(0).map_err(files)?;
    file.rewind().map_err(files)?;
    Ok((file, false))
}

/// A time as a column holds it.
fn column(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A time from a column; what is not a time fails closed (attack N-03).
fn timestamp(column: i64) -> Result<Timestamp, Fault> {
    match u64::try_from(column) {
        Ok(millis) if millis > 0 => Ok(Timestamp(millis)),
        _ => Err(Fault::Unreadable(StoreError::new(
            "a row's time is broken: expected milliseconds after 1970",
        ))),
    }
}
