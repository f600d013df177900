//! Single logout: somebody signs out in one place, and everybody they were signed in with is told.

use crate::saml::*;
use crate::saml_participant::{SignedIn, ask, endpoint, is_signed_in};
use crate::{ALICE, PASSWORD};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern_federation::saml::{Binding, Certificate, Outgoing, Status, XmlSecurity};
use postern_kit::anyhow::{Context, Result, bail};
use postern_kit::{Page, Peer, Stop, Visitor, Warnings};
use serde_json::{Value, json};

/// Signed in to two applications of the external one, by the internal one.
async fn signed_in_twice(two: &Two) -> Result<(Visitor, SignedIn<'static>, SignedIn<'static>)> {
    let mut visitor = two.visitor();
    let app = two.travelocity();
    let stop = visitor.open(&app.link(PLAIN)?).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    let assertion = app.accept(stop, true)?.0?;
    let travelocity = SignedIn {
        app,
        assertion,
        logout: APPLICATION_LOGOUT,
    };
    let app = two.application("second.example", SECOND_APPLICATION);
    let stop = visitor.open(&app.link(PLAIN)?).await?;
    let assertion = app.accept(stop, true)?.0?;
    let second = SignedIn {
        app,
        assertion,
        logout: SECOND_LOGOUT,
    };
    Ok((visitor, travelocity, second))
}

async fn everybody_is_out(two: &Two, visitor: &Visitor) -> Result<()> {
    assert!(!is_signed_in(visitor, &two.external.origin()).await?);
    assert!(!is_signed_in(visitor, &two.internal.origin()).await?);
    Ok(())
}

/// From a service provider, by both bindings: the other application is told, then the internal one, then it is answered.
#[tokio::test]
async fn signing_out_at_one_application_ends_every_session() -> Result<()> {
    for binding in [Binding::Redirect, Binding::Post] {
        let two = Two::start("", "").await?;
        let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
        let external = two.external.origin();
        assert!(is_signed_in(&visitor, &external).await?);
        assert!(is_signed_in(&visitor, &two.internal.origin()).await?);
        visitor.open(&format!("{external}/sign-in?afresh")).await?;
        assert!(visitor.has_cookie(&external, "-login-"));
        let stop = send(&mut visitor, travelocity.asks(binding)?).await?;
        // Ended before anybody else is asked, and with it what was begun in it.
        assert!(!is_signed_in(&visitor, &external).await?);
        assert!(!visitor.has_cookie(&external, "-login-"));
        let told = second.is_told(stop)?;
        let answer = second.answers(told.id(), binding, Status::Success)?;
        let stop = send(&mut visitor, answer).await?;
        let answered = travelocity.is_answered(stop)?;
        assert!(answered.success(), "{answered:?}");
        everybody_is_out(&two, &visitor).await?;
        let internal = format!("GET {}/samlsso?SAMLRequest=", two.internal.origin());
        let asked = visitor
            .trail
            .iter()
            .filter(|line| line.starts_with(&internal));
        assert_eq!(asked.count(), 2, "for the sign-in and for the logout");
    }
    Ok(())
}

/// From the identity provider: the person signs out at the internal one, and is out everywhere.
#[tokio::test]
async fn signing_out_at_the_identity_provider_tells_all_participants() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
    let internal = two.internal.origin();
    let account = visitor.open(&format!("{internal}/account")).await?.page()?;
    let stop = visitor
        .submit(&internal, &account, "/sign-out", &[])
        .await?;
    // By way of the external one, which tells its own.
    let told = travelocity.is_told(stop)?;
    let answer = travelocity.answers(told.id(), Binding::Redirect, Status::Success)?;
    let stop = send(&mut visitor, answer).await?;
    let told = second.is_told(stop)?;
    let answer = second.answers(told.id(), Binding::Post, Status::Success)?;
    let stop = send(&mut visitor, answer).await?;
    let Stop::Page { origin, page } = stop else {
        bail!("a page")
    };
    assert_eq!(origin, internal);
    assert_eq!(page.path, "/signed-out", "{}", page.text());
    everybody_is_out(&two, &visitor).await
}

