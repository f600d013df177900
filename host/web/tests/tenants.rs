//! Several tenants behind one host: each has its own addresses, and nothing of one is anything in
//! another.
#![allow(clippy::unwrap_used)]

mod world;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use proptest::prelude::*;
use world::{ADMIN_TOKEN, API_TOKEN, API_TOKEN_OF_A, Answer, BROKEN, Browser, HOST, World};

const A: &str = "/t/a.example";
const B: &str = "/t/b.example";

/// Every form of the pages. Whoever adds one adds it here.
const FORMS: [&str; 21] = [
    "/sign-in/password",
    "/sign-in/number",
    "/sign-in/code",
    "/sign-in/resend",
    "/sign-in/backup-code",
    "/sign-in/second-step",
    "/sign-in/abandon",
    "/sign-in/decline",
    "/sign-in/finish",
    "/sign-out",
    "/oauth2/logout/confirm",
    "/account/number",
    "/account/number/code",
    "/account/number/resend",
    "/account/number/abandon",
    "/account/password",
    "/account/sms-codes",
    "/account/backup-codes",
    "/account/links/remove",
    "/account/sessions/end",
    "/account/sessions/end-others",
];

/// The same browser, at another tenant's address, with what it holds called as it is called there.
async fn carried_to(world: &World, browser: &Browser, base: &str) -> Browser {
    let mut there = world.browser();
    there.base = base.to_owned();
    there.get("/sign-in").await;
    let login_name = there.cookies.keys().next().unwrap().clone();
    let suffix = login_name.rsplit_once('-').unwrap().1;
    let mut carried = browser.clone();
    carried.base = base.to_owned();
    for (name, value) in &browser.cookies {
        let (stem, _) = name.rsplit_once('-').unwrap();
        carried
            .cookies
            .insert(format!("{stem}-{suffix}"), value.clone());
    }
    carried
}

#[tokio::test]
async fn a_login_runs_within_its_tenant_from_the_first_page_to_the_last() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.base = A.to_owned();
    assert_eq!(browser.get("").await.location(), "/t/a.example/sign-in");
    let page = browser.get("/sign-in").await;
    assert!(page.body.contains("The house of a.example"));
    assert!(
        page.body
            .contains("action=\"/t/a.example/sign-in/password\"")
    );
    let mut browser = world.signed_in_at(A).await;
    let account = browser.get("/account").await;
    assert_eq!(account.status, StatusCode::OK);
    for address in addresses(&account.body) {
        let ours = address.starts_with("/t/a.example/") || address.starts_with("/assets/");
        assert!(ours, "{address} leads out of the tenant");
    }
    let answer = browser.post("/sign-out", &[]).await;
    assert_eq!(answer.location(), "/t/a.example/signed-out");
}

#[tokio::test]
async fn no_template_has_an_address_that_leaves_its_tenant() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut folders = vec![folder];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // The administrator's pages are on a listener of their own.
                if path.file_name().unwrap() != "console" {
                    folders.push(path);
                }
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for bad in ["href=\"/", "action=\"/", "src=\"/"] {
                assert!(
                    !text.contains(bad),
                    "{}: `{bad}...`: write `{{{{ f.base }}}}/...`",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 5);
}

/// Q-09, E-04
#[tokio::test]
async fn a_tenant_nobody_has_looks_like_a_page_that_is_not_there() {
    let world = World::new().await;
    for method in [Method::GET, Method::POST] {
        let missing = ask(&world, &method, "/no-such-page", None).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        for path in [
            "/t",
            "/t/",
            "/t/nobody.example",
            "/t/nobody.example/sign-in",
            "/t/nobody.example/admin/x",
            "/t/nobody.example/account?x=1",
            "/t/nobody.example/assets/logo.svg",
            "/t/nobody.example/health/live",
            "/t/carbon.super/sign-in",
            "/t/A.example/sign-in",
            "/t/a.example./sign-in",
            "/t/%61.example/sign-in",
            "/t/a.example%00/sign-in",
            "/t/a.example%2f..%2fb.example/sign-in",
            "/t/../sign-in",
            "/t/a.example/t/b.example/sign-in",
        ] {
            let answer = ask(&world, &method, path, None).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            if !path.starts_with("/t/a.example/") {
                assert_eq!(answer.body, missing.body, "{method} {path}");
            }
        }
        let missing = ask(&world, &method, "/api/v1/nothing", Some(API_TOKEN)).await;
        let answer = ask(
            &world,
            &method,
            "/t/nobody.example/api/v1/challenges",
            Some(API_TOKEN),
        )
        .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, missing.body);
    }
}

