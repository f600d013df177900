//! Requests that are not the console's own.

use crate::world::{CONSOLE_HOST, World, ask};
use crate::{ACTS, PAGES, refused};
use http::{Request, StatusCode, header};
use postern_admin::Role;

/// S-04
#[tokio::test]
async fn a_form_without_this_consoles_token_does_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let other = world.at_the_console("bob", Role::Administrator).await;
    let before = world.acts().await.len();
    for (path, fields) in ACTS {
        for token in ["", "00", other.token.as_str()] {
            let mut forged = browser.clone();
            forged.token = token.to_owned();
            let answer = refused(&mut forged, path, fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
        let mut forged = browser.clone();
        forged
            .extra
            .insert("sec-fetch-site", "cross-site".parse().unwrap());
        let answer = refused(&mut forged, path, fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let mut forged = browser.clone();
        forged
            .extra
            .insert("origin", "http://localhost:9443".parse().unwrap());
        let answer = refused(&mut forged, path, fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        // Reading changes nothing, whatever is read.
        browser.get(path).await;
    }
    assert_eq!(world.acts().await.len(), before, "nothing happened");
}

/// S-10: a name that somebody else's name server turns into this machine's address gets no page.
#[tokio::test]
async fn the_console_answers_to_its_own_names_only() {
    let world = World::new().await;
    for (host, expected) in [
        (CONSOLE_HOST, StatusCode::OK),
        ("127.0.0.1:9444", StatusCode::OK),
        ("[::1]:9444", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example:9444", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil@localhost", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = Request::get("/console/sign-in")
            .header(header::HOST, host)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = ask(&world.admin, request).await;
        assert_eq!(answer.status, expected, "{host}");
    }
}

/// S-06, S-07, S-11, S-17
#[tokio::test]
async fn the_consoles_pages_carry_the_headers_of_the_public_ones_and_are_not_there() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for path in PAGES {
        let page = browser.get(path).await;
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert!(
            page.header("content-security-policy")
                .contains("script-src 'self'"),
            "{path}"
        );
        let public = world.browser().get(path).await;
        assert_eq!(public.status, StatusCode::NOT_FOUND, "{path}");
    }
}
