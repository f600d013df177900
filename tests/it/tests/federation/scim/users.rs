//! Users as a client makes, changes and deletes them, and what its credentials allow.

use super::{ALL, USERS, at, client, host, made, patch, person, refusal, shown, sign_in};
use crate::{ALICE, BOB, PASSWORD};
use postern_admin::{Actor, Role};
use postern_kit::Scim;
use postern_kit::anyhow::{Context, Result};
use postern_login::TenantId;
use postern_login::ports::Scope;
use postern_server::desk::{Reply, Request};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_changed_and_deleted_and_every_act_is_in_the_audit_log() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;

    let mut body = person("alice");
    body["phoneNumbers"] = json!([{ "value": ALICE, "type": "mobile" }]);
    let answer = scim.post(USERS, &body).await?;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/scim+json"));
    let alice = answer.json()?;
    assert_eq!(
        answer.header("location"),
        alice["meta"]["location"].as_str()
    );
    assert_eq!(answer.header("etag"), alice["meta"]["version"].as_str());
    assert_eq!(alice["externalId"], "ext-alice");
    assert_eq!(alice["emails"], body["emails"]);
    assert_eq!(alice["phoneNumbers"][0]["value"], ALICE);
    assert!(alice.get("password").is_none(), "{alice}");
    // The password works, and so does the number: a code is on its way.
    assert!(sign_in(&host, "alice", PASSWORD).await?);

    let again = scim.post(USERS, &person("ALICE")).await?;
    assert_eq!(refusal(&again), (409, "uniqueness".into()));

    let path = at(USERS, &alice);
    let operations = json!([
        { "op": "replace", "path": "name.familyName", "value": "Castle" },
        { "op": "add", "value": { "title": "Queen" } },
        { "op": "replace", "path": "active", "value": false },
    ]);
    let answer = scim.patch(&path, &patch(operations)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let changed = answer.json()?;
    assert_eq!(changed["name"]["familyName"], "Castle");
    assert_eq!(changed["title"], "Queen");
    assert_eq!(changed["active"], false);
    assert_ne!(changed["meta"]["version"], alice["meta"]["version"]);
    assert!(
        !sign_in(&host, "alice", PASSWORD).await?,
        "a locked account"
    );

    let operations = json!([{ "op": "replace", "path": "externalId", "value": "ext-2" }]);
    let answer = scim.patch(&path, &patch(operations)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()?["externalId"], "ext-2");

    // A whole resource: what is not in it goes; `active` is not said and stays.
    let answer = scim.put(&path, &person("alice")).await?;
    let whole = answer.json()?;
    assert_eq!(answer.status, 200, "{whole}");
    assert!(whole.get("title").is_none(), "{whole}");
    assert!(whole.get("phoneNumbers").is_none(), "{whole}");
    assert_eq!(whole["active"], false);
    let other = scim.put(&path, &person("bob")).await?;
    assert_eq!(refusal(&other), (400, "mutability".into()));

    assert_eq!(scim.delete(&path).await?.status, 204);
    assert_eq!(refusal(&scim.get(&path).await?).0, 404);
    // Whoever gets the name is somebody else.
    let next = made(&scim, USERS, &person("alice")).await?;
    assert_ne!(next["id"], alice["id"]);
    assert_eq!(refusal(&scim.get(&path).await?).0, 404);

    let request = Request::AuditList {
        filter: postern_admin::audit::Filter::default(),
        before: None,
        rows: 50,
    };
    let Reply::Rows(page) = host.host().parts.desk.answer(request).await? else {
        panic!("expected rows");
    };
    let log = serde_json::to_string(&page.rows)?;
    for act in ["user add", "user set", "user delete", "external id"] {
        assert!(log.contains(act), "{log}");
    }
    assert!(log.contains("client hr"), "{log}");
    assert!(!log.contains(PASSWORD) && !log.contains(ALICE), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_somebody_else_is_not_lost() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;
    let alice = made(&scim, USERS, &person("alice")).await?;
    let (path, seen) = (
        at(USERS, &alice),
        alice["meta"]["version"].as_str().unwrap(),
    );
    let known = scim
        .send("GET", &path, "", &[("if-none-match", seen)])
        .await?;
    assert_eq!(known.status, 304);
    // An administrator changes her by another door.
    host.host()
        .parts
        .desk
        .answer(Request::UserLock {
            name: "alice".into(),
        })
        .await?;
    let body = patch(json!([{ "op": "add", "path": "title", "value": "x" }])).to_string();
    for method in ["PATCH", "PUT", "DELETE"] {
        let body = if method == "DELETE" { "" } else { &body };
        let answer = scim
            .send(method, &path, body, &[("if-match", seen)])
            .await?;
        assert_eq!(refusal(&answer).0, 412, "{method}");
    }
    let now = scim.get(&path).await?;
    let fresh = now.header("etag").context("no etag")?.to_owned();
    let answer = scim
        .send("PATCH", &path, &body, &[("if-match", &fresh)])
        .await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(())
}

/// B-07, E-04
#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_what_its_scopes_allow_and_no_more() -> Result<()> {
    let host = host().await?;
    let all = client(&host, "all", &ALL).await?;
    let reader = client(&host, "reader", &[Scope::ScimRead]).await?;
    let writer = client(&host, "writer", &[Scope::ScimRead, Scope::ScimWrite]).await?;
    let codes = client(&host, "codes", &[Scope::Challenges]).await?;
    let mut body = person("alice");
    body["phoneNumbers"] = json!([{ "value": ALICE, "type": "mobile" }]);
    let alice = made(&all, USERS, &body).await?;
    let path = at(USERS, &alice);
    let phone = patch(json!([
        { "op": "replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": BOB }
    ]));

    assert_eq!(reader.get(&path).await?.status, 200);
    for answer in [
        reader.post(USERS, &person("eve")).await?,
        reader.patch(&path, &phone).await?,
        reader.delete(&path).await?,
        writer.patch(&path, &phone).await?,
        writer
            .patch(
                &path,
                &patch(json!([{ "op": "remove", "path": "phoneNumbers" }])),
            )
            .await?,
        writer
            .post(USERS, &{
                let mut body = person("eve");
                body["phoneNumbers"] = json!([{ "value": BOB, "type": "mobile" }]);
                body
            })
            .await?,
        codes.get(&path).await?,
        // Made anew, she would enrol whatever number comes first.
        writer.delete(&path).await?,
    ] {
        assert_eq!(refusal(&answer).0, 403, "{}", answer.text());
    }
    let nobody = made(&writer, USERS, &person("nobody")).await?;
    assert_eq!(writer.delete(&at(USERS, &nobody)).await?.status, 204);
    // A whole resource of a client that may not see to the number leaves it alone.
    assert_eq!(writer.put(&path, &person("alice")).await?.status, 200);
    let now = all.get(&path).await?.json()?;
    assert_eq!(now["phoneNumbers"][0]["value"], ALICE);
    // And a client that looks after users asks for no codes.
    let token = host.api_with("hr2", &ALL).await?;
    let answer = token
        .post("/api/v1/challenges", &json!({ "user": "alice" }))
        .await?;
    assert_eq!(answer.status, 403, "{}", answer.text());

    // With the scope the number moves, and a code on its way to the old one is dead.
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    assert_eq!(all.patch(&path, &phone).await?.status, 200);
    let page = browser.enter_code(&page, &code).await?;
    assert!(
        !page.text().contains("alice of the house"),
        "{}",
        page.text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_credentials_open_nothing() -> Result<()> {
    let host = host().await?;
    let (address, origin) = (host.host().public, host.origin());
    let token = host.api_with("hr", &ALL).await?.token;
    host.api_with("other", &ALL).await?;
    let good = Scim::basic(address, &origin, "hr", &token);
    assert_eq!(good.get(USERS).await?.status, 200);
    for bad in [
        Scim::bearer(address, &origin, "postern_0123456789"),
        Scim::bearer(address, &origin, ""),
        Scim::basic(address, &origin, "other", &token),
        Scim::basic(address, &origin, "", &token),
        Scim::basic(address, &origin, "hr", ""),
    ] {
        for path in [USERS, "/scim/v2/Nothing", "/wso2/scim/Users"] {
            let answer = bad.get(path).await?;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.header("www-authenticate").is_some());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_administers_is_no_clients_to_change() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;
    host.add_user("root", PASSWORD, ALICE).await?;
    host.host()
        .parts
        .desk
        .administration
        .admin_appoint(
            &Actor::command_line("test"),
            &TenantId::super_tenant(),
            "root",
            Role::Administrator,
        )
        .await?;
    let found = scim
        .get(&format!("{USERS}?filter=userName%20eq%20%22root%22"))
        .await?
        .json()?;
    let path = at(USERS, &found["Resources"][0]);
    let takeover = patch(json!([{ "op": "replace", "value": { "password": "another password" } }]));
    assert_eq!(refusal(&scim.patch(&path, &takeover).await?).0, 403);
    let renamed = patch(json!([{ "op": "replace", "path": "externalId", "value": "mine" }]));
    assert_eq!(refusal(&scim.patch(&path, &renamed).await?).0, 403);
    assert_eq!(refusal(&scim.delete(&path).await?).0, 403);
    assert!(sign_in(&host, "root", PASSWORD).await?);
    Ok(())
}

/// An account that is deleted by another door than ours leaves its role and its backup codes.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_gets_a_name_gets_nothing_of_whoever_had_it() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;
    let tenant = TenantId::super_tenant();
    let accounts = &host.host().parts.stores.accounts;
    for name in ["root", "dave"] {
        host.add_user(name, PASSWORD, ALICE).await?;
        host.backup_codes(name).await?;
    }
    let acts = &host.host().parts.desk.administration;
    let actor = Actor::command_line("test");
    acts.admin_appoint(&actor, &tenant, "root", Role::Administrator)
        .await?;
    for name in ["root", "dave"] {
        assert!(accounts.delete(&tenant, name).await?);
    }
    for name in ["root", "ROOT", "PRIMARY/root"] {
        let made = host.add_user(name, PASSWORD, BOB).await;
        assert!(made.is_err(), "{name}");
    }
    let answer = scim.post(USERS, &person("root")).await?;
    assert_eq!(refusal(&answer).0, 403, "{}", answer.text());
    host.add_user("dave", PASSWORD, BOB).await?;
    assert_eq!(shown(&host, "dave").await?.backup_codes_left, 0);
    Ok(())
}
