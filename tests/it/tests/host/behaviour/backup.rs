//! Backup codes: a form of their own, each good once.

use super::{EN, Scene, says};
use postern_kit::anyhow::Result;

/// Case 33, 35, 36 and §7.1: exact, once; a part of one, or a list of them, is none.
#[tokio::test]
async fn a_backup_code_is_taken_whole_and_once() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let codes = scene.host.backup_codes(&name).await?;
    for typed in [
        codes[0][..5].to_owned(),
        ",".to_owned(),
        String::new(),
        format!("{},{}", codes[0], codes[1]),
        format!("{}A", codes[0]),
    ] {
        let mut at = scene.at_the_code(&name, &number).await?;
        let page = at.browser.enter_backup_code(&at.page, &typed).await?;
        says(&typed, &page, EN.notice_backup_wrong);
        assert!(
            at.enter_right().await?.is_account(),
            "{typed}: the code still works"
        );
        scene.pass(601);
    }
    let mut at = scene.at_the_code(&name, &number).await?;
    let page = at.browser.enter_backup_code(&at.page, &codes[0]).await?;
    assert!(page.is_account(), "{}", page.text());
    scene.pass(601);
    let mut at = scene.at_the_code(&name, &number).await?;
    let page = at.browser.enter_backup_code(&at.page, &codes[0]).await?;
    says("twice", &page, EN.notice_backup_wrong);
    Ok(())
}

/// §7.1: the last one leaves none.
#[tokio::test]
async fn every_backup_code_of_a_set_works_and_then_none_is_left() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let codes = scene.host.backup_codes(&name).await?;
    assert_eq!(codes.len(), 10);
    for code in &codes {
        let mut at = scene.at_the_code(&name, &number).await?;
        let page = at.browser.enter_backup_code(&at.page, code).await?;
        assert!(page.is_account(), "{}", page.text());
        scene.pass(3601);
    }
    let mut at = scene.at_the_code(&name, &number).await?;
    assert!(
        at.enter_right()
            .await?
            .text()
            .contains(EN.account_backup_left_none)
    );
    Ok(())
}

/// Case 34: off means off; and the code's own field never takes one (attack C-06).
#[tokio::test]
async fn where_backup_codes_are_off_none_is_taken() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let codes = scene.host.backup_codes(&name).await?;
    for settings in ["backup_code = false", "backup_code = true"] {
        scene.set(settings).await?;
        let mut at = scene.at_the_code(&name, &number).await?;
        says(settings, &at.enter(&codes[0]).await?, EN.notice_code_wrong);
        scene.pass(601);
    }
    scene.set("backup_code = false").await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    assert!(!at.page.has_form("/sign-in/backup-code"));
    let page = at
        .browser
        .submit_as(
            &at.page,
            "/sign-in/code",
            "/sign-in/backup-code",
            &[("backup_code", &codes[0])],
        )
        .await?;
    assert!(!page.is_account(), "{}", page.text());
    Ok(())
}

/// They do not depend on a message having been delivered.
#[tokio::test]
async fn a_backup_code_is_offered_where_nothing_could_be_sent() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let codes = scene.host.backup_codes(&name).await?;
    scene
        .host
        .outbox()
        .otherwise(postern_kit::OutboxAnswer::refuse("provider-down"));
    let mut browser = scene.host.browser();
    let page = browser.sign_in(&name, crate::PASSWORD).await?;
    assert!(!page.asks_for_code(), "{}", page.text());
    says("failed", &page, EN.notice_not_sent);
    let page = browser.enter_backup_code(&page, &codes[3]).await?;
    assert!(page.is_account(), "{}", page.text());
    // The outbox keeps what it refuses; a real provider would not have.
    let _ = number;
    Ok(())
}
