//! A person's own account, as a browser shows it.
#![allow(clippy::unwrap_used)]

mod world;

use http::StatusCode;
use postern_login::ports::{Clock, LoginStore};
use postern_login::tenant::SUPER_TENANT;
use postern_login::{LoginId, TenantId};
use std::time::Duration;
use world::{Browser, PASSWORD, World};

#[tokio::test]
async fn the_account_page_shows_what_is_theirs_and_no_full_number() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("alice &#60;b&#62;"), "{}", page.body);
    assert!(page.body.contains("&#60;i&#62;alice&#60;/i&#62;"));
    assert!(page.body.contains("4567") && !page.body.contains("1234567"));
    assert!(page.body.contains("This browser"));
}

/// B-03, B-05
#[tokio::test]
async fn another_number_needs_the_code_that_went_to_it() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account/number").await;
    let refused = browser.post("/account/number", &[("mobile", "12")]).await;
    assert_eq!(refused.location(), "/account/number?invalid");
    let page = browser.get("/account/number?invalid").await;
    assert!(page.body.contains("not a valid mobile number"));

    let answer = browser
        .post("/account/number", &[("mobile", "+94 77 123 4599")])
        .await;
    assert_eq!(answer.location(), "/account/number");
    assert_eq!(world.phone.last_number(), "+94771234599");
    let page = browser.get("/account/number").await;
    assert!(
        page.body.contains("Confirm the new number"),
        "{}",
        page.body
    );
    assert!(
        !page.body.contains("backup_code"),
        "a backup code proves no number"
    );
    assert_eq!(
        world.people.number("alice").as_deref(),
        Some("+94771234567")
    );

    let answer = browser
        .post(
            "/account/number/code",
            &[("code", world.phone.wrong_code())],
        )
        .await;
    assert_eq!(answer.location(), "/account/number");
    assert!(
        browser
            .get("/account/number")
            .await
            .body
            .contains("That code is not right")
    );
    assert_eq!(
        world.people.number("alice").as_deref(),
        Some("+94771234567")
    );

    world.clock.pass(Duration::from_secs(31));
    browser.post("/account/number/resend", &[]).await;
    let code = world.phone.last_code();
    let answer = browser
        .post("/account/number/code", &[("code", &code)])
        .await;
    assert_eq!(answer.location(), "/account?done=number");
    assert_eq!(
        world.people.number("alice").as_deref(),
        Some("+94771234599")
    );
    assert!(browser.cookie("proof").is_none());
    let page = browser.get("/account?done=number").await;
    assert!(page.body.contains("Your new mobile number is saved."));
}

/// a code that proves a number signs nobody in.
#[tokio::test]
async fn a_code_for_a_number_opens_no_session() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account/number").await;
    browser
        .post("/account/number", &[("mobile", "+94771234599")])
        .await;
    let code = world.phone.last_code();
    let proof = browser.cookie("proof").unwrap();
    let mut other = world.browser();
    other.get("/sign-in").await;
    let name = other.cookies.keys().next().unwrap().clone();
    other.cookies.insert(name, proof);
    other.get("/sign-in").await;
    other.post("/sign-in/code", &[("code", &code)]).await;
    other.post("/sign-in/finish", &[]).await;
    assert!(other.cookie("session").is_none());
}

#[tokio::test]
async fn the_old_number_can_be_kept() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account/number").await;
    browser
        .post("/account/number", &[("mobile", "+94771234599")])
        .await;
    browser.get("/account/number").await;
    assert_eq!(
        browser
            .post("/account/number/abandon", &[])
            .await
            .location(),
        "/account"
    );
    assert!(
        browser
            .get("/account/number")
            .await
            .body
            .contains("Change your mobile number")
    );
    assert_eq!(
        world.people.number("alice").as_deref(),
        Some("+94771234567")
    );
}

/// C-07
#[tokio::test]
async fn backup_codes_are_shown_once_and_each_signs_in_once() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account").await;
    let page = browser.post("/account/backup-codes", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("cache-control"), "no-store");
    let codes: Vec<String> = page
        .body
        .split("<li><code>")
        .skip(1)
        .map(|part| part.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    let account = browser.get("/account").await;
    assert!(account.body.contains("10 codes are left."));
    assert!(codes.iter().all(|code| !account.body.contains(code)));

    for (code, accepted) in [(codes[3].to_lowercase(), true), (codes[3].clone(), false)] {
        let mut other = world.browser();
        other.get("/sign-in").await;
        other.password("alice", PASSWORD).await;
        other.get("/sign-in").await;
        other
            .post("/sign-in/backup-code", &[("backup_code", &code)])
            .await;
        assert_eq!(other.cookie("session").is_some(), accepted, "{code}");
        world.clock.pass(Duration::from_secs(600));
    }
}

