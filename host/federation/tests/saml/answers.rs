//! What is checked of an answer once its signature holds: for whom, where, when, to which question.

use crate::world::*;
use postern_federation::saml::context::{Comparison, RequestedContext};
use postern_federation::saml::idp::ServiceProvider;
use postern_federation::saml::sp::Question;
use postern_federation::saml::{AuthnContext, Refusal, UnverifiedResponse};

#[test]
fn a_genuine_answer_tells_everything_that_was_said() {
    let accepted = accept(&genuine()).unwrap();
    assert_eq!(accepted.subject().value, SUBJECT);
    assert_eq!(accepted.issuer(), IDP);
    assert_eq!(accepted.id(), id(3).as_str());
    assert_eq!(accepted.session_index(), Some("session-1"));
    assert_eq!(accepted.context(), AuthnContext::TwoFactors);
    assert_eq!(accepted.authenticated_at(), now());
    assert_eq!(accepted.session_until(), Some(after(8 * 3600)));
    // Five minutes and the skew: until then the identifier must be remembered.
    assert_eq!(accepted.good_until(), after(300 + 120));
    assert_eq!(accepted.attributes()[0].values, ["+12025550100"]);
}

#[test]
fn either_key_is_accepted_while_the_peer_rolls_over() {
    let mut both = upstream();
    both.certificates = vec![certificate("next"), certificate("idp")];
    assert!(accept_by(&both, &genuine(), now()).is_ok());
    let with_next = forged("next", |a| a.to_owned());
    assert!(accept_by(&both, &with_next, now()).is_ok());
    refused("too early", accept(&with_next), "does not verify");
}

#[test]
fn an_answer_holds_from_now_to_five_minutes_and_the_skew() {
    let document = genuine();
    for (seconds, expected) in [
        (-121, Err("not yet valid")),
        (-120, Ok(())),
        (0, Ok(())),
        (419, Ok(())),
        (420, Err("expired")),
    ] {
        let result = accept_by(&upstream(), &document, after(seconds));
        match expected {
            Ok(()) => assert!(result.is_ok(), "{seconds}: {result:?}"),
            // Before its time the message is also issued in the future.
            Err(_) if seconds < 0 => refused("early", result, "out of its time"),
            Err(why) => refused("late", result, why),
        }
    }
}

#[test]
fn times_that_a_peer_may_not_say_are_refused() {
    let until = "NotOnOrAfter=\"2026-11-28T09:05:00Z\"";
    let cases = [
        (
            "ten years",
            until,
            "NotOnOrAfter=\"2036-11-28T09:05:00Z\"",
            "longer than a day",
        ),
        ("no end", until, "", "no NotOnOrAfter"),
        (
            "no zone",
            until,
            "NotOnOrAfter=\"2026-11-28T09:05:00\"",
            "xs:dateTime",
        ),
        ("no time", until, "NotOnOrAfter=\"soon\"", "xs:dateTime"),
        (
            "later",
            "NotBefore=\"2026-11-28T09:00:00Z\"",
            "NotBefore=\"2026-11-28T10:00:00Z\"",
            "not yet valid",
        ),
        (
            "signed in tomorrow",
            "AuthnInstant=\"2026-11-28T09:00:00Z\"",
            "AuthnInstant=\"2026-11-29T09:00:00Z\"",
            "in the future",
        ),
        (
            "session over",
            "SessionNotOnOrAfter=\"2026-11-28T17:00:00Z\"",
            "SessionNotOnOrAfter=\"2026-11-28T08:00:00Z\"",
            "session has ended",
        ),
    ];
    for (name, from, to, why) in cases {
        let document = forged("idp", |a| {
            assert!(a.contains(from), "{from}");
            a.replace(from, to)
        });
        refused(name, accept(&document), why);
    }
}

