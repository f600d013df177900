//! What an application's entry says, where the password and the code are asked for here: who may ask, who may begin,
//! and what the application is told of the person and of the factors.

use crate::saml::{
    APPLICATION_KEY, App, EXTERNAL_KEY, INTERNAL_KEY, PLAIN, is_refused, send, signing_with,
    taken_to,
};
use crate::{ALICE, PASSWORD};
use postern_federation::saml::context::{Comparison, RequestedContext};
use postern_federation::saml::response::Attribute;
use postern_federation::saml::sp::Wish;
use postern_federation::saml::{AuthnContext, Binding, Refusal};
use postern_kit::anyhow::Result;
use postern_kit::postern_web::texts::EN;
use postern_kit::{Change, Phone, Stop, TestHost, Visitor, Warnings};

const HOME: &str = "http://localhost:8088/home";
const STRICT: &str = "http://localhost:8088/strict";

/// Alice at a host with two applications. The second one's requests must be signed, with a key that the test has not.
async fn host() -> Result<TestHost> {
    let host = signing_with(EXTERNAL_KEY)
        .sms_otp("backup_code = true")
        .file("application.crt", APPLICATION_KEY.1)
        .file("other.crt", INTERNAL_KEY.1)
        .config(&format!(
            r#"
[saml]
entity_id = "localhost"

[relying_party.webapp]
claims = {{ "mobile" = "http://wso2.org/claims/mobile" }}
[relying_party.webapp.saml]
entity_id = "webapp.example"
consumer_services = ["{HOME}"]
certificates = ["application.crt"]
attribute_profile = true
attributes_always = true
idp_initiated = true

[relying_party.strict]
[relying_party.strict.saml]
entity_id = "strict.example"
consumer_services = ["{STRICT}"]
certificates = ["other.crt"]
signed_requests = true
"#
        ))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    Ok(host)
}

fn application<'a>(host: &TestHost, entity_id: &'a str, consumer_url: &'a str) -> App<'a> {
    let sso_url = format!("{}/samlsso", host.origin());
    App::of("localhost", sso_url, entity_id, consumer_url)
}

fn webapp(host: &TestHost) -> App<'static> {
    application(host, "webapp.example", HOME)
}

fn visitor(host: &TestHost) -> Visitor {
    Visitor::new([(host.origin(), host.host().public)])
}

async fn gives_password(host: &TestHost, visitor: &mut Visitor, stop: Stop) -> Result<Stop> {
    let page = stop.page()?;
    assert!(page.asks_for_password(), "{}: {}", page.path, page.text());
    let filled = [("username", "alice"), ("password", PASSWORD)];
    visitor
        .submit(&host.origin(), &page, "/sign-in/password", &filled)
        .await
}

async fn gives_code(
    host: &TestHost,
    visitor: &mut Visitor,
    phone: &mut Phone,
    stop: Stop,
) -> Result<Stop> {
    let page = stop.page()?;
    assert!(page.asks_for_code(), "{}: {}", page.path, page.text());
    let code = phone.next_code().await?;
    let filled = [("code", code.as_str())];
    visitor
        .submit(&host.origin(), &page, "/sign-in/code", &filled)
        .await
}

/// The application's link, its form, and a start at the identity provider.
#[tokio::test]
async fn whoever_begins_both_factors_are_asked_for_and_the_application_is_told_the_same()
-> Result<()> {
    let host = host().await?;
    let mut phone = host.phone(ALICE);
    let start = format!("{}/samlsso?spEntityID", host.origin());
    let mobile = Attribute {
        name: "mobile".to_owned(),
        values: vec![ALICE.to_owned()],
    };
    for begins in ["a link", "a form", "the identity provider"] {
        let mut visitor = visitor(&host);
        let mut app = webapp(&host);
        let asked = begins != "the identity provider";
        let stop = match begins {
            "a link" => visitor.open(&app.link(PLAIN)?).await?,
            "a form" => {
                app.upstream.sign_on.binding = Binding::Post;
                send(&mut visitor, app.ask(PLAIN)?).await?
            }
            _ => {
                let relay_state = "RelayState=deep%2Flink%3Fx%3D1";
                let start = format!("{start}=webapp.example&{relay_state}");
                visitor.open(&start).await?
            }
        };
        let stop = gives_password(&host, &mut visitor, stop).await?;
        let stop = gives_code(&host, &mut visitor, &mut phone, stop).await?;
        let (accepted, relay_state) = app.accept(stop, asked)?;
        let accepted = accepted?;
        assert_eq!(accepted.subject().value, "alice", "{begins}");
        assert_eq!(
            accepted.attributes(),
            std::slice::from_ref(&mobile),
            "{begins}"
        );
        assert_eq!(accepted.context(), AuthnContext::TwoFactors, "{begins}");
        assert_eq!(relay_state.as_deref(), PLAIN.relay_state, "{begins}");
    }
    host.stop().await
}

