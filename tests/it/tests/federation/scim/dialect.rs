//! How systems speak that are likely to look after our users: SCIM 1.1 of the older peers, and what Entra and Okta
//! make of 2.0.

use super::{ALL, GROUP, GROUPS, USER, USERS, at, client, host, made, patch};
use crate::{ALICE, PASSWORD};
use postern_kit::anyhow::Result;
use postern_kit::{Provider, Scim, TestHost};
use serde_json::{Value, json};

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

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What is there after these operations.
async fn patched(scim: &Scim, path: &str, operations: Value) -> Result<Value> {
    let answer = scim.patch(path, &patch(operations)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The requests that its documentation shows.
#[tokio::test(flavor = "multi_thread")]
async fn what_entra_asks_is_understood() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "entra", &ALL).await?;
    // Its test of the connection.
    let nobody = format!("{USERS}?filter=userName+eq+%228e4c2b6a-nobody%22");
    assert_eq!(scim.get(&nobody).await?.json()?["totalResults"], 0);
    let body = json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "alice@corp.example",
        "active": true,
        "emails": [{ "primary": true, "type": "work", "value": "alice@corp.example" }],
        "meta": { "resourceType": "User" },
        "name": { "formatted": "Alice Liddell", "familyName": "Liddell", "givenName": "Alice" },
        "roles": [],
        (ENTERPRISE): { "department": "Wonderland" },
    });
    let alice = made(&scim, USERS, &body).await?;
    let path = at(USERS, &alice);
    let changed = patched(
        &scim,
        &path,
        json!([
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@corp.example" },
            { "op": "Replace", "path": "name.familyName", "value": "Hargreaves" },
            { "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 2025550142" },
        ]),
    )
    .await?;
    assert_eq!(changed["emails"][0]["value"], "a@corp.example");
    assert_eq!(changed["name"]["familyName"], "Hargreaves");
    assert_eq!(changed["phoneNumbers"][0]["value"], ALICE);
    let off = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    assert_eq!(patched(&scim, &path, off).await?["active"], false);

    let body = json!({
        "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "Staff",
        "meta": { "resourceType": "Group" },
    });
    let staff = made(&scim, GROUPS, &body).await?;
    let group = at(GROUPS, &staff);
    let who = json!([{ "$ref": null, "value": alice["id"] }]);
    let join = json!([{ "op": "Add", "path": "members", "value": who }]);
    let with = patched(&scim, &group, join).await?;
    assert_eq!(with["members"][0]["value"], alice["id"]);
    let found = format!("{GROUPS}?excludedAttributes=members&filter=displayName+eq+%22Staff%22");
    assert_eq!(scim.get(&found).await?.json()?["totalResults"], 1);
    let leave = json!([{ "op": "Remove", "path": "members", "value": who }]);
    assert!(
        patched(&scim, &group, leave)
            .await?
            .get("members")
            .is_none()
    );
    assert_eq!(scim.delete(&path).await?.status, 204);
    Ok(())
}

/// The same of Okta: users whole, groups in parts, and the group's own id among them.
#[tokio::test(flavor = "multi_thread")]
async fn what_okta_asks_is_understood() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "okta", &ALL).await?;
    let nobody = format!("{USERS}?filter=userName%20eq%20%22bob%40corp.example%22");
    let page = format!("{nobody}&startIndex=1&count=100");
    assert_eq!(scim.get(&page).await?.json()?["totalResults"], 0);
    let mut body = json!({
        "schemas": [USER],
        "userName": "bob@corp.example",
        "name": { "givenName": "Bob", "familyName": "Dormouse" },
        "emails": [{ "primary": true, "value": "bob@corp.example", "type": "work", "display": "bob@corp.example" }],
        "displayName": "Bob Dormouse",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": PASSWORD,
        "active": true,
    });
    let bob = made(&scim, USERS, &body).await?;
    let path = at(USERS, &bob);
    body["id"] = bob["id"].clone();
    body["meta"] = json!({ "resourceType": "User" });
    body["name"]["givenName"] = "Robert".into();
    body.as_object_mut().unwrap().remove("password");
    let answer = scim.put(&path, &body).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()?["name"]["givenName"], "Robert");

    let body = json!({ "schemas": [GROUP], "displayName": "Staff", "members": [] });
    let staff = made(&scim, GROUPS, &body).await?;
    let group = at(GROUPS, &staff);
    let rename = json!({ "id": staff["id"], "displayName": "All staff" });
    let renamed = json!([{ "op": "replace", "value": rename }]);
    let renamed = patched(&scim, &group, renamed).await?;
    assert_eq!(renamed["displayName"], "All staff");
    assert_eq!(renamed["id"], staff["id"]);
    let carol = json!({ "schemas": [USER], "userName": "carol@corp.example" });
    let carol = made(&scim, USERS, &carol).await?;
    let who = json!([{ "value": bob["id"], "display": "bob@corp.example" }]);
    let join = json!([{ "op": "add", "path": "members", "value": who }]);
    let with = patched(&scim, &group, join).await?;
    assert_eq!(with["members"][0]["value"], bob["id"]);
    // Who goes and who comes, in one request.
    let who = json!([{ "value": carol["id"], "display": "carol@corp.example" }]);
    let gone = format!("members[value eq {}]", bob["id"]);
    let both = json!([
        { "op": "remove", "path": gone },
        { "op": "add", "path": "members", "value": who },
    ]);
    let with = patched(&scim, &group, both).await?;
    assert_eq!(with["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(with["members"][0]["value"], carol["id"]);
    let gone = format!("members[value eq {}]", carol["id"]);
    let nobody = json!([{ "op": "remove", "path": gone }]);
    let nobody = patched(&scim, &group, nobody).await?;
    assert!(nobody.get("members").is_none(), "{nobody}");
    let off = json!([{ "op": "replace", "value": { "active": false } }]);
    assert_eq!(patched(&scim, &path, off).await?["active"], false);
    assert_eq!(scim.delete(&group).await?.status, 204);
    Ok(())
}
