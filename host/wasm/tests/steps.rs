//! Calls of well-behaved guests.

#![allow(clippy::unwrap_used)]

mod guest;

use guest::{Guest, accepted, in_process, manifest, message, settings};
use postern_wasm::provider::Event;
use postern_wasm::{Refusal, Stage, admission, types, vectors};

#[tokio::test]
async fn an_admitted_provider_answers() {
    let plugins = in_process().await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    assert_eq!(loaded.handle.id(), "guest");
    let action = plugins
        .provider_step(&loaded.handle, &settings(), &message(), &Event::Start, &[])
        .await
        .unwrap();
    assert_eq!(action, accepted());
    assert_eq!(
        plugins.check(&loaded.handle, &settings()).await.unwrap(),
        []
    );
}

struct NoRequests;

impl vectors::Evaluate for NoRequests {
    fn evaluate(
        &self,
        _: &types::Request,
        _: &vectors::StandIns,
    ) -> Result<vectors::Evaluated, String> {
        Err("no request was expected".into())
    }
}

/// What the self-test of a guest with these vectors says.
async fn self_test(guest: &str, vectors: &str) -> Result<(), Refusal> {
    let plugins = in_process().await;
    let fields = format!(r#""kind": "sms-provider", "vectors": [{vectors}]"#);
    let bytes = Guest::named(guest).manifest(manifest(&fields)).build();
    let loaded = plugins.admit(bytes).await.unwrap();
    admission::self_test(&plugins, &loaded, &NoRequests).await
}

#[tokio::test]
async fn a_plugin_that_does_what_its_vectors_say_passes() {
    let vectors = r#"
        {"name": "it accepts", "expect": {"accepted": {}}},
        {"name": "it accepts a reply", "reply": {"status": 200, "body": {"ok": true}}, "state": "s",
         "expect": {"accepted": {}}},
        {"name": "it finds nothing wrong", "settings": {"from": "x"}, "expect": {"problems": []}}"#;
    assert_eq!(self_test("ok", vectors).await, Ok(()));
}

#[tokio::test]
async fn a_plugin_that_does_something_else_is_refused_with_the_vector() {
    for (guest, vector, says) in [
        (
            "ok",
            r#"{"name": "it refuses", "expect": {"refused": {"reason": "throttled"}}}"#,
            "it refuses",
        ),
        (
            "ok",
            r#"{"name": "it finds", "expect": {"problems": ["from"]}}"#,
            "it finds",
        ),
        (
            "ok",
            r#"{"name": "it reads", "reply": {"status": 200}, "expect": {"accepted": {}}}"#,
            "there is no request to reply to",
        ),
        (
            "ok",
            r#"{"name": "it sends", "expect": {"request": {"method": "GET", "url": "https://example.com/"}}}"#,
            "it sends",
        ),
        (
            "unreachable",
            r#"{"name": "it lives", "expect": {"accepted": {}}}"#,
            "trap",
        ),
        (
            "loop",
            r#"{"name": "it ends", "expect": {"accepted": {}}}"#,
            "CPU time",
        ),
        (
            "ok",
            r#"{"name": "it resolves", "found": [], "expect": "not-found"}"#,
            "for resolvers",
        ),
    ] {
        let refusal = self_test(guest, vector).await.unwrap_err();
        assert_eq!(refusal.stage, Stage::SelfTest, "{refusal}");
        assert!(refusal.reason.contains(says), "{refusal}");
    }
}