/// And at the external one, where the applications are: the internal one is asked as well.
#[tokio::test]
async fn signing_out_here_asks_the_one_that_vouched() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
    let external = two.external.origin();
    let account = visitor.open(&format!("{external}/account")).await?.page()?;
    let stop = visitor
        .submit(&external, &account, "/sign-out", &[])
        .await?;
    let told = travelocity.is_told(stop)?;
    // It could not: the person is told so, and the rest goes on.
    let answer = travelocity.answers(told.id(), Binding::Redirect, Status::RequestDenied)?;
    let stop = send(&mut visitor, answer).await?;
    let told = second.is_told(stop)?;
    let answer = second.answers(told.id(), Binding::Post, Status::Success)?;
    let page = send(&mut visitor, answer).await?.page()?;
    assert!(
        page.text().contains("travelocity could not sign you out"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("second signed out"), "{}", page.text());
    assert!(
        page.text().contains("internal signed out"),
        "{}",
        page.text()
    );
    everybody_is_out(&two, &visitor).await?;
    // Once around: there is nothing more to do.
    let again = visitor.open(&format!("{external}/saml/logout")).await?;
    assert_eq!(again.page()?.path, "/signed-out");
    Ok(())
}

/// The session is over whoever answers or does not; the others are told, and the asker hears that it was not all.
#[tokio::test]
async fn a_participant_that_does_not_answer_is_reported_and_passed_over() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
    let stop = send(&mut visitor, travelocity.asks(Binding::Redirect)?).await?;
    second.is_told(stop)?;
    // It shows an error, or hangs; the browser comes back, by itself or by the person.
    let external = two.external.origin();
    let stop = visitor.open(&format!("{external}/saml/logout")).await?;
    let page = stop.page()?;
    assert!(
        page.text().contains("second did not answer"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains("internal signed out"),
        "{}",
        page.text()
    );
    everybody_is_out(&two, &visitor).await?;
    // The person reads it; then the asker is answered.
    let link = link_of(&page)?;
    assert!(link.starts_with(APPLICATION_LOGOUT), "{link}");
    let stop = visitor.open(&link).await?;
    assert!(!travelocity.is_answered(stop)?.success());
    Ok(())
}

/// The page calls a browser back from a participant that hangs.
#[tokio::test]
async fn the_page_that_leads_to_a_participant_waits_for_a_bounded_time() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, ..) = signed_in_twice(&two).await?;
    let external = two.external.origin();
    let account = visitor.open(&format!("{external}/account")).await?.page()?;
    let mut browser = visitor.clone();
    browser.stand_still();
    let page = browser
        .submit(&external, &account, "/sign-out", &[])
        .await?
        .page()?;
    assert_eq!(page.path, "/saml/logout");
    assert!(
        page.html
            .contains("<meta http-equiv=\"refresh\" content=\"20; url=/saml/logout\">"),
        "{}",
        page.html
    );
    assert!(
        page.leads_on()
            .is_some_and(|link| link.starts_with(APPLICATION_LOGOUT))
    );
    Ok(())
}

fn link_of(page: &Page) -> Result<String> {
    let (_, rest) = page
        .html
        .split_once("<a class=\"button\" href=\"")
        .context("a link")?;
    let (link, _) = rest.split_once('"').context("its end")?;
    Ok(link.replace("&amp;", "&").replace("&#38;", "&"))
}