#[tokio::test]
async fn an_operator_reads_on_the_administrators_listener_why_a_tenants_logins_fail() {
    let world = World::new().await;
    let list = |token: &'static str| {
        let request = Request::get("/admin/api/v1/tenants")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        world::ask(&world.admin, request)
    };
    let listed = list(ADMIN_TOKEN).await;
    let broken = listed.body.rsplit("broken.example").next().unwrap();
    assert!(broken.contains("line 3: not TOML"), "{}", listed.body);
    let stranger = list("another-token-0123456789").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    let public = ask(&world, &Method::GET, "/admin/api/v1/tenants", None).await;
    assert_eq!(public.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_tenant_whose_settings_cannot_be_read_fails_alone_and_says_nothing_of_why() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.base = format!("/t/{BROKEN}");
    let answer = browser.get("/sign-in").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.body.contains("secret-word"), "{}", answer.body);
    world.signed_in_at(A).await;
    world.signed_in().await;
}

/// whatever a browser holds of one tenant, at another's address every form is refused and no
/// page is more than it is to a stranger.
#[tokio::test]
async fn what_a_browser_holds_of_one_tenant_is_nothing_in_another() {
    let world = World::new().await;
    for (own, other) in [(A, B), (A, ""), ("", A)] {
        // The budget of messages has room again.
        world.clock.pass(std::time::Duration::from_secs(3600));
        for browser in [
            world.at_the_code_of(own).await,
            world.signed_in_at(own).await,
        ] {
            let mut there = carried_to(&world, &browser, other).await;
            let account = there.get("/account").await;
            assert_eq!(account.location(), format!("{other}/sign-in"));
            for form in FORMS {
                let answer = there.post(form, &[("code", "123456")]).await;
                assert_eq!(
                    answer.status,
                    StatusCode::FORBIDDEN,
                    "{own} at {other}{form}: {}",
                    answer.body
                );
            }
        }
    }
}

