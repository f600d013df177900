//! The second wall falls: the worker process dies. Or it has little room.

use crate::{ALICE, BOB, PASSWORD};
use postern_kit::host::stand_in_senders;
use postern_kit::sms_gateway::Gateway;
use postern_kit::{Browser, Installation, TestHost, anyhow::Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// P-31
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_back_and_nothing_else_is_lost() -> Result<()> {
    let host = TestHost::start().await?;
    let api = host.api("shop").await?;
    let before = api
        .challenge(&serde_json::json!({ "mobile": ALICE }))
        .await?;
    let code = host.phone(ALICE).next_code().await?;

    let plugins = &host.host().parts.plugins;
    let old = plugins.worker_pid().expect("plugins run in a worker");
    let killed = std::process::Command::new("kill")
        .args(["-9", &old.to_string()])
        .status()?;
    assert!(killed.success());
    let began = Instant::now();
    loop {
        match plugins.worker_pid() {
            Some(new) if new != old => break,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the worker did not come back"
        );
    }
    let _ = api.challenge(&serde_json::json!({ "mobile": BOB })).await?;
    let _ = host.phone(BOB).next_code().await?;
    assert_eq!(
        api.verify(&before, &code).await?["result"],
        "accepted",
        "a code sent before is still good"
    );
    Ok(())
}

/// 3 GiB of addresses: not enough for a pool, nor for what one memory gets elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_little_address_space_still_sends() -> Result<()> {
    let gateway = Gateway::default();
    let running = gateway.start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let configuration = format!(
        "{}\n[sms_otp]\nsenders = [\"twilio\", \"vonage\"]\n",
        stand_in_senders(&running.origin())
    );
    let installation = Installation::lay_out(&["twilio", "nexmo"], &configuration)?;
    installation.add_user("alice", PASSWORD, ALICE)?;
    let _process = installation.serve_within(3 << 20).await?;
    // There is no pool: with one this would show nothing.
    installation.logged("worker.pooled=false").await?;

    let mut browser = Browser::new(installation.public, &installation.origin());
    let page = browser.sign_in("alice", PASSWORD).await?;
    let message = gateway
        .phone()
        .next(ALICE, 0, Duration::from_secs(15))
        .await
        .expect("a code arrives");
    let code = postern_kit::phone::code_in(&message.text).expect("the message holds a code");
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    Ok(())
}
