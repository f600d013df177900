//! Single logout at a tenant's addresses: everybody in that tenant's session is told, in that tenant's name, and nobody
//! else's ends. One browser is signed in at two tenants that know applications and an identity provider by one name.

use crate::saml::{
    APPLICATION_KEY, INTERNAL_KEY, PLAIN, is_refused, owned, refused, send, taken_to,
};
use crate::saml_participant::{
    SignedIn, answer, answered_by, ask, asked_by, endpoint, is_signed_in,
};
use crate::saml_partner::{self, PARTNER, vouch};
use crate::saml_tenants::{ALICES, address, application, fills_in, host, led_to, visitor};
use crate::{ALICE, PASSWORD};
use jiff::Timestamp;
use postern_federation::saml::{Binding, Outgoing, Status};
use postern_it::tenants::{A, B, to_outbox};
use postern_kit::anyhow::{Result, bail};
use postern_kit::{Stop, TestHost, Visitor, Warnings};

const SHOP: &str = "http://localhost:8085/shop";
const SHOP_LOGOUT: &str = "http://localhost:8085/slo";
const DESK: &str = "http://localhost:8086/desk";
const DESK_LOGOUT: &str = "http://localhost:8086/slo";

/// A document with two applications whose people sign in in these steps. The shop signs with that certificate's key.
fn document(brand: &str, steps: &str, shops: &str) -> String {
    format!(
        r#"{}
[relying_party.shop]
{steps}
[relying_party.shop.saml]
entity_id = "shop.example"
consumer_services = ["{SHOP}"]
certificates = ["{shops}"]
single_logout = true
logout_url = "{SHOP_LOGOUT}"

[relying_party.desk]
{steps}
[relying_party.desk.saml]
entity_id = "desk.example"
consumer_services = ["{DESK}"]
certificates = ["peer.crt"]
single_logout = true
logout_url = "{DESK_LOGOUT}"
logout_binding = "post"
"#,
        to_outbox(brand, 6)
    )
}

/// Their people have passwords. The desk has one key in both, the shop another one in the second.
async fn with_passwords() -> Result<TestHost> {
    let host = host().await?;
    let steps = "second_step = \"none\"";
    for (tenant, brand, shops) in [(A, "acme", "peer.crt"), (B, "bravo", "other-peer.crt")] {
        let text = document(brand, steps, shops);
        host.document(tenant, &text).await?;
        host.add_user_of(tenant, "alice", PASSWORD, ALICE).await?;
    }
    Ok(host)
}

/// Alice gives her password at the shop.
async fn signs_in(
    host: &TestHost,
    visitor: &mut Visitor,
    tenant: &str,
) -> Result<[SignedIn<'static>; 2]> {
    let shop = application(host, tenant, "shop.example", SHOP);
    let stop = visitor.open(&shop.link(PLAIN)?).await?;
    let form = format!("/t/{tenant}/sign-in/password");
    let stop = fills_in(host, visitor, stop, &form, &ALICES).await?;
    goes_on(host, visitor, tenant, stop).await
}

/// The partner vouches for Alice at the shop.
async fn comes_by_partner(
    host: &TestHost,
    visitor: &mut Visitor,
    tenant: &str,
) -> Result<[SignedIn<'static>; 2]> {
    let shop = application(host, tenant, "shop.example", SHOP);
    let (sent_to, _) = visitor.open(&shop.link(PLAIN)?).await?.away()?;
    let consumer_url = address(host, tenant, "/commonauth");
    let now = Timestamp::now();
    let (to, fields) = vouch(&sent_to, &consumer_url, APPLICATION_KEY, now)?;
    let stop = visitor.post(&to, &fields).await?;
    goes_on(host, visitor, tenant, stop).await
}

/// The shop is answered, and then the desk, where nobody is asked anything: one session.
async fn goes_on(
    host: &TestHost,
    visitor: &mut Visitor,
    tenant: &str,
    answered: Stop,
) -> Result<[SignedIn<'static>; 2]> {
    let app = application(host, tenant, "shop.example", SHOP);
    let assertion = app.accept(answered, true)?.0?;
    let shop = SignedIn {
        app,
        assertion,
        logout: SHOP_LOGOUT,
    };
    let app = application(host, tenant, "desk.example", DESK);
    let stop = visitor.open(&app.link(PLAIN)?).await?;
    let assertion = app.accept(stop, true)?.0?;
    let desk = SignedIn {
        app,
        assertion,
        logout: DESK_LOGOUT,
    };
    let index = shop.assertion.session_index();
    assert_eq!(index, desk.assertion.session_index());
    assert!(is_signed_in(visitor, &address(host, tenant, "")).await?);
    Ok([shop, desk])
}

/// Since then the browser was at no address but this tenant's.
fn stayed_at(tenant: &str, visitor: &Visitor, since: usize) {
    let prefix = format!("/t/{tenant}/");
    let strayed = visitor.trail[since..]
        .iter()
        .find(|at| !at.contains(&prefix));
    assert_eq!(strayed, None, "{:#?}", visitor.trail);
}