#[test]
fn an_answer_for_somebody_else_is_refused() {
    let audience = format!("<saml:Audience>{SP}</saml:Audience>");
    let restriction = format!("<saml:AudienceRestriction>{audience}</saml:AudienceRestriction>");
    let cases = [
        (
            "audience",
            audience.clone(),
            "<saml:Audience>https://other.example/</saml:Audience>".to_owned(),
            "another audience",
        ),
        (
            "a prefix of the audience",
            audience.clone(),
            format!("<saml:Audience>{SP}x</saml:Audience>"),
            "another audience",
        ),
        (
            "no restriction",
            restriction.clone(),
            String::new(),
            "another audience",
        ),
        (
            "a second restriction",
            restriction.clone(),
            format!(
                "{restriction}<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"
            ),
            "another audience",
        ),
        (
            "a condition nobody knows",
            restriction.clone(),
            format!("{restriction}<saml:Condition/>"),
            "not understood",
        ),
        (
            "recipient",
            format!("Recipient=\"{ACS}\""),
            "Recipient=\"https://other.example/acs\"".to_owned(),
            "recipient is another",
        ),
        (
            "no recipient",
            format!("Recipient=\"{ACS}\""),
            String::new(),
            "recipient is another",
        ),
        (
            "not bearer",
            "cm:bearer".to_owned(),
            "cm:sender-vouches".to_owned(),
            "no bearer confirmation",
        ),
        (
            "the assertion's issuer",
            format!("<saml:Issuer>{IDP}</saml:Issuer>"),
            "<saml:Issuer>https://other.example/</saml:Issuer>".to_owned(),
            "issued by",
        ),
        (
            "the assertion's question",
            format!("InResponseTo=\"{}\"", id(1)),
            format!("InResponseTo=\"{}\"", id(9)),
            "no request of this browser",
        ),
        (
            "the assertion answers nothing",
            format!("InResponseTo=\"{}\"", id(1)),
            String::new(),
            "no request of this browser",
        ),
        (
            "version",
            "Version=\"2.0\"".to_owned(),
            "Version=\"1.1\"".to_owned(),
            "version is 2.0",
        ),
    ];
    for (name, from, to, why) in cases {
        let document = forged("idp", |a| {
            assert!(a.contains(&from), "{from}");
            a.replacen(&from, &to, 1)
        });
        refused(name, accept(&document), why);
    }
    let without = forged("idp", |a| {
        let conditions = between(a, "<saml:Conditions", "</saml:Conditions>");
        a.replacen(conditions, "", 1)
    });
    refused("no conditions", accept(&without), "another audience");
    let twice = forged("idp", |a| {
        let statement = between(a, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
        a.replacen(&statement, &format!("{statement}{statement}"), 1)
    });
    refused(
        "two statements",
        accept(&twice),
        "exactly one AuthnStatement",
    );
}

#[test]
fn the_envelope_must_fit_too() {
    let provider = ServiceProvider {
        sign_response: false,
        ..application()
    };
    let inner = answered(&provider, &person());
    let change = |from: &str, to: &str| {
        assert!(inner.contains(from), "{from}");
        inner.replacen(from, to, 1)
    };
    let destination = format!("Destination=\"{ACS}\"");
    let cases = [
        (
            "destination",
            change(&destination, "Destination=\"https://other.example/\""),
            "addressed to",
        ),
        ("issuer", change(IDP, "https://other.example/"), "issued by"),
        (
            "question",
            change(id(1).as_str(), id(9).as_str()),
            "no request of this browser",
        ),
        (
            "no question",
            change(&format!(" InResponseTo=\"{}\"", id(1)), ""),
            "no request of this browser",
        ),
        (
            "status",
            change("status:Success", "status:Requester"),
            "the peer's answer was `Requester`",
        ),
        (
            "old",
            change(
                "IssueInstant=\"2026-11-28T09:00:00Z\"",
                "IssueInstant=\"2026-11-28T08:00:00Z\"",
            ),
            "too long ago",
        ),
    ];
    for (name, document, why) in cases {
        refused(name, accept(&document), why);
    }
    // A signed response without a destination may have been meant for another place.
    let signed = genuine();
    let unsigned_destination = unsigned(&signed).replacen(&destination, "", 1);
    let signer = security("idp");
    let resigned = postern_federation::saml::XmlSecurity::sign(&signer, unsigned_destination);
    refused("no destination", accept(&resigned.unwrap()), "addressed to");
}

#[test]
fn what_must_be_signed_follows_from_the_configuration() {
    let provider = ServiceProvider {
        sign_response: false,
        ..application()
    };
    let inner = answered(&provider, &person());
    let mut strict = upstream();
    strict.signed_response = true;
    refused("response", accept_by(&strict, &inner, now()), "not signed");
    assert!(accept_by(&strict, &genuine(), now()).is_ok());
    let mut strict = upstream();
    strict.signed_assertion = true;
    assert!(accept_by(&strict, &inner, now()).is_ok());
    // Signed at the response only.
    let genuine = genuine();
    let assertion = assertion_of(&genuine);
    let bare = assertion.replacen(signature_of(assertion), "", 1);
    let template = unsigned(&genuine).replacen(assertion, &bare, 1);
    let outer = postern_federation::saml::XmlSecurity::sign(&security("idp"), template).unwrap();
    assert!(accept(&outer).is_ok());
    refused("assertion", accept_by(&strict, &outer, now()), "not signed");
}

#[test]
fn an_answer_to_no_question_is_refused_unless_switched_on() {
    let provider = ServiceProvider {
        idp_initiated: true,
        ..application()
    };
    let idp = identity_provider();
    let request = idp.start(&provider, None, Some("home")).unwrap();
    let answer = idp
        .answer(
            &provider,
            &request,
            &person(),
            (&id(2), &id(3)),
            &security("idp"),
            now(),
        )
        .unwrap();
    assert!(!xml(&answer).contains("InResponseTo"));
    let response = || UnverifiedResponse::new(received(&answer).unwrap()).unwrap();
    let unasked = |upstream: &postern_federation::saml::sp::Upstream| {
        upstream.accept(response(), None, HERE, &security("sp"), now())
    };
    assert_eq!(unasked(&upstream()).unwrap_err(), Refusal::Unsolicited);
    let mut open = upstream();
    open.unsolicited = true;
    assert_eq!(unasked(&open).unwrap().subject().value, SUBJECT);
    assert_eq!(response().relay_state(), Some("home"));
    // It is no answer to a question either.
    assert_eq!(
        open.accept(
            response(),
            Some(question(&id(1))),
            HERE,
            &security("sp"),
            now()
        )
        .unwrap_err(),
        Refusal::InResponseTo
    );
    // And an answer to another browser's question is not an unsolicited one.
    let solicited = UnverifiedResponse::new(received(&form("SAMLResponse", &genuine())).unwrap());
    assert_eq!(
        open.accept(solicited.unwrap(), None, HERE, &security("sp"), now())
            .unwrap_err(),
        Refusal::InResponseTo
    );
}

#[test]
fn a_response_comes_by_post_only() {
    let xml = genuine();
    let query = {
        use std::io::Write;
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(xml.as_bytes()).unwrap();
        let message = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            encoder.finish().unwrap(),
        );
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLResponse", &message)
            .finish()
    };
    let received = postern_federation::saml::Received::redirect(&query)
        .unwrap()
        .unwrap();
    let response = UnverifiedResponse::new(received).unwrap();
    let result = upstream().accept(
        response,
        Some(question(&id(1))),
        HERE,
        &security("sp"),
        now(),
    );
    refused("redirect", result, "by POST");
}

