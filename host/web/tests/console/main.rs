//! The administrator's console, as a browser shows it.
#![allow(clippy::unwrap_used)]

mod acts;
mod api;
mod definitions;
mod foreign;
mod hostile;
mod log;
mod readable;
mod roles;
mod way_in;

#[path = "../world/mod.rs"]
mod world;

use http::StatusCode;
use world::{Answer, Browser};

const PAGES: [&str; 22] = [
    "/console",
    "/console/users",
    "/console/users/of/bob",
    "/console/identity-providers",
    "/console/identity-providers/of/filed",
    "/console/identity-providers/of/silent",
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
const ACTS: [(&str, &[(&str, &str)]); 38] = [
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
    ("/console/users/unlock-all", &[]),
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
    ("/console/identity-providers/delete", &[("name", "corp")]),
    ("/console/claims/delete", &[("name", "partner")]),
    ("/console/connectors/delete", &[("name", "other")]),
    ("/console/inbound/delete", &[("name", "resident")]),
    // What is pushed is the first that waits.
    ("/console/provisioning/push", &[("connector", "peer")]),
    (
        "/console/provisioning/retry",
        &[("connector", "peer"), ("number", "1")],
    ),
    ("/console/provisioning/drop", &[("number", "1")]),
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
    ("/console/administrators/remove", &[("account", "bob")]),
];

async fn refused(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let answer = browser.post(path, fields).await;
    assert_ne!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer
}
