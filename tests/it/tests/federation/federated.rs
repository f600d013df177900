//! The first step is taken at an identity provider, the second one here.

use crate::{ALICE, BOB, PASSWORD};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use postern_admin::definitions::Sort;
use postern_kit::anyhow::{Context, Result, bail};
use postern_kit::desk::Request;
use postern_kit::identity_provider::{CLIENT_ID, CLIENT_SECRET, Signing};
use postern_kit::phone::another_code;
use postern_kit::ports::free_port;
use postern_kit::postern_web::texts::EN;
use postern_kit::{
    Browser, Change, IdentityProvider, Page, Peer, Provider, Stop, TestClock, TestHost, Visitor,
};
use postern_login::TenantId;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const BOTH: &str = "[sign_in]\nfirst_step = [\"password\", \"corp\"]\n";
/// The address to which an application of the name `shop` sends its people.
const SHOP: &str = "/oauth2/authorize?client_id=shop&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&response_type=code&scope=openid&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CORP_ONLY: &str = "[sign_in]\nfirst_step = [\"corp\"]\n";

/// A host with Alice, whose account page may be entered through `corp`.
async fn host(
    provider: &IdentityProvider,
    plugin: &str,
    sms_otp: &str,
    entry: &str,
    sign_in: &str,
) -> Result<TestHost> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .plugin(plugin)
        .sms_otp(sms_otp)
        .config(&format!("{}{sign_in}", provider.section("corp", entry)))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    Ok(host)
}

async fn usual(provider: &IdentityProvider) -> Result<TestHost> {
    host(provider, "local", "usecase = \"local\"", "", BOTH).await
}

async fn person() -> Result<IdentityProvider> {
    IdentityProvider::start(
        json!({"sub": "alice", "email": "alice@corp.example", "email_verified": true}),
    )
    .await
}

/// There and back.
async fn through(browser: &mut Browser, provider: &IdentityProvider) -> Result<Page> {
    let back = to_the_door(browser, provider).await?;
    browser.open(&back).await
}

/// The address with which the provider sends the browser back.
async fn to_the_door(browser: &mut Browser, provider: &IdentityProvider) -> Result<String> {
    browser.open("/sign-in?again").await?;
    on_to_the_door(browser, provider).await
}

/// The same, in the sign-in that the browser is at.
async fn on_to_the_door(browser: &mut Browser, provider: &IdentityProvider) -> Result<String> {
    let there = browser.leave("/sign-in/with/corp").await?;
    let back = provider.visit(&there).await?;
    let path = back
        .find("/sign-in/callback/")
        .map(|at| back[at..].to_owned());
    Ok(path.unwrap_or(back))
}

async fn signs_in(host: &TestHost, provider: &IdentityProvider) -> Result<()> {
    let mut browser = host.browser();
    let page = through(&mut browser, provider).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let code = host.phone(ALICE).next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    assert_eq!(page.status, 200);
    assert!(
        page.path.starts_with("/account"),
        "{}: {}",
        page.path,
        page.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_federated_person_proves_the_second_factor_here() -> Result<()> {
    let provider = person().await?;
    let host = usual(&provider).await?;
    let page = host.browser().open("/sign-in").await?;
    assert!(page.asks_for_password(), "both ways are on one page");
    assert!(
        page.text().contains("Continue with The Stand-in"),
        "{}",
        page.text()
    );
    signs_in(&host, &provider).await?;
    assert_eq!(
        provider.asked("code_challenge_method").as_deref(),
        Some("S256")
    );
    assert!(
        provider
            .asked("nonce")
            .is_some_and(|nonce| nonce.len() == 43)
    );
    Ok(())
}

/// `association`: the account that was linked to the person at that provider.
#[tokio::test]
async fn a_linked_account_is_found_by_its_association() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"sub": "248289761001"}));
    let host = host(
        &provider,
        "association",
        "usecase = \"association\"",
        "",
        BOTH,
    )
    .await?;
    let tenant = TenantId::super_tenant();
    let accounts = &host.host().parts.stores.accounts;
    assert!(
        accounts
            .link(&tenant, "alice", "corp", "248289761001")
            .await
            .unwrap()
    );
    signs_in(&host, &provider).await
}

/// `userAttribute`, with the attribute of this identity provider before the tenant's.
#[tokio::test]
async fn an_attribute_names_the_account_and_the_providers_own_setting_wins() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"sub": "17", "screen_name": "alice", "nickname": "nobody"}));
    let sms_otp = "usecase = \"userAttribute\"\nuser_attribute = \"nickname\"";
    let entry = "user_attribute = \"screen_name\"";
    let host = host(&provider, "user-attribute", sms_otp, entry, BOTH).await?;
    signs_in(&host, &provider).await
}

