//! Encrypted assertions.

use crate::world::*;
use postern_federation::saml::idp::ServiceProvider;
use postern_federation::saml::{Bergshamra, SamlKeys, UnverifiedResponse};

fn encrypted() -> String {
    let provider = ServiceProvider {
        encrypt_to: Some(certificate("sp")),
        sign_response: false,
        ..application()
    };
    answered(&provider, &person())
}

#[test]
fn an_encrypted_assertion_opens_with_our_key_only() {
    let document = encrypted();
    assert!(!document.contains(SUBJECT) && !document.contains("<saml:Assertion"));
    assert_eq!(accept(&document).unwrap().subject().value, SUBJECT);
    let response = || UnverifiedResponse::new(received(&form("SAMLResponse", &document)).unwrap());
    let with = |security: &Bergshamra| {
        upstream().accept(
            response().unwrap(),
            Some(question(&id(1))),
            HERE,
            security,
            now(),
        )
    };
    refused("another key", with(&security("attacker")), "does not open");
    // While we roll over, what was encrypted to the former key still opens.
    let rolled = Bergshamra::new(SamlKeys {
        current: key("next"),
        others: vec![key("sp")],
    })
    .unwrap();
    assert!(with(&rolled).is_ok());
}

#[test]
fn encryption_is_no_signature() {
    // Anybody can encrypt to us: what comes out must be signed as anything else.
    let provider = ServiceProvider {
        encrypt_to: Some(certificate("sp")),
        sign_response: false,
        ..application()
    };
    let idp = identity_provider();
    let forged = idp.answer(
        &provider,
        &granted(&provider),
        &person(),
        (&id(2), &id(3)),
        &security("attacker"),
        now(),
    );
    refused(
        "attacker's",
        accept(&xml(&forged.unwrap())),
        "does not verify",
    );
    let plain = genuine();
    let assertion = assertion_of(&plain);
    let bare = assertion.replacen(signature_of(assertion), "", 1);
    let sealed = postern_federation::saml::XmlSecurity::encrypt(
        &security("attacker"),
        &bare,
        &certificate("sp"),
    )
    .unwrap();
    let document = encrypted();
    let data = between(&document, "<xenc:EncryptedData", "</xenc:EncryptedData>");
    refused(
        "unsigned inside",
        accept(&document.replacen(data, &sealed, 1)),
        "not signed",
    );
}

#[test]
fn ciphers_that_answer_questions_are_refused_by_name() {
    let document = encrypted();
    let cases = [
        (
            "http://www.w3.org/2009/xmlenc11#aes256-gcm",
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
            "the cipher is none",
        ),
        (
            "http://www.w3.org/2009/xmlenc11#aes256-gcm",
            "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
            "the cipher is none",
        ),
        (
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
            "the key transport is none",
        ),
        (
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            "http://www.w3.org/2001/04/xmlenc#kw-aes256",
            "the key transport is none",
        ),
    ];
    for (from, to, why) in cases {
        assert!(document.contains(from));
        refused(to, accept(&document.replacen(from, to, 1)), why);
    }
    let value = between(&document, "<xenc:CipherData>", "</xenc:CipherData>");
    let reference = document.replacen(
        value,
        "<xenc:CipherData><xenc:CipherReference URI=\"file:///etc/passwd\"/></xenc:CipherData>",
        1,
    );
    refused("reference", accept(&reference), "exactly one CipherValue");
    let key = between(&document, "<xenc:EncryptedKey>", "</xenc:EncryptedKey>");
    let two = document.replacen(key, &format!("{key}{key}"), 1);
    refused("two keys", accept(&two), "exactly one encrypted key");
    // One flipped character of the ciphertext: the same sentence as a wrong key.
    let last = document.rfind("</xenc:CipherValue>").unwrap();
    let mut flipped = document.clone();
    let place = last - 8;
    let other = if &document[place..=place] == "A" {
        "B"
    } else {
        "A"
    };
    flipped.replace_range(place..=place, other);
    refused("flipped", accept(&flipped), "does not open");
    let mut demanding = upstream();
    demanding.encrypted_assertion = true;
    refused(
        "not encrypted",
        accept_by(&demanding, &genuine(), now()),
        "not encrypted",
    );
    assert!(accept_by(&demanding, &encrypted(), now()).is_ok());
}