/// B-06
#[tokio::test]
async fn a_mandatory_factor_cannot_be_switched_off() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let page = browser.get("/account").await;
    assert!(page.body.contains("Your organisation requires them."));
    assert!(!page.body.contains("/account/sms-codes"));
    let answer = browser
        .post("/account/sms-codes", &[("codes", "off")])
        .await;
    assert_ne!(
        answer.headers.get("location").and_then(|l| l.to_str().ok()),
        Some("/account?done=sms-off")
    );
    let mut again = world.browser();
    again.get("/sign-in").await;
    again.password("alice", PASSWORD).await;
    assert!(again.get("/sign-in").await.body.contains("Enter the code"));
}

#[tokio::test]
async fn an_optional_factor_can_be_switched_off_and_on() {
    let world = World::with(|factor| factor.mandatory = false).await;
    let mut browser = world.signed_in().await;
    browser.get("/account").await;
    let answer = browser
        .post("/account/sms-codes", &[("codes", "sideways")])
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    browser.get("/account").await;
    let answer = browser
        .post("/account/sms-codes", &[("codes", "off")])
        .await;
    assert_eq!(answer.location(), "/account?done=sms-off");
    assert!(
        browser
            .get("/account")
            .await
            .body
            .contains("Switch codes on")
    );
    let answer = browser.post("/account/sms-codes", &[("codes", "on")]).await;
    assert_eq!(answer.location(), "/account?done=sms-on");
}

/// B-07: what moves or weakens a factor asks for a fresh second one.
#[tokio::test]
async fn an_old_session_cannot_change_how_its_owner_signs_in() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world.clock.pass(Duration::from_secs(11 * 60));
    let page = browser.get("/account").await;
    assert!(page.body.contains("you will be asked to sign in once more"));
    for (path, field) in [
        ("/account/number", ("mobile", "+94771234599")),
        ("/account/backup-codes", ("x", "x")),
        ("/account/password", ("current_password", PASSWORD)),
    ] {
        let answer = browser.post(path, &[field]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(
            answer.body.contains("Please sign in once more"),
            "{}",
            answer.body
        );
        browser.get("/account").await;
    }
    assert_eq!(world.phone.count(), 1);
}

/// Whether the sign-in that the browser is at has an identity provider ask again.
async fn asks_afresh(world: &World, browser: &Browser, tenant: &str) -> bool {
    let id = LoginId::parse(&browser.cookie("login").unwrap()).unwrap();
    let tenant = TenantId::parse(tenant).unwrap();
    let login = LoginStore::load(&world.store, &tenant, &id, world.clock.now()).await;
    login.unwrap().unwrap().application.sequence.afresh
}

