//! The signature of the Redirect binding: over the query as it came.

use crate::world::*;
use postern_federation::saml::idp::{ServiceProvider, Verdict};
use postern_federation::saml::{Outgoing, Refusal};

fn query() -> String {
    carried(
        &upstream()
            .ask(HERE, wish(), &id(1), &security("sp"), now())
            .unwrap(),
    )
}

fn send(query: &str, provider: &ServiceProvider) -> Result<Verdict, Refusal> {
    request(&Outgoing::Redirect(format!("{SSO}?{query}")), provider)
}

#[test]
fn a_query_that_was_touched_is_refused() {
    let good = query();
    assert!(send(&good, &application()).is_ok());
    let part = |name: &str| {
        good.split('&')
            .find(|p| p.starts_with(&format!("{name}=")))
            .unwrap()
            .to_owned()
    };
    let (message, state, algorithm, signature) = (
        part("SAMLRequest"),
        part("RelayState"),
        part("SigAlg"),
        part("Signature"),
    );
    assert!(
        algorithm.contains("%3A"),
        "there is something to encode otherwise"
    );
    let cases = [
        // The same to whoever decodes, other octets to the signature.
        ("encoded anew", good.replace("%3A", "%3a")),
        ("state taken", good.replace(&format!("&{state}"), "")),
        ("state changed", good.replace(&state, "RelayState=other")),
        (
            "reordered",
            format!("{state}&{message}&{algorithm}&{signature}"),
        ),
        ("message twice", format!("{good}&{message}")),
        (
            "algorithm stripped",
            format!("{message}&{state}&{signature}"),
        ),
        (
            "algorithm SHA-1",
            good.replace("xmldsig-more%23rsa-sha256", "xmldsig%23rsa-sha1"),
        ),
        ("algorithm HMAC", good.replace("rsa-sha256", "hmac-sha256")),
        ("signature stripped", format!("{message}&{state}")),
        ("both stripped", format!("{message}&{state}")),
        ("signature empty", good.replace(&signature, "Signature=")),
        (
            "of another",
            carried(
                &upstream()
                    .ask(HERE, wish(), &id(1), &security("attacker"), now())
                    .unwrap(),
            ),
        ),
        ("over another message", {
            let other = carried(
                &upstream()
                    .ask(HERE, wish(), &id(9), &security("sp"), now())
                    .unwrap(),
            );
            let other = other.split('&').next().unwrap().to_owned();
            good.replace(&message, &other)
        }),
    ];
    for (name, touched) in cases {
        assert_ne!(touched, good, "{name}");
        assert!(send(&touched, &application()).is_err(), "{name}");
    }
}

/// Peers encode as they like; what counts is that the octets are theirs.
#[test]
fn a_peers_own_encoding_is_its_own() {
    use postern_federation::saml::XmlSecurity;
    let good = query();
    let message = good.split('&').next().unwrap();
    let signed = format!(
        "{}&RelayState=st%61te&SigAlg=http%3a%2f%2fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256",
        message.replace("%2B", "%2b").replace("%2F", "%2f"),
    );
    let signature = security("sp").sign_octets(signed.as_bytes()).unwrap();
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
    let encoded = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Signature", &signature)
        .finish();
    match send(&format!("{signed}&{encoded}"), &application()).unwrap() {
        Verdict::Grant(request) => assert_eq!(request.id(), Some(id(1).as_str())),
        Verdict::Deny(_) => panic!("denied"),
    }
}
