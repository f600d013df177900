#![allow(clippy::unwrap_used)]
use super::*;
use crate::folder::REMOVAL_WAIT;
use crate::guest::Trial;
use crate::outbox::Outbox;
use crate::report::{FileState, PluginReport};
use crate::scripted::*;
use postern_egress::address::Private;
use postern_login::ports::{
    FailureReason, FederatedLogin, Message, Resolution, Senders, UserResolver,
};
use postern_login::tenant::TenantId;
use postern_otp::code::Alphabet;
use postern_otp::{Code, CodeFormat};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// A gateway over a folder, with scripted plugins and a scripted provider.
struct Desk {
    home: tempfile::TempDir,
    gateway: Gateway,
    loader: Arc<ScriptedLoader>,
    wire: Arc<ScriptedWire>,
    now: Instant,
}

impl Desk {
    fn new(answers: impl IntoIterator<Item = Answers>) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("plugins")).unwrap();
        let loader = Arc::new(ScriptedLoader::default());
        let wire = Arc::new(ScriptedWire::answering(answers));
        let gateway = Gateway::from_parts(parts(&home, &loader, &wire));
        Desk {
            home,
            gateway,
            loader,
            wire,
            now: Instant::now(),
        }
    }

    /// With one sender, whose plugin is `acme` 1.0.0.
    async fn serving(answers: impl IntoIterator<Item = Answers>) -> Self {
        let mut desk = Desk::new(answers);
        desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
        desk.settle().await;
        assert_eq!(desk.gateway.configure(vec![config(&[])]).await, []);
        desk
    }

    /// The same folders and another process, whose first look comes before its senders.
    async fn restarted(self) -> Self {
        let loader = Arc::new(ScriptedLoader::default());
        let wire = Arc::new(ScriptedWire::default());
        let gateway = Gateway::from_parts(parts(&self.home, &loader, &wire));
        gateway.reconcile_at(self.now).await;
        let _ = gateway.configure(vec![config(&[])]).await;
        gateway.reconcile_at(self.now).await;
        Desk {
            gateway,
            loader,
            wire,
            ..self
        }
    }

    fn put(&self, name: &str, content: &[u8]) {
        let outside = self.home.path().join("outside");
        fs::write(&outside, content).unwrap();
        fs::rename(outside, self.home.path().join("plugins").join(name)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.home.path().join("plugins").join(name)).unwrap();
    }

    /// Passes until nothing is due any more; the clock runs as far as it has to.
    async fn settle(&mut self) {
        for _ in 0..20 {
            match self.gateway.reconcile_at(self.now).await {
                Some(wait) => self.now += wait.max(Duration::from_millis(1)),
                None => return,
            }
        }
        panic!("the gateway does not settle");
    }

    async fn send(&self) -> Delivery {
        self.gateway.send("main", &message(), soon()).await
    }

    fn row(&self, file: &str) -> PluginReport {
        let rows = self.gateway.plugins();
        let found = rows.iter().find(|row| row.file == file);
        found
            .unwrap_or_else(|| panic!("{file} in {rows:?}"))
            .clone()
    }

    fn version(&self) -> Option<String> {
        self.gateway
            .senders()
            .first()
            .and_then(|sender| sender.version.clone())
    }
}

/// The clock of these tests runs in leaps, that of conversations does not.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

fn parts(
    home: &tempfile::TempDir,
    loader: &Arc<ScriptedLoader>,
    wire: &Arc<ScriptedWire>,
) -> Parts {
    Parts {
        kept: Some(home.path().join("kept")),
        folder: home.path().join("plugins"),
        limits: Limits {
            component_bytes: 1 << 20,
            ..Limits::default()
        },
        health: HealthPolicy::default(),
        last_good: Some(home.path().join("last-good")),
        drain: PATIENCE,
        loader: Arc::clone(loader) as Arc<dyn Loader>,
        wire: Arc::clone(wire) as Arc<dyn Wire>,
        directory: Arc::new(Names::default()),
        clock: Arc::new(StoppedClock),
        entropy: Arc::new(Zeros),
        shipped: Shipped::default(),
        outbox: false,
    }
}

