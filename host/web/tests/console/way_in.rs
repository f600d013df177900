//! The way in, and out again.

use crate::world::{PASSWORD, World};
use http::StatusCode;
use postern_admin::Role;
use std::time::Duration;

#[tokio::test]
async fn an_invitation_makes_an_administrator_with_both_factors_once() {
    let world = World::new().await;
    let link = world.invite("erin", Role::Administrator).await;
    let mut browser = world.console();
    let page = browser.get(&link).await;
    assert!(page.body.contains("erin"), "{}", page.body);
    assert!(
        browser.get(&link).await.body.contains("erin"),
        "looking uses nothing up"
    );

    let answer = browser
        .post(&format!("{link}/number"), &[("mobile", "12")])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.phone.count(), 0);
    let answer = browser
        .post(&format!("{link}/number"), &[("mobile", "+94 77 123 4599")])
        .await;
    assert_eq!(answer.location(), link);
    assert_eq!(world.phone.last_number(), "+94771234599");
    let page = browser.get(&link).await;
    assert!(page.body.contains("4599") && !page.body.contains("1234599"));

    let accept = format!("{link}/accept");
    let code = world.phone.last_code();
    let with = |code: &str, password: &str, again: &str| {
        [
            ("code", code.to_owned()),
            ("password", password.to_owned()),
            ("again", again.to_owned()),
        ]
    };
    for (fields, words) in [
        (with(&code, "short", "short"), "too short"),
        (with(&code, "long enough", "another one"), "differ"),
        (
            with(world.phone.wrong_code(), "long enough", "long enough"),
            "tries are left",
        ),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = browser.post(&accept, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
        assert!(world.people.number_of("erin").is_none(), "nobody yet");
    }
    let fields = [
        ("code", code.as_str()),
        ("password", "long enough"),
        ("again", "long enough"),
    ];
    let answer = browser.post(&accept, &fields).await;
    assert_eq!(answer.location(), "/console", "{}", answer.body);
    assert_eq!(
        world.people.number_of("erin").as_deref(),
        Some("+94771234599")
    );
    let page = browser.get("/console").await;
    assert!(page.body.contains("erin") && page.body.contains("administrator"));

    let mut other = world.console();
    let page = other.get(&link).await;
    assert!(page.body.contains("This link is over"), "{}", page.body);
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_invitation_ends_after_fifteen_minutes() {
    let world = World::new().await;
    let link = world.invite("erin", Role::Auditor).await;
    world.clock.pass(Duration::from_secs(15 * 60 - 1));
    assert_eq!(world.console().get(&link).await.status, StatusCode::OK);
    world.clock.pass(Duration::from_secs(1));
    let page = world.console().get(&link).await;
    assert!(page.body.contains("This link is over"), "{}", page.body);
}

#[tokio::test]
async fn a_link_that_nobody_made_opens_nothing() {
    let world = World::new().await;
    let made_up = "a".repeat(43);
    for secret in [made_up.as_str(), "..", "%3Cscript%3E", "x"] {
        let page = world
            .console()
            .get(&format!("/console/invitation/{secret}"))
            .await;
        assert_ne!(page.status, StatusCode::OK, "{secret}");
        assert!(!page.body.contains("<script>"), "{secret}");
    }
}

#[tokio::test]
async fn a_console_needs_both_factors_and_an_account_that_administers() {
    let world = World::new().await;
    let mut browser = world.console();
    // bob has two factors and administers nothing.
    let answer = world.at_console_of(&mut browser, "bob").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.body.contains("does not administer"),
        "{}",
        answer.body
    );
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");
    // carol administers and has one factor.
    world.appoint("carol", Role::Administrator).await;
    let mut browser = world.console();
    browser.get("/console/sign-in").await;
    browser
        .post(
            "/console/sign-in/password",
            &[("username", "carol"), ("password", PASSWORD)],
        )
        .await;
    let page = browser.get("/console/sign-in").await;
    assert!(!page.body.contains("name=\"mobile\""), "{}", page.body);
    assert_eq!(
        browser.get("/console/users").await.location(),
        "/console/sign-in?to=/console/users"
    );
}

/// B-01, S-02: where the second step is optional for everybody else, it is not for the console.
#[tokio::test]
async fn one_factor_opens_no_console_even_where_it_opens_a_session() {
    let world = World::with(|factor| factor.mandatory = false).await;
    world.appoint("carol", Role::Administrator).await;
    let mut browser = world.console();
    browser.get("/console/sign-in").await;
    let answer = browser
        .post(
            "/console/sign-in/password",
            &[("username", "carol"), ("password", PASSWORD)],
        )
        .await;
    if answer.status == StatusCode::SEE_OTHER {
        let page = browser.get("/console/sign-in").await;
        assert!(!page.body.contains("name=\"mobile\""), "{}", page.body);
    } else {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.body.contains("both factors"), "{}", answer.body);
    }
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");
}

/// S-03: the two kinds of session are apart, also for whoever moves a cookie by hand.
#[tokio::test]
async fn a_session_of_the_pages_is_no_console_and_a_console_no_session() {
    let world = World::new().await;
    let console = world.at_the_console("alice", Role::Administrator).await;
    let pages = world.signed_in_as_bob().await;
    let console_id = console.cookies.values().next().unwrap().clone();
    let session_id = pages.cookie("session").unwrap();

    let mut moved = world.console();
    let name = console.cookies.keys().next().unwrap().clone();
    moved.cookies.insert(name, session_id);
    assert_eq!(moved.get("/console").await.location(), "/console/sign-in");

    let mut moved = world.browser();
    let name = pages
        .cookies
        .keys()
        .find(|name| name.contains("session"))
        .unwrap();
    moved.cookies.insert(name.clone(), console_id);
    assert_eq!(moved.get("/account").await.location(), "/sign-in");
}

#[tokio::test]
async fn a_console_ends_by_hand_by_idleness_and_at_the_end_of_the_day() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let cookies = browser.cookies.clone();
    assert_eq!(
        browser.post("/console/sign-out", &[]).await.location(),
        "/console/sign-in"
    );
    browser.cookies = cookies;
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");

    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for _ in 0..16 {
        world.clock.pass(Duration::from_secs(29 * 60));
        assert_eq!(browser.get("/console").await.status, StatusCode::OK);
    }
    world.clock.pass(Duration::from_secs(16 * 60));
    assert_eq!(
        browser.get("/console").await.location(),
        "/console/sign-in",
        "eight hours are a day"
    );
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    world.clock.pass(Duration::from_secs(30 * 60));
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");
}

/// An administrator's word holds at once.
#[tokio::test]
async fn a_locked_or_removed_administrator_is_out_at_once() {
    let world = World::new().await;
    let mut alice = world.at_the_console("alice", Role::Administrator).await;
    let mut bob = world.at_the_console("bob", Role::Administrator).await;
    alice.get("/console/users/of/bob").await;
    let locked = alice.post("/console/users/of/bob/lock", &[]).await;
    assert_eq!(locked.location(), "/console/users/of/bob?done=locked");
    assert_eq!(bob.get("/console").await.location(), "/console/sign-in");

    alice.post("/console/users/of/bob/unlock", &[]).await;
    let mut bob = world.console();
    let answer = world.at_console_of(&mut bob, "bob").await;
    assert_eq!(answer.location(), "/console");
    let removed = alice
        .post("/console/administrators/remove", &[("account", "bob")])
        .await;
    assert_eq!(removed.location(), "/console/administrators?done=removed");
    assert_eq!(bob.get("/console").await.location(), "/console/sign-in");
}