/// `subjectUri`: what the provider's entry chose as the subject.
#[tokio::test]
async fn a_subject_of_the_operators_choice_names_the_account() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"sub": "17", "employee": "alice"}));
    let sms_otp = "usecase = \"subjectUri\"";
    let host = host(
        &provider,
        "subject-uri",
        sms_otp,
        "subject = \"employee\"",
        BOTH,
    )
    .await?;
    signs_in(&host, &provider).await
}

/// `corp` by plain OAuth 2.0.
fn plain(provider: &IdentityProvider) -> String {
    let issuer = provider.issuer();
    format!(
        "[identity_provider.corp]\nprotocol = \"oauth2\"\ndisplay_name = \"Corp\"\nauthorization_endpoint = \"{issuer}/authorize\"\ntoken_endpoint = \"{issuer}/token\"\nuserinfo_endpoint = \"{issuer}/userinfo\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nsubject = \"data.login\"\nallow_private_networks = true\n"
    )
}

/// Plain OAuth 2.0: no ID token, the person is in userinfo.
#[tokio::test]
async fn a_provider_without_id_tokens_is_read_by_its_userinfo() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"data": {"login": "alice"}}));
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .plugin("local")
        .config(&format!("{}{BOTH}", plain(&provider)))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    signs_in(&host, &provider).await
}

/// Foursquare is one: its token does not say its type, and goes into the address, behind what stands there already.
#[tokio::test]
async fn a_provider_takes_its_token_where_the_entry_says() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"data": {"login": "alice"}}));
    provider.take_tokens_in("oauth_token");
    let entry = plain(&provider).replace("/userinfo\"", "/userinfo?v=20240101\"");
    for named in [false, true] {
        let parameter = match named {
            true => "token_parameter = \"oauth_token\"\n",
            false => "",
        };
        let host = TestHost::builder()
            .provider(Provider::Outbox)
            .plugin("local")
            .config(&format!("{entry}{parameter}{BOTH}"))
            .start()
            .await?;
        host.add_user("alice", PASSWORD, ALICE).await?;
        if named {
            signs_in(&host, &provider).await?;
        } else {
            let page = through(&mut host.browser(), &provider).await?;
            assert!(!page.asks_for_code(), "{}", page.text());
        }
    }
    Ok(())
}

/// LinkedIn is one: the entry says so, and nothing that the provider does leaves PKCE out.
#[tokio::test]
async fn pkce_is_left_out_by_the_operators_word_alone() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"data": {"login": "alice"}}));
    provider.know_no_pkce();
    for pkce in [true, false] {
        let host = TestHost::builder()
            .provider(Provider::Outbox)
            .plugin("local")
            .config(&format!("{}pkce = {pkce}\n{BOTH}", plain(&provider)))
            .start()
            .await?;
        host.add_user("alice", PASSWORD, ALICE).await?;
        if pkce {
            let page = through(&mut host.browser(), &provider).await?;
            assert!(!page.asks_for_code(), "{}", page.text());
            assert_eq!(provider.tokens_given(), 0);
        } else {
            signs_in(&host, &provider).await?;
        }
        assert_eq!(provider.asked("code_challenge").is_some(), pkce);
    }
    Ok(())
}

