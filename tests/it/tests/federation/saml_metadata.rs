//! Two hosts that were given each other's metadata and nothing else.

use crate::saml::{APPLICATION, App, EXTERNAL_KEY, INTERNAL_KEY, PLAIN, signing_with};
use crate::saml_participant::is_signed_in;
use crate::{ALICE, PASSWORD};
use postern_federation::saml::Certificate;
use postern_kit::Visitor;
use postern_kit::anyhow::Result;
use postern_kit::ports::free_port;
use postern_kit::postern_web::saml::metadata::document;

/// Names, addresses of both kinds of message, keys, and that requests are signed: all is in the documents.
#[tokio::test]
async fn metadata_is_all_that_two_hosts_need_of_each_other() -> Result<()> {
    let inside = [free_port()?, free_port()?];
    let outside = [free_port()?, free_port()?];
    let described = |entity_id: &str, ports: [u16; 2], key: (&str, &str)| -> Result<String> {
        let base = format!("http://localhost:{}", ports[0]);
        Ok(document(entity_id, &base, &[Certificate::from_pem(key.1)?]))
    };
    let of_internal = described("internal", inside, INTERNAL_KEY)?;
    let of_external = described("external", outside, EXTERNAL_KEY)?;
    let internal = signing_with(INTERNAL_KEY)
        .ports(inside)
        .file("external.xml", &of_external)
        .config(
            r#"
[saml]
entity_id = "internal"

[relying_party.external]
second_step = "none"
[relying_party.external.saml]
metadata = "external.xml"
single_logout = true
"#,
        )
        .start()
        .await?;
    let external = signing_with(EXTERNAL_KEY)
        .ports(outside)
        .plugin("local")
        .file("internal.xml", &of_internal)
        .config(&format!(
            r#"
[saml]
entity_id = "external"

[identity_provider.internal]
protocol = "saml"
metadata = "internal.xml"
single_logout = true

[relying_party.travelocity]
first_step = ["internal"]
second_step = "none"
[relying_party.travelocity.saml]
entity_id = "travelocity.com"
consumer_services = ["{APPLICATION}"]
"#
        ))
        .start()
        .await?;
    // Those are the documents that they publish.
    for (host, published) in [(&internal, &of_internal), (&external, &of_external)] {
        let page = host.browser().open("/saml/metadata").await?;
        assert_eq!(page.html, *published);
    }
    internal.add_user("alice", PASSWORD, ALICE).await?;

    let mut visitor = Visitor::new([
        (internal.origin(), internal.host().public),
        (external.origin(), external.host().public),
    ]);
    let sso_url = format!("{}/samlsso", external.origin());
    let app = App::of("external", sso_url, "travelocity.com", APPLICATION);
    let page = visitor.open(&app.link(PLAIN)?).await?.page()?;
    assert!(page.asks_for_password(), "{}: {}", page.path, page.text());
    let filled = [("username", "alice"), ("password", PASSWORD)];
    let inside = internal.origin();
    let stop = visitor
        .submit(&inside, &page, "/sign-in/password", &filled)
        .await?;
    assert_eq!(app.accept(stop, true)?.0?.subject().value, "alice");
    let signed = visitor
        .trail
        .iter()
        .any(|at| at.starts_with(&format!("GET {inside}/samlsso?")) && at.contains("&Signature="));
    assert!(signed, "{:#?}", visitor.trail);

    let outside = external.origin();
    let account = visitor.open(&format!("{outside}/account")).await?.page()?;
    let page = visitor
        .submit(&outside, &account, "/sign-out", &[])
        .await?
        .page()?;
    assert_eq!(page.path, "/signed-out", "{}", page.text());
    for origin in [&inside, &outside] {
        assert!(!is_signed_in(&visitor, origin).await?, "{origin}");
    }
    internal.stop().await?;
    external.stop().await
}
