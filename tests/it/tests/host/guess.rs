//! Guessing: every guess is paid for, whoever makes it, wherever and however fast.

use crate::{ALICE, PASSWORD};
use postern_kit::{Provider, TestHost, anyhow::Result};

/// wrong five times, then right.
#[tokio::test]
async fn after_five_wrong_codes_the_right_one_is_refused() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser();
    let mut page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    let form = page.clone();
    for wrong in wrong_codes(&code).take(5) {
        page = browser.enter_code(&form, &wrong).await?;
    }
    assert!(!page.asks_for_code(), "{}", page.text());
    let page = browser.enter_code(&form, &code).await?;
    assert!(!page.has_form("/sign-out"), "{}", page.text());
    assert!(!browser.open("/account").await?.has_form("/sign-out"));
    Ok(())
}

/// a storm of guesses at one challenge, the right one among them.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_guesses_at_once_five_are_compared() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .durable()
        .start()
        .await?;
    let api = host.api("shop").await?;
    let id = api
        .challenge(&serde_json::json!({ "mobile": ALICE }))
        .await?;
    let code = host.phone(ALICE).next_code().await?;
    let guesses = wrong_codes(&code).take(100).map(|guess| {
        let (api, id) = (api.clone(), id.clone());
        tokio::spawn(async move { api.verify(&id, &guess).await })
    });
    let (mut compared, mut others) = (0, 0);
    for guess in guesses.collect::<Vec<_>>() {
        match guess.await??["reason"].as_str() {
            Some("code-mismatch") => compared += 1,
            _ => others += 1,
        }
    }
    // The fifth wrong one may be told as the end of the challenge instead.
    assert!(
        (4..=5).contains(&compared),
        "{compared} compared, {others} turned away"
    );
    assert_ne!(api.verify(&id, &code).await?["result"], "accepted");
    Ok(())
}

/// the code of one login in another login of the same person.
#[tokio::test]
async fn a_code_of_another_login_is_a_wrong_code() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut phone = host.phone(ALICE);
    let (mut one, mut other) = (host.browser(), host.browser());
    let _ = one.sign_in("alice", PASSWORD).await?;
    let first = phone.next_code().await?;
    let page = other.sign_in("alice", PASSWORD).await?;
    let second = phone.next_code().await?;
    let page = other.enter_code(&page, &first).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = other.enter_code(&page, &second).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    Ok(())
}

/// the budget is the account's, not the login's.
#[tokio::test]
async fn ten_wrong_codes_over_several_logins_lock_the_account() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut phone = host.phone(ALICE);
    for _ in 0..2 {
        let mut browser = host.browser();
        let page = browser.sign_in("alice", PASSWORD).await?;
        let code = phone.next_code().await?;
        for wrong in wrong_codes(&code).take(5) {
            let _ = browser.enter_code(&page, &wrong).await?;
        }
    }
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert!(!page.asks_for_code(), "{}", page.text());
    assert_eq!(phone.count(), 2, "a locked account gets no SMS");
    Ok(())
}

/// acts that do not belong to the step.
#[tokio::test]
async fn a_code_without_a_first_step_goes_nowhere() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let mut browser = host.browser();
    let _ = browser.open("/sign-in").await?;
    let page = browser
        .post("/sign-in/code", &[("code".into(), "123456".into())])
        .await?;
    assert!(!page.status.is_server_error(), "{}", page.status);
    assert!(browser.open("/account").await?.asks_for_password());
    assert_eq!(host.outbox().count(), 0);
    Ok(())
}

fn wrong_codes(right: &str) -> impl Iterator<Item = String> + '_ {
    (0..1000)
        .map(|n| format!("{n:06}"))
        .filter(move |guess| guess != right)
}
