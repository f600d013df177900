//! The one thread that writes. It takes everything that waits, runs it in one transaction, commits it,
//! to disk if one of them asks for that, and answers only then: an fsync is shared by all who wait for it.
//!
//! Knows nothing of what is written.

use super::{Fault, schema};
use postern_login::error::StoreError;
use rusqlite::ffi::SQLITE_IOERR_FSYNC;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Jobs of one transaction: bounds how long the first of them waits for the last. 512 take about
/// 2 ms of CPU, the time of one fsync on an ordinary disk.
const BATCH_MAX: usize = 512;

/// How long a batch waits for as many jobs as the last one had. Those whom the last commit answered come
/// back with their next write within a few task switches; a commit costs more than they take, in time
/// (an fsync) and in pages written. Whoever writes alone waits for nobody.
const GATHER: Duration = Duration::from_micros(300);

/// What no sync has followed for so long is synced without being asked for.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Rows that change between two checkpoints, which nobody makes but the writer. A row dirties one or two
/// pages of 4 KiB, so the log stays below about 64 MiB; the pages it holds many times are written back once.
const CHANGES_PER_CHECKPOINT: u64 = 8192;

/// What an act outlives once it is answered, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outlives {
    /// The death of this process: it is in the log's file, in the system's memory. It is on the disk
    /// with the next act that asks for it, or `SYNC_AFTER` later.
    Process,
    /// The machine's: the log was synced.
    Power,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    waiting_max: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    /// The writer sleeps until this many wait: whoever is the last of them wakes it. None while it
    /// works, when nobody needs a system call.
    wakes_at: Option<usize>,
    closed: bool,
}

/// One act and whoever waits for it.
trait Job: Send {
    fn shall_outlive(&self) -> Outlives;
    /// Runs the act and keeps its outcome. False if it failed.
    fn run(&mut self, db: &Connection) -> bool;
    /// After the commit, or instead of it with why it failed.
    fn answer(self: Box<Self>, commit: Result<(), &rusqlite::Error>);
}

