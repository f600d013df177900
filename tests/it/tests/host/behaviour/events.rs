//! What the audit log knows of a code's life: who, where, when, and never the code.

use super::{Scene, another_code};
use postern_kit::Builder;
use postern_kit::anyhow::{Context, Result};
use serde_json::Value;

fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["what"]["event"] == name)
        .collect()
}

#[tokio::test]
async fn a_code_that_is_sent_and_tried_is_told_with_everything_but_the_code() -> Result<()> {
    let scene = Scene::with(Builder::durable).await?;
    let (name, number) = scene.person().await?;
    let backup = scene.host.backup_codes(&name).await?;
    let mut codes = Vec::new();

    let mut at = scene.at_the_code(&name, &number).await?;
    codes.push(at.code.clone());
    at.enter_wrong().await?;
    codes.push(another_code(&at.code));
    scene.pass(31);
    at.ask_again().await?;
    let second = scene.newest_code(&number)?;
    codes.push(second.clone());
    at.enter_right().await?; // the earlier one
    scene.pass(301);
    at.enter(&second).await?; // too late
    at.ask_again().await?;
    at.code = scene.newest_code(&number)?;
    codes.push(at.code.clone());
    assert!(at.enter_right().await?.is_account());
    let mut at = scene.at_the_code(&name, &number).await?;
    codes.push(at.code.clone());
    at.browser.enter_backup_code(&at.page, "AAAAAAAAAA").await?;
    let page = at.browser.enter_backup_code(&at.page, &backup[0]).await?;
    assert!(page.is_account(), "{}", page.text());

    let events = scene.audit()?;
    let sent = of(&events, "code-sent");
    assert_eq!(sent.len(), 4);
    for (event, resend) in sent.iter().zip([false, true, true, false]) {
        assert_eq!(event["who"], name.as_str());
        assert_eq!(event["tenant"], "carbon.super");
        assert_eq!(event["address"], "127.0.0.1");
        let occasion = &event["what"]["occasion"];
        assert_eq!(occasion["store_domain"], "PRIMARY");
        assert_eq!(occasion["application"], "account");
        assert_eq!(occasion["user_agent"], "postern-kit");
        assert_eq!(occasion["resend"], resend);
        let sent_at = occasion["sent_at"].as_u64().context("a time")?;
        assert_eq!(occasion["expires_at"], sent_at + 300_000);
        assert_eq!(event["at"], sent_at);
    }
    let statuses: Vec<&str> = of(&events, "code-validated")
        .iter()
        .filter_map(|event| event["what"]["status"].as_str())
        .collect();
    let expected = [
        "mismatch",
        "superseded",
        "expired",
        "success",
        "backup-mismatch",
        "backup",
    ];
    assert_eq!(statuses, expected);
    for event in of(&events, "code-validated") {
        assert_eq!(event["who"], name.as_str());
        assert_eq!(event["address"], "127.0.0.1");
        let occasion = &event["what"]["occasion"];
        assert_eq!(occasion["user_agent"], "postern-kit", "{event}");
        assert_eq!(occasion["store_domain"], "PRIMARY", "{event}");
    }

    let all = serde_json::to_string(&events)?;
    let words: Vec<&str> = all.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for code in codes.iter().chain(&backup) {
        assert!(
            !words.contains(&code.as_str()),
            "the log holds the code {code}"
        );
    }
    assert!(
        !all.contains(number.trim_start_matches('+')),
        "the log holds the number"
    );
    Ok(())
}

/// The last wrong code ends the challenge; it is told as tried and as the end.
#[tokio::test]
async fn the_code_that_ends_a_challenge_is_told_too() -> Result<()> {
    let scene = Scene::with(Builder::durable).await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    let form = at.page.clone();
    let wrong = another_code(&at.code);
    for _ in 0..5 {
        at.browser.enter_code(&form, &wrong).await?;
    }
    let events = scene.audit()?;
    let left: Vec<_> = of(&events, "code-validated")
        .iter()
        .map(|event| event["what"]["attempts_left"].clone())
        .collect();
    assert_eq!(left, [4, 3, 2, 1, 0]);
    assert_eq!(of(&events, "attempts-exhausted").len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_application_is_named_where_it_asked_for_the_code() -> Result<()> {
    let scene = Scene::with(Builder::durable).await?;
    let api = scene.host.api("shop").await?;
    let (name, number) = scene.person().await?;
    let id = api
        .challenge(&serde_json::json!({ "user": name, "client_ip": "198.51.100.9" }))
        .await?;
    let code = scene.newest_code(&number)?;
    assert_eq!(api.verify(&id, &code).await?["result"], "accepted");
    let events = scene.audit()?;
    let sent = of(&events, "code-sent");
    assert_eq!(sent[0]["what"]["occasion"]["application"], "shop");
    assert_eq!(sent[0]["address"], "198.51.100.9");
    let validated = of(&events, "code-validated");
    assert_eq!(validated[0]["what"]["status"], "success");
    assert_eq!(validated[0]["what"]["occasion"]["application"], "shop");
    Ok(())
}
