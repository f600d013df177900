//! The connections that read. A reader sees the last commit and waits for no writer.
//!
//! Those of point reads are held for microseconds, on the threads of the runtime. What may go through
//! a whole table has a connection of its own, so that no sign-in waits behind a search.

use super::Fault;
use postern_login::error::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    scanner: Mutex<Connection>,
}

impl Readers {
    /// One for each core, at least 2 and at most 8: reads are short and never wait, so more would
    /// only hold more memory (a MiB of page cache each).
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let connections = (0..cores.clamp(2, 8))
            .map(|_| Ok(Mutex::new(reader(file)?)))
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            connections,
            next: AtomicUsize::new(0),
            scanner: Mutex::new(reader(file)?),
        })
    }

    /// One at a time, and those that wait hold their thread.
    pub(super) fn scan<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let scanner = self.scanner.lock();
        Ok(look(&scanner.unwrap_or_else(PoisonError::into_inner))?)
    }

    pub(super) fn run<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.connections.len();
        let free =
            (0..count).find_map(|step| self.connections[(first + step) % count].try_lock().ok());
        let connection = free.unwrap_or_else(|| {
            self.connections[first % count]
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        });
        Ok(look(&connection)?)
    }
}

fn reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    // The log is the writer's to write back, whoever is the last to close.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA cache_size = -1024; PRAGMA busy_timeout = 5000;
         PRAGMA temp_store = MEMORY;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A search that takes long keeps nobody from a point read, however many there are.
    #[test]
    fn a_scan_holds_up_no_point_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let readers = Readers::open(&dir.path().join("postern.db")).expect("readers");
        let (begun, is_begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::scope(|threads| {
            let scan = threads.spawn(|| {
                readers.scan(move |_| {
                    begun.send(()).expect("somebody waits");
                    ended.recv().expect("told to end");
                    Ok(())
                })
            });
            is_begun.recv().expect("it began");
            for _ in 0..2 * readers.connections.len() {
                let one =
                    readers.run(|db| Ok(db.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?));
                assert_eq!(one.expect("read"), 1);
            }
            assert!(!scan.is_finished());
            end.send(()).expect("it waits");
            scan.join().expect("no panic").expect("scan");
        });
    }
}
