//! Every page once, for the tests that look at all of them alike.

use crate::account::tests::overview_page;
use crate::error::PageError;
use crate::page::Frame;
use crate::sign_in::tests::step_page;
use crate::texts::EN;
use axum::response::Response;
use http_body_util::BodyExt;
use postern_login::Step;
use postern_login::application::{Application, Offer};
use postern_login::login::{Notice, StopReason};
use postern_login::ports::FailureReason;
use postern_login::step::{AskCode, Told};
use postern_otp::Timestamp;
use postern_otp::need::Refusal;

const NOW: Timestamp = Timestamp(1_795_310_100_000);

/// Values as an attacker would choose them: a user name, a provider's name, a browser.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "</title><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "\u{202e}gnp.exe\u{0}\u{2028}",
    "&lt;b&gt;&#x3c;i&#x3e;",
];

fn frame(brand: &str) -> Frame<'_> {
    Frame {
        t: &EN,
        brand,
        base: "",
    }
}

fn ask() -> AskCode {
    AskCode {
        number: Some("******4567".to_owned()),
        sent: true,
        code_length: 6,
        digits_only: true,
        expires_at: Some(Timestamp(NOW.0 + 290_000)),
        resend_at: Some(Timestamp(NOW.0 + 27_100)),
        attempts_left: 5,
        backup_codes: true,
        notice: None,
        not_sent: None,
        now: NOW,
    }
}

fn application(display_name: &str, password: bool, others: &[&str]) -> Application {
    let mut application = Application::account_page();
    application.display_name = display_name.to_owned();
    application.sequence.password = password;
    application.sequence.identity_providers = others
        .iter()
        .enumerate()
        .map(|(at, display_name)| Offer {
            name: format!("idp-{at}"),
            display_name: (*display_name).to_owned(),
        })
        .collect();
    application
}

/// File name and page; `value` stands wherever somebody else's text is shown.
async fn pages(value: &str) -> Vec<(&'static str, String)> {
    let f = frame(value);
    let code = |change: fn(&mut AskCode)| {
        let mut ask = ask();
        if value != "Postern" {
            ask.number = Some(value.to_owned());
        }
        change(&mut ask);
        if value != "Postern"
            && let Some(told) = &mut ask.not_sent
        {
            told.words = Some(value.to_owned());
        }
        step_page(f, &Step::AskCode(ask))
    };
    let first = |notice, application: &Application| {
        let application = application.clone();
        step_page(
            f,
            &Step::FirstStep {
                notice,
                application,
            },
        )
    };
    let drawn: Vec<(&'static str, Response)> = vec![
        ("password", first(None, &application("", true, &[]))),
        (
            "password-wrong",
            first(Some(Notice::WrongPassword), &application("", true, &[])),
        ),
        (
            "first-step-choice",
            first(None, &application(value, true, &[value, "Example Mail"])),
        ),
        (
            "first-step-federated",
            first(None, &application(value, false, &[value, "Example Mail"])),
        ),
        (
            "password-hinted",
            crate::sign_in::tests::hinted_page(f, value),
        ),
        (
            "second-step-wanted",
            step_page(
                f,
                &Step::SecondStepWanted {
                    application: application(value, true, &[]),
                },
            ),
        ),
        (
            "number",
            step_page(
                f,
                &Step::AskNumber {
                    notice: Some(Notice::NumberInvalid),
                },
            ),
        ),
        ("code", code(|_| {})),
        (
            "code-wrong",
            code(|ask| {
                ask.notice = Some(Notice::CodeWrong);
                ask.attempts_left = 3;
                ask.resend_at = Some(ask.now);
            }),
        ),
        (
            "code-new",
            code(|ask| {
                ask.notice = Some(Notice::NewCodeSent);
                ask.resend_at = None;
                ask.backup_codes = false;
                ask.digits_only = false;
            }),
        ),
        (
            "code-not-sent",
            code(|ask| {
                ask.sent = false;
                ask.expires_at = None;
                ask.notice = Some(Notice::NotSent);
                ask.not_sent = Some(Told {
                    reason: Some(FailureReason::ProviderDown),
                    words: Some("upstream is away".to_owned()),
                });
            }),
        ),
        (
            "stopped-locked",
            step_page(
                f,
                &Step::Stopped {
                    reason: StopReason::Locked {
                        until: Timestamp(NOW.0 + 840_000),
                    },
                    backup_codes: true,
                },
            ),
        ),
        (
            "stopped-no-number",
            step_page(
                f,
                &Step::Stopped {
                    reason: StopReason::Refused(Refusal::NoNumber),
                    backup_codes: false,
                },
            ),
        ),
        ("continue", step_page(f, &Step::Authenticated)),
        ("account", overview_page(f, value, true)),
        ("account-bare", overview_page(f, value, false)),
        ("account-number", crate::account::tests::number_page(f)),
        (
            "account-password",
            crate::account::tests::password_page(f, value),
        ),
        (
            "backup-codes",
            crate::account::tests::backup_codes_page(f, value),
        ),
        ("signed-out", crate::account::tests::signed_out_page(f)),
        (
            "signed-out-partly",
            crate::saml::logout::partly_page(f, value),
        ),
        ("error-not-found", PageError::NotFound.draw(f)),
        ("error-fresh", PageError::Fresh.draw(f)),
        (
            "error-broken",
            PageError::Broken {
                reference: crate::error::Reference::new(),
            }
            .draw(f),
        ),
    ];
    let mut pages = Vec::new();
    for (name, response) in drawn {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        pages.push((name, String::from_utf8(body.to_vec()).unwrap()));
    }
    pages
}

