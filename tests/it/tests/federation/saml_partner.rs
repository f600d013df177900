//! An identity provider that the test plays: whom it vouches for, with which key, and what it says of when.

use crate::saml::{
    APPLICATION_KEY, App, EXTERNAL_KEY, PLAIN, owned, refused, security, signing_with,
};
use crate::saml_participant::is_signed_in;
use crate::{ALICE, PASSWORD};
use jiff::{SignedDuration, Timestamp};
use postern_federation::saml::idp::{
    ConsumerService, IdentityProvider, NameIdFormat, Person, UnverifiedRequest, ValidAuthnRequest,
    Verdict,
};
use postern_federation::saml::response::NameId;
use postern_federation::saml::sp::Wish;
use postern_federation::saml::{
    AuthnContext, Certificate, MessageId, Outgoing, Received, ServiceProvider,
};
use postern_kit::anyhow::{Context, Result, bail};
use postern_kit::{Stop, TestHost, Visitor, Warnings};
use sha2::{Digest, Sha256};

pub(crate) const PARTNER: &str = "https://partner.example";
const SIGN_ON: &str = "http://localhost:8087/sso";
pub(crate) const LOGOUT: &str = "http://localhost:8087/slo";
/// What it calls the session of everybody.
pub(crate) const SESSION: &str = "at the partner";

/// The section that makes it known to a host, which trusts the key of this certificate file.
pub(crate) fn section(certificate: &str) -> String {
    format!(
        r#"
[identity_provider.partner]
protocol = "saml"
entity_id = "{PARTNER}"
sso_url = "{SIGN_ON}"
certificates = ["{certificate}"]
signed_response = true
single_logout = true
logout_url = "{LOGOUT}"
"#
    )
}

/// What it calls Alice.
pub(crate) fn alice() -> NameId {
    NameId {
        value: "alice".to_owned(),
        format: None,
        name_qualifier: None,
        sp_name_qualifier: None,
    }
}

/// What it posts back for a browser that was sent there: Alice, who was asked at that moment. The host signs its
/// requests with the external one's key and takes answers at `consumer_url`.
pub(crate) fn vouch(
    sent_to: &str,
    consumer_url: &str,
    key: (&str, &str),
    authenticated_at: Timestamp,
) -> Result<(String, Vec<(String, String)>)> {
    let query = sent_to
        .strip_prefix(&format!("{SIGN_ON}?"))
        .with_context(|| format!("{sent_to} is not the partner's"))?;
    let request = UnverifiedRequest::new(Received::redirect(query).context("a SAML message")??)?;
    let host = known(request.issuer(), consumer_url, query.contains("Signature="))?;
    let verdict = partner().check(request, &host, &security(key), Timestamp::now())?;
    let Verdict::Grant(request) = verdict else {
        bail!("the partner does not grant this request");
    };
    // Another request, other identifiers.
    says(&host, &request, key, authenticated_at, sent_to)
}

/// The same for a host of this name that asked it nothing.
fn vouch_unasked(
    host: &str,
    consumer_url: &str,
    key: (&str, &str),
) -> Result<(String, Vec<(String, String)>)> {
    let host = known(host, consumer_url, false)?;
    let request = partner().start(&host, None, None)?;
    says(&host, &request, key, Timestamp::now(), "unasked")
}

fn partner() -> IdentityProvider {
    IdentityProvider {
        entity_id: PARTNER.to_owned(),
        sso_url: SIGN_ON.to_owned(),
    }
}

/// The host as the partner knows it.
fn known(entity_id: &str, consumer_url: &str, signed_requests: bool) -> Result<ServiceProvider> {
    Ok(ServiceProvider {
        entity_id: entity_id.to_owned(),
        consumer_services: vec![ConsumerService {
            url: consumer_url.to_owned(),
            index: None,
            default: true,
        }],
        certificates: vec![Certificate::from_pem(EXTERNAL_KEY.1)?],
        signed_requests,
        sign_response: true,
        encrypt_to: None,
        logout: None,
        attribute_index: None,
        attributes_always: false,
        idp_initiated: true,
        name_id: NameIdFormat::Unspecified,
        name_id_claim: None,
        assertion_seconds: 300,
        relay_state_bytes_max: 80,
    })
}

/// The answer and where it goes. Its identifiers are drawn from `seed`.
fn says(
    host: &ServiceProvider,
    request: &ValidAuthnRequest,
    key: (&str, &str),
    authenticated_at: Timestamp,
    seed: &str,
) -> Result<(String, Vec<(String, String)>)> {
    let now = Timestamp::now();
    let person = Person {
        subject: alice(),
        attributes: Vec::new(),
        context: AuthnContext::PasswordProtectedTransport,
        authenticated_at,
        session_index: SESSION.to_owned(),
        session_until: now.checked_add(SignedDuration::from_secs(8 * 3600))?,
    };
    let drawn: [u8; 32] = Sha256::digest(seed).into();
    let id = |from: usize| {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&drawn[from..from + 20]);
        MessageId::from_entropy(&bytes)
    };
    let ids = (&id(0), &id(12));
    let outgoing = partner().answer(host, request, &person, ids, &security(key), now)?;
    let Outgoing::Post { action, fields } = outgoing else {
        bail!("an answer goes by form");
    };
    Ok((action, owned(fields)))
}

const DESK: &str = "http://localhost:8086/desk";
const CAREFUL: &str = "http://localhost:8086/careful";