/// X-34: nobody but a participant, and nothing but its own session.
#[tokio::test]
async fn a_logout_request_ends_only_a_session_its_signer_takes_part_in() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
    let external = two.external.origin();
    let name = travelocity.assertion.subject().clone();
    let index = travelocity.assertion.session_index().map(str::to_owned);
    let index = index.as_deref();
    for binding in [Binding::Redirect, Binding::Post] {
        // Signed by somebody else; by an application whose key nobody knows; not at all.
        let forged = travelocity.asks_for(binding, &name, index, ATTACKER_KEY)?;
        assert_eq!(send(&mut visitor, forged).await?.page()?.status, 400);
        let unknown = second.asks_for(binding, &name, index, APPLICATION_KEY)?;
        assert_eq!(send(&mut visitor, unknown).await?.page()?.status, 400);
        // For another person, for another session, for none that it is told of.
        let mut other = name.clone();
        other.value = "bob".to_owned();
        for (name, index) in [
            (&other, index),
            (&other, None),
            (&name, Some("0123456789ab")),
        ] {
            let foreign = travelocity.asks_for(binding, name, index, APPLICATION_KEY)?;
            let stop = send(&mut visitor, foreign).await?;
            assert!(!travelocity.is_answered(stop)?.success());
        }
    }
    let Outgoing::Redirect(address) = travelocity.asks(Binding::Redirect)? else {
        bail!("a redirect")
    };
    let (unsigned, _) = address.split_once("&SigAlg=").context("a signature")?;
    assert_eq!(visitor.open(unsigned).await?.page()?.status, 400);
    assert!(is_signed_in(&visitor, &external).await?);
    // An answer to no question of ours, or by somebody who was not asked.
    let stray = travelocity.answers("_0123", Binding::Redirect, Status::Success)?;
    assert_eq!(send(&mut visitor, stray).await?.page()?.status, 400);
    // The real one works once.
    let real = Outgoing::Redirect(address);
    let stop = send(&mut visitor, real.clone()).await?;
    let told = second.is_told(stop)?;
    let foreign = travelocity.answers(told.id(), Binding::Redirect, Status::Success)?;
    assert_eq!(send(&mut visitor, foreign).await?.page()?.status, 400);
    assert!(!is_signed_in(&visitor, &external).await?);
    assert_eq!(send(&mut visitor, real).await?.page()?.status, 400);
    Ok(())
}

/// Encrypted to this very host, as some peers do. The log names what is not supported; the same request with its name
/// in clear is followed.
#[tokio::test]
async fn a_logout_request_whose_name_is_encrypted_ends_nothing_in_either_role() -> Result<()> {
    let warnings = Warnings::listen();
    let two = Two::start("", "").await?;
    let external = two.external.origin();
    for from in ["an application", "the identity provider"] {
        let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
        let (asked, key, told_first) = if from == "an application" {
            (travelocity.asks(Binding::Post)?, APPLICATION_KEY, second)
        } else {
            let to = endpoint(Binding::Post, &format!("{external}/commonauth"));
            let name = travelocity.assertion.subject();
            let asked = ask("internal", &to, name, None, INTERNAL_KEY)?;
            (asked, INTERNAL_KEY, travelocity)
        };
        let Outgoing::Post { action, fields } = asked else {
            bail!("a form")
        };
        let fields = owned(fields);
        let sealed = with_xml(&fields, |xml| signed_again(with_sealed_name(&xml), key));
        warnings.take();
        let page = visitor.post(&action, &sealed).await?.page()?;
        assert_eq!(page.status, 400, "{from}: {}", page.text());
        let said = warnings.take().join("\n");
        assert!(
            said.contains("EncryptedID is not supported"),
            "{from}: {said}"
        );
        assert!(is_signed_in(&visitor, &external).await?, "{from}");
        let stop = visitor.post(&action, &fields).await?;
        told_first.is_told(stop)?;
        assert!(!is_signed_in(&visitor, &external).await?, "{from}");
    }
    Ok(())
}

fn with_sealed_name(xml: &str) -> String {
    const END: &str = "</saml:NameID>";
    let from = xml.find("<saml:NameID").unwrap();
    let to = xml.find(END).unwrap() + END.len();
    let host = Certificate::from_pem(EXTERNAL_KEY.1).unwrap();
    let sealed = security(APPLICATION_KEY)
        .encrypt(&xml[from..to], &host)
        .unwrap();
    format!(
        "{}<saml:EncryptedID>{sealed}</saml:EncryptedID>{}",
        &xml[..from],
        &xml[to..]
    )
}

