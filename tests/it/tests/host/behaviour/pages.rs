//! What the pages show: masked values, in the reader's language, and why nothing could be sent.

use super::{EN, Scene, says};
use crate::PASSWORD;
use postern_kit::anyhow::Result;
use postern_kit::postern_web::texts::DE;
use postern_kit::{Change, OutboxAnswer};

const MOBILE: &str = "http://wso2.org/claims/mobile";

/// Case 37 to 39, `screenUserAttributeMaskRegex`: which characters stay visible, counted in characters.
#[tokio::test]
async fn the_code_page_shows_the_operators_attribute_masked_by_the_operators_rule() -> Result<()> {
    let scene = Scene::new().await?;
    for (settings, claim, shown) in [
        (
            "no_of_digits = 4\norder = \"forward\"",
            "0778965231",
            "0778******",
        ),
        (
            "no_of_digits = 4\norder = \"backward\"",
            "0778965231",
            "******5231",
        ),
        (
            "no_of_digits = 0\norder = \"backward\"",
            "0778965231",
            "**********",
        ),
        ("no_of_digits = 8\norder = \"backward\"", "077", "077"),
        ("no_of_digits = 2\norder = \"backward\"", "añb€😀", "***€😀"),
        ("no_of_digits = 2\norder = \"forward\"", "éa<b>", "éa***"),
        // An expression in place of both.
        (
            "no_of_digits = 2\nscreen_user_attribute_mask_regex = '\\d(?=\\d{4})'",
            "0778965231",
            "******5231",
        ),
    ] {
        scene
            .set(&format!(
                "screen_user_attribute = \"http://claims/shown\"\n{settings}"
            ))
            .await?;
        let (name, number) = scene.somebody();
        let change = Change {
            number: Some(Some(number.clone())),
            claims: vec![("http://claims/shown".to_owned(), claim.to_owned())],
            ..Change::default()
        };
        scene.host.add_person(&name, PASSWORD, change).await?;
        let at = scene.at_the_code(&name, &number).await?;
        let sentence = EN.code_sent_to.replace("{number}", shown);
        says(settings, &at.page, &sentence);
        assert!(
            !at.page.html.contains(claim) || shown == claim,
            "{settings}: the whole value"
        );
    }
    Ok(())
}

/// Without an attribute the mask says neither the length nor more than the last digits.
#[tokio::test]
async fn without_an_attribute_the_number_is_shown_with_stars_that_do_not_count() -> Result<()> {
    let scene = Scene::new().await?;
    for settings in ["", &format!("screen_user_attribute = \"{MOBILE}\"")] {
        scene.set(settings).await?;
        let (name, number) = scene.person().await?;
        let at = scene.at_the_code(&name, &number).await?;
        says(settings, &at.page, &number[number.len() - 4..]);
        assert!(!at.page.html.contains(&number[1..]), "{settings}");
    }
    Ok(())
}

/// `Accept-Language` and `ui_locales`; a login keeps the language it began in.
#[tokio::test]
async fn the_pages_speak_the_readers_language() -> Result<()> {
    let scene = Scene::new().await?;
    for (accepted, query, german) in [
        ("de-CH, en;q=0.5", "", true),
        ("fr, de;q=0.5, en;q=0.1", "", true),
        ("fr", "", false),
        ("en", "?ui_locales=fr+de", true),
        ("de", "?ui_locales=en", false),
    ] {
        let (name, number) = scene.person().await?;
        let mut browser = scene.host.browser();
        let language = |headers: &mut Vec<(String, String)>, tag: &str| {
            headers.retain(|(name, _)| name != "accept-language");
            headers.push(("accept-language".to_owned(), tag.to_owned()));
        };
        language(&mut browser.headers, accepted);
        let page = browser.open(&format!("/sign-in{query}")).await?;
        let t = if german { &DE } else { &EN };
        says(accepted, &page, t.sign_in_lead);
        assert!(
            page.html.contains(&format!("lang=\"{}\"", t.lang)),
            "{accepted}"
        );
        let fields = [("username", name.as_str()), ("password", PASSWORD)];
        let page = browser.submit(&page, "/sign-in/password", &fields).await?;
        says(accepted, &page, t.code_label);
        // A browser that says something else by now is in the same login.
        language(&mut browser.headers, "xx");
        let wrong = super::another_code(&scene.newest_code(&number)?);
        let page = browser.enter_code(&page, &wrong).await?;
        says(accepted, &page, t.notice_code_wrong);
    }
    Ok(())
}

/// Why nothing could be sent: a code of ours or nothing; the provider's words only where the operator
/// switched them on, and then masked.
#[tokio::test]
async fn a_failed_sending_tells_what_the_settings_let_it_tell() -> Result<()> {
    let scene = Scene::new().await?;
    let words = "no route for account 4711 <b>";
    let refusal = |reason: &str| {
        let mut answer = OutboxAnswer::refuse(reason);
        answer.kind = postern_kit::OutboxAnswerKind::Refuse {
            reason: reason.to_owned(),
            retry_after: None,
            detail: words.to_owned(),
        };
        answer
    };
    for (settings, reason, code, shown) in [
        ("", "provider-down", Some("SMSOTP-65004"), None),
        ("", "auth-failed", Some("SMSOTP-60002"), None),
        ("", "insufficient-funds", Some("SMSOTP-60003"), None),
        (
            "use_internal_error_codes = false",
            "provider-down",
            None,
            None,
        ),
        (
            "show_detailed_error_info = true",
            "unroutable",
            Some("SMSOTP-60005"),
            Some("no route for account 4711 <b>"),
        ),
        (
            "use_internal_error_codes = false\nshow_detailed_error_info = true\nvalues_to_be_masked = [\"4711\", \"a.c\"]",
            "unroutable",
            None,
            Some("no route for account **** <b>"),
        ),
    ] {
        scene.set(settings).await?;
        scene.host.outbox().otherwise(refusal(reason));
        let (name, number) = scene.person().await?;
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        says(settings, &page, EN.notice_not_sent);
        assert_eq!(
            page.text().contains("SMSOTP-"),
            code.is_some(),
            "{settings}: {}",
            page.text()
        );
        if let Some(code) = code {
            says(settings, &page, code);
        }
        match shown {
            Some(shown) => says(settings, &page, shown),
            None => assert!(
                !page.text().contains("account"),
                "{settings}: {}",
                page.text()
            ),
        }
        assert!(!page.html.contains("<b>"), "{settings}: markup");
        // What never arrived is no code of anything.
        let code = scene.newest_code(&number)?;
        let page = browser
            .submit_as(
                &page,
                "/sign-in/resend",
                "/sign-in/code",
                &[("code", &code)],
            )
            .await?;
        assert!(!page.is_account(), "{settings}");
        scene.host.outbox().otherwise(OutboxAnswer::accept());
    }
    Ok(())
}