/// A host whose partner signs with the application's key; the second of its applications asks for a code.
async fn host() -> Result<TestHost> {
    let host = signing_with(EXTERNAL_KEY)
        .plugin("local")
        .file("partner.crt", APPLICATION_KEY.1)
        .config(&format!(
            r#"{}
[saml]
entity_id = "localhost"

[relying_party.desk]
first_step = ["partner"]
second_step = "none"
[relying_party.desk.saml]
entity_id = "desk.example"
consumer_services = ["{DESK}"]

[relying_party.careful]
first_step = ["partner"]
[relying_party.careful.saml]
entity_id = "careful.example"
consumer_services = ["{CAREFUL}"]
"#,
            section("partner.crt")
        ))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    Ok(host)
}

/// Alice comes from an application, and the partner says that it asked her at that moment.
async fn comes(
    host: &TestHost,
    visitor: &mut Visitor,
    from: &App<'_>,
    wish: Wish<'_>,
    asked_at: Timestamp,
) -> Result<Stop> {
    let (sent_to, _) = visitor.open(&from.link(wish)?).await?.away()?;
    let consumer_url = format!("{}/commonauth", host.origin());
    let (to, fields) = vouch(&sent_to, &consumer_url, APPLICATION_KEY, asked_at)?;
    visitor.post(&to, &fields).await
}

/// `AuthnInstant` is when the person was asked (core, 2.7.2), there or here.
#[tokio::test]
async fn an_application_is_told_when_the_partner_asked_and_of_a_code_when_it_came() -> Result<()> {
    let host = host().await?;
    let sso_url = format!("{}/samlsso", host.origin());
    let desk = App::of("localhost", sso_url.clone(), "desk.example", DESK);
    let careful = App::of("localhost", sso_url, "careful.example", CAREFUL);
    let visitor = Visitor::new([(host.origin(), host.host().public)]);
    let began = Timestamp::now();
    let before = |seconds: i64| began.checked_sub(SignedDuration::from_secs(seconds));

    let mut at_desk = visitor.clone();
    let hour_ago = before(3600)?;
    let stop = comes(&host, &mut at_desk, &desk, PLAIN, hour_ago).await?;
    let told = desk.accept(stop, true)?.0?.authenticated_at();
    assert_eq!(told.as_second(), hour_ago.as_second());

    // Asked again by a partner whose clock is a little slow: nobody runs in circles for that.
    let force = Wish {
        force_authn: true,
        ..PLAIN
    };
    let stop = comes(&host, &mut at_desk, &desk, force, before(10)?).await?;
    let told = desk.accept(stop, true)?.0?.authenticated_at();
    assert!(told.as_second() >= began.as_second(), "{told}");

    let mut with_code = visitor;
    let stop = comes(&host, &mut with_code, &careful, PLAIN, hour_ago).await?;
    let page = stop.page()?;
    assert!(page.asks_for_code(), "{}: {}", page.path, page.text());
    let code = host.phone(ALICE).next_code().await?;
    let filled = [("code", code.as_str())];
    let stop = with_code
        .submit(&host.origin(), &page, "/sign-in/code", &filled)
        .await?;
    let told = careful.accept(stop, true)?.0?.authenticated_at();
    assert!(told.as_second() >= began.as_second(), "{told}");
    host.stop().await
}

/// X-23: it begins a sign-in to the person's own account, with the second step that this one asks for.
#[tokio::test]
async fn what_nobody_asked_for_is_taken_once_and_only_where_that_is_switched_on() -> Result<()> {
    let warnings = Warnings::listen();
    for switched_on in [false, true] {
        let unsolicited = if switched_on {
            "unsolicited = true"
        } else {
            ""
        };
        let host = signing_with(EXTERNAL_KEY)
            .plugin("local")
            .file("partner.crt", APPLICATION_KEY.1)
            .config(&format!(
                "{}{unsolicited}\n[sign_in]\nfirst_step = [\"partner\"]\n",
                section("partner.crt")
            ))
            .start()
            .await?;
        host.add_user("alice", PASSWORD, ALICE).await?;
        let origin = host.origin();
        let us = format!("{origin}/saml/metadata");
        let consumer_url = format!("{origin}/commonauth");
        let (to, fields) = vouch_unasked(&us, &consumer_url, APPLICATION_KEY)?;
        let visitor = Visitor::new([(origin.clone(), host.host().public)]);
        let (mut alices, mut another) = (visitor.clone(), visitor);
        let page = alices.post(&to, &fields).await?.page()?;
        let cause = if switched_on {
            assert!(page.asks_for_code(), "{}: {}", page.path, page.text());
            let code = host.phone(ALICE).next_code().await?;
            let filled = [("code", code.as_str())];
            let stop = alices
                .submit(&origin, &page, "/sign-in/code", &filled)
                .await?;
            assert!(is_signed_in(&alices, &origin).await?);
            assert!(stop.page()?.path.starts_with("/account"));
            warnings.take();
            refused(&another.post(&to, &fields).await?.page()?);
            "used before"
        } else {
            refused(&page);
            "unsolicited answers are switched off"
        };
        let said = warnings.take().join("\n");
        assert!(said.contains(cause), "`{cause}` is not in {said}");
        assert!(!is_signed_in(&another, &origin).await?);
        host.stop().await?;
    }
    Ok(())
}
