//! The real program, killed without warning: what was promised is on disk.

use crate::{ALICE, BOB, PASSWORD};
use postern_kit::host::stand_in_senders;
use postern_kit::phone::another_code;
use postern_kit::sms_gateway::{Gateway, Running};
use postern_kit::{Api, Browser, Installation, anyhow::Result};
use std::net::SocketAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

struct Scene {
    gateway: Gateway,
    _running: Running,
    installation: Installation,
}

impl Scene {
    async fn set() -> Result<Self> {
        let gateway = Gateway::default();
        let running = gateway.start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let configuration = format!(
            "{}\n[sms_otp]\nsenders = [\"twilio\", \"vonage\"]\n",
            stand_in_senders(&running.origin())
        );
        let installation = Installation::lay_out(&["twilio", "nexmo"], &configuration)?;
        Ok(Self {
            gateway,
            _running: running,
            installation,
        })
    }

    async fn code(&self, number: &str, after: u64) -> Result<(String, u64)> {
        let message = self
            .gateway
            .phone()
            .next(number, after, PATIENCE)
            .await
            .expect("a code arrives");
        let code = postern_kit::phone::code_in(&message.text).expect("the message holds a code");
        Ok((code, message.number))
    }

    fn browser(&self) -> Browser {
        Browser::new(self.installation.public, &self.installation.origin())
    }

    fn api(&self, token: &str) -> Api {
        Api::new(self.installation.public, &self.installation.origin(), token)
    }
}

/// C-02: attempts, consumption, locks and used backup codes survive kill -9.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_forgets_no_attempt_and_revives_no_code() -> Result<()> {
    let scene = Scene::set().await?;
    scene.installation.add_user("alice", PASSWORD, ALICE)?;
    let backup = scene
        .installation
        .postern(&["user", "backup-codes", "alice"], "")?;
    let backup = backup.lines().next().expect("ten lines").to_owned();
    let token = scene.installation.add_client("shop")?;
    let api = scene.api(&token);

    let process = scene.installation.serve().await?;
    // Three attempts on one challenge, another one accepted, and a backup code used.
    let guessed = api.challenge(&serde_json::json!({ "mobile": BOB })).await?;
    let (guessed_code, _) = scene.code(BOB, 0).await?;
    let wrong = another_code(&guessed_code);
    for left in [4, 3, 2] {
        assert_eq!(api.verify(&guessed, &wrong).await?["attempts_left"], left);
    }
    let accepted = api
        .challenge(&serde_json::json!({ "user": "alice" }))
        .await?;
    let (accepted_code, seen) = scene.code(ALICE, 0).await?;
    assert_eq!(
        api.verify(&accepted, &accepted_code).await?["result"],
        "accepted"
    );
    let mut browser = scene.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let _ = scene.code(ALICE, seen).await?;
    let page = browser.enter_backup_code(&page, &backup).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    process.kill()?;

    let process = scene.installation.serve().await?;
    assert_eq!(
        api.verify(&guessed, &wrong).await?["attempts_left"],
        1,
        "paid attempts stay paid"
    );
    assert_ne!(
        api.verify(&accepted, &accepted_code).await?["result"],
        "accepted",
        "a used code stays used"
    );
    assert!(
        !browser.open("/account").await?.asks_for_password(),
        "a session stays open"
    );
    let mut again = scene.browser();
    let page = again.sign_in("alice", PASSWORD).await?;
    let page = again.enter_backup_code(&page, &backup).await?;
    assert!(
        page.has_form("/sign-in/backup-code"),
        "a used backup code stays used: {}",
        page.text()
    );
    process.kill()?;
    Ok(())
}

/// the lock of an account outlives the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_survives_a_kill() -> Result<()> {
    let scene = Scene::set().await?;
    scene.installation.add_user("alice", PASSWORD, ALICE)?;
    let token = scene.installation.add_client("shop")?;
    let api = scene.api(&token);
    let process = scene.installation.serve().await?;
    let mut seen = 0;
    for _ in 0..2 {
        let mut browser = scene.browser();
        let page = browser.sign_in("alice", PASSWORD).await?;
        let (code, number) = scene.code(ALICE, seen).await?;
        seen = number;
        let wrong = another_code(&code);
        for _ in 0..5 {
            let _ = browser.enter_code(&page, &wrong).await?;
        }
    }
    let alice = serde_json::json!({ "user": "alice" });
    let locked = api.post("/api/v1/challenges", &alice).await?;
    assert_eq!(locked.status, 422, "{}", locked.text());
    process.kill()?;
    let _process = scene.installation.serve().await?;
    let locked = api.post("/api/v1/challenges", &alice).await?;
    assert_eq!(locked.status, 422, "{}", locked.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_ends_in_order() -> Result<()> {
    let scene = Scene::set().await?;
    let process = scene.installation.serve().await?;
    let took = process.terminate()?;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(
        scene.installation.log().contains("stopped"),
        "{}",
        scene.installation.log()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_leaves_the_old_one_running() -> Result<()> {
    let scene = Scene::set().await?;
    let process = scene.installation.serve().await?;
    let good = std::fs::read_to_string(scene.installation.config())?;
    std::fs::write(
        scene.installation.config(),
        good.replace("[sms_otp]", "[sms_otp]\ntoken_length = 4"),
    )?;
    hang_up(process.id());
    scene.wait_for_log("the old one goes on").await?;
    assert!(
        scene.installation.log().contains("sms_otp.token_length"),
        "{}",
        scene.installation.log()
    );
    std::fs::write(
        scene.installation.config(),
        good.replace("[sms_otp]", "[sms_otp]\ntoken_length = 8"),
    )?;
    hang_up(process.id());
    scene.wait_for_log("was taken over").await?;
    let token = scene.installation.add_client("shop")?;
    let _ = scene
        .api(&token)
        .challenge(&serde_json::json!({ "mobile": BOB }))
        .await?;
    let (code, _) = scene.code(BOB, 0).await?;
    assert_eq!(code.len(), 8);
    Ok(())
}

/// SIGHUP: the configuration is read anew.
pub(crate) fn hang_up(id: u32) {
    let told = std::process::Command::new("kill")
        .args(["-HUP", &id.to_string()])
        .status();
    assert!(told.unwrap().success());
}

impl Scene {
    async fn wait_for_log(&self, words: &str) -> Result<()> {
        for _ in 0..500 {
            if self.installation.log().contains(words) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        postern_kit::anyhow::bail!("the log never said `{words}`:\n{}", self.installation.log())
    }
}
