//! The same acts as an API, for the host and for each tenant.

use crate::ACTS;
use crate::world::{ADMIN_TOKEN, Answer, World, ask};
use http::{Request, StatusCode, header};
use postern_admin::Role;

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
        ("POST", "/unlock-all", "", 200),
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
            for wrong in [None, Some(crate::world::API_TOKEN), Some("")] {
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
            .header(header::HOST, crate::world::HOST)
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
