//! The code comes in: right, wrong, late, twice; with another try and without.

use super::{EN, Scene, another_code, says};
use postern_kit::anyhow::{Context, Result};

const RETRY: &str = "retry_enable = true";
const NO_RETRY: &str = "retry_enable = false";

/// What is typed, and when.
#[derive(Debug, Clone, Copy)]
enum Typed {
    Right,
    RightWithSpaces,
    Wrong,
    Empty,
    /// The right one, after so many seconds.
    RightAfter(u64),
    /// The earlier one, after a resend.
    Earlier,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    SignedIn,
    /// The code page again, with this sentence.
    Again(&'static str),
    /// The login is over, with this sentence.
    Over(&'static str),
}

#[tokio::test]
async fn every_row_of_the_verification_table_answers_as_it_should() -> Result<()> {
    let rows = [
        ("correct, in time", RETRY, Typed::Right, Then::SignedIn),
        (
            "correct, in time, no retry",
            NO_RETRY,
            Typed::Right,
            Then::SignedIn,
        ),
        (
            "correct, with blanks around it",
            RETRY,
            Typed::RightWithSpaces,
            Then::SignedIn,
        ),
        (
            "wrong",
            RETRY,
            Typed::Wrong,
            Then::Again(EN.notice_code_wrong),
        ),
        (
            "wrong, no retry",
            NO_RETRY,
            Typed::Wrong,
            Then::Over(EN.stopped_code_wrong),
        ),
        (
            "empty",
            RETRY,
            Typed::Empty,
            Then::Again(EN.notice_code_wrong),
        ),
        (
            "empty, no retry",
            NO_RETRY,
            Typed::Empty,
            Then::Over(EN.stopped_code_wrong),
        ),
        (
            "in the last second",
            RETRY,
            Typed::RightAfter(299),
            Then::SignedIn,
        ),
        (
            "when its time is over",
            RETRY,
            Typed::RightAfter(300),
            Then::Again(EN.notice_code_expired),
        ),
        (
            "too late",
            RETRY,
            Typed::RightAfter(301),
            Then::Again(EN.notice_code_expired),
        ),
        (
            "too late, no retry",
            NO_RETRY,
            Typed::RightAfter(301),
            Then::Over(EN.stopped_code_expired),
        ),
        (
            "replaced by a newer one",
            RETRY,
            Typed::Earlier,
            Then::Again(EN.notice_code_superseded),
        ),
        (
            "replaced, no retry",
            NO_RETRY,
            Typed::Earlier,
            Then::Over(EN.stopped_code_wrong),
        ),
    ];
    let scene = Scene::new().await?;
    for (case, settings, typed, then) in rows {
        scene.set(settings).await?;
        let (name, number) = scene.person().await?;
        let mut at = scene.at_the_code(&name, &number).await?;
        let code = at.code.clone();
        let typed = match typed {
            Typed::Right => code.clone(),
            Typed::RightWithSpaces => format!(" {} {} ", &code[..3], &code[3..]),
            Typed::Wrong => another_code(&code),
            Typed::Empty => String::new(),
            Typed::RightAfter(seconds) => {
                scene.pass(seconds);
                code.clone()
            }
            Typed::Earlier => {
                scene.pass(31);
                at.ask_again().await?;
                assert_ne!(scene.newest_code(&number)?, code, "{case}");
                code.clone()
            }
        };
        let page = at.enter(&typed).await?;
        match then {
            Then::SignedIn => assert!(page.is_account(), "{case}: {}", page.text()),
            Then::Again(sentence) => {
                assert!(page.asks_for_code(), "{case}: {}", page.text());
                says(case, &page, sentence);
            }
            Then::Over(sentence) => {
                assert!(!page.asks_for_code(), "{case}: {}", page.text());
                says(case, &page, sentence);
                // Going back does not help: the code died with the step.
                let page = at.browser.enter_code(&at.page, &code).await?;
                assert!(!page.is_account(), "{case}: {}", page.text());
            }
        }
        assert_eq!(
            at.browser.open("/account").await?.is_account(),
            matches!(then, Then::SignedIn),
            "{case}"
        );
    }
    Ok(())
}

/// §7.1: wrong, then right.
#[tokio::test]
async fn a_wrong_code_and_then_the_right_one_signs_in() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    says("wrong", &at.enter_wrong().await?, EN.notice_code_wrong);
    assert!(at.enter_right().await?.is_account());
    Ok(())
}

/// The mark of an expired code does not stick to the codes after it.
#[tokio::test]
async fn after_an_expired_code_a_new_one_is_judged_by_itself() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    scene.pass(301);
    says("late", &at.enter_right().await?, EN.notice_code_expired);
    at.ask_again().await?;
    at.code = scene.newest_code(&number)?;
    says("wrong", &at.enter_wrong().await?, EN.notice_code_wrong);
    assert!(at.enter_right().await?.is_account());
    Ok(())
}

