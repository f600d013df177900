//! The embedded store, through the suite of every store, and what only it promises: one host, the
//! disk before the answer, no row and no file taken for what it is not.
#![allow(clippy::unwrap_used)]

use postern_admin::audit::{AuditTrail, Checked};
use postern_admin::documents::{Documents, Key, Kind, Put};
use postern_login::audit::{AuditEvent, What};
use postern_login::error::StoreError;
use postern_login::login::{FirstFactor, Origin, Purpose, SecondFactor, Started};
use postern_login::ports::{
    Added, Advanced, AttemptStore, AuditLog, Begins, Budget, Counters, Ending, LoginStore, Payment,
    SessionStore, Settlement, Spending, Subject, TenantRecord, TenantStore,
};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::{AttemptPolicy, Timestamp};
use postern_store::RowKeys;
use postern_store::sqlite::{OpenError, Options, RowKeySource, Sqlite};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

postern_store::conformance_tests!({
    let dir = tempfile::tempdir().unwrap();
    (open(&dir), dir)
});

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn open(dir: &TempDir) -> Sqlite {
    Sqlite::open(dir.path(), Options::default()).unwrap()
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("postern.db")
}

fn refusal(dir: &Path) -> OpenError {
    match Sqlite::open(dir, Options::default()) {
        Ok(_) => panic!("the store opened"),
        Err(error) => error,
    }
}

fn login(number: u64) -> Login {
    Login {
        id: LoginId::parse(&format!("{number:043}")).unwrap(),
        name: "k3x9".into(),
        version: 1,
        tenant: TenantId::super_tenant(),
        origin: Origin::Browser {
            return_to: "home".into(),
        },
        application: postern_login::application::Application::account_page(),
        purpose: Purpose::Login,
        locale: "en".into(),
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(900)),
        state: State::Started(Started::default()),
    }
}

async fn count(store: &Sqlite, logins: u64) -> u64 {
    let mut found = 0;
    for number in 0..logins {
        let login = LoginStore::load(store, &login(number).tenant, &login(number).id, NOW).await;
        found += u64::from(login.unwrap().is_some());
    }
    found
}

#[test]
fn two_hosts_never_share_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    let other_handle = store.clone();
    drop(store);
    assert!(matches!(refusal(dir.path()), OpenError::InUse { .. }));
    drop(other_handle);
    drop(open(&dir));
}

#[test]
fn only_the_owner_reads_the_files() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let store = Sqlite::open(&dir, Options::default()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
        files += 1;
    }
    assert_eq!(files, 4, "file, log, index, lock");
    drop(store);
}

#[test]
fn a_folder_that_others_write_to_is_refused_and_its_rights_are_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    for (mode, refused) in [
        (0o700, false),
        (0o750, false),
        (0o755, false),
        (0o720, true),
        (0o702, true),
        (0o1777, true),
    ] {
        let dir = parent.path().join(format!("{mode:o}"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = Sqlite::open(&dir, Options::default());
        match opened {
            Err(OpenError::Writable { .. }) => assert!(refused, "{mode:o}"),
            Ok(_) => assert!(!refused, "{mode:o}"),
            Err(other) => panic!("{mode:o}: {other}"),
        }
        let after = std::fs::metadata(&dir).unwrap().permissions().mode() & 0o7777;
        assert_eq!(after, mode, "left as it was");
    }
}

/// The fault fsync_before_ack, by what SQLite is told: FULL syncs the log at the commit, also after one
/// that needed none.
#[tokio::test]
async fn a_commit_that_decides_is_synced_before_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let budget = Budget {
        key: "a budget".into(),
        window: Duration::from_secs(60),
        max: 1,
        begins: Begins::First,
    };
    let spending = store.spend(&[budget], NOW).await.unwrap();
    assert_eq!(spending, Spending::Granted);
    let (journal, synchronous) = store.durability().await.unwrap();
    assert_eq!(journal, "wal");
    assert_eq!(synchronous, 2, "2 is FULL");
}