fn config(allow: &[&str]) -> SenderConfig {
    let allow = if allow.is_empty() { &[ORIGIN] } else { allow };
    SenderConfig {
        name: "main".into(),
        tenant: TenantId::super_tenant(),
        plugin: "acme".into(),
        settings: vec![("from".into(), "Acme".into()), ("key".into(), KEY.into())],
        secrets: Vec::new(),
        allow: allow.iter().map(|line| (*line).into()).collect(),
        private: Private::default(),
        ca_pems: Vec::new(),
        expected_sha256: None,
    }
}

fn reason(delivery: &Delivery) -> Option<FailureReason> {
    match delivery {
        Delivery::Accepted { .. } => None,
        Delivery::Failed(failure) => Some(failure.reason),
    }
}

#[tokio::test]
async fn a_file_dropped_in_serves_after_one_pass() {
    let mut desk = Desk::new([]);
    let problems = desk.gateway.configure(vec![config(&[])]).await;
    assert_eq!(
        problems[0].message,
        "there is no plugin `acme` in the plugin folder"
    );
    assert_eq!(
        reason(&desk.send().await),
        Some(FailureReason::Misconfigured)
    );
    assert!(!desk.gateway.ready(&TenantId::super_tenant(), "main"));
    desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
    desk.gateway.reconcile_at(desk.now).await;
    assert_eq!(reason(&desk.send().await), None);
    assert!(desk.gateway.ready(&TenantId::super_tenant(), "main"));
    let row = desk.row("acme.wasm");
    assert_eq!(
        (row.state, row.version.as_deref(), row.calls),
        (FileState::Serving, Some("1.0.0"), 2)
    );
    desk.settle().await;
    assert_eq!(
        held(&desk.loader.admissions).len(),
        1,
        "and is compiled once"
    );
}

/// A finished text has no code to give it; however many come, the sender still takes codes.
#[tokio::test]
async fn a_finished_text_for_a_provider_that_words_itself_counts_for_nobody() {
    let mut desk = Desk::new([]);
    desk.put("acme.wasm", &file("acme", "1.0.0", "words-itself"));
    desk.settle().await;
    assert_eq!(desk.gateway.configure(vec![config(&[])]).await, []);
    for _ in 0..20 {
        let delivery = desk.send().await;
        assert_eq!(reason(&delivery), Some(FailureReason::Misconfigured));
    }
    let digits = CodeFormat {
        length: 6,
        alphabet: Alphabet::Digits,
    };
    let with_code = Message {
        code: Code::parse(digits, CODE),
        ..message()
    };
    let delivery = desk.gateway.send("main", &with_code, soon()).await;
    assert!(
        matches!(delivery, Delivery::Accepted { .. }),
        "{delivery:?}"
    );
}

#[tokio::test]
async fn a_sender_belongs_to_its_tenant() {
    let desk = Desk::serving([]).await;
    let other = Message {
        tenant: TenantId::parse("other.example").unwrap(),
        ..message()
    };
    let delivery = desk.gateway.send("main", &other, soon()).await;
    assert_eq!(reason(&delivery), Some(FailureReason::Misconfigured));
    assert!(!desk.gateway.ready(&other.tenant, "main"));
}

#[tokio::test]
async fn replacing_the_file_replaces_the_version_upwards_and_downwards() {
    let mut desk = Desk::serving([]).await;
    for version in ["2.0.0", "1.5.0", "1.0.0"] {
        desk.put("acme.wasm", &file("acme", version, "sends"));
        desk.settle().await;
        assert_eq!(desk.version().as_deref(), Some(version));
        assert_eq!(reason(&desk.send().await), None);
    }
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_version_serving_and_says_why() {
    let mut desk = Desk::serving([]).await;
    for (content, stage) in [
        (b"half a file".to_vec(), "format"),
        (file("acme", "2.0.0", "fails-vectors"), "self-test"),
        (
            asking("acme", "2.0.0", "sends", &[ORIGIN, "https://more.example"]),
            "grant",
        ),
    ] {
        desk.put("acme.wasm", &content);
        desk.settle().await;
        let row = desk.row("acme.wasm");
        assert_eq!(
            (row.state, row.version.as_deref()),
            (FileState::Serving, Some("1.0.0"))
        );
        assert_eq!(row.refused.unwrap().stage, stage);
        assert_eq!(reason(&desk.send().await), None);
    }
    let row = desk.row("acme.wasm");
    let why = row.refused.unwrap().reason;
    assert!(
        why.contains("allow = [\"https://api.sms.example\", \"https://more.example\"]"),
        "{why}"
    );
}

#[tokio::test]
async fn a_file_refused_for_its_grant_is_admitted_when_the_operator_allows_it() {
    let mut desk = Desk::serving([]).await;
    desk.put(
        "acme.wasm",
        &asking("acme", "2.0.0", "sends", &[ORIGIN, "https://more.example"]),
    );
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));
    desk.gateway
        .configure(vec![config(&[ORIGIN, "https://more.example"])])
        .await;
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("2.0.0"));
}