/// §7.1: the same right code twice.
#[tokio::test]
async fn a_right_code_is_good_once() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    let mut copy = at.browser.clone();
    assert!(at.enter_right().await?.is_account());
    let page = copy.enter_code(&at.page, &at.code).await?;
    assert!(!page.is_account(), "{}", page.text());
    Ok(())
}

/// Case 91: the last of the tries that are left may still be right; the last wrong one ends it.
#[tokio::test]
async fn the_last_try_may_be_right_and_the_last_wrong_one_ends_the_login() -> Result<()> {
    let scene = Scene::new().await?;
    for last_is_right in [true, false] {
        let (name, number) = scene.person().await?;
        let mut at = scene.at_the_code(&name, &number).await?;
        for left in ["4 tries", "3 tries", "2 tries", "1 try"] {
            says("wrong", &at.enter_wrong().await?, left);
        }
        if last_is_right {
            assert!(at.enter_right().await?.is_account());
        } else {
            says("last", &at.enter_wrong().await?, EN.stopped_attempts);
            let form = at.page.clone();
            let page = at.browser.enter_code(&form, &at.code).await?;
            assert!(!page.is_account(), "{}", page.text());
        }
    }
    Ok(())
}

/// §7.1: codes live in their login, never in something shared.
#[tokio::test]
async fn two_logins_at_once_never_share_a_code() -> Result<()> {
    let scene = Scene::new().await?;
    let (alice, alices) = scene.person().await?;
    let (bob, bobs) = scene.person().await?;
    let mut a = scene.at_the_code(&alice, &alices).await?;
    let mut b = scene.at_the_code(&bob, &bobs).await?;
    if a.code != b.code {
        let (of_a, of_b) = (a.code.clone(), b.code.clone());
        says("b's in a", &a.enter(&of_b).await?, EN.notice_code_wrong);
        says("a's in b", &b.enter(&of_a).await?, EN.notice_code_wrong);
    }
    assert!(a.enter_right().await?.text().contains(&alice));
    assert!(b.enter_right().await?.text().contains(&bob));
    Ok(())
}

/// Case 32: a code without a validity of its own has the default one, never an endless life.
#[tokio::test]
async fn a_code_lives_as_long_as_the_settings_say_and_five_minutes_if_they_say_nothing()
-> Result<()> {
    let scene = Scene::new().await?;
    for (settings, life) in [
        ("", 300),
        ("token_expiry_time = 30", 30),
        ("token_expiry_time = 600", 600),
    ] {
        scene.set(settings).await?;
        for (seconds, good) in [(life - 1, true), (life, false)] {
            let (name, number) = scene.person().await?;
            let mut at = scene.at_the_code(&name, &number).await?;
            scene.pass(seconds);
            assert_eq!(
                at.enter_right().await?.is_account(),
                good,
                "{settings}: {seconds} s"
            );
        }
    }
    Ok(())
}

/// Length and alphabet of §1.3.
#[tokio::test]
async fn codes_have_the_length_and_the_letters_of_the_settings() -> Result<()> {
    let scene = Scene::new().await?;
    for (settings, length, letters) in [
        ("", 6, false),
        ("token_length = 8", 8, false),
        (
            "token_length = 10\nenable_alphanumeric_token = true",
            10,
            true,
        ),
    ] {
        scene.set(settings).await?;
        let mut any_letter = false;
        for _ in 0..4 {
            let (name, number) = scene.person().await?;
            let mut at = scene.at_the_code(&name, &number).await?;
            assert_eq!(at.code.len(), length, "{settings}");
            let orderly = |c: char| c.is_ascii_digit() || (letters && c.is_ascii_uppercase());
            assert!(at.code.chars().all(orderly), "{settings}: {}", at.code);
            any_letter |= at.code.chars().any(|c| c.is_ascii_uppercase());
            let typed = at.code.to_lowercase();
            assert!(at.enter(&typed).await?.is_account(), "case does not matter");
        }
        assert_eq!(any_letter, letters, "{settings}");
    }
    Ok(())
}

/// `notificationTemplate`, and the line that binds the code to this host.
#[tokio::test]
async fn the_message_says_what_the_settings_say_around_the_code() -> Result<()> {
    let scene = Scene::new().await?;
    for (settings, before, bound) in [
        ("", "Your Postern code is ", true),
        (
            "notification_template = \"Acme.\"",
            "Acme. Verification Code: ",
            true,
        ),
        (
            "notification_template = \"Acme.\"\norigin_bound_line = false",
            "Acme. Verification Code: ",
            false,
        ),
    ] {
        scene.set(settings).await?;
        let (name, number) = scene.person().await?;
        let code = scene.at_the_code(&name, &number).await?.code;
        let message = scene.host.outbox().newest_to(&number);
        let text = message.context("a message")?.text;
        let said = format!("{before}{code}");
        assert!(text.starts_with(&said), "{settings}: {text}");
        let last = text.lines().last().unwrap_or_default();
        let binds = last.starts_with('@') && last.ends_with(&format!(" #{code}"));
        assert_eq!(binds, bound, "{settings}: {text}");
    }
    Ok(())
}