/// The fault upgrade_downgrade.
#[test]
fn a_newer_schema_is_refused_with_a_message() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let db = Connection::open(file(&dir)).unwrap();
    db.execute_batch("PRAGMA user_version = 1000").unwrap();
    drop(db);
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::Newer { found: 1000, .. }));
    let text = refused.to_string();
    assert!(text.contains("schema 1000"), "{text}");
    let db = Connection::open(file(&dir)).unwrap();
    let version: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1000, "and is not touched");
}

#[test]
fn a_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = Connection::open(file(&dir)).unwrap();
    db.execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
    drop(db);
    assert!(matches!(refusal(dir.path()), OpenError::Foreign { .. }));
    std::fs::write(
        file(&dir),
        "not a database at all, but long enough to be read",
    )
    .unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign { .. }));
}

/// The fault torn_write: a store that is gone is not taken for one that never was.
#[tokio::test]
async fn a_store_that_is_gone_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.insert(&login(0)).await.unwrap();
    drop(store);
    std::fs::write(file(&dir), "").unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Vanished { .. }));
    std::fs::remove_file(file(&dir)).unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::Vanished { .. }));
    assert!(!file(&dir).exists(), "nothing is made in its place");
    std::fs::remove_file(dir.path().join("postern.lock")).unwrap();
    assert_eq!(count(&open(&dir), 1).await, 0);
}

/// The fault torn_write: the log cut or garbled at its end gives a state that was, or a refusal.
#[tokio::test]
async fn a_torn_log_gives_an_earlier_state() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    const LOGINS: u64 = 40;
    for number in 0..LOGINS {
        store.insert(&login(number)).await.unwrap();
    }
    // A copy as a power cut would leave it: the log not yet written back.
    let db = std::fs::read(file(&dir)).unwrap();
    let log = std::fs::read(dir.path().join("postern.db-wal")).unwrap();
    drop(store);
    let mut found = Vec::new();
    for torn in [0, 1, 24, 100, 1000, 4096, 4120, 10_000, 60_000] {
        for garbled in [false, true] {
            let copy = tempfile::tempdir().unwrap();
            std::fs::write(file(&copy), &db).unwrap();
            let mut log = log.clone();
            let cut = log.len() - torn;
            if garbled {
                log[cut..].fill(0xa5);
            } else {
                log.truncate(cut);
            }
            std::fs::write(copy.path().join("postern.db-wal"), log).unwrap();
            let store = open(&copy);
            let kept = count(&store, LOGINS).await;
            // What is kept is the beginning, whole: no login is missing before one that is there.
            assert_eq!(count(&store, kept).await, kept, "{torn} bytes torn");
            if torn == 0 {
                assert_eq!(kept, LOGINS);
            }
            store.insert(&login(LOGINS + 1)).await.unwrap();
            found.push(kept);
        }
    }
    assert!(
        found.iter().any(|kept| *kept < LOGINS),
        "something was torn"
    );
}

/// The fault disk_full: what does not fit is refused and undone, what was there stays, and room
/// heals without a restart.
#[tokio::test]
async fn a_full_disk_refuses_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        pages_max: Some(60),
        ..Options::default()
    };
    let store = Sqlite::open(dir.path(), small).unwrap();
    let mut kept = 0;
    let error = loop {
        match store.insert(&login(kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 10_000, "the bound holds");
    };
    assert_eq!(error.to_string(), "the store's disk is full");
    assert_eq!(count(&store, kept + 1).await, kept);
    // A batch in which some fit and some do not: each gets its own answer.
    let later = NOW.plus(Duration::from_secs(901));
    let budget = [Budget {
        key: "sends".into(),
        window: Duration::from_secs(600),
        max: 5,
        begins: Begins::First,
    }];
    let too_big = Login {
        locale: "x".repeat(100_000),
        ..login(kept)
    };
    let (big, small) = tokio::join!(store.insert(&too_big), store.spend(&budget, NOW));
    assert!(big.is_err());
    drop(small);
    assert!(store.sweep(later, 10_000).await.unwrap() >= kept);
    store.insert(&login(kept)).await.unwrap();
    assert_eq!(count(&store, kept + 1).await, 1);
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let none = Options {
        writes_waiting_max: 0,
        ..Options::default()
    };
    let store = Sqlite::open(dir.path(), none).unwrap();
    let refused = store.insert(&login(0)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the store is busy: 0 writes are waiting"
    );
}