#[tokio::test]
async fn a_version_that_would_read_a_secret_is_kept_out() {
    let mut desk = Desk::serving([]).await;
    desk.put("acme.wasm", &file("acme", "2.0.0", "opens-the-key"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));
    let why = desk.row("acme.wasm").refused.unwrap().reason;
    assert!(why.contains("`key`") && !why.contains(KEY), "{why}");
}

#[tokio::test]
async fn only_the_expected_content_is_accepted() {
    let content = file("acme", "1.0.0", "sends");
    let mut desk = Desk::new([]);
    desk.put("acme.wasm", &content);
    desk.settle().await;
    let expecting = |sha| SenderConfig {
        expected_sha256: Some(sha),
        ..config(&[])
    };
    let problems = desk.gateway.check(&[expecting([0; 32])]).await;
    assert!(problems[0].message.contains("SHA-256"), "{problems:?}");
    let right = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        &content,
    ));
    assert_eq!(desk.gateway.check(&[expecting(right.into())]).await, []);
}

#[tokio::test]
async fn what_the_plugin_finds_is_said_beside_what_the_host_finds() {
    let mut desk = Desk::new([]);
    desk.put("acme.wasm", &file("acme", "1.0.0", "complains"));
    desk.settle().await;
    let mut wrong = config(&[]);
    wrong.settings.push(("colour".into(), "blue".into()));
    let found = desk.gateway.check(&[wrong.clone()]).await;
    let about: Vec<_> = found.iter().map(|one| one.setting.as_deref()).collect();
    assert_eq!(about, [Some("colour"), Some("from")]);
    // Of what the host refused the plugin is not told, and its complaint says nothing more.
    wrong.settings[0].1 = "two\nlines".into();
    let found = desk.gateway.check(&[wrong]).await;
    let about: Vec<_> = found.iter().map(|one| one.setting.as_deref()).collect();
    assert_eq!(about, [Some("from"), Some("colour")], "{found:?}");
}

