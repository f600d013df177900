//! A disk whose syncs are noted down and can be made to fail: SQLite's own way to files, with another `xSync`.
#![allow(
    unsafe_code,
    reason = "SQLite takes a way to files as tables of C functions"
)]

use rusqlite::ffi::{
    SQLITE_ERROR, SQLITE_IOERR_FSYNC, SQLITE_OK, SQLITE_OPEN_MAIN_DB, SQLITE_OPEN_WAL,
    sqlite3_file, sqlite3_filename, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register,
};
use std::ffi::{CString, c_int};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(Default)]
pub(super) struct Disk {
    pub(super) log: Syncs,
    pub(super) file: Syncs,
}

#[derive(Default)]
pub(super) struct Syncs {
    fail: AtomicBool,
    done: Mutex<Vec<Instant>>,
}

impl Syncs {
    pub(super) fn fail(&self, fail: bool) {
        self.fail.store(fail, Ordering::SeqCst);
    }

    /// When each was done that did not fail.
    pub(super) fn done(&self) -> Vec<Instant> {
        self.done.lock().unwrap().clone()
    }
}

/// SQLite's table first, and behind it what the functions of ours find through it.
#[repr(C)]
struct Way {
    table: sqlite3_vfs,
    real: *mut sqlite3_vfs,
    disk: &'static Disk,
}

/// The same of an open file.
#[repr(C)]
struct Kind {
    table: sqlite3_io_methods,
    real: *const sqlite3_io_methods,
    syncs: &'static Syncs,
}

impl Disk {
    /// Known to SQLite by this name for as long as the process lives.
    pub(super) fn new(name: &str) -> &'static Self {
        let disk: &'static Self = Box::leak(Box::<Self>::default());
        let name = CString::new(name).unwrap().into_raw();
        // SAFETY: SQLite's own table is never taken away, and what is registered is leaked.
        unsafe {
            let real = sqlite3_vfs_find(ptr::null());
            let table = sqlite3_vfs {
                pNext: ptr::null_mut(),
                zName: name,
                xOpen: Some(open),
                ..*real
            };
            let way = Box::into_raw(Box::new(Way { table, real, disk }));
            let registered = sqlite3_vfs_register(&raw mut (*way).table, 0);
            assert_eq!(registered, SQLITE_OK);
        }
        disk
    }
}

unsafe extern "C" fn open(
    way: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    given: *mut c_int,
) -> c_int {
    // SAFETY: `way` is what was registered with this function in it, and the rest is for SQLite's own, which
    // fills the file in.
    unsafe {
        let way = &*way.cast::<Way>();
        let Some(really) = (*way.real).xOpen else {
            return SQLITE_ERROR;
        };
        let outcome = really(way.real, name, file, flags, given);
        let syncs = match flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB) {
            SQLITE_OPEN_WAL => &way.disk.log,
            SQLITE_OPEN_MAIN_DB => &way.disk.file,
            _ => return outcome,
        };
        if outcome == SQLITE_OK {
            let real = (*file).pMethods;
            let table = sqlite3_io_methods {
                xSync: Some(sync),
                ..*real
            };
            let kind = Box::into_raw(Box::new(Kind { table, real, syncs }));
            (*file).pMethods = &raw const (*kind).table;
        }
        outcome
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file's table is one that `open` made, for this function stands in no other.
    unsafe {
        let kind = &*(*file).pMethods.cast::<Kind>();
        if kind.syncs.fail.load(Ordering::SeqCst) {
            return SQLITE_IOERR_FSYNC;
        }
        let Some(really) = (*kind.real).xSync else {
            return SQLITE_ERROR;
        };
        let outcome = really(file, flags);
        if outcome == SQLITE_OK {
            kind.syncs.done.lock().unwrap().push(Instant::now());
        }
        outcome
    }
}