/// Where there is nothing to choose, nobody is asked; and what the provider refuses does not run in
/// circles.
#[tokio::test]
async fn the_only_provider_is_gone_to_at_once_and_a_refusal_comes_to_rest() -> Result<()> {
    let provider = person().await?;
    let host = host(&provider, "local", "", "", CORP_ONLY).await?;
    let there = host.browser().leave("/account").await?;
    assert!(there.starts_with(&provider.issuer()), "{there}");
    let page = host.browser().open("/sign-in/with/corp").await?;
    assert_eq!(page.status, 200, "without a cookie: {}", page.path);
    let mut browser = host.browser();
    browser.open("/sign-in?again").await?;
    let there = browser.leave("/sign-in").await?;
    assert!(there.starts_with(&provider.issuer()), "{there}");
    provider.refuse("access_denied");
    let page = through(&mut browser, &provider).await?;
    assert_eq!(page.path, "/sign-in");
    assert!(!page.asks_for_password());
    assert!(
        page.text().contains("not signed in there"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("access_denied"), "E-06");
    Ok(())
}

/// `redirectToMultiOptionPageOnFailure`: a sign-in that wrong codes ended goes back to the choice of first
/// steps, where there was one and the operator wants it; the other way in is then open.
#[tokio::test]
async fn wrong_codes_lead_back_to_the_choice_of_first_steps_where_the_operator_wants_it()
-> Result<()> {
    let provider = person().await?;
    let choice = host(&provider, "local", "", "", BOTH).await?;
    let password_only = host(&provider, "local", "", "", "").await?;
    let key = "redirect_to_multi_option_page_on_failure";
    for (host, settings, tries, back) in [
        (
            &choice,
            format!("retry_enable = false\n{key} = false"),
            1,
            false,
        ),
        (
            &choice,
            format!("retry_enable = false\n{key} = true"),
            1,
            true,
        ),
        (&choice, format!("{key} = true"), 5, true),
        (
            &password_only,
            format!("retry_enable = false\n{key} = true"),
            1,
            false,
        ),
    ] {
        host.set_sms_otp(&settings).await?;
        let mut browser = host.browser();
        let mut page = browser.sign_in("alice", PASSWORD).await?;
        let code = host.outbox().newest_to(ALICE).map(|message| message.text);
        let code = code.and_then(|text| postern_kit::phone::code_in(&text));
        let code = code.unwrap_or_default();
        let wrong = another_code(&code);
        for _ in 0..tries {
            assert!(page.asks_for_code(), "{settings}: {}", page.text());
            page = browser.enter_code(&page, &wrong).await?;
        }
        let sentence = if back {
            EN.notice_choose_again
        } else {
            EN.stopped_code_wrong
        };
        assert!(
            page.text().contains(sentence),
            "{settings}: {}",
            page.text()
        );
        assert_eq!(page.asks_for_password(), back, "{settings}");
        assert_eq!(page.text().contains("The Stand-in"), back, "{settings}");
        if back {
            let door = on_to_the_door(&mut browser, &provider).await?;
            let page = browser.open(&door).await?;
            assert!(page.asks_for_code(), "{settings}: {}", page.text());
            let stale = browser.enter_code(&page, &code).await?;
            assert!(!stale.is_account(), "{settings}: the code of before");
        }
    }
    Ok(())
}

/// What the host notes of a SAML session under names of its own, an OpenID provider cannot say.
#[tokio::test]
async fn a_claim_under_a_name_of_ours_is_dropped() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({
        "sub": "alice",
        "urn:oasis:names:tc:SAML:2.0:session-not-on-or-after": "soon",
    }));
    let host = usual(&provider).await?;
    signs_in(&host, &provider).await
}

/// Tampered with, an answer signs nobody in and sends nothing.
async fn refused(provider: &IdentityProvider) -> Result<()> {
    let host = usual(provider).await?;
    let mut browser = host.browser();
    let page = through(&mut browser, provider).await?;
    assert!(!page.asks_for_code(), "{}", page.text());
    let account = browser.open("/account").await?;
    assert!(account.path.starts_with("/sign-in"), "{}", account.path);
    assert_eq!(host.outbox().count(), 0, "no message");
    Ok(())
}

/// X-36
#[tokio::test]
async fn an_id_token_that_no_key_of_the_provider_signed_is_refused() -> Result<()> {
    for signing in [
        Signing::None,
        Signing::HmacWithPublicKey,
        Signing::ForeignKey,
        Signing::KidIsAPath,
    ] {
        let provider = person().await?;
        provider.sign(signing);
        refused(&provider).await?;
        assert_eq!(provider.tokens_given(), 1, "{signing:?}");
    }
    Ok(())
}

/// X-36
#[tokio::test]
async fn an_id_token_for_somebody_else_or_another_time_is_refused() -> Result<()> {
    let lies: [(&str, Value); 9] = [
        ("nonce", json!("another")),
        ("nonce", json!(null)),
        ("aud", json!("another-client")),
        ("aud", json!(["postern-at-the-stand-in", "another-client"])),
        ("azp", json!("another-client")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(1_000_000_000)),
        ("iat", json!(1_000_000_000)),
        ("sub", json!("")),
    ];
    for (name, value) in lies {
        let provider = person().await?;
        provider.tamper(move |claims| {
            claims.insert(name.to_owned(), value.clone());
        });
        refused(&provider).await?;
    }
    Ok(())
}

