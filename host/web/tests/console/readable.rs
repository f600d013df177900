//! Every page can be read by everybody.

use crate::PAGES;
use crate::world::World;
use postern_admin::Role;

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
