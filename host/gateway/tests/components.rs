//! The gateway over real components: a folder, the engine, and guests that do one thing wrong.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use postern_egress::address::Private;
use postern_egress::{Client, SystemResolver};
use postern_gateway::{FileState, Gateway, HealthPolicy, Outbox, SenderConfig, Setup, Shipped};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::login::Purpose;
use postern_login::ports::{
    AccountRef, Association, Clock, Delivery, Directory, DirectoryError, Entropy, FailureReason,
    FirstNumber, Message, PasswordCheck, Profile, Senders,
};
use postern_login::text::MessageText;
use postern_otp::{PhoneNumber, Timestamp};
use postern_wasm::{Isolation, Limits, Plugins};
use wit_component::{ComponentEncoder, StringEncoding};

struct Nothing;

impl Clock for Nothing {
    fn now(&self) -> Timestamp {
        Timestamp(1_769_903_999_000)
    }
}

impl Entropy for Nothing {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), StoreError> {
        bytes.fill(7);
        Ok(())
    }
}

#[async_trait]
impl Directory for Nothing {
    async fn check_password(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        Ok(PasswordCheck::Wrong)
    }
    async fn find(&self, _: &TenantId, _: &str) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(None)
    }
    async fn find_association(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(None)
    }
    async fn profile(&self, _: &TenantId, _: &AccountRef) -> Result<Profile, DirectoryError> {
        Ok(Profile::default())
    }
    async fn save_first_number(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        Err(DirectoryError::ReadOnly)
    }
    async fn save_number(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        Err(DirectoryError::ReadOnly)
    }
    async fn save_opt_out(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: bool,
    ) -> Result<(), DirectoryError> {
        Err(DirectoryError::ReadOnly)
    }
    async fn associations(
        &self,
        _: &TenantId,
        _: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        Ok(Vec::new())
    }
    async fn remove_association(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &Association,
    ) -> Result<bool, DirectoryError> {
        Ok(false)
    }
    async fn set_password(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &str,
    ) -> Result<(), DirectoryError> {
        Err(DirectoryError::ReadOnly)
    }
}

/// A guest of `tests/guests`.
fn text(guest: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/guests")
        .join(guest)
        .with_extension("wat");
    std::fs::read_to_string(path).unwrap()
}

/// A guest of `tests/guests` as a component that calls itself `acme`.
fn component(guest: &str, version: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"id":"acme","version":"{version}","kind":"sms-provider"}}"#);
    with_manifest(&text(guest), &manifest)
}

/// A guest as a component with this manifest.
fn with_manifest(guest: &str, manifest: &str) -> Vec<u8> {
    let mut module = wat::parse_str(guest).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve
        .push_str("plugin.wit", postern_wit::PLUGIN_WIT)
        .unwrap();
    let world = resolve
        .select_world(&[package], Some("sms-provider"))
        .unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .unwrap();
    let mut component = ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap();
    section(
        &mut component,
        postern_wit::MANIFEST_SECTION,
        manifest.as_bytes(),
    );
    component
}

/// Appends a custom section.
fn section(component: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut body = Vec::new();
    leb(&mut body, name.len());
    body.extend(name.as_bytes());
    body.extend(content);
    component.push(0);
    leb(component, body.len());
    component.extend(body);
}

fn leb(to: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            return to.push(byte);
        }
        to.push(byte | 0x80);
    }
}

struct Desk {
    home: tempfile::TempDir,
    gateway: Gateway,
}