/// X-36: the answer says whose it is, and nobody else's is taken for it.
#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_its_code_is_used() -> Result<()> {
    let provider = person().await?;
    provider.answer_as("https://evil.example");
    refused(&provider).await?;
    assert_eq!(provider.tokens_given(), 0);
    let silent = person().await?;
    silent.keep_silent_about_issuer();
    refused(&silent).await?;
    assert_eq!(silent.tokens_given(), 0);
    Ok(())
}

/// X-36, S-05, S-18: a `state` is of one browser and of one use.
#[tokio::test]
async fn an_answer_belongs_to_one_browser_and_works_once() -> Result<()> {
    let provider = person().await?;
    let host = usual(&provider).await?;
    let mut browser = host.browser();
    let back = to_the_door(&mut browser, &provider).await?;

    let mut stranger = host.browser();
    assert_eq!(stranger.open(&back).await?.status, 403, "without a login");
    stranger.open("/sign-in").await?;
    assert_eq!(
        stranger.open(&back).await?.status,
        403,
        "with a login of its own"
    );
    // The stranger's try has used it up: the owner starts again.
    assert_eq!(browser.open(&back).await?.status, 403);
    assert_eq!(provider.tokens_given(), 0);

    let back = to_the_door(&mut browser, &provider).await?;
    let page = browser.open(&back).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let again = browser.open(&back).await?;
    assert_eq!(again.status, 403, "a second time");
    for nonsense in ["", "?state=x&code=y", "?code=y", "?state=1&state=2"] {
        let page = browser
            .open(&format!("/sign-in/callback/corp{nonsense}"))
            .await?;
        assert!(page.status.is_client_error(), "{nonsense}");
    }
    Ok(())
}

/// X-36: userinfo is about whom the ID token is about.
#[tokio::test]
async fn userinfo_about_somebody_else_is_refused() -> Result<()> {
    let provider = person().await?;
    provider.userinfo_says(json!({"sub": "somebody-else"}));
    refused(&provider).await
}

/// X-36, B-08: an address that nobody verified opens no account, and neither does the same one at
/// another provider.
#[tokio::test]
async fn an_unverified_address_reaches_no_account() -> Result<()> {
    for verified in [json!(false), json!(null)] {
        let provider = person().await?;
        provider.vouch_for(json!({"sub": "17", "email": "alice", "email_verified": verified}));
        let sms_otp = "usecase = \"userAttribute\"\nuser_attribute = \"email\"";
        let host = host(&provider, "user-attribute", sms_otp, "", BOTH).await?;
        let page = through(&mut host.browser(), &provider).await?;
        assert!(!page.asks_for_code(), "{}", page.text());
        assert_eq!(host.outbox().count(), 0);
    }
    Ok(())
}

/// B-08: what a provider says about a stranger reaches nobody's account and no telephone by itself.
#[tokio::test]
async fn a_number_that_a_provider_delivers_is_not_used_by_itself() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"sub": "stranger", "mobile": ALICE, "phone_number": ALICE}));
    let host = usual(&provider).await?;
    let page = through(&mut host.browser(), &provider).await?;
    assert!(!page.asks_for_code(), "{}", page.text());
    assert_eq!(host.outbox().count(), 0);
    Ok(())
}

/// A-09: one counter for an account, whichever way the first step was taken.
#[tokio::test]
async fn guesses_after_a_federated_first_step_lock_the_account() -> Result<()> {
    let provider = person().await?;
    let told = "usecase = \"local\"\nshow_auth_failure_reason = true";
    let host = host(&provider, "local", told, "", BOTH).await?;
    let mut phone = host.phone(ALICE);
    for federated in [true, false] {
        let mut browser = host.browser();
        let mut page = if federated {
            through(&mut browser, &provider).await?
        } else {
            browser.sign_in("alice", PASSWORD).await?
        };
        let wrong = another_code(&phone.next_code().await?);
        for _ in 0..5 {
            assert!(page.asks_for_code(), "{}", page.text());
            page = browser.enter_code(&page, &wrong).await?;
        }
        assert!(!page.asks_for_code(), "{}", page.text());
    }
    let page = through(&mut host.browser(), &provider).await?;
    assert!(
        page.text().contains("locked"),
        "ten in all: {}",
        page.text()
    );
    Ok(())
}

/// A host whose application `shop` is content with what `corp` says.
async fn with_shop(provider: &IdentityProvider) -> Result<TestHost> {
    with_shop_at(&provider.section("corp", "")).await
}

async fn with_shop_at(corp: &str) -> Result<TestHost> {
    let shop = "[relying_party.shop]\nfirst_step = [\"corp\"]\nsecond_step = \"none\"\n[relying_party.shop.oidc]\nclient_id = \"shop\"\npublic = true\nredirect_uris = [\"http://127.0.0.1:1/cb\"]\n";
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .plugin("local")
        .config(&format!("{corp}{shop}"))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    Ok(host)
}

