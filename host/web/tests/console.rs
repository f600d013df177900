//! The administrator's console, as a browser shows it.
#![allow(clippy::unwrap_used)]

mod world;

use http::{Request, StatusCode, header};
use postern_admin::Role;
use postern_login::ports::Clock;
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::{ADMIN_TOKEN, Answer, Browser, CONSOLE_HOST, PASSWORD, World, ask};

const PAGES: [&str; 21] = [
    "/console",
    "/console/users",
    "/console/users/of/bob",
    "/console/identity-providers",
    "/console/identity-providers/of/filed",
    "/console/service-providers",
    "/console/service-providers/of/shop",
    "/console/resident-service-provider",
    "/console/resident-identity-provider",
    "/console/connectors",
    "/console/connectors/of/peer",
    "/console/inbound",
    "/console/claims",
    "/console/claims/of/openid",
    "/console/clients",
    "/console/senders",
    "/console/plugins",
    "/console/tenants",
    "/console/tenants/of/broken.example",
    "/console/administrators",
    "/console/audit",
];

/// Every act of the console that changes something: address and fields.
const ACTS: [(&str, &[(&str, &str)]); 30] = [
    (
        "/console/users/new",
        &[("name", "erin"), ("password", "long enough")],
    ),
    ("/console/users/of/bob", &[("display_name", "Bob")]),
    (
        "/console/users/of/bob/number",
        &[("number", "+94771234599")],
    ),
    (
        "/console/users/of/bob/passwd",
        &[("password", "long enough")],
    ),
    ("/console/users/of/bob/lock", &[]),
    ("/console/users/of/bob/unlock", &[]),
    ("/console/users/of/bob/backup-codes", &[]),
    ("/console/users/of/bob/end-sessions", &[]),
    ("/console/users/of/carol/delete", &[("name", "carol")]),
    (
        "/console/identity-providers/put",
        &[
            ("name", "corp"),
            ("form", "oidc"),
            ("enabled", "yes"),
            ("value.issuer", "https://idp.example"),
            ("value.client_secret", "s3cr3t"),
        ],
    ),
    (
        "/console/service-providers/put",
        &[
            ("name", "till"),
            ("form", "oidc"),
            ("value.first_step", "password"),
        ],
    ),
    ("/console/service-providers/delete", &[("name", "till")]),
    (
        "/console/users/of/bob/claim",
        &[("uri", "http://wso2.org/claims/country"), ("value", "LK")],
    ),
    (
        "/console/claims/put",
        &[
            ("name", "partner"),
            ("form", "dialect"),
            ("value.claims", "mail = http://wso2.org/claims/emailaddress"),
        ],
    ),
    (
        "/console/connectors/put",
        &[
            ("name", "other"),
            ("form", "scim"),
            ("enabled", "yes"),
            ("value.user_endpoint", "https://other.example/Users"),
            ("value.token", "t0ken"),
        ],
    ),
    (
        "/console/inbound/put",
        &[
            ("name", "resident"),
            ("form", "scim"),
            ("value.user_store", "PRIMARY"),
        ],
    ),
    ("/console/provisioning/push", &[("connector", "peer")]),
    (
        "/console/clients/add",
        &[("name", "billing"), ("scope.messages", "yes")],
    ),
    ("/console/clients/revoke", &[("name", "shop")]),
    ("/console/audit/prune", &[("before", "2020-01-01")]),
    ("/console/plugins/rescan", &[]),
    ("/console/plugins/roll-back", &[("id", "acme")]),
    (
        "/console/senders/test",
        &[("sender", "bench"), ("number", "+94771234567")],
    ),
    ("/console/tenants/add", &[("name", "new.example")]),
    (
        "/console/tenants/set",
        &[("name", "new.example"), ("document", "brand = \"New\"")],
    ),
    ("/console/tenants/disable", &[("name", "new.example")]),
    ("/console/tenants/enable", &[("name", "new.example")]),
    (
        "/console/tenants/remove",
        &[("name", "new.example"), ("confirm", "new.example")],
    ),
    (
        "/console/administrators/invite",
        &[("name", "erin"), ("role", "auditor")],
    ),
    (
        "/console/administrators/role",
        &[("account", "bob"), ("role", "auditor")],
    ),
];

async fn refused(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let answer = browser.post(path, fields).await;
    assert_ne!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer
}

// ---------------------------------------------------------------- the way in

