//! Values as an attacker would choose them, in every field and address.

use crate::world::{Answer, World};
use crate::{ACTS, PAGES};
use http::StatusCode;
use postern_admin::Role;

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