/// One failing write in a batch takes none of the others with it.
#[tokio::test]
async fn a_failing_write_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.insert(&login(0)).await.unwrap();
    let mut inserts = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        // Every tenth is one that is there.
        let number = if number % 10 == 0 { 0 } else { number };
        inserts.spawn(async move { store.insert(&login(number)).await.is_ok() });
    }
    let inserted = inserts.join_all().await.into_iter().filter(|ok| *ok);
    assert_eq!(inserted.count(), 90);
    assert_eq!(count(&store, 100).await, 91);
}

/// N-03: a row that cannot be understood is an error, never absent.
#[tokio::test]
async fn a_broken_login_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for number in 0..5 {
        store.insert(&login(number)).await.unwrap();
    }
    drop(store);
    let db = Connection::open(file(&dir)).unwrap();
    for (row, damage) in [
        (1, "body = x''"),
        (2, "body = CAST(x'00' || substr(body, 2) AS BLOB)"),
        (3, "body = substr(body, 1, 20)"),
        (4, "expires_at = expires_at + 1"),
        (5, "expires_at = 0"),
    ] {
        db.execute_batch(&format!("UPDATE logins SET {damage} WHERE rowid = {row}"))
            .unwrap();
    }
    let missing = db.execute_batch("UPDATE logins SET expires_at = NULL");
    assert!(missing.is_err(), "the schema itself refuses no expiry");
    drop(db);
    let store = open(&dir);
    for number in 0..5 {
        let loaded = LoginStore::load(&store, &login(number).tenant, &login(number).id, NOW).await;
        assert!(loaded.is_err(), "row {number}");
    }
}

/// settings are sealed, each tenant's to that tenant; settings that were changed outside
/// of Postern are that tenant's trouble alone.
#[tokio::test]
async fn the_settings_of_a_tenant_are_sealed_and_broken_ones_are_its_trouble_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let record = |name: &str| TenantRecord {
        tenant: TenantId::parse(name).unwrap(),
        enabled: true,
        document: Some(format!("token = \"s3cr3t of {name}\"")),
        broken: None,
        changed_at: NOW,
    };
    for name in ["a.example", "b.example"] {
        let added = store.add_tenant(&record(name)).await.unwrap();
        assert_eq!(added, Added::Added);
    }
    drop(store);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|found| found == b"s3cr3t"));
    }
    let db = Connection::open(file(&dir)).unwrap();
    db.execute_batch(
        "UPDATE tenants SET document = (SELECT document FROM tenants WHERE tenant = 'b.example')
         WHERE tenant = 'a.example'",
    )
    .unwrap();
    drop(db);
    let store = open(&dir);
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants[0].document, None);
    assert!(tenants[0].broken.is_some());
    assert!(store.save_tenant(&tenants[0]).await.is_err());
    assert_eq!(tenants[1], record("b.example"));
    assert!(store.save_tenant(&record("a.example")).await.unwrap());
}

/// Whoever reads the files finds no id that opens anything.
#[tokio::test]
async fn no_id_is_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let secret = LoginId::parse("s3cr3tLoginIdThatMustNotBeFoundInAnyFile043").unwrap();
    let login = Login {
        id: secret.clone(),
        ..login(0)
    };
    store.insert(&login).await.unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let needle = secret.as_str().as_bytes();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
}

/// L-06: the events come back in the order they were recorded, those waited for and those not.
#[tokio::test]
async fn the_audit_log_keeps_its_order_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let event = |login: u64, what| AuditEvent {
        at: NOW,
        tenant: TenantId::super_tenant(),
        login: Some(login.to_string()),
        who: Some("alice".into()),
        address: Some("192.0.2.7".into()),
        what,
    };
    for number in 0..20 {
        let sent = What::CodeSent {
            sender: "twilio".into(),
            number: "***4567".into(),
            attempt: 1,
            occasion: postern_login::audit::Occasion::default(),
        };
        store.record(event(number, sent)).await.unwrap();
        let amr = vec!["pwd".into(), "sms".into()];
        let succeeded = What::LoginSucceeded { amr };
        store.record(event(number, succeeded)).await.unwrap();
    }
    drop(store);
    let store = open(&dir);
    let rows = store.audit(0, 100).await.unwrap();
    assert_eq!(rows.len(), 40);
    for (index, (row, event)) in rows.iter().enumerate() {
        assert_eq!(*row, index as u64 + 1);
        assert_eq!(event.login, Some((index / 2).to_string()));
        let succeeded = matches!(event.what, What::LoginSucceeded { .. });
        assert_eq!(succeeded, index % 2 == 1);
    }
    let page = store.audit(38, 1).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].0, 39);
}

