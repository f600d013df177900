//! SAML at a tenant's addresses; and what an application, a session, a question and an answer of one tenant are to
//! another: nothing, though one key signs for all.

use crate::saml::{
    APPLICATION_KEY, App, EXTERNAL_KEY, INTERNAL_KEY, PLAIN, posted, refused, security, send,
    signing_with,
};
use crate::saml_partner::{self, PARTNER, vouch};
use crate::{ALICE, PASSWORD};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use postern_federation::saml::sp::{Question, Wish};
use postern_federation::saml::{AuthnContext, Binding, Certificate, Refusal, UnverifiedResponse};
use postern_it::tenants::{A, B, to_outbox};
use postern_kit::anyhow::{Context, Result};
use postern_kit::{Stop, TestHost, Visitor, Warnings};
use std::io::{Read as _, Write as _};
use url::form_urlencoded;

const SHOP: &str = "http://localhost:8085/shop";

/// With the certificates that the tenants' documents name.
pub(crate) async fn host() -> Result<TestHost> {
    signing_with(EXTERNAL_KEY)
        .plugin("local")
        .file("tenants/peer.crt", APPLICATION_KEY.1)
        .file("tenants/other-peer.crt", INTERNAL_KEY.1)
        .start()
        .await
}

/// A document with the shop in it, and `more` about how its people sign in.
fn with_shop(brand: &str, more: &str) -> String {
    format!(
        r#"{}
[relying_party.shop]
{more}
[relying_party.shop.saml]
entity_id = "shop.example"
consumer_services = ["{SHOP}"]
idp_initiated = true
"#,
        to_outbox(brand, 6)
    )
}

pub(crate) fn address(host: &TestHost, tenant: &str, path: &str) -> String {
    format!("{}/t/{tenant}{path}", host.origin())
}

/// An application as it knows this tenant.
pub(crate) fn application<'a>(
    host: &TestHost,
    tenant: &str,
    entity_id: &'a str,
    consumer_url: &'a str,
) -> App<'a> {
    let sso_url = address(host, tenant, "/samlsso");
    let metadata = address(host, tenant, "/saml/metadata");
    App::of(&metadata, sso_url, entity_id, consumer_url)
}

fn shop(host: &TestHost, tenant: &str) -> App<'static> {
    application(host, tenant, "shop.example", SHOP)
}

/// A question of `other`, unsigned, as it would be if this tenant had asked it: with its names and
/// addresses, and still with the other one's id and relay state.
fn as_if_of(tenant: &str, other: &str, sent: &str) -> Result<String> {
    let (address, query) = sent.split_once('?').context("a question in a query")?;
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .filter(|(name, _)| name != "Signature" && name != "SigAlg")
        .collect();
    for (name, value) in &mut pairs {
        if name == "SAMLRequest" {
            let deflated = STANDARD.decode(value.as_str())?;
            let mut xml = String::new();
            DeflateDecoder::new(deflated.as_slice()).read_to_string(&mut xml)?;
            let xml = xml.replace(&format!("/t/{other}/"), &format!("/t/{tenant}/"));
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(xml.as_bytes())?;
            *value = STANDARD.encode(encoder.finish()?);
        }
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&pairs)
        .finish();
    Ok(format!("{address}?{query}"))
}

pub(crate) fn visitor(host: &TestHost) -> Visitor {
    Visitor::new([(host.origin(), host.host().public)])
}

/// Fills in the form of the tenant's page that a walk ended at.
pub(crate) async fn fills_in(
    host: &TestHost,
    visitor: &mut Visitor,
    stop: Stop,
    form: &str,
    filled: &[(&str, &str)],
) -> Result<Stop> {
    let page = stop.page()?;
    assert!(page.has_form(form), "{}: {}", page.path, page.text());
    visitor.submit(&host.origin(), &page, form, filled).await
}