/// X-26: an application that asks for a fresh sign-in gets one at the identity provider too, and one
/// that is not fresh is refused.
#[tokio::test]
async fn a_fresh_sign_in_is_asked_of_the_identity_provider() -> Result<()> {
    let provider = person().await?;
    let host = with_shop(&provider).await?;
    let mut browser = host.browser();
    for (more, asked) in [("", None), ("&prompt=login", Some("login"))] {
        let there = browser.leave(&format!("{SHOP}{more}")).await?;
        let back = provider.visit(&there).await?;
        assert_eq!(provider.asked("prompt").as_deref(), asked);
        let page = browser.open(&back.replace(&host.origin(), "")).await?;
        let answer = page.onward().unwrap_or_default();
        assert!(answer.contains("?code="), "{}: {}", page.path, page.text());
    }
    let there = browser.leave(&format!("{SHOP}&prompt=login")).await?;
    provider.tamper(|claims| {
        claims.insert("auth_time".to_owned(), json!(1_700_000_000));
    });
    let back = provider.visit(&there).await?;
    let page = browser.open(&back.replace(&host.origin(), "")).await?;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(page.onward().is_none());
    Ok(())
}

/// X-26: plain OAuth 2.0 cannot be asked for a fresh sign-in and could not say that there was one, so
/// it is not gone to; nor is a session of it fresh, and nothing runs in circles.
#[tokio::test]
async fn a_provider_that_cannot_be_asked_afresh_is_not_gone_to_for_that() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"data": {"login": "alice"}}));
    let host = with_shop_at(&plain(&provider)).await?;
    let mut browser = host.browser();
    let page = for_the_shop(&host, &provider, &mut browser, "").await?;
    assert!(page.onward().is_some(), "{}", page.text());
    for more in ["&max_age=600", "&prompt=login"] {
        let page = browser.open(&format!("{SHOP}{more}")).await?;
        assert!(page.onward().is_none(), "{more}: {}", page.text());
        let said = page.text().contains("not signed in there");
        assert!(said, "{more}: {} {}", page.path, page.text());
    }
    Ok(())
}

/// The shop's people go to the provider and come back: the page that leads on to the shop, if one does.
async fn for_the_shop(
    host: &TestHost,
    provider: &IdentityProvider,
    browser: &mut Browser,
    more: &str,
) -> Result<Page> {
    let there = browser.leave(&format!("{SHOP}{more}")).await?;
    let back = provider.visit(&there).await?;
    browser.open(&back.replace(&host.origin(), "")).await
}

/// `auth_time` of the ID token that the shop gets for its code.
async fn auth_time(host: &TestHost, page: &Page) -> Result<i64> {
    let answer = page.onward().with_context(|| page.text())?;
    let code = answer
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("code="))
        .context("a code")?;
    let body = format!(
        "grant_type=authorization_code&client_id=shop&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&code={code}&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    let request = http::Request::post("/oauth2/token")
        .header("host", host.origin().trim_start_matches("http://"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())?;
    let answer = postern_kit::http::exchange(host.host().public, request).await?;
    let tokens = answer.json()?;
    let token = tokens["id_token"].as_str().with_context(|| answer.text())?;
    let claims = token.split('.').nth(1).context("claims")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    claims["auth_time"].as_i64().context("a number")
}

/// The provider says that it asked the person then.
fn asked_at(second: i64) -> impl Fn(&mut Map<String, Value>) + Send + 'static {
    move |claims| {
        claims.insert("auth_time".to_owned(), json!(second));
    }
}

/// OpenID Connect Core 1.0, 2: the time when the person was authenticated. `max_age` is judged by it.
#[tokio::test]
async fn an_application_is_told_when_the_provider_asked_and_not_when_the_person_came() -> Result<()>
{
    let provider = person().await?;
    let host = with_shop(&provider).await?;
    let began = Timestamp::now().as_second();
    provider.tamper(asked_at(began - 3600));
    let mut browser = host.browser();
    let page = for_the_shop(&host, &provider, &mut browser, "").await?;
    assert_eq!(auth_time(&host, &page).await?, began - 3600);
    assert_eq!(provider.asked("prompt"), None);

    // The session was opened this minute, and is of an hour ago. And the provider's clock is a little slow.
    provider.tamper(asked_at(began - 10));
    let page = for_the_shop(&host, &provider, &mut browser, "&max_age=600").await?;
    assert_eq!(provider.asked("prompt").as_deref(), Some("login"));
    assert!(auth_time(&host, &page).await? >= began);

    provider.tamper(asked_at(began + 3600));
    let mut another = host.browser();
    let page = for_the_shop(&host, &provider, &mut another, "").await?;
    assert_eq!(page.status, 403, "{}", page.text());
    Ok(())
}