#[tokio::test]
async fn the_button_after_a_refusal_has_everything_asked_again_and_leads_back() {
    let world = World::new().await;
    for (base, tenant) in [("", SUPER_TENANT), ("/t/a.example", "a.example")] {
        let mut browser = world.signed_in_at(base).await;
        world.clock.pass(Duration::from_secs(11 * 60));
        browser.get("/account").await;
        let refused = browser.post("/account/backup-codes", &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let button = format!("href=\"{base}/sign-in?afresh\"");
        assert!(refused.body.contains(&button), "{}", refused.body);

        let page = browser.get("/sign-in?afresh").await;
        assert!(page.body.contains("name=\"password\""), "{}", page.body);
        assert!(asks_afresh(&world, &browser, tenant).await);
        browser.password("alice", "wrong").await;
        let page = browser.get("/sign-in").await;
        assert!(page.body.contains("name=\"password\""), "{}", page.body);
        assert!(asks_afresh(&world, &browser, tenant).await);
        browser.password("alice", PASSWORD).await;
        browser.get("/sign-in").await;
        let code = world.phone.last_code();
        let answer = browser.post("/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.location(), format!("{base}/account"));
        let page = browser.get("/account").await;
        assert!(!page.body.contains("asked to sign in once more"));
        let fields = [("mobile", "+94771234599")];
        let answer = browser.post("/account/number", &fields).await;
        assert_eq!(answer.location(), format!("{base}/account/number"));
        world.clock.pass(Duration::from_secs(3600));
    }
}

#[tokio::test]
async fn a_sign_in_under_way_gives_way_to_one_that_asks_afresh_only_before_its_first_step() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let ordinary = browser.cookie("login");
    assert!(!asks_afresh(&world, &browser, SUPER_TENANT).await);
    browser.get("/sign-in?afresh").await;
    let afresh = browser.cookie("login");
    assert_ne!(afresh, ordinary);
    assert!(asks_afresh(&world, &browser, SUPER_TENANT).await);
    browser.get("/sign-in?afresh").await;
    assert_eq!(browser.cookie("login"), afresh, "it is one already");

    let mut browser = world.at_the_code().await;
    let under_way = browser.cookie("login");
    let page = browser.get("/sign-in?afresh").await;
    assert!(page.body.contains("Enter the code"), "{}", page.body);
    assert_eq!(browser.cookie("login"), under_way);
}

#[tokio::test]
async fn a_sign_in_that_has_ended_gives_way_to_one_that_asks_afresh() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let wrong = world.phone.wrong_code();
    for _ in 0..5 {
        browser.post("/sign-in/code", &[("code", wrong)]).await;
    }
    let ended = browser.cookie("login");
    let page = browser.get("/sign-in").await;
    assert!(page.body.contains("Start again"), "{}", page.body);
    assert_eq!(browser.cookie("login"), ended);
    let page = browser.get("/sign-in?afresh").await;
    assert!(page.body.contains("name=\"password\""), "{}", page.body);
    assert_ne!(browser.cookie("login"), ended);
    assert!(asks_afresh(&world, &browser, SUPER_TENANT).await);
}

/// Whichever way they go. Somebody whose provider cannot ask signs out and in again, and is not sent to be
/// asked all the same; a number's proof that they began is none of the next person's.
#[tokio::test]
async fn signing_out_ends_what_was_begun_in_the_session() {
    for (page, form) in [
        ("/account", "/sign-out"),
        ("/oauth2/logout", "/oauth2/logout/confirm"),
    ] {
        let world = World::new().await;
        let mut browser = world.signed_in().await;
        browser.get("/account/number").await;
        browser
            .post("/account/number", &[("mobile", "+94771234599")])
            .await;
        browser.get("/sign-in?afresh").await;
        for begun in ["proof", "login"] {
            assert!(browser.cookie(begun).is_some(), "{form}: {begun}");
        }
        browser.get(page).await;
        let answer = browser.post(form, &[]).await;
        assert_eq!(answer.location(), "/signed-out", "{form}");
        for over in ["session", "proof", "login"] {
            assert!(browser.cookie(over).is_none(), "{form}: {over}");
        }
        browser.get("/sign-in").await;
        assert!(!asks_afresh(&world, &browser, SUPER_TENANT).await);
    }
}

/// S-04
#[tokio::test]
async fn a_link_to_sign_out_ends_no_sign_in_of_who_is_not_signed_in() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let under_way = browser.cookie("login");
    let answer = browser.get("/oauth2/logout").await;
    assert_eq!(answer.location(), "/signed-out");
    assert_eq!(browser.cookie("login"), under_way);
}

/// S-04
#[tokio::test]
async fn forms_of_the_account_are_bound_to_the_session() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account").await;
    let mut other = browser.clone();
    other.token = "00".repeat(32);
    for path in [
        "/account/number",
        "/account/number/code",
        "/account/number/resend",
        "/account/number/abandon",
        "/account/password",
        "/account/sms-codes",
        "/account/backup-codes",
        "/account/links/remove",
        "/account/sessions/end",
        "/account/sessions/end-others",
        "/sign-out",
    ] {
        assert_eq!(
            other.post(path, &[]).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        other.token = "00".repeat(32);
    }
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
}

#[tokio::test]
async fn links_and_other_sessions_can_be_ended() {
    let world = World::new().await;
    let mut first = world.signed_in().await;
    world.clock.pass(Duration::from_secs(60));
    let mut second = world.signed_in().await;
    let mut third = world.signed_in().await;
    let page = first.get("/account").await;
    let name = page.body.split("name=\"name\" value=\"").nth(1).unwrap();
    let name = name.split('"').next().unwrap().to_owned();
    let answer = first
        .post("/account/sessions/end", &[("name", &name)])
        .await;
    assert_eq!(answer.location(), "/account?done=session-ended");
    let answer = first
        .post("/account/sessions/end", &[("name", &name)])
        .await;
    assert_eq!(answer.location(), "/account?done=nothing");
    let answer = first.post("/account/sessions/end-others", &[]).await;
    assert_eq!(answer.location(), "/account?done=others-ended");
    for browser in [&mut second, &mut third] {
        assert_eq!(browser.get("/account").await.location(), "/sign-in");
    }
    first.get("/account").await;
    let answer = first
        .post(
            "/account/links/remove",
            &[("identity_provider", "corp"), ("subject", "<i>alice</i>")],
        )
        .await;
    assert_eq!(answer.location(), "/account?done=unlinked");
}

