//! A person signs in: password, code, and everything that can come in between.

use crate::{ALICE, BOB, PASSWORD};
use postern_kit::phone::another_code;
use postern_kit::sms_gateway::{Answer, Behaviour};
use postern_kit::{Browser, Installation, Provider, TestClock, TestHost, anyhow::Result};
use std::time::Duration;

/// The main job: a password, and a code that travelled through the Twilio component in its worker
/// process and over real sockets to a gateway that is not part of the host.
#[tokio::test]
async fn a_person_signs_in_with_a_code_that_the_twilio_plugin_sent() -> Result<()> {
    let host = TestHost::start().await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    assert!(
        host.host().parts.plugins.worker_pid().is_some(),
        "plugins run in a process of their own"
    );

    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    assert!(
        page.text().contains("0142") && !page.html.contains(ALICE),
        "the number is masked: {}",
        page.text()
    );
    let code = host.phone(ALICE).next_code().await?;
    assert_eq!(
        host.gateway().phone().messages(Some(ALICE))[0].api,
        "twilio"
    );
    let page = browser.enter_code(&page, &code).await?;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("alice"), "{}", page.text());

    let stranger = host.browser().open("/account").await?;
    assert!(stranger.asks_for_password());
    host.stop().await
}

/// E-01: outwardly alike.
#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_alike() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let wrong = host.browser().sign_in("alice", "not the password").await?;
    let unknown = host.browser().sign_in("nobody", PASSWORD).await?;
    assert!(wrong.asks_for_password() && unknown.asks_for_password());
    assert_eq!(wrong.text(), unknown.text());
    assert_eq!(wrong.status, unknown.status);
    assert_eq!(
        host.outbox().count(),
        0,
        "no SMS before the first step is proven (A-15)"
    );
    Ok(())
}

///
#[tokio::test]
async fn a_resend_replaces_the_code_and_refills_nothing() -> Result<()> {
    let clock = TestClock::default();
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .clock(clock.clone())
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut phone = host.phone(ALICE);
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let first = phone.next_code().await?;

    let early = browser.ask_for_another_code(&page).await?;
    assert!(early.asks_for_code());
    assert_eq!(phone.count(), 1, "a resend waits its time");

    clock.advance(Duration::from_secs(31));
    let page = browser.ask_for_another_code(&early).await?;
    let second = phone.next_code().await?;
    assert_ne!(first, second);

    let page = browser.enter_code(&page, &first).await?;
    assert!(page.asks_for_code());
    assert!(
        page.text().to_lowercase().contains("earlier"),
        "{}",
        page.text()
    );
    let page = browser.enter_code(&page, &second).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    Ok(())
}

/// T-08 to the code: five minutes and no longer.
#[tokio::test]
async fn an_expired_code_is_refused() -> Result<()> {
    let clock = TestClock::default();
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .clock(clock.clone())
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    clock.advance(Duration::from_secs(301));
    let page = browser.enter_code(&page, &code).await?;
    assert!(!page.has_form("/sign-out"), "{}", page.text());
    assert!(!browser.open("/account").await?.has_form("/sign-out"));
    Ok(())
}

#[tokio::test]
async fn when_twilio_is_down_the_code_comes_through_vonage() -> Result<()> {
    let host = TestHost::start().await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    // One request fails; the next one, Vonage's, finds the gateway well again.
    host.gateway().behave(Behaviour {
        answer: Answer::Down,
        requests: 1,
        ..Behaviour::default()
    });
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    let arrived = host.gateway().phone().messages(Some(ALICE));
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].api, "vonage");
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn when_nothing_can_be_sent_a_backup_code_signs_in_once() -> Result<()> {
    let host = TestHost::start().await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let codes = host.backup_codes("alice").await?;
    assert_eq!(codes.len(), 10);
    host.gateway().behave(Behaviour {
        answer: Answer::Down,
        ..Behaviour::default()
    });

    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert_eq!(host.phone(ALICE).count(), 0);
    assert!(page.has_form("/sign-in/backup-code"), "{}", page.text());
    let page = browser.enter_backup_code(&page, &codes[0]).await?;
    assert!(page.text().contains("alice"), "{}", page.text());

    // C-02: the same one a second time.
    let mut again = host.browser();
    let page = again.sign_in("alice", PASSWORD).await?;
    let page = again.enter_backup_code(&page, &codes[0]).await?;
    assert!(page.has_form("/sign-in/backup-code"), "{}", page.text());
    Ok(())
}