/// A provider refuses what is said twice (RFC 6749, section 3.1), and what this host says holds: a fresh
/// sign-in is asked for whatever the entry says of others.
#[tokio::test]
async fn what_a_request_says_itself_is_said_once_whatever_the_entry_says() -> Result<()> {
    let provider = person().await?;
    let parameters = r#"
[identity_provider.corp.parameters]
hd = "corp.example"
login_hint = "anybody"
max_age = "3600"
prompt = "consent"
ui_locales = "fr"
"#;
    let host = with_shop_at(&provider.section("corp", parameters)).await?;
    for (more, [hint, age, prompt]) in [
        ("", ["anybody", "3600", "consent"]),
        ("&prompt=login", ["anybody", "0", "login"]),
        ("&login_hint=alice", ["alice", "3600", "consent"]),
    ] {
        let expected = [
            "hd=corp.example".to_owned(),
            format!("login_hint={hint}"),
            format!("max_age={age}"),
            format!("prompt={prompt}"),
            "ui_locales=en".to_owned(),
        ];
        let there = host.browser().leave(&format!("{SHOP}{more}")).await?;
        let said = there.split(['?', '&']);
        let ours = ["hd=", "login_hint=", "max_age=", "prompt=", "ui_locales="];
        let mut said: Vec<_> = said
            .filter(|part| ours.iter().any(|name| part.starts_with(name)))
            .collect();
        said.sort_unstable();
        assert_eq!(said, expected, "{there}");
    }
    Ok(())
}

/// Somebody who needs no code and has no number yet.
async fn add_without_a_factor(host: &TestHost, name: &str) -> Result<()> {
    let change = Change {
        opted_out: Some(true),
        ..Change::default()
    };
    host.add_person(name, PASSWORD, change).await
}

/// The account page is asked to take Bob's number.
async fn wants_another_number(browser: &mut Browser) -> Result<Page> {
    let page = browser.open("/account/number").await?;
    let filled = [("mobile", BOB)];
    browser.submit(&page, "/account/number", &filled).await
}

/// X-26, B-01: whom the provider let in without asking has proven nothing to the account page either, however new
/// the session is. The button there has the provider ask, and the account page is where it ends.
#[tokio::test]
async fn who_was_not_asked_binds_no_number_until_the_provider_has_asked() -> Result<()> {
    let provider = person().await?;
    provider.vouch_for(json!({"sub": "nina"}));
    let corp = provider.section("corp", "");
    let host = with_shop_at(&format!("{corp}{CORP_ONLY}")).await?;
    host.set_sms_otp("mandatory = false").await?;
    add_without_a_factor(&host, "nina").await?;
    provider.tamper(asked_at(Timestamp::now().as_second() - 3600));
    let mut browser = host.browser();
    let page = through(&mut browser, &provider).await?;
    assert!(page.is_account(), "{}", page.text());
    assert!(page.text().contains(EN.account_not_fresh));
    let refused = wants_another_number(&mut browser).await?;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.html.contains("href=\"/sign-in?afresh\""));
    assert_eq!(host.outbox().count(), 0, "no message");
    // On the way to the shop she changes her mind.
    browser.leave(&format!("{SHOP}&prompt=login")).await?;

    provider.tamper(|_| ());
    let there = browser.leave("/sign-in?afresh").await?;
    let back = provider.visit(&there).await?;
    assert_eq!(provider.asked("prompt").as_deref(), Some("login"));
    let page = browser.open(&back.replace(&host.origin(), "")).await?;
    assert!(page.is_account(), "{}: {}", page.path, page.text());
    assert!(!page.text().contains(EN.account_not_fresh));
    let page = wants_another_number(&mut browser).await?;
    let code = host.phone(BOB).next_code().await?;
    let filled = [("code", code.as_str())];
    browser
        .submit(&page, "/account/number/code", &filled)
        .await?;
    assert_eq!(host.number_of("nina").await?.as_deref(), Some(BOB));
    Ok(())
}

