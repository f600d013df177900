//! kill -9 under load, and a disk that fails: whatever was acknowledged is still there, and nothing is
//! accepted twice. And the order of it all: on the disk first, acknowledged afterwards.
//!
//! This program starts itself again as a child that works on a store and tells on its standard
//! output, line by line, what the store acknowledged. The parent kills it somewhere in the middle,
//! opens the store, and compares. A line is written only after the acknowledgement, so the store
//! may know more than the ledger, never less.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use postern_federation::Moment;
use postern_federation::ports::Once;
use postern_login::audit::{AuditEvent, CodeStatus, Occasion, What};
use postern_login::login::{Origin, Purpose, Started};
use postern_login::ports::{
    AccountRef, Advanced, AttemptStore, AuditLog, BackupCodeStore, Ending, LoginStore, Payment,
    SessionStore, Settlement, Subject,
};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::lock::Standing;
use postern_otp::{AttemptPolicy, BackupCode, Timestamp};
use postern_store::sqlite::{Options, Sqlite};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const STORE: &str = "POSTERN_CRASH_STORE";
const ROUND: &str = "POSTERN_CRASH_ROUND";
/// The child does one thing after the other, and says what the store refuses.
const IN_TURN: &str = "POSTERN_CRASH_IN_TURN";
/// Enough that kills land in inserts, payments, takes and checkpoints, each of them many times.
const ROUNDS: u64 = 1_000;
/// How long the rounds may take together. A round takes about 0.2 s: by default some 25 of them run, and
/// a long test run asks for more.
const SECONDS: &str = "POSTERN_KILL_SECONDS";
const SECONDS_DEFAULT: u64 = 5;
const BACKUP_CODES: u64 = 6;
/// What a name's number is raised by for another session and another person.
const FINISHED: u64 = 500_000;

type Test = (&'static str, fn());
const TESTS: [Test; 3] = [
    (
        "nothing_acknowledged_is_lost_by_kill_nine",
        nothing_acknowledged_is_lost_by_kill_nine,
    ),
    (
        "what_decides_is_on_the_disk_before_it_is_acknowledged",
        what_decides_is_on_the_disk_before_it_is_acknowledged,
    ),
    (
        "nothing_acknowledged_is_lost_by_a_disk_that_fails",
        nothing_acknowledged_is_lost_by_a_disk_that_fails,
    ),
];

fn main() -> ExitCode {
    if let Ok(dir) = std::env::var(STORE) {
        let round = std::env::var(ROUND).unwrap().parse().unwrap();
        let dir = Path::new(&dir);
        if std::env::var(IN_TURN).is_ok() {
            runtime().block_on(in_turn(dir, round));
        } else {
            runtime().block_on(child(dir, round));
        }
        return ExitCode::SUCCESS;
    }
    // The test runner's questions.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let list = arguments.iter().any(|argument| argument == "--list");
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    for (name, test) in TESTS {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        if list {
            println!("{name}: test");
        } else {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// C-05, and the faults kill9_after_wrong, kill9_after_ok, kill9_backup, kill9_lock and
/// kill9_random.
fn nothing_acknowledged_is_lost_by_kill_nine() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let seconds = std::env::var(SECONDS).map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut rounds = 0;
    for round in 0..ROUNDS {
        if Instant::now() >= until {
            break;
        }
        rounds += 1;
        // xorshift: the same lines are waited for in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let lines = 1 + random % 400;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(STORE, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..lines {
            if !ledger.read(&mut told) {
                break;
            }
        }
        child.kill().unwrap();
        // What it had told before it died is acknowledged too.
        while ledger.read(&mut told) {}
        child.wait().unwrap();
        runtime().block_on(ledger.compare(dir.path(), round));
    }
    assert!(ledger.acknowledged > rounds * 20, "the children worked");
    println!(
        "{rounds} kills, {} acknowledgements kept ({SECONDS}={seconds})",
        ledger.acknowledged
    );
}

/// Acts that the machine's power must not undo, by the words that tell of them. An attempt is told as `paid`,
/// which only the host hears, then as `failed`. `killed` finds nothing to kill, and is told behind a login that began.
const DECIDING: [&str; 12] = [
    "killed",
    "failed",
    "taken",
    "exhausted",
    "finished",
    "cleared",
    "recorded",
    "first",
    "replaced",
    "used",
    "opened",
    "closed",
];

/// The fault fsync_before_ack, by what the kernel saw: between the last byte of a commit and the line
/// that acknowledges it the log was synced. What may be begun again waits for no sync.
fn what_decides_is_on_the_disk_before_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let watch = [
        "-f",
        "-y",
        "-qq",
        "-e",
        "trace=pwrite64,fdatasync,fsync,write",
        "-o",
        trace.to_str().unwrap(),
    ];
    let mut child = traced(&watch, &dir.path().join("store"), 0);
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");

    let (mut unsynced, mut syncing) = (false, false);
    let (mut syncs, mut acknowledged, mut decided) = (0, 0, 0);
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let of_log = line.contains("-wal>");
        if line.contains("pwrite64(") && of_log {
            unsynced = true;
        } else if line.contains("sync(") && of_log {
            syncing = true;
        }
        // A call that another thread's was printed into ends on a line of its own.
        let ended = line.contains("sync(") && of_log || line.contains("sync resumed>");
        if syncing && ended && line.ends_with("= 0") {
            (unsynced, syncing) = (false, false);
            // Those of the opening are nobody's.
            syncs += u32::from(acknowledged > 0);
        }
        if line.contains(" write(1<") {
            acknowledged += 1;
            if DECIDING
                .iter()
                .any(|word| line.contains(&format!("\"{word} ")))
            {
                assert!(!unsynced, "acknowledged before it was synced: {line}");
                decided += 1;
            }
        }
    }
    assert!(decided >= 100, "{decided} decisions");
    // Nothing shares a commit, for there is one caller; closing the store syncs once more.
    assert!(
        (decided..=decided + 3).contains(&syncs),
        "{syncs} syncs for {decided} decisions among {acknowledged} acknowledgements"
    );
}

