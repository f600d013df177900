//! Signing in as a browser does it, and as an attacker does it.
#![allow(clippy::unwrap_used)]

mod world;

use axum::body::Body;
use http::{HeaderValue, Request, StatusCode, header};
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::{HOST, PASSWORD, PROVIDER_TEXT, World, ask, print_backup_codes};

#[tokio::test]
async fn a_person_signs_in_with_a_password_and_a_code() {
    let world = World::new().await;
    let mut browser = world.browser();
    assert_eq!(browser.get("/").await.location(), "/sign-in");
    let page = browser.get("/sign-in").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        browser.password("alice", PASSWORD).await.location(),
        "/sign-in"
    );
    let page = browser.get("/sign-in").await;
    assert!(
        page.body.contains("4567") && !page.body.contains("771234567"),
        "{}",
        page.body
    );
    assert_eq!(world.phone.last_number(), "+94771234567");
    let code = world.phone.last_code();
    let answer = browser.post("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(answer.location(), "/account");
    assert!(browser.cookie("session").is_some() && browser.cookie("login").is_none());
    assert_eq!(browser.get("/").await.location(), "/account");
}

/// S-01, S-03
#[tokio::test]
async fn the_id_changes_at_every_step_and_the_old_one_is_dead() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let first = browser.cookie("login").unwrap();
    let mut thief = browser.clone();
    browser.password("alice", PASSWORD).await;
    let second = browser.cookie("login").unwrap();
    assert_ne!(first, second);
    // Whoever planted or read the first id sees a fresh page.
    let page = thief.get("/sign-in").await;
    assert!(page.body.contains("name=\"password\""), "{}", page.body);

    let mut thief = browser.clone();
    thief.get("/sign-in").await;
    browser.get("/sign-in").await;
    let code = world.phone.last_code();
    browser.post("/sign-in/code", &[("code", &code)]).await;
    let session = browser.cookie("session").unwrap();
    assert!(session != first && session != second);
    let again = thief.post("/sign-in/code", &[("code", &code)]).await;
    assert_ne!(again.location(), "/account");
    assert!(thief.cookie("session").is_none());
}

/// S-02
#[tokio::test]
async fn half_a_login_opens_no_account() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    for path in ["/account", "/account/number"] {
        assert_eq!(browser.get(path).await.location(), "/sign-in");
    }
    for path in [
        "/account/number",
        "/account/backup-codes",
        "/account/sms-codes",
        "/account/sessions/end-others",
        "/sign-out",
    ] {
        let answer = browser.post(path, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    // Nor does the id of a login pass for a session.
    let id = browser.cookie("login").unwrap();
    let name = browser
        .cookies
        .keys()
        .next()
        .unwrap()
        .replace("login", "session");
    browser.cookies.insert(name, id);
    assert_eq!(browser.get("/account").await.location(), "/sign-in");
}

/// S-04
#[tokio::test]
async fn a_post_that_no_page_of_ours_made_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let sent = world.phone.count();
    let code = world.phone.last_code();
    let token = browser.token.clone();
    let body = format!("code={code}");
    for path in [
        "/sign-in/password",
        "/sign-in/number",
        "/sign-in/code",
        "/sign-in/resend",
        "/sign-in/backup-code",
        "/sign-in/abandon",
        "/sign-in/decline",
        "/sign-in/finish",
    ] {
        for bad in ["", "token=", "token=00", &body] {
            let answer = browser.post_raw(path, bad).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {bad}");
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let mut evil = browser.clone();
            evil.extra.insert(name, HeaderValue::from_static(value));
            let answer = evil.post(path, &[("code", &code)]).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path} {name} {value}"
            );
        }
    }
    assert_eq!(world.phone.count(), sent);
    browser.token = token;
    assert_eq!(
        browser
            .post("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/account"
    );
}

/// S-04: a prefetch, a crawler or a reload sends no message and ends no login.
#[tokio::test]
async fn looking_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let sent = world.phone.count();
    let cookies = browser.cookies.clone();
    for path in [
        "/sign-in",
        "/sign-in?ended",
        "/sign-in?afresh",
        "/",
        "/sign-in/resend",
        "/sign-in/abandon",
        "/sign-in/decline",
        "/sign-in/code",
        "/sign-out",
    ] {
        browser.get(path).await;
        browser.send("HEAD", path, None).await;
    }
    assert_eq!(world.phone.count(), sent);
    assert_eq!(browser.cookies, cookies);
}

