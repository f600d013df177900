//! Exchanges with the stand-in, as the two providers' documentation shows them.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use http_body_util::BodyExt;
use serde_json::Value;
use sms_gateway::{Accounts, Answer, Behaviour, Gateway};
use tower::ServiceExt;

async fn exchange(gateway: &Gateway, request: Request<Body>) -> (StatusCode, Value) {
    let response = gateway.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn form(path: &str, user: &str, password: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let credentials =
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Request::post(path)
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap()
}

fn twilio(fields: &[(&str, &str)]) -> Request<Body> {
    let accounts = Accounts::default();
    let path = format!("/2010-04-01/Accounts/{}/Messages.json", accounts.twilio_sid);
    form(&path, &accounts.twilio_sid, &accounts.twilio_token, fields)
}

fn vonage(fields: &[(&str, &str)]) -> Request<Body> {
    let accounts = Accounts::default();
    form(
        "/sms/json",
        &accounts.vonage_key,
        &accounts.vonage_secret,
        fields,
    )
}

const ORDERLY: &[(&str, &str)] = &[
    ("To", "+12025550142"),
    ("From", "+15005550006"),
    (
        "Body",
        "Your code is 123456\n\n@login.example #123456 & é=+%",
    ),
];

#[tokio::test]
async fn a_twilio_message_arrives_exactly_and_gets_a_sid() {
    let gateway = Gateway::default();
    let (status, body) = exchange(&gateway, twilio(ORDERLY)).await;
    assert_eq!(status, StatusCode::CREATED);
    let sid = body["sid"].as_str().unwrap();
    assert!(sid.starts_with("SM") && sid.len() == 34, "{sid}");
    assert_eq!(body["status"], "queued");
    assert_eq!(body["num_segments"], "1");
    let arrived = gateway.phone().messages(Some("12025550142"));
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].text, ORDERLY[2].1);
}

#[tokio::test]
async fn twilio_refuses_wrong_credentials_with_20003() {
    let gateway = Gateway::default();
    let sid = Accounts::default().twilio_sid;
    let path = format!("/2010-04-01/Accounts/{sid}/Messages.json");
    let (status, body) = exchange(&gateway, form(&path, &sid, "wrong", ORDERLY)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["code"], 20003);
    assert!(gateway.phone().messages(None).is_empty());
}

#[tokio::test]
async fn twilios_magic_numbers_answer_with_their_codes() {
    let cases = [
        ("To", "+15005550001", 21211),
        ("To", "+15005550002", 21612),
        ("To", "+15005550003", 21408),
        ("To", "+15005550004", 21610),
        ("To", "+15005550009", 21614),
        ("To", "12025550142", 21211),
        ("From", "+15005550001", 21212),
        ("From", "+15005550007", 21606),
        ("From", "+15005550008", 21611),
        ("Body", "", 21602),
    ];
    for (name, value, code) in cases {
        let gateway = Gateway::default();
        let fields: Vec<_> = ORDERLY
            .iter()
            .map(|(key, old)| (*key, if *key == name { value } else { old }))
            .collect();
        let (status, body) = exchange(&gateway, twilio(&fields)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {value}");
        assert_eq!(body["code"], code, "{name} {value}");
        assert!(gateway.phone().messages(None).is_empty());
    }
}

#[tokio::test]
async fn a_vonage_failure_is_a_number_inside_a_200() {
    let gateway = Gateway::default();
    let good = [("to", "12025550142"), ("from", "ACME"), ("text", "hello")];
    let (status, body) = exchange(&gateway, vonage(&good)).await;
    assert_eq!(
        (status, &body["messages"][0]["status"]),
        (StatusCode::OK, &"0".into())
    );
    assert_eq!(body["message-count"], "1");

    let (status, body) = exchange(&gateway, form("/sms/json", "a1b2c3d4", "wrong", &good)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["messages"][0]["status"], "4");
    assert!(body["messages"][0].get("message-id").is_none());

    let bad = [("to", "+12025550142"), ("from", "ACME"), ("text", "hello")];
    let (_, body) = exchange(&gateway, vonage(&bad)).await;
    assert_eq!(body["messages"][0]["status"], "3");
    assert_eq!(gateway.phone().count(), 1);
}

#[tokio::test]
async fn vonage_loses_what_is_not_declared_unicode() {
    let gateway = Gateway::default();
    let fields = [("to", "12025550142"), ("from", "ACME"), ("text", "код 1")];
    let _ = exchange(&gateway, vonage(&fields)).await;
    let declared = [fields[0], fields[1], fields[2], ("type", "unicode")];
    let _ = exchange(&gateway, vonage(&declared)).await;
    let arrived = gateway.phone().messages(None);
    assert_eq!(arrived[0].text, "??? 1");
    assert_eq!(arrived[1].text, "код 1");
}

#[tokio::test]
async fn a_failure_for_one_request_is_over_with_it() {
    let gateway = Gateway::default();
    gateway.behave(Behaviour {
        answer: Answer::Throttled,
        requests: 1,
        ..Behaviour::default()
    });
    let (status, body) = exchange(&gateway, twilio(ORDERLY)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(body["code"], 20429);
    let (status, _) = exchange(&gateway, twilio(ORDERLY)).await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_phone_page_escapes_what_it_shows() {
    let gateway = Gateway::default();
    let fields = [
        ORDERLY[0],
        ORDERLY[1],
        ("Body", "<script>alert(1)</script>"),
    ];
    let _ = exchange(&gateway, twilio(&fields)).await;
    let request = Request::get("/phone").body(Body::empty()).unwrap();
    let response = gateway.router().oneshot(request).await.unwrap();
    let page = response.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(!page.contains("<script>"), "{page}");
    assert!(page.contains("alert(1)"));
}