/// Plain OAuth 2.0 says nothing of now, whatever it is asked. For the account page it is gone to all the same: a code
/// that follows is of now, and who gets none moves nothing.
#[tokio::test]
async fn after_a_provider_that_cannot_be_asked_only_a_code_opens_the_account() -> Result<()> {
    let provider = person().await?;
    let clock = TestClock::default();
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .plugin("local")
        .clock(clock.clone())
        .sms_otp("mandatory = false")
        .config(&format!("{}{CORP_ONLY}", plain(&provider)))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    add_without_a_factor(&host, "nina").await?;
    let mut phone = host.phone(ALICE);
    for (name, gets_a_code) in [("alice", true), ("nina", false)] {
        provider.vouch_for(json!({"data": {"login": name}}));
        let mut browser = host.browser();
        let mut page = through(&mut browser, &provider).await?;
        for again in [true, false] {
            if gets_a_code {
                let code = phone.next_code().await?;
                page = browser.enter_code(&page, &code).await?;
            }
            assert!(page.is_account(), "{name}: {}", page.text());
            if again {
                clock.advance(Duration::from_secs(11 * 60));
                let refused = wants_another_number(&mut browser).await?;
                assert_eq!(refused.status, 403, "{name}: {}", refused.text());
                let there = browser.leave("/sign-in?afresh").await?;
                let back = provider.visit(&there).await?;
                page = browser.open(&back.replace(&host.origin(), "")).await?;
            }
        }
        let page = wants_another_number(&mut browser).await?;
        let refused = page.text().contains(EN.error_fresh);
        assert_eq!(refused, !gets_a_code, "{name}: {}", page.text());
        assert_eq!(host.phone(BOB).count(), 1, "{name}");
    }
    Ok(())
}

/// Whoever gets the name of a provider that was deleted vouches for nobody whom that one did.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_provider_takes_its_links_with_it() -> Result<()> {
    let host = TestHost::start().await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    host.add_user("bob", PASSWORD, BOB).await?;
    let wanted = json!({ "form": "oidc", "values": {
        "issuer": "https://idp.example", "client_id": "postern", "client_secret": "s3cr3t",
    }});
    for name in ["corp", "other"] {
        let put = Request::DefinitionPut {
            sort: Sort::IdentityProvider,
            name: name.to_owned(),
            wanted: serde_json::from_value(wanted.clone())?,
        };
        host.host().parts.desk.answer(put).await?;
        host.link("alice", name, "subject-1").await?;
    }
    assert!(host.link("bob", "corp", "subject-1").await.is_err());
    let delete = Request::DefinitionDelete {
        sort: Sort::IdentityProvider,
        name: "corp".to_owned(),
    };
    host.host().parts.desk.answer(delete).await?;
    host.link("bob", "corp", "subject-1").await?;
    assert!(host.link("bob", "other", "subject-1").await.is_err());
    host.stop().await
}

/// A provider that is not ours (npm `oidc-provider`): it signs people in on a page of its own, and judges our requests,
/// our verifier and our secret by its own rules.
struct Foreign {
    peer: Peer,
    issuer: String,
    host: TestHost,
}

impl Foreign {
    async fn start(alg: &str) -> Result<Self> {
        let ports = [free_port()?, free_port()?];
        let about = json!({
            "id": CLIENT_ID,
            "secret": CLIENT_SECRET,
            "alg": alg,
            "redirect": format!("http://localhost:{}/sign-in/callback/peer", ports[0]),
        });
        let mut peer = Peer::node("oidc-provider", &about)?;
        let said = peer.hear().await?;
        let issuer = said["issuer"].as_str().context("an issuer")?.to_owned();
        let host = TestHost::builder()
            .provider(Provider::Outbox)
            .ports(ports)
            .plugin("local")
            .config(&format!(
                r#"
[identity_provider.peer]
protocol = "oidc"
issuer = "{issuer}"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
scopes = ["openid", "profile", "email"]
# Only userinfo says it.
subject = "nickname"
allow_private_networks = true

[sign_in]
first_step = ["peer"]

[relying_party.shop]
first_step = ["peer"]
second_step = "none"
[relying_party.shop.oidc]
client_id = "shop"
public = true
redirect_uris = ["http://127.0.0.1:1/cb"]
"#
            ))
            .start()
            .await?;
        host.add_user("alice", PASSWORD, ALICE).await?;
        Ok(Self { peer, issuer, host })
    }

    fn visitor(&self) -> Result<Visitor> {
        let port = self.issuer.rsplit_once(':').context("a port")?.1;
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
        Ok(Visitor::new([
            (self.host.origin(), self.host.host().public),
            (self.issuer.clone(), peer),
        ]))
    }