#[tokio::test]
async fn of_two_files_of_one_plugin_the_higher_version_serves_and_the_other_says_so() {
    let mut desk = Desk::serving([]).await;
    desk.put("zz.wasm", &file("acme", "1.10.0", "sends"));
    desk.settle().await;
    desk.put("aa.wasm", &file("acme", "1.9.0", "sends"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.10.0"));
    let row = desk.row("aa.wasm");
    assert_eq!(row.state, FileState::Standby);
    assert!(row.note.unwrap().contains("1.10.0"));
    desk.remove("zz.wasm");
    desk.settle().await;
    assert_eq!(
        desk.version().as_deref(),
        Some("1.9.0"),
        "and takes over when it goes"
    );
}

#[tokio::test]
async fn removal_retires_after_a_pause_and_lets_conversations_end() {
    let mut desk = Desk::serving([Answers::Status(200, "")]).await;
    desk.remove("acme.wasm");
    desk.gateway.reconcile_at(desk.now).await;
    assert_eq!(
        reason(&desk.send().await),
        None,
        "a rename may be under way"
    );
    assert_eq!(desk.row("acme.wasm").state, FileState::Gone);
    let weak = {
        let table = desk.gateway.inner.table.load();
        Arc::downgrade(&table.plugins["acme"].serving)
    };
    let pinned = {
        let table = desk.gateway.inner.table.load();
        Arc::clone(
            table
                .sender(&TenantId::super_tenant(), "main")
                .unwrap()
                .in_use()
                .unwrap(),
        )
    };
    desk.now += REMOVAL_WAIT;
    desk.settle().await;
    assert_eq!(
        reason(&desk.send().await),
        Some(FailureReason::Misconfigured)
    );
    assert!(weak.upgrade().is_some(), "whoever talks keeps it");
    assert_eq!(desk.row("acme.wasm").state, FileState::Draining);
    drop(pinned);
    assert!(
        weak.upgrade().is_none(),
        "and the last one puts out the light"
    );
}

/// plugin_crash_loop
#[tokio::test]
async fn a_version_that_traps_is_quarantined_and_the_last_good_one_returns_at_once() {
    let mut desk = Desk::serving([]).await;
    assert_eq!(reason(&desk.send().await), None);
    desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
    desk.gateway.reconcile_at(desk.now).await;
    for _ in 0..2 {
        assert_eq!(reason(&desk.send().await), Some(FailureReason::PluginFault));
    }
    assert_eq!(
        reason(&desk.send().await),
        None,
        "without waiting for a pass"
    );
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));
    let row = desk.row("acme.wasm");
    assert_eq!((row.state, row.faults), (FileState::Quarantined, 2));
    assert_eq!(row.refused.unwrap().stage, "observe");
    assert!(row.note.unwrap().contains("1.0.0"));
    // The same content again is not tried again; another is.
    desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));
    desk.put("acme.wasm", &file("acme", "2.0.1", "sends"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("2.0.1"));
    assert_eq!(reason(&desk.send().await), None);
}

/// By hand, and in the folder: what serves afterwards survives a restart.
#[tokio::test]
async fn an_operator_goes_back_to_the_content_before() {
    let mut desk = Desk::serving([]).await;
    let refused = desk.gateway.roll_back("acme").await.unwrap_err();
    assert!(refused.contains("no earlier content"), "{refused}");
    assert!(desk.gateway.roll_back("nobody").await.is_err());
    desk.put("acme.wasm", &file("acme", "2.0.0", "sends"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("2.0.0"));
    assert_eq!(desk.row("acme.wasm").previous.as_deref(), Some("1.0.0"));
    assert_eq!(desk.gateway.roll_back("acme").await.as_deref(), Ok("1.0.0"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));
    assert_eq!(reason(&desk.send().await), None);
    let there = fs::read(desk.home.path().join("plugins/acme.wasm")).unwrap();
    assert_eq!(there, file("acme", "1.0.0", "sends"));
}

/// plugin_crash_loop
#[tokio::test]
async fn without_a_good_version_a_plugin_that_traps_waits_for_its_self_test() {
    let desk = Desk::new([]);
    desk.put("acme.wasm", &file("acme", "1.0.0", "trap"));
    desk.gateway.reconcile_at(desk.now).await;
    desk.gateway.configure(vec![config(&[])]).await;
    for _ in 0..2 {
        let _ = desk.send().await;
    }
    assert!(!desk.gateway.ready(&TenantId::super_tenant(), "main"));
    assert_eq!(desk.row("acme.wasm").state, FileState::Quarantined);
    let due = desk.gateway.reconcile_at(Instant::now()).await;
    assert!(
        due.is_some_and(|due| due <= Duration::from_secs(1)),
        "{due:?}"
    );
    // Its self-test fails too: the pause doubles.
    let later = Instant::now() + Duration::from_secs(1);
    let due = desk.gateway.reconcile_at(later).await.unwrap();
    assert!(
        due > Duration::from_secs(1) && due <= Duration::from_secs(2),
        "{due:?}"
    );
    assert_eq!(reason(&desk.send().await), Some(FailureReason::PluginFault));
}

#[tokio::test]
async fn five_provider_errors_open_the_breaker_and_leave_the_plugin_alone() {
    let desk = Desk::serving([Answers::Status(503, "")]).await;
    for _ in 0..5 {
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::ProviderDown)
        );
    }
    assert!(!desk.gateway.ready(&TenantId::super_tenant(), "main"));
    let asked = desk.wire.count.load(Ordering::Relaxed);
    assert_eq!(
        reason(&desk.send().await),
        Some(FailureReason::ProviderDown)
    );
    assert_eq!(
        desk.wire.count.load(Ordering::Relaxed),
        asked,
        "the provider is left alone"
    );
    assert_eq!(desk.row("acme.wasm").state, FileState::Serving);
    assert!(desk.gateway.senders()[0].problems[0].contains("left alone"));
}

