//! A peer is told of what happens here, by whatever door it happens.

use super::{
    ALL, GROUP, GROUPS, USERS, at, client, connector, eventually, host, made, patch, person, queue,
    sign_in,
};
use crate::{ALICE, PASSWORD};
use postern_kit::anyhow::{Context, Result};
use postern_kit::{Provider, Scim, TestHost};
use postern_server::desk::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What was told and is gone here goes there; what the peer says beside it stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_here_is_taken_away_at_the_peer() -> Result<()> {
    for (version, users) in [("2.0", USERS), ("1.1", "/wso2/scim/Users")] {
        let peer = host().await?;
        let token = peer.api_with("here", &ALL).await?.token;
        let there = Scim::bearer(peer.host().public, &peer.origin(), &token);
        let host = TestHost::builder()
            .provider(Provider::Outbox)
            .config(&format!(
                "[provisioning.peer]\nversion = \"{version}\"\nuser_endpoint = \"{}{users}\"\ntoken = \"{token}\"\nallow_private_networks = true\n",
                peer.origin()
            ))
            .start()
            .await?;
        let here = client(&host, "hr", &ALL).await?;
        let mut body = person("alice");
        body["title"] = json!("Queen");
        let alice = made(&here, USERS, &body).await?;
        let told = async || eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await;
        told().await?;
        let copy = there.get(USERS).await?.json()?["Resources"][0].clone();
        assert_eq!(copy["title"], "Queen", "{version}: {copy}");
        // The peer's own.
        let own = patch(json!([{ "op": "add", "value": { "nickName": "Al" } }]));
        assert_eq!(there.patch(&at(USERS, &copy), &own).await?.status, 200);
        let remove = patch(json!([
            { "op": "remove", "path": "title" },
            { "op": "remove", "path": "name.familyName" },
            { "op": "remove", "path": "emails" },
        ]));
        assert_eq!(here.patch(&at(USERS, &alice), &remove).await?.status, 200);
        told().await?;
        let copy = there.get(&at(USERS, &copy)).await?.json()?;
        for gone in ["title", "emails"] {
            assert!(copy.get(gone).is_none(), "{version}: {copy}");
        }
        assert_eq!(copy["name"], json!({ "givenName": "alice" }), "{version}");
        assert_eq!(copy["nickName"], "Al", "{version}: {copy}");
    }
    Ok(())
}

/// Wrong credentials: the user is made here all the same, and what waits says why.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_at_the_peer_stop_nobody_here() -> Result<()> {
    let peer = host().await?;
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&connector(&peer.origin(), "postern_wrong", ""))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    eventually(async || {
        let queue = queue(&host).await?;
        let why = queue.waiting.first().and_then(|row| row.trouble.clone());
        Ok(why.is_some_and(|why| why == "the peer answered 401 to the search"))
    })
    .await?;
    assert!(sign_in(&host, "alice", PASSWORD).await?);
    // A name taken here is told nowhere.
    assert!(host.add_user("alice", PASSWORD, ALICE).await.is_err());
    assert_eq!(queue(&host).await?.waiting.len(), 1);
    let drop = Request::ProvisioningDrop {
        number: queue(&host).await?.waiting[0].seq,
    };
    host.host().parts.desk.answer(drop).await?;
    assert_eq!(queue(&host).await?.waiting, []);
    Ok(())
}

/// What users do themselves is told as well, and groups with their members.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_hears_of_groups_and_of_changes_by_every_door() -> Result<()> {
    let peer = host().await?;
    let token = peer.api_with("here", &ALL).await?.token;
    let there = Scim::bearer(peer.host().public, &peer.origin(), &token);
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .durable()
        .config(&connector(&peer.origin(), &token, ""))
        .start()
        .await?;
    let here = client(&host, "hr", &ALL).await?;
    let mut body = person("alice");
    body["phoneNumbers"] = json!([{ "value": ALICE, "type": "mobile" }]);
    let alice = made(&here, USERS, &body).await?;
    let staff = made(
        &here,
        GROUPS,
        &json!({ "displayName": "Staff", "members": [{ "value": alice["id"] }] }),
    )
    .await?;
    let find = async |path: &str, what: &str| -> Result<Value> {
        let found = there.get(path).await?.json()?;
        let mut found = found["Resources"].as_array().cloned().unwrap_or_default();
        found.retain(|one| one["userName"] == what || one["displayName"] == what);
        Ok(found.pop().unwrap_or_default())
    };
    eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await?;
    let copy = find(USERS, "alice").await?;
    assert_eq!(copy["emails"], alice["emails"], "{copy}");
    assert_eq!(copy["phoneNumbers"][0]["value"], ALICE, "{copy}");
    assert_eq!(copy["name"], alice["name"], "{copy}");
    assert!(sign_in(&peer, "alice", PASSWORD).await?);
    let group = find(GROUPS, "Staff").await?;
    // She may have come after the group: then the group is told again with its next change.
    let rename = patch(json!([{ "op": "replace", "path": "displayName", "value": "Crew" }]));
    assert_eq!(here.patch(&at(GROUPS, &staff), &rename).await?.status, 200);
    eventually(async || {
        let crew = find(GROUPS, "Crew").await?;
        Ok(crew["members"][0]["value"] == copy["id"] && crew["id"] == group["id"])
    })
    .await?;

    // A number that goes here goes there.
    let remove = patch(json!([{ "op": "remove", "path": "phoneNumbers" }]));
    assert_eq!(here.patch(&at(USERS, &alice), &remove).await?.status, 200);
    eventually(async || Ok(find(USERS, "alice").await?.get("phoneNumbers").is_none())).await?;

    // Deleted and made again in one go: there it is somebody else as well.
    assert_eq!(here.delete(&at(USERS, &alice)).await?.status, 204);
    made(&here, USERS, &person("alice")).await?;
    eventually(async || {
        let now = find(USERS, "alice").await?;
        Ok(!now.is_null() && now["id"] != copy["id"])
    })
    .await?;
    assert_eq!(here.delete(&at(GROUPS, &staff)).await?.status, 204);
    eventually(async || Ok(find(GROUPS, "Crew").await?.is_null())).await?;
    Ok(())
}

