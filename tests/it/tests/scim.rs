//! Users and groups as other systems look after them, and peers that are told of ours.

use crate::{ALICE, BOB, PASSWORD};
use postern_admin::{Actor, Role};
use postern_kit::anyhow::{Context, Result};
use postern_kit::http::Answer;
use postern_kit::ports::free_port;
use postern_kit::{Installation, Provider, Scim, TestHost};
use postern_login::TenantId;
use postern_login::ports::Scope;
use postern_server::desk::{Reply, Request};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const CAROL: &str = "+12025550152";

const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ALL: [Scope; 3] = [Scope::ScimRead, Scope::ScimWrite, Scope::ScimPhone];

async fn host() -> Result<TestHost> {
    TestHost::builder().provider(Provider::Outbox).start().await
}

async fn client(host: &TestHost, name: &str, scopes: &[Scope]) -> Result<Scim> {
    let token = host.api_with(name, scopes).await?.token;
    Ok(Scim::bearer(host.host().public, &host.origin(), &token))
}

fn person(name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": name,
        "displayName": format!("{name} of the house"),
        "name": { "givenName": name, "familyName": "House" },
        "emails": [{ "value": format!("{name}@example.com"), "type": "work", "primary": true }],
        "password": PASSWORD,
        "externalId": format!("ext-{name}"),
    })
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": [PATCH], "Operations": operations })
}

/// Status and `scimType` of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let body = answer.json().unwrap();
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
        "{body}"
    );
    assert_eq!(body["status"], answer.status.as_u16().to_string());
    let kind = body["scimType"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), kind)
}