#[tokio::test]
async fn verdicts_about_recipients_do_not_open_the_breaker() {
    let desk = Desk::serving([Answers::Status(400, "")]).await;
    for _ in 0..20 {
        assert_eq!(
            reason(&desk.send().await),
            Some(FailureReason::InvalidRecipient)
        );
    }
    assert!(desk.gateway.ready(&TenantId::super_tenant(), "main"));
}

#[tokio::test]
async fn trouble_of_the_host_is_not_held_against_a_file() {
    let mut desk = Desk::new([]);
    desk.put("acme.wasm", &file("acme", "1.0.0", "host-trouble"));
    for _ in 0..4 {
        let wait = desk.gateway.reconcile_at(desk.now).await;
        desk.now += wait.expect("it is tried again");
    }
    assert!(held(&desk.loader.admissions).len() >= 3);
}

/// P-27, P-32: copies, moves, truncations and removals at random, with messages all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_swaps_under_load_lose_no_message() {
    let mut desk = Desk::serving([]).await;
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (gateway, over) = (desk.gateway.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut sent = 0_u32;
                while !over.load(Ordering::Relaxed) {
                    let delivery = gateway.send("main", &message(), soon()).await;
                    assert_eq!(reason(&delivery), None, "{delivery:?}");
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    let mut versions = Vec::new();
    for n in 0..100_u32 {
        let content = file("acme", &format!("1.{}.0", n + 1), "sends");
        match n % 5 {
            0 => fs::write(desk.home.path().join("plugins/acme.wasm"), &content).unwrap(),
            1 => {
                desk.put("acme.wasm", &content[..content.len() / 2]);
                desk.gateway.reconcile_at(desk.now).await;
                desk.put("acme.wasm", &content);
            }
            2 => {
                desk.put("acme.wasm", &file("acme", "9.0.0", "fails-vectors"));
                desk.gateway.reconcile_at(desk.now).await;
                desk.put("acme.wasm", &content);
            }
            3 => {
                desk.remove("acme.wasm");
                desk.gateway.reconcile_at(desk.now).await;
                desk.put("acme.wasm", &content);
            }
            _ => desk.put("acme.wasm", &content),
        }
        desk.settle().await;
        let table = desk.gateway.inner.table.load();
        let serving = &table.plugins["acme"].serving;
        assert_eq!(serving.version, format!("1.{}.0", n + 1));
        versions.push(Arc::downgrade(serving));
    }
    over.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for task in load {
        sent += task.await.unwrap();
    }
    assert!(
        sent > 100,
        "{sent} messages while a hundred versions passed"
    );
    let alive = versions
        .iter()
        .filter(|version| version.strong_count() > 0)
        .count();
    assert!(
        alive <= 2,
        "the one that serves and the last good one; {alive} are alive"
    );
    let seen = held(&desk.wire.seen).len();
    assert_eq!(seen, sent as usize, "each message left exactly once");
}

/// P-20: here nothing queues; what bounds them are the plugin's turns and the edge's permits.
#[tokio::test]
async fn ten_thousand_sends_at_once_are_all_answered() {
    let desk = Desk::serving([]).await;
    let message = message();
    let sends = (0..10_000).map(|_| desk.gateway.send("main", &message, soon()));
    let mut accepted = 0;
    let mut sends: Vec<_> = sends.map(Box::pin).collect();
    for send in &mut sends {
        // Each is begun before any is waited for to its end.
        tokio::select! {
            biased;
            delivery = send.as_mut() => accepted += usize::from(reason(&delivery).is_none()),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(accepted, 0, "none ends at its first poll");
    for send in sends {
        accepted += usize::from(reason(&send.await).is_none());
    }
    assert_eq!(accepted, 10_000);
}

#[tokio::test]
async fn the_outbox_is_never_beside_a_real_sender() {
    let mut desk = Desk::new([]);
    desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
    desk.put("fake.wasm", &file("fake", "1.0.0", "sends"));
    desk.settle().await;
    let fake = SenderConfig {
        name: "test".into(),
        plugin: "fake".into(),
        ..config(&[])
    };
    let problems = desk.gateway.check(&[config(&[]), fake.clone()]).await;
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().contains("which is off"),
        "{problems:?}"
    );

    let parts = Parts {
        kept: None,
        folder: desk.home.path().join("plugins"),
        limits: Limits {
            component_bytes: 1 << 20,
            ..Limits::default()
        },
        health: HealthPolicy::default(),
        last_good: None,
        drain: PATIENCE,
        loader: Arc::clone(&desk.loader) as Arc<dyn Loader>,
        wire: Arc::clone(&desk.wire) as Arc<dyn Wire>,
        directory: Arc::new(Names::default()),
        clock: Arc::new(StoppedClock),
        entropy: Arc::new(Zeros),
        shipped: Shipped::default(),
        outbox: true,
    };
    let gateway = Gateway::from_parts(parts);
    gateway.reconcile_at(desk.now).await;
    let problems = gateway.configure(vec![config(&[]), fake]).await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].sender, "main");
    assert!(!gateway.ready(&TenantId::super_tenant(), "main"));
    assert!(gateway.ready(&TenantId::super_tenant(), "test"));
    let _ = Outbox::new();
}