/// S-01
#[tokio::test]
async fn signing_in_again_ends_the_earlier_session_of_the_browser() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut copy = browser.clone();
    browser.get("/sign-in").await;
    browser.password("alice", PASSWORD).await;
    browser.get("/sign-in").await;
    let code = world.phone.last_code();
    assert_eq!(
        browser
            .post("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/account"
    );
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    assert_eq!(copy.get("/account").await.location(), "/sign-in");
}

/// The proof's cookie in another session of the same person: neither its page nor its acts.
#[tokio::test]
async fn a_numbers_proof_is_shown_and_moved_only_by_its_session() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut other = world.signed_in().await;
    browser.get("/account/number").await;
    browser
        .post("/account/number", &[("mobile", "+94771234599")])
        .await;
    let sent = world.phone.count();
    let name = browser.cookie_name("proof");
    let proof = browser.cookie("proof").unwrap();
    other.get("/account").await;
    other.cookies.insert(name, proof);
    let page = other.get("/account/number").await;
    assert!(
        page.body.contains("Change your mobile number"),
        "{}",
        page.body
    );
    world.clock.pass(Duration::from_secs(31));
    other.post("/account/number/resend", &[]).await;
    assert_eq!(world.phone.count(), sent, "nothing is sent again");
    other.get("/account").await;
    other.post("/account/number/abandon", &[]).await;
    let page = browser.get("/account/number").await;
    assert!(
        page.body.contains("Confirm the new number"),
        "{}",
        page.body
    );
}

async fn change_password(browser: &mut Browser, current: &str, new: &str, again: &str) -> String {
    browser.get("/account/password").await;
    let fields = [
        ("current_password", current),
        ("new_password", new),
        ("new_password_again", again),
    ];
    let answer = browser.post("/account/password", &fields).await;
    answer.location().to_owned()
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_every_other_session_ends() {
    let world = World::new().await;
    let mut other = world.signed_in().await;
    world.clock.pass(Duration::from_secs(60));
    let mut browser = world.signed_in().await;
    let page = browser.get("/account").await;
    assert!(page.body.contains("Change the password"), "{}", page.body);
    let new = "quite another one";
    for (current, new, again, expected, sentence) in [
        ("wrong", new, new, "wrong", "current password is not right"),
        (PASSWORD, new, "other", "differ", "not the same"),
        (PASSWORD, "1234567", "1234567", "short", "at least 8"),
        (
            PASSWORD,
            PASSWORD,
            PASSWORD,
            "same",
            "the password you have",
        ),
    ] {
        let to = change_password(&mut browser, current, new, again).await;
        assert_eq!(to, format!("/account/password?{expected}"));
        assert!(browser.get(&to).await.body.contains(sentence), "{expected}");
    }
    assert_eq!(other.get("/account").await.status, StatusCode::OK);

    let to = change_password(&mut browser, PASSWORD, new, new).await;
    assert_eq!(to, "/account?done=password");
    assert!(
        browser
            .get(&to)
            .await
            .body
            .contains("Your new password is saved")
    );
    assert_eq!(other.get("/account").await.location(), "/sign-in");
    let mut again = world.browser();
    again.get("/sign-in").await;
    again.password("alice", PASSWORD).await;
    assert!(
        again
            .get("/sign-in")
            .await
            .body
            .contains("The user name or the password is not right")
    );
    again.password("alice", new).await;
    assert!(again.get("/sign-in").await.body.contains("Enter the code"));
}

#[tokio::test]
async fn where_the_user_store_keeps_its_passwords_no_change_is_offered_or_made() {
    let world = World::new().await;
    world.people.read_only("alice");
    let mut browser = world.signed_in().await;
    let page = browser.get("/account").await;
    assert!(!page.body.contains("/account/password"));
    let new = "quite another one";
    let to = change_password(&mut browser, PASSWORD, new, new).await;
    assert_eq!(to, "/account/password?elsewhere");
    assert!(browser.get(&to).await.body.contains("is not kept here"));
}
