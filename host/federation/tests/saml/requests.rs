//! Requests of service providers, and what the answers say.

use crate::world::*;
use postern_federation::saml::context::{Comparison, RequestedContext};
use postern_federation::saml::idp::{NameIdFormat, ServiceProvider, ValidAuthnRequest, Verdict};
use postern_federation::saml::sp::{Here, Upstream, Wish};
use postern_federation::saml::{AuthnContext, Binding, Outgoing, Refusal, Status};

fn ask(upstream: &Upstream, wish: Wish<'_>) -> Outgoing {
    upstream
        .ask(HERE, wish, &id(1), &security("sp"), now())
        .unwrap()
}

fn by_post() -> Upstream {
    let mut upstream = upstream();
    upstream.sign_on.binding = Binding::Post;
    upstream
}

fn grant(outgoing: &Outgoing, provider: &ServiceProvider) -> ValidAuthnRequest {
    match request(outgoing, provider).unwrap() {
        Verdict::Grant(request) => request,
        Verdict::Deny(denied) => panic!("denied: {:?}", denied.status),
    }
}

fn unsigned_application() -> ServiceProvider {
    ServiceProvider {
        signed_requests: false,
        certificates: Vec::new(),
        ..application()
    }
}

/// An unsigned request by POST, edited.
fn edited(edit: impl FnOnce(String) -> String) -> Outgoing {
    let mut plain = by_post();
    plain.sign_requests = false;
    form("SAMLRequest", &edit(xml(&ask(&plain, wish()))))
}

#[test]
fn a_request_means_the_same_by_redirect_and_by_post() {
    for upstream in [upstream(), by_post()] {
        let request = grant(&ask(&upstream, wish()), &application());
        assert_eq!(request.service_provider(), SP);
        assert_eq!(request.id(), Some(id(1).as_str()));
        assert_eq!(request.consumer_url(), ACS);
        assert!(!request.force_authn() && !request.is_passive());
        let forced = Wish {
            force_authn: true,
            is_passive: true,
            ..wish()
        };
        let request = grant(&ask(&upstream, forced), &application());
        assert!(request.force_authn() && request.is_passive());
    }
}

#[test]
fn a_required_signature_is_required() {
    let mut plain = upstream();
    plain.sign_requests = false;
    let query = ask(&plain, wish());
    assert_eq!(
        request(&query, &application()).unwrap_err(),
        Refusal::Unsigned
    );
    assert!(request(&query, &unsigned_application()).is_ok());
    let by_attacker = |upstream: &Upstream| {
        upstream
            .ask(HERE, wish(), &id(1), &security("attacker"), now())
            .unwrap()
    };
    for upstream in [upstream(), by_post()] {
        let refusal = request(&by_attacker(&upstream), &application()).unwrap_err();
        assert!(matches!(refusal, Refusal::Signature(_)), "{refusal}");
        // A bad signature is bad even where none is required.
        let lax = ServiceProvider {
            signed_requests: false,
            ..application()
        };
        assert!(request(&by_attacker(&upstream), &lax).is_err());
    }
}

#[test]
fn only_registered_addresses_get_answers() {
    let at = |consumer_url: &str| {
        let here = Here {
            consumer_url,
            ..HERE
        };
        upstream()
            .ask(here, wish(), &id(1), &security("sp"), now())
            .unwrap()
    };
    // A signature does not widen what is registered.
    let refusal = request(&at("https://evil.example/acs"), &application()).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::ConsumerService("https://evil.example/acs".to_owned())
    );
    for near in [
        "https://sp.example/commonauth/",
        "https://sp.example/commonauth?x",
        "https://sp.example/COMMONAUTH",
        "https://sp.example:443/commonauth",
        "javascript:alert(1)",
        "//sp.example/commonauth",
    ] {
        assert!(
            matches!(
                request(&at(near), &application()),
                Err(Refusal::ConsumerService(_))
            ),
            "{near}"
        );
    }
    let url = format!("AssertionConsumerServiceURL=\"{ACS}\"");
    let default = edited(|xml| xml.replace(&url, ""));
    assert_eq!(grant(&default, &unsigned_application()).consumer_url(), ACS);
    let index = |n: &str| {
        edited(|xml| xml.replace(&url, &format!("AssertionConsumerServiceIndex=\"{n}\"")))
    };
    assert_eq!(
        grant(&index("1"), &unsigned_application()).consumer_url(),
        "https://sp.example/other"
    );
    for n in ["9", "-1", "70000", "x"] {
        assert!(request(&index(n), &unsigned_application()).is_err(), "{n}");
    }
}