#[tokio::test]
async fn an_application_of_a_tenant_ends_that_tenants_session_and_no_other() -> Result<()> {
    let host = with_passwords().await?;
    let (at_a, at_b) = (address(&host, A, ""), address(&host, B, ""));
    let mut visitor = visitor(&host);
    signs_in(&host, &mut visitor, B).await?;
    for binding in [Binding::Redirect, Binding::Post] {
        let [shop, desk] = signs_in(&host, &mut visitor, A).await?;
        let since = visitor.trail.len();
        let stop = send(&mut visitor, shop.asks(binding)?).await?;
        // Ended before anybody else is asked.
        assert!(!is_signed_in(&visitor, &at_a).await?);
        let told = desk.is_told(stop)?;
        let answer = desk.answers(told.id(), binding, Status::Success)?;
        let stop = send(&mut visitor, answer).await?;
        let answered = shop.is_answered(stop)?;
        assert!(answered.success(), "{answered:?}");
        stayed_at(A, &visitor, since);
        assert!(!is_signed_in(&visitor, &at_a).await?);
        assert!(is_signed_in(&visitor, &at_b).await?);
    }
    host.stop().await
}

#[tokio::test]
async fn who_signs_out_at_a_tenant_is_out_of_that_tenants_applications_and_no_others() -> Result<()>
{
    let host = with_passwords().await?;
    let (at_a, at_b) = (address(&host, A, ""), address(&host, B, ""));
    let mut visitor = visitor(&host);
    signs_in(&host, &mut visitor, B).await?;
    let [shop, desk] = signs_in(&host, &mut visitor, A).await?;
    let since = visitor.trail.len();
    let stop = visitor.open(&address(&host, A, "/account")).await?;
    let stop = fills_in(&host, &mut visitor, stop, "/t/a.example/sign-out", &[]).await?;
    assert!(!is_signed_in(&visitor, &at_a).await?);
    let told = shop.is_told(stop)?;
    let answer = shop.answers(told.id(), Binding::Redirect, Status::Success)?;
    let stop = send(&mut visitor, answer).await?;
    let told = desk.is_told(stop)?;
    let answer = desk.answers(told.id(), Binding::Post, Status::Success)?;
    let page = send(&mut visitor, answer).await?.page()?;
    // Those two were all.
    assert_eq!(page.path, "/t/a.example/signed-out", "{}", page.text());
    stayed_at(A, &visitor, since);
    assert!(!is_signed_in(&visitor, &at_a).await?);
    assert!(is_signed_in(&visitor, &at_b).await?);
    host.stop().await
}

/// X-34: one key signs for all tenants, and the desk has one name and one key in both.
#[tokio::test]
async fn a_logout_message_of_another_tenant_ends_nothing() -> Result<()> {
    let warnings = Warnings::listen();
    let host = with_passwords().await?;
    let (at_a, at_b) = (address(&host, A, ""), address(&host, B, ""));
    let sso_of_b = address(&host, B, "/samlsso");
    let sso_of_none = format!("{}/samlsso", host.origin());
    let mut visitor = visitor(&host);
    let mut stranger = visitor.clone();
    let [shop_of_a, desk_of_a] = signs_in(&host, &mut visitor, A).await?;
    let [_, desk_of_b] = signs_in(&host, &mut visitor, B).await?;
    let name = desk_of_a.assertion.subject();
    let index = desk_of_a.assertion.session_index();
    for binding in [Binding::Redirect, Binding::Post] {
        // What was said to one tenant, elsewhere: the signature is good and the address is not; the key is another
        // one's there; nobody of that name is there.
        let asks = desk_of_a.asks(binding)?;
        let moved = taken_to(&sso_of_b, asks.clone());
        is_refused(&mut visitor, moved, "addressed to", &warnings).await?;
        let moved = taken_to(&sso_of_b, shop_of_a.asks(binding)?);
        is_refused(&mut visitor, moved, "does not verify", &warnings).await?;
        let moved = taken_to(&sso_of_none, asks);
        let cause = "single logout is not enabled for `desk.example`";
        is_refused(&mut visitor, moved, cause, &warnings).await?;
        // The other tenant's shop, here.
        let foreign = shop_of_a.asks_for(binding, name, index, INTERNAL_KEY)?;
        is_refused(&mut visitor, foreign, "does not verify", &warnings).await?;
        // The other tenant's desk asks there as it should, and names this tenant's session.
        let foreign = || desk_of_b.asks_for(binding, name, index, APPLICATION_KEY);
        let stop = send(&mut visitor, foreign()?).await?;
        assert!(!desk_of_b.is_answered(stop)?.success());
        // Where nobody is signed in there is nothing left to end.
        let stop = send(&mut stranger, foreign()?).await?;
        desk_of_b.is_answered(stop)?;
        assert!(is_signed_in(&visitor, &at_a).await?, "{binding:?}");
        assert!(is_signed_in(&visitor, &at_b).await?, "{binding:?}");
    }

    // A request that was checked waits for its browser at that tenant's address and at no other.
    let Outgoing::Post { action, fields } = shop_of_a.asks(Binding::Post)? else {
        bail!("a form")
    };
    let waits = led_to(&host, &action, &owned(fields)).await?;
    let there = address(&host, A, "/saml/logout?request=");
    assert!(waits.starts_with(&there), "{waits}");
    refused(&visitor.open(&waits.replace(A, B)).await?.page()?);
    assert!(is_signed_in(&visitor, &at_a).await?);
    assert!(is_signed_in(&visitor, &at_b).await?);

    // And the question that follows is answered there, not by the same desk at the other tenant.
    let stop = visitor.open(&waits).await?;
    let told = desk_of_a.is_told(stop)?;
    let foreign = desk_of_b.answers(told.id(), Binding::Redirect, Status::Success)?;
    let cause = "answers no request of this browser";
    is_refused(&mut visitor, foreign, cause, &warnings).await?;
    let answer = desk_of_a.answers(told.id(), Binding::Redirect, Status::Success)?;
    let stop = send(&mut visitor, answer).await?;
    assert!(shop_of_a.is_answered(stop)?.success());
    assert!(!is_signed_in(&visitor, &at_a).await?);
    assert!(is_signed_in(&visitor, &at_b).await?);
    host.stop().await
}