async fn made(scim: &Scim, path: &str, body: &Value) -> Result<Value> {
    let answer = scim.post(path, body).await?;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn at(path: &str, resource: &Value) -> String {
    format!("{path}/{}", resource["id"].as_str().unwrap())
}

async fn sign_in(host: &TestHost, name: &str, password: &str) -> Result<bool> {
    let mut browser = host.browser();
    let page = browser.sign_in(name, password).await?;
    Ok(page.asks_for_code())
}

// ---------------------------------------------------------------- users

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

/// The same questions to a store that translates them into SQL and to one that looks at everybody.
#[tokio::test(flavor = "multi_thread")]
async fn filters_find_the_same_in_every_store() -> Result<()> {
    for durable in [false, true] {
        let mut builder = TestHost::builder().provider(Provider::Outbox);
        if durable {
            builder = builder.durable();
        }
        let host = builder.start().await?;
        let scim = client(&host, "hr", &ALL).await?;
        for name in ["alice", "Bob", "carol", "o'brien", "50%_off"] {
            let mut body = person(name);
            if name == "Bob" {
                body["active"] = json!(false);
                body["title"] = json!("Boss");
                body["emails"] = json!([
                    { "value": "bob@home.example", "type": "home" },
                    { "value": "Bob@Work.example", "type": "work", "primary": true },
                ]);
            }
            if name == "alice" {
                body["phoneNumbers"] = json!([
                    { "value": ALICE, "type": "mobile" },
                    { "value": "+12025550199", "type": "home" },
                ]);
            }
            made(&scim, USERS, &body).await?;
        }
        let all = ["50%_off", "alice", "bob", "carol", "o'brien"];
        let but = |gone: &[&str]| -> Vec<&str> {
            all.into_iter()
                .filter(|name| !gone.contains(name))
                .collect()
        };
        for (filter, expected) in [
            (r#"userName eq "bob""#, vec!["bob"]),
            (r#"userName ne "bob""#, but(&["bob"])),
            (r#"userName sw "a""#, vec!["alice"]),
            (
                r#"userName co "O""#,
                vec!["50%_off", "bob", "carol", "o'brien"],
            ),
            (r#"userName ew "l""#, vec!["carol"]),
            (r#"userName eq "o'brien""#, vec!["o'brien"]),
            (r#"userName co "%""#, vec!["50%_off"]),
            (r#"userName co "_""#, vec!["50%_off"]),
            (r#"userName eq "x' OR '1'='1""#, vec![]),
            (r#"userName gt "b" and userName lt "c""#, vec!["bob"]),
            (r#"title eq "boss""#, vec!["bob"]),
            (r#"title ne "boss""#, but(&["bob"])),
            ("title pr", vec!["bob"]),
            ("not (title pr)", but(&["bob"])),
            ("title eq null", but(&["bob"])),
            ("active eq false", vec!["bob"]),
            ("active eq true", but(&["bob"])),
            (r#"emails.value ew "@work.example""#, vec!["bob"]),
            (r#"emails eq "bob@home.example""#, vec!["bob"]),
            (r#"emails[type eq "home" and value co "home"]"#, vec!["bob"]),
            (r#"emails[type eq "home" and value co "work"]"#, vec![]),
            (r#"phoneNumbers.value eq "+12025550142""#, vec!["alice"]),
            (r#"phoneNumbers.value eq "+12025550199""#, vec!["alice"]),
            (r#"phoneNumbers[type eq "mobile"]"#, vec!["alice"]),
            ("phoneNumbers pr", vec!["alice"]),
            (r#"externalId eq "ext-carol""#, vec!["carol"]),
            (r#"externalId eq "EXT-carol""#, vec![]),
            (
                r#"name.givenName eq "CAROL" or title pr"#,
                vec!["bob", "carol"],
            ),
            (r#"meta.created gt "2020-01-01T00:00:00Z""#, all.to_vec()),
            (r#"meta.lastModified lt "2020-01-01T00:00:00Z""#, vec![]),
            (r#"displayName co "OF THE""#, all.to_vec()),
        ] {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                "filter": filter,
                "attributes": ["userName"],
            });
            let answer = scim.post(&format!("{USERS}/.search"), &body).await?;
            assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
            let found = answer.json()?;
            let mut names: Vec<String> = found["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["userName"].as_str().unwrap().to_lowercase())
                .collect();
            names.sort();
            assert_eq!(names, expected, "{filter} (durable: {durable})");
            assert_eq!(found["totalResults"], expected.len());
        }

        // Pages: what is told is what is done (Q-06).
        let page = async |query: &str| -> Result<(u64, u64, usize)> {
            let found = scim.get(&format!("{USERS}?{query}")).await?.json()?;
            Ok((
                found["totalResults"].as_u64().unwrap(),
                found["startIndex"].as_u64().unwrap(),
                found["Resources"].as_array().unwrap().len(),
            ))
        };
        assert_eq!(page("count=2").await?, (5, 1, 2));
        assert_eq!(page("startIndex=5&count=1000000000").await?, (5, 5, 1));
        assert_eq!(page("startIndex=-7&count=0").await?, (5, 1, 0));
        assert_eq!(page("startIndex=99999999999999999999").await?.2, 0);
        assert_eq!(page("count=-1").await?.2, 0);
    }
    Ok(())
}

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

// ---------------------------------------------------------------- groups, and SCIM 1.1

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_members_who_know_of_it() -> Result<()> {
    for durable in [false, true] {
        let mut builder = TestHost::builder().provider(Provider::Outbox);
        if durable {
            builder = builder.durable();
        }
        let host = builder.start().await?;
        let scim = client(&host, "hr", &ALL).await?;
        let alice = made(&scim, USERS, &person("alice")).await?;
        let bob = made(&scim, USERS, &person("bob")).await?;
        let body = json!({
            "schemas": [GROUP], "displayName": "Staff",
            "members": [{ "value": alice["id"] }],
        });
        let staff = made(&scim, GROUPS, &body).await?;
        assert_eq!(staff["members"][0]["value"], alice["id"]);
        let path = at(GROUPS, &staff);
        let twice = scim
            .post(GROUPS, &json!({ "displayName": "STAFF" }))
            .await?;
        assert_eq!(refusal(&twice), (409, "uniqueness".into()));
        let nobody = json!({ "displayName": "Ghosts", "members": [{ "value": "nobody" }] });
        assert_eq!(
            refusal(&scim.post(GROUPS, &nobody).await?),
            (400, "invalidValue".into())
        );

        let join =
            patch(json!([{ "op": "add", "path": "members", "value": [{ "value": bob["id"] }] }]));
        let answer = scim.patch(&path, &join).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()?["members"].as_array().unwrap().len(), 2);
        let shown = scim.get(&at(USERS, &bob)).await?.json()?;
        assert_eq!(shown["groups"][0]["value"], staff["id"]);
        assert_eq!(shown["groups"][0]["display"], "Staff");
        let filter = format!("groups.value eq {}", staff["id"]);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": filter,
        });
        let found = scim
            .post(&format!("{USERS}/.search"), &body)
            .await?
            .json()?;
        assert_eq!(found["totalResults"], 2, "{found}");
        let found = scim
            .get(&format!(
                "{GROUPS}?filter=displayName%20eq%20%22staff%22&excludedAttributes=members"
            ))
            .await?
            .json()?;
        assert_eq!(found["totalResults"], 1, "{found}");
        assert!(found["Resources"][0].get("members").is_none(), "{found}");

        // Whoever is deleted is in no group; whoever gets the name neither.
        assert_eq!(scim.delete(&at(USERS, &bob)).await?.status, 204);
        let left = scim.get(&path).await?.json()?;
        assert_eq!(left["members"].as_array().unwrap().len(), 1, "{left}");
        made(&scim, USERS, &person("bob")).await?;
        let left = scim.get(&path).await?.json()?;
        assert_eq!(left["members"].as_array().unwrap().len(), 1, "{left}");
        assert_eq!(scim.delete(&path).await?.status, 204);
        let shown = scim.get(&at(USERS, &alice)).await?.json()?;
        assert!(shown.get("groups").is_none(), "{shown}");
    }
    Ok(())
}

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

// ---------------------------------------------------------------- two Posterns

/// The seed: whoever is added on one is listed on the other, the same password works there, and both
/// logs say so.
#[tokio::test(flavor = "multi_thread")]
async fn two_posterns_provision_each_other_as_the_older_product_does() -> Result<()> {
    let senders = "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\ndefault_region = \"US\"\n";
    let external = Installation::lay_out(
        &["fake"],
        &format!("{senders}\n[scim]\nuser_store = \"PRIMARY\"\n"),
    )?;
    let scopes = ["scim:read", "scim:write", "scim:phone"];
    let mut add = vec!["client", "add", "internal"];
    for scope in &scopes {
        add.extend(["--scope", scope]);
    }
    let token = external.postern(&add, "")?.trim().to_owned();
    let internal = Installation::lay_out(
        &["fake"],
        &format!(
            "{senders}\n[provisioning.external]\nversion = \"1.1\"\nuser_endpoint = \"{}/wso2/scim/Users\"\nusername = \"internal\"\npassword = \"{token}\"\nuser_store_domain = \"WSO2\"\nallow_private_networks = true\n",
            external.origin()
        ),
    )?;
    let outside = external.serve().await?;
    let inside = internal.serve().await?;

    internal.add_user("alice", PASSWORD, ALICE)?;
    internal
        .logged("SCIM - create user operation returned with response code: 201")
        .await?;
    external
        .logged("User: PRIMARY/alice is created through SCIM.")
        .await?;
    let listed = external.postern(&["user", "list", "--json"], "")?;
    assert!(listed.contains("\"alice\""), "{listed}");
    let mut browser = postern_kit::Browser::new(external.public, &external.origin());
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert!(page.asks_for_code(), "{}", page.text());

    // Somebody who is there already, or whose creation's answer was lost: found by the name that is told.
    external.add_user("carol", "her old password", CAROL)?;
    internal.add_user("carol", PASSWORD, CAROL)?;
    external
        .logged("User: PRIMARY/carol is updated through SCIM.")
        .await?;

    // A new password, a lock, the end.
    internal.postern(&["user", "passwd", "alice"], "another password")?;
    external
        .logged("User: PRIMARY/alice is updated through SCIM.")
        .await?;
    let signs_in = async |password: &str| -> Result<bool> {
        let mut browser = postern_kit::Browser::new(external.public, &external.origin());
        Ok(browser.sign_in("alice", password).await?.asks_for_code())
    };
    assert!(signs_in("another password").await?);
    assert!(!signs_in(PASSWORD).await?);
    let next = "+12025550150";
    internal.postern(&["user", "set", "alice", "--number", next], "")?;
    eventually(async || {
        Ok(external
            .postern(&["user", "list", "--json"], "")?
            .contains(next))
    })
    .await?;
    internal.postern(&["user", "lock", "alice"], "")?;
    eventually(async || Ok(!signs_in("another password").await?)).await?;
    internal.postern(&["user", "delete", "alice"], "")?;
    external
        .logged("User: PRIMARY/alice is deleted through SCIM.")
        .await?;

    // The peer is down: the change is made here, waits with its reason, and arrives later.
    outside.kill()?;
    internal.add_user("bob", PASSWORD, BOB)?;
    internal.logged("was not provisioned").await?;
    let waits = internal.postern(&["provisioning", "list"], "")?;
    assert!(waits.contains("user bob"), "{waits}");
    assert!(waits.contains("the peer cannot be reached"), "{waits}");
    // So does what waits outlive the host that was to tell it.
    inside.kill()?;
    let _outside = external.serve().await?;
    let _inside = internal.serve().await?;
    internal.postern(&["provisioning", "retry", "external"], "")?;
    external
        .logged("User: PRIMARY/bob is created through SCIM.")
        .await?;
    eventually(async || {
        let waits = internal.postern(&["provisioning", "list", "--json"], "")?;
        let waits: Value = serde_json::from_str(&waits)?;
        Ok(waits["waiting"] == json!([]))
    })
    .await?;
    let mut browser = postern_kit::Browser::new(external.public, &external.origin());
    assert!(browser.sign_in("bob", PASSWORD).await?.asks_for_code());

    for log in [internal.log(), external.log()] {
        for secret in [PASSWORD, "another password", token.as_str(), ALICE] {
            assert!(!log.contains(secret), "{log}");
        }
    }
    Ok(())
}

/// A connector, the rule and an identity provider made on hosts that run, by the command line: in effect
/// at once, secrets never shown, and nothing goes that something refers to.
#[tokio::test(flavor = "multi_thread")]
async fn a_connector_made_on_a_running_host_tells_the_other_one() -> Result<()> {
    let senders = "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\ndefault_region = \"US\"\n";
    let external = Installation::lay_out(&["fake"], senders)?;
    let internal = Installation::lay_out(&["fake"], senders)?;
    let outside = external.serve().await?;
    let inside = internal.serve().await?;
    let mut add = vec!["client", "add", "internal"];
    for scope in ["scim:read", "scim:write", "scim:phone"] {
        add.extend(["--scope", scope]);
    }
    let token = external.postern(&add, "")?.trim().to_owned();
    // There before any connector.
    for name in ["early", "earlier"] {
        internal.add_user(name, PASSWORD, ALICE)?;
    }
    let idp = [
        "idp",
        "put",
        "corp",
        "--form",
        "oidc",
        "--value",
        "issuer=https://idp.example",
        "--value",
        "client_id=postern",
    ];
    internal.postern(&idp, "")?;
    let endpoint = format!("user_endpoint={}{USERS}", external.origin());
    let secret = format!("token={token}");
    let put = [
        "connector",
        "put",
        "external",
        "--form",
        "scim",
        "--value",
        &endpoint,
        "--value",
        &secret,
        "--value",
        "allow_private_networks=true",
        "--value",
        "user_store_domain=WSO2",
        "--value",
        "identity_provider=corp",
    ];
    internal.postern(&put, "")?;
    let shown = internal.postern(&["connector", "show", "external"], "")?;
    assert!(
        shown.contains("\"token\"") && !shown.contains(&token),
        "{shown}"
    );

    // No rule there yet: another prefix is refused, and the user waits.
    internal.add_user("alice", PASSWORD, ALICE)?;
    internal.logged("was not provisioned").await?;
    let rule = [
        "inbound",
        "put",
        "resident",
        "--form",
        "scim",
        "--value",
        "user_store=HR",
    ];
    let refused = external.postern(&rule, "").unwrap_err().to_string();
    assert!(refused.contains("there is no user store `HR`"), "{refused}");
    let rule = [
        "inbound",
        "put",
        "resident",
        "--form",
        "scim",
        "--value",
        "user_store=PRIMARY",
    ];
    external.postern(&rule, "")?;
    let resident = external.postern(&["resident", "show", "--json"], "")?;
    let resident: Value = serde_json::from_str(&resident)?;
    assert_eq!(resident["scim"]["user_store"], "PRIMARY", "{resident}");
    assert_eq!(
        resident["saml"]["certificates"][0]["fingerprint"]
            .as_str()
            .map(str::len),
        Some(64)
    );
    assert!(
        resident["saml"]["certificates"][0]["not_after"].is_u64(),
        "{resident}"
    );
    internal.postern(&["provisioning", "retry", "external"], "")?;
    external
        .logged("User: PRIMARY/alice is created through SCIM.")
        .await?;
    let mut browser = postern_kit::Browser::new(external.public, &external.origin());
    assert!(browser.sign_in("alice", PASSWORD).await?.asks_for_code());

    // Everybody is told once: whom the peer knows as a change, and after a crash as well.
    outside.kill()?;
    internal.postern(&["provisioning", "push", "external"], "")?;
    let waits = async || -> Result<Value> {
        let queue = internal.postern(&["provisioning", "list", "--json"], "")?;
        Ok(serde_json::from_str(&queue)?)
    };
    eventually(async || {
        let queue = waits().await?;
        let rows = queue["waiting"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().any(|row| row["subject"] == "early"))
    })
    .await?;
    inside.kill()?;
    let _outside = external.serve().await?;
    let _inside = internal.serve().await?;
    internal.postern(&["provisioning", "retry", "external"], "")?;
    for name in ["early", "earlier"] {
        external
            .logged(&format!("User: PRIMARY/{name} is created through SCIM."))
            .await?;
    }
    // Of alice the peer knows all there is: nothing of her changes, and she is not made a second time.
    eventually(async || Ok(waits().await?["waiting"] == json!([]))).await?;
    let listed = external.postern(&["user", "list", "--json"], "")?;
    for name in ["alice", "early", "earlier"] {
        assert_eq!(
            listed.matches(&format!("\"{name}\"")).count(),
            1,
            "{listed}"
        );
    }

    // The identity provider is off: nobody is told, and nothing is lost.
    internal.postern(&["idp", "put", "corp", "--enabled", "false"], "")?;
    internal.add_user("bob", PASSWORD, BOB)?;
    let queue = waits().await?;
    assert_eq!(queue["connectors"][0]["enabled"], false, "{queue}");
    assert_eq!(queue["waiting"][0]["subject"], "bob", "{queue}");

    // Nothing goes while something refers to it; then it goes, and leaves nothing.
    let sp = [
        "sp",
        "put",
        "shop",
        "--form",
        "oidc",
        "--value",
        "first_step=corp",
        "--value",
        "oidc.client_id=shop",
        "--value",
        "oidc.public=true",
        "--value",
        "oidc.redirect_uris=https://shop.example/callback",
    ];
    internal.postern(&sp, "")?;
    let delete = ["idp", "delete", "corp"];
    let refused = internal.postern(&delete, "").unwrap_err().to_string();
    assert!(
        refused.contains(
            "service provider `shop`, connector `external` of the resident service provider"
        ),
        "{refused}"
    );
    internal.postern(&["sp", "delete", "shop"], "")?;
    assert!(
        internal.postern(&delete, "").is_err(),
        "the connector is left"
    );
    internal.postern(&["connector", "delete", "external"], "")?;
    let queue = waits().await?;
    assert_eq!(
        (&queue["connectors"], &queue["waiting"]),
        (&json!([]), &json!([])),
        "what waited for it went with it"
    );
    internal.postern(&delete, "")?;
    let left = internal.postern(&["idp", "list", "--json"], "")?;
    assert!(!left.contains("corp"), "{left}");
    // And may be made again at once.
    internal.postern(&idp, "")?;
    external.postern(&["inbound", "delete", "resident"], "")?;
    for log in [internal.log(), external.log()] {
        assert!(!log.contains(&token), "{log}");
    }
    Ok(())
}

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

/// Everybody there is, a page at a time, in every store and each once.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_gone_through_in_pages() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;
    let names = ["alice", "bob", "carol", "dave", "erin"];
    for name in names {
        let mut body = person(name);
        body["password"].take();
        made(&scim, USERS, &body).await?;
    }
    let people = &host.host().parts.stores.people;
    for rows in [1, 2, 5, 9] {
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = people
                .accounts("carbon.super", after.as_deref(), rows)
                .await?;
            assert!(page.len() <= rows);
            after = page.last().cloned();
            seen.extend(page);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, names, "{rows}");
    }
    Ok(())
}

async fn eventually(mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds().await? {
        postern_kit::anyhow::ensure!(began.elapsed() < Duration::from_secs(30), "it never does");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What waits, of a host in this process.
async fn queue(host: &TestHost) -> Result<postern_admin::provisioning::Queue> {
    let request = Request::ProvisioningList { after: 0 };
    match host.host().parts.desk.answer(request).await? {
        Reply::Queue(queue) => Ok(queue),
        other => panic!("expected the queue, got {other:?}"),
    }
}

fn connector(origin: &str, token: &str, more: &str) -> String {
    format!(
        "[provisioning.peer]\nuser_endpoint = \"{origin}{USERS}\"\ngroup_endpoint = \"{origin}{GROUPS}\"\ntoken = \"{token}\"\nallow_private_networks = true\n{more}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_peer_that_does_not_take_a_user_stops_the_creation() -> Result<()> {
    let nobody = free_port()?;
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&connector(
            &format!("http://127.0.0.1:{nobody}"),
            "token",
            "blocking = true",
        ))
        .start()
        .await?;
    let refused = host.add_user("alice", PASSWORD, ALICE).await.unwrap_err();
    assert!(
        refused.to_string().contains("a peer that must agree"),
        "{refused}"
    );
    let Reply::Users(users) = host
        .host()
        .parts
        .desk
        .answer(Request::UserList { from: None })
        .await?
    else {
        panic!("expected users");
    };
    assert!(users.is_empty(), "{users:?}");
    assert_eq!(queue(&host).await?.waiting, []);
    Ok(())
}

/// A peer that does as it is told: takes, refuses, or answers late.
#[derive(Clone)]
struct Scripted(std::sync::Arc<Script>);

struct Script {
    origin: String,
    mood: tokio::sync::watch::Sender<Mood>,
    /// Id and name.
    users: std::sync::Mutex<Vec<(String, Value)>>,
    asked: std::sync::Mutex<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Refuses,
    /// What it is asked to make it makes, but only once it takes again.
    Stalls,
}

impl Scripted {
    async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let peer = Self(std::sync::Arc::new(Script {
            origin: format!("http://{}", listener.local_addr()?),
            mood: tokio::sync::watch::Sender::new(Mood::Takes),
            users: Default::default(),
            asked: Default::default(),
        }));
        let serving = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = serving.clone();
                tokio::spawn(async move {
                    let _ = peer.serve(stream).await;
                });
            }
        });
        Ok(peer)
    }

    fn section(&self, name: &str, more: &str) -> String {
        let origin = &self.0.origin;
        format!(
            "[provisioning.{name}]\nuser_endpoint = \"{origin}/Users\"\ntoken = \"t\"\nallow_private_networks = true\n{more}\n"
        )
    }

    fn is(&self, mood: Mood) {
        self.0.mood.send_replace(mood);
    }

    fn names(&self) -> Vec<Value> {
        let users = self.0.users.lock().unwrap();
        users.iter().map(|(_, name)| name.clone()).collect()
    }

    fn was_asked_to(&self, method: &str) -> usize {
        let asked = self.0.asked.lock().unwrap();
        asked.iter().filter(|known| *known == method).count()
    }

    async fn serve(&self, mut stream: tokio::net::TcpStream) -> Result<()> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut text = Vec::new();
        let head = loop {
            let mut more = [0; 4096];
            let count = stream.read(&mut more).await?;
            postern_kit::anyhow::ensure!(count > 0, "it hung up");
            text.extend_from_slice(&more[..count]);
            if let Some(at) = text.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(text[..at].to_vec())?;
            }
        };
        let length: usize = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(Ok(0), |(_, length)| length.trim().parse())?;
        let mut body = text.split_off(head.len() + 4);
        while body.len() < length {
            let mut more = [0; 4096];
            let count = stream.read(&mut more).await?;
            postern_kit::anyhow::ensure!(count > 0, "it hung up");
            body.extend_from_slice(&more[..count]);
        }
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        self.0.asked.lock().unwrap().push(method.clone());
        let (status, body) = self.answer(&method, &path, &body).await?;
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/scim+json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(stream.write_all(answer.as_bytes()).await?)
    }

    async fn answer(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Value)> {
        if method == "GET" {
            let users = self.0.users.lock().unwrap();
            let all: Vec<Value> = users
                .iter()
                .map(|(id, name)| json!({ "id": id, "userName": name }))
                .collect();
            return Ok((200, json!({ "Resources": all })));
        }
        let mut mood = self.0.mood.subscribe();
        if *mood.borrow() == Mood::Refuses {
            return Ok((400, json!({})));
        }
        let _ = mood.wait_for(|mood| *mood != Mood::Stalls).await?;
        let mut users = self.0.users.lock().unwrap();
        let known = users.iter().position(|(id, _)| path.ends_with(id.as_str()));
        Ok(match (method, known) {
            ("POST", _) => {
                let user: Value = serde_json::from_slice(body)?;
                if users.iter().any(|(_, name)| *name == user["userName"]) {
                    return Ok((409, json!({})));
                }
                let id = format!("r{}", self.0.asked.lock().unwrap().len());
                users.push((id.clone(), user["userName"].clone()));
                (201, json!({ "id": id }))
            }
            (_, None) => (404, json!({})),
            ("DELETE", Some(at)) => {
                users.remove(at);
                (200, json!({}))
            }
            (_, Some(_)) => (200, json!({})),
        })
    }
}

async fn shown(host: &TestHost, name: &str) -> Result<postern_admin::users::UserView> {
    let acts = &host.host().parts.desk.administration;
    let (actor, tenant) = (Actor::command_line("test"), TenantId::super_tenant());
    Ok(acts.user_show(&actor, &tenant, name).await?)
}

/// Else whoever runs the peer keeps a locked account's sessions open, and its old codes alive.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_blocking_peer_says_to_a_change_stops_nothing_of_what_follows_it() -> Result<()> {
    let peer = Scripted::start().await?;
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&peer.section("peer", "blocking = true"))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    assert_eq!(peer.names(), ["alice"]);
    host.backup_codes("alice").await?;
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    browser.enter_code(&page, &code).await?;
    assert_eq!(shown(&host, "alice").await?.sessions.len(), 1);
    let mut waits = host.browser();
    let page = waits.sign_in("alice", PASSWORD).await?;
    let old = host.phone(ALICE).next_code().await?;

    peer.is(Mood::Refuses);
    let number = postern_server::desk::Change {
        number: Some(Some(BOB.to_owned())),
        ..Default::default()
    };
    host.change_user("alice", number).await?;
    waits.enter_code(&page, &old).await?;
    let after = shown(&host, "alice").await?;
    assert_eq!(after.sessions.len(), 1, "a code to the old number is dead");
    let name = || "alice".to_owned();
    let desk = &host.host().parts.desk;
    desk.answer(Request::UserLock { name: name() }).await?;
    assert_eq!(shown(&host, "alice").await?.sessions.len(), 0);
    assert!(
        !queue(&host).await?.waiting.is_empty(),
        "the peer is not told yet"
    );
    desk.answer(Request::UserDelete { name: name() }).await?;

    // Who has the name next is told to the peer after the end of the one before, and has nothing of
    // theirs.
    peer.is(Mood::Takes);
    host.add_user("alice", PASSWORD, ALICE).await?;
    assert_eq!(shown(&host, "alice").await?.backup_codes_left, 0);
    // Once while it refused, perhaps, and once when it took it.
    assert!(peer.was_asked_to("DELETE") >= 1);
    assert_eq!(peer.names(), ["alice"]);
    assert_eq!(queue(&host).await?.waiting, []);
    Ok(())
}

/// One peer took the user, the next one did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_undone_leaves_no_account_at_a_peer_that_took_it() -> Result<()> {
    let (takes, refuses, theirs) = (
        Scripted::start().await?,
        Scripted::start().await?,
        Scripted::start().await?,
    );
    refuses.is(Mood::Refuses);
    // Somebody of that name who has nothing to do with us.
    theirs.is(Mood::Refuses);
    theirs
        .0
        .users
        .lock()
        .unwrap()
        .push(("own".into(), json!("alice")));
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&takes.section("a", "blocking = true"))
        .config(&refuses.section("b", "blocking = true"))
        .start()
        .await?;
    let refused = host.add_user("alice", PASSWORD, ALICE).await.unwrap_err();
    assert!(
        refused.to_string().contains("a peer that must agree"),
        "{refused}"
    );
    assert!(host.number_of("alice").await.is_err(), "nobody is made");
    assert!(takes.was_asked_to("POST") >= 1);
    eventually(async || Ok(takes.names().is_empty())).await?;
    eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await?;
    assert_eq!(refuses.was_asked_to("DELETE"), 0);

    // And a peer that refuses loses nobody of its own.
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&theirs.section("c", "blocking = true"))
        .start()
        .await?;
    assert!(host.add_user("alice", PASSWORD, ALICE).await.is_err());
    theirs.is(Mood::Takes);
    assert_eq!(queue(&host).await?.waiting, []);
    assert_eq!(theirs.names(), ["alice"]);
    Ok(())
}

/// The peer answers after whoever made the user has gone, and makes it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_a_user_too_late_is_told_that_it_is_gone() -> Result<()> {
    let peer = Scripted::start().await?;
    peer.is(Mood::Stalls);
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&peer.section("peer", "blocking = true"))
        .start()
        .await?;
    let refused = host.add_user("alice", PASSWORD, ALICE).await.unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
    assert!(host.number_of("alice").await.is_err(), "nobody is made");
    peer.is(Mood::Takes);
    eventually(async || Ok(!peer.names().is_empty())).await?;
    let waiting = queue(&host).await?.waiting;
    assert!(
        waiting
            .last()
            .is_some_and(|row| row.gone && row.subject == "alice"),
        "{waiting:?}"
    );
    let retry = Request::ProvisioningRetry {
        connector: "peer".into(),
        number: None,
    };
    host.host().parts.desk.answer(retry).await?;
    eventually(async || Ok(peer.names().is_empty())).await?;
    eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await?;
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

// ---------------------------------------------------------------- judges that are not ours

fn program(name: &str) -> Result<Command> {
    let path = postern_kit::paths::target()?
        .join("peers/scim/venv/bin")
        .join(name);
    postern_kit::anyhow::ensure!(
        path.is_file(),
        "`{}` is missing: `cargo xtask test` installs it",
        path.display()
    );
    Ok(Command::new(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_tester_finds_no_fault() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .durable()
        .start()
        .await?;
    let token = host.api_with("tester", &ALL).await?.token;
    let mut tester = program("scim2")?;
    tester
        .args(["-u", &format!("{}/scim/v2", host.origin())])
        .args(["-h", &format!("Authorization: Bearer {token}")])
        .arg("test");
    let output = tokio::task::spawn_blocking(move || tester.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("SUCCESS"), "it tested nothing: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn scim_sanity_finds_no_fault() -> Result<()> {
    let host = host().await?;
    let token = host.api_with("tester", &ALL).await?.token;
    let mut tester = program("scim-sanity")?;
    tester
        .args(["probe", &format!("{}/scim/v2", host.origin())])
        .args([
            "--token",
            &token,
            "--i-accept-side-effects",
            "--json-output",
        ]);
    let output = tokio::task::spawn_blocking(move || tester.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A server of another ecosystem hears of our users.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ours_is_told_of_users_and_groups() -> Result<()> {
    let port = free_port()?;
    let mut server = program("scim2-server")?;
    server
        .args(["--hostname", "127.0.0.1", "--port", &port.to_string()])
        .args(["--bearer-token", "tok"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let _server = Ended(server.spawn()?);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    eventually(async || Ok(tokio::net::TcpStream::connect(address).await.is_ok())).await?;
    let origin = format!("http://127.0.0.1:{port}");
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&format!(
            "[provisioning.other]\nuser_endpoint = \"{origin}/v2/Users\"\ngroup_endpoint = \"{origin}/v2/Groups\"\ntoken = \"tok\"\nallow_private_networks = true\n"
        ))
        .start()
        .await?;
    let there = Scim::bearer(address, &origin, "tok");
    let here = client(&host, "hr", &ALL).await?;
    let mut body = person("alice");
    body["phoneNumbers"] = json!([{ "value": ALICE, "type": "mobile" }]);
    let alice = made(&here, USERS, &body).await?;
    let told = async || -> Result<()> {
        let done = eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await;
        done.with_context(|| "something waits")
    };
    told().await.map_err(|error| error.context("creating"))?;
    let found = there.get("/v2/Users").await?.json()?;
    let copy = &found["Resources"][0];
    assert_eq!(copy["userName"], "alice", "{found}");
    assert_eq!(copy["externalId"], alice["id"], "{found}");
    assert_eq!(copy["phoneNumbers"][0]["value"], ALICE, "{found}");

    let change = patch(json!([
        { "op": "replace", "value": { "title": "Queen", "active": false } },
        { "op": "remove", "path": "phoneNumbers" },
    ]));
    assert_eq!(here.patch(&at(USERS, &alice), &change).await?.status, 200);
    let group = json!({ "displayName": "Staff", "members": [{ "value": alice["id"] }] });
    let staff = made(&here, GROUPS, &group).await?;
    told().await?;
    let found = there.get("/v2/Users").await?.json()?;
    let copy = found["Resources"][0].clone();
    assert_eq!(
        (&copy["title"], &copy["active"]),
        (&json!("Queen"), &json!(false)),
        "{found}"
    );
    assert!(
        copy.get("phoneNumbers")
            .is_none_or(|list| list == &json!([])),
        "{found}"
    );
    let groups = there.get("/v2/Groups").await?.json()?;
    assert_eq!(
        groups["Resources"][0]["members"][0]["value"], copy["id"],
        "{groups}"
    );

    let untitled = patch(json!([{ "op": "remove", "path": "title" }]));
    assert_eq!(here.patch(&at(USERS, &alice), &untitled).await?.status, 200);
    told().await?;
    let found = there.get("/v2/Users").await?.json()?;
    let title = found["Resources"][0].get("title");
    assert!(title.is_none_or(Value::is_null), "{found}");

    assert_eq!(here.delete(&at(GROUPS, &staff)).await?.status, 204);
    assert_eq!(here.delete(&at(USERS, &alice)).await?.status, 204);
    told().await?;
    for path in ["/v2/Users", "/v2/Groups"] {
        let found = there.get(path).await?.json()?;
        assert_eq!(found["totalResults"], 0, "{found}");
    }
    Ok(())
}

/// A program that ends with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
