//! A number that is typed: asked for, used, kept or not, and refused.

use super::{EN, Scene, another_code, said, says};
use crate::PASSWORD;
use postern_admin::Password;
use postern_kit::anyhow::Result;
use postern_kit::{Change, Page};

const CAPTURE: &str = "capture_and_update_mobile_number = true";
const DIRECT: &str = "send_otp_directly_to_mobile = true";

async fn stored(scene: &Scene, name: &str) -> Result<Option<String>> {
    scene.host.number_of(name).await
}

/// Case 11, 16: no number in the profile, capture on.
#[tokio::test]
async fn a_captured_number_is_stored_once_its_code_came_back_and_the_page_never_returns()
-> Result<()> {
    let scene = Scene::new().await?;
    scene.set(CAPTURE).await?;
    let name = scene.person_without_number().await?;
    let (_, number) = scene.somebody();
    let mut browser = scene.host.browser();
    let page = browser.sign_in(&name, PASSWORD).await?;
    assert!(page.asks_for_number(), "{}", page.text());
    let page = give(&mut browser, &page, &number).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    assert_eq!(stored(&scene, &name).await?, None, "pending");

    let code = scene.newest_code(&number)?;
    let page = browser.enter_code(&page, &another_code(&code)).await?;
    assert_eq!(
        stored(&scene, &name).await?,
        None,
        "a wrong code stores nothing"
    );
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.is_account(), "{}", page.text());
    assert_eq!(stored(&scene, &name).await?, Some(number.clone()));

    // "First login only": from now on the profile's number is used.
    let mut again = scene.at_the_code(&name, &number).await?;
    assert!(again.enter_right().await?.is_account());
    Ok(())
}

/// The pending number is reused by a resend, with and without a wrong code before it.
#[tokio::test]
async fn a_resend_goes_to_the_pending_number() -> Result<()> {
    for wrong_before in [true, false] {
        let scene = Scene::new().await?;
        scene.set(CAPTURE).await?;
        let name = scene.person_without_number().await?;
        let (_, number) = scene.somebody();
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        let mut page = give(&mut browser, &page, &number).await?;
        let first = scene.newest_code(&number)?;
        if wrong_before {
            page = browser.enter_code(&page, &another_code(&first)).await?;
        }
        scene.pass(31);
        let page = browser.ask_for_another_code(&page).await?;
        assert!(page.asks_for_code(), "{}", page.text());
        assert_eq!(scene.messages_to(&number), 2);
        let page = browser
            .enter_code(&page, &scene.newest_code(&number)?)
            .await?;
        assert!(page.is_account(), "{}", page.text());
    }
    Ok(())
}

/// A backup code proves no number.
#[tokio::test]
async fn a_pending_number_is_not_stored_by_a_backup_code() -> Result<()> {
    let scene = Scene::new().await?;
    scene.set(CAPTURE).await?;
    let name = scene.person_without_number().await?;
    let codes = scene.host.backup_codes(&name).await?;
    let (_, number) = scene.somebody();
    let mut browser = scene.host.browser();
    let page = browser.sign_in(&name, PASSWORD).await?;
    let page = give(&mut browser, &page, &number).await?;
    let page = browser.enter_backup_code(&page, &codes[0]).await?;
    assert!(page.is_account(), "{}", page.text());
    assert_eq!(stored(&scene, &name).await?, None);
    Ok(())
}

/// B-01: who came to the number page before the password was changed, or the account was locked, goes no
/// further.
#[tokio::test]
async fn a_lock_and_a_new_password_end_an_open_number_page() -> Result<()> {
    let scene = Scene::new().await?;
    scene.set(CAPTURE).await?;
    let locked = Change {
        locked: Some(true),
        ..Change::default()
    };
    let password = Change {
        password: Some(Password::new("another one altogether".to_owned())),
        ..Change::default()
    };
    for change in [locked, password] {
        let name = scene.person_without_number().await?;
        let (_, number) = scene.somebody();
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        assert!(page.asks_for_number(), "{}", page.text());
        scene.host.change_user(&name, change).await?;
        let page = give(&mut browser, &page, &number).await?;
        assert!(!page.asks_for_code(), "{}", page.text());
        assert_eq!(scene.messages_to(&number), 0);
        assert_eq!(stored(&scene, &name).await?, None);
    }
    Ok(())
}