impl Desk {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("plugins")).unwrap();
        let plugins = Plugins::start(postern_wasm::Setup {
            isolation: Isolation::InProcess,
            limits: Limits::default(),
            cache: None,
        })
        .await
        .unwrap();
        let gateway = Gateway::new(Setup {
            kept: None,
            folder: home.path().join("plugins"),
            last_good: None,
            plugins,
            health: HealthPolicy::default(),
            client: Client::new(postern_egress::Limits::default(), Arc::new(SystemResolver)),
            directory: Arc::new(Nothing),
            clock: Arc::new(Nothing),
            entropy: Arc::new(Nothing),
            shipped: Shipped::default(),
            outbox: None::<Outbox>,
        });
        Desk { home, gateway }
    }

    async fn put(&self, content: &[u8]) {
        let outside = self.home.path().join("outside");
        std::fs::write(&outside, content).unwrap();
        std::fs::rename(outside, self.home.path().join("plugins/acme.wasm")).unwrap();
        self.gateway.reconcile().await;
    }

    async fn send(&self) -> Delivery {
        let message = Message {
            id: "m1".into(),
            tenant: TenantId::super_tenant(),
            to: PhoneNumber::parse("+94771234567", None).unwrap(),
            text: MessageText::measured("Verification Code: 123456".into()).unwrap(),
            without_line: None,
            code: None,
            validity: Duration::from_secs(300),
            attempt: 1,
            locale: "en".into(),
            purpose: Purpose::Login,
            extra: Vec::new(),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        self.gateway.send("main", &message, deadline).await
    }

    fn refusal(&self) -> (String, String) {
        let row = self.gateway.plugins().remove(0);
        match (row.refused, row.note) {
            (Some(refused), _) => (refused.stage, refused.reason),
            // What has just appeared may still be written to.
            (None, note) => (row.state.as_str().into(), note.unwrap_or_default()),
        }
    }
}

fn sender() -> SenderConfig {
    SenderConfig {
        name: "main".into(),
        tenant: TenantId::super_tenant(),
        plugin: "acme".into(),
        settings: Vec::new(),
        secrets: Vec::new(),
        allow: Vec::new(),
        private: Private::default(),
        ca_pems: Vec::new(),
        expected_sha256: None,
    }
}

/// P-22, P-23, P-24, P-27
#[tokio::test]
async fn a_file_that_is_no_plugin_is_refused_with_one_reason() {
    let good = component("ok", "1.0.0");
    let core = wat::parse_str("(module)").unwrap();
    let mut nameless = good.clone();
    nameless.truncate(good.len() - 70);
    for (what, content) in [
        ("empty", Vec::new()),
        ("four bytes", b"\0asm".to_vec()),
        ("text", b"(component)".to_vec()),
        ("ELF", b"\x7fELF\x02\x01\x01".to_vec()),
        ("gzip", b"\x1f\x8b\x08\0".to_vec()),
        ("a core module", core),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("cut in the manifest", nameless),
    ] {
        let desk = Desk::new().await;
        desk.put(&content).await;
        let (stage, reason) = desk.refusal();
        assert!(
            stage == "pending" || ["format", "manifest", "interface"].contains(&stage.as_str()),
            "{what}: {stage}"
        );
        assert!(
            !reason.is_empty() && reason.len() < 1_200,
            "{what}: {reason}"
        );
    }
}

/// P-21, plugin_crash_loop
#[tokio::test]
async fn a_component_that_traps_gives_way_to_the_one_before() {
    let desk = Desk::new().await;
    desk.put(&component("ok", "1.0.0")).await;
    assert_eq!(desk.gateway.configure(vec![sender()]).await, []);
    desk.put(&component("unreachable", "2.0.0")).await;
    assert_eq!(desk.gateway.senders()[0].version.as_deref(), Some("2.0.0"));
    for _ in 0..2 {
        let Delivery::Failed(failure) = desk.send().await else {
            panic!("a guest that traps sends nothing");
        };
        assert_eq!(failure.reason, FailureReason::PluginFault);
        assert!(failure.detail.contains("trap"), "{}", failure.detail);
    }
    assert_eq!(desk.gateway.senders()[0].version.as_deref(), Some("1.0.0"));
    desk.gateway.reconcile().await;
    assert_eq!(desk.gateway.plugins()[0].state, FileState::Quarantined);
}

