//! Pages of the operator's own: the browser is sent there, and what they send back is believed only
//! where it may be.
#![allow(clippy::unwrap_used)]

mod world;

use http::{HeaderValue, StatusCode};
use postern_otp::OwnPages;
use world::{Answer, Browser, HOST, PASSWORD, World};

const PAGES: &str = "https://pages.login.example";

async fn world() -> World {
    World::with(|factor| {
        factor.own_pages = OwnPages {
            code: Some(format!("{PAGES}/code.html?theme=dark")),
            error: None,
            number: Some("pages/number.html".to_owned()),
        };
    })
    .await
}

/// What an own page reads out of its address.
fn told(answer: &Answer, name: &str) -> Option<String> {
    let url = url::Url::parse(answer.location()).unwrap();
    let mut pairs = url.query_pairs();
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// As the browser posts a form of that page.
async fn post(browser: &mut Browser, origin: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    browser.extra.clear();
    if let Some(origin) = origin {
        let origin = HeaderValue::from_str(origin).unwrap();
        browser.extra.insert("origin", origin);
        let site = HeaderValue::from_static("same-site");
        browser.extra.insert("sec-fetch-site", site);
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let answer = browser.post_raw("/commonauth", &form.finish()).await;
    browser.extra.clear();
    answer
}

async fn at_own_page(world: &World) -> (Browser, String) {
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    browser.password("alice", PASSWORD).await;
    let sent = browser.get("/sign-in").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert!(
        sent.location().starts_with(&format!(
            "{PAGES}/code.html?theme=dark&authenticators=SMSOTP&"
        )),
        "{}",
        sent.location()
    );
    assert_eq!(told(&sent, "resendCode").as_deref(), Some("true"));
    assert_eq!(told(&sent, "authFailure"), None);
    let key = told(&sent, "sessionDataKey").unwrap();
    (browser, key)
}

#[tokio::test]
async fn a_person_signs_in_through_a_page_of_the_operators_own() {
    let world = world().await;
    let (mut browser, key) = at_own_page(&world).await;
    let code = world.phone.last_code();
    let wrong = world.phone.wrong_code();
    let fields = [
        ("sessionDataKey", key.as_str()),
        ("OTPcode", wrong),
        ("resendCode", "false"),
    ];
    let answer = post(&mut browser, Some(PAGES), &fields).await;
    assert_eq!(answer.location(), "/sign-in");
    let again = browser.get("/sign-in").await;
    assert_eq!(
        told(&again, "authFailureMsg").as_deref(),
        Some("authentication.fail.message")
    );
    let key = told(&again, "sessionDataKey").unwrap();
    let fields = [("sessionDataKey", key.as_str()), ("OTPcode", code.as_str())];
    let answer = post(&mut browser, Some(PAGES), &fields).await;
    assert_eq!(answer.location(), "/account");
    assert!(browser.cookie("session").is_some());
}

#[tokio::test]
async fn a_resend_needs_no_code_and_an_empty_code_shows_the_step_again() {
    let world = world().await;
    let (mut browser, key) = at_own_page(&world).await;
    let empty = [
        ("sessionDataKey", key.as_str()),
        ("OTPcode", ""),
        ("resendCode", "false"),
    ];
    let answer = post(&mut browser, Some(PAGES), &empty).await;
    assert_eq!(answer.location(), "/sign-in");
    assert_eq!(world.phone.count(), 1);
    world.clock.pass(std::time::Duration::from_secs(31));
    let resend = [
        ("sessionDataKey", key.as_str()),
        ("OTPcode", ""),
        ("resendCode", "true"),
    ];
    post(&mut browser, Some(PAGES), &resend).await;
    assert_eq!(world.phone.count(), 2);
}

/// S-04, S-05, S-08: the origin, the cookie and the key must all be right.
#[tokio::test]
async fn nothing_is_believed_without_origin_cookie_and_key() {
    let world = world().await;
    let (browser, key) = at_own_page(&world).await;
    let code = world.phone.last_code();
    let fields = [("sessionDataKey", key.as_str()), ("OTPcode", code.as_str())];
    for origin in [
        None,
        Some("https://evil.example"),
        Some("null"),
        Some("http://pages.login.example"),
    ] {
        let answer = post(&mut browser.clone(), origin, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    let answer = post(&mut world.browser(), Some(PAGES), &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "no cookie");
    let (_, others) = at_own_page(&world).await;
    for bad in ["", "0", others.as_str()] {
        let fields = [("sessionDataKey", bad), ("OTPcode", code.as_str())];
        let answer = post(&mut browser.clone(), Some(PAGES), &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{bad}");
    }
    let nothing = [("sessionDataKey", key.as_str())];
    let answer = post(&mut browser.clone(), Some(PAGES), &nothing).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // Nothing of it cost an attempt or the code.
    let answer = post(&mut browser.clone(), Some(PAGES), &fields).await;
    assert_eq!(answer.location(), "/account");
}

#[tokio::test]
async fn without_pages_of_ones_own_nothing_is_taken_there() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let page = browser.get("/sign-in").await;
    assert_eq!(page.status, StatusCode::OK);
    let key = browser.token.clone();
    let code = world.phone.last_code();
    let fields = [("sessionDataKey", key.as_str()), ("OTPcode", code.as_str())];
    let own = format!("https://{HOST}");
    let answer = post(&mut browser, Some(&own), &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// Browsers judge a redirect after a form as if the form went there (S-06).
#[tokio::test]
async fn forms_may_lead_to_own_pages_and_nowhere_else() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.get("/sign-in").await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains(&format!("form-action 'self' {PAGES} https://{HOST};")),
        "{policy}"
    );
    let plain = World::new().await.browser().get("/sign-in").await;
    assert!(
        plain
            .header("content-security-policy")
            .contains("form-action 'self';")
    );
}