#[tokio::test]
async fn after_a_restart_with_a_bad_file_the_last_good_version_serves_and_says_why() {
    let mut desk = Desk::serving([]).await;
    for (content, stage) in [
        (b"half a file".to_vec(), "format"),
        (file("acme", "2.0.0", "fails-vectors"), "self-test"),
        (vec![b' '; 2 << 20], "file"),
    ] {
        desk.put("acme.wasm", &content);
        desk = desk.restarted().await;
        assert_eq!(reason(&desk.send().await), None, "{stage}");
        let row = desk.row("acme.wasm");
        assert_eq!(
            (row.state, row.version.as_deref()),
            (FileState::Serving, Some("1.0.0"))
        );
        assert_eq!(row.refused.unwrap().stage, stage);
        assert!(row.note.unwrap().contains("1.0.0 serves on"));
    }
    // A file in order takes over again.
    desk.put("acme.wasm", &file("acme", "2.0.0", "sends"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("2.0.0"));
}

/// The suite would make a start of many plugins late, and has been passed by this very content.
#[tokio::test]
async fn what_was_let_in_before_a_restart_shows_its_vectors_only() {
    let desk = Desk::serving([]).await;
    assert_eq!(*held(&desk.loader.admissions), [Trial::Whole]);
    let mut desk = desk.restarted().await;
    assert_eq!(*held(&desk.loader.admissions), [Trial::Vectors]);
    // Another content under the same name shows everything.
    desk.put("acme.wasm", &file("acme", "2.0.0", "sends"));
    desk.settle().await;
    assert_eq!(
        *held(&desk.loader.admissions),
        [Trial::Vectors, Trial::Whole]
    );
}

#[tokio::test]
async fn what_the_operator_took_away_does_not_come_back() {
    let mut desk = Desk::serving([]).await;
    desk.remove("acme.wasm");
    desk.settle().await;
    desk.put("acme.wasm", b"half a file");
    let desk = desk.restarted().await;
    assert_eq!(
        reason(&desk.send().await),
        Some(FailureReason::Misconfigured)
    );
    assert_eq!(desk.row("acme.wasm").state, FileState::Rejected);
}

/// A kept version is judged like any file: what it may do is decided anew.
#[tokio::test]
async fn a_kept_version_that_may_no_longer_serve_stays_out() {
    let desk = Desk::serving([]).await;
    let kept = desk.home.path().join("last-good/acme.wasm");
    for entry in fs::read_dir(kept).unwrap() {
        fs::write(entry.unwrap().path(), file("acme", "9.0.0", "sends")).unwrap();
    }
    desk.put("acme.wasm", b"half a file");
    let desk = desk.restarted().await;
    assert_eq!(
        reason(&desk.send().await),
        Some(FailureReason::Misconfigured)
    );
    let row = desk.row("acme.wasm");
    assert_eq!((row.state, row.version), (FileState::Rejected, None));
}

#[tokio::test]
async fn what_misbehaved_is_not_tried_again_by_a_restart() {
    let mut desk = Desk::serving([]).await;
    desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("2.0.0"));
    for _ in 0..2 {
        assert!(reason(&desk.send().await).is_some());
    }
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));

    let mut desk = desk.restarted().await;
    assert_eq!(desk.version().as_deref(), Some("1.0.0"));
    assert_eq!(reason(&desk.send().await), None);
    assert_eq!(desk.row("acme.wasm").refused.unwrap().stage, "observe");

    // Taken away and put back it is a file like any other.
    desk.remove("acme.wasm");
    desk.settle().await;
    desk.put("acme.wasm", &file("acme", "2.0.0", "trap"));
    desk.settle().await;
    assert_eq!(desk.version().as_deref(), Some("2.0.0"));
}

