//! Applications sign their people in through the OpenID provider.

use crate::{ALICE, PASSWORD};
use postern_kit::identity_provider::challenge_of;
use postern_kit::phone::another_code;
use postern_kit::{Browser, Page, Peer, Phone, Provider, TestClock, TestHost, anyhow::Result};
use serde_json::Value;
use std::time::Duration;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:1/callback";
const MFA: &str = "https://refeds.org/profile/mfa";

const PARTIES: &str = r#"
[relying_party.shop]
display_name = "The Shop"
claims = { mobile = "http://wso2.org/claims/mobile" }
[relying_party.shop.oidc]
client_id = "shop"
client_secret = "0123456789abcdef0123456789abcdef"
redirect_uris = ["http://127.0.0.1:1/callback"]
post_logout_redirect_uris = ["http://127.0.0.1:1/bye"]

[relying_party.blog]
second_step = "none"
[relying_party.blog.oidc]
client_id = "blog"
public = true
redirect_uris = ["http://127.0.0.1:1/blog"]
id_token_alg = "ES256"
"#;

async fn host(clock: &TestClock) -> Result<TestHost> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .clock(clock.clone())
        .config(PARTIES)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    Ok(host)
}

fn request(client: &str, redirect_uri: &str, more: &str) -> String {
    let query = form(&[
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "openid profile phone"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", &challenge_of(VERIFIER)),
        ("code_challenge_method", "S256"),
    ]);
    format!("/oauth2/authorize?{query}{more}")
}

pub(crate) fn shop(more: &str) -> String {
    request("shop", CALLBACK, more)
}

fn form(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(b).to_string()
                }
                _ => format!("%{b:02X}"),
            })
            .collect::<String>()
    };
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A parameter of an answer.
pub(crate) fn said(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let pair = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    let text = pair.replace('+', " ");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(&tail[..2]).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Password and code: where the browser is led on to.
async fn signs_in(host: &TestHost, browser: &mut Browser, path: &str) -> Result<String> {
    signs_in_with(&mut host.phone(ALICE), browser, path).await
}

async fn signs_in_with(phone: &mut Phone, browser: &mut Browser, path: &str) -> Result<String> {
    let page = browser.open(path).await?;
    goes_on(phone, browser, page).await
}

async fn goes_on(phone: &mut Phone, browser: &mut Browser, page: Page) -> Result<String> {
    assert!(page.asks_for_password(), "{}", page.text());
    let filled = [("username", "alice"), ("password", PASSWORD)];
    let page = browser.submit(&page, "/sign-in/password", &filled).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let code = phone.next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    Ok(page
        .onward()
        .unwrap_or_else(|| panic!("{}: {}", page.path, page.html)))
}

pub(crate) struct Tokens {
    status: u16,
    pub(crate) body: Value,
}

async fn redeem(host: &TestHost, pairs: &[(&str, &str)]) -> Result<Tokens> {
    redeem_at(host, "", pairs).await
}

/// At a tenant's address, `/t/NAME`, or at the host's own, which is empty.
pub(crate) async fn redeem_at(
    host: &TestHost,
    base: &str,
    pairs: &[(&str, &str)],
) -> Result<Tokens> {
    let mut all = vec![("grant_type", "authorization_code")];
    all.retain(|(name, _)| !pairs.iter().any(|(given, _)| given == name));
    all.extend(pairs);
    let request = http::Request::post(format!("{base}/oauth2/token"))
        .header("host", host.origin().trim_start_matches("http://"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form(&all).into())?;
    let answer = postern_kit::http::exchange(host.host().public, request).await?;
    Ok(Tokens {
        status: answer.status.as_u16(),
        body: answer.json()?,
    })
}

async fn redeem_for_shop(host: &TestHost, code: &str) -> Result<Tokens> {
    redeem(
        host,
        &[
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "shop"),
            ("client_secret", SECRET),
        ],
    )
    .await
}

async fn userinfo(host: &TestHost, token: &str) -> Result<(u16, Value)> {
    userinfo_at(host, "", token).await
}

pub(crate) async fn userinfo_at(host: &TestHost, base: &str, token: &str) -> Result<(u16, Value)> {
    let request = http::Request::get(format!("{base}/oauth2/userinfo"))
        .header("host", host.origin().trim_start_matches("http://"))
        .header("authorization", format!("Bearer {token}"))
        .body(Default::default())?;
    let answer = postern_kit::http::exchange(host.host().public, request).await?;
    Ok((answer.status.as_u16(), answer.json().unwrap_or(Value::Null)))
}

/// What an ID token says. Its signature is checked by the independent client.
fn claims(token: &Value) -> Value {
    part(token, 1)
}

fn part(token: &Value, at: usize) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(at).unwrap();
    let bytes = payload.bytes().filter_map(|b| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    });
    let (mut word, mut bits, mut decoded) = (0u32, 0, Vec::new());
    for digit in bytes {
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push((word >> bits) as u8);
        }
    }
    serde_json::from_slice(&decoded).unwrap()
}