/// In the older dialect: made with whoever is in it, told whole when it changes, deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_peer_hears_of_groups_and_of_who_is_in_them() -> Result<()> {
    let peer = TestHost::builder()
        .provider(Provider::Outbox)
        .config("[scim]\nuser_store = \"PRIMARY\"")
        .start()
        .await?;
    let token = peer.api_with("here", &ALL).await?.token;
    let origin = peer.origin();
    let there = Scim::basic(peer.host().public, &origin, "here", &token);
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&format!(
            "[provisioning.peer]\nversion = \"1.1\"\nuser_endpoint = \"{origin}/wso2/scim/Users\"\ngroup_endpoint = \"{origin}/wso2/scim/Groups\"\nusername = \"here\"\npassword = \"{token}\"\nuser_store_domain = \"WSO2\"\nallow_private_networks = true\n"
        ))
        .start()
        .await?;
    let here = client(&host, "hr", &ALL).await?;
    let told = async || eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await;
    let listed = async |what: &str| -> Result<Vec<Value>> {
        let found = there.get(&format!("/wso2/scim/{what}")).await?.json()?;
        Ok(found["Resources"].as_array().cloned().unwrap_or_default())
    };
    let members = |group: &Value| -> BTreeSet<String> {
        let members = group["members"].as_array().into_iter().flatten();
        let ids = members.filter_map(|one| one["value"].as_str());
        ids.map(str::to_owned).collect()
    };

    let alice = made(&here, USERS, &person("alice")).await?;
    let bob = made(&here, USERS, &person("bob")).await?;
    let shift = |name: &str, members: &[&Value]| -> Value {
        let members = members.iter().map(|one| json!({ "value": one["id"] }));
        let members: Vec<Value> = members.collect();
        json!({ "schemas": [GROUP], "displayName": name, "members": members })
    };
    let night = made(&here, GROUPS, &shift("Night Shift", &[&alice, &bob])).await?;
    told().await?;
    let users = listed("Users").await?;
    let id = |name: &str| -> Result<String> {
        let found = users.iter().find(|one| one["userName"] == name);
        let id = found.and_then(|one| one["id"].as_str());
        Ok(id.context("nobody of that name is there")?.to_owned())
    };
    let (alice_there, bob_there) = (id("alice")?, id("bob")?);
    let before = listed("Groups").await?;
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before[0]["displayName"], "Night Shift");
    assert_eq!(
        members(&before[0]),
        BTreeSet::from([alice_there.clone(), bob_there])
    );

    // Another name, and one of them gone; then nobody is left in it.
    let path = at(GROUPS, &night);
    for (name, left, expected) in [
        ("Day Shift", vec![&alice], BTreeSet::from([alice_there])),
        ("Day Shift", vec![], BTreeSet::new()),
    ] {
        let answer = here.put(&path, &shift(name, &left)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        told().await?;
        let after = listed("Groups").await?;
        assert_eq!(after.len(), 1, "{after:?}");
        assert_eq!(after[0]["id"], before[0]["id"], "it is the same group");
        assert_eq!(after[0]["displayName"], name);
        assert_eq!(members(&after[0]), expected);
    }

    assert_eq!(here.delete(&path).await?.status, 204);
    told().await?;
    assert_eq!(listed("Groups").await?, Vec::<Value>::new());
    assert_eq!(listed("Users").await?.len(), 2, "whoever was in it stays");
    Ok(())
}