#[tokio::test]
async fn an_invitation_makes_an_administrator_with_both_factors_once() {
    let world = World::new().await;
    let link = world.invite("erin", Role::Administrator).await;
    let mut browser = world.console();
    let page = browser.get(&link).await;
    assert!(page.body.contains("erin"), "{}", page.body);
    assert!(
        browser.get(&link).await.body.contains("erin"),
        "looking uses nothing up"
    );

    let answer = browser
        .post(&format!("{link}/number"), &[("mobile", "12")])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.phone.count(), 0);
    let answer = browser
        .post(&format!("{link}/number"), &[("mobile", "+94 77 123 4599")])
        .await;
    assert_eq!(answer.location(), link);
    assert_eq!(world.phone.last_number(), "+94771234599");
    let page = browser.get(&link).await;
    assert!(page.body.contains("4599") && !page.body.contains("1234599"));

    let accept = format!("{link}/accept");
    let code = world.phone.last_code();
    let with = |code: &str, password: &str, again: &str| {
        [
            ("code", code.to_owned()),
            ("password", password.to_owned()),
            ("again", again.to_owned()),
        ]
    };
    for (fields, words) in [
        (with(&code, "short", "short"), "too short"),
        (with(&code, "long enough", "another one"), "differ"),
        (
            with("000000", "long enough", "long enough"),
            "tries are left",
        ),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = browser.post(&accept, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
        assert!(world.people.number_of("erin").is_none(), "nobody yet");
    }
    let fields = [
        ("code", code.as_str()),
        ("password", "long enough"),
        ("again", "long enough"),
    ];
    let answer = browser.post(&accept, &fields).await;
    assert_eq!(answer.location(), "/console", "{}", answer.body);
    assert_eq!(
        world.people.number_of("erin").as_deref(),
        Some("+94771234599")
    );
    let page = browser.get("/console").await;
    assert!(page.body.contains("erin") && page.body.contains("administrator"));

    let mut other = world.console();
    let page = other.get(&link).await;
    assert!(page.body.contains("This link is over"), "{}", page.body);
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_invitation_ends_after_fifteen_minutes() {
    let world = World::new().await;
    let link = world.invite("erin", Role::Auditor).await;
    world.clock.pass(Duration::from_secs(15 * 60 - 1));
    assert_eq!(world.console().get(&link).await.status, StatusCode::OK);
    world.clock.pass(Duration::from_secs(1));
    let page = world.console().get(&link).await;
    assert!(page.body.contains("This link is over"), "{}", page.body);
}

#[tokio::test]
async fn a_link_that_nobody_made_opens_nothing() {
    let world = World::new().await;
    let made_up = "a".repeat(43);
    for secret in [made_up.as_str(), "..", "%3Cscript%3E", "x"] {
        let page = world
            .console()
            .get(&format!("/console/invitation/{secret}"))
            .await;
        assert_ne!(page.status, StatusCode::OK, "{secret}");
        assert!(!page.body.contains("<script>"), "{secret}");
    }
}

#[tokio::test]
async fn a_console_needs_both_factors_and_an_account_that_administers() {
    let world = World::new().await;
    let mut browser = world.console();
    // bob has two factors and administers nothing.
    let answer = world.at_console_of(&mut browser, "bob").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.body.contains("does not administer"),
        "{}",
        answer.body
    );
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");
    // carol administers and has one factor.
    world.appoint("carol", Role::Administrator).await;
    let mut browser = world.console();
    browser.get("/console/sign-in").await;
    browser
        .post(
            "/console/sign-in/password",
            &[("username", "carol"), ("password", PASSWORD)],
        )
        .await;
    let page = browser.get("/console/sign-in").await;
    assert!(!page.body.contains("name=\"mobile\""), "{}", page.body);
    assert_eq!(
        browser.get("/console/users").await.location(),
        "/console/sign-in?to=/console/users"
    );
}

/// B-01, S-02: where the second step is optional for everybody else, it is not for the console.
#[tokio::test]
async fn one_factor_opens_no_console_even_where_it_opens_a_session() {
    let world = World::with(|factor| factor.mandatory = false).await;
    world.appoint("carol", Role::Administrator).await;
    let mut browser = world.console();
    browser.get("/console/sign-in").await;
    let answer = browser
        .post(
            "/console/sign-in/password",
            &[("username", "carol"), ("password", PASSWORD)],
        )
        .await;
    if answer.status == StatusCode::SEE_OTHER {
        let page = browser.get("/console/sign-in").await;
        assert!(!page.body.contains("name=\"mobile\""), "{}", page.body);
    } else {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.body.contains("both factors"), "{}", answer.body);
    }
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");
}

/// S-03: the two kinds of session are apart, also for whoever moves a cookie by hand.
#[tokio::test]
async fn a_session_of_the_pages_is_no_console_and_a_console_no_session() {
    let world = World::new().await;
    let console = world.at_the_console("alice", Role::Administrator).await;
    let pages = world.signed_in_as_bob().await;
    let console_id = console.cookies.values().next().unwrap().clone();
    let session_id = pages.cookie("session").unwrap();

    let mut moved = world.console();
    let name = console.cookies.keys().next().unwrap().clone();
    moved.cookies.insert(name, session_id);
    assert_eq!(moved.get("/console").await.location(), "/console/sign-in");

    let mut moved = world.browser();
    let name = pages
        .cookies
        .keys()
        .find(|name| name.contains("session"))
        .unwrap();
    moved.cookies.insert(name.clone(), console_id);
    assert_eq!(moved.get("/account").await.location(), "/sign-in");
}

#[tokio::test]
async fn a_console_ends_by_hand_by_idleness_and_at_the_end_of_the_day() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let cookies = browser.cookies.clone();
    assert_eq!(
        browser.post("/console/sign-out", &[]).await.location(),
        "/console/sign-in"
    );
    browser.cookies = cookies;
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");

    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for _ in 0..16 {
        world.clock.pass(Duration::from_secs(29 * 60));
        assert_eq!(browser.get("/console").await.status, StatusCode::OK);
    }
    world.clock.pass(Duration::from_secs(16 * 60));
    assert_eq!(
        browser.get("/console").await.location(),
        "/console/sign-in",
        "eight hours are a day"
    );
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    world.clock.pass(Duration::from_secs(30 * 60));
    assert_eq!(browser.get("/console").await.location(), "/console/sign-in");
}

/// An administrator's word holds at once.
#[tokio::test]
async fn a_locked_or_removed_administrator_is_out_at_once() {
    let world = World::new().await;
    let mut alice = world.at_the_console("alice", Role::Administrator).await;
    let mut bob = world.at_the_console("bob", Role::Administrator).await;
    alice.get("/console/users/of/bob").await;
    let locked = alice.post("/console/users/of/bob/lock", &[]).await;
    assert_eq!(locked.location(), "/console/users/of/bob?done=locked");
    assert_eq!(bob.get("/console").await.location(), "/console/sign-in");

    alice.post("/console/users/of/bob/unlock", &[]).await;
    let mut bob = world.console();
    let answer = world.at_console_of(&mut bob, "bob").await;
    assert_eq!(answer.location(), "/console");
    let removed = alice
        .post("/console/administrators/remove", &[("account", "bob")])
        .await;
    assert_eq!(removed.location(), "/console/administrators?done=removed");
    assert_eq!(bob.get("/console").await.location(), "/console/sign-in");
}

// ---------------------------------------------------------------- roles