/// A guest that says `accepted` and has sent nothing is not believed.
#[tokio::test]
async fn a_component_that_only_says_accepted_is_not_believed() {
    let desk = Desk::new().await;
    desk.put(&component("ok", "1.0.0")).await;
    desk.gateway.configure(vec![sender()]).await;
    let Delivery::Failed(failure) = desk.send().await else {
        panic!("nothing was sent");
    };
    assert_eq!(failure.reason, FailureReason::PluginFault);
    assert!(failure.detail.contains("never left"), "{}", failure.detail);
}

/// What `sends.wat` says of itself.
const SENDS: &str = r#"{
    "id": "acme", "version": "2.0.0", "kind": "sms-provider", "origins": ["https://api.example.com"],
    "vectors": [
        { "name": "it sends", "expect": { "request": { "method": "POST", "url": "https://api.example.com/x" } } },
        { "name": "it is taken", "reply": { "status": 200, "body": "ok" }, "expect": { "accepted": {} } },
        { "name": "it is not taken", "reply": { "status": 500, "body": "no" },
          "expect": { "refused": { "reason": "outcome-unknown" } } }
    ] }"#;

/// The version that serves after this component came into the place of a version 1.0.0, and what was said.
async fn replaced_by(component: &[u8]) -> (Option<String>, String) {
    let desk = Desk::new().await;
    desk.put(&self::component("ok", "1.0.0")).await;
    let sender = SenderConfig {
        allow: vec!["https://api.example.com".into()],
        ..sender()
    };
    desk.gateway.configure(vec![sender]).await;
    desk.put(component).await;
    let (_, said) = desk.refusal();
    (desk.gateway.senders()[0].version.clone(), said)
}

#[tokio::test]
async fn a_component_that_keeps_every_rule_is_let_in() {
    let (version, said) = replaced_by(&with_manifest(&text("sends"), SENDS)).await;
    assert_eq!(version.as_deref(), Some("2.0.0"), "{said}");
}

/// Each holds its vectors.
#[tokio::test]
async fn a_component_that_breaks_a_rule_is_named_and_the_one_before_serves() {
    let good = text("sends");
    let status = "(i32.eq (local.get $status) (i32.const 200))";
    let reply = ";; A reply, with a body of that length.";
    let unknown = "(then (return (i32.const 1664)))";
    for (old, new, rule, case) in [
        (
            status,
            "(i32.ne (local.get $status) (i32.const 500))",
            "hostile replies break nothing and are not accepted",
            "was accepted",
        ),
        (
            reply,
            "(if (i32.ne (local.get $length) (i32.const 2)) (then unreachable))",
            "hostile replies break nothing and are not accepted",
            "trap",
        ),
        (
            unknown,
            "(then (return (i32.const 1536)))",
            "the manifest says what the code does",
            "an event it does not know",
        ),
    ] {
        let bad = good.replace(old, new);
        assert_ne!(bad, good, "{old}");
        let (version, said) = replaced_by(&with_manifest(&bad, SENDS)).await;
        assert_eq!(version.as_deref(), Some("1.0.0"), "{said}");
        assert!(said.contains(&format!("the rule `{rule}`")), "{said}");
        assert!(said.contains(case), "{said}");
    }
    let elsewhere = SENDS.replace("[\"https://api.example.com\"]", "[]");
    let (version, said) = replaced_by(&with_manifest(&good, &elsewhere)).await;
    assert_eq!(version.as_deref(), Some("1.0.0"), "{said}");
    assert!(
        said.contains("the origin https://api.example.com is not in the manifest"),
        "{said}"
    );
}

/// What the suite is made of are the plugin's own vectors.
#[tokio::test]
async fn a_component_without_vectors_is_asked_nothing() {
    let bad = text("sends").replace("(then (return (i32.const 1664)))", "(then unreachable)");
    let manifest = r#"{ "id": "acme", "version": "2.0.0", "kind": "sms-provider", "origins": ["https://api.example.com"] }"#;
    let (version, said) = replaced_by(&with_manifest(&bad, manifest)).await;
    assert_eq!(version.as_deref(), Some("2.0.0"), "{said}");
}