/// The other role: one identity provider for both tenants, which calls the person and the session there the same.
#[tokio::test]
async fn an_identity_provider_ends_the_session_of_the_tenant_that_it_asks() -> Result<()> {
    let warnings = Warnings::listen();
    let host = host().await?;
    let steps = "first_step = [\"partner\"]\nsecond_step = \"none\"";
    for (tenant, brand) in [(A, "acme"), (B, "bravo")] {
        let text = document(brand, steps, "peer.crt") + &saml_partner::section("peer.crt");
        host.document(tenant, &text).await?;
    }
    let (at_a, at_b) = (address(&host, A, ""), address(&host, B, ""));
    let (to_a, to_b) = (
        address(&host, A, "/commonauth"),
        address(&host, B, "/commonauth"),
    );
    let name = saml_partner::alice();
    let index = Some(saml_partner::SESSION);
    let mut visitor = visitor(&host);
    let [shop_of_b, desk_of_b] = comes_by_partner(&host, &mut visitor, B).await?;
    for binding in [Binding::Redirect, Binding::Post] {
        let [shop, desk] = comes_by_partner(&host, &mut visitor, A).await?;
        let to = endpoint(binding, &to_a);
        let asks = ask(PARTNER, &to, &name, index, APPLICATION_KEY)?;
        let moved = taken_to(&to_b, asks.clone());
        is_refused(&mut visitor, moved, "addressed to", &warnings).await?;
        assert!(is_signed_in(&visitor, &at_a).await?);
        assert!(is_signed_in(&visitor, &at_b).await?);

        let since = visitor.trail.len();
        let stop = send(&mut visitor, asks).await?;
        assert!(!is_signed_in(&visitor, &at_a).await?);
        let told = shop.is_told(stop)?;
        let answer = shop.answers(told.id(), binding, Status::Success)?;
        let stop = send(&mut visitor, answer).await?;
        let told = desk.is_told(stop)?;
        let answer = desk.answers(told.id(), binding, Status::Success)?;
        let stop = send(&mut visitor, answer).await?;
        let us = address(&host, A, "/saml/metadata");
        let answered = answered_by(stop, &us, saml_partner::LOGOUT)?;
        assert!(answered.success(), "{answered:?}");
        stayed_at(A, &visitor, since);
        assert!(is_signed_in(&visitor, &at_b).await?);
    }

    // Whoever signs out at the other tenant is out there as well, which is asked in that tenant's name.
    let since = visitor.trail.len();
    let stop = visitor.open(&address(&host, B, "/account")).await?;
    let mut stop = fills_in(&host, &mut visitor, stop, "/t/b.example/sign-out", &[]).await?;
    for app in [shop_of_b, desk_of_b] {
        let told = app.is_told(stop)?;
        let answer = app.answers(told.id(), Binding::Redirect, Status::Success)?;
        stop = send(&mut visitor, answer).await?;
    }
    let us = address(&host, B, "/saml/metadata");
    let asked = asked_by(stop, &us, saml_partner::LOGOUT)?;
    assert_eq!(asked.name(), &name);
    assert_eq!(asked.session_indexes(), [saml_partner::SESSION]);
    let to = endpoint(Binding::Redirect, &to_b);
    let answer = answer(PARTNER, &to, asked.id(), Status::Success)?;
    let page = send(&mut visitor, answer).await?.page()?;
    assert_eq!(page.path, "/t/b.example/signed-out", "{}", page.text());
    stayed_at(B, &visitor, since);
    assert!(!is_signed_in(&visitor, &at_b).await?);
    host.stop().await
}
