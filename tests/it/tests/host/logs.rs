//! A log that cannot be written: L-05.

use crate::{ALICE, PASSWORD};
use postern_kit::host::stand_in_senders;
use postern_kit::sms_gateway::Gateway;
use postern_kit::{Browser, Installation, anyhow::Result};
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// L-05: with a talkative log on a disk that is full people still sign in, the host still ends in order,
/// and what happened is in the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_stops_no_login_and_loses_no_audit() -> Result<()> {
    let full = OpenOptions::new().write(true).open("/dev/full")?;
    sign_in_logging_to(full).await
}

/// L-05: a pipe that nobody reads takes 64 KiB and then nothing; the talkative log says more.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_no_login_and_loses_no_audit() -> Result<()> {
    let (unread, pipe) = std::io::pipe()?;
    sign_in_logging_to(pipe).await?;
    drop(unread);
    Ok(())
}

async fn sign_in_logging_to(log: impl Into<Stdio>) -> Result<()> {
    let gateway = Gateway::default();
    let running = gateway.start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let configuration = format!(
        "{}\n[sms_otp]\nsenders = [\"twilio\"]\n[log]\nfilter = \"trace\"\n",
        stand_in_senders(&running.origin())
    );
    let installation = Installation::lay_out(&["twilio", "nexmo"], &configuration)?;
    installation.add_user("alice", PASSWORD, ALICE)?;
    let process = installation.serve_logging_to(log).await?;
    let mut seen = 0;
    for _ in 0..2 {
        let mut browser = Browser::new(installation.public, &installation.origin());
        let page = browser.sign_in("alice", PASSWORD).await?;
        let message = gateway.phone().next(ALICE, seen, PATIENCE).await;
        let message = message.expect("a code arrives");
        seen = message.number;
        let code = postern_kit::phone::code_in(&message.text).expect("a code");
        let page = browser.enter_code(&page, &code).await?;
        assert!(page.text().contains("alice"), "{}", page.text());
    }
    let took = process.terminate()?;
    assert!(took < Duration::from_secs(10), "{took:?}");

    let store = rusqlite::Connection::open(installation.data().join("postern.db"))?;
    let count = |event: &str| -> rusqlite::Result<u32> {
        store.query_row(
            "SELECT count(*) FROM audit WHERE what LIKE ?",
            [format!("%\"event\":\"{event}\"%")],
            |row| row.get(0),
        )
    };
    assert_eq!(count("login-succeeded")?, 2);
    assert_eq!(count("code-validated")?, 2);
    Ok(())
}