#[tokio::test]
async fn an_auditor_sees_every_page_and_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Auditor).await;
    for path in PAGES {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let posts = page.body.matches("method=\"post\"").count();
        let own = page.body.matches("action=\"/console/sign-out\"").count()
            + page
                .body
                .matches("action=\"/console/audit/verify\"")
                .count();
        assert_eq!(posts, own, "{path}: no form that would be refused");
    }
    let before = world.acts().await.len();
    for (path, fields) in ACTS {
        let answer = refused(&mut browser, path, fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    let acts = world.acts().await;
    assert_eq!(
        acts.len(),
        before + ACTS.len(),
        "each refusal is written down"
    );
    assert_eq!(world.phone.count(), 1, "only the code of the sign-in");
    assert_eq!(
        world.people.number_of("bob").as_deref(),
        Some("+94771234568")
    );
    assert!(world.people.number_of("erin").is_none());
}

#[tokio::test]
async fn what_moves_a_factor_asks_for_both_factors_again_after_fifteen_minutes() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    world.clock.pass(Duration::from_secs(15 * 60 + 1));
    browser.get("/console/users/of/bob").await;
    let answer = browser
        .post(
            "/console/users/of/bob/number",
            &[("number", "+94771234599")],
        )
        .await;
    assert_eq!(answer.location(), "/console/again?to=/console/users");
    assert_eq!(
        world.people.number_of("bob").as_deref(),
        Some("+94771234568")
    );
    let answer = browser.post("/console/users/of/bob/lock", &[]).await;
    assert_eq!(answer.location(), "/console/users/of/bob?done=locked");

    let answer = browser.get("/console/again?to=/console/users").await;
    let page = browser.get(answer.location()).await;
    assert!(page.body.contains("again"), "{}", page.body);
    browser
        .post(
            "/console/sign-in/password",
            &[("username", "alice"), ("password", PASSWORD)],
        )
        .await;
    browser.get("/console/sign-in").await;
    let code = world.phone.last_code();
    let answer = browser
        .post("/console/sign-in/code", &[("code", &code)])
        .await;
    assert_eq!(answer.location(), "/console/users");
    browser.get("/console/users/of/bob").await;
    let answer = browser
        .post(
            "/console/users/of/bob/number",
            &[("number", "+94771234599")],
        )
        .await;
    assert_eq!(answer.location(), "/console/users/of/bob?done=number");
    assert_eq!(
        world.people.number_of("bob").as_deref(),
        Some("+94771234599")
    );
}

/// S-08
#[tokio::test]
async fn the_way_back_is_a_path_of_ours() {
    let world = World::new().await;
    for bad in ["//evil", "/\\evil", "https://evil.example", "%2f%2fevil"] {
        let mut browser = world.console();
        world.appoint("alice", Role::Auditor).await;
        let answer = browser.get(&format!("/console/again?to={bad}")).await;
        assert_eq!(
            answer.location(),
            "/console/sign-in?again&to=/console",
            "{bad}"
        );
    }
    let mut browser = world.console();
    browser.get("/console/sign-in?to=//evil").await;
    let answer = world.at_console_of(&mut browser, "alice").await;
    assert_eq!(answer.location(), "/console");
}

// ---------------------------------------------------------------- requests that are not ours