#[tokio::test]
async fn an_application_learns_who_signed_in_and_how() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut browser = host.browser();
    let page = browser.open(&shop("")).await?;
    assert!(
        page.text().contains("Sign in to The Shop"),
        "{}",
        page.text()
    );
    let answer = signs_in(&host, &mut browser, &shop("")).await?;
    assert!(answer.starts_with(&format!("{CALLBACK}?code=")), "{answer}");
    assert_eq!(said(&answer, "state").as_deref(), Some("the state"));
    assert_eq!(said(&answer, "iss"), Some(host.origin()), "RFC 9207");

    let tokens = redeem_for_shop(&host, &said(&answer, "code").unwrap()).await?;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    let claims = claims(&tokens.body["id_token"]);
    assert_eq!(claims["iss"], host.origin());
    assert_eq!(claims["aud"], "shop");
    assert_eq!(claims["nonce"], "the nonce");
    assert_eq!(claims["acr"], MFA);
    assert_eq!(
        claims["amr"],
        serde_json::json!(["pwd", "sms", "otp", "mfa"])
    );
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["phone_number"], ALICE);
    assert_eq!(claims["mobile"], ALICE, "what the operator releases");
    assert_ne!(
        claims["sub"], "alice",
        "a name is nothing to tell people apart by"
    );

    let token = tokens.body["access_token"].as_str().unwrap();
    let (status, said) = userinfo(&host, token).await?;
    assert_eq!((status, &said["sub"]), (200, &claims["sub"]));
    clock.advance(Duration::from_secs(301));
    assert_eq!(userinfo(&host, token).await?.0, 401, "it is over");
    assert_eq!(userinfo(&host, "nonsense").await?.0, 401);
    Ok(())
}

/// One sign-in for two applications; the one that asks for less first makes the other ask for the code.
#[tokio::test]
async fn a_second_application_asks_only_for_what_is_missing() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut browser = host.browser();
    let blog = request("blog", "http://127.0.0.1:1/blog", "");
    let page = browser.open(&blog).await?;
    let filled = [("username", "alice"), ("password", PASSWORD)];
    let page = browser.submit(&page, "/sign-in/password", &filled).await?;
    let answer = page.onward().unwrap();
    let code = said(&answer, "code").unwrap();
    let public = [
        ("code", code.as_str()),
        ("redirect_uri", "http://127.0.0.1:1/blog"),
        ("code_verifier", VERIFIER),
        ("client_id", "blog"),
    ];
    let tokens = redeem(&host, &public).await?;
    let first = claims(&tokens.body["id_token"]);
    assert_eq!(first["amr"], serde_json::json!(["pwd"]));
    assert_ne!(first["acr"], MFA, "never more than was proven");
    assert_eq!(host.outbox().count(), 0);

    let page = browser.open(&shop("")).await?;
    assert!(page.has_form("/sign-in/second-step"), "{}", page.text());
    assert!(page.text().contains("The Shop"));
    assert_eq!(
        host.outbox().count(),
        0,
        "S-04: nothing before the person says so"
    );
    let page = browser.submit(&page, "/sign-in/second-step", &[]).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let code = host.phone(ALICE).next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    let answer = page.onward().unwrap();
    let tokens = redeem_for_shop(&host, &said(&answer, "code").unwrap()).await?;
    let second = claims(&tokens.body["id_token"]);
    assert_eq!(second["acr"], MFA);
    assert_eq!(
        (&second["sub"], &second["sid"]),
        (&first["sub"], &first["sid"])
    );

    // Now both are known: nobody is asked anything.
    for path in [shop(""), blog, shop("&prompt=none")] {
        let answer = browser.leave(&path).await?;
        assert!(said(&answer, "code").is_some(), "{answer}");
    }
    Ok(())
}