fn session() -> Session {
    Session {
        id: SessionId::parse(&"s".repeat(43)).unwrap(),
        name: "k3x9".into(),
        tenant: TenantId::super_tenant(),
        account: "alice".into(),
        has_local_account: true,
        display: "alice".into(),
        first: FirstFactor::Password,
        second: SecondFactor::BackupCode,
        authenticated_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(8 * 3600)),
        user_agent: String::new(),
        address: String::new(),
        locale: "en".into(),
        attributes: Vec::new(),
    }
}

/// What was heard of, and not handed to the store to be written again.
#[derive(Default)]
struct Ear(std::sync::Mutex<Vec<AuditEvent>>);

#[async_trait::async_trait]
impl AuditLog for Ear {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        Err(StoreError::new(format!("{event:?} was written twice")))
    }

    fn heard(&self, event: &AuditEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// L-06: nobody gets in without a row that says so, and whoever came too late leaves none.
#[tokio::test]
async fn a_move_and_its_audit_rows_are_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let login = login(1);
    store.insert(&login).await.unwrap();
    let event = |what| AuditEvent {
        at: NOW,
        tenant: TenantId::super_tenant(),
        login: Some(login.name.clone()),
        who: None,
        address: None,
        what,
    };
    let ear = Ear::default();
    for wins in [true, false] {
        let then = Settlement {
            events: vec![event(What::Replay), event(What::FirstStepPassed)],
            ..Settlement::default()
        };
        let settled = store.settle(&login, login.state.clone(), then, &store, &ear);
        assert_eq!(matches!(settled.await.unwrap(), Advanced::Won(_)), wins);
        assert_eq!(ear.0.lock().unwrap().len(), 2);
        assert_eq!(store.audit(0, 10).await.unwrap().len(), 2);
    }
}

/// L-06: the same where a session opens.
#[tokio::test]
async fn a_finish_and_what_follows_are_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let login = login(1);
    store.insert(&login).await.unwrap();
    let subject = Subject::Account {
        tenant: login.tenant.clone(),
        account: "alice".into(),
    };
    let in_a_row = async || store.ledger(&subject).await.unwrap().in_a_row;
    let policy = AttemptPolicy::default();
    let paid = store.pay(&subject, &login.id, NOW, &policy).await.unwrap();
    assert!(matches!(paid, Payment::Paid(_)));
    assert_eq!(in_a_row().await, 1);
    let ear = Ear::default();
    for finishes in [true, false] {
        let event = |what| AuditEvent {
            at: NOW,
            tenant: TenantId::super_tenant(),
            login: Some(login.name.clone()),
            who: Some("alice".into()),
            address: None,
            what,
        };
        let then = Ending {
            session: session(),
            clear: Some(subject.clone()),
            events: vec![
                event(What::FirstStepPassed),
                event(What::LoginSucceeded { amr: Vec::new() }),
            ],
        };
        let finished = store.finish(&login, then, &store, &store, &ear).await;
        assert_eq!(finished.unwrap().is_some(), finishes);
        assert_eq!(ear.0.lock().unwrap().len(), 2);
        assert_eq!(store.audit(0, 10).await.unwrap().len(), 2);
        assert_eq!(in_a_row().await, 0);
        let session = session();
        let opened = SessionStore::find(&store, &session.tenant, &session.id, NOW).await;
        assert!(opened.unwrap().is_some());
    }
}

