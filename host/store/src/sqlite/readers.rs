//! The connections that read. A reader sees the last commit and waits for no writer.

use super::Fault;
use postern_login::error::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    /// One for each core, at least 2 and at most 8: reads are short and never wait, so more would
    /// only hold more memory (a MiB of page cache each).
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let connections = (0..cores.clamp(2, 8))
            .map(|_| {
                let connection = Connection::open(file)?;
                connection.execute_batch(
                    "PRAGMA query_only = ON; PRAGMA cache_size = -1024; PRAGMA busy_timeout = 5000;
                     PRAGMA temp_store = MEMORY;",
                )?;
                connection.set_prepared_statement_cache_capacity(32);
                Ok(Mutex::new(connection))
            })
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            connections,
            next: AtomicUsize::new(0),
        })
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