/// X-26, and `max_age`: a fresh sign-in is a fresh one, of both factors.
#[tokio::test]
async fn a_fresh_sign_in_asks_for_both_factors_again() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let (mut browser, mut phone) = (host.browser(), host.phone(ALICE));
    signs_in_with(&mut phone, &mut browser, &shop("")).await?;
    clock.advance(Duration::from_secs(120));
    for more in ["&prompt=login", "&max_age=60"] {
        let page = browser.open(&shop(more)).await?;
        // The one who is asked takes a moment; a session of the same one is not fresh.
        clock.advance(Duration::from_secs(1));
        let answer = goes_on(&mut phone, &mut browser, page).await?;
        let tokens = redeem_for_shop(&host, &said(&answer, "code").unwrap()).await?;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        clock.advance(Duration::from_secs(120));
    }
    let answer = browser.leave(&shop("&max_age=3600")).await?;
    assert!(said(&answer, "code").is_some());
    Ok(())
}

#[tokio::test]
async fn where_no_page_may_be_shown_the_application_is_told_why_there_is_no_code() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut browser = host.browser();
    let answer = browser.leave(&shop("&prompt=none")).await?;
    assert_eq!(said(&answer, "error").as_deref(), Some("login_required"));
    assert_eq!(said(&answer, "state").as_deref(), Some("the state"));
    let blog = request("blog", "http://127.0.0.1:1/blog", "");
    let page = browser.open(&blog).await?;
    let filled = [("username", "alice"), ("password", PASSWORD)];
    browser.submit(&page, "/sign-in/password", &filled).await?;
    let answer = browser.leave(&shop("&prompt=none")).await?;
    assert_eq!(
        said(&answer, "error").as_deref(),
        Some("interaction_required")
    );
    let wants = request(
        "blog",
        "http://127.0.0.1:1/blog",
        &format!("&acr_values={MFA}&prompt=none"),
    );
    let answer = browser.leave(&wants).await?;
    assert_eq!(
        said(&answer, "error").as_deref(),
        Some("interaction_required"),
        "acr_values asks for more"
    );
    Ok(())
}