/// X-26: whoever has given both factors, and is known by them, gives both again.
#[tokio::test]
async fn a_forced_sign_in_asks_for_both_factors_again() -> Result<()> {
    let host = host().await?;
    let mut phone = host.phone(ALICE);
    let mut visitor = visitor(&host);
    let app = webapp(&host);
    let force = Wish {
        force_authn: true,
        ..PLAIN
    };
    for (wish, asked) in [(PLAIN, true), (PLAIN, false), (force, true)] {
        let mut stop = visitor.open(&app.link(wish)?).await?;
        if asked {
            stop = gives_password(&host, &mut visitor, stop).await?;
            stop = gives_code(&host, &mut visitor, &mut phone, stop).await?;
        }
        let accepted = app.accept(stop, true)?.0?;
        assert_eq!(accepted.context(), AuthnContext::TwoFactors);
    }
    host.stop().await
}

/// A backup code is a factor. Messages that somebody switched off are none, or the end of the sign-in.
#[tokio::test]
async fn an_application_is_told_of_the_factors_that_were_given_and_of_no_others() -> Result<()> {
    let host = host().await?;
    let origin = host.origin();
    let app = webapp(&host);
    let mut with_backup = visitor(&host);
    let codes = host.backup_codes("alice").await?;
    let stop = with_backup.open(&app.link(PLAIN)?).await?;
    let stop = gives_password(&host, &mut with_backup, stop).await?;
    let page = stop.page()?;
    assert!(page.asks_for_code(), "{}: {}", page.path, page.text());
    let filled = [("backup_code", codes[0].as_str())];
    let stop = with_backup
        .submit(&origin, &page, "/sign-in/backup-code", &filled)
        .await?;
    let accepted = app.accept(stop, true)?.0?;
    assert_eq!(accepted.context(), AuthnContext::TwoFactors);

    let sent = host.outbox().count();
    let opted_out = Change {
        opted_out: Some(true),
        ..Change::default()
    };
    host.change_user("alice", opted_out).await?;
    host.set_sms_otp("mandatory = false\nenable_by_user_claim = true")
        .await?;
    let mut without = visitor(&host);
    let stop = without.open(&app.link(PLAIN)?).await?;
    let stop = gives_password(&host, &mut without, stop).await?;
    let accepted = app.accept(stop, true)?.0?;
    assert_eq!(accepted.context(), AuthnContext::PasswordProtectedTransport);
    // One that must have two factors gets neither a code nor an assertion.
    let mut demanding = webapp(&host);
    demanding.upstream.context = Some(RequestedContext {
        comparison: Comparison::Exact,
        classes: vec![AuthnContext::TwoFactors.uri().to_owned()],
    });
    let stop = without.open(&demanding.link(PLAIN)?).await?;
    is_denied(&demanding, stop, "NoAuthnContext")?;

    host.set_sms_otp("mandatory = true\nenable_by_user_claim = true")
        .await?;
    let mut stopped = visitor(&host);
    let stop = stopped.open(&app.link(PLAIN)?).await?;
    let stop = gives_password(&host, &mut stopped, stop).await?;
    let page = stop.page()?;
    let said = page.text();
    assert!(said.contains(EN.stopped_opted_out), "{said}");
    let stop = stopped
        .submit(&origin, &page, "/sign-in/decline", &[])
        .await?;
    is_denied(&app, stop, "AuthnFailed")?;
    assert_eq!(host.outbox().count(), sent, "nothing was sent");
    host.stop().await
}

fn is_denied(app: &App<'_>, stop: Stop, why: &str) -> Result<()> {
    let refused = app.accept(stop, true)?.0;
    let Err(Refusal::Status { code, second }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!((code.as_str(), second.as_deref()), ("Responder", Some(why)));
    Ok(())
}

/// X-24, X-33: a page that says nothing, no way to anywhere, and nobody is asked to sign in.
#[tokio::test]
async fn a_request_that_cannot_be_trusted_is_answered_nowhere() -> Result<()> {
    const EVIL: &str = "http://evil.example/acs";
    let warnings = Warnings::listen();
    let host = host().await?;
    let mut visitor = visitor(&host);
    let here = format!("{}/samlsso", host.origin());
    for binding in [Binding::Redirect, Binding::Post] {
        let unregistered = format!("the assertion consumer service `{EVIL}` is not registered");
        for (entity_id, consumer_url, signs, cause) in [
            (
                "nobody.example",
                HOME,
                false,
                "no peer named `nobody.example`",
            ),
            ("webapp.example", EVIL, false, unregistered.as_str()),
            // A signature does not widen what is registered.
            ("webapp.example", EVIL, true, unregistered.as_str()),
            ("strict.example", STRICT, false, "not signed, though"),
            ("strict.example", STRICT, true, "does not verify"),
        ] {
            let mut app = application(&host, entity_id, consumer_url);
            app.upstream.sign_on.binding = binding;
            app.upstream.sign_requests = signs;
            is_refused(&mut visitor, app.ask(PLAIN)?, cause, &warnings).await?;
        }
        let mut elsewhere = webapp(&host);
        elsewhere.upstream.sign_on.binding = binding;
        elsewhere.upstream.sign_on.url = "http://other.example/samlsso".to_owned();
        let moved = taken_to(&here, elsewhere.ask(PLAIN)?);
        is_refused(&mut visitor, moved, "addressed to", &warnings).await?;
    }
    let asked = visitor.trail.iter().find(|at| at.contains("/sign-in"));
    assert_eq!(asked, None);
    // As it should be.
    let stop = visitor.open(&webapp(&host).link(PLAIN)?).await?;
    assert!(stop.page()?.asks_for_password());
    host.stop().await
}
