//! What a client sends that no client should.

use super::{ALL, USERS, at, client, host, made, patch, person, refusal};
use postern_kit::anyhow::Result;
use serde_json::json;
use std::time::{Duration, Instant};

/// Q-05 to Q-08, S-15, and mass assignment.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_is_refused_and_nothing_of_it_is_kept() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;
    let alice = made(&scim, USERS, &person("alice")).await?;
    let path = at(USERS, &alice);
    let before = scim.get(&path).await?.json()?;

    let twice = r#"{"schemas":[],"userName":"a1","userName":"a2"}"#;
    let cases = r#"{"userName":"a1","USERNAME":"a2"}"#;
    let deep = format!(r#"{{"userName":"a1","name":{}"#, "[".repeat(50_000));
    let large = format!(r#"{{"userName":"{}"}}"#, "a".repeat((1 << 20) + 4096));
    for (body, status) in [
        (twice, 400),
        (cases, 400),
        (&deep, 400),
        (&large, 413),
        ("[]", 400),
        ("{", 400),
        ("{}", 400),
        (r#"{"userName":null}"#, 400),
        (r#"{"userName":["a"]}"#, 400),
        (r#"{"userName":{"a":1}}"#, 400),
        (r#"{"userName":1}"#, 400),
        (r#"{"userName":"a b"}"#, 400),
        // A Cyrillic first letter.
        (r#"{"userName":"\u0430dmin"}"#, 400),
        (r#"{"userName":"a\u0000b"}"#, 400),
        (r#"{"userName":"a\u000d\u000aX: y"}"#, 400),
        (r#"{"userName":"NOWHERE/a"}"#, 400),
        (r#"{"userName":"a1","active":"perhaps"}"#, 400),
        (r#"{"userName":"a1","emails":"a@b"}"#, 400),
        (r#"{"userName":"a1","emails":[{"value":1}]}"#, 400),
        (
            r#"{"userName":"a1","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}"#,
            400,
        ),
        (r#"{"userName":"a1","name":"x"}"#, 400),
        (r#"{"userName":"a1","password":"short"}"#, 400),
        (
            r#"{"userName":"a1","phoneNumbers":[{"type":"mobile","value":"call me"}]}"#,
            400,
        ),
    ] {
        let answer = scim.send("POST", USERS, body, &[]).await?;
        assert_eq!(
            refusal(&answer).0,
            status,
            "{}",
            &body[..body.len().min(80)]
        );
        assert!(answer.body.len() < 400, "it repeats what was sent");
    }
    let other_type = scim.clone().saying("text/plain");
    assert_eq!(refusal(&other_type.post(USERS, &person("x")).await?).0, 415);
    let packed = scim
        .send("POST", USERS, "{}", &[("content-encoding", "gzip")])
        .await?;
    assert_eq!(refusal(&packed).0, 415);

    // What the server alone says is not taken from a client.
    let mut forged = person("forged");
    forged["id"] = alice["id"].clone();
    forged["meta"] = json!({ "created": "1999-01-01T00:00:00Z" });
    forged["groups"] = json!([{ "value": "1" }]);
    let made = made(&scim, USERS, &forged).await?;
    assert_ne!(made["id"], alice["id"]);
    assert!(made.get("groups").is_none(), "{made}");

    for (operations, kind) in [
        (
            json!([{ "op": "replace", "path": "id", "value": "1" }]),
            "mutability",
        ),
        (
            json!([{ "op": "replace", "path": "userName", "value": "bob" }]),
            "mutability",
        ),
        (
            json!([{ "op": "add", "path": "groups", "value": [{ "value": "1" }] }]),
            "mutability",
        ),
        (
            json!([{ "op": "remove", "path": "userName" }]),
            "mutability",
        ),
        (
            json!([{ "op": "add", "path": "a.b.c", "value": 1 }]),
            "invalidPath",
        ),
    ] {
        let answer = scim.patch(&path, &patch(operations.clone())).await?;
        assert_eq!(refusal(&answer), (400, kind.into()), "{operations}");
    }

    let open = "(".repeat(60);
    let long = "a".repeat(5000);
    for filter in [
        r#"password eq "x""#,
        "password pr",
        r#"userName co """#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:password sw "a""#,
        "/userName eq 1",
        r#"userName'"#,
        &open,
        &long,
    ] {
        let began = Instant::now();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": filter,
        });
        for place in [USERS, "/scim/v2"] {
            let answer = scim.post(&format!("{place}/.search"), &body).await?;
            assert_eq!(refusal(&answer), (400, "invalidFilter".into()), "{filter}");
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{filter}");
    }
    for query in [
        "count=abc",
        "startIndex=1&startIndex=2",
        "attributes=a&excludedAttributes=b",
    ] {
        let answer = scim.get(&format!("{USERS}?{query}")).await?;
        assert_eq!(refusal(&answer).0, 400, "{query}");
    }
    for path in [
        "/scim/v2/Users/..%2f..%2fadmin",
        "/scim/v2/Users/%00",
        "/scim/v2/Users/%zz",
        "/scim/v2/Nothing",
        "/scim/v2/Users/1/2",
        "/wso2/scim/Nothing",
    ] {
        assert_eq!(scim.get(path).await?.status, 404, "{path}");
    }
    assert_eq!(scim.get(&path).await?.json()?, before);
    Ok(())
}