/// Tags of a page, without what stands between them.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|part| part.split('>').next().unwrap())
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))
        .map(|(_, rest)| rest.split('"').next().unwrap())
}

/// Writes the pages where `POSTERN_GALLERY` says, for a look at them in a browser.
#[tokio::test]
async fn every_page_can_be_read_by_everybody() {
    let folder = std::env::var_os("POSTERN_GALLERY").map(std::path::PathBuf::from);
    for (name, html) in pages("Postern").await {
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.html")), &html).unwrap();
        }
        let tags = tags(&html);
        assert!(
            html.starts_with("<!doctype html>\n<html lang=\"en\">"),
            "{name}"
        );
        assert_eq!(
            tags.iter().filter(|tag| tag.starts_with("h1")).count(),
            1,
            "{name}: one heading"
        );
        assert_eq!(
            tags.iter().filter(|tag| tag.starts_with("main")).count(),
            1,
            "{name}: one main part"
        );
        assert!(html.contains("name=\"viewport\""), "{name}: phone width");
        let mut ids = Vec::new();
        for tag in &tags {
            if let Some(id) = attribute(tag, "id") {
                assert!(!ids.contains(&id), "{name}: id {id} twice");
                ids.push(id);
            }
        }
        for tag in &tags {
            if tag.starts_with("input") && attribute(tag, "type") != Some("hidden") {
                let id = attribute(tag, "id").unwrap();
                assert!(
                    html.contains(&format!("<label for=\"{id}\">")),
                    "{name}: {id} has a label"
                );
                assert!(attribute(tag, "autocomplete").is_some(), "{name}: {id}");
            }
            if let Some(described) = attribute(tag, "aria-describedby") {
                for id in described.split(' ') {
                    assert!(
                        ids.contains(&id),
                        "{name}: {id} describes, and is not there"
                    );
                }
            }
            assert!(!tag.contains(" style="), "{name}: {tag}");
            assert!(!tag.contains(" on"), "{name}: {tag}");
        }
        let forms = html.matches("<form").count();
        assert_eq!(html.matches("method=\"post\"").count(), forms, "{name}");
        assert_eq!(
            html.matches("name=\"token\"").count(),
            forms,
            "{name}: every form has its token"
        );
    }
}

/// S-07
#[tokio::test]
async fn nothing_shown_becomes_markup() {
    let plain = pages("Postern").await;
    for value in HOSTILE {
        for ((name, html), (_, expected)) in pages(value).await.iter().zip(&plain) {
            assert_eq!(shape(html), shape(expected), "{name}: {value:?}");
            for tag in tags(html) {
                assert!(
                    !tag.starts_with("a ") || !tag.contains("javascript:"),
                    "{name}: {tag}"
                );
            }
        }
    }
}

/// The tags and their attributes, without the attributes' values.
fn shape(html: &str) -> Vec<String> {
    tags(html)
        .iter()
        .map(|tag| tag.split('"').step_by(2).collect())
        .collect()
}

/// S-07
#[tokio::test]
async fn no_page_needs_anything_inline_or_from_elsewhere() {
    for (name, html) in pages("Postern").await {
        assert_eq!(html.matches("<script").count(), 1, "{name}");
        assert!(html.contains("<script src=\"/assets/sign-in-"), "{name}");
        assert!(!html.contains("<style"), "{name}");
        assert!(
            !html.contains("http:") && !html.contains("https:"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_code_page_helps_phones_to_fill_in_the_code() {
    let pages = pages("Postern").await;
    let page = |wanted: &str| &pages.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let code = page("code");
    assert!(code.contains("autocomplete=\"one-time-code\" inputmode=\"numeric\""));
    assert!(code.contains("******4567"));
    // 27.1 s of the server's clock: told rounded up, and the button works without a script.
    assert!(code.contains("data-wait=\"28\""));
    assert!(code.contains("You can ask for a new code in 28 seconds."));
    assert!(!code.contains("disabled"));
    assert!(page("code-wrong").contains("3 tries are left."));
    assert!(!page("code-new").contains("inputmode"));
    assert!(!page("code-new").contains("/sign-in/resend"));
    assert!(!page("code-not-sent").contains("/sign-in/code\""));
    assert!(page("code-not-sent").contains("/sign-in/backup-code"));
    assert!(page("stopped-locked").contains("in 14 minutes"));
}