/// S-04
#[tokio::test]
async fn a_form_without_this_consoles_token_does_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let other = world.at_the_console("bob", Role::Administrator).await;
    let before = world.acts().await.len();
    for (path, fields) in ACTS {
        for token in ["", "00", other.token.as_str()] {
            let mut forged = browser.clone();
            forged.token = token.to_owned();
            let answer = refused(&mut forged, path, fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
        let mut forged = browser.clone();
        forged
            .extra
            .insert("sec-fetch-site", "cross-site".parse().unwrap());
        let answer = refused(&mut forged, path, fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let mut forged = browser.clone();
        forged
            .extra
            .insert("origin", "http://localhost:9443".parse().unwrap());
        let answer = refused(&mut forged, path, fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        // Reading changes nothing, whatever is read.
        browser.get(path).await;
    }
    assert_eq!(world.acts().await.len(), before, "nothing happened");
}

/// S-10: a name that somebody else's name server turns into this machine's address gets no page.
#[tokio::test]
async fn the_console_answers_to_its_own_names_only() {
    let world = World::new().await;
    for (host, expected) in [
        (CONSOLE_HOST, StatusCode::OK),
        ("127.0.0.1:9444", StatusCode::OK),
        ("[::1]:9444", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example:9444", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil@localhost", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = Request::get("/console/sign-in")
            .header(header::HOST, host)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = ask(&world.admin, request).await;
        assert_eq!(answer.status, expected, "{host}");
    }
}

/// S-06, S-07, S-11, S-17
#[tokio::test]
async fn the_consoles_pages_carry_the_headers_of_the_public_ones_and_are_not_there() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for path in PAGES {
        let page = browser.get(path).await;
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert!(
            page.header("content-security-policy")
                .contains("script-src 'self'"),
            "{path}"
        );
        let public = world.browser().get(path).await;
        assert_eq!(public.status, StatusCode::NOT_FOUND, "{path}");
    }
}

// ---------------------------------------------------------------- acts

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
        ("user backup-codes", "bob"),
        ("user end-sessions", "bob"),
        ("user delete", "carol"),
        ("idp put", "corp"),
        ("sp put", "till"),
        ("sp delete", "till"),
        ("claim put", "partner"),
        ("client add", "billing"),
        ("client revoke", "shop"),
        ("audit prune", ""),
        ("plugin rescan", ""),
        ("plugin roll-back", "acme"),
        ("sender test", "bench"),
        ("admin invite", "erin"),
        ("admin role", "bob"),
    ] {
        let wanted = (wanted.0.to_owned(), wanted.1.to_owned());
        assert!(acts.contains(&wanted), "{wanted:?} in {acts:?}");
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
            "/console/service-providers/delete" | "/console/administrators/role" => {
                StatusCode::NOT_FOUND
            }
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

/// Secrets are written and never shown; left empty they stay; what was seen is what is changed.
#[tokio::test]
async fn a_definition_is_saved_shown_without_its_secrets_and_changed_by_whoever_saw_it() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let put = "/console/identity-providers/put";
    let path = "/console/identity-providers/of/corp";
    let corp = |issuer: &'static str, secret: &'static str, seen: &'static str| {
        [
            ("name", "corp"),
            ("form", "oidc"),
            ("enabled", "yes"),
            ("seen", seen),
            ("value.issuer", issuer),
            ("value.client_secret", secret),
        ]
    };
    for (issuer, words) in [
        ("", "missing"),
        ("ftp://idp", "expected an absolute http or https URL"),
        ("https://wrong.example", "no provider is there"),
    ] {
        let page = browser.post(put, &corp(issuer, "s3cr3t", "")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{issuer}");
        assert!(page.body.contains(words), "{words}: {}", page.body);
        assert!(
            page.body.contains(&format!("value=\"{issuer}\"")),
            "kept as typed"
        );
        assert!(!page.body.contains("s3cr3t"), "{issuer}");
    }
    let saved = browser
        .post(put, &corp("https://idp.example", "s3cr3t", ""))
        .await;
    assert_eq!(saved.location(), format!("{path}?done=defined"));
    let page = browser.get(path).await;
    assert!(
        page.body.contains("value=\"https://idp.example\""),
        "{}",
        page.body
    );
    assert!(!page.body.contains("s3cr3t"));
    assert!(page.body.contains("A value is set"), "{}", page.body);

    // The same name again is no change of what nobody looked at.
    let again = browser
        .post(put, &corp("https://other.example", "x", ""))
        .await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.body.contains("already"), "{}", again.body);
    let changed = browser
        .post(put, &corp("https://two.example", "", "1"))
        .await;
    assert_eq!(changed.location(), format!("{path}?done=defined"));
    let page = browser.get(path).await;
    assert!(page.body.contains("https://two.example") && page.body.contains("A value is set"));
    let mut without = corp("https://two.example", "", "2").to_vec();
    without.push(("unset.client_secret", "yes"));
    let removed = browser.post(put, &without).await;
    assert_eq!(removed.location(), format!("{path}?done=defined"));
    assert!(!browser.get(path).await.body.contains("A value is set"));
    let late = browser
        .post(put, &corp("https://late.example", "", "1"))
        .await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(
        late.body.contains("changed by somebody else"),
        "{}",
        late.body
    );
}

#[tokio::test]
async fn what_the_file_defines_or_something_uses_is_not_changed_here() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser.get("/console/identity-providers/of/filed").await;
    assert!(
        page.body.contains("postern.toml, [x.filed]"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("Used by service provider `shop`"),
        "{}",
        page.body
    );
    let fields = [
        ("name", "filed"),
        ("form", "oidc"),
        ("value.issuer", "https://idp.example"),
    ];
    let answer = browser
        .post("/console/identity-providers/put", &fields)
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body.contains("change it there"), "{}", answer.body);
    let answer = browser
        .post("/console/identity-providers/delete", &[("name", "filed")])
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT);

    let corp = [
        ("name", "corp"),
        ("form", "oidc"),
        ("value.issuer", "https://idp.example"),
    ];
    browser.post("/console/identity-providers/put", &corp).await;
    for name in ["till", "kiosk"] {
        let party = [
            ("name", name),
            ("form", "oidc"),
            ("value.first_step", "password\r\ncorp"),
        ];
        let answer = browser.post("/console/service-providers/put", &party).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }
    let connector = [
        ("name", "other"),
        ("form", "scim"),
        ("value.user_endpoint", "https://other.example/Users"),
        ("value.identity_provider", "corp"),
    ];
    let answer = browser.post("/console/connectors/put", &connector).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let page = browser.get("/console/identity-providers/of/corp").await;
    assert!(page.body.contains("connector `other`"), "{}", page.body);
    let delete = "/console/identity-providers/delete";
    let answer = browser.post(delete, &[("name", "corp")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(
        answer
            .body
            .contains("service provider `kiosk`, service provider `till`, connector `other` of the resident service provider"),
        "{}",
        answer.body
    );
    for name in ["till", "kiosk"] {
        let delete = "/console/service-providers/delete";
        browser.post(delete, &[("name", name)]).await;
    }
    let answer = browser.post(delete, &[("name", "corp")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let answer = browser
        .post("/console/connectors/delete", &[("name", "other")])
        .await;
    assert_eq!(
        answer.location(),
        "/console/resident-service-provider?done=undefined"
    );
    let answer = browser.post(delete, &[("name", "corp")]).await;
    assert_eq!(
        answer.location(),
        "/console/identity-providers?done=undefined"
    );
}

/// The seeds' two resident pages: what others must be told of this host, and the one rule of inbound
/// provisioning, which has one name.
#[tokio::test]
async fn the_resident_providers_have_their_pages_and_one_rule() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser.get("/console/resident-identity-provider").await;
    for shown in [
        "urn:&#60;b&#62;login",
        "https://login.example/saml/metadata",
        "https://login.example/samlsso",
        "https://login.example/.well-known/openid-configuration",
        "https://login.example/oauth2/token",
        &"0a1b".repeat(16),
        "2026-11-22",
        "unknown",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    let home = "/console/resident-service-provider";
    let page = browser.get(home).await;
    let new = "/console/inbound/new/scim";
    assert!(page.body.contains(new), "{}", page.body);
    let form = browser.get(new).await;
    let hidden = "name=\"name\" value=\"resident\"";
    assert!(form.body.contains(hidden), "{}", form.body);
    for (name, status) in [
        ("other", StatusCode::UNPROCESSABLE_ENTITY),
        ("resident", StatusCode::SEE_OTHER),
    ] {
        let rule = [("name", name), ("form", "scim"), ("value.user_store", "HR")];
        let answer = browser.post("/console/inbound/put", &rule).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
    let page = browser.get(home).await;
    assert!(
        page.body.contains("/console/inbound/of/resident"),
        "{}",
        page.body
    );
    let gone = browser
        .post("/console/inbound/delete", &[("name", "resident")])
        .await;
    assert_eq!(gone.location(), format!("{home}?done=undefined"));

    // Everybody is told once at a time, and nobody of a peer there is not.
    let push = "/console/provisioning/push";
    for (connector, expected) in [
        ("peer", StatusCode::SEE_OTHER),
        ("peer", StatusCode::CONFLICT),
        ("nobody", StatusCode::NOT_FOUND),
    ] {
        let answer = browser.post(push, &[("connector", connector)]).await;
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
    let page = browser.get(home).await;
    assert!(page.body.contains("everybody"), "{}", page.body);
}

/// A box that is not ticked says no; a text pasted whole is kept whole.
#[tokio::test]
async fn a_box_left_empty_is_a_no_and_a_document_stays_as_it_was_pasted() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser.get("/console/identity-providers/new/oidc").await;
    let ticked =
        "name=\"value.userinfo\" type=\"checkbox\" autocomplete=\"off\" value=\"true\" checked";
    assert!(page.body.contains(ticked), "by default: {}", page.body);
    let put = "/console/identity-providers/put";
    let metadata = format!("<md:EntityDescriptor>\r\n{}", "é".repeat(20_000));
    let corp = |seen: &'static str, more: &[(&'static str, &'static str)]| {
        let mut fields = vec![
            ("name", "corp"),
            ("form", "oidc"),
            ("enabled", "yes"),
            ("seen", seen),
            ("value.issuer", "https://idp.example"),
        ];
        fields.extend(more);
        fields
    };
    let mut fields = corp("", &[]);
    fields.push(("value.metadata", &metadata));
    let saved = browser.post(put, &fields).await;
    let path = "/console/identity-providers/of/corp";
    assert_eq!(saved.location(), format!("{path}?done=defined"));
    let page = browser.get(path).await;
    assert!(!page.body.contains(ticked), "{}", page.body);
    assert!(page.body.contains(&"é".repeat(20_000)));
    assert!(page.body.contains("&#60;md:EntityDescriptor&#62;"));
    let again = corp("1", &[("value.userinfo", "true")]);
    browser.post(put, &again).await;
    assert!(browser.get(path).await.body.contains(ticked));
    // The form of an application says which providers there are.
    let page = browser.get("/console/service-providers/new/oidc").await;
    assert!(
        page.body.contains("There are: password, corp, filed."),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn a_dialect_stays_while_a_provider_speaks_it() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let page = browser.get("/console/claims").await;
    for shown in ["http://wso2.org/claims/mobile", "CORP", "openid"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    let page = browser.get("/console/claims/of/openid").await;
    assert!(
        page.body.contains("name = http://&#60;b&#62;"),
        "what is in it: {}",
        page.body
    );
    let dialect = [
        ("name", "partner"),
        ("form", "dialect"),
        ("value.claims", "mail = http://wso2.org/claims/emailaddress"),
    ];
    let saved = browser.post("/console/claims/put", &dialect).await;
    assert_eq!(saved.location(), "/console/claims/of/partner?done=defined");
    let corp = [
        ("name", "corp"),
        ("form", "oidc"),
        ("value.issuer", "https://idp.example"),
        ("value.dialect", "partner"),
    ];
    browser.post("/console/identity-providers/put", &corp).await;
    let delete = "/console/claims/delete";
    let answer = browser.post(delete, &[("name", "partner")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(
        answer.body.contains("identity provider `corp`"),
        "{}",
        answer.body
    );
    browser
        .post("/console/identity-providers/delete", &[("name", "corp")])
        .await;
    let answer = browser.post(delete, &[("name", "partner")]).await;
    assert_eq!(answer.location(), "/console/claims?done=undefined");
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
            .header(header::HOST, world::HOST)
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

/// Page after page, each row once; the export has them all, oldest first, and a filter thins both.
#[tokio::test]
async fn the_log_is_paged_and_exported_without_losing_a_row() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for _ in 0..60 {
        browser.post("/console/users/of/bob/lock", &[]).await;
        browser.post("/console/users/of/bob/unlock", &[]).await;
    }
    let total = world.acts().await.len();
    let (mut pages, mut seen, mut path) = (0, Vec::new(), "/console/audit?who=bob".to_owned());
    loop {
        let page = browser.get(&path).await;
        pages += 1;
        let rows: Vec<u64> = page
            .body
            .split("data-label=\"Row\" class=\"number\">")
            .skip(1)
            .map(|part| part.split('<').next().unwrap().parse().unwrap())
            .collect();
        seen.extend(rows);
        let Some((before, _)) = page.body.split_once("\">Older</a>") else {
            break;
        };
        let link = before.rsplit_once("href=\"").unwrap().1;
        path = link.replace("&#38;", "&").replace("&amp;", "&");
        assert!(path.starts_with("/console/audit?who=bob&before="), "{path}");
    }
    assert_eq!(pages, 3, "120 rows of bob, 50 a page");
    assert_eq!(seen.len(), 120);
    assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first");
    let export = browser.get("/console/audit/export").await;
    assert_eq!(
        export.header("content-type"),
        "application/jsonl; charset=utf-8"
    );
    let rows: Vec<serde_json::Value> = export
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), total);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["seq"], at as u64 + 1);
        for member in ["at", "tenant", "what", "link"] {
            assert!(!row[member].is_null(), "{member}: {row}");
        }
    }
    let export = browser
        .get("/console/audit/export?who=bob&event=user+lock")
        .await;
    assert_eq!(export.body.lines().count(), 60);
}

/// The oldest rows go in the open; this month's do not, whoever asks.
#[tokio::test]
async fn old_rows_of_the_log_are_removed_and_it_still_verifies() {
    let world = World::new().await;
    world.appoint("bob", Role::Auditor).await;
    let mut early = world.at_the_console("alice", Role::Administrator).await;
    let begin = world.clock.now();
    let day = postern_web::time::second(begin);
    let day = day.split(' ').next().unwrap().to_owned();
    let prune = "/console/audit/prune";
    let page = early.post(prune, &[("before", &day)]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("last 30 days stay"), "{}", page.body);
    let page = early.post(prune, &[("before", "long ago")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let old = world.store.audit(0, 1000).await.unwrap();
    let noted = postern_admin::audit::AuditTrail::rows_after(&world.store, 0, 1)
        .await
        .unwrap()
        .remove(0);

    world.clock.pass(Duration::from_secs(40 * 24 * 3600));
    let mut browser = world.console();
    world.at_console_of(&mut browser, "alice").await;
    browser.get("/console/audit").await;
    let until = postern_web::time::second(begin.plus(Duration::from_secs(2 * 24 * 3600)));
    let until = until.split(' ').next().unwrap().to_owned();
    let page = browser.post(prune, &[("before", &until)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let last = old.last().unwrap().0;
    assert!(
        page.body
            .contains(&format!("Rows up to {last} were removed")),
        "{}",
        page.body
    );
    let rows = world.store.audit(0, 1000).await.unwrap();
    assert_eq!(rows[0].0, last + 1);
    let acts = world.acts().await;
    assert!(acts.contains(&("audit prune".to_owned(), String::new())));
    let page = browser.post("/console/audit/verify", &[]).await;
    assert!(
        page.body.contains("all as they were written")
            && page.body.contains("were removed in the open"),
        "{}",
        page.body
    );
    let noted = postern_admin::audit::Link {
        seq: noted.seq,
        link: noted.link,
    };
    let actor = postern_admin::Actor::command_line("test");
    let verified = world
        .administration
        .audit_verify(&actor, Some(&noted))
        .await;
    let words = verified.unwrap_err().to_string();
    assert!(words.contains("was removed with all rows"), "{words}");
    let mut auditor = world.console();
    world.at_console_of(&mut auditor, "bob").await;
    auditor.get("/console/audit").await;
    let answer = auditor.post(prune, &[("before", &until)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// By the configuration, once a day's worth is too old, and by nobody's hand.
#[tokio::test]
async fn what_is_older_than_the_log_is_kept_goes_by_itself() {
    let world = World::new().await;
    world.appoint("bob", Role::Auditor).await;
    let keep = Duration::from_secs(30 * 24 * 3600);
    let retain = async || world.administration.audit_retain(keep).await.unwrap();
    assert_eq!(retain().await, None);
    world.clock.pass(keep);
    assert_eq!(retain().await, None, "not a row at a time");
    world.clock.pass(Duration::from_secs(24 * 3600 + 1));
    let pruned = retain().await.unwrap();
    let rows = world.store.audit(0, 1000).await.unwrap();
    assert_eq!(rows[0].0, pruned.through.seq + 1);
    assert_eq!(
        rows[0].1.who.as_deref(),
        Some("configuration (audit.keep_days)")
    );
    assert_eq!(retain().await, None);
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

// ---------------------------------------------------------------- hostile values

/// Values as an attacker would choose them (Q-01, S-07, L-01).
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "</title><svg/onload=alert(1)>",
    "%_\\%",
    "{{7*7}}${7*7}",
    "\u{202e}gnp.exe",
    "a\r\nSet-Cookie: x=1",
];

fn is_clean(page: &Answer, what: &str) {
    for markup in [
        "<script>alert",
        "<img src=x",
        "<svg/",
        "<b>.wasm",
        "<i>trap",
    ] {
        assert!(
            !page.body.contains(markup),
            "{what}: {markup}: {}",
            page.body
        );
    }
    assert!(page.headers.get("set-cookie").is_none(), "{what}");
    assert!(page.status != StatusCode::INTERNAL_SERVER_ERROR, "{what}");
}

/// S-07, Q-01: in every field and every address of the console.
#[tokio::test]
async fn hostile_values_in_every_field_are_values() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for value in HOSTILE {
        for (path, fields) in ACTS {
            for (name, _) in fields {
                let mut changed = fields.to_vec();
                for field in &mut changed {
                    if field.0 == *name {
                        field.1 = value;
                    }
                }
                let page = browser.post(path, &changed).await;
                is_clean(&page, path);
            }
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        let encoded = query.append_pair("q", value).finish();
        let encoded = encoded.strip_prefix("q=").unwrap().replace('+', "%20");
        for path in [
            format!("/console/users?search={encoded}"),
            format!("/console/users?from={encoded}"),
            format!("/console/users/of/{encoded}"),
            format!("/console/audit?who={encoded}&event={encoded}&address={encoded}"),
            format!("/console/audit?since={encoded}"),
            format!("/console/sign-in?to={encoded}"),
            format!("/console?done={encoded}"),
            format!("/console/invitation/{encoded}"),
        ] {
            let mut visitor = browser.clone();
            visitor.cookies.retain(|name, _| !name.contains("login"));
            let page = visitor.get(&path).await;
            for markup in ["<script>alert", "<img src=x", "<svg/"] {
                assert!(!page.body.contains(markup), "{path}: {}", page.body);
            }
            assert_ne!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        }
    }
    // Whatever was kept of it is shown as it is, on every page.
    world.people.rename_display("bob", HOSTILE[0]);
    for path in PAGES {
        let page = browser.get(path).await;
        is_clean(&page, path);
    }
    assert!(
        browser
            .get("/console/users/of/bob")
            .await
            .body
            .contains("&#60;script&#62;alert(1)")
    );
}

// ---------------------------------------------------------------- accessibility

fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|part| part.split('>').next().unwrap())
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))
        .map(|(_, rest)| rest.split('"').next().unwrap())
}

/// As the sign-in pages: one heading, labels, no inline script or style, ids once, tokens in forms.
#[tokio::test]
async fn every_page_of_the_console_can_be_read_by_everybody() {
    let world = World::new().await;
    let link = world.invite("erin", Role::Administrator).await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    let mut pages = Vec::new();
    for path in PAGES {
        pages.push((path, browser.get(path).await.body));
    }
    pages.push(("new", browser.get("/console/users/new").await.body));
    let fields = [("sender", "bench"), ("number", "+94771234567")];
    for form in ["oidc", "sms-otp%2Facme"] {
        let path = format!("/console/identity-providers/new/{form}");
        pages.push(("new-provider", browser.get(&path).await.body));
    }
    let corp = [
        ("name", "corp"),
        ("form", "oidc"),
        ("value.issuer", "https://idp.example"),
        ("value.client_secret", "s3cr3t"),
    ];
    browser.post("/console/identity-providers/put", &corp).await;
    let path = "/console/identity-providers/of/corp";
    pages.push(("provider", browser.get(path).await.body));
    pages.push((
        "tested",
        browser.post("/console/senders/test", &fields).await.body,
    ));
    pages.push((
        "codes",
        browser
            .post("/console/users/of/bob/backup-codes", &[])
            .await
            .body,
    ));
    pages.push((
        "verified",
        browser.post("/console/audit/verify", &[]).await.body,
    ));
    let mut visitor = world.console();
    pages.push(("sign-in", visitor.get("/console/sign-in").await.body));
    pages.push(("invitation", visitor.get(&link).await.body));
    let folder = std::env::var_os("POSTERN_GALLERY").map(std::path::PathBuf::from);
    for (name, html) in pages {
        if let Some(folder) = &folder {
            let file = name.trim_start_matches('/').replace('/', "-");
            std::fs::write(folder.join(format!("{file}.html")), &html).unwrap();
        }
        let tags = tags(&html);
        for (what, count) in [("h1", 1), ("main ", 1)] {
            let found = tags.iter().filter(|tag| tag.starts_with(what)).count();
            assert_eq!(found, count, "{name}: {what}");
        }
        assert!(html.contains("name=\"viewport\""), "{name}: phone width");
        let mut ids = Vec::new();
        for tag in &tags {
            if let Some(id) = attribute(tag, "id") {
                assert!(!ids.contains(&id), "{name}: id {id} twice");
                ids.push(id);
            }
        }
        for tag in &tags {
            let field = ["input", "select", "textarea"]
                .iter()
                .any(|kind| tag.starts_with(kind));
            if field && attribute(tag, "type") != Some("hidden") {
                let id = attribute(tag, "id").unwrap();
                assert!(
                    html.contains(&format!("<label for=\"{id}\">")),
                    "{name}: {id} has a label"
                );
                assert!(attribute(tag, "autocomplete").is_some(), "{name}: {id}");
            }
            for relation in ["aria-describedby", "aria-labelledby"] {
                for id in attribute(tag, relation)
                    .unwrap_or_default()
                    .split_whitespace()
                {
                    assert!(ids.contains(&id), "{name}: {id} is not there");
                }
            }
            assert!(
                !tag.contains(" style=") && !tag.contains(" on"),
                "{name}: {tag}"
            );
        }
        let posts = html.matches("method=\"post\"").count();
        assert_eq!(
            html.matches("name=\"token\"").count(),
            posts,
            "{name}: every form that changes something has its token"
        );
        assert_eq!(html.matches("<script").count(), 1, "{name}");
    }
}

// ---------------------------------------------------------------- the admin API

async fn api(world: &World, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(axum::body::Body::from(body.to_owned()))
        .unwrap();
    ask(&world.admin, request).await
}

#[tokio::test]
async fn a_script_does_with_the_token_what_the_console_does() {
    let world = World::new().await;
    let token = Some(ADMIN_TOKEN);
    let base = "/admin/api/v1";
    for (method, path, body, status) in [
        (
            "POST",
            "/users",
            r#"{"name":"erin","password":"long enough","number":"+94771234599"}"#,
            201,
        ),
        ("GET", "/users?search=erin", "", 200),
        ("GET", "/users/erin", "", 200),
        ("PATCH", "/users/erin", r#"{"display_name":"Erin"}"#, 204),
        ("PATCH", "/users/erin", r#"{"number":null}"#, 204),
        (
            "POST",
            "/users/erin/passwd",
            r#"{"password":"another one"}"#,
            204,
        ),
        ("POST", "/users/erin/lock", "", 204),
        ("POST", "/users/erin/unlock", "", 204),
        ("POST", "/users/erin/backup-codes", "", 200),
        ("POST", "/users/erin/end-sessions", "", 200),
        ("POST", "/admins/erin/appoint", r#"{"role":"auditor"}"#, 204),
        ("GET", "/admins", "", 200),
        ("DELETE", "/users/erin", "", 409),
        ("PUT", "/admins/erin", r#"{"role":"administrator"}"#, 204),
        ("POST", "/admins/frank/invite", r#"{"role":"auditor"}"#, 201),
        ("POST", "/clients", r#"{"name":"till"}"#, 201),
        ("POST", "/clients", r#"{"name":"t","scopes":[]}"#, 422),
        ("POST", "/clients", r#"{"name":"t","scopes":["all"]}"#, 400),
        ("GET", "/clients", "", 200),
        ("DELETE", "/clients/till", "", 204),
        ("DELETE", "/clients/till", "", 404),
        ("GET", "/plugins", "", 200),
        ("POST", "/plugins/rescan", "", 202),
        ("POST", "/plugins/acme/roll-back", "", 200),
        ("GET", "/senders", "", 200),
        (
            "POST",
            "/senders/bench/test",
            r#"{"number":"+94771234567"}"#,
            200,
        ),
        ("GET", "/audit?who=erin&rows=10", "", 200),
        ("GET", "/audit?since=never", "", 400),
        ("GET", "/audit?colour=red", "", 400),
        ("GET", "/audit/export", "", 200),
        ("GET", "/audit/verify", "", 200),
        ("POST", "/audit/prune", r#"{"before":"2020-01-01"}"#, 200),
        ("POST", "/audit/prune", r#"{"before":"2999-01-01"}"#, 422),
        ("POST", "/audit/prune", r#"{"before":"never"}"#, 400),
        ("GET", "/definitions/claims", "", 200),
        ("GET", "/definitions/claims/openid", "", 200),
        (
            "PUT",
            "/definitions/claims/partner",
            r#"{"form":"dialect","values":{"claims":"a = b"}}"#,
            204,
        ),
        ("DELETE", "/definitions/claims/partner", "", 204),
        ("DELETE", "/definitions/claims/openid", "", 409),
        (
            "PUT",
            "/definitions/idps/corp",
            r#"{"form":"oidc","values":{"issuer":"https://idp.example","client_secret":"s3cr3t"}}"#,
            204,
        ),
        (
            "PUT",
            "/definitions/idps/corp",
            r#"{"form":"oidc","values":{"issuer":"https://idp.example"}}"#,
            409,
        ),
        (
            "PUT",
            "/definitions/idps/corp",
            r#"{"form":"oidc","values":{"issuer":"https://b.example"},"seen":1}"#,
            204,
        ),
        (
            "PUT",
            "/definitions/idps/corp",
            r#"{"form":"oidc","values":{"uri":"x"},"seen":2}"#,
            422,
        ),
        (
            "PUT",
            "/definitions/idps/corp",
            r#"{"form":"nothing","values":{},"seen":2}"#,
            404,
        ),
        (
            "PUT",
            "/definitions/idps/C%20orp",
            r#"{"form":"oidc","values":{}}"#,
            422,
        ),
        ("GET", "/definitions/idps", "", 200),
        ("GET", "/definitions/idps/corp", "", 200),
        ("DELETE", "/definitions/idps/corp", "", 204),
        ("DELETE", "/definitions/idps/filed", "", 409),
        ("GET", "/definitions/sps", "", 200),
        ("GET", "/definitions/nothing", "", 404),
        ("GET", "/definitions/connectors", "", 200),
        ("GET", "/definitions/connectors/peer", "", 200),
        (
            "PUT",
            "/definitions/connectors/other",
            r#"{"form":"scim","values":{"user_endpoint":"https://other.example/Users"}}"#,
            204,
        ),
        ("DELETE", "/definitions/connectors/other", "", 204),
        ("DELETE", "/definitions/connectors/peer", "", 409),
        (
            "PUT",
            "/definitions/inbound/resident",
            r#"{"form":"scim","values":{"user_store":"PRIMARY"}}"#,
            204,
        ),
        (
            "PUT",
            "/definitions/inbound/another",
            r#"{"form":"scim","values":{}}"#,
            422,
        ),
        ("GET", "/definitions/inbound/resident", "", 200),
        ("DELETE", "/definitions/inbound/resident", "", 204),
        ("POST", "/provisioning/peer/push", "", 202),
        ("POST", "/provisioning/peer/push", "", 409),
        ("POST", "/provisioning/nobody/push", "", 404),
        ("GET", "/resident", "", 200),
        ("GET", "/openapi.json", "", 200),
        (
            "POST",
            "/users",
            r#"{"name":"erin","password":"long enough"}"#,
            409,
        ),
        ("POST", "/users", r#"{"name":"x","password":"short"}"#, 422),
        (
            "POST",
            "/users",
            r#"{"name":"x","password":"long enough","is_admin":true}"#,
            400,
        ),
        ("GET", "/users/nobody", "", 404),
        ("GET", "/nothing", "", 404),
    ] {
        let path = format!("{base}{path}");
        let answer = api(&world, method, &path, token, body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {}",
            answer.body
        );
        if status >= 400 {
            assert_eq!(
                answer.header("content-type"),
                "application/problem+json",
                "{method} {path}"
            );
        }
        if !path.ends_with("openapi.json") && status < 300 {
            for wrong in [None, Some(world::API_TOKEN), Some("")] {
                let answer = api(&world, method, &path, wrong, body).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            }
        }
    }
    assert!(world.people.number_of("erin").is_none(), "null removed it");
}

/// S-17: none of it is at the public address.
#[tokio::test]
async fn the_admin_api_is_on_the_admin_listener_only() {
    let world = World::new().await;
    for path in ["/admin/api/v1/users", "/admin/api/v1/openapi.json"] {
        let request = Request::get(path)
            .header(header::HOST, world::HOST)
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .body(axum::body::Body::empty())
            .unwrap();
        assert_eq!(world.ask(request).await.status, StatusCode::NOT_FOUND);
    }
}

/// Everything that the description names is there, and asks for the token.
#[tokio::test]
async fn every_operation_of_the_description_is_routed() {
    let world = World::new().await;
    let document = api(&world, "GET", "/admin/api/v1/openapi.json", None, "").await;
    let document: serde_json::Value = serde_json::from_str(&document.body).unwrap();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{name}", "x").replace("{id}", "x");
            let answer = api(&world, &method.to_uppercase(), &path, None, "").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            operations += 1;
        }
    }
    assert_eq!(operations, postern_admin::act::ALL.len());
}

/// U-04: a tenant's part is as closed as the host's, page by page and act by act.
#[tokio::test]
async fn a_tenants_part_of_the_console_and_the_api_opens_to_administrators_only() {
    let world = World::new().await;
    let mut stranger = world.console();
    for path in [
        "users",
        "users/new",
        "users/of/bob",
        "clients",
        "senders",
        "audit",
    ] {
        let page = format!("/t/a.example/console/{path}");
        let answer = stranger.get(&page).await;
        assert_eq!(answer.location(), format!("/console/sign-in?to={page}"));
    }
    let mut auditor = world.at_the_console("alice", Role::Auditor).await;
    for (path, fields) in ACTS {
        let of_every_tenant = ["/console/users/", "/console/clients/", "/console/senders/"];
        let answer = auditor.post(&format!("/t/a.example{path}"), fields).await;
        let expected = if of_every_tenant.iter().any(|one| path.starts_with(one)) {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::NOT_FOUND
        };
        assert_eq!(answer.status, expected, "{path}: {}", answer.body);
    }
    for path in [
        "users",
        "users/bob",
        "clients",
        "senders",
        "audit",
        "audit/export",
    ] {
        let path = format!("/t/a.example/admin/api/v1/{path}");
        let answer = api(&world, "GET", &path, None, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        let answer = api(&world, "GET", &path, Some(ADMIN_TOKEN), "").await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let nobodys = "/t/nobody.example/admin/api/v1/users";
    let answer = api(&world, "GET", nobodys, Some(ADMIN_TOKEN), "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("problems/"), "{}", answer.body);
    for path in [
        "plugins",
        "tenants",
        "admins",
        "definitions/claims",
        "audit/verify",
    ] {
        let path = format!("/t/a.example/admin/api/v1/{path}");
        let answer = api(&world, "GET", &path, Some(ADMIN_TOKEN), "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.contains("problems/"), "{}", answer.body);
    }
}

/// What waits for a peer is shown with its reason, and told again or given up from there.
#[tokio::test]
async fn what_waits_for_a_peer_is_on_a_page() {
    use postern_federation::Moment;
    use postern_federation::scim::ports::{Deliveries, What};
    let world = World::new().await;
    let now = Moment(1_795_310_100_000);
    let peer = ["external".to_owned()];
    let waits = world
        .store
        .announce("carbon.super", &peer, What::User, "<b>alice", now, now)
        .await
        .unwrap();
    let words = "the peer answered 401 to the search";
    world
        .store
        .failed("carbon.super", waits[0], words, now, true)
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

    let number = waits[0].to_string();
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
