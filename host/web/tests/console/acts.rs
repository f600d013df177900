//! What an administrator does, and what is refused.

use crate::ACTS;
use crate::world::{PASSWORD, World};
use http::{Request, StatusCode, header};
use postern_admin::{Role, act};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn every_act_is_in_the_log_with_who_and_from_where() {
    let world = World::new().await;
    world.appoint("bob", Role::Administrator).await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for (path, fields) in ACTS {
        let answer = browser.post(path, fields).await;
        assert!(
            answer.status == StatusCode::SEE_OTHER || answer.status == StatusCode::OK,
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    let acts = world.acts().await;
    for wanted in [
        ("user add", "erin"),
        ("user set", "bob"),
        ("user passwd", "bob"),
        ("user lock", "bob"),
        ("user unlock", "bob"),
        ("user unlock-all", ""),
        ("user backup-codes", "bob"),
        ("user end-sessions", "bob"),
        ("user delete", "carol"),
        ("idp put", "corp"),
        ("sp put", "till"),
        ("sp delete", "till"),
        ("claim put", "partner"),
        ("connector put", "other"),
        ("inbound put", "resident"),
        ("idp delete", "corp"),
        ("claim delete", "partner"),
        ("connector delete", "other"),
        ("inbound delete", "resident"),
        ("provisioning push", "peer"),
        ("provisioning retry", "peer"),
        ("provisioning drop", "1"),
        ("client add", "billing"),
        ("client revoke", "shop"),
        ("audit prune", ""),
        ("plugin rescan", ""),
        ("plugin roll-back", "acme"),
        ("sender test", "bench"),
        ("admin invite", "erin"),
        ("admin role", "bob"),
        ("admin remove", "bob"),
    ] {
        let wanted = (wanted.0.to_owned(), wanted.1.to_owned());
        assert!(acts.contains(&wanted), "{wanted:?} in {acts:?}");
    }
    // An act that is missing in `ACTS` is tried by none of the tests that go through them.
    let of_no_page = [act::OUTBOX_LIST, act::OUTBOX_ANSWER, act::OUTBOX_CLEAR];
    let changing = act::ALL
        .into_iter()
        .filter(|one| one.needs != act::Needs::Reading && !of_no_page.contains(one));
    for one in changing {
        let done = acts.iter().any(|(name, _)| name == one.name);
        assert!(done, "{} in {acts:?}", one.name);
    }
    let rows = world.store.audit(0, 1000).await.unwrap();
    let text = serde_json::to_string(&rows).unwrap();
    for secret in ["s3cr3t", "long enough", "+94771234599", "94771234599"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let row = rows
        .iter()
        .find(|(_, event)| postern_admin::audit::names(event).1.as_deref() == Some("user add"))
        .unwrap();
    assert_eq!(row.1.who.as_deref(), Some("alice"));
    assert_eq!(row.1.address.as_deref(), Some("198.51.100.7"));

    let page = browser.get("/console/audit?who=erin").await;
    assert!(page.body.contains("user add"), "{}", page.body);
    assert!(
        !page.body.contains("user lock"),
        "only what was done to erin"
    );
    let page = browser.get("/console/audit?event=user+lock").await;
    assert!(page.body.contains("user lock") && !page.body.contains("user unlock"));
    let page = browser.get("/console/audit?since=never").await;
    assert!(page.body.contains("Since is no time"), "{}", page.body);

    let export = browser.get("/console/audit/export").await;
    assert_eq!(export.body.lines().count(), world.acts().await.len());
    for line in export.body.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["link"].as_str().unwrap().len(), 64);
    }
    let page = browser.post("/console/audit/verify", &[]).await;
    assert!(
        page.body.contains("all as they were written"),
        "{}",
        page.body
    );
}

/// L-05: what cannot be written down is not done.
#[tokio::test]
async fn an_act_that_cannot_be_written_down_is_not_done() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    world.log_full.store(true, Ordering::SeqCst);
    let sent = world.phone.count();
    for (path, fields) in ACTS {
        let answer = browser.post(path, fields).await;
        // What was never put there is not there to be deleted.
        let expected = match path {
            "/console/identity-providers/delete"
            | "/console/service-providers/delete"
            | "/console/claims/delete"
            | "/console/connectors/delete"
            | "/console/inbound/delete"
            | "/console/administrators/role"
            | "/console/administrators/remove" => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        assert_eq!(answer.status, expected, "{path}");
        assert!(!answer.body.contains("disk"), "{path}: no detail");
    }
    assert_eq!(world.phone.count(), sent);
    world.log_full.store(false, Ordering::SeqCst);
    let page = browser.get("/console/users/of/bob").await;
    assert!(page.body.contains("bob &#60;b&#62;") && !page.body.contains("locked"));
    assert!(world.people.number_of("carol").is_none());
    let page = browser.get("/console/users").await;
    assert!(page.body.contains("carol") && !page.body.contains("erin"));
    let mut bob = world.console();
    bob.get("/console/sign-in").await;
    let answer = bob
        .post(
            "/console/sign-in/password",
            &[("username", "bob"), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(
        answer.location(),
        "/console/sign-in",
        "the password is the old one"
    );
}

#[tokio::test]
async fn backup_codes_are_shown_once_and_sign_in() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser
        .post("/console/users/of/bob/backup-codes", &[])
        .await;
    let codes: Vec<&str> = page
        .body
        .split("<code>")
        .skip(1)
        .map(|part| part.split('<').next().unwrap())
        .collect();
    assert_eq!(codes.len(), 10, "{}", page.body);
    let mut bob = world.browser();
    bob.get("/sign-in").await;
    bob.password("bob", PASSWORD).await;
    bob.get("/sign-in").await;
    let answer = bob
        .post("/sign-in/backup-code", &[("backup_code", codes[0])])
        .await;
    assert_eq!(answer.location(), "/account");
}

#[tokio::test]
async fn refusals_say_what_is_wrong_and_change_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let form = "/console/users/new";
    for (fields, status, words) in [
        (
            vec![("name", "bob"), ("password", "long enough")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "There is a user `bob` already.",
        ),
        (
            vec![("name", "e r"), ("password", "long enough")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "is no user name",
        ),
        (
            vec![("name", "erin"), ("password", "short")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "too short",
        ),
        (
            vec![("name", "erin"), ("password", "")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "needs a password",
        ),
        (
            vec![
                ("name", "erin"),
                ("password", "long enough"),
                ("number", "call me"),
            ],
            StatusCode::UNPROCESSABLE_ENTITY,
            "cannot be used",
        ),
    ] {
        let answer = browser.post(form, &fields).await;
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
        assert!(
            !answer.body.contains("long enough"),
            "no password comes back"
        );
    }
    assert!(world.people.number_of("erin").is_none());
    for (path, fields, status, words) in [
        (
            "/console/users/of/nobody/lock",
            vec![],
            StatusCode::NOT_FOUND,
            "There is no user `nobody`.",
        ),
        (
            "/console/users/of/alice/lock",
            vec![],
            StatusCode::UNPROCESSABLE_ENTITY,
            "Nobody locks their own account",
        ),
        (
            "/console/users/of/alice/delete",
            vec![("name", "alice")],
            StatusCode::CONFLICT,
            "is used by the console, as administrator",
        ),
        (
            "/console/users/of/bob/delete",
            vec![("name", "bo")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "to delete this user",
        ),
        (
            "/console/administrators/remove",
            vec![("account", "alice")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "is the last administrator",
        ),
        (
            "/console/administrators/role",
            vec![("account", "alice"), ("role", "auditor")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "is the last administrator",
        ),
        (
            "/console/administrators/role",
            vec![("account", "alice"), ("role", "god")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "The role is missing",
        ),
        (
            "/console/plugins/roll-back",
            vec![("id", "nothing")],
            StatusCode::NOT_FOUND,
            "There is no plugin `nothing`.",
        ),
        (
            "/console/senders/test",
            vec![("sender", "nothing"), ("number", "+94771234567")],
            StatusCode::NOT_FOUND,
            "There is no sender `nothing`.",
        ),
        (
            "/console/senders/test",
            vec![("sender", "bench"), ("number", "x")],
            StatusCode::UNPROCESSABLE_ENTITY,
            "cannot be used",
        ),
    ] {
        let answer = browser.post(path, &fields).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(
            answer.body.contains(words),
            "{path}: {words}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_clients_token_is_shown_once_and_good_for_its_scopes_only() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let add = "/console/clients/add";
    let page = browser.post(add, &[("name", "till")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("may do nothing"), "{}", page.body);
    let till = [("name", "till"), ("scope.messages", "yes")];
    let page = browser.post(add, &till).await;
    assert_eq!(page.status, StatusCode::OK);
    let token = page
        .body
        .split("<code>postern_")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .map(|rest| format!("postern_{rest}"))
        .unwrap();
    let list = browser.get("/console/clients").await;
    assert!(list.body.contains("till") && !list.body.contains(&token));
    let again = browser.post(add, &till).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.body.contains("already"), "{}", again.body);

    let call = async |path: &'static str, body: &'static str| {
        let request = Request::post(path)
            .header(header::HOST, crate::world::HOST)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(axum::body::Body::from(body))
            .unwrap();
        world.ask(request).await
    };
    let message = r#"{"to":"+94771234567","text":"hello"}"#;
    let sent = call("/api/v1/messages", message).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.body);
    let refused = call("/api/v1/challenges", r#"{"user":"bob"}"#).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.body.contains("insufficient-scope"),
        "{}",
        refused.body
    );

    let revoked = browser
        .post("/console/clients/revoke", &[("name", "till")])
        .await;
    assert_eq!(revoked.location(), "/console/clients?done=revoked");
    let dead = call("/api/v1/messages", message).await;
    assert_eq!(dead.status, StatusCode::UNAUTHORIZED);
    let rows = world.store.audit(0, 1000).await.unwrap();
    let text = serde_json::to_string(&rows).unwrap();
    assert!(text.contains("scope messages") && !text.contains(&token));
}

#[tokio::test]
async fn a_user_is_made_in_the_store_that_was_chosen_and_given_a_claim() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser.get("/console/users/new").await;
    assert!(
        page.body.contains("<option value=\"CORP\">"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("PAYROLL"), "it takes no users");
    let frank = [
        ("store", "CORP"),
        ("name", "frank"),
        ("password", "long enough"),
    ];
    let added = browser.post("/console/users/new", &frank).await;
    let path = "/console/users/of/CORP%2Ffrank";
    assert_eq!(added.location(), format!("{path}?done=added"));
    let claim = [("uri", "http://wso2.org/claims/country"), ("value", "LK")];
    let set = browser.post(&format!("{path}/claim"), &claim).await;
    assert_eq!(set.location(), format!("{path}?done=claim"));
    let page = browser.get(path).await;
    assert!(
        page.body
            .contains("<dt>http://wso2.org/claims/country</dt><dd>LK</dd>"),
        "{}",
        page.body
    );
}

/// A tenant's digits are another number by another tenant's region.
#[tokio::test]
async fn a_number_is_read_by_the_region_of_the_tenant_whose_page_it_is_typed_on() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for (tenant, name, number, kept) in [
        ("a.example", "erin", "0771234567", Some("+94771234567")),
        ("b.example", "frank", "2025550142", Some("+12025550142")),
        ("b.example", "grace", "0771234567", None),
        ("broken.example", "heidi", "0771234567", None),
    ] {
        let path = format!("/t/{tenant}/console/users/new");
        browser.get(&path).await;
        let fields = [
            ("name", name),
            ("password", "long enough"),
            ("number", number),
        ];
        let answer = browser.post(&path, &fields).await;
        assert_eq!(
            world.people.number_of(name).as_deref(),
            kept,
            "{tenant}: {}",
            answer.body
        );
        let refused = answer.status == StatusCode::UNPROCESSABLE_ENTITY;
        assert_eq!(refused, kept.is_none(), "{tenant}: {}", answer.status);
    }
}

/// Which version serves in place of a refused one is on the page, as on the command line.
#[tokio::test]
async fn the_page_of_plugins_says_what_serves_instead() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Auditor).await;
    let page = browser.get("/console/plugins").await;
    let note = "Note: the last good content, version 1.0.0, serves: &#60;script&#62;";
    assert!(page.body.contains(note), "{}", page.body);
}

/// A test message shows the request with its secrets masked, and is bounded.
#[tokio::test]
async fn a_test_message_shows_the_exact_request_and_the_typed_verdict() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let fields = [("sender", "bench"), ("number", "+94771234567")];
    let page = browser.post("/console/senders/test", &fields).await;
    assert_eq!(page.status, StatusCode::OK);
    for shown in [
        "POST https://api.acme.example/send",
        "authorization: Basic [secret]",
        "auth-failed",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    for _ in 1..20 {
        browser.post("/console/senders/test", &fields).await;
    }
    let page = browser.post("/console/senders/test", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("within an hour"), "{}", page.body);
}

/// What waits for a peer is shown with its reason, and told again or given up from there.
#[tokio::test]
async fn what_waits_for_a_peer_is_on_a_page() {
    use postern_federation::Moment;
    use postern_federation::scim::outbound::Outlook;
    use postern_federation::scim::ports::{Deliveries, Failed, What};
    let world = World::new().await;
    let now = Moment(1_795_310_100_000);
    let peer = ["external".to_owned()];
    world
        .store
        .announce("carbon.super", &peer, What::User, "<b>alice", now, now)
        .await
        .unwrap();
    let words = "the peer answered 401 to the search";
    let failed = Failed {
        trouble: words.to_owned(),
        outlook: Outlook::Passes,
        ended_at: Some(now),
        due_at: now,
        given_up: true,
    };
    let waiting = world.store.waiting("carbon.super", 0, 1).await.unwrap();
    world
        .store
        .failed("carbon.super", &waiting[0], failed)
        .await
        .unwrap();
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser.get("/console/resident-service-provider").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    for shown in [
        words,
        "given up",
        "https://login.example/scim/v2",
        "https://login.example/wso2/scim/Users",
        "PRIMARY",
        "https://peer.example/Users",
        "not defined any more",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(!page.body.contains("<b>alice"), "{}", page.body);

    let number = waiting[0].seq.to_string();
    let again = [("connector", "external"), ("number", number.as_str())];
    let answer = browser.post("/console/provisioning/retry", &again).await;
    assert_eq!(
        answer.location(),
        "/console/resident-service-provider?done=retried"
    );
    let row = world.store.waiting("carbon.super", 0, 10).await.unwrap();
    assert!(!row[0].given_up && row[0].attempts == 0);
    let answer = browser
        .post("/console/provisioning/drop", &[("number", &number)])
        .await;
    assert_eq!(
        answer.location(),
        "/console/resident-service-provider?done=dropped"
    );
    let row = world.store.waiting("carbon.super", 0, 10).await.unwrap();
    assert!(row.is_empty());
    let acts = world.acts().await;
    for act in ["provisioning retry", "provisioning drop"] {
        assert!(acts.iter().any(|(known, _)| known == act), "{acts:?}");
    }
    for bad in ["", "x", "-1", "99"] {
        let answer = browser
            .post("/console/provisioning/drop", &[("number", bad)])
            .await;
        assert_ne!(answer.status, StatusCode::SEE_OTHER, "{bad}");
    }
}