/// RFC 9700, 4.5: a code works once, and a second try takes the first one's tokens down.
/// A sign-in that has come to its end without anybody is answered when the person says so, and once.
#[tokio::test]
async fn an_application_is_told_that_nobody_signed_in() -> Result<()> {
    let host = host(&TestClock::default()).await?;
    let mut browser = host.browser();
    browser.open(&shop("")).await?;
    let mut page = browser.sign_in("alice", PASSWORD).await?;
    let wrong = another_code(&host.phone(ALICE).next_code().await?);
    for _ in 0..5 {
        page = browser.enter_code(&page, &wrong).await?;
    }
    assert!(page.text().contains("Back to The Shop"), "{}", page.text());
    let earlier = browser.clone();
    let page = browser.submit(&page, "/sign-in/decline", &[]).await?;
    let location = page.onward().expect("it leads on");
    assert!(location.starts_with(CALLBACK), "{location}");
    assert_eq!(said(&location, "error").as_deref(), Some("access_denied"));
    assert_eq!(said(&location, "state").as_deref(), Some("the state"));
    assert_eq!(said(&location, "code"), None);
    // Neither the login nor the request is there any more.
    let mut again = earlier;
    let page = again.open("/sign-in").await?;
    assert!(page.asks_for_password(), "{}", page.text());
    assert!(!page.text().contains("The Shop"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn a_code_that_comes_twice_revokes_what_it_gave() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let answer = signs_in(&host, &mut host.browser(), &shop("")).await?;
    let code = said(&answer, "code").unwrap();
    let tokens = redeem_for_shop(&host, &code).await?;
    let token = tokens.body["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&host, token).await?.0, 200);
    let again = redeem_for_shop(&host, &code).await?;
    assert_eq!(
        (again.status, &again.body["error"]),
        (400, &"invalid_grant".into())
    );
    assert_eq!(userinfo(&host, token).await?.0, 401, "revoked");
    Ok(())
}

/// X-36: a code is of one client, one address, one verifier and one minute.
#[tokio::test]
async fn a_code_is_good_for_nothing_but_what_it_was_made_for() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut browser = host.browser();
    signs_in(&host, &mut browser, &shop("")).await?;
    let wrong = "another-verifier-another-verifier-another-verifier";
    let other = "9".repeat(32);
    let tries: [(&str, &str, &str); 7] = [
        ("code_verifier", wrong, "invalid_grant"),
        ("code_verifier", "", "invalid_grant"),
        (
            "redirect_uri",
            "http://127.0.0.1:1/callback/",
            "invalid_grant",
        ),
        ("client_id", "blog", "invalid_client"),
        ("client_secret", &other, "invalid_client"),
        ("client_secret", "", "invalid_client"),
        ("grant_type", "password", "unsupported_grant_type"),
    ];
    for (name, value, error) in tries {
        let answer = browser.leave(&shop("")).await?;
        let code = said(&answer, "code").unwrap();
        let mut pairs = vec![
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "shop"),
            ("client_secret", SECRET),
        ];
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
        let tokens = redeem(&host, &pairs).await?;
        assert_eq!(tokens.body["error"], error, "{name}={value}");
        assert!(tokens.status >= 400);
        if name == "code_verifier" {
            let after = redeem_for_shop(&host, &code).await?;
            assert_eq!(
                after.body["error"], "invalid_grant",
                "a wrong verifier costs the code"
            );
        }
    }
    let answer = browser.leave(&shop("")).await?;
    clock.advance(Duration::from_secs(61));
    let late = redeem_for_shop(&host, &said(&answer, "code").unwrap()).await?;
    assert_eq!(late.body["error"], "invalid_grant", "over");
    Ok(())
}

/// X-36: an address that is not registered is never gone to; the person is told.
#[tokio::test]
async fn a_request_that_cannot_be_answered_stays_here() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut browser = host.browser();
    for (client, uri) in [
        ("shop", "http://127.0.0.1:1/callback/"),
        ("shop", "http://127.0.0.1:1/callback?x=1"),
        ("shop", "http://127.0.0.1:2/callback"),
        ("shop", "http://127.0.0.1:1/blog"),
        ("nobody", CALLBACK),
        ("shop", "javascript:alert(1)"),
    ] {
        let page = browser.open(&request(client, uri, "")).await?;
        assert_eq!(page.status, 400, "{client} {uri}");
        assert!(
            page.text().contains("asked in the wrong way"),
            "{}",
            page.text()
        );
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", shop(""));
    assert_eq!(browser.open(&twice).await?.status, 400);
    // What can be answered is, there.
    let plain = shop("").replace("S256", "plain");
    let answer = browser.leave(&plain).await?;
    assert_eq!(said(&answer, "error").as_deref(), Some("invalid_request"));
    Ok(())
}

/// Whoever shows an ID token of the session is believed; anybody else's link asks first (S-04).
#[tokio::test]
async fn an_application_signs_its_person_out() -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut browser = host.browser();
    let answer = signs_in(&host, &mut browser, &shop("")).await?;
    let tokens = redeem_for_shop(&host, &said(&answer, "code").unwrap()).await?;
    let id_token = tokens.body["id_token"].as_str().unwrap();
    let token = tokens.body["access_token"].as_str().unwrap();

    let page = browser.open("/oauth2/logout?client_id=shop&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fbye").await?;
    assert!(page.has_form("/oauth2/logout/confirm"), "{}", page.text());
    assert_eq!(
        browser.open("/account").await?.path,
        "/account",
        "still signed in"
    );
    let forged = format!("{}x", id_token);
    let page = browser
        .open(&format!("/oauth2/logout?id_token_hint={forged}"))
        .await?;
    assert!(page.has_form("/oauth2/logout/confirm"), "{}", page.text());

    let evil = format!(
        "/oauth2/logout?id_token_hint={id_token}&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F"
    );
    let mut other = host.browser();
    let page = other.open(&evil).await?;
    assert_eq!(
        page.path, "/signed-out",
        "an address that is not registered is not gone to"
    );

    let out = format!(
        "/oauth2/logout?id_token_hint={id_token}&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fbye&state=done"
    );
    // What was begun in the session ends with it.
    browser.open("/sign-in?afresh").await?;
    let begun = |browser: &Browser| {
        browser
            .cookies()
            .keys()
            .any(|name| name.contains("-login-"))
    };
    assert!(begun(&browser));
    let back = browser.leave(&out).await?;
    assert_eq!(back, "http://127.0.0.1:1/bye?state=done");
    assert!(!begun(&browser));
    assert!(browser.open("/account").await?.path.starts_with("/sign-in"));
    assert_eq!(
        userinfo(&host, token).await?.0,
        401,
        "and its tokens with it"
    );
    Ok(())
}