/// X-26, the other way round: a provider that was to ask again and answers from an old session.
#[test]
fn an_old_sign_in_is_no_fresh_one() {
    let document = genuine();
    for (seconds, fresh) in [(0, true), (120, true), (121, false), (3600, false)] {
        let response = UnverifiedResponse::new(received(&form("SAMLResponse", &document)).unwrap());
        let id = id(1);
        let asked = Question {
            id: id.as_str(),
            // The person signed in at the beginning.
            afresh_since: Some(after(seconds)),
        };
        let result =
            upstream().accept(response.unwrap(), Some(asked), HERE, &security("sp"), now());
        if fresh {
            assert!(result.is_ok(), "{seconds}: {result:?}");
        } else {
            refused("old", result, "asked again");
        }
    }
}

/// A provider that was asked for a class answers with it, or with none.
#[test]
fn a_sign_in_of_another_class_than_was_asked_for_is_refused() {
    const MFA: &str = "https://refeds.org/profile/mfa";
    const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
    const THEIRS: &str = "https://idp.example/very-sure";
    for (comparison, asked, said, expected) in [
        (Comparison::Exact, MFA, MFA, true),
        (Comparison::Exact, MFA, PASSWORD, false),
        (Comparison::Exact, THEIRS, THEIRS, true),
        (Comparison::Exact, THEIRS, MFA, false),
        (Comparison::Minimum, PASSWORD, MFA, true),
        (Comparison::Minimum, MFA, PASSWORD, false),
        (Comparison::Minimum, THEIRS, THEIRS, true),
        (Comparison::Better, PASSWORD, MFA, true),
        (Comparison::Better, PASSWORD, PASSWORD, false),
        (Comparison::Better, THEIRS, THEIRS, false),
        (Comparison::Maximum, MFA, PASSWORD, true),
        (Comparison::Maximum, PASSWORD, MFA, false),
    ] {
        let upstream = postern_federation::saml::sp::Upstream {
            context: Some(RequestedContext {
                comparison,
                classes: vec![asked.to_owned()],
            }),
            ..upstream()
        };
        let document = forged("idp", |assertion| {
            let class = between(
                assertion,
                "<saml:AuthnContextClassRef>",
                "</saml:AuthnContextClassRef>",
            );
            let other = format!("<saml:AuthnContextClassRef>{said}</saml:AuthnContextClassRef>");
            assertion.replace(class, &other)
        });
        let result = accept_by(&upstream, &document, now());
        let name = format!("{comparison:?} {asked}: {said}");
        if expected {
            assert!(result.is_ok(), "{name}: {result:?}");
        } else {
            refused(&name, result, "not the sign-in that was asked for");
        }
    }
}

/// What is sealed by itself inside an assertion is not opened: without a name nobody is vouched for.
#[test]
fn a_name_that_is_encrypted_by_itself_is_refused_and_such_an_attribute_says_nothing() {
    let named = forged("idp", |a| {
        sealed_alone(a, "<saml:NameID", "</saml:NameID>", "EncryptedID")
    });
    refused("the name", accept(&named), "EncryptedID is not supported");
    let told = forged("idp", |a| {
        sealed_alone(
            a,
            "<saml:Attribute ",
            "</saml:Attribute>",
            "EncryptedAttribute",
        )
    });
    let accepted = accept(&told).unwrap();
    assert!(accepted.attributes().is_empty());
    assert_eq!(accepted.subject().value, SUBJECT);
}