/// Another browser that brings a participant's signed request ends that session and no other.
#[tokio::test]
async fn a_session_is_ended_by_its_index_whoever_brings_the_request() -> Result<()> {
    let two = Two::start("", "").await?;
    let (visitor, travelocity, _) = signed_in_twice(&two).await?;
    let (mut other, _, second) = signed_in_twice(&two).await?;
    let external = two.external.origin();
    let stop = send(&mut other, travelocity.asks(Binding::Redirect)?).await?;
    let (address, _) = stop.away()?;
    assert!(address.starts_with(second.logout), "{address}");
    assert!(!is_signed_in(&visitor, &external).await?);
    assert!(is_signed_in(&other, &external).await?);
    Ok(())
}

/// Without the checkbox nothing is told, and nothing is taken.
#[tokio::test]
async fn where_single_logout_is_off_nobody_is_told_and_nobody_may_ask() -> Result<()> {
    let two = Two::start("", "").await?;
    two.external
        .add_user("alice", "x another password", ALICE)
        .await?;
    let mut visitor = two.visitor();
    let app = two.application("careful.example", "http://localhost:8082/careful");
    let stop = visitor.open(&app.link(PLAIN)?).await?;
    let page = two.password(&mut visitor, stop, PASSWORD).await?.page()?;
    let code = two.external.phone(ALICE).next_code().await?;
    let external = two.external.origin();
    let stop = visitor
        .submit(&external, &page, "/sign-in/code", &[("code", &code)])
        .await?;
    let assertion = app.accept(stop, true)?.0?;
    let careful = SignedIn {
        app,
        assertion,
        logout: "",
    };
    let asked = send(&mut visitor, careful.asks(Binding::Redirect)?).await?;
    assert_eq!(asked.page()?.status, 400);
    assert!(is_signed_in(&visitor, &external).await?);
    // The older product's address asks the person, whoever led them there.
    let page = visitor
        .open(&format!("{external}/samlsso?slo=true"))
        .await?
        .page()?;
    assert!(page.has_form("/oauth2/logout/confirm"), "{}", page.text());
    let stop = visitor
        .submit(&external, &page, "/oauth2/logout/confirm", &[])
        .await?;
    // Only the internal one was to be told.
    assert_eq!(stop.page()?.path, "/signed-out");
    everybody_is_out(&two, &visitor).await
}

/// An OpenID Connect application signs somebody out, and the SAML ones are told.
#[tokio::test]
async fn an_openid_logout_is_told_to_saml_participants() -> Result<()> {
    let shop = r#"
[relying_party.shop]
first_step = ["internal"]
second_step = "none"
[relying_party.shop.oidc]
client_id = "shop"
public = true
redirect_uris = ["http://127.0.0.1:1/cb"]
post_logout_redirect_uris = ["http://127.0.0.1:1/bye"]
"#;
    let two = Two::start("", shop).await?;
    let (mut visitor, travelocity, second) = signed_in_twice(&two).await?;
    let external = two.external.origin();
    let page = visitor
        .open(&format!("{external}/oauth2/logout?client_id=shop&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fbye&state=s"))
        .await?
        .page()?;
    let stop = visitor
        .submit(&external, &page, "/oauth2/logout/confirm", &[])
        .await?;
    let told = travelocity.is_told(stop)?;
    let answer = travelocity.answers(told.id(), Binding::Redirect, Status::Success)?;
    let stop = send(&mut visitor, answer).await?;
    let told = second.is_told(stop)?;
    let answer = second.answers(told.id(), Binding::Post, Status::Success)?;
    let (address, _) = send(&mut visitor, answer).await?.away()?;
    assert_eq!(address, "http://127.0.0.1:1/bye?state=s");
    everybody_is_out(&two, &visitor).await
}

