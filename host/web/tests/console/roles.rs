//! What an auditor may, and when both factors are asked for again.

use crate::world::{PASSWORD, World};
use crate::{ACTS, PAGES, refused};
use http::StatusCode;
use postern_admin::Role;
use std::time::Duration;

#[tokio::test]
async fn an_auditor_sees_every_page_and_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Auditor).await;
    for path in PAGES {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let posts = page.body.matches("method=\"post\"").count();
        let own = page.body.matches("action=\"/console/sign-out\"").count()
            + page
                .body
                .matches("action=\"/console/audit/verify\"")
                .count();
        assert_eq!(posts, own, "{path}: no form that would be refused");
    }
    let before = world.acts().await.len();
    for (path, fields) in ACTS {
        let answer = refused(&mut browser, path, fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    let acts = world.acts().await;
    assert_eq!(
        acts.len(),
        before + ACTS.len(),
        "each refusal is written down"
    );
    assert_eq!(world.phone.count(), 1, "only the code of the sign-in");
    assert_eq!(
        world.people.number_of("bob").as_deref(),
        Some("+94771234568")
    );
    assert!(world.people.number_of("erin").is_none());
}

#[tokio::test]
async fn what_moves_a_factor_asks_for_both_factors_again_after_fifteen_minutes() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    world.clock.pass(Duration::from_secs(15 * 60 + 1));
    browser.get("/console/users/of/bob").await;
    let answer = browser
        .post(
            "/console/users/of/bob/number",
            &[("number", "+94771234599")],
        )
        .await;
    assert_eq!(answer.location(), "/console/again?to=/console/users");
    assert_eq!(
        world.people.number_of("bob").as_deref(),
        Some("+94771234568")
    );
    let answer = browser.post("/console/users/of/bob/lock", &[]).await;
    assert_eq!(answer.location(), "/console/users/of/bob?done=locked");

    let answer = browser.get("/console/again?to=/console/users").await;
    let page = browser.get(answer.location()).await;
    assert!(page.body.contains("again"), "{}", page.body);
    browser
        .post(
            "/console/sign-in/password",
            &[("username", "alice"), ("password", PASSWORD)],
        )
        .await;
    browser.get("/console/sign-in").await;
    let code = world.phone.last_code();
    let answer = browser
        .post("/console/sign-in/code", &[("code", &code)])
        .await;
    assert_eq!(answer.location(), "/console/users");
    browser.get("/console/users/of/bob").await;
    let answer = browser
        .post(
            "/console/users/of/bob/number",
            &[("number", "+94771234599")],
        )
        .await;
    assert_eq!(answer.location(), "/console/users/of/bob?done=number");
    assert_eq!(
        world.people.number_of("bob").as_deref(),
        Some("+94771234599")
    );
}

/// S-08
#[tokio::test]
async fn the_way_back_is_a_path_of_ours() {
    let world = World::new().await;
    for bad in ["//evil", "/\\evil", "https://evil.example", "%2f%2fevil"] {
        let mut browser = world.console();
        world.appoint("alice", Role::Auditor).await;
        let answer = browser.get(&format!("/console/again?to={bad}")).await;
        assert_eq!(
            answer.location(),
            "/console/sign-in?again&to=/console",
            "{bad}"
        );
    }
    let mut browser = world.console();
    browser.get("/console/sign-in?to=//evil").await;
    let answer = world.at_console_of(&mut browser, "alice").await;
    assert_eq!(answer.location(), "/console");
}
