//! Files that are not plugins, or not ours: each is refused, quickly, with a reason, and nothing of
//! it is run.

#![allow(clippy::unwrap_used)]

mod guest;

use std::sync::Arc;
use std::time::{Duration, Instant};

use guest::{Guest, custom_section, in_process, in_worker, manifest, with_limits, worker_with};
use postern_wasm::{Limits, Plugins, Refusal, Stage, inspect, package};

async fn refused(plugins: &Plugins, bytes: impl Into<Arc<[u8]>>) -> Refusal {
    plugins
        .admit(bytes.into())
        .await
        .expect_err("it must be refused")
}

/// P-24, P-27
#[tokio::test]
async fn what_is_not_a_component_is_named() {
    let plugins = in_process().await;
    let core = wat::parse_str("(module)").unwrap();
    for (bytes, what) in [
        (vec![], "empty"),
        (b"\0asm".to_vec(), "cut off"),
        (b"\0asm\x0e\0\x01\0".to_vec(), "unknown version"),
        (core, "core module"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "compiled code"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip"),
        (b"PK\x03\x04rest".to_vec(), "zip"),
        (b"(component)\n".to_vec(), "text"),
        (vec![0xa5; 4096], "not WebAssembly"),
    ] {
        let refusal = refused(&plugins, bytes).await;
        assert_eq!(refusal.stage, Stage::Format, "{what}");
        assert!(refusal.reason.contains(what), "{what}: {refusal}");
    }
}

/// P-30: code that Postern compiled itself, dropped in as a plugin.
#[tokio::test]
async fn compiled_code_is_refused_by_its_magic() {
    let directory = tempfile::tempdir().unwrap();
    let place = postern_wasm::CachePlace {
        directory: directory.path().join("cache"),
        key_file: directory.path().join("key"),
    };
    let plugins = worker_with(Limits::default(), Some(place.clone())).await;
    plugins.admit(Guest::named("ok").build()).await.unwrap();
    let kept = std::fs::read_dir(&place.directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let code = std::fs::read(kept.path()).unwrap()[32..].to_vec();
    let refusal = refused(&plugins, code).await;
    assert!(refusal.reason.contains("compiled code"), "{refusal}");
}

/// P-27
#[tokio::test]
async fn a_file_past_the_size_is_refused_by_its_size() {
    let limits = Limits {
        component_bytes: 1_000,
        ..Default::default()
    };
    let plugins = with_limits(limits).await;
    let refusal = refused(&plugins, Guest::named("ok").build()).await;
    assert_eq!(refusal.stage, Stage::Format);
    assert!(refusal.reason.contains("component_bytes"), "{refusal}");
}

/// P-27
#[tokio::test]
async fn a_file_of_a_hundred_thousand_sections_is_refused_quickly() {
    let plugins = in_process().await;
    let mut file = Guest::named("ok").build().to_vec();
    for _ in 0..100_001 {
        file.extend(custom_section("x", b""));
    }
    let began = Instant::now();
    let refusal = refused(&plugins, file).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(refusal.reason.contains("sections"), "{refusal}");
}

/// P-25
#[tokio::test]
async fn a_component_of_very_many_instances_is_refused() {
    let plugins = in_process().await;
    let text = format!(
        "(component (core module $m) {})",
        "(core instance (instantiate $m))".repeat(20_000)
    );
    let mut component = wat::parse_str(text).unwrap();
    component.extend(custom_section(
        postern_wit::MANIFEST_SECTION,
        manifest(r#""kind": "sms-provider""#).as_bytes(),
    ));
    let began = Instant::now();
    let refusal = refused(&plugins, component).await;
    assert!(refusal.is_final(), "{refusal}");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

/// P-27: every truncation at a step of 97 bytes.
#[tokio::test]
async fn no_part_of_a_component_is_taken_for_the_whole() {
    let plugins = in_process().await;
    let whole = Guest::named("ok").build();
    for length in (0..whole.len()).step_by(97) {
        refused(&plugins, &whole[..length]).await;
    }
}

/// P-27: every single bit flipped, as far as a file is looked at before it is compiled; and every
/// 97th of them all the way. None may bring the host down. What is then still a component in good
/// order may well be admitted: a letter of a text is a bit as well.
#[tokio::test]
async fn a_flipped_bit_never_brings_the_host_down() {
    let plugins = in_process().await;
    let whole = Guest::named("ok").build();
    let limits = Limits::default();
    let mut admitted = 0;
    for bit in 0..whole.len() * 8 {
        let mut file = whole.to_vec();
        file[bit / 8] ^= 1 << (bit % 8);
        let looked_at = inspect(&file, &limits);
        if bit % 97 == 0 {
            let verdict = plugins.admit(file.into()).await;
            assert!(looked_at.is_ok() || verdict.is_err(), "bit {bit}");
            admitted += usize::from(verdict.is_ok());
        }
    }
    let tried = whole.len() * 8 / 97;
    assert!(admitted < tried, "{admitted} of {tried} were admitted");
    plugins.admit(whole).await.unwrap();
}

fn provider_manifest() -> String {
    manifest(r#""kind": "sms-provider""#)
}

/// What the interface gate says of a component.
async fn gate(guest: Guest) -> String {
    let refusal = refused(&in_process().await, guest.build()).await;
    assert_eq!(refusal.stage, Stage::Interface, "{refusal}");
    refusal.reason
}

/// P-23
#[tokio::test]
async fn a_foreign_import_is_refused_by_name() {
    let importing = |package: &str| {
        let text = format!(
            r#"(component
                 (import "{package}" (instance (export "now" (func))))
               )"#
        );
        let mut component = wat::parse_str(text).unwrap();
        component.extend(custom_section(
            postern_wit::MANIFEST_SECTION,
            provider_manifest().as_bytes(),
        ));
        component
    };
    let plugins = in_process().await;
    for name in [
        "wasi:filesystem/types@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        // P-36: no clock finer than what the host tells.
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:cli/environment@0.2.0",
        "postern:plugin/secrets@0.1.0",
        "acme:own/thing",
    ] {
        let refusal = refused(&plugins, importing(name)).await;
        assert_eq!(refusal.stage, Stage::Interface);
        assert!(refusal.reason.contains(name), "{refusal}");
    }
}

/// P-22
#[tokio::test]
async fn another_version_of_the_interface_is_refused_by_name() {
    for version in ["0.2.0", "1.0.0", "0.0.9"] {
        let text = std::fs::read_to_string("../../tests/guests/ok.wat").unwrap();
        let guest = Guest::from_text(&text.replace("@0.1.0", &format!("@{version}")))
            .wit(|wit| wit.replace("plugin@0.1.0", &format!("plugin@{version}")));
        let reason = gate(guest).await;
        assert!(
            reason.contains(&format!("@{version}`: this host offers version 0.1.0")),
            "{reason}"
        );
    }
}

/// P-22: a later patch of the same minor version is the same interface.
#[tokio::test]
async fn a_patch_of_the_interface_is_the_same_interface() {
    let text = std::fs::read_to_string("../../tests/guests/ok.wat").unwrap();
    let guest = Guest::from_text(&text.replace("@0.1.0", "@0.1.7"))
        .wit(|wit| wit.replace("plugin@0.1.0", "plugin@0.1.7"));
    in_process().await.admit(guest.build()).await.unwrap();
}

/// P-22
#[tokio::test]
async fn a_world_other_than_the_manifest_says_is_refused() {
    let reason = gate(Guest::named("ok").manifest(manifest(r#""kind": "user-resolver""#))).await;
    assert!(
        reason.contains("the manifest says `user-resolver`, the component is a `sms-provider`"),
        "{reason}"
    );

    let mut empty = wat::parse_str("(component)").unwrap();
    empty.extend(custom_section(
        postern_wit::MANIFEST_SECTION,
        provider_manifest().as_bytes(),
    ));
    let refusal = refused(&in_process().await, empty).await;
    assert!(
        refusal
            .reason
            .contains("does not export `postern:plugin/provider@0.1.0`"),
        "{refusal}"
    );
}

/// P-22: the linker lets a record with another field through; only a real instantiation tells.
#[tokio::test]
async fn another_type_under_the_same_name_is_refused_by_what_differs() {
    for (find, with, names) in [
        ("status: u16,", "status: u16, surprise: u32,", "record"),
        ("variant verdict {", "variant verdict { maybe,", "variant"),
        ("idempotent: bool,", "idempotent: u8,", "bool"),
    ] {
        let guest = Guest::named("ok").wit(|wit| wit.replace(find, with));
        let refusal = refused(&in_process().await, guest.build()).await;
        assert_eq!(refusal.stage, Stage::Link, "{refusal}");
        assert!(refusal.reason.contains(names), "{names}: {refusal}");
    }
}

/// P-26
#[tokio::test]
async fn what_the_engine_leaves_out_is_refused() {
    let body = std::fs::read_to_string("../../tests/guests/ok.wat").unwrap();
    for (feature, item) in [
        ("shared memory", "(memory 1 1 shared)"),
        ("memory64", "(memory i64 1)"),
        ("exceptions", "(tag)"),
        ("gc", "(type (struct (field i32)))"),
        ("tail calls", "(func $again (return_call $again))"),
    ] {
        let at = body.find("(memory").unwrap();
        let text = format!("{} {item} {}", &body[..at], &body[at..])
            .replace("(memory (export \"memory\") 16)", "");
        let text = text.replace(item, &format!("(memory (export \"memory\") 16) {item}"));
        let refusal = refused(&in_process().await, Guest::from_text(&text).build()).await;
        assert_eq!(refusal.stage, Stage::Compile, "{feature}: {refusal}");
    }
}

#[tokio::test]
async fn a_component_without_a_manifest_or_with_two_is_refused() {
    let plugins = in_process().await;
    let refusal = refused(&plugins, Guest::named("ok").manifest(None).build()).await;
    assert_eq!(refusal.stage, Stage::Manifest);
    assert!(refusal.reason.contains("no manifest"), "{refusal}");

    let mut twice = Guest::named("ok").build().to_vec();
    twice.extend(custom_section(
        postern_wit::MANIFEST_SECTION,
        provider_manifest().as_bytes(),
    ));
    let refusal = refused(&plugins, twice).await;
    assert!(refusal.reason.contains("more than one"), "{refusal}");
}

#[tokio::test]
async fn a_manifest_that_is_not_in_order_is_refused_with_the_field() {
    let plugins = in_process().await;
    for (json, what) in [
        ("{".to_owned(), "EOF"),
        (manifest(r#""kind": "sms-sender""#), "sms-sender"),
        (
            manifest(r#""kind": "sms-provider", "network": true"#),
            "network",
        ),
        (
            manifest(r#""kind": "sms-provider", "origins": ["https://*.example.com"]"#),
            "without wildcards",
        ),
        (
            manifest(r#""kind": "sms-provider", "origins": ["https://me@example.com"]"#),
            "host name",
        ),
        (
            manifest(r#""kind": "sms-provider", "origins": ["https://example.com:0"]"#),
            "port",
        ),
        (
            manifest(r#""kind": "sms-provider", "origins": ["https://example.com/a/../b"]"#),
            "plain path",
        ),
        (
            manifest(r#""kind": "sms-provider", "origins": ["ftp://example.com"]"#),
            "https://",
        ),
        (
            manifest(r#""kind": "sms-provider", "origin_settings": ["url"]"#),
            "does not have",
        ),
        (
            manifest(r#""kind": "user-resolver", "origins": ["https://example.com"]"#),
            "only an sms-provider",
        ),
        (
            manifest(r#""kind": "sms-provider", "methods": ["CONNECT"]"#),
            "CONNECT",
        ),
        (
            manifest(r#""kind": "sms-provider", "settings": [{"name": "A"}]"#),
            "setting `A`",
        ),
        (
            manifest(
                r#""kind": "sms-provider", "settings": [{"name": "a", "secret": true, "default": "x"}]"#,
            ),
            "secret",
        ),
        (
            manifest(r#""kind": "sms-provider", "settings": [{"name": "a"}, {"name": "a"}]"#),
            "twice",
        ),
        (
            manifest(r#""kind": "sms-provider", "settings": [{"name": "a", "kind": "choice"}]"#),
            "choices",
        ),
        (
            r#"{"id": "../etc", "version": "1.0.0", "kind": "sms-provider"}"#.into(),
            "../etc",
        ),
        (
            r#"{"id": "a", "version": "one", "kind": "sms-provider"}"#.into(),
            "version",
        ),
    ] {
        let refusal = refused(&plugins, Guest::named("ok").manifest(json).build()).await;
        assert_eq!(refusal.stage, Stage::Manifest, "{refusal}");
        assert!(refusal.reason.contains(what), "{what}: {refusal}");
    }
}

#[test]
fn inspect_tells_what_a_file_is_without_running_it() {
    let bytes = Guest::named("loop-in-start")
        .manifest(manifest(
            r#""kind": "sms-provider", "origins": ["https://api.example.com"],
               "settings": [{"name": "token", "secret": true, "required": true}]"#,
        ))
        .build();
    let told = inspect(&bytes, &Limits::default()).unwrap();
    assert_eq!(told.manifest.id, "guest");
    assert_eq!(told.wit_version, "0.1.0");
    assert!(
        told.imports
            .iter()
            .all(|import| import.starts_with("postern:plugin/"))
    );
    assert_eq!(told.exports, ["postern:plugin/provider@0.1.0"]);
    assert_eq!(told.size, bytes.len());
    assert_eq!(told.sha256.len(), 64);
    assert_eq!(told.refusal, None);
}

#[test]
fn only_a_core_module_is_wrapped() {
    assert!(package::component(&Guest::named("ok").build()).is_err());
    assert!(package::component(b"\x7fELF").is_err());
}

/// A module that takes the compiler far longer than it may have.
fn compile_bomb() -> Arc<[u8]> {
    let body = std::fs::read_to_string("../../tests/guests/ok.wat").unwrap();
    let mut function = String::from("(func (param i32) (result i32) (local i32)\n");
    for n in 0..3_000 {
        function += &format!(
            "(block (br_if 0 (i32.lt_u (local.get 0) (i32.const {n}))) (local.set 1 (i32.mul (i32.add (local.get 1) (i32.const {n})) (local.get 0))))\n"
        );
    }
    function += "(local.get 1))\n";
    let end = body.rfind(')').unwrap();
    Guest::from_text(&format!("{}{})", &body[..end], function.repeat(200))).build()
}

/// P-37
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compile_bomb_is_ended_and_its_verdict_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let place = postern_wasm::CachePlace {
        directory: directory.path().join("cache"),
        key_file: directory.path().join("key"),
    };
    let limits = Limits {
        compile_seconds: 1,
        ..Default::default()
    };
    let bomb = compile_bomb();
    for restart in 0..2 {
        let plugins = worker_with(limits.clone(), Some(place.clone())).await;
        for again in 0..2 {
            let began = Instant::now();
            let refusal = refused(&plugins, Arc::clone(&bomb)).await;
            assert_eq!(refusal.stage, Stage::Compile, "{refusal}");
            let first = restart == 0 && again == 0;
            assert_eq!(
                began.elapsed() >= Duration::from_secs(1),
                first,
                "{:?}",
                began.elapsed()
            );
            assert!(began.elapsed() < Duration::from_secs(5));
        }
        plugins.admit(Guest::named("ok").build()).await.unwrap();
    }
}

/// P-37
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_past_its_memory_is_ended() {
    let limits = Limits {
        compile_bytes: 96 << 20,
        ..Default::default()
    };
    let plugins = worker_with(limits, None).await;
    let began = Instant::now();
    let refusal = refused(&plugins, compile_bomb()).await;
    assert_eq!(refusal.stage, Stage::Compile, "{refusal}");
    assert!(
        refusal.reason.contains("compile_bytes"),
        "{refusal} after {:?}",
        began.elapsed()
    );
}

/// P-27, P-37: what is wrong with a file is told the same way by a compiler in another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_component_is_refused_across_the_pipe() {
    let plugins = in_worker().await;
    let text = std::fs::read_to_string("../../tests/guests/ok.wat").unwrap();
    let refusal = refused(
        &plugins,
        Guest::from_text(&text.replace(
            "(memory (export \"memory\") 16)",
            "(memory (export \"memory\") 16) (tag)",
        ))
        .build(),
    )
    .await;
    assert_eq!(refusal.stage, Stage::Compile, "{refusal}");
}