impl Writer {
    /// `lock` is held until the last write is done.
    pub(super) fn start(db: Connection, lock: File, waiting_max: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            waiting_max,
        });
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || {
                    work(&shared, db);
                    drop(lock);
                }
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(super) async fn run<T, F>(&self, outlives: Outlives, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.shared.push(Box::new(Awaited {
            act,
            outlives,
            outcome: None,
            reply,
        }))?;
        answer
            .await
            .map_err(|_| StoreError::new("the store is closed"))?
    }

    /// Nobody waits, so nobody is told that it is on the disk: it goes there with others.
    pub(super) fn queue<F>(&self, act: F) -> Result<(), StoreError>
    where
        F: Fn(&Connection) -> Result<(), Fault> + Send + 'static,
    {
        self.shared.push(Box::new(Unawaited { act, fault: None }))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.wakes_at = None;
        }
        self.shared.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic outside of a job has been printed by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs while the queue is locked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.waiting_max {
            return Err(StoreError::new(format!(
                "the store is busy: {} writes are waiting",
                self.waiting_max
            )));
        }
        queue.jobs.push_back(job);
        let length = queue.jobs.len();
        let enough = queue.wakes_at.take_if(|wanted| length >= *wanted).is_some();
        drop(queue);
        if enough {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits for jobs, about as many as the last batch had; false when there are none and will be none.
    /// The batch stays empty if none came within `patience`.
    fn take(&self, batch: &mut Vec<Box<dyn Job>>, last: usize, patience: Option<Duration>) -> bool {
        let mut queue = self.lock();
        while queue.jobs.is_empty() {
            if queue.closed {
                return false;
            }
            queue.wakes_at = Some(1);
            let (woken, timed_out) = match patience {
                None => {
                    let woken = self.arrived.wait(queue);
                    (woken.unwrap_or_else(PoisonError::into_inner), false)
                }
                Some(patience) => {
                    let woken = self.arrived.wait_timeout(queue, patience);
                    let (woken, wait) = woken.unwrap_or_else(PoisonError::into_inner);
                    (woken, wait.timed_out())
                }
            };
            queue = woken;
            if timed_out && queue.jobs.is_empty() {
                queue.wakes_at = None;
                return true;
            }
        }
        if queue.jobs.len() < last && !queue.closed {
            queue.wakes_at = Some(last);
            queue = self
                .arrived
                .wait_timeout_while(queue, GATHER, |queue| queue.wakes_at.is_some())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        queue.wakes_at = None;
        let count = queue.jobs.len().min(BATCH_MAX);
        batch.extend(queue.jobs.drain(..count));
        true
    }
}

fn work(shared: &Shared, db: Connection) {
    let mut log = Log {
        // As if each had been a row's: hosts that are killed one after the other let it grow no longer.
        changes: pages_of_the_log(&db),
        db,
        outlives: Outlives::Power,
        // The log of a host that was killed may end in commits that no sync has followed.
        unsynced_since: Some(Instant::now()),
        broken: false,
    };
    let mut batch = Vec::new();
    let mut last = 0;
    while shared.take(&mut batch, last, log.patience()) {
        last = batch.len();
        match log.commit(&mut batch) {
            Ok(()) => {
                for job in batch.drain(..) {
                    job.answer(Ok(()));
                }
            }
            Err(_) if batch.is_empty() && log.broken => {}
            Err(Failed::Commit(error)) if batch.is_empty() => {
                log.unsynced_since = Some(Instant::now());
                tracing::warn!(%error, "what is in the store's log could not be synced; it is tried again");
            }
            // Each again in a transaction of its own: one that fails takes nobody with it, and
            // none is left half done.
            Err(_) => {
                for mut job in batch.drain(..) {
                    let alone = log.commit(std::slice::from_mut(&mut job));
                    match alone {
                        Ok(()) => job.answer(Ok(())),
                        Err(Failed::Commit(error)) => job.answer(Err(&error)),
                        // It kept its own fault.
                        Err(Failed::Job) => job.answer(Ok(())),
                    }
                }
            }
        }
        // Behind a sync that failed a checkpoint would copy what may not be on the disk in between.
        if log.changes >= CHANGES_PER_CHECKPOINT && !log.broken {
            log.changes = 0;
            // After the answers, so that nobody waits for it.
            if let Err(error) = log.checkpoint("PRAGMA wal_checkpoint(PASSIVE)") {
                tracing::warn!(%error, "the store's log could not be written back; it grows until it can");
            }
        }
    }
    if !log.broken
        && let Err(error) = log.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")
    {
        tracing::warn!(%error, "the store's log could not be written back; the next start does it");
    }
}

fn pages_of_the_log(db: &Connection) -> u64 {
    let log = db
        .path()
        .map(|file| std::fs::metadata(format!("{file}-wal")));
    log.and_then(Result::ok).map_or(0, |log| log.len() / 4096)
}

enum Failed {
    /// One of the jobs, which keeps its fault.
    Job,
    Commit(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Commit(error)
    }
}

struct Log {
    db: Connection,
    /// What a commit of the connection outlives as it is set: FULL when the store was opened.
    outlives: Outlives,
    /// Since when there are commits in the log that no sync has followed.
    unsynced_since: Option<Instant>,
    /// Rows that changed since the log was written back.
    changes: u64,
    /// A sync failed that such commits waited for, or one of a checkpoint. The system has given up what it
    /// could not write and takes it for written: the next sync would succeed over a hole. A recovery stops at
    /// a hole in the log; one in the file is mended by a recovery alone, which copies all of the log anew.
    broken: bool,
}

impl Log {
    /// How long nobody may ask for a sync until it comes by itself.
    fn patience(&self) -> Option<Duration> {
        self.unsynced_since
            .map(|since| SYNC_AFTER.saturating_sub(since.elapsed()))
    }

    /// All or nothing, and as safe as the one that asks for most. Nobody at all asks for a sync.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failed> {
        if self.broken {
            return Err(Failed::Commit(sync_failed()));
        }
        if !self.db.is_autocommit() {
            // A commit that failed may leave its transaction open.
            self.db.execute_batch("ROLLBACK")?;
        }
        let overdue = self
            .unsynced_since
            .is_some_and(|since| since.elapsed() >= SYNC_AFTER);
        let all = jobs.iter().map(|job| job.shall_outlive());
        let outlives = match overdue {
            true => Outlives::Power,
            false => all.max().unwrap_or(Outlives::Power),
        };
        self.set(outlives)?;
        // Dropping it rolls back.
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = transaction.total_changes();
        for job in jobs {
            if !job.run(&transaction) {
                return Err(Failed::Job);
            }
        }
        let changes = transaction.total_changes() - before;
        if outlives == Outlives::Power && self.unsynced_since.is_some() && changes == 0 {
            // A commit that changed nothing writes nothing, and syncs nothing of what was there before.
            transaction.pragma_update(None, "user_version", schema::VERSION)?;
        }
        let committed = transaction.commit();
        // One that fails while every commit before it was synced has lost nothing that anybody was told of.
        if self.unsynced_since.is_some() && failed_to_sync(&committed) {
            self.breaks();
        }
        committed?;
        self.changes += changes;
        match outlives {
            Outlives::Power => self.unsynced_since = None,
            Outlives::Process => {
                self.unsynced_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(())
    }

    /// NORMAL leaves out nothing but the sync of a commit: a log that a power failure cut short is read up
    /// to its last whole commit. The pragma takes effect when it is compiled, so it is no cached statement.
    fn set(&mut self, outlives: Outlives) -> rusqlite::Result<()> {
        if self.outlives != outlives {
            self.db.execute_batch(match outlives {
                Outlives::Process => "PRAGMA synchronous = NORMAL",
                Outlives::Power => "PRAGMA synchronous = FULL",
            })?;
            self.outlives = outlives;
        }
        Ok(())
    }

    fn checkpoint(&mut self, sql: &str) -> rusqlite::Result<()> {
        let statement = self.db.prepare_cached(sql);
        let written = statement.and_then(|mut statement| statement.query_row([], |_| Ok(())));
        // Of the log or of the file, whatever of it was copied by now.
        if failed_to_sync(&written) {
            self.breaks();
        }
        written
    }

    fn breaks(&mut self) {
        (self.broken, self.unsynced_since) = (true, None);
        tracing::error!(
            "the disk failed to keep what was written to the store: it takes nothing more until the host is started anew"
        );
    }
}

fn failed_to_sync(outcome: &rusqlite::Result<()>) -> bool {
    let failed = outcome.as_ref().err();
    let failed = failed.and_then(rusqlite::Error::sqlite_error);
    failed.is_some_and(|error| error.extended_code == SQLITE_IOERR_FSYNC)
}

fn sync_failed() -> rusqlite::Error {
    let text = "an earlier sync failed: the host must be started anew";
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(SQLITE_IOERR_FSYNC),
        Some(text.to_owned()),
    )
}

struct Awaited<T, F> {
    act: F,
    outlives: Outlives,
    outcome: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Awaited<T, F>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, Fault> + Send,
{
    fn shall_outlive(&self) -> Outlives {
        self.outlives
    }

    fn run(&mut self, db: &Connection) -> bool {
        let outcome = guarded(|| (self.act)(db));
        let worked = outcome.is_ok();
        self.outcome = Some(outcome);
        worked
    }

    fn answer(self: Box<Self>, commit: Result<(), &rusqlite::Error>) {
        let answer = match (commit, self.outcome) {
            (Ok(()), Some(outcome)) => outcome.map_err(StoreError::from),
            (Ok(()), None) => Err(StoreError::new("the store did not run the write")),
            (Err(error), _) => Err(StoreError::from(Fault::Database(copied(error)))),
        };
        // Whoever asked may have gone; what is written is written.
        let _ = self.reply.send(answer);
    }
}

struct Unawaited<F> {
    act: F,
    fault: Option<Fault>,
}

impl<F> Job for Unawaited<F>
where
    F: Fn(&Connection) -> Result<(), Fault> + Send,
{
    fn shall_outlive(&self) -> Outlives {
        Outlives::Process
    }

    fn run(&mut self, db: &Connection) -> bool {
        self.fault = guarded(|| (self.act)(db)).err();
        self.fault.is_none()
    }

    fn answer(self: Box<Self>, commit: Result<(), &rusqlite::Error>) {
        if let Err(error) = commit {
            tracing::error!(%error, "a write nobody waits for is lost");
        } else if let Some(fault) = self.fault {
            let error = StoreError::from(fault);
            tracing::error!(
                error = &error as &(dyn std::error::Error + 'static),
                "a write nobody waits for is lost"
            );
        }
    }
}

/// A panic in one act must not end the writer for all.
fn guarded<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
        Err(Fault::Unreadable(StoreError::new(
            "a write panicked and is undone",
        )))
    })
}

/// The same failure for the next one who waits.
fn copied(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => {
            rusqlite::Error::SqliteFailure(*code, text.clone())
        }
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
            Some(other.to_string()),
        ),
    }
}

#[cfg(test)]
mod tests;
