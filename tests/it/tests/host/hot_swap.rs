//! Plugins come and go while the host runs.

use crate::{ALICE, BOB, PASSWORD};
use http::Request;
use postern_kit::http::exchange;
use postern_kit::{Installation, TestHost, Warnings, anyhow::Result, paths};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_renamed_in_is_live_within_a_second() -> Result<()> {
    let host = TestHost::start().await?;
    let folder = host.installation.plugin_folder();
    let aside = host.installation.path().join("twilio.wasm");
    std::fs::rename(folder.join("twilio.wasm"), &aside)?;
    wait_for(&host, false).await;
    let api = host.api("shop").await?;
    let _ = api
        .challenge(&serde_json::json!({ "mobile": ALICE }))
        .await?;
    let _ = host.phone(ALICE).next().await?;
    assert_eq!(
        host.gateway().phone().messages(Some(ALICE))[0].api,
        "vonage"
    );

    let began = Instant::now();
    std::fs::rename(&aside, folder.join("twilio.wasm"))?;
    wait_for(&host, true).await;
    let took = began.elapsed();
    // The figure is one second; the machine of a test may be busy with other tests.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let _ = api.challenge(&serde_json::json!({ "mobile": BOB })).await?;
    let _ = host.phone(BOB).next().await?;
    assert_eq!(host.gateway().phone().messages(Some(BOB))[0].api, "twilio");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_leaves_the_old_version_serving_and_says_why() -> Result<()> {
    let host = TestHost::start().await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let file = host.installation.plugin_folder().join("twilio.wasm");
    let beside = host.installation.path().join("beside");
    std::fs::write(&beside, b"\0asm this is no component")?;
    std::fs::rename(&beside, &file)?;
    let mut refused = None;
    for _ in 0..500 {
        let report = host.host().parts.gateway.plugins();
        refused = report
            .into_iter()
            .find(|plugin| plugin.file == "twilio.wasm")
            .and_then(|plugin| plugin.refused);
        if refused.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = refused.expect("the file is refused");
    assert!(!refused.reason.is_empty());
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    assert_eq!(
        host.gateway().phone().messages(Some(ALICE))[0].api,
        "twilio",
        "the old version serves on"
    );
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.text().contains("alice"));
    Ok(())
}

/// What cannot be read leaves what was read before; what is no plugin file any more is as good as gone.
#[tokio::test]
async fn the_log_says_what_becomes_of_a_plugin_whose_file_cannot_be_used_any_more() -> Result<()> {
    let warnings = Warnings::listen();
    let host = TestHost::start().await?;
    let plugins = host.host().parts.gateway.plugins();
    let served = plugins.iter().find(|plugin| plugin.file == "twilio.wasm");
    let version = served.and_then(|plugin| plugin.version.as_deref());
    let version = version.expect("it serves");

    let file = host.installation.plugin_folder().join("twilio.wasm");
    let beside = host.installation.path().join("beside");
    std::fs::File::create(&beside)?.set_len((32 << 20) + 1)?;
    std::fs::rename(&beside, &file)?;
    let said = said_of(&warnings, "twilio.wasm refused at file").await;
    let on = format!("are accepted; version {version} serves on");
    assert!(said.contains(&on), "{said}");
    wait_for(&host, true).await;

    std::fs::set_permissions(&file, Permissions::from_mode(0o666))?;
    let said = said_of(&warnings, "twilio.wasm is ignored").await;
    let retired = format!(
        "by everybody: take that right away (`chmod o-w`)): plugin `twilio` {version} is retired"
    );
    assert!(said.contains(&retired), "{said}");
    wait_for(&host, false).await;
    host.stop().await
}

/// What an operator reads after dropping in something that is no plugin: the stage and the reason, the
/// same in the admin API and at the command line, and the reason in the log.
#[tokio::test(flavor = "multi_thread")]
async fn every_bad_file_has_its_one_reason_in_log_admin_api_and_command_line() -> Result<()> {
    let token = "0123456789abcdef0123456789abcdef";
    let configuration = format!(
        "admin_token = \"{token}\"\n[sms_otp]\nsenders = [\"outbox\"]\n[outbox]\n[sender.outbox]\nplugin = \"fake\"\n"
    );
    let installation = Installation::lay_out(&["fake"], &configuration)?;
    let folder = installation.plugin_folder();
    let whole = std::fs::read(paths::plugins()?.join("twilio.wasm"))?;
    let provider = r#"{"id": "acme", "version": "1.0.0", "kind": "sms-provider", "title": "Acme", "description": "Acme."}"#;
    let resolver =
        "(component (instance $i) (export \"postern:plugin/resolver@0.1.0\" (instance $i)))";
    let with_file_system =
        "(component (import \"wasi:filesystem/types@0.2.0\" (instance (export \"x\" (func)))))";
    let bad = [
        ("empty.wasm", Vec::new(), "format", "empty"),
        (
            "text.wasm",
            b"this is no component".to_vec(),
            "format",
            "text",
        ),
        ("noise.wasm", vec![0xa5; 4096], "format", "not WebAssembly"),
        (
            "half.wasm",
            whole[..whole.len() / 2].to_vec(),
            "format",
            "damaged or incomplete",
        ),
        (
            "module.wasm",
            b"\0asm\x01\0\0\0".to_vec(),
            "format",
            "core module",
        ),
        (
            "compiled.wasm",
            b"\x7fELF\x02\x01\x01\0".to_vec(),
            "format",
            "compiled code",
        ),
        (
            "silent.wasm",
            wat::parse_str("(component)")?,
            "manifest",
            "no manifest",
        ),
        (
            "hollow.wasm",
            component("(component)", provider)?,
            "interface",
            "does not export `postern:plugin/provider@0.1.0`",
        ),
        (
            "world.wasm",
            component(resolver, provider)?,
            "interface",
            "the manifest says `sms-provider`, the component is a `user-resolver`",
        ),
        (
            "import.wasm",
            component(with_file_system, provider)?,
            "interface",
            "wasi:filesystem/types@0.2.0",
        ),
        (
            "vector.wasm",
            with_a_false_vector(&whole),
            "self-test",
            "a queued message is accepted",
        ),
        (
            "rule.wasm",
            with_a_false_default(&whole),
            "self-test",
            "a default in plugin.toml is not the code's",
        ),
    ];
    for (name, bytes, _, _) in &bad {
        std::fs::write(folder.join(name), bytes)?;
    }
    std::os::unix::fs::symlink(
        paths::plugins()?.join("plivo.wasm"),
        folder.join("link.wasm"),
    )?;
    std::fs::File::create(folder.join("large.wasm"))?.set_len((32 << 20) + 1)?;
    let mut expected: Vec<(&str, &str, &str)> = bad
        .iter()
        .map(|(name, _, stage, words)| (*name, *stage, *words))
        .collect();
    expected.push(("link.wasm", "file", "a link is not followed"));
    expected.push(("large.wasm", "file", "at most 33554432 are accepted"));

    let _process = installation.serve().await?;
    let mut wrong = Vec::new();
    for _ in 0..300 {
        let request = Request::get("/admin/api/v1/plugins")
            .header("host", installation.admin.to_string())
            .header("authorization", format!("Bearer {token}"))
            .body(String::new().into())?;
        let plugins = exchange(installation.admin, request).await?.json()?;
        let listed = installation.postern(&["plugin", "list"], "")?;
        let log = installation.log();
        wrong = expected
            .iter()
            .filter(|(name, stage, words)| {
                let rows = plugins["plugins"].as_array();
                let row = rows.and_then(|rows| rows.iter().find(|row| row["file"] == *name));
                let refused = row.map(|row| &row["refused"]);
                let reason = refused.and_then(|refused| refused["reason"].as_str());
                let told = refused.is_some_and(|refused| refused["stage"] == *stage)
                    && reason.is_some_and(|reason| !reason.is_empty() && reason.contains(words));
                let same = format!("{name}: refused at {stage}: {}", reason.unwrap_or_default());
                let logged = log
                    .lines()
                    .any(|line| line.contains(name) && line.contains(words));
                !told || !listed.contains(&same) || !logged
            })
            .map(|(name, ..)| format!("{name}: {plugins}\n{listed}\n{log}"))
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} without their reason, first {}", wrong.len(), wrong[0]);
}

/// A component with this manifest.
fn component(text: &str, manifest: &str) -> Result<Vec<u8>> {
    let section = b"postern:manifest";
    let mut component = wat::parse_str(text)?;
    // A custom section: its length, that of its name, the name, and the manifest, all short enough for two
    // bytes of seven bits.
    let length = 1 + section.len() + manifest.len();
    component.extend([
        0,
        u8::try_from(length & 0x7f)? | 0x80,
        u8::try_from(length >> 7)?,
        u8::try_from(section.len())?,
    ]);
    component.extend(section);
    component.extend(manifest.as_bytes());
    Ok(component)
}

/// The same component, whose first vector expects another message id than the reply in it has.
fn with_a_false_vector(component: &[u8]) -> Vec<u8> {
    let mut component = component.to_vec();
    let vector = last(&component, b"a queued message is accepted");
    let next = last(&component, b"a message handed to a messaging service");
    let id = vector + last(&component[vector..next], b"SM333");
    component[id + 2] = b'4';
    component
}

/// The same component, which names another address than it sends to if nobody names one. Its vectors hold.
pub(crate) fn with_a_false_default(component: &[u8]) -> Vec<u8> {
    let mut component = component.to_vec();
    let address = b"\"default\":\"https://api.twilio";
    let at = last(&component, address);
    component[at + address.len() - 1] = b'a';
    component
}

/// Where it stands last. The module within has a copy of the manifest, which nobody reads; the component's
/// own is behind it.
fn last(bytes: &[u8], wanted: &[u8]) -> usize {
    let found = bytes.windows(wanted.len()).rposition(|w| w == wanted);
    found.expect("the manifest has it")
}

/// The warning with these words, when it comes.
async fn said_of(warnings: &Warnings, words: &str) -> String {
    let mut all = Vec::new();
    for _ in 0..1000 {
        let lines = warnings.take();
        if let Some(said) = lines.iter().find(|line| line.contains(words)) {
            return said.clone();
        }
        all.extend(lines);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`{words}` was not said: {all:?}");
}

/// Until the sender `twilio` is ready, or is not any more.
async fn wait_for(host: &TestHost, ready: bool) {
    for _ in 0..1000 {
        let senders = host.host().parts.gateway.senders();
        if senders
            .iter()
            .any(|sender| sender.name == "twilio" && sender.ready == ready)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not reached: {:?}", host.host().parts.gateway.plugins());
}