/// A service provider that is not ours signs its people out, and is told.
#[tokio::test]
async fn node_saml_signs_its_people_out_and_is_told() -> Result<()> {
    for begins in ["the application", "the person here"] {
        let two = Two::start("", "").await?;
        let mut visitor = two.visitor();
        let options = json!({
            "issuer": "node.example",
            "callbackUrl": NODE,
            "entryPoint": format!("{}/samlsso", two.external.origin()),
            "logoutUrl": format!("{}/samlsso", two.external.origin()),
            "audience": "node.example",
            "idpIssuer": "localhost",
            "idpCert": EXTERNAL_KEY.1,
            "privateKey": APPLICATION_KEY.0,
            "decryptionPvk": APPLICATION_KEY.0,
            "identifierFormat": null,
        });
        let mut peer = Peer::node("node-saml", &options)?;
        let address = peer.hear().await?["address"].as_str().map(str::to_owned);
        let stop = visitor.open(&address.context("an address")?).await?;
        let stop = two.password(&mut visitor, stop, PASSWORD).await?;
        let (_, fields) = stop.away()?;
        let form: serde_json::Map<String, Value> = fields
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        peer.say(&Value::from(form).to_string()).await?;
        let profile = peer.hear().await?["profile"].clone();
        assert!(profile["sessionIndex"].is_string(), "{profile}");
        let stop = if begins == "the application" {
            peer.say(&json!({"logout": profile}).to_string()).await?;
            let address = peer.hear().await?;
            let address = address["address"].as_str().context("an address")?;
            visitor.open(address).await?
        } else {
            let external = two.external.origin();
            let account = visitor.open(&format!("{external}/account")).await?.page()?;
            let stop = visitor
                .submit(&external, &account, "/sign-out", &[])
                .await?;
            let (address, _) = stop.away()?;
            peer.say(&json!({"redirected": address}).to_string())
                .await?;
            let said = peer.hear().await?;
            assert_eq!(said["profile"]["nameID"], profile["nameID"], "{said}");
            assert_eq!(said["profile"]["sessionIndex"], profile["sessionIndex"]);
            peer.say(&json!({"loggedOut": said["profile"]}).to_string())
                .await?;
            let answer = peer.hear().await?;
            let answer = answer["address"].as_str().context("an address")?;
            visitor.open(answer).await?
        };
        if begins == "the application" {
            let (address, _) = stop.away()?;
            assert!(address.starts_with(NODE_LOGOUT), "{address}");
            // A byte of the signed query changed: refused.
            let touched = address.replace("RelayState=bye", "RelayState=buy");
            assert_ne!(touched, address);
            peer.say(&json!({"redirected": touched}).to_string())
                .await?;
            let said = peer.hear().await?;
            assert!(said["error"].is_string(), "{said}");
            peer.say(&json!({"redirected": address}).to_string())
                .await?;
            let said = peer.hear().await?;
            assert_eq!(said["loggedOut"], true, "{said}");
        } else {
            assert_eq!(stop.page()?.path, "/signed-out");
        }
        everybody_is_out(&two, &visitor).await?;
    }
    Ok(())
}