/// Case 17: nobody in the directory, the number is typed, used once, and kept nowhere.
#[tokio::test]
async fn a_code_goes_to_the_typed_number_of_somebody_without_an_account() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    scene.set(DIRECT).await?;
    let (name, number) = scene.somebody();
    for round in 1..=2 {
        let mut browser = scene.host.browser();
        let page = scene.host.federated(&mut browser, said(&name)).await?;
        assert!(page.asks_for_number(), "asked each time: {}", page.text());
        let page = give(&mut browser, &page, "").await?;
        assert!(
            page.asks_for_number(),
            "an empty number shows the page again"
        );
        says("empty", &page, EN.notice_number_invalid);
        let page = give(&mut browser, &page, &number).await?;
        assert_eq!(scene.messages_to(&number), round);
        let page = browser
            .enter_code(&page, &scene.newest_code(&number)?)
            .await?;
        assert!(page.is_account(), "{}", page.text());
        scene.pass(60);
    }
    assert!(
        scene.host.number_of(&name).await.is_err(),
        "no account came into being"
    );
    Ok(())
}

/// Case 20: a number in the request where none is asked for.
#[tokio::test]
async fn a_number_that_is_not_asked_for_is_not_looked_at() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    scene.set("mandatory = true").await?;
    let (stranger, number) = scene.somebody();
    let mut browser = scene.host.browser();
    let page = scene.host.federated(&mut browser, said(&stranger)).await?;
    says("stopped", &page, EN.stopped_no_account);
    let page = browser
        .submit_as(
            &page,
            "/sign-in/abandon",
            "/sign-in/number",
            &[("mobile", &number)],
        )
        .await?;
    assert!(
        !page.is_account() && !page.asks_for_code(),
        "{}",
        page.text()
    );
    assert_eq!(scene.messages(), 0);

    // Nor at the code page, nor with the password.
    let (name, own) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &own).await?;
    let page = at
        .browser
        .submit_as(
            &at.page,
            "/sign-in/code",
            "/sign-in/number",
            &[("mobile", &number)],
        )
        .await?;
    assert!(page.asks_for_code(), "{}", page.text());
    assert_eq!(scene.messages_to(&number), 0);
    assert!(at.enter_right().await?.is_account());
    Ok(())
}

/// The operator's pattern and its sentence hold for a number that somebody changes on their account
/// page as they do for one that is captured, and this host asks, not the browser.
#[tokio::test]
async fn a_number_that_breaks_the_operators_pattern_is_refused_in_the_operators_words_everywhere()
-> Result<()> {
    const OURS: &str = "A number of Britain that begins with 7700, please.";
    let scene = Scene::new().await?;
    for (message, words) in [
        (
            format!("mobile_number_pattern_failure_error_message = \"{OURS}\""),
            OURS,
        ),
        (String::new(), EN.notice_number_invalid),
    ] {
        scene
            .set(&format!(
                "{CAPTURE}\nmobile_number_regex = '\\+447700\\d{{6}}'\n{message}"
            ))
            .await?;
        const OTHER: &str = "+12025550199";
        let name = scene.person_without_number().await?;
        let (_, number) = scene.somebody();
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        let page = give(&mut browser, &page, OTHER).await?;
        says("captured", &page, words);
        assert!(page.asks_for_number(), "{}", page.text());
        let page = give(&mut browser, &page, &number).await?;
        let code = scene.newest_code(&number)?;
        let page = browser.enter_code(&page, &code).await?;
        assert!(page.is_account(), "{}", page.text());

        let page = browser.open("/account/number").await?;
        let page = browser
            .submit(&page, "/account/number", &[("mobile", OTHER)])
            .await?;
        says("changed", &page, words);
        assert_eq!(scene.messages_to(OTHER), 0);
        let (_, next) = scene.somebody();
        browser
            .submit(&page, "/account/number", &[("mobile", &next)])
            .await?;
        assert_eq!(scene.messages_to(&next), 1);
    }
    Ok(())
}

/// the operator's list of countries holds for a number that is typed and for one of the profile.
#[tokio::test]
async fn a_number_outside_the_allowed_countries_gets_no_message() -> Result<()> {
    let scene = Scene::new().await?;
    for (regions, sent) in [("[\"LK\"]", false), ("[]", true)] {
        let without = scene.person_without_number().await?;
        let (with, own) = scene.person().await?;
        scene
            .set(&format!("{CAPTURE}\nallowed_regions = {regions}"))
            .await?;
        let (_, typed) = scene.somebody();
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&without, PASSWORD).await?;
        let first = give(&mut browser, &page, &typed).await?;
        let second = scene.host.browser().sign_in(&with, PASSWORD).await?;
        for (page, number) in [(first, typed), (second, own)] {
            assert_eq!(page.asks_for_code(), sent, "{regions}: {}", page.text());
            assert_eq!(scene.messages_to(&number), usize::from(sent), "{regions}");
            if !sent {
                says(regions, &page, EN.notice_number_refused);
            }
        }
    }
    Ok(())
}

async fn give(browser: &mut postern_kit::Browser, page: &Page, number: &str) -> Result<Page> {
    browser
        .submit(page, "/sign-in/number", &[("mobile", number)])
        .await
}