/// The fault io_error_every_k: the k-th write or sync of the store's thread fails, once with a broken
/// and once with a full disk. What is refused is said; what was said to be done is there afterwards.
fn nothing_acknowledged_is_lost_by_a_disk_that_fails() {
    let mut refused = 0;
    let mut round = 0;
    for (call, error) in [("fsync,fdatasync", "EIO"), ("pwrite64", "ENOSPC")] {
        // Each k-th call fails, and every one from the k-th on: a disk that recovers, and one that does not.
        let ks = [1, 3, 13, 34, 55, 89, 144].into_iter();
        for when in ks.flat_map(|k| [format!("{k}+{k}"), format!("{k}+")]) {
            let dir = tempfile::tempdir().unwrap();
            let store = dir.path().join("store");
            let failing = format!("inject={call}:error={error}:when={when}");
            let mut child = traced(
                &[
                    "-f",
                    "-qq",
                    "-e",
                    &format!("trace={call}"),
                    "-e",
                    &failing,
                    "-o",
                    "/dev/null",
                ],
                &store,
                round,
            );
            let mut ledger = Ledger::default();
            let mut told = BufReader::new(child.stdout.take().unwrap());
            while ledger.read(&mut told) {}
            child.wait().unwrap();
            refused += ledger.refused;
            runtime().block_on(ledger.compare(&store, round));
            round += 1;
        }
    }
    assert!(
        refused > 100,
        "{refused} refusals: the disk failed, and those who asked were told"
    );
}