#[test]
fn a_request_for_another_place_or_time_is_refused() {
    let cases: [(&str, &str); 5] = [
        (SSO, "https://other.example/samlsso"),
        ("2026-11-28T09:00:00Z", "2026-11-28T08:30:00Z"),
        ("2026-11-28T09:00:00Z", "2026-11-28T09:30:00Z"),
        ("Version=\"2.0\"", "Version=\"1.1\""),
        ("<saml:Issuer>https://sp.example/</saml:Issuer>", ""),
    ];
    for (from, to) in cases {
        let document = edited(|xml| {
            assert!(xml.contains(from));
            xml.replace(from, to)
        });
        assert!(request(&document, &unsigned_application()).is_err(), "{to}");
    }
    let other = ServiceProvider {
        entity_id: "https://other.example/".to_owned(),
        ..unsigned_application()
    };
    assert!(matches!(
        request(&edited(|xml| xml), &other),
        Err(Refusal::Issuer { .. })
    ));
}

#[test]
fn relay_state_is_short_and_comes_back_as_it_was() {
    for state in [
        "javascript:alert(1)",
        "//evil.example",
        "a\r\nb",
        "\"><script>",
    ] {
        let wish = Wish {
            relay_state: Some(state),
            ..wish()
        };
        let request = grant(&ask(&upstream(), wish), &application());
        let answer = identity_provider()
            .answer(
                &application(),
                &request,
                &person(),
                (&id(2), &id(3)),
                &security("idp"),
                now(),
            )
            .unwrap();
        let Outgoing::Post { action, fields } = answer else {
            panic!("a form")
        };
        // Given back to the registered address; never an address itself.
        assert_eq!(action, ACS);
        assert_eq!(fields[1], ("RelayState", state.to_owned()));
    }
    let long = "x".repeat(10_000);
    let document = match edited(|xml| xml) {
        Outgoing::Post { action, mut fields } => {
            fields.push(("RelayState", long.clone()));
            Outgoing::Post { action, fields }
        }
        Outgoing::Redirect(_) => panic!("a form"),
    };
    assert_eq!(
        request(&document, &unsigned_application()).unwrap_err(),
        Refusal::RelayState(80)
    );
    let wish = Wish {
        relay_state: Some(&long),
        ..wish()
    };
    assert!(
        upstream()
            .ask(HERE, wish, &id(1), &security("sp"), now())
            .is_err()
    );
}

fn answer_for(context: AuthnContext, requested: &str) -> String {
    let mut asking = upstream();
    asking.context = Some(RequestedContext {
        comparison: Comparison::Exact,
        classes: vec![requested.to_owned()],
    });
    let request = grant(&ask(&asking, wish()), &application());
    let person = postern_federation::saml::idp::Person {
        context,
        ..person()
    };
    let answer = identity_provider().answer(
        &application(),
        &request,
        &person,
        (&id(2), &id(3)),
        &security("idp"),
        now(),
    );
    xml(&answer.unwrap())
}

#[test]
fn a_context_higher_than_given_is_answered_with_none() {
    let password = AuthnContext::PasswordProtectedTransport;
    let answer = answer_for(password, AuthnContext::TwoFactors.uri());
    assert!(answer.contains("status:NoAuthnContext"));
    assert!(!answer.contains("<saml:Assertion"));
    refused(
        "NoAuthnContext",
        accept(&answer),
        "`Responder` with `NoAuthnContext`",
    );
    let answer = answer_for(AuthnContext::TwoFactors, password.uri());
    assert_eq!(accept(&answer).unwrap().context(), password);
    let answer = answer_for(AuthnContext::TwoFactors, AuthnContext::TwoFactors.uri());
    assert_eq!(accept(&answer).unwrap().context(), AuthnContext::TwoFactors);
}

