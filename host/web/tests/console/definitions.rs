//! Providers, dialects and the two resident pages.

use crate::world::World;
use http::StatusCode;
use postern_admin::Role;

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

/// Values are those of the file, in the fields of the same form; of a secret it is said that it is set.
#[tokio::test]
async fn what_the_file_says_is_shown_and_its_secrets_are_not() {
    let world = World::new().await;
    for (name, role) in [("alice", Role::Administrator), ("bob", Role::Auditor)] {
        let mut browser = world.at_the_console(name, role).await;
        let page = browser.get("/console/identity-providers/of/filed").await;
        for row in [
            "<dt>Issuer</dt><dd>https://filed.example</dd>",
            "<dt>Client secret</dt><dd>set</dd>",
            "<dt>Ask userinfo</dt><dd>no</dd>",
            "<dt>Claims</dt><dd><pre tabindex=\"0\"><code>mail = http://&#60;b&#62;\ntel = http://&#60;i&#62;</code></pre></dd>",
            "<dt>ca_files</dt><dd>corp.pem</dd>",
        ] {
            assert!(page.body.contains(row), "{row}: {}", page.body);
        }
        for absent in ["<dt>Metadata</dt>", "name=\"value.", "/put\"", "/delete\""] {
            assert!(!page.body.contains(absent), "{absent}: {}", page.body);
        }
        let page = browser.get("/console/connectors/of/peer").await;
        let row = "<dt>Token</dt><dd>not set</dd>";
        assert!(page.body.contains(row), "{}", page.body);
        let page = browser.get("/console/identity-providers/of/silent").await;
        assert_eq!(page.status, StatusCode::OK);
        for words in [
            "plugin is not loaded",
            "<dt>State</dt><dd>enabled, default</dd>",
            "<dt>ca_files</dt><dd>sms.pem</dd>",
            "<dt>sender.secrets</dt><dd>set</dd>",
        ] {
            assert!(page.body.contains(words), "{words}: {}", page.body);
        }
    }
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
        "https://login.example/wso2/scim/Users",
        &"0a1b".repeat(16),
        "2026-11-22",
        "unknown",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    let home = "/console/resident-service-provider";
    let page = browser.get(home).await;
    let new = "/console/inbound/new/scim";
    for shown in [
        new,
        "https://login.example/scim/v2",
        "https://login.example/wso2/scim/Users",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
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