/// One SMS for fifty concurrent clicks.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_clicks_on_resend_send_one_message() -> Result<()> {
    let clock = TestClock::default();
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .clock(clock.clone())
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let mut phone = host.phone(ALICE);
    let _ = phone.next_code().await?;
    clock.advance(Duration::from_secs(31));
    let clicks = (0..50).map(|_| {
        let (mut browser, page) = (browser.clone(), page.clone());
        tokio::spawn(async move { browser.ask_for_another_code(&page).await })
    });
    for click in clicks.collect::<Vec<_>>() {
        let _ = click.await?;
    }
    assert_eq!(phone.count(), 2, "the first code and one resend");
    Ok(())
}

#[tokio::test]
async fn an_application_sends_and_checks_a_code() -> Result<()> {
    let host = TestHost::start().await?;
    host.add_user("bob", PASSWORD, BOB).await?;
    let api = host.api("shop").await?;
    let id = api.challenge(&serde_json::json!({ "user": "bob" })).await?;
    let code = host.phone(BOB).next_code().await?;
    let wrong = another_code(&code);
    let refused = api.verify(&id, &wrong).await?;
    assert_eq!(
        (&refused["result"], &refused["reason"]),
        (&"refused".into(), &"code-mismatch".into())
    );
    assert_eq!(refused["attempts_left"], 4);
    assert_eq!(api.verify(&id, &code).await?["result"], "accepted");
    //
    let replay = api.verify(&id, &code).await?;
    assert_ne!(replay["result"], "accepted");
    Ok(())
}

/// Each hash takes 19 MiB for some time: what cannot be hashed soon is told to come again, and the memory
/// of the host stays that of the hashes under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_passwords_gets_503_and_takes_no_more_memory_than_its_threads() -> Result<()> {
    const CLIENTS: usize = 400;
    let installation = Installation::lay_out(
        &["fake"],
        "[outbox]\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\n",
    )?;
    installation.add_user("alice", PASSWORD, ALICE)?;
    installation.add_user("bob", PASSWORD, BOB)?;
    let process = installation.serve().await?;
    let browser = || Browser::new(installation.public, &installation.origin());
    let mut arrived = Vec::new();
    for _ in 0..CLIENTS {
        let mut browser = browser();
        let page = browser.open("/sign-in").await?;
        arrived.push((browser, page));
    }
    let before = peak_mib(process.id())?;

    // The right password, for wrong ones are counted and soon answered without being hashed.
    let asked = arrived.into_iter().map(|(mut browser, page)| {
        tokio::spawn(async move {
            let fields = [("username", "alice"), ("password", PASSWORD)];
            browser.submit(&page, "/sign-in/password", &fields).await
        })
    });
    let asked: Vec<_> = asked.collect();
    let (mut taken, mut turned_away) = (0, 0);
    for answer in asked {
        let page = answer.await??;
        match page.status.as_u16() {
            503 => {
                assert!(page.answer.header("retry-after").is_some());
                turned_away += 1;
            }
            // Past the password: the first few get a code, the others have had enough messages.
            200 | 429 => taken += 1,
            other => panic!("{other}: {}", page.text()),
        }
    }
    assert!(taken > 0 && turned_away > 0, "{taken} and {turned_away}");
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let most = before + 19 * threads + 256;
    let peak = peak_mib(process.id())?;
    assert!(peak <= most, "{peak} MiB, {before} before: at most {most}");

    let page = browser().sign_in("bob", PASSWORD).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    Ok(())
}

/// The most memory a process has had, in MiB.
fn peak_mib(process: u32) -> Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next());
    Ok(kib.expect("the kernel says it").parse::<usize>()? / 1024)
}
