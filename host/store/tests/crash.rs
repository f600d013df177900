//! kill -9 under load: whatever was acknowledged is still there, and nothing is accepted twice.
//!
//! This program starts itself again as a child that works on a store and tells on its standard
//! output, line by line, what the store acknowledged. The parent kills it somewhere in the middle,
//! opens the store, and compares. A line is written only after the acknowledgement, so the store
//! may know more than the ledger, never less.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use postern_login::login::{Origin, Purpose, Started};
use postern_login::ports::{
    Advanced, AttemptStore, BackupCodeStore, LoginStore, Payment, SessionStore, Subject,
};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::lock::Standing;
use postern_otp::{AttemptPolicy, BackupCode, Timestamp};
use postern_store::sqlite::{Options, Sqlite};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const STORE: &str = "POSTERN_CRASH_STORE";
const ROUND: &str = "POSTERN_CRASH_ROUND";
/// Enough that kills land in inserts, payments, takes and checkpoints; each takes about 0.2 s.
const ROUNDS: u64 = 25;
const BACKUP_CODES: u64 = 6;

fn main() -> ExitCode {
    if let Ok(dir) = std::env::var(STORE) {
        let round = std::env::var(ROUND).unwrap().parse().unwrap();
        runtime().block_on(child(Path::new(&dir), round));
        return ExitCode::SUCCESS;
    }
    // The test runner's questions: this is one test.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("nothing_acknowledged_is_lost_by_kill_nine: test");
        return ExitCode::SUCCESS;
    }
    nothing_acknowledged_is_lost_by_kill_nine();
    println!("test nothing_acknowledged_is_lost_by_kill_nine ... ok");
    ExitCode::SUCCESS
}

/// C-05, and the faults kill9_after_wrong, kill9_after_ok, kill9_backup, kill9_lock and
/// kill9_random.
fn nothing_acknowledged_is_lost_by_kill_nine() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..ROUNDS {
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
    assert!(ledger.acknowledged > ROUNDS * 20, "the children worked");
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
    opened: HashSet<u64>,
    closed: HashSet<u64>,
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
            "used" => assert!(
                self.used.insert((number(1), number(2))),
                "a backup code was accepted twice: {line}"
            ),
            "opened" => assert!(self.opened.insert(number(1))),
            "closed" => assert!(self.closed.insert(number(1))),
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
            if self.taken.contains(name) {
                assert!(found.is_none(), "login {name} was taken and is back");
                let again = store.take(&login(*name)).await.unwrap();
                assert!(again.is_none(), "login {name} was taken twice");
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
    let policy = AttemptPolicy {
        attempts_max: 5,
        failures_max: 10,
        failure_window: Duration::from_secs(3600),
        lock_first: Duration::from_secs(900),
        lock_max: Duration::from_secs(86_400),
        failures_in_a_row_max: 100,
        backup_tries_when_locked: 5,
    };
    let paid = store.pay(subject, &login_id(login), NOW, &policy).await;
    paid.unwrap()
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
