//! The JSON API as an application calls it.
#![allow(clippy::unwrap_used)]

mod world;

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::{API_TOKEN, Answer, HOST, PROVIDER_TEXT, World};

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    call(world, path, &body.to_string(), |request| request).await
}

async fn call(
    world: &World,
    path: &str,
    body: &str,
    change: impl FnOnce(http::request::Builder) -> http::request::Builder,
) -> Answer {
    let request = Request::post(path)
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {API_TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json");
    world
        .ask(change(request).body(Body::from(body.to_owned())).unwrap())
        .await
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

/// Status and slug of a problem; its other members must agree.
fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{}",
        answer.body
    );
    let body = json(answer);
    assert_eq!(body["status"], answer.status.as_u16());
    assert!(!body["title"].as_str().unwrap().is_empty());
    let slug = body["type"].as_str().unwrap().rsplit('/').next().unwrap();
    (answer.status.as_u16(), slug.to_owned())
}

async fn created(world: &World, user: &str) -> String {
    let answer = post(world, "/api/v1/challenges", &json!({ "user": user })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    json(&answer)["challenge_id"].as_str().unwrap().to_owned()
}

async fn verify(world: &World, id: &str, code: &str) -> Value {
    let answer = post(
        world,
        &format!("/api/v1/challenges/{id}/verify"),
        &json!({ "code": code }),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    json(&answer)
}

#[tokio::test]
async fn a_challenge_is_sent_and_verified_once() {
    let world = World::new().await;
    let answer = post(&world, "/api/v1/challenges", &json!({ "user": "alice" })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = json(&answer);
    assert_eq!(
        (&body["expires_in"], &body["resend_in"]),
        (&json!(300), &json!(30))
    );
    let masked = body["masked_mobile"].as_str().unwrap();
    assert!(
        masked.ends_with("67") && !masked.contains("7123"),
        "{masked}"
    );
    let id = body["challenge_id"].as_str().unwrap();
    assert_eq!(
        verify(&world, id, world.phone.wrong_code()).await,
        json!({ "result": "refused", "reason": "code-mismatch", "attempts_left": 4 })
    );
    let code = world.phone.last_code();
    assert_eq!(
        verify(&world, id, &code).await,
        json!({ "result": "accepted" })
    );
    assert_ne!(
        verify_status(&world, id, &code).await,
        json!({ "result": "accepted" })
    );
}

async fn verify_status(world: &World, id: &str, code: &str) -> Value {
    let answer = post(
        world,
        &format!("/api/v1/challenges/{id}/verify"),
        &json!({ "code": code }),
    )
    .await;
    json(&answer)
}

#[tokio::test]
async fn a_number_of_the_applications_own_gets_a_code_too() {
    let world = World::new().await;
    let answer = post(
        &world,
        "/api/v1/challenges",
        &json!({ "mobile": "077 123 4599", "purpose": "pay-42", "locale": "en-GB", "client_ip": "2001:db8::1", "app_hash": "FA+9qCX9VSu", "tenant": "carbon.super" }),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(world.phone.last_number(), "+94771234599");
}

#[tokio::test]
async fn each_reason_has_a_type_of_its_own() {
    let world = World::new().await;
    for (body, expected) in [
        (json!({ "user": "nobody" }), (422, "unknown-user")),
        (json!({ "user": "carol" }), (422, "no-number")),
        (json!({ "user": "dave" }), (422, "locked")),
        (json!({ "mobile": "+1900" }), (422, "number-refused")),
        (
            json!({ "user": "alice", "tenant": "other.example" }),
            (404, "not-found"),
        ),
    ] {
        let answer = post(&world, "/api/v1/challenges", &body).await;
        assert_eq!(
            problem(&answer),
            (expected.0, expected.1.to_owned()),
            "{body}"
        );
    }
    assert_eq!(world.phone.count(), 0);
}

#[tokio::test]
async fn a_body_of_another_form_is_400() {
    let world = World::new().await;
    for body in [
        json!({}),
        json!([]),
        json!("alice"),
        json!({ "user": "" }),
        json!({ "user": null }),
        json!({ "user": 1 }),
        json!({ "user": "alice", "mobile": "+94771234567" }),
        json!({ "user": "alice", "extra": 1 }),
        json!({ "user": "x".repeat(257) }),
        json!({ "mobile": "+9" }),
        json!({ "user": "alice", "purpose": "Login!" }),
        json!({ "user": "alice", "purpose": "" }),
        json!({ "user": "alice", "locale": "english" }),
        json!({ "user": "alice", "locale": "<b>" }),
        json!({ "user": "alice", "client_ip": "somewhere" }),
        json!({ "user": "alice", "app_hash": "short" }),
    ] {
        let answer = post(&world, "/api/v1/challenges", &body).await;
        assert_eq!(
            problem(&answer),
            (400, "invalid-request".to_owned()),
            "{body}"
        );
    }
    let twice = r#"{"user":"alice","user":"bob"}"#;
    let answer = call(&world, "/api/v1/challenges", twice, |request| request).await;
    assert_eq!(problem(&answer).0, 400);
    assert_eq!(world.phone.count(), 0);
}

/// A-19, A-20
#[tokio::test]
async fn only_the_code_is_the_code() {
    let world = World::new().await;
    let id = created(&world, "alice").await;
    let path = format!("/api/v1/challenges/{id}/verify");
    let code = world.phone.last_code();
    for body in [
        json!({}),
        json!({ "code": null }),
        json!({ "code": 1 }),
        json!({ "code": true }),
        json!({ "code": [code] }),
        json!({ "code": { "a": code } }),
        json!({ "code": "" }),
        json!({ "code": "1".repeat(65) }),
    ] {
        assert_eq!(problem(&post(&world, &path, &body).await).0, 400, "{body}");
    }
    for wrong in ["%", "_", "*", ".{6}", "' or 1=1--"] {
        let answer = verify_status(&world, &id, wrong).await;
        assert_eq!(answer["result"], "refused", "{wrong}");
    }
    let answer = verify_status(&world, &id, &code).await;
    assert_eq!(answer["reason"], "attempts-exhausted", "A-02: {answer}");
}

#[tokio::test]
async fn only_a_known_token_opens_the_api() {
    let world = World::new().await;
    let body = json!({ "user": "alice" }).to_string();
    for authorization in [
        "",
        "Bearer",
        "Bearer x",
        "Basic eDp4",
        &format!("Bearer {API_TOKEN}x"),
        &format!("Token {API_TOKEN}"),
    ] {
        for path in [
            "/api/v1/challenges",
            "/api/v1/challenges/x/verify",
            "/api/v1/challenges/x/resend",
            "/api/v1/messages",
        ] {
            let request = Request::post(path)
                .header(header::HOST, HOST)
                .header(header::AUTHORIZATION, authorization)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.clone()))
                .unwrap();
            let answer = world.ask(request).await;
            assert_eq!(
                problem(&answer),
                (401, "unauthorized".to_owned()),
                "{authorization} {path}"
            );
            assert_eq!(
                answer.header("www-authenticate"),
                "Bearer realm=\"postern\""
            );
        }
    }
    assert_eq!(world.phone.count(), 0);
}

/// S-12, S-15
#[tokio::test]
async fn method_type_size_and_address_are_checked() {
    let world = World::new().await;
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "QUERY"] {
        let request = Request::builder()
            .method(method)
            .uri("/api/v1/challenges")
            .header(header::HOST, HOST)
            .body(Body::empty())
            .unwrap();
        let answer = world.ask(request).await;
        assert_eq!(
            problem(&answer),
            (405, "method-not-allowed".to_owned()),
            "{method}"
        );
        assert_eq!(answer.header("allow"), "POST");
    }
    for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        let answer = call(
            &world,
            "/api/v1/challenges",
            r#"{"user":"alice"}"#,
            |mut request| {
                request
                    .headers_mut()
                    .unwrap()
                    .insert(name, value.parse().unwrap());
                request
            },
        )
        .await;
        assert_eq!(
            problem(&answer),
            (415, "unsupported-media-type".to_owned()),
            "{value}"
        );
    }
    let large = json!({ "user": "x".repeat(70_000) });
    assert_eq!(
        problem(&post(&world, "/api/v1/challenges", &large).await).0,
        413
    );
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/challenges",
        "/api/v1/challenges/x/other",
    ] {
        let answer = post(&world, path, &json!({})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let override_ = call(&world, "/api/v1/challenges", "{}", |request| {
        request.header("x-http-method-override", "DELETE")
    })
    .await;
    assert_eq!(problem(&override_).0, 400);
    let host = call(&world, "/api/v1/challenges", "{}", |mut request| {
        request
            .headers_mut()
            .unwrap()
            .insert(header::HOST, "evil.example".parse().unwrap());
        request
    })
    .await;
    assert_eq!(problem(&host), (421, "misdirected".to_owned()));
}

/// R-01
#[tokio::test]
async fn a_new_code_too_soon_is_429_with_the_wait() {
    let world = World::new().await;
    let id = created(&world, "alice").await;
    let path = format!("/api/v1/challenges/{id}/resend");
    let resend = || call(&world, &path, "", |request| request);
    let answer = resend().await;
    assert_eq!(problem(&answer), (429, "too-many-requests".to_owned()));
    assert_eq!(answer.header("retry-after"), "30");
    assert_eq!(world.phone.count(), 1);
    world.clock.pass(Duration::from_secs(30));
    let answer = resend().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    assert_eq!(json(&answer), json!({ "resend_in": 60 }));
    assert_eq!(world.phone.count(), 2);
}

/// E-04
#[tokio::test]
async fn what_is_not_there_and_what_is_somebody_elses_are_both_404() {
    let world = World::new().await;
    for id in ["x", &"a".repeat(43), "..%2f..%2fmetrics"] {
        for act in ["verify", "resend"] {
            let answer = post(
                &world,
                &format!("/api/v1/challenges/{id}/{act}"),
                &json!({ "code": "1" }),
            )
            .await;
            assert_eq!(problem(&answer).0, 404, "{id}");
        }
    }
    // The id of a browser's login is no challenge.
    let browser = world.at_the_code().await;
    let id = browser.cookie("login").unwrap();
    let code = world.phone.last_code();
    let answer = post(
        &world,
        &format!("/api/v1/challenges/{id}/verify"),
        &json!({ "code": code }),
    )
    .await;
    assert_eq!(problem(&answer).0, 404);
}

/// E-06
#[tokio::test]
async fn a_provider_that_fails_is_503_without_its_words() {
    let world = World::new().await;
    world.phone.broken.store(true, Ordering::SeqCst);
    for (path, body) in [
        ("/api/v1/challenges", json!({ "user": "alice" })),
        (
            "/api/v1/messages",
            json!({ "to": "+94771234567", "text": "hello" }),
        ),
    ] {
        let answer = post(&world, path, &body).await;
        assert_eq!(problem(&answer), (503, "not-sent".to_owned()), "{path}");
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(said["reason"], "provider-down", "{path}");
        for word in PROVIDER_TEXT.split(' ').filter(|word| word.len() > 8) {
            assert!(!answer.body.contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn a_message_is_relayed_once_for_one_key() {
    let world = World::new().await;
    let body = json!({ "to": "+94771234567", "text": "Your parcel is here." });
    let with_key = |body: Value, key: &'static str| {
        let world = &world;
        async move {
            call(world, "/api/v1/messages", &body.to_string(), |request| {
                request.header("idempotency-key", key)
            })
            .await
        }
    };
    let first = with_key(body.clone(), "k-1").await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.body);
    assert_eq!(json(&first)["segments"], 1);
    assert_eq!(json(&first)["sender"], "phone");
    let again = with_key(body.clone(), "k-1").await;
    assert_eq!(again.body, first.body);
    assert_eq!(world.phone.count(), 1);
    let differs = with_key(json!({ "to": "+94771234567", "text": "Another." }), "k-1").await;
    assert_eq!(
        problem(&differs),
        (422, "idempotency-key-reused".to_owned())
    );
    for bad in ["", "with space", "ünicode"] {
        assert_eq!(
            problem(&with_key(body.clone(), bad).await).0,
            400,
            "{bad:?}"
        );
    }
    for bad in [
        json!({ "to": "+94771234567" }),
        json!({ "text": "x" }),
        json!({ "to": "+94771234567", "text": "a", "code": "1" }),
        json!({ "to": "+94771234567", "text_id": "en" }),
        json!({ "to": "+94771234567", "text": "x".repeat(1601) }),
    ] {
        assert_eq!(
            problem(&post(&world, "/api/v1/messages", &bad).await).0,
            400,
            "{bad}"
        );
    }
    assert_eq!(world.phone.count(), 1);
}
