//! Another code: offered or not, how often, and for whom it is counted.

use super::{EN, Scene, says};
use postern_kit::anyhow::Result;

/// The waits between two messages, past which nothing is too soon.
const LONG: u64 = 121;

/// Case 23 to 28, 76: a new code each time, as often as the settings say, counted in the login.
#[tokio::test]
async fn a_resend_is_a_new_code_as_often_as_the_settings_say() -> Result<()> {
    let scene = Scene::new().await?;
    for (settings, resends) in [
        ("maximum_resend_attempts = 2", 2_usize),
        ("maximum_resend_attempts = 0", 0),
        ("mandatory = false\nmaximum_resend_attempts = 2", 2),
        ("", 3),
    ] {
        scene
            .set(&format!("{settings}\ntoken_expiry_time = 600"))
            .await?;
        let (name, number) = scene.person().await?;
        let mut at = scene.at_the_code(&name, &number).await?;
        let first_page = at.page.clone();
        let mut seen = vec![at.code.clone()];
        for resend in 1..=resends {
            scene.pass(LONG);
            says(settings, &at.ask_again().await?, EN.notice_new_code);
            assert_eq!(scene.messages_to(&number), resend + 1, "{settings}");
            let code = scene.newest_code(&number)?;
            assert!(!seen.contains(&code), "{settings}: a code came twice");
            seen.push(code);
        }
        scene.pass(LONG);
        assert!(
            !at.page.has_form("/sign-in/resend"),
            "{settings}: {}",
            at.page.text()
        );
        if resends == 0 {
            says(settings, &first_page, EN.resend_none);
        }
        // Somebody who asks all the same.
        let page = at
            .browser
            .submit_as(&at.page, "/sign-in/code", "/sign-in/resend", &[])
            .await?;
        says(settings, &page, EN.notice_too_often);
        assert_eq!(scene.messages_to(&number), resends + 1, "{settings}");
        // A refusal changes nothing about the code in hand.
        at.code = scene.newest_code(&number)?;
        assert!(at.enter_right().await?.is_account(), "{settings}");
    }
    Ok(())
}

/// `ResendEnable` off: not offered, and refused to whoever asks.
#[tokio::test]
async fn where_resending_is_off_it_is_neither_offered_nor_done() -> Result<()> {
    let scene = Scene::new().await?;
    scene.set("resend_enable = false").await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    at.enter_wrong().await?;
    assert!(!at.page.has_form("/sign-in/resend"), "{}", at.page.text());
    scene.pass(LONG);
    let page = at
        .browser
        .submit_as(&at.page, "/sign-in/code", "/sign-in/resend", &[])
        .await?;
    says("off", &page, EN.notice_resend_off);
    assert_eq!(scene.messages_to(&number), 1);
    assert!(at.enter_right().await?.is_account());
    Ok(())
}

/// Offered before and after a failure, and needs no code in the field; case 31: whatever stands there
/// is not looked at.
#[tokio::test]
async fn a_resend_is_offered_always_and_takes_no_code() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    assert!(at.page.has_form("/sign-in/resend"));
    scene.pass(LONG);
    let (form, code) = (at.page.clone(), at.code.clone());
    let page = at
        .browser
        .submit(
            &form,
            "/sign-in/resend",
            &[("code", &code), ("resendCode", "true")],
        )
        .await?;
    assert!(page.asks_for_code(), "{}", page.text());
    assert_eq!(scene.messages_to(&number), 2);
    says("old", &at.enter_right().await?, EN.notice_code_superseded);
    Ok(())
}

/// Too soon, and the double click.
#[tokio::test]
async fn a_resend_waits_its_time() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    scene.pass(29);
    says("soon", &at.ask_again().await?, EN.notice_too_soon);
    assert_eq!(scene.messages_to(&number), 1);
    scene.pass(1);
    says("due", &at.ask_again().await?, EN.notice_new_code);
    says("twice", &at.ask_again().await?, EN.notice_too_soon);
    assert_eq!(scene.messages_to(&number), 2);
    Ok(())
}

/// `EnableUserBasedResendBlocking`: the count is the person's, over all logins, and comes back after
/// `ResendBlockDuration`.
#[tokio::test]
async fn where_resends_are_counted_for_the_person_a_new_login_refills_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    for mandatory in [true, false] {
        scene.set(&format!(
            "mandatory = {mandatory}\nmaximum_resend_attempts = 2\nenable_user_based_resend_blocking = true\nresend_block_duration = 10\ntoken_expiry_time = 600"
        )).await?;
        let (name, number) = scene.person().await?;
        let mut first = scene.at_the_code(&name, &number).await?;
        for _ in 0..2 {
            scene.pass(LONG);
            says("resend", &first.ask_again().await?, EN.notice_new_code);
        }
        scene.pass(LONG);
        let page = first
            .browser
            .submit_as(&first.page, "/sign-in/code", "/sign-in/resend", &[])
            .await?;
        says("third", &page, EN.notice_too_often);
        assert_eq!(scene.messages_to(&number), 3);

        // A fresh login is blocked as well, whichever branch it is.
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, crate::PASSWORD).await?;
        says("fresh", &page, EN.notice_too_often);
        assert_eq!(scene.messages_to(&number), 3, "mandatory: {mandatory}");
        // Others are not.
        let (other, others) = scene.person().await?;
        scene.at_the_code(&other, &others).await?;

        // Ten minutes after the last message, which came as long after the first as two waits are.
        scene.pass(600 - LONG - 1);
        let page = scene.host.browser().sign_in(&name, crate::PASSWORD).await?;
        says("a second before", &page, EN.notice_too_often);
        scene.pass(1);
        let mut again = scene.at_the_code(&name, &number).await?;
        assert!(again.enter_right().await?.is_account());
    }
    Ok(())
}