/// S-05
#[tokio::test]
async fn a_form_of_another_browser_is_refused() {
    let world = World::new().await;
    let (mut attacker, mut victim) = (world.browser(), world.browser());
    attacker.get("/sign-in").await;
    victim.get("/sign-in").await;
    victim.token = attacker.token.clone();
    let answer = victim.password("alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(world.phone.count(), 0);
}

/// S-06, S-07, S-11
#[tokio::test]
async fn every_answer_to_a_browser_carries_its_guards() {
    let world = World::new().await;
    let mut browser = world.browser();
    for path in [
        "/",
        "/sign-in",
        "/nothing-here",
        "/account",
        "/assets/none.css",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(
            answer
                .header("strict-transport-security")
                .starts_with("max-age=63072000")
        );
        assert!(
            answer
                .header("permissions-policy")
                .contains("otp-credentials=(self)")
        );
    }
    let page = browser.get("/sign-in").await;
    let path = page
        .body
        .split("rel=\"stylesheet\" href=\"")
        .nth(1)
        .unwrap();
    let style = browser.get(path.split('"').next().unwrap()).await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.header("cache-control").contains("immutable"));
}

/// S-09, S-11
#[tokio::test]
async fn what_is_posted_is_answered_with_303_and_never_stands_in_an_address() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let mut answers = vec![browser.password("alice", "wrong").await];
    browser.get("/sign-in").await;
    answers.push(browser.password("alice", PASSWORD).await);
    browser.get("/sign-in").await;
    let wrong = world.phone.wrong_code();
    answers.push(browser.post("/sign-in/code", &[("code", wrong)]).await);
    answers.push(
        browser
            .post("/sign-in/backup-code", &[("backup_code", "AAAAA-AAAAA")])
            .await,
    );
    answers.push(browser.post("/sign-in/resend", &[]).await);
    let code = world.phone.last_code();
    answers.push(browser.post("/sign-in/code", &[("code", &code)]).await);
    for answer in answers {
        let location = answer.location();
        assert!(["/sign-in", "/account"].contains(&location), "{location}");
    }
}

/// S-10
#[tokio::test]
async fn a_host_name_we_do_not_know_gets_no_page() {
    let world = World::new().await;
    let request = |host: Option<&str>| {
        let mut request = Request::builder().uri("/sign-in");
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request
            .header("x-forwarded-host", HOST)
            .body(Body::empty())
            .unwrap()
    };
    for bad in [
        Some("evil.example"),
        Some("login.example.evil"),
        Some("login.example:444"),
        Some(""),
        None,
    ] {
        let answer = world.ask(request(bad)).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{bad:?}");
        assert!(answer.headers.get(header::SET_COOKIE).is_none());
    }
    let mut poisoned = request(Some(HOST));
    poisoned
        .headers_mut()
        .insert("x-forwarded-host", HeaderValue::from_static("evil.example"));
    let answer = world.ask(poisoned).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.body.contains("evil.example"));
    for good in ["LOGIN.example", "internal:8443"] {
        assert_eq!(
            world.ask(request(Some(good))).await.status,
            StatusCode::OK,
            "{good}"
        );
    }
    let mut twice = request(Some(HOST));
    twice
        .headers_mut()
        .append(header::HOST, HeaderValue::from_static("evil.example"));
    assert_eq!(
        world.ask(twice).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
}

/// S-12
#[tokio::test]
async fn other_methods_are_refused_and_cannot_be_disguised() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    for method in ["TRACE", "CONNECT", "DELETE", "PUT", "PROPFIND", "GREETINGS"] {
        let answer = browser.send(method, "/sign-in", None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), "GET,HEAD");
        assert!(!answer.body.contains("cookie"));
    }
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ] {
        let mut disguised = browser.clone();
        disguised
            .extra
            .insert(name, HeaderValue::from_static("POST"));
        let answer = disguised.get("/sign-in").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
}