#[test]
fn what_is_asked_and_cannot_be_given_is_said_to_the_service_provider() {
    let status = |document: Outgoing| match request(&document, &unsigned_application()).unwrap() {
        Verdict::Grant(_) => panic!("granted"),
        Verdict::Deny(denied) => {
            let answer = identity_provider()
                .deny(
                    &unsigned_application(),
                    &denied.request,
                    denied.status,
                    &id(2),
                    &security("idp"),
                    now(),
                )
                .unwrap();
            assert!(xml(&answer).contains(&format!("InResponseTo=\"{}\"", id(1))));
            denied.status
        }
    };
    let format = |uri: &str| {
        let format = format!("<samlp:NameIDPolicy Format=\"{uri}\"");
        edited(|xml| xml.replace("<samlp:NameIDPolicy", &format))
    };
    assert_eq!(
        status(format("urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos")),
        Status::InvalidNameIdPolicy
    );
    let name_for = |whom: &str| {
        let policy = format!("<samlp:NameIDPolicy SPNameQualifier=\"{whom}\"");
        edited(|xml| xml.replace("<samlp:NameIDPolicy", &policy))
    };
    let affiliation = name_for("https://affiliation.example/");
    assert_eq!(status(affiliation), Status::InvalidNameIdPolicy);
    grant(&name_for(SP), &unsigned_application());
    assert_eq!(
        status(edited(|xml| xml.replace(
            "<samlp:NameIDPolicy",
            "<saml:Subject><saml:NameID>bob</saml:NameID></saml:Subject><samlp:NameIDPolicy"
        ))),
        Status::RequestUnsupported
    );
    assert_eq!(
        status(edited(|xml| xml.replace("HTTP-POST", "HTTP-Artifact"))),
        Status::RequestUnsupported
    );
    for known in NameIdFormat::ALL {
        let granted = grant(&format(known.uri()), &unsigned_application());
        assert_eq!(granted.name_id_format(), known);
    }
}

#[test]
fn attributes_are_told_as_the_form_says() {
    let indexed = |index: Option<u16>| {
        edited(|xml| match index {
            Some(index) => xml.replace(
                " ProtocolBinding=",
                &format!(" AttributeConsumingServiceIndex=\"{index}\" ProtocolBinding="),
            ),
            None => xml,
        })
    };
    // Profile, always, index of the request: whether there is a statement.
    let table = [
        (Some(7), true, None, true),
        (Some(7), false, None, false),
        (Some(7), false, Some(7), true),
        (Some(7), false, Some(8), false),
        (Some(7), true, Some(8), true),
        (None, true, Some(7), false),
        (None, false, None, false),
    ];
    for (attribute_index, attributes_always, index, expected) in table {
        let provider = ServiceProvider {
            attribute_index,
            attributes_always,
            ..unsigned_application()
        };
        let request = grant(&indexed(index), &provider);
        let answer = identity_provider().answer(
            &provider,
            &request,
            &person(),
            (&id(2), &id(3)),
            &security("idp"),
            now(),
        );
        assert_eq!(
            xml(&answer.unwrap()).contains("AttributeStatement"),
            expected,
            "{attribute_index:?} {attributes_always} {index:?}"
        );
    }
}

#[test]
fn the_identity_provider_starts_only_where_it_is_switched_on() {
    let idp = identity_provider();
    assert_eq!(
        idp.start(&application(), None, None)
            .unwrap_err()
            .to_string(),
        format!("IdP initiated SSO not enabled for service provider '{SP}'.")
    );
    let open = ServiceProvider {
        idp_initiated: true,
        ..application()
    };
    assert_eq!(idp.start(&open, None, None).unwrap().consumer_url(), ACS);
    let other = idp.start(&open, Some("https://sp.example/other"), None);
    assert_eq!(other.unwrap().consumer_url(), "https://sp.example/other");
    assert!(
        idp.start(&open, Some("https://evil.example/"), None)
            .is_err()
    );
    assert!(idp.start(&open, None, Some(&"x".repeat(81))).is_err());
}

/// A parked request survives being kept as text; an address taken off the form meanwhile gets nothing.
#[test]
fn a_parked_request_is_checked_against_the_form_again() {
    let parked = serde_json::to_string(&granted(&application())).unwrap();
    let request: ValidAuthnRequest = serde_json::from_str(&parked).unwrap();
    assert_eq!(request, granted(&application()));
    let mut moved = application();
    moved.consumer_services.retain(|s| s.url != ACS);
    let answer = identity_provider().answer(
        &moved,
        &request,
        &person(),
        (&id(2), &id(3)),
        &security("idp"),
        now(),
    );
    assert!(matches!(answer, Err(Refusal::ConsumerService(_))));
}