/// Keys turn over, and no application meets one it could not have read before.
#[tokio::test]
async fn a_signing_key_is_published_before_any_token_has_it() -> Result<()> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let published = async || -> Result<Vec<String>> {
        let page = host.browser().open("/oauth2/jwks").await?;
        let keys: Value = serde_json::from_str(&page.html)?;
        let keys = keys["keys"].as_array().unwrap().clone();
        let kids = keys.iter().filter_map(|key| key["kid"].as_str());
        Ok(kids.map(str::to_owned).collect())
    };
    let signs = async |phone: &mut Phone| -> Result<String> {
        let answer = signs_in_with(phone, &mut host.browser(), &shop("")).await?;
        let tokens = redeem_for_shop(&host, &said(&answer, "code").unwrap()).await?;
        let header = part(&tokens.body["id_token"], 0);
        Ok(header["kid"].as_str().unwrap().to_owned())
    };
    let mut phone = host.phone(ALICE);
    let first = signs(&mut phone).await?;
    assert!(published().await?.contains(&first));
    clock.advance(89 * DAY);
    let before = published().await?;
    assert_eq!(before.len(), 4, "two that sign, two that will");
    assert_eq!(signs(&mut phone).await?, first);
    clock.advance(2 * DAY);
    let second = signs(&mut phone).await?;
    assert_ne!(second, first);
    assert!(before.contains(&second), "it was there two days ago");
    assert!(
        published().await?.contains(&first),
        "what it signed is still checked"
    );
    clock.advance(8 * DAY);
    assert!(!published().await?.contains(&first));
    Ok(())
}

/// An application knows whom it expects, and which language that person reads. Neither decides anything.
#[tokio::test]
async fn a_hint_fills_in_the_name_and_a_locale_chooses_the_language() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(PARTIES)
        .config("[sms_otp.text]\nen = \"Your code: {code}\"\nsi = \"Oyage ketaya: {code}\"\n")
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser();
    let page = browser
        .open(&shop("&login_hint=alice%22%3E&ui_locales=no_tag%20si"))
        .await?;
    assert!(
        page.html.contains("value=\"alice&#34;&#62;\""),
        "{}",
        page.html
    );
    let filled = [("username", "alice"), ("password", PASSWORD)];
    let page = browser.submit(&page, "/sign-in/password", &filled).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let text = host.phone(ALICE).next().await?;
    assert!(text.starts_with("Oyage ketaya:"), "{text}");
    let page = host.browser().open(&shop("")).await?;
    assert!(!page.html.contains("value=\"alice"), "no hint is kept");
    let page = host.browser().open(&shop("&ui_locales=fr%20de")).await?;
    assert!(page.html.contains("lang=\"de\""), "{}", page.text());
    Ok(())
}

