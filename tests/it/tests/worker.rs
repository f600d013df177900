//! The second wall falls: the worker process dies.

use crate::{ALICE, BOB};
use postern_kit::{TestHost, anyhow::Result};
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