    /// What it was asked, by the browser that stands at its page, and for which reasons it asks.
    async fn asked(&mut self) -> Result<(Value, Value)> {
        let mut said = self.peer.hear().await?;
        Ok((said["asked"].take(), said["reasons"].take()))
    }

    /// What it said to us when we brought a code.
    async fn redeemed(&mut self) -> Result<(Value, Value)> {
        let mut said = self.peer.hear().await?;
        Ok((said["token"].take(), said["why"].take()))
    }

    /// The answer about somebody, on its way to us, and the browser that it is for.
    async fn caught(&mut self, login: &str) -> Result<(Visitor, String)> {
        let origin = self.host.origin();
        let mut visitor = self.visitor()?;
        let stop = visitor.open(&format!("{origin}/account")).await?;
        self.asked().await?;
        visitor.forget(&origin);
        let (answer, _) = self.signs_in(&mut visitor, stop, login).await?.away()?;
        visitor.know(&origin, self.host.host().public);
        Ok((visitor, answer))
    }

    async fn signs_in(&self, visitor: &mut Visitor, stop: Stop, login: &str) -> Result<Stop> {
        let Stop::Page { origin, page } = stop else {
            bail!("the browser is at no page");
        };
        assert_eq!(origin, self.issuer, "{}: {}", page.path, page.text());
        let filled = [("login", login), ("password", "known there")];
        visitor.submit(&origin, &page, &page.path, &filled).await
    }
}

#[tokio::test]
async fn an_independent_provider_vouches_and_the_code_follows() -> Result<()> {
    for alg in ["RS256", "ES256"] {
        let mut foreign = Foreign::start(alg).await?;
        let origin = foreign.host.origin();
        let mut visitor = foreign.visitor()?;
        let stop = visitor.open(&format!("{origin}/account")).await?;
        let (asked, _) = foreign.asked().await?;
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["nonce"].as_str().map(str::len), Some(43));
        let page = foreign
            .signs_in(&mut visitor, stop, "alice")
            .await?
            .page()?;
        assert_eq!(foreign.redeemed().await?.0, "given");
        assert!(page.asks_for_code(), "{alg}: {}", page.text());
        let code = foreign.host.phone(ALICE).next_code().await?;
        let filled = [("code", code.as_str())];
        let stop = visitor
            .submit(&origin, &page, "/sign-in/code", &filled)
            .await?;
        assert!(stop.page()?.is_account(), "{alg}");
    }
    Ok(())
}

/// X-36: who got hold of somebody's code brings it with a `state` of their own; the provider sees that it is not theirs.
#[tokio::test]
async fn a_code_of_another_browser_does_not_fit_at_an_independent_provider() -> Result<()> {
    let mut foreign = Foreign::start("ES256").await?;
    let (_, hers) = foreign.caught("alice").await?;
    let (mut attacker, own) = foreign.caught("mallory").await?;
    let code_of = |answer: &str| {
        let mut pairs = answer.split(['?', '&']);
        let code = pairs.find_map(|pair| pair.strip_prefix("code="));
        code.map(str::to_owned).context("a code")
    };
    let injected = own.replace(&code_of(&own)?, &code_of(&hers)?);
    let page = attacker.open(&injected).await?.page()?;
    let (token, why) = foreign.redeemed().await?;
    assert_eq!(token, "invalid_grant");
    assert_eq!(why, "PKCE verification failed");
    assert_eq!(page.path, "/sign-in", "{}", page.text());
    assert!(!page.asks_for_code(), "{}", page.text());
    assert_eq!(foreign.host.outbox().count(), 0, "no message");
    Ok(())
}

/// X-26: the provider has a session and asks all the same.
#[tokio::test]
async fn an_independent_provider_asks_again_when_the_application_wants_it() -> Result<()> {
    let mut foreign = Foreign::start("ES256").await?;
    let mut visitor = foreign.visitor()?;
    for (more, reason) in [("", "no_session"), ("&prompt=login", "login_prompt")] {
        let address = format!("{}{SHOP}{more}", foreign.host.origin());
        let stop = visitor.open(&address).await?;
        let (_, reasons) = foreign.asked().await?;
        assert_eq!(reasons, json!([reason]));
        let page = foreign
            .signs_in(&mut visitor, stop, "alice")
            .await?
            .page()?;
        assert_eq!(foreign.redeemed().await?.0, "given");
        let answer = page.onward().unwrap_or_default();
        assert!(answer.contains("?code="), "{}: {}", page.path, page.text());
    }
    Ok(())
}
