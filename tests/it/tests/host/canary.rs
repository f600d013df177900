//! L-02: secrets run through every flow at the most talkative log level, and are then looked for.

use crate::ALICE;
use postern_kit::host::stand_in_senders;
use postern_kit::sms_gateway::{Answer, Behaviour, Gateway};
use postern_kit::{Api, Browser, Installation, anyhow::Result, http};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// L-02, and C-01: of the backup codes that are left there is no hash without a salt either, which would be
/// found again from all that there may be.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_written_down() -> Result<()> {
    let gateway = Gateway::default();
    let running = gateway.start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let configuration = format!(
        "{}\n[sms_otp]\nsenders = [\"twilio\", \"vonage\"]\n[log]\nfilter = \"trace\"\nformat = \"json\"\n",
        stand_in_senders(&running.origin())
    );
    let installation = Installation::lay_out(&["twilio", "nexmo"], &configuration)?;
    let password = "canary-password-81b6c2";
    installation.add_user("alice", password, ALICE)?;
    let backup = installation.postern(&["user", "backup-codes", "alice"], "")?;
    let backup: Vec<&str> = backup.lines().collect();
    let token = installation.add_client("shop")?;
    let process = installation.serve().await?;
    let mut secrets = vec![
        password.to_owned(),
        token.clone(),
        token.trim_start_matches("postern_").to_owned(),
    ];

    // In a browser: wrong password, wrong code, right code.
    let mut browser = Browser::new(installation.public, &installation.origin());
    let page = browser
        .sign_in("alice", "canary-wrong-password-55d0")
        .await?;
    secrets.push("canary-wrong-password-55d0".into());
    drop(page);
    let page = browser.sign_in("alice", password).await?;
    let first = gateway
        .phone()
        .next(ALICE, 0, PATIENCE)
        .await
        .expect("a code arrives");
    let code = postern_kit::phone::code_in(&first.text).expect("a code");
    secrets.extend(browser.cookies().values().cloned());
    let wrong = if code == "918273" { "918274" } else { "918273" };
    let page = browser.enter_code(&page, wrong).await?;
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    secrets.extend(browser.cookies().values().cloned());

    // With a backup code, while the provider refuses and echoes the number.
    gateway.behave(Behaviour {
        answer: Answer::BadRecipient,
        ..Behaviour::default()
    });
    let mut other = Browser::new(installation.public, &installation.origin());
    let page = other.sign_in("alice", password).await?;
    assert!(
        page.has_form("/sign-in/backup-code"),
        "a message that was not sent leaves the backup codes: {}",
        page.text()
    );
    let page = other.enter_backup_code(&page, backup[0]).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    secrets.extend(other.cookies().values().cloned());
    gateway.behave(Behaviour::default());

    // As an application.
    let api = Api::new(installation.public, &installation.origin(), &token);
    let id = api
        .challenge(&serde_json::json!({ "user": "alice" }))
        .await?;
    let second = gateway
        .phone()
        .next(ALICE, first.number, PATIENCE)
        .await
        .expect("a code arrives");
    let api_code = postern_kit::phone::code_in(&second.text).expect("a code");
    let _ = api.verify(&id, wrong).await?;
    let _ = api.verify(&id, &api_code).await?;
    secrets.push(id);
    let metrics = http::get(installation.admin, "/metrics").await?.text();
    let _ = process.terminate()?;

    let accounts = postern_kit::sms_gateway::Accounts::default();
    secrets.extend([accounts.twilio_token, accounts.vonage_secret]);
    secrets.extend(backup.iter().map(|code| (*code).to_owned()));
    secrets.extend(backup.iter().map(|code| code.replace('-', "")));
    let shown = backup.iter().map(|code| (*code).to_owned());
    let plain = backup.iter().map(|code| code.replace('-', ""));
    let unsalted: Vec<[u8; 32]> = shown
        .chain(plain)
        .map(|code| Sha256::digest(code).into())
        .collect();
    let log = installation.log();
    assert!(
        log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""),
        "the log is talkative"
    );
    // Codes are six digits, which a port or a duration may be too: only whole words count.
    let codes = [code, api_code, wrong.to_owned()];
    let number = ALICE.trim_start_matches('+').to_owned();

    let mut places = vec![
        ("log".to_owned(), log.into_bytes()),
        ("metrics".to_owned(), metrics.into_bytes()),
    ];
    read_all(&installation.data(), &mut places)?;
    for (place, bytes) in &places {
        let text = String::from_utf8_lossy(bytes);
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{place} holds the secret {secret}"
            );
        }
        for hash in &unsalted {
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let raw = bytes.windows(hash.len()).any(|window| window == hash);
            assert!(!raw && !text.contains(&hex), "{place} holds a bare hash");
        }
        // The data folder holds the directory, and a directory knows its people's numbers.
        if !place.contains("postern.db") {
            assert!(!text.contains(&number), "{place} holds the whole number");
        }
        for code in &codes {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let found = words.any(|word| word == code.as_str());
            // Machine code holds every sequence of digits by chance.
            assert!(
                !found || place.contains("/compiled/"),
                "{place} holds the code {code}"
            );
        }
    }
    Ok(())
}

fn read_all(folder: &Path, places: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, places)?;
        } else if path.is_file() {
            places.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(())
}