/// Fetch: an application in a browser reads what we are, redeems its code and asks userinfo; with no cookie of ours.
#[tokio::test]
async fn applications_in_a_browser_may_read_what_no_cookie_opens() -> Result<()> {
    let host = host(&TestClock::default()).await?;
    let ask = async |method: &str, path: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", host.origin().trim_start_matches("http://"))
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .body(Default::default())?;
        postern_kit::http::exchange(host.host().public, request).await
    };
    for path in [
        "/.well-known/openid-configuration",
        "/oauth2/jwks",
        "/oauth2/token",
        "/oauth2/userinfo",
    ] {
        let asked = ask("OPTIONS", path).await?;
        assert_eq!(asked.status, 204, "{path}");
        let allowed = asked.header("access-control-allow-headers");
        assert_eq!(allowed, Some("authorization, content-type"), "{path}");
        let method = if path.ends_with("token") {
            "POST"
        } else {
            "GET"
        };
        for answer in [asked, ask(method, path).await?] {
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some("*"),
                "{path}"
            );
            assert_eq!(
                answer.header("access-control-allow-credentials"),
                None,
                "{path}"
            );
        }
    }
    // What a cookie opens is closed, and so is what only servers call.
    for path in [
        "/account",
        "/oauth2/authorize",
        "/sign-in",
        "/api/v1/challenges",
    ] {
        for method in ["OPTIONS", "GET"] {
            let answer = ask(method, path).await?;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{method} {path}"
            );
        }
    }
    Ok(())
}

/// A client that is not ours (npm `openid-client`): it reads what we publish, checks signatures,
/// nonce, `at_hash`, `iss` and `max_age`, and refuses what is not in order.
async fn independent_client(client: Value, second_factor: bool) -> Result<()> {
    let clock = TestClock::default();
    let host = host(&clock).await?;
    let mut about = client;
    about["issuer"] = host.origin().into();
    let mut peer = Peer::node("openid-client", &about)?;
    let sent = peer.hear().await?;
    let address = sent["address"].as_str().unwrap().to_owned();
    let path = address.strip_prefix(&host.origin()).unwrap();
    let mut browser = host.browser();
    let back = if second_factor {
        signs_in(&host, &mut browser, path).await?
    } else {
        let page = browser.open(path).await?;
        let filled = [("username", "alice"), ("password", PASSWORD)];
        let page = browser.submit(&page, "/sign-in/password", &filled).await?;
        page.onward().unwrap()
    };
    // First what a mix-up would look like to it.
    peer.say(&back.replace("&iss=http", "&iss=https")).await?;
    assert!(
        peer.hear().await?["error"].is_string(),
        "another issuer's answer"
    );
    peer.say(&back.replace("state=", "state=x")).await?;
    assert!(peer.hear().await?["error"].is_string(), "another state");
    peer.say(&back).await?;
    let made = peer.hear().await?;
    assert!(made["error"].is_null(), "{made}");
    assert_eq!(made["userinfo"]["sub"], made["claims"]["sub"]);
    assert_eq!(made["claims"]["preferred_username"], "alice");
    let acr = made["claims"]["acr"].as_str().unwrap();
    assert_eq!(acr == MFA, second_factor);
    peer.say(&back).await?;
    assert_eq!(
        peer.hear().await?["error"],
        "invalid_grant",
        "the code a second time"
    );

    let out = made["logout"].as_str().unwrap();
    let out = out.strip_prefix(&host.origin()).unwrap();
    if second_factor {
        assert_eq!(browser.leave(out).await?, "http://127.0.0.1:1/bye");
    } else {
        assert_eq!(browser.open(out).await?.path, "/signed-out");
    }
    assert!(browser.open("/account").await?.path.starts_with("/sign-in"));
    Ok(())
}

#[tokio::test]
async fn an_independent_client_signs_in_with_a_secret_in_the_header() -> Result<()> {
    independent_client(
        serde_json::json!({
            "id": "shop", "secret": SECRET, "authentication": "client_secret_basic",
            "alg": "RS256", "redirect": CALLBACK, "more": {"max_age": "600"},
        }),
        true,
    )
    .await
}

#[tokio::test]
async fn an_independent_client_signs_in_with_a_secret_in_the_body() -> Result<()> {
    independent_client(
        serde_json::json!({
            "id": "shop", "secret": SECRET, "authentication": "client_secret_post",
            "alg": "RS256", "redirect": CALLBACK,
        }),
        true,
    )
    .await
}

#[tokio::test]
async fn an_independent_public_client_signs_in_by_pkce_alone() -> Result<()> {
    independent_client(
        serde_json::json!({
            "id": "blog", "authentication": "none", "alg": "ES256",
            "redirect": "http://127.0.0.1:1/blog",
        }),
        false,
    )
    .await
}
