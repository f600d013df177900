//! Too many wrong codes: the factor is locked, longer each time; the reason is told where the settings
//! say so.

use super::{EN, Scene, another_code, go_on, said, says};
use crate::PASSWORD;
use postern_kit::Change;
use postern_kit::anyhow::Result;

/// Two logins of five wrong codes each: the tenth locks.
async fn lock(scene: &Scene, name: &str, number: &str) -> Result<()> {
    for _ in 0..2 {
        let mut at = scene.at_the_code(name, number).await?;
        let form = at.page.clone();
        let wrong = another_code(&at.code);
        for _ in 0..5 {
            at.browser.enter_code(&form, &wrong).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_locked_person_reads_the_reason_only_where_the_settings_say_so() -> Result<()> {
    let scene = Scene::new().await?;
    for (settings, sentence) in [
        ("", EN.stopped_failed),
        ("show_auth_failure_reason = false", EN.stopped_failed),
        (
            "show_auth_failure_reason = true",
            "locked for now. Please try again in 15 minutes",
        ),
    ] {
        scene.set(settings).await?;
        let (name, number) = scene.person().await?;
        lock(&scene, &name, &number).await?;
        let before = scene.messages();
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        says(settings, &page, sentence);
        assert_eq!(
            scene.messages(),
            before,
            "{settings}: no message to a locked factor"
        );
    }
    Ok(())
}

/// 15 minutes, then 30, then 60; a success in between takes the history away only after a day.
#[tokio::test]
async fn each_lock_is_longer_than_the_one_before() -> Result<()> {
    let scene = Scene::new().await?;
    scene.set("show_auth_failure_reason = true").await?;
    let (name, number) = scene.person().await?;
    for minutes in [15, 30, 60] {
        lock(&scene, &name, &number).await?;
        let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
        says("locked", &page, &format!("in {minutes} minutes"));
        scene.pass(minutes * 60 - 1);
        let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
        assert!(!page.asks_for_code(), "{minutes}: {}", page.text());
        scene.pass(1);
        let mut at = scene.at_the_code(&name, &number).await?;
        assert!(at.enter_right().await?.is_account());
    }
    Ok(())
}

/// Late codes count like wrong ones.
#[tokio::test]
async fn expired_codes_count_towards_the_lock() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    for _ in 0..2 {
        let mut at = scene.at_the_code(&name, &number).await?;
        scene.pass(301);
        let form = at.page.clone();
        for _ in 0..5 {
            let code = at.code.clone();
            at.browser.enter_code(&form, &code).await?;
        }
    }
    let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
    says("locked", &page, EN.stopped_failed);
    Ok(())
}

/// D-02: what was locked is the factor; another way in stays.
#[tokio::test]
async fn a_locked_factor_takes_a_backup_code() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let codes = scene.host.backup_codes(&name).await?;
    lock(&scene, &name, &number).await?;
    let mut browser = scene.host.browser();
    let page = browser.sign_in(&name, PASSWORD).await?;
    let page = browser.enter_backup_code(&page, &codes[0]).await?;
    assert!(page.is_account(), "{}", page.text());
    Ok(())
}

/// `EnableAccountLockingForFailedAttempts`: not only the factor but the account, which then looks like
/// a wrong password.
#[tokio::test]
async fn where_the_account_locks_the_password_is_refused_as_well() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .set("enable_account_locking_for_failed_attempts = true")
        .await?;
    let (name, number) = scene.person().await?;
    lock(&scene, &name, &number).await?;
    let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
    says("locked", &page, EN.notice_password);
    scene.pass(15 * 60);
    let mut at = scene.at_the_code(&name, &number).await?;
    assert!(at.enter_right().await?.is_account());
    Ok(())
}

/// The same whoever vouches for the account, and although it opted out of codes meanwhile.
#[tokio::test]
async fn where_the_account_locks_no_identity_provider_lets_it_in() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    for locks in [true, false] {
        scene
            .set(&format!(
                "mandatory = false\nenable_account_locking_for_failed_attempts = {locks}"
            ))
            .await?;
        let (name, number) = scene.person().await?;
        lock(&scene, &name, &number).await?;
        let opted_out = Change {
            opted_out: Some(true),
            ..Change::default()
        };
        scene.host.change_user(&name, opted_out).await?;
        let mut browser = scene.host.browser();
        let page = scene.host.federated(&mut browser, said(&name)).await?;
        if locks {
            says("locked", &page, EN.stopped_failed);
        }
        let page = go_on(&mut browser, page).await?;
        assert_eq!(page.is_account(), !locks, "{locks}: {}", page.text());
    }
    Ok(())
}

/// D-03
#[tokio::test]
async fn everybody_who_was_locked_is_unlocked_at_once_and_counted_anew() -> Result<()> {
    let scene = Scene::new().await?;
    scene.set("show_auth_failure_reason = true").await?;
    let mut people = Vec::new();
    for _ in 0..3 {
        let (name, number) = scene.person().await?;
        lock(&scene, &name, &number).await?;
        people.push((name, number));
    }
    let (free, frees) = scene.person().await?;
    let mut at = scene.at_the_code(&free, &frees).await?;
    at.enter_wrong().await?;

    let unlocked = scene.host.unlock_all().await?;
    let locked: Vec<_> = people.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(unlocked, locked, "those who were locked, and nobody else");
    assert_eq!(scene.host.unlock_all().await?, Vec::<String>::new());
    for (name, number) in &people {
        let mut at = scene.at_the_code(name, number).await?;
        assert!(at.enter_right().await?.is_account());
    }
    // The next lock is the second one of its account.
    let (name, number) = &people[0];
    lock(&scene, name, number).await?;
    let page = scene.host.browser().sign_in(name, PASSWORD).await?;
    says("again", &page, "in 30 minutes");
    Ok(())
}

/// U-03: however a name is written, it is one account with one lock.
#[tokio::test]
async fn a_lock_is_the_accounts_however_its_name_is_written() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .host
        .add_user("Straße.fi", PASSWORD, "+447700900990")
        .await?;
    let spellings = ["straße.FI", "STRAßE.ﬁ", " Straße.fi "];
    for spelling in spellings.iter().take(2) {
        let mut at = scene.at_the_code(spelling, "+447700900990").await?;
        let (form, wrong) = (at.page.clone(), another_code(&at.code));
        for _ in 0..5 {
            at.browser.enter_code(&form, &wrong).await?;
        }
    }
    for spelling in spellings {
        let page = scene.host.browser().sign_in(spelling, PASSWORD).await?;
        says(spelling, &page, EN.stopped_failed);
    }
    // And nobody else gets an account that looks like it.
    for taken in ["STRAßE.FI", "ｓtraße.fi"] {
        let added = scene.host.add_user(taken, PASSWORD, "+447700900991").await;
        assert!(added.is_err(), "{taken} became an account");
    }
    Ok(())
}