/// A session that cannot be opened leaves the login where it was: the person goes on from there.
#[tokio::test]
async fn a_login_is_not_lost_on_the_way_to_its_session() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let login = login(1);
    store.insert(&login).await.unwrap();
    // Its id is taken.
    SessionStore::open(&store, &session()).await.unwrap();
    let event = AuditEvent {
        at: NOW,
        tenant: TenantId::super_tenant(),
        login: None,
        who: None,
        address: None,
        what: What::LoginSucceeded { amr: Vec::new() },
    };
    let then = Ending {
        session: session(),
        clear: None,
        events: vec![event],
    };
    let finished = store.finish(&login, then, &store, &store, &store).await;
    assert!(finished.is_err());
    let kept = LoginStore::load(&store, &login.tenant, &login.id, NOW).await;
    assert!(kept.unwrap().is_some());
    assert_eq!(store.audit(0, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn everything_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for number in 0..50 {
        store.insert(&login(number)).await.unwrap();
    }
    drop(store);
    assert_eq!(count(&open(&dir), 50).await, 50);
}

// ---------------------------------------------------------------- the chain of the audit log

async fn chain(store: &Sqlite) -> Result<u64, (u64, String)> {
    let (mut rows, mut last) = (0, None);
    loop {
        match store.check_chain(last.as_ref(), 4).await.unwrap() {
            Checked::Onward {
                rows: more,
                last: link,
            } => {
                rows += more;
                last = Some(link);
            }
            Checked::End => return Ok(rows),
            Checked::Broken { seq, why } => return Err((seq, why)),
        }
    }
}

async fn with_ten_rows(dir: &TempDir) {
    let store = open(dir);
    for number in 0..10 {
        let event = AuditEvent {
            at: NOW,
            tenant: TenantId::super_tenant(),
            login: Some(number.to_string()),
            who: Some("alice".into()),
            address: None,
            what: What::ConsoleClosed,
        };
        store.record(event).await.unwrap();
    }
    assert_eq!(chain(&store).await, Ok(10));
}

/// What somebody with the file, and without the key, can do to the log.
#[tokio::test]
async fn a_row_that_is_changed_moved_or_taken_out_is_named() {
    const UNLIKE: &str = "it is not as it was written";
    const MISSING: &str = "it is missing";
    for (sql, broken, why) in [
        ("UPDATE audit SET who = 'bob' WHERE seq = 4", 4, UNLIKE),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1, UNLIKE),
        ("UPDATE audit SET address = '' WHERE seq = 2", 2, UNLIKE),
        ("UPDATE audit SET link = NULL WHERE seq = 5", 5, UNLIKE),
        (
            "UPDATE audit SET link = zeroblob(32) WHERE seq = 10",
            10,
            UNLIKE,
        ),
        ("DELETE FROM audit WHERE seq = 7", 7, MISSING),
        ("DELETE FROM audit WHERE seq = 1", 1, MISSING),
        ("DELETE FROM audit WHERE seq > 8", 9, MISSING),
        (
            "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3",
            3,
            UNLIKE,
        ),
        (
            "UPDATE audit SET login = CASE seq WHEN 5 THEN '5' WHEN 6 THEN '4' ELSE login END",
            5,
            UNLIKE,
        ),
        (
            "INSERT INTO audit (seq, at, tenant, what, link)
             SELECT 11, at, tenant, what, link FROM audit WHERE seq = 10",
            11,
            UNLIKE,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        with_ten_rows(&dir).await;
        let db = Connection::open(file(&dir)).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        assert_eq!(
            chain(&open(&dir)).await,
            Err((broken, why.to_owned())),
            "{sql}"
        );
    }
}

async fn pruned_to_four(dir: &TempDir) {
    with_ten_rows(dir).await;
    let store = open(dir);
    let Checked::Onward { last, .. } = store.check_chain(None, 4).await.unwrap() else {
        panic!("there are rows");
    };
    assert!(store.prune(&last, NOW).await.unwrap());
    assert_eq!(chain(&store).await, Ok(6));
}

/// The note of what was removed takes no further row with it, and cannot be moved without the key.
#[tokio::test]
async fn a_log_with_its_oldest_rows_removed_still_tells_what_was_changed() {
    const NOTE: &str = "the note of what was removed up to it is not as it was written";
    const MISSING: &str = "it is missing";
    const UNLIKE: &str = "it is not as it was written";
    for (sql, broken, why) in [
        ("DELETE FROM audit_anchor", 1, MISSING),
        ("DELETE FROM audit WHERE seq = 5", 5, MISSING),
        ("DELETE FROM audit WHERE seq > 8", 9, MISSING),
        ("DELETE FROM audit", 5, MISSING),
        ("UPDATE audit SET who = 'bob' WHERE seq = 5", 5, UNLIKE),
        (
            "DELETE FROM audit WHERE seq <= 6; UPDATE audit_anchor SET seq = 6",
            6,
            NOTE,
        ),
        (
            "UPDATE audit_anchor SET seq = 6, link = (SELECT link FROM audit WHERE seq = 6);
             DELETE FROM audit WHERE seq <= 6",
            6,
            NOTE,
        ),
        ("UPDATE audit_anchor SET at = at + 1", 4, NOTE),
        ("UPDATE audit_anchor SET seal = zeroblob(32)", 4, NOTE),
    ] {
        let dir = tempfile::tempdir().unwrap();
        pruned_to_four(&dir).await;
        let db = Connection::open(file(&dir)).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        assert_eq!(
            chain(&open(&dir)).await,
            Err((broken, why.to_owned())),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_client_from_before_scopes_may_what_it_could() {
    use postern_login::ports::{ApiClients, Scope};
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let db = Connection::open(file(&dir)).unwrap();
    db.execute_batch(
        "INSERT INTO clients (name, tenant, created_at, token)
         VALUES ('shop', 'carbon.super', 1800000000000, zeroblob(32))",
    )
    .unwrap();
    drop(db);
    let client = ApiClients::find(&open(&dir), &[0; 32])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(client.scopes, Scope::UNNAMED);
    let db = Connection::open(file(&dir)).unwrap();
    db.execute_batch("UPDATE clients SET scopes = 'challenges everything'")
        .unwrap();
    drop(db);
    assert!(matches!(refusal(dir.path()), OpenError::Database { .. }));
}

#[tokio::test]
async fn another_key_verifies_nothing() {
    let dir = tempfile::tempdir().unwrap();
    with_ten_rows(&dir).await;
    let other = Options {
        row_keys: RowKeySource::new(|| {
            Ok(RowKeys {
                audit: [1; 32],
                documents: [1; 32],
            })
        }),
        ..Options::default()
    };
    let store = Sqlite::open(dir.path(), other).unwrap();
    assert_eq!(chain(&store).await.unwrap_err().0, 1);
}

/// Whoever can write the file but has not the key could else change rows, take all links away, and have
/// the next start link what is left.
#[tokio::test]
async fn links_that_were_taken_away_are_not_given_anew() {
    for (sql, broken) in [
        ("UPDATE audit SET link = NULL", 1),
        ("UPDATE audit SET link = NULL WHERE seq = 3", 3),
    ] {
        let dir = tempfile::tempdir().unwrap();
        with_ten_rows(&dir).await;
        let db = Connection::open(file(&dir)).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        assert_eq!(chain(&open(&dir)).await.unwrap_err().0, broken, "{sql}");
    }
}

/// L-02: what the console keeps is not in the file, and cannot be put there from outside.
#[tokio::test]
async fn documents_are_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let key = |name: &str| Key {
        tenant: TenantId::super_tenant(),
        kind: Kind::Administrator,
        name: name.to_owned(),
    };
    let store = open(&dir);
    for name in ["alice", "bob"] {
        let put = store
            .put(&key(name), None, "s3cr3t-that-must-not-be-found", NOW)
            .await
            .unwrap();
        assert_eq!(put, Put::Written { version: 1 });
    }
    drop(store);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let needle = b"s3cr3t-that-must-not-be-found";
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
    let db = Connection::open(file(&dir)).unwrap();
    db.execute_batch("UPDATE documents SET name = 'mallory' WHERE name = 'bob'")
        .unwrap();
    drop(db);
    let store = open(&dir);
    assert!(
        Documents::get(&store, &key("alice"))
            .await
            .unwrap()
            .is_some()
    );
    let error = Documents::get(&store, &key("mallory")).await.unwrap_err();
    assert!(
        error.to_string().contains("not as it was written"),
        "{error}"
    );
}
