//! What messages may cost: blocks of numbers, numbers nobody answers from, a tenant's day. Each limit
//! refuses before any provider is called, tells the person politely and the operator once.

use super::{EN, Scene, says};
use crate::PASSWORD;
use postern_kit::Builder;
use postern_kit::anyhow::Result;
use serde_json::Value;

fn stopped(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter(|event| event["what"]["event"] == "sending-stopped")
        .filter_map(|event| event["what"]["limit"].as_str())
        .collect()
}

///
#[tokio::test]
async fn a_block_of_numbers_gets_so_many_messages_an_hour() -> Result<()> {
    let limits = "[limits]\nsends_per_prefix = 4\nsends_per_address = 1000\n";
    let scene = Scene::limited(limits, Builder::durable).await?;
    for n in 0..4 {
        let (name, number) = (format!("in{n}"), format!("+4477009000{n:02}"));
        scene.host.add_user(&name, PASSWORD, &number).await?;
        scene.at_the_code(&name, &number).await?;
    }
    for n in 4..6 {
        let (name, number) = (format!("in{n}"), format!("+4477009000{n:02}"));
        scene.host.add_user(&name, PASSWORD, &number).await?;
        let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
        says("held back", &page, EN.notice_quota);
        assert_eq!(scene.messages_to(&number), 0, "before any provider call");
    }
    // Another block is not touched.
    scene
        .host
        .add_user("elsewhere", PASSWORD, crate::ALICE)
        .await?;
    scene.at_the_code("elsewhere", crate::ALICE).await?;
    assert_eq!(stopped(&scene.audit()?), ["prefix"], "told once");
    scene.pass(3600);
    scene.at_the_code("in5", "+447700900005").await?;
    Ok(())
}

///
#[tokio::test]
async fn numbers_from_which_no_code_comes_back_get_no_more() -> Result<()> {
    let limits = "[limits]\nsends_per_address = 1000\n[limits.conversion]\nsends_min = 6\npercent_min = 50\n";
    let scene = Scene::limited(limits, Builder::durable).await?;
    // Half of them type what they get: nobody is stopped.
    for _ in 0..4 {
        for types in [true, false] {
            let (name, number) = scene.person().await?;
            let mut at = scene.at_the_code(&name, &number).await?;
            if types {
                assert!(at.enter_right().await?.is_account());
            }
        }
    }
    // From here on nobody does.
    let (name, number) = scene.person().await?;
    scene.at_the_code(&name, &number).await?;
    let (name, number) = scene.person().await?;
    let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
    says("held back", &page, EN.notice_quota);
    assert_eq!(scene.messages_to(&number), 0);
    scene
        .host
        .add_user("elsewhere", PASSWORD, crate::ALICE)
        .await?;
    scene.at_the_code("elsewhere", crate::ALICE).await?;
    assert_eq!(stopped(&scene.audit()?), ["conversion"]);
    scene.pass(3600);
    scene.at_the_code(&name, &number).await?;
    Ok(())
}

///
#[tokio::test]
async fn a_tenants_day_has_a_budget_and_whoever_runs_it_is_told() -> Result<()> {
    let limits = "[limits]\nsends_per_day = 3\nsends_per_address = 1000\n";
    let scene = Scene::limited(limits, Builder::durable).await?;
    for _ in 0..3 {
        let (name, number) = scene.person().await?;
        scene.at_the_code(&name, &number).await?;
    }
    let (name, number) = scene.person().await?;
    let codes = scene.host.backup_codes(&name).await?;
    for _ in 0..2 {
        let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
        says("spent", &page, EN.notice_quota);
    }
    assert_eq!(scene.messages_to(&number), 0);
    assert_eq!(stopped(&scene.audit()?), ["tenant-day"], "told once");
    // An application is told as well, and another way in stays.
    let api = scene.host.api("shop").await?;
    let answer = api
        .post("/api/v1/challenges", &serde_json::json!({ "user": name }))
        .await?;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let mut browser = scene.host.browser();
    let page = browser.sign_in(&name, PASSWORD).await?;
    assert!(
        browser
            .enter_backup_code(&page, &codes[0])
            .await?
            .is_account()
    );
    scene.pass(24 * 3600);
    scene.at_the_code(&name, &number).await?;
    Ok(())
}
