#![allow(clippy::unwrap_used)]

mod disk;

use super::*;
use crate::sqlite::Options;
use disk::Disk;
use rusqlite::OpenFlags;
use tempfile::TempDir;

/// A store with notes in it, on a disk of this name.
fn store(name: &str) -> (TempDir, &'static Disk, Connection) {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new(name));
    let file = dir.path().join("postern.db");
    let db = Connection::open_with_flags_and_vfs(file, OpenFlags::default(), name);
    let mut db = db.unwrap();
    assert!(schema::prepare(&mut db, &Options::default()).is_ok());
    db.execute_batch("CREATE TABLE notes (note BLOB)").unwrap();
    (dir, disk, db)
}

fn start(dir: &TempDir, db: Connection) -> Writer {
    let lock = File::create(dir.path().join("lock")).unwrap();
    Writer::start(db, lock, 16).unwrap()
}

async fn note(writer: &Writer, outlives: Outlives) -> Result<(), StoreError> {
    let noted = writer.run(outlives, |db| {
        db.execute("INSERT INTO notes VALUES ('a note')", [])?;
        Ok(())
    });
    noted.await
}

/// By somebody who opens the store afterwards.
fn notes(dir: &TempDir) -> u64 {
    let db = Connection::open(dir.path().join("postern.db")).unwrap();
    let count = db.query_row("SELECT count(*) FROM notes", [], |row| row.get::<_, i64>(0));
    count.unwrap().unsigned_abs()
}

fn log_length(dir: &TempDir) -> u64 {
    let log = std::fs::metadata(dir.path().join("postern.db-wal"));
    log.unwrap().len()
}

/// The system gives up what it could not write: the next sync would succeed, and what was answered before
/// would be behind a hole.
#[tokio::test]
async fn a_failed_sync_that_answered_writes_waited_for_ends_the_writing() {
    let (dir, disk, db) = store("a failed sync");
    let writer = start(&dir, db);
    note(&writer, Outlives::Power).await.unwrap();
    disk.log.fail(true);
    note(&writer, Outlives::Process).await.unwrap();
    assert!(note(&writer, Outlives::Power).await.is_err());
    disk.log.fail(false);
    let synced = (disk.log.done(), disk.file.done());
    for outlives in [Outlives::Process, Outlives::Power] {
        let refused = note(&writer, outlives).await.unwrap_err();
        assert_eq!(refused.to_string(), "the store's disk fails");
    }
    drop(writer);
    let after = (disk.log.done(), disk.file.done());
    assert_eq!(after, synced, "nothing is written back behind it");
    assert!(log_length(&dir) > 0, "the log is left to the next start");
    assert!(notes(&dir) >= 2, "what was answered is there");
}

/// Nobody else was answered what may be lost.
#[tokio::test]
async fn a_failed_sync_that_nothing_waited_for_is_its_own_writes_trouble() {
    let (dir, disk, db) = store("a sync that fails alone");
    let writer = start(&dir, db);
    note(&writer, Outlives::Power).await.unwrap();
    disk.log.fail(true);
    assert!(note(&writer, Outlives::Power).await.is_err());
    disk.log.fail(false);
    note(&writer, Outlives::Power).await.unwrap();
    drop(writer);
    assert_eq!(log_length(&dir), 0, "it is written back at the end");
    assert_eq!(notes(&dir), 2);
}

/// As a host that was killed leaves it.
#[tokio::test]
async fn what_is_in_the_log_at_the_start_counts_as_not_synced() {
    let (dir, disk, db) = store("a log from before");
    disk.log.fail(true);
    let writer = start(&dir, db);
    assert!(note(&writer, Outlives::Power).await.is_err());
    disk.log.fail(false);
    assert!(note(&writer, Outlives::Power).await.is_err());
}

/// Else the logs of hosts that are killed, each before its time to write back, would grow on.
#[tokio::test]
async fn a_long_log_that_is_found_at_the_start_is_written_back_behind_the_first_write() {
    let (dir, disk, db) = store("a long log from before");
    db.execute("INSERT INTO notes VALUES (zeroblob(40000000))", [])
        .unwrap();
    let synced = disk.file.done().len();
    let writer = start(&dir, db);
    // The second is answered after what follows the first.
    for _ in 0..2 {
        note(&writer, Outlives::Power).await.unwrap();
    }
    assert!(disk.file.done().len() > synced);
    drop(writer);
}

#[tokio::test]
async fn what_nobody_asks_to_sync_is_synced_a_second_later() {
    let (dir, disk, db) = store("a sync by itself");
    let writer = start(&dir, db);
    note(&writer, Outlives::Power).await.unwrap();
    let began = Instant::now();
    note(&writer, Outlives::Process).await.unwrap();
    let synced = loop {
        if let Some(synced) = disk.log.done().into_iter().find(|at| *at > began) {
            break synced;
        }
        assert!(began.elapsed() < 10 * SYNC_AFTER, "nobody syncs it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(synced >= began + SYNC_AFTER, "and not before");
    drop(writer);
}

/// What of the log was copied to the file before may be gone from it, and the next checkpoint begins behind.
#[tokio::test]
async fn a_failed_sync_as_the_log_is_written_back_ends_the_writing() {
    let (dir, disk, db) = store("a failed checkpoint");
    let writer = start(&dir, db);
    note(&writer, Outlives::Power).await.unwrap();
    disk.file.fail(true);
    let many = writer.run(Outlives::Power, |db| {
        db.execute(
            "INSERT INTO notes
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
             SELECT 'a note' FROM n",
            [i64::try_from(CHANGES_PER_CHECKPOINT).unwrap()],
        )?;
        Ok(())
    });
    many.await.unwrap();
    assert!(note(&writer, Outlives::Process).await.is_err());
    disk.file.fail(false);
    assert!(note(&writer, Outlives::Power).await.is_err());
    let synced = disk.file.done();
    drop(writer);
    assert_eq!(disk.file.done(), synced);
    assert_eq!(notes(&dir), 1 + CHANGES_PER_CHECKPOINT);
}

/// Nobody would hear of a sync that fails there.
#[tokio::test]
async fn a_commit_writes_nothing_back_however_long_the_log_is() {
    let (dir, disk, db) = store("a long log");
    let writer = start(&dir, db);
    note(&writer, Outlives::Power).await.unwrap();
    let synced = disk.file.done().len();
    let large = writer.run(Outlives::Process, |db| {
        db.execute("INSERT INTO notes VALUES (zeroblob(70000000))", [])?;
        Ok(())
    });
    large.await.unwrap();
    assert!(log_length(&dir) > 70_000_000);
    assert_eq!(disk.file.done().len(), synced);
    drop(writer);
    assert!(disk.file.done().len() > synced, "at the end it is");
}
