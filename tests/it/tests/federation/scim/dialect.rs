//! SCIM 1.1, as the older peers speak it to us.

use super::{ALL, at, made};
use crate::PASSWORD;
use postern_kit::anyhow::Result;
use postern_kit::{Provider, Scim, TestHost};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_older_peers_find_their_own_dialect() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config("[scim]\nuser_store = \"PRIMARY\"")
        .start()
        .await?;
    let token = host.api_with("is", &ALL).await?.token;
    let scim =
        Scim::basic(host.host().public, &host.origin(), "is", &token).saying("application/json");
    let users = "/wso2/scim/Users";
    let body = json!({
        "schemas": ["urn:scim:schemas:core:1.0"],
        "userName": "WSO2/alice", "password": PASSWORD,
        "emails": ["a@example.com"],
    });
    let refused = scim.post(users, &body).await?;
    assert_eq!(refused.status, 400);
    assert!(refused.json()?["Errors"][0]["description"].is_string());

    let mut body = body;
    body["emails"] = json!([{ "value": "a@example.com" }]);
    let alice = made(&scim, users, &body).await?;
    assert_eq!(alice["schemas"], json!(["urn:scim:schemas:core:1.0"]));
    // The prefix went, and the store that is set took its place.
    assert_eq!(alice["userName"], "alice");
    // By the bare name, by the one she was made under, and without quotes as those peers write it.
    for name in [
        "%22alice%22",
        "%22WSO2/alice%22",
        "WSO2/alice",
        "PRIMARY/alice",
    ] {
        let found = scim
            .get(&format!("{users}?filter=userName%20Eq%20{name}"))
            .await?
            .json()?;
        assert_eq!(found["totalResults"], 1, "{name}: {found}");
    }
    let found = scim
        .get(&format!("{users}?filter=userName%20Eq%20WSO2/bob"))
        .await?
        .json()?;
    assert_eq!(found["totalResults"], 0, "{found}");
    assert_eq!(found["schemas"], json!(["urn:scim:schemas:core:1.0"]));
    let path = at(users, &alice);
    let part = json!({
        "schemas": ["urn:scim:schemas:core:1.0"],
        "meta": { "attributes": ["emails"] },
        "nickName": "Al",
    });
    let answer = scim.patch(&path, &part).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let changed = answer.json()?;
    assert_eq!(changed["nickName"], "Al");
    assert!(changed.get("emails").is_none(), "{changed}");
    let again = scim.post(users, &body).await?;
    assert_eq!(again.status, 409);
    assert_eq!(scim.delete(&path).await?.status, 204);
    assert_eq!(scim.get(&path).await?.status, 404);
    Ok(())
}