/// An identity provider that is not ours: it is asked when somebody signs out here, and it asks.
#[tokio::test]
async fn pysaml2_is_asked_to_sign_people_out_and_asks() -> Result<()> {
    const ELSEWHERE: &str = "http://localhost:8090/sso";
    const LOGOUT: &str = "http://localhost:8090/slo";
    let host = signing_with(EXTERNAL_KEY)
        .plugin("local")
        .sms_otp("usecase = \"local\"")
        .file("peer.crt", APPLICATION_KEY.1)
        .config(&format!(
            r#"
[identity_provider.python]
protocol = "saml"
entity_id = "pysaml2"
sso_url = "{ELSEWHERE}"
certificates = ["peer.crt"]
signed_response = true
single_logout = true
logout_url = "{LOGOUT}"

[sign_in]
first_step = ["python"]
"#
        ))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let origin = host.origin();
    let metadata = host.browser().open("/saml/metadata").await?.html;
    let options = json!({
        "entity_id": "pysaml2",
        "service_provider": format!("{origin}/saml/metadata"),
        "sso_url": ELSEWHERE,
        "logout_url": LOGOUT,
        "metadata": metadata,
        "key": APPLICATION_KEY.0,
        "certificate": APPLICATION_KEY.1,
        "subject": "alice",
        "mobile": ALICE,
        "sign_response": true,
    });
    let mut peer = Peer::python("pysaml2", &options)?;
    let mut indexes = Value::Null;
    let mut phone = host.phone(ALICE);
    for begins in ["the person here", "the identity provider"] {
        let mut visitor = Visitor::new([(origin.clone(), host.host().public)]);
        let stop = visitor.open(&format!("{origin}/sign-in")).await?;
        let (address, _) = match stop {
            Stop::Page { .. } => {
                let there = format!("{origin}/sign-in/with/python");
                visitor.open(&there).await?.away()?
            }
            Stop::Away { address, fields } => (address, fields),
        };
        let (_, query) = address.split_once('?').context("a query")?;
        peer.say(query).await?;
        let said = peer.hear().await?;
        let xml = said["xml"].as_str().context("a response")?;
        let relay_state = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("RelayState="))
            .context("RelayState")?;
        let fields = [
            ("SAMLResponse".to_owned(), STANDARD.encode(xml)),
            ("RelayState".to_owned(), relay_state.to_owned()),
        ];
        let consumer = said["consumer"].as_str().context("an address")?;
        let page = visitor.post(consumer, &fields).await?.page()?;
        assert!(page.asks_for_code(), "{}", page.text());
        let code = phone.next_code().await?;
        let stop = visitor
            .submit(&origin, &page, "/sign-in/code", &[("code", &code)])
            .await?;
        let account = stop.page()?;
        assert!(account.path.starts_with("/account"), "{}", account.path);
        if begins == "the person here" {
            let stop = visitor.submit(&origin, &account, "/sign-out", &[]).await?;
            let (address, _) = stop.away()?;
            let query = address
                .strip_prefix(&format!("{LOGOUT}?"))
                .context("its address")?;
            peer.say(&json!({"asked": query}).to_string()).await?;
            let said = peer.hear().await?;
            assert_eq!(said["signed"], true, "{said}");
            assert_eq!(said["name"], "alice");
            indexes = said["indexes"].clone();
            assert_eq!(indexes.as_array().map(Vec::len), Some(1), "{said}");
            let answer = said["address"].as_str().context("an answer")?;
            let page = visitor.open(answer).await?.page()?;
            assert_eq!(page.path, "/signed-out", "{}", page.text());
        } else {
            let destination = format!("{origin}/commonauth");
            let asks = |name: &str, indexes: &Value| {
                json!({"asks": {"name": name, "indexes": indexes, "destination": destination}})
                    .to_string()
            };
            // Another person's, another session's: nothing ends.
            for (name, indexes) in [("bob", &json!([])), ("alice", &indexes)] {
                peer.say(&asks(name, indexes)).await?;
                let said = peer.hear().await?;
                let address = said["address"].as_str().context("a request")?;
                let (answer, _) = visitor.open(address).await?.away()?;
                assert!(answer.starts_with(LOGOUT), "{answer}");
                assert!(is_signed_in(&visitor, &origin).await?, "{name}");
            }
            peer.say(&asks("alice", &json!([]))).await?;
            let said = peer.hear().await?;
            let address = said["address"].as_str().context("a request")?;
            let (answer, _) = visitor.open(address).await?.away()?;
            let (_, query) = answer.split_once('?').context("a query")?;
            peer.say(&json!({"answered": query}).to_string()).await?;
            let said = peer.hear().await?;
            assert_eq!(
                said["status"], "urn:oasis:names:tc:SAML:2.0:status:Success",
                "{said}"
            );
        }
        assert!(!is_signed_in(&visitor, &origin).await?);
    }
    Ok(())
}