/// The child, one thing after the other, under `strace`.
fn traced(options: &[&str], store: &Path, round: u64) -> Child {
    Command::new("strace")
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .env(STORE, store)
        .env(ROUND, round.to_string())
        .env(IN_TURN, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("`strace` is there: `cargo xtask test` installs it")
}

/// What the children were told.
#[derive(Default)]
struct Ledger {
    acknowledged: u64,
    inserted: HashSet<u64>,
    taken: HashSet<u64>,
    paid: HashMap<u64, u32>,
    failures: HashMap<u64, u32>,
    locked: HashMap<u64, u64>,
    used: HashSet<(u64, u64)>,
    moved: HashSet<u64>,
    finished: HashSet<u64>,
    opened: HashSet<u64>,
    closed: HashSet<u64>,
    /// What the store did not do, and said so.
    refused: u64,
}

impl Ledger {
    /// Reads one line; false at the end, or at a line that the kill cut short.
    fn read(&mut self, told: &mut impl BufRead) -> bool {
        let mut line = String::new();
        if told.read_line(&mut line).unwrap_or(0) == 0 || !line.ends_with('\n') {
            return false;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| -> u64 { words[index].parse().unwrap() };
        self.acknowledged += 1;
        match words[0] {
            "inserted" => assert!(self.inserted.insert(number(1))),
            "taken" => assert!(self.taken.insert(number(1)), "taken twice: {line}"),
            "paid" => {
                let paid = self.paid.entry(number(1)).or_default();
                *paid += 1;
                assert!(*paid <= 5, "a sixth attempt was paid: {line}");
            }
            "failed" => *self.failures.entry(number(1)).or_default() += 1,
            "locked" => {
                self.locked.insert(number(1), number(2));
            }
            "exhausted" | "cleared" => assert!(self.moved.insert(number(1))),
            "finished" => assert!(self.finished.insert(number(1))),
            "killed" | "recorded" | "first" | "replaced" => {}
            "used" => assert!(
                self.used.insert((number(1), number(2))),
                "a backup code was accepted twice: {line}"
            ),
            "opened" => assert!(self.opened.insert(number(1))),
            "closed" => assert!(self.closed.insert(number(1))),
            "refused" => self.refused += 1,
            other => panic!("what is `{other}`?"),
        }
        true
    }

    async fn compare(&self, dir: &Path, round: u64) {
        let store = Sqlite::open(dir, Options::default()).unwrap();
        let of_round = |name: &&u64| **name / 1_000_000 == round;
        for name in self.inserted.iter().filter(of_round) {
            let found =
                LoginStore::load(&store, &TenantId::super_tenant(), &login_id(*name), NOW).await;
            let found = found.unwrap();
            if self.taken.contains(name) || self.finished.contains(name) {
                assert!(found.is_none(), "login {name} was taken and is back");
                let again = store.take(&login(*name)).await.unwrap();
                assert!(again.is_none(), "login {name} was taken twice");
            } else if !name.is_multiple_of(2) {
                assert!(found.is_some(), "login {name}, which nobody takes, is lost");
            }
            if self.moved.contains(name) {
                let version = found.as_ref().map(|login| login.version);
                assert_eq!(version, Some(2), "login {name} is back by a step");
            }
            // One more payment than acknowledged may be on disk; none fewer.
            if let (Some(_), Some(paid)) = (&found, self.paid.get(name)) {
                let mut left = 0;
                let free = subject(u64::MAX - *name);
                while let Payment::Paid(_) = pay(&store, &free, *name).await {
                    left += 1;
                }
                assert!(left + paid <= 5, "login {name} got attempts back");
            }
        }
        for (name, failures) in &self.failures {
            let kept = store.ledger(&subject(*name)).await.unwrap();
            assert!(kept.in_a_row >= *failures, "failures of {name} are lost");
        }
        for (name, until) in &self.locked {
            let kept = store.ledger(&subject(*name)).await.unwrap();
            let until = Timestamp(*until);
            assert_eq!(kept.standing(NOW), Standing::Locked { until });
        }
        for (name, code) in self.used.iter().filter(|(name, _)| of_round(&name)) {
            let (subject, again) = (subject(*name), backup_code(*code));
            let again = store.consume(&subject, &again, NOW).await;
            assert!(!again.unwrap(), "backup code {code} is good again");
        }
        for name in self.opened.iter().filter(of_round) {
            let found =
                SessionStore::find(&store, &TenantId::super_tenant(), &session(*name).id, NOW)
                    .await;
            let found = found.unwrap();
            if self.closed.contains(name) {
                assert!(found.is_none(), "session {name} is open again");
            } else if !name.is_multiple_of(3) {
                assert!(
                    found.is_some(),
                    "session {name}, which nobody ends, is lost"
                );
            }
        }
    }
}

/// Eight workers; every name is new in every round, so that rounds do not mix.
async fn child(dir: &Path, round: u64) {
    let store = Sqlite::open(dir, Options::default()).unwrap();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let store = store.clone();
            tokio::spawn(async move {
                let codes: Vec<_> = (0..BACKUP_CODES).map(backup_code).collect();
                for turn in 0..10_000 {
                    let name = round * 1_000_000 + worker * 100_000 + turn;
                    work(&store, name, &codes, worker == 0 && turn % 50 == 0).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

/// A store that refuses is asked for the next thing; one that does not open is a refusal too.
async fn in_turn(dir: &Path, round: u64) {
    let Ok(store) = Sqlite::open(dir, Options::default()) else {
        return tell(format_args!("refused open"));
    };
    let said = |done: bool, line: std::fmt::Arguments<'_>| match done {
        true => tell(line),
        false => tell(format_args!("refused {line}")),
    };
    for turn in 0..30 {
        let name = round * 1_000_000 + turn;
        let inserted = store.insert(&login(name)).await.is_ok();
        said(inserted, format_args!("inserted {name}"));
        let nobody = AccountRef {
            name: "nobody".into(),
        };
        let tenant = TenantId::super_tenant();
        let killed = store.close_logins_of(&tenant, &nobody, None).await;
        said(killed.is_ok(), format_args!("killed {name}"));
        for _ in 0..3 {
            match try_pay(&store, &subject(name), name).await {
                Ok(Payment::Paid(_)) => {
                    tell(format_args!("paid {name}"));
                    let judged = store.record(event(mismatch())).await.is_ok();
                    said(judged, format_args!("failed {name}"));
                }
                Ok(_) => tell(format_args!("refused no such login")),
                Err(_) => tell(format_args!("refused payment")),
            }
        }
        let seen = login(name);
        match name % 4 {
            0 => {
                let taken = store.take(&seen).await;
                said(matches!(taken, Ok(Some(_))), format_args!("taken {name}"));
            }
            2 => {
                let then = Ending {
                    session: session(name + FINISHED),
                    clear: None,
                    events: vec![event(What::AttemptsExhausted)],
                };
                let finished = store.finish(&seen, then, &store, &store, &store);
                let finished = matches!(finished.await, Ok(Some(_)));
                said(finished, format_args!("finished {name}"));
            }
            rest => {
                // Of somebody who has failed at nothing: those who have are looked at below.
                let (clear, events, word) = match rest {
                    1 => (None, vec![event(What::AttemptsExhausted)], "exhausted"),
                    _ => (Some(subject(name + FINISHED)), Vec::new(), "cleared"),
                };
                let then = Settlement {
                    clear,
                    events,
                    ..Settlement::default()
                };
                let settled = store.settle(&seen, started(), then, &store, &store).await;
                let won = matches!(settled, Ok(Advanced::Won(_)));
                said(won, format_args!("{word} {name}"));
            }
        }
        let recorded = store.record(event(What::AttemptsExhausted)).await.is_ok();
        said(recorded, format_args!("recorded {name}"));
        let (id, until) = (name.to_string(), Moment(NOW.0 + 60_000));
        let first = Once::first(&store, "t1.example", "test", &id, until, Moment(NOW.0)).await;
        said(matches!(first, Ok(true)), format_args!("first {name}"));
        if name.is_multiple_of(10) {
            let replaced = store.replace(&subject(name), &[backup_code(1)], NOW).await;
            said(replaced.is_ok(), format_args!("replaced {name}"));
            let used = store.consume(&subject(name), &backup_code(1), NOW).await;
            said(matches!(used, Ok(true)), format_args!("used {name} 1"));
        }
        let opened = SessionStore::open(&store, &session(name)).await.is_ok();
        said(opened, format_args!("opened {name}"));
        if name.is_multiple_of(3) {
            let id = session(name).id;
            let closed = SessionStore::close(&store, &TenantId::super_tenant(), &id).await;
            said(closed.is_ok(), format_args!("closed {name}"));
        }
    }
}

async fn work(store: &Sqlite, name: u64, codes: &[BackupCode], with_codes: bool) {
    store.insert(&login(name)).await.unwrap();
    tell(format_args!("inserted {name}"));
    let Advanced::Won(moved) = store.advance(&login(name), started()).await.unwrap() else {
        panic!("nobody else moves login {name}");
    };
    for _ in 0..1 + name % 5 {
        match pay(store, &subject(name), name).await {
            Payment::Paid(_) => {
                tell(format_args!("paid {name}"));
                tell(format_args!("failed {name}"));
            }
            other => panic!("neither locked nor exhausted yet: {other:?}"),
        }
    }
    // Every twentieth fails until it is locked, over several logins.
    if name.is_multiple_of(20) {
        for further in 1..4 {
            let further = name + further * 10_000_000_000;
            store.insert(&login(further)).await.unwrap();
            while let Payment::Paid(_) = pay(store, &subject(name), further).await {
                tell(format_args!("failed {name}"));
            }
        }
        let kept = store.ledger(&subject(name)).await.unwrap();
        match kept.standing(NOW) {
            Standing::Locked { until } => tell(format_args!("locked {name} {}", until.0)),
            other => panic!("ten failures lock: {other:?}"),
        }
    }
    if name.is_multiple_of(2) {
        assert!(store.take(&moved).await.unwrap().is_some());
        tell(format_args!("taken {name}"));
    }
    SessionStore::open(store, &session(name)).await.unwrap();
    tell(format_args!("opened {name}"));
    if name.is_multiple_of(3) {
        SessionStore::close(store, &TenantId::super_tenant(), &session(name).id)
            .await
            .unwrap();
        tell(format_args!("closed {name}"));
    }
    if with_codes {
        store.replace(&subject(name), codes, NOW).await.unwrap();
        for code in 0..BACKUP_CODES {
            let used = store.consume(&subject(name), &backup_code(code), NOW).await;
            assert!(used.unwrap());
            tell(format_args!("used {name} {code}"));
        }
    }
}

/// One line, whole, before anything else happens.
fn tell(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

async fn pay(store: &Sqlite, subject: &Subject, login: u64) -> Payment {
    try_pay(store, subject, login).await.unwrap()
}

async fn try_pay(
    store: &Sqlite,
    subject: &Subject,
    login: u64,
) -> Result<Payment, postern_login::error::StoreError> {
    let policy = AttemptPolicy {
        attempts_max: 5,
        failures_max: 10,
        failure_window: Duration::from_secs(3600),
        lock_first: Duration::from_secs(900),
        lock_max: Duration::from_secs(86_400),
        failures_in_a_row_max: 100,
        backup_tries_when_locked: 5,
    };
    store.pay(subject, &login_id(login), NOW, &policy).await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn login_id(name: u64) -> LoginId {
    LoginId::parse(&format!("{name:043}")).unwrap()
}

fn login(name: u64) -> Login {
    Login {
        id: login_id(name),
        name: name.to_string(),
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
        state: started(),
    }
}

fn event(what: What) -> AuditEvent {
    AuditEvent {
        at: NOW,
        tenant: TenantId::super_tenant(),
        login: None,
        who: None,
        address: None,
        what,
    }
}

/// What an attempt was.
fn mismatch() -> What {
    What::CodeValidated {
        status: CodeStatus::Mismatch,
        attempts_left: Some(1),
        occasion: Occasion::default(),
    }
}

fn started() -> State {
    State::Started(Started::default())
}

fn subject(name: u64) -> Subject {
    Subject::Account {
        tenant: TenantId::super_tenant(),
        account: name.to_string(),
    }
}

fn backup_code(code: u64) -> BackupCode {
    let digit = char::from_digit(u32::try_from(code).unwrap(), 10).unwrap();
    BackupCode::parse(&digit.to_string().repeat(10)).unwrap()
}

fn session(name: u64) -> Session {
    Session {
        id: SessionId::parse(&format!("{name:043}")).unwrap(),
        name: name.to_string(),
        tenant: TenantId::super_tenant(),
        account: name.to_string(),
        has_local_account: true,
        display: name.to_string(),
        first: postern_login::login::FirstFactor::Password,
        second: postern_login::login::SecondFactor::BackupCode,
        authenticated_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(28_800)),
        user_agent: String::new(),
        address: String::new(),
        locale: "en".into(),
        attributes: Vec::new(),
    }
}