/// Posts a message without a browser, which would follow: where it leads.
pub(crate) async fn led_to(
    host: &TestHost,
    to: &str,
    fields: &[(String, String)],
) -> Result<String> {
    let origin = host.origin();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let request = http::Request::post(to.trim_start_matches(&origin))
        .header("host", origin.trim_start_matches("http://"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://partner.example")
        .header("sec-fetch-site", "cross-site")
        .body(body.into())?;
    let answer = postern_kit::http::exchange(host.host().public, request).await?;
    let location = answer.header("location").with_context(|| answer.text())?;
    Ok(format!("{origin}{location}"))
}

/// It answers no question of this tenant. That is found where it is posted, before anything of it waits for a browser
/// and the browser's own login is looked at.
async fn answers_no_question(
    visitor: &mut Visitor,
    to: &str,
    fields: &[(String, String)],
    warnings: &Warnings,
) -> Result<()> {
    warnings.take();
    refused(&visitor.post(to, fields).await?.page()?);
    assert_eq!(visitor.trail.last(), Some(&format!("POST {to}")));
    let said = warnings.take().join("\n");
    let cause = "answers no request of this browser";
    assert!(said.contains(cause), "{said}");
    Ok(())
}

pub(crate) const ALICES: [(&str, &str); 2] = [("username", "alice"), ("password", PASSWORD)];
const PASSWORD_AT_A: &str = "/t/a.example/sign-in/password";
const PASSWORD_AT_B: &str = "/t/b.example/sign-in/password";

#[tokio::test]
async fn an_application_of_a_tenant_signs_its_people_in_at_the_tenants_addresses() -> Result<()> {
    let host = host().await?;
    host.document(A, &with_shop("acme", "")).await?;
    host.add_user_of(A, "alice", PASSWORD, ALICE).await?;
    let shop = shop(&host, A);
    let mut visitor = visitor(&host);
    let stop = visitor.open(&shop.link(PLAIN)?).await?;
    let stop = fills_in(&host, &mut visitor, stop, PASSWORD_AT_A, &ALICES).await?;
    let code = host.phone(ALICE).next_code().await?;
    let filled = [("code", code.as_str())];
    let form = "/t/a.example/sign-in/code";
    let stop = fills_in(&host, &mut visitor, stop, form, &filled).await?;
    let (accepted, relay_state) = shop.accept(stop, true)?;
    let accepted = accepted?;
    assert_eq!(accepted.issuer(), address(&host, A, "/saml/metadata"));
    assert_eq!(accepted.subject().value, "alice");
    assert_eq!(accepted.context(), AuthnContext::TwoFactors);
    assert_eq!(relay_state.as_deref(), Some("deep/link?x=1"));
    let strayed = visitor
        .trail
        .iter()
        .find(|at| !at.contains("/t/a.example/"));
    assert_eq!(strayed, None, "{:#?}", visitor.trail);
    let messages = host.outbox().messages();
    let senders: Vec<_> = messages.iter().map(|one| one.sender.as_str()).collect();
    assert_eq!(senders, ["acme-own"]);

    // The older product's name for the address leads to the same session.
    let older = format!(
        "{}/samlsso?spEntityID=shop.example&tenantDomain={A}",
        host.origin()
    );
    let stop = visitor.open(&older).await?;
    assert_eq!(shop.accept(stop, false)?.0?.subject().value, "alice");
    host.stop().await
}

/// X-15, Q-09: two tenants know the shop by one name, and it gets their answers at one address.
#[tokio::test]
async fn a_request_a_session_and_an_answer_of_one_tenant_are_nothing_in_another() -> Result<()> {
    let host = host().await?;
    for (tenant, brand) in [(A, "acme"), (B, "bravo")] {
        let by_password = with_shop(brand, "second_step = \"none\"");
        host.document(tenant, &by_password).await?;
        host.add_user_of(tenant, "alice", PASSWORD, ALICE).await?;
    }
    let (at_a, at_b) = (shop(&host, A), shop(&host, B));
    let mut visitor = visitor(&host);

    // The request is addressed to one of them.
    let link = at_a.link(PLAIN)?;
    let (_, query) = link.split_once('?').context("a request in a query")?;
    let elsewhere = [
        format!("{}/samlsso?{query}", host.origin()),
        address(&host, B, &format!("/samlsso?{query}")),
    ];
    for address in elsewhere {
        let page = visitor.open(&address).await?.page()?;
        assert_eq!(page.status, 400, "{}", page.text());
    }

    // It waits for whoever signs in at that one.
    let mut by_post = shop(&host, A);
    by_post.upstream.sign_on.binding = Binding::Post;
    let stop = send(&mut visitor, by_post.ask(PLAIN)?).await?;
    let waits = visitor
        .trail
        .iter()
        .find(|at| at.contains("sessionDataKey="));
    let waits = waits.and_then(|at| at.strip_prefix("GET "));
    let waits = waits.context("a key to what waits")?.to_owned();
    refused(&visitor.open(&waits.replace(A, B)).await?.page()?);
    let signed_in = fills_in(&host, &mut visitor, stop, PASSWORD_AT_A, &ALICES).await?;
    assert_eq!(
        by_post.accept(signed_in.clone(), true)?.0?.subject().value,
        "alice"
    );

    // The same key signed it for both; the shop that knows the other one by its name takes it for nothing.
    let refusal = at_b.accept(signed_in, true)?.0.unwrap_err();
    assert!(matches!(refusal, Refusal::Issuer { .. }), "{refusal}");

    // This browser is signed in at one of them only.
    let passive = Wish {
        is_passive: true,
        ..PLAIN
    };
    let stop = visitor.open(&at_a.link(passive)?).await?;
    assert_eq!(at_a.accept(stop, true)?.0?.subject().value, "alice");
    let stop = visitor.open(&at_b.link(passive)?).await?;
    let refusal = at_b.accept(stop, true)?.0.unwrap_err();
    assert!(refusal.to_string().contains("NoPassive"), "{refusal}");
    let stop = visitor.open(&at_b.link(PLAIN)?).await?;
    let stop = fills_in(&host, &mut visitor, stop, PASSWORD_AT_B, &ALICES).await?;
    let refusal = at_a.accept(stop.clone(), true)?.0.unwrap_err();
    assert!(matches!(refusal, Refusal::Issuer { .. }), "{refusal}");
    assert_eq!(at_b.accept(stop, true)?.0?.subject().value, "alice");
    host.stop().await
}

/// X-15: the two tenants' partners have one name and two keys.
#[tokio::test]
async fn another_tenants_identity_provider_vouches_for_nobody_here() -> Result<()> {
    let warnings = Warnings::listen();
    let host = host().await?;
    let by_partner = "first_step = [\"partner\"]\nsecond_step = \"none\"";
    for (tenant, brand, certificate) in [(A, "acme", "peer.crt"), (B, "bravo", "other-peer.crt")] {
        let document = with_shop(brand, by_partner) + &saml_partner::section(certificate);
        host.document(tenant, &document).await?;
    }
    let (of_a, of_b) = (APPLICATION_KEY, INTERNAL_KEY);
    let (to_a, to_b) = (
        address(&host, A, "/commonauth"),
        address(&host, B, "/commonauth"),
    );
    let (at_a, at_b) = (shop(&host, A), shop(&host, B));
    let mut visitor = visitor(&host);
    let now = Timestamp::now();

    let (sent_by_a, _) = visitor.open(&at_a.link(PLAIN)?).await?.away()?;
    let (to, forged) = vouch(&sent_by_a, &to_a, of_b, now)?;
    assert_eq!(to, to_a);
    refused(&visitor.post(&to_a, &forged).await?.page()?);
    let said = warnings.take().join("\n");
    let cause = "it does not verify with a key of the peer";
    assert!(said.contains(cause), "{said}");
    // What its own partner says is nothing at the other tenant, signed with that one's key or not.
    let (_, good) = vouch(&as_if_of(A, B, &sent_by_a)?, &to_a, of_a, now)?;
    answers_no_question(&mut visitor, &to_b, &good, &warnings).await?;
    answers_no_question(&mut visitor, &to_b, &forged, &warnings).await?;
    // Nor does the other tenant's question make it an answer.
    let (sent_by_b, _) = visitor.open(&at_b.link(PLAIN)?).await?.away()?;
    let (_, of_the_other) = vouch(&sent_by_b, &to_b, of_b, now)?;
    answers_no_question(&mut visitor, &to_a, &of_the_other, &warnings).await?;
    // Not even where everything is this tenant's: who signs, for whom, at which address. Whoever had asked that
    // question here would take it.
    let (_, disguised) = vouch(&as_if_of(A, B, &sent_by_b)?, &to_a, of_a, now)?;
    let us = address(&host, A, "/saml/metadata");
    let mut asker = App::of(PARTNER, String::new(), &us, &to_a);
    asker.upstream.certificates = vec![Certificate::from_pem(of_a.1)?];
    let response = UnverifiedResponse::new(posted(&disguised)?)?;
    let id = response.in_response_to().context("an answer")?.to_owned();
    let question = Question {
        id: &id,
        afresh_since: None,
    };
    let key = security(EXTERNAL_KEY);
    let taken = asker
        .upstream
        .accept(response, Some(question), asker.here, &key, now)?;
    assert_eq!(taken.subject().value, "alice");
    answers_no_question(&mut visitor, &to_a, &disguised, &warnings).await?;

    // What was checked waits for its browser at that tenant's address and at no other.
    let waits = led_to(&host, &to_a, &good).await?;
    let there = address(&host, A, "/commonauth?");
    assert!(waits.starts_with(&there), "{waits}");
    refused(&visitor.open(&waits.replace(A, B)).await?.page()?);
    let stop = visitor.open(&waits).await?;
    assert_eq!(at_a.accept(stop, true)?.0?.subject().value, "alice");
    // The other one's is as good as before, there.
    let stop = visitor.post(&to_b, &of_the_other).await?;
    assert_eq!(at_b.accept(stop, true)?.0?.subject().value, "alice");
    host.stop().await
}
