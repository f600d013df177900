//! Plugins come and go while the host runs.

use crate::{ALICE, BOB, PASSWORD};
use postern_kit::{Installation, TestHost, anyhow::Result, paths};
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

/// What an operator reads after dropping in something that is no plugin.
#[tokio::test(flavor = "multi_thread")]
async fn plugin_list_gives_one_reason_for_every_bad_file() -> Result<()> {
    let configuration =
        "[sms_otp]\nsenders = [\"outbox\"]\n[outbox]\n[sender.outbox]\nplugin = \"fake\"\n";
    let installation = Installation::lay_out(&["fake"], configuration)?;
    let folder = installation.plugin_folder();
    let whole = std::fs::read(paths::plugins()?.join("twilio.wasm"))?;
    let bad: [(&str, &[u8]); 4] = [
        ("empty.wasm", b""),
        ("text.wasm", b"this is no component"),
        ("half.wasm", &whole[..whole.len() / 2]),
        ("module.wasm", b"\0asm\x01\0\0\0"),
    ];
    for (name, bytes) in bad {
        std::fs::write(folder.join(name), bytes)?;
    }
    std::os::unix::fs::symlink(
        paths::plugins()?.join("plivo.wasm"),
        folder.join("link.wasm"),
    )?;
    let _process = installation.serve().await?;
    let names = [
        "empty.wasm",
        "text.wasm",
        "half.wasm",
        "module.wasm",
        "link.wasm",
    ];
    let mut listed = String::new();
    for _ in 0..300 {
        listed = installation.postern(&["plugin", "list"], "")?;
        if names
            .iter()
            .all(|name| listed.contains(&format!("{name}: refused at")))
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not every bad file has its reason:\n{listed}");
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