/// with the other tenant's own form tokens as well, a login of one is gone in another.
#[tokio::test]
async fn a_code_of_one_tenant_opens_nothing_in_another() {
    let world = World::new().await;
    let mut of_a = world.at_the_code_of(A).await;
    let code = world.phone.last_code();
    let mut there = carried_to(&world, &of_a, B).await;
    let page = there.get("/sign-in").await;
    assert!(!page.body.contains("Enter the code"), "{}", page.body);
    let answer = there.post("/sign-in/code", &[("code", &code)]).await;
    assert!(there.cookie("session").is_none(), "{}", answer.body);
    let answer = of_a.post("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(answer.location(), "/t/a.example/account");
}

/// E-04, Q-09
#[tokio::test]
async fn a_token_at_another_tenants_address_finds_nothing() {
    let world = World::new().await;
    let ours = create(&world, A, API_TOKEN_OF_A).await;
    assert_eq!(ours.status, StatusCode::CREATED, "{}", ours.body);
    let id = ours.body.split("\"challenge_id\":\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap();
    for (base, token) in [
        (A, API_TOKEN),
        (B, API_TOKEN_OF_A),
        ("", API_TOKEN_OF_A),
        ("/t/nobody.example", API_TOKEN_OF_A),
    ] {
        let answer = create(&world, base, token).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{base}");
        for act in ["verify", "resend"] {
            let path = format!("{base}/api/v1/challenges/{id}/{act}");
            let answer = ask(&world, &Method::POST, &path, Some(token)).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    // The super tenant's own client, at its own address, with the other's challenge.
    let path = format!("/api/v1/challenges/{id}/verify");
    let answer = ask(&world, &Method::POST, &path, Some(API_TOKEN)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(world.phone.count(), 1);
}

/// users are provisioned at the super tenant's address alone, by its own clients.
#[tokio::test]
async fn another_tenants_token_provisions_nobody() {
    let world = World::new().await;
    for (path, token, expected) in [
        ("/scim/v2/Groups", API_TOKEN, StatusCode::OK),
        ("/scim/v2/Groups", API_TOKEN_OF_A, StatusCode::NOT_FOUND),
        ("/wso2/scim/Users", API_TOKEN_OF_A, StatusCode::NOT_FOUND),
        (
            "/t/a.example/scim/v2/Groups",
            API_TOKEN_OF_A,
            StatusCode::NOT_FOUND,
        ),
        (
            "/t/a.example/scim/v2/Groups",
            API_TOKEN,
            StatusCode::NOT_FOUND,
        ),
    ] {
        let answer = ask(&world, &Method::GET, path, Some(token)).await;
        assert_eq!(answer.status, expected, "{path}: {}", answer.body);
    }
}

/// Q-11, by counts: one tenant fills all its places with requests that wait for its provider; the
/// next one is refused, and every request of another tenant is served.
#[tokio::test]
async fn a_tenant_that_floods_is_refused_and_the_others_are_served() {
    let world = World::new().await;
    world.phone.hold();
    let flood: Vec<_> = (0..postern_web::tenant::ACTS_MAX)
        .map(|i| {
            // Each in a block of numbers of its own: those have budgets too.
            let number = format!("{{\"mobile\":\"+9477{:07}\"}}", 1_000_000 + i * 20_011);
            let request = api_request(A, API_TOKEN_OF_A, "", &number);
            let router = world.public.clone();
            tokio::spawn(async move { world::ask(&router, request).await })
        })
        .collect();
    while world.phone.waiting() < flood.len() {
        tokio::task::yield_now().await;
    }
    let refused = create(&world, A, API_TOKEN_OF_A).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), "5");
    let mut page = world.browser();
    page.base = A.to_owned();
    let page = page.get("/sign-in").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    for base in [B, ""] {
        for _ in 0..50 {
            let mut browser = world.browser();
            browser.base = base.to_owned();
            assert_eq!(browser.get("/sign-in").await.status, StatusCode::OK);
        }
    }
    world.phone.release();
    for asked in flood {
        assert_eq!(asked.await.unwrap().status, StatusCode::CREATED);
    }
    let served = create(&world, A, API_TOKEN_OF_A).await;
    assert_eq!(served.status, StatusCode::CREATED, "places are free again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// any route, any name for a tenant, the cookies of two others: never an answer that only
    /// their owner may have.
    #[test]
    fn no_route_of_any_tenant_answers_with_what_is_anothers(
        name in "(b\\.example|carbon\\.super|[a-z0-9.%@-]{1,12})",
        form in 0..FORMS.len(),
        get in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let browser = world.signed_in_at(A).await;
            let mut there = carried_to(&world, &browser, B).await;
            there.base = format!("/t/{name}");
            prop_assume!(name != "a.example");
            let answer = if get {
                there.get(FORMS[form]).await
            } else {
                there.post(FORMS[form], &[("codes", "off")]).await
            };
            prop_assert!(!answer.status.is_success(), "{} {}", name, answer.status);
            prop_assert!(!answer.body.contains("alice"), "{}", answer.body);
            Ok(())
        })?;
    }
}

async fn create(world: &World, base: &str, token: &str) -> Answer {
    let number = "{\"mobile\":\"+94771234567\"}";
    world.ask(api_request(base, token, "", number)).await
}

fn api_request(base: &str, token: &str, below: &str, body: &str) -> Request<Body> {
    Request::post(format!("{base}/api/v1/challenges{below}"))
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

async fn ask(world: &World, method: &Method, path: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    world
        .ask(request.body(Body::from("{\"code\":\"123456\"}")).unwrap())
        .await
}

/// What the page links to and posts to.
fn addresses(html: &str) -> Vec<&str> {
    ["href=\"", "action=\"", "src=\""]
        .iter()
        .flat_map(|mark| html.split(mark).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|address| !address.starts_with('#'))
        .collect()
}