/// A conversation ends on the version it began with, and not later than the bound.
#[tokio::test]
async fn a_replaced_version_is_unloaded_when_its_conversations_had_their_time() {
    let told = Arc::new(Notify::new());
    let mut desk = Desk::serving([
        Answers::Waits(Arc::clone(&told)),
        Answers::Waits(Arc::clone(&told)),
        Answers::Status(200, "{}"),
    ])
    .await;
    let old = {
        let table = desk.gateway.inner.table.load();
        Arc::downgrade(&table.plugins["acme"].serving)
    };
    let begin = || {
        let gateway = desk.gateway.clone();
        tokio::spawn(async move { gateway.send("main", &message(), soon()).await })
    };
    let (in_time, too_late) = (begin(), begin());
    while desk.wire.count.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    // Twice, so that it is no longer what the next one falls back on.
    for version in ["2.0.0", "3.0.0"] {
        desk.now += Duration::from_secs(1);
        desk.put("acme.wasm", &file("acme", version, "sends"));
        desk.gateway.reconcile_at(desk.now).await;
    }
    assert_eq!(desk.version().as_deref(), Some("3.0.0"));
    let almost = desk.now + PATIENCE - Duration::from_secs(2);
    desk.gateway.reconcile_at(almost).await;
    told.notify_one();
    assert_eq!(reason(&in_time.await.unwrap()), None);

    desk.now += PATIENCE;
    desk.gateway.reconcile_at(desk.now).await;
    let version = old.upgrade().expect("the conversation holds it");
    assert!(version.guest().is_err(), "unloaded all the same");
    drop(version);
    told.notify_one();
    let cut_short = too_late.await.unwrap();
    assert_eq!(reason(&cut_short), Some(FailureReason::OutcomeUnknown));
    assert!(old.upgrade().is_none());
    assert_eq!(reason(&desk.send().await), None);
    assert_eq!(desk.row("acme.wasm").faults, 0, "nobody's fault");
}

/// The events are enough: the periodic look is ten seconds away.
#[tokio::test]
async fn a_renamed_file_is_seen_without_waiting_for_the_periodic_look() {
    let desk = Desk::new([]);
    desk.gateway.configure(vec![config(&[])]).await;
    let watch = desk.gateway.watch();
    let tenant = TenantId::super_tenant();
    let seen = async {
        // A file of the first look tells that the watch, which comes before it, is armed.
        desk.put("first.wasm", &file("first", "1.0.0", "sends"));
        while desk.gateway.plugins().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        desk.put("acme.wasm", &file("acme", "1.0.0", "sends"));
        while !desk.gateway.ready(&tenant, "main") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(crate::watch::PERIOD / 2, seen)
            .await
            .is_ok()
    );
    watch.abort();
}

#[tokio::test]
async fn a_resolver_that_is_not_there_refuses() {
    let desk = Desk::serving([]).await;
    let login = FederatedLogin {
        tenant: TenantId::super_tenant(),
        identity_provider: "corp".into(),
        subject: "alice".into(),
        subject_identifier: "alice".into(),
        attributes: Vec::new(),
        settings: Vec::new(),
    };
    for usecase in ["userAttribute", "acme", "../../etc"] {
        let resolution = desk.gateway.resolve(usecase, &[], &login).await;
        assert!(matches!(resolution, Resolution::Refuse { .. }), "{usecase}");
    }
}