/// S-15
#[tokio::test]
async fn large_and_odd_forms_are_refused() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let large = format!("token={}&password={}", browser.token, "x".repeat(9000));
    let answer = browser.post_raw("/sign-in/password", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    for (name, value) in [
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
    ] {
        let mut odd = browser.clone();
        odd.extra.insert(name, HeaderValue::from_static(value));
        let answer = odd.password("alice", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{value}");
    }
    assert_eq!(world.phone.count(), 0);
}

/// S-16
#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut copy = browser.clone();
    assert!(browser.get("/account").await.body.contains("alice"));
    let answer = browser.post("/sign-out", &[]).await;
    assert_eq!(answer.location(), "/signed-out");
    assert!(
        browser
            .get("/signed-out")
            .await
            .body
            .contains("You are signed out")
    );
    assert_eq!(copy.get("/account").await.location(), "/sign-in");
    assert_eq!(browser.get("/").await.location(), "/sign-in");
}

/// S-17
#[tokio::test]
async fn what_the_operator_sees_is_not_on_the_public_listener() {
    let world = World::new().await;
    let mut browser = world.browser();
    for path in [
        "/metrics",
        "/admin/plugins",
        "/admin/plugins/rescan",
        "/api/v1/openapi.json",
        "/debug",
        "/.env",
    ] {
        assert_eq!(
            browser.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        let get = |token: Option<&str>| {
            let mut request = Request::builder().uri(path);
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            request.body(Body::empty()).unwrap()
        };
        let open = ask(&world.admin, get(None)).await.status;
        let known = ask(&world.admin, get(Some(world::ADMIN_TOKEN)))
            .await
            .status;
        let wrong = ask(&world.admin, get(Some(world::API_TOKEN))).await.status;
        let expected = match path {
            "/metrics" | "/api/v1/openapi.json" => (StatusCode::OK, StatusCode::OK, StatusCode::OK),
            "/admin/plugins" => (
                StatusCode::UNAUTHORIZED,
                StatusCode::OK,
                StatusCode::UNAUTHORIZED,
            ),
            "/admin/plugins/rescan" => (
                StatusCode::METHOD_NOT_ALLOWED,
                StatusCode::METHOD_NOT_ALLOWED,
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            _ => (
                StatusCode::NOT_FOUND,
                StatusCode::NOT_FOUND,
                StatusCode::NOT_FOUND,
            ),
        };
        assert_eq!((open, known, wrong), expected, "{path}");
    }
    for (token, expected) in [
        (world::ADMIN_TOKEN, StatusCode::ACCEPTED),
        (world::API_TOKEN, StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::post("/admin/plugins/rescan")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        assert_eq!(ask(&world.admin, request).await.status, expected);
    }
}

/// S-18
#[tokio::test]
async fn two_tabs_do_not_mix_two_people() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let mut tab = browser.clone();
    browser.password("alice", PASSWORD).await;
    // The other tab still shows the first page; the browser's cookie has moved on.
    tab.cookies = browser.cookies.clone();
    let answer = tab.password("bob", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(world.phone.count(), 1);
    assert_eq!(world.phone.last_number(), "+94771234567");
}

/// A-15
#[tokio::test]
async fn acts_out_of_order_lead_back_to_the_real_step_and_send_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    for (path, field) in [
        ("/sign-in/code", "code"),
        ("/sign-in/backup-code", "backup_code"),
        ("/sign-in/number", "mobile"),
        ("/sign-in/resend", "x"),
        ("/sign-in/finish", "x"),
    ] {
        let answer = browser.post(path, &[(field, "+94771234567")]).await;
        assert_eq!(answer.location(), "/sign-in?first", "{path}");
        assert!(
            browser
                .get("/sign-in")
                .await
                .body
                .contains("name=\"password\""),
            "{path}"
        );
    }
    assert_eq!(world.phone.count(), 0);
    assert!(browser.cookie("session").is_none());

    let mut browser = world.at_the_code().await;
    for (path, field) in [
        ("/sign-in/number", "mobile"),
        ("/sign-in/password", "username"),
        ("/sign-in/finish", "x"),
    ] {
        assert_eq!(
            browser
                .post(path, &[(field, "+94770000001")])
                .await
                .location(),
            "/sign-in?first"
        );
        assert!(
            browser
                .get("/sign-in")
                .await
                .body
                .contains("Enter the code"),
            "{path}"
        );
    }
    assert_eq!(world.phone.count(), 1);
}

/// A-15
#[tokio::test]
async fn an_expired_login_begins_again_and_says_so() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let code = world.phone.last_code();
    world.clock.pass(Duration::from_secs(16 * 60));
    let answer = browser.post("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(answer.location(), "/sign-in?ended");
    let page = browser.get("/sign-in?ended").await;
    assert!(page.body.contains("took too long") && page.body.contains("name=\"password\""));
}

/// A-19, A-20
#[tokio::test]
async fn what_is_not_the_code_is_never_the_code() {
    let world = World::new().await;
    for body in [
        "",
        "&code=",
        "&code=null",
        "&code=%25",
        "&code=_",
        "&code=*",
        "&code=.%7B6%7D",
        "&code=WRONG",
        "&code=%27+or+1%3D1--",
        "&code=%EF%BC%91",
        "&code=%00",
    ] {
        world.clock.pass(Duration::from_secs(3600));
        let mut browser = world.at_the_code().await;
        let body = body.replace("WRONG", world.phone.wrong_code());
        let answer = browser
            .post_raw(
                "/sign-in/code",
                &format!("token={}{body}", browser.token.clone()),
            )
            .await;
        assert_eq!(answer.location(), "/sign-in", "{body}");
        assert!(
            browser
                .get("/sign-in")
                .await
                .body
                .contains("That code is not right"),
            "{body}"
        );
    }
    world.clock.pass(Duration::from_secs(3600));
    let mut browser = world.at_the_code().await;
    let code = world.phone.last_code();
    for body in [
        format!("&code={code}&code={code}"),
        format!("&code[]={code}"),
        format!("&code%5B0%5D={code}"),
    ] {
        let answer = browser
            .post_raw(
                "/sign-in/code",
                &format!("token={}{body}", browser.token.clone()),
            )
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert!(browser.cookie("session").is_none());
}

/// E-01
#[tokio::test]
async fn unknown_wrong_and_locked_look_alike() {
    let world = World::new().await;
    let mut seen = Vec::new();
    for (name, password) in [
        ("nobody", "x"),
        ("alice", "x"),
        ("carol", "x"),
        ("dave", "x"),
        ("dave", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
    ] {
        let mut browser = world.browser();
        browser.get("/sign-in").await;
        let answer = browser.password(name, password).await;
        let page = browser.get("/sign-in").await;
        let body = page.body.replace(&browser.token, "TOKEN");
        let headers = |headers: &http::HeaderMap| format!("{headers:?}");
        seen.push((
            name,
            (
                answer.status,
                headers(&answer.headers),
                answer.body,
                page.status,
                headers(&page.headers),
                body,
            ),
        ));
    }
    for (name, answer) in &seen {
        assert_eq!(*answer, seen[0].1, "{name}");
    }
    assert!(
        seen[0]
            .1
            .5
            .contains("The user name or the password is not right.")
    );
}

/// E-05, D-02
#[tokio::test]
async fn a_locked_factor_answers_right_and_wrong_codes_alike_and_takes_a_backup_code() {
    let world = World::with(|factor| factor.show_failure_reason = true).await;
    let backup = print_backup_codes(&world).await;
    for _ in 0..2 {
        let mut browser = world.at_the_code().await;
        let wrong = world.phone.wrong_code();
        for _ in 0..5 {
            browser.post("/sign-in/code", &[("code", wrong)]).await;
        }
        world.clock.pass(Duration::from_secs(60));
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut browser = world.browser();
        browser.get("/sign-in").await;
        browser.password("alice", PASSWORD).await;
        let page = browser.get("/sign-in").await;
        assert!(page.body.contains("locked"), "{}", page.body);
        let code = if seen.is_empty() {
            world.phone.last_code()
        } else {
            world.phone.wrong_code().to_owned()
        };
        let answer = browser.post("/sign-in/code", &[("code", &code)]).await;
        let page = browser.get("/sign-in").await;
        seen.push((
            answer.status,
            answer.body,
            page.body.replace(&browser.token, "TOKEN"),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    browser.password("alice", PASSWORD).await;
    browser.get("/sign-in").await;
    let answer = browser
        .post("/sign-in/backup-code", &[("backup_code", &backup[0])])
        .await;
    assert_eq!(answer.location(), "/account");
}

/// E-06
#[tokio::test]
async fn what_goes_wrong_inside_stays_inside() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let panicked = browser.password("panic", "x").await;
    assert_eq!(panicked.status, StatusCode::INTERNAL_SERVER_ERROR);
    let outage = browser.password("outage", "x").await;
    assert_eq!(outage.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(outage.header("retry-after"), "5");
    for answer in [panicked, outage] {
        assert!(
            answer.body.contains("If you report this, mention <code>"),
            "{}",
            answer.body
        );
        for secret in ["94771234567", "10.0.0.5", "SELECT", "ldap", "panic"] {
            assert!(!answer.body.contains(secret), "{secret}");
        }
    }
    world.phone.broken.store(true, Ordering::SeqCst);
    browser.get("/sign-in").await;
    assert_eq!(
        browser.password("alice", PASSWORD).await.location(),
        "/sign-in"
    );
    let page = browser.get("/sign-in").await;
    assert!(
        page.body.contains("We could not send a code"),
        "{}",
        page.body
    );
    for word in PROVIDER_TEXT.split(' ') {
        assert!(
            word.len() < 4 || !page.body.contains(word) || word == "says:",
            "{word}"
        );
    }
}

/// R-01, C-06
#[tokio::test]
async fn a_new_code_is_sent_after_the_wait_and_not_before() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    let old = world.phone.last_code();
    assert_eq!(
        browser.post("/sign-in/resend", &[]).await.location(),
        "/sign-in"
    );
    assert!(
        browser
            .get("/sign-in")
            .await
            .body
            .contains("It is too soon for a new code.")
    );
    assert_eq!(world.phone.count(), 1);
    world.clock.pass(Duration::from_secs(31));
    browser.post("/sign-in/resend", &[]).await;
    assert_eq!(world.phone.count(), 2);
    let page = browser.get("/sign-in").await;
    assert!(
        page.body.contains("A new code is on its way."),
        "{}",
        page.body
    );
    browser.post("/sign-in/code", &[("code", &old)]).await;
    assert!(
        browser
            .get("/sign-in")
            .await
            .body
            .contains("That was the earlier code.")
    );
    let backup = print_backup_codes(&world).await;
    browser.post("/sign-in/code", &[("code", &backup[0])]).await;
    assert!(
        browser.cookie("session").is_none(),
        "a backup code has a form of its own"
    );
    let code = world.phone.last_code();
    assert_eq!(
        browser
            .post("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/account"
    );
}

#[tokio::test]
async fn a_number_is_asked_for_only_where_the_operator_allows_it() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    browser.password("carol", PASSWORD).await;
    assert!(
        browser
            .get("/sign-in")
            .await
            .body
            .contains("no mobile number")
    );

    let world = World::with(|factor| factor.capture_number = true).await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    browser.password("carol", PASSWORD).await;
    assert!(
        browser.get("/sign-in").await.body.contains("less safe"),
        "N-05"
    );
    browser.post("/sign-in/number", &[("mobile", "12")]).await;
    assert!(
        browser
            .get("/sign-in")
            .await
            .body
            .contains("not a valid mobile number")
    );
    browser
        .post("/sign-in/number", &[("mobile", "077 123 4570")])
        .await;
    browser.get("/sign-in").await;
    assert_eq!(world.people.number("carol"), None, "B-03");
    let code = world.phone.last_code();
    assert_eq!(
        browser
            .post("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/account"
    );
    assert_eq!(
        world.people.number("carol").as_deref(),
        Some("+94771234570")
    );
}

/// B-02
#[tokio::test]
async fn a_number_in_another_form_is_not_looked_at() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.get("/sign-in").await;
    let fields = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("mobile", "+94770000001"),
        ("MOBILE_NUMBER", "+94770000001"),
    ];
    browser.post("/sign-in/password", &fields).await;
    assert_eq!(world.phone.last_number(), "+94771234567");
}

#[tokio::test]
async fn giving_up_begins_anew() {
    let world = World::new().await;
    let mut browser = world.at_the_code().await;
    assert_eq!(
        browser.post("/sign-in/abandon", &[]).await.location(),
        "/sign-in?again"
    );
    assert!(
        browser
            .get("/sign-in")
            .await
            .body
            .contains("name=\"password\"")
    );
}

#[tokio::test]
async fn probes_are_answered_by_any_name() {
    let world = World::new().await;
    let get = |path: &str| {
        Request::builder()
            .uri(path)
            .header(header::HOST, "10.0.0.9:8080")
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(world.ask(get("/health/live")).await.status, StatusCode::OK);
    let ready = world.ask(get("/health/ready")).await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (StatusCode::OK, r#"{"store":true,"senders":true}"#)
    );
    world.ready.store(false, Ordering::SeqCst);
    assert_eq!(
        world.ask(get("/health/ready")).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        ask(&world.admin, get("/health/ready")).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
