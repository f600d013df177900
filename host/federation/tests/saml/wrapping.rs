//! Signature wrapping and its relatives: the document holds a genuine signature, and another name.

use crate::world::*;
use postern_federation::saml::Refusal;
use postern_federation::saml::idp::ServiceProvider;
use postern_federation::saml::xml::Tree;

/// Signed at the response, with an assertion inside.
fn whole() -> String {
    genuine()
}

/// Only the assertion is signed.
fn inner() -> String {
    let provider = ServiceProvider {
        sign_response: false,
        ..application()
    };
    answered(&provider, &person())
}

/// The assertion without its signature, under another identifier and about somebody else.
fn evil(assertion: &str) -> String {
    assertion
        .replacen(signature_of(assertion), "", 1)
        .replace(id(3).as_str(), "_evil")
        .replace(SUBJECT, "admin@example.com")
}

fn bare(xml: &str) -> String {
    xml.replacen(signature_of(xml), "", 1)
}

fn into_signature(signature: &str, inside: &str) -> String {
    signature.replace(
        "</ds:Signature>",
        &format!("<ds:Object>{inside}</ds:Object></ds:Signature>"),
    )
}

/// The response about somebody else, with `signature` where its own was.
fn evil_response(signature: &str) -> String {
    let genuine = whole();
    let assertion = assertion_of(&genuine);
    bare(&genuine)
        .replacen(assertion, &evil(assertion), 1)
        .replacen(id(2).as_str(), "_evil_response", 1)
        .replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1)
}

/// Each of the eight known wrappings, over the response's and over the assertion's signature.
fn wrappings() -> Vec<(&'static str, String)> {
    let genuine = whole();
    let signature = signature_of(&genuine);
    let original = bare(&genuine);
    let inner = inner();
    let assertion = assertion_of(&inner);
    let own = signature_of(assertion);
    let unsigned_assertion = bare(assertion);
    let evil = evil(assertion);
    let with = |assertions: &str| inner.replacen(assertion, assertions, 1);
    let evil_signed =
        |signature: &str| evil.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
    vec![
        ("XSW1", evil_response(&into_signature(signature, &original))),
        ("XSW2", evil_response(&format!("{original}{signature}"))),
        ("XSW3", with(&format!("{evil}{assertion}"))),
        (
            "XSW4",
            with(&evil.replace(
                "</saml:Assertion>",
                &format!("{assertion}</saml:Assertion>"),
            )),
        ),
        (
            "XSW5",
            with(&format!("{}{unsigned_assertion}", evil_signed(own))),
        ),
        (
            "XSW6",
            with(&evil_signed(&into_signature(own, &unsigned_assertion))),
        ),
        (
            "XSW7",
            inner.replacen(
                "<samlp:Status>",
                &format!("<samlp:Extensions>{evil}</samlp:Extensions><samlp:Status>"),
                1,
            ),
        ),
        (
            "XSW8",
            with(&evil_signed(&into_signature(
                own,
                &format!("<x>{unsigned_assertion}</x>"),
            ))),
        ),
    ]
}

#[test]
fn none_of_the_eight_wrappings_is_accepted() {
    assert_eq!(accept(&whole()).unwrap().subject().value, SUBJECT);
    assert_eq!(accept(&inner()).unwrap().subject().value, SUBJECT);
    for (name, document) in wrappings() {
        assert!(Tree::parse(&document).is_ok(), "{name} is well-formed");
        assert!(document.contains("admin@example.com"), "{name}");
        refused(name, accept(&document), "exactly one Assertion");
    }
}

/// The same with the second wall alone: an assertion where the first one does not look for one.
#[test]
fn a_wrapped_signature_is_refused_for_its_own_shape_too() {
    let inner = inner();
    let assertion = assertion_of(&inner);
    let own = signature_of(assertion);
    let moved = inner.replacen(
        assertion,
        &evil(assertion).replacen("</saml:Issuer>", &format!("</saml:Issuer>{own}"), 1),
        1,
    );
    refused(
        "the signature of another",
        accept(&moved),
        "not to the signature's own parent",
    );
    // The identifier taken along: then the digest is of somebody else.
    let renamed = moved.replace("_evil", id(3).as_str());
    refused("the same identifier", accept(&renamed), "does not verify");
    let lifted = inner.replacen(assertion, &evil(assertion), 1).replacen(
        "<samlp:Status>",
        &format!("<samlp:Extensions>{own}</samlp:Extensions><samlp:Status>"),
        1,
    );
    refused("lifted", accept(&lifted), "stands elsewhere");
}

#[test]
fn an_unsigned_copy_beside_the_signed_one_is_refused() {
    let inner = inner();
    let assertion = assertion_of(&inner);
    let evil = evil(assertion);
    for (name, both) in [
        ("after", format!("{assertion}{evil}")),
        ("before", format!("{evil}{assertion}")),
        (
            "encrypted beside",
            format!("{assertion}<saml:EncryptedAssertion/>"),
        ),
    ] {
        let document = inner.replacen(assertion, &both, 1);
        refused(name, accept(&document), "exactly one Assertion");
    }
}

#[test]
fn declarations_and_other_names_for_things_change_nothing() {
    let genuine = whole();
    let doctype = format!("<!DOCTYPE samlp:Response [<!ENTITY x 'y'>]>{genuine}");
    refused("doctype", accept(&doctype), "document type declaration");
    let entity = genuine.replace(SUBJECT, "&admin;");
    refused("entity", accept(&entity), "not well-formed");
    // A signature of another namespace is none.
    let other = inner().replace(
        "http://www.w3.org/2000/09/xmldsig#\"",
        "http://www.w3.org/2000/09/xmldsig\"",
    );
    refused("namespace of the signature", accept(&other), "not signed");
    // An assertion of another namespace is none.
    let other = inner().replacen(
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion:x\"",
        1,
    );
    assert!(accept(&other).is_err());
    // A declaration added below the signature changes what a prefix means there.
    let rebound = inner().replacen(
        "<saml:NameID ",
        "<saml:NameID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:x=\"u:x\" ",
        1,
    );
    let subject = accept(&rebound).map(|a| a.subject().value.clone());
    assert!(subject.is_err() || subject.unwrap() == SUBJECT);
}

#[test]
fn a_digest_of_nothing_signs_nothing() {
    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let inner = inner();
    let digest = between(&inner, "<ds:DigestValue>", "</ds:DigestValue>");
    let empty = format!("<ds:DigestValue>{EMPTY}</ds:DigestValue>");
    refused(
        "digest of nothing",
        accept(&inner.replacen(digest, &empty, 1)),
        "does not verify",
    );
    // Canonicalization must fail closed on what it cannot do.
    let relative = inner.replacen(
        "<saml:Subject>",
        "<saml:Subject xmlns:r=\"rel\" r:a=\"1\">",
        1,
    );
    assert!(accept(&relative).is_err());
    // Even if the identity provider itself signed nothing but a digest of nothing.
    let signed_nothing = forged("idp", |assertion| {
        assertion.replacen("<ds:DigestValue></ds:DigestValue>", &empty, 1)
    });
    refused("signed digest", accept(&signed_nothing), "does not verify");
}

#[test]
fn what_is_done_to_a_signature_makes_it_none() {
    let inner = inner();
    let own = signature_of(&inner);
    let change = |from: &str, to: &str| {
        assert!(inner.contains(from), "{from}");
        inner.replacen(from, to, 1)
    };
    let reference = format!("URI=\"#{}\"", id(3));
    let value = between(&inner, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let info = between(&inner, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let enveloped =
        "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    let transform = |algorithm: &str| {
        change(
            enveloped,
            &format!("{enveloped}<ds:Transform Algorithm=\"{algorithm}\"/>"),
        )
    };
    let not_parent = "not to the signature's own parent";
    let cases = [
        ("stripped", change(own, ""), "not signed"),
        (
            "empty value",
            change(value, "<ds:SignatureValue></ds:SignatureValue>"),
            "signature value is empty",
        ),
        (
            "comment in the digest",
            change("<ds:DigestValue>", "<ds:DigestValue><!-- x -->"),
            "comments and CDATA",
        ),
        (
            "two signatures",
            change(own, &format!("{own}{own}")),
            "several signatures",
        ),
        (
            "two SignedInfo",
            change(info, &format!("{info}{info}")),
            "a signature is SignedInfo",
        ),
        ("whole document", change(&reference, "URI=\"\""), not_parent),
        (
            "xpointer",
            change(&reference, "URI=\"#xpointer(/)\""),
            not_parent,
        ),
        (
            "a file",
            change(&reference, "URI=\"file:///etc/passwd\""),
            not_parent,
        ),
        (
            "a relative file",
            change(&reference, "URI=\"Cargo.toml\""),
            not_parent,
        ),
        (
            "another server",
            change(&reference, "URI=\"http://127.0.0.1:1/x\""),
            not_parent,
        ),
        ("no reference", change(&reference, ""), not_parent),
        (
            "xslt",
            transform("http://www.w3.org/TR/1999/REC-xslt-19991116"),
            "transforms are",
        ),
        (
            "xpath",
            transform("http://www.w3.org/TR/1999/REC-xpath-19991116"),
            "transforms are",
        ),
        (
            "with comments",
            change(
                "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
                "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\"/>",
            ),
            "transforms are",
        ),
        ("not enveloped", change(enveloped, ""), "transforms are"),
        (
            "an object",
            change(own, &into_signature(own, "<x/>")),
            "a signature is SignedInfo",
        ),
    ];
    for (name, document, why) in cases {
        refused(name, accept(&document), why);
    }
}

#[test]
fn only_the_configured_keys_sign() {
    let attacker = forged("attacker", |a| a.to_owned());
    refused("attacker's key", accept(&attacker), "does not verify");
    // With the attacker's certificate in KeyInfo, which the library is told to ignore.
    let own = |name: &str| certificate(name).to_base64();
    let presented = forged("attacker", |a| a.replace(&own("idp"), &own("attacker")));
    assert!(presented.contains(&own("attacker")));
    refused("own certificate", accept(&presented), "does not verify");
    let valued = forged("attacker", |a| {
        let info = between(a, "<ds:KeyInfo>", "</ds:KeyInfo>");
        a.replacen(
            info,
            "<ds:KeyInfo><ds:KeyName>idp</ds:KeyName></ds:KeyInfo>",
            1,
        )
    });
    refused("a name of a key", accept(&valued), "does not verify");
    let ours = forged("sp", |a| a.to_owned());
    refused("our own key", accept(&ours), "does not verify");
    let mut keyless = upstream();
    keyless.certificates.clear();
    refused(
        "no key at all",
        accept_by(&keyless, &genuine(), now()),
        "no key of the peer",
    );
}

#[test]
fn weak_and_symmetric_methods_are_refused_by_name() {
    let method =
        "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>";
    for algorithm in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "",
    ] {
        let document = inner().replacen(
            method,
            &format!("<ds:SignatureMethod Algorithm=\"{algorithm}\"/>"),
            1,
        );
        refused(algorithm, accept(&document), "signature method is none");
    }
    let digest = "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>";
    let document = inner().replacen(
        digest,
        "<ds:DigestMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha1\"/>",
        1,
    );
    refused("sha1", accept(&document), "digest method is none");
}

/// VU#475445: canonicalization drops the comment, so the signature holds; the reader must not stop at it.
#[test]
fn a_comment_or_cdata_in_a_name_cuts_nothing_off() {
    let person = postern_federation::saml::idp::Person {
        subject: postern_federation::saml::response::NameId {
            value: "admin@example.com.evil.example".to_owned(),
            ..person().subject
        },
        ..person()
    };
    let document = answered(&application(), &person);
    for cut in ["<!---->", "<!-- x -->"] {
        let commented = document.replace(
            "admin@example.com.evil",
            &format!("admin@example.com{cut}.evil"),
        );
        let accepted = accept(&commented).unwrap();
        assert_eq!(accepted.subject().value, "admin@example.com.evil.example");
    }
    let cdata = document.replace(
        "admin@example.com.evil.example",
        "admin@example.com<![CDATA[.evil.example]]>",
    );
    let accepted = accept(&cdata).unwrap();
    assert_eq!(accepted.subject().value, "admin@example.com.evil.example");
    let instructed = document.replace("com.evil", "com<?x?>.evil");
    refused("instruction", accept(&instructed), "processing instruction");
    let nested = forged("idp", |a| {
        a.replace(SUBJECT, "admin@example.com<x/>.evil.example")
    });
    refused("element in the name", accept(&nested), "a NameID is a text");
}

#[test]
fn identifiers_that_stand_twice_are_refused() {
    let inner = inner();
    for attribute in ["ID", "Id", "id", "AssertionID"] {
        let document = inner.replacen(
            "<samlp:Status>",
            &format!(
                "<samlp:Extensions><x {attribute}=\"{}\"/></samlp:Extensions><samlp:Status>",
                id(3)
            ),
            1,
        );
        refused(attribute, accept(&document), "same identifier");
    }
    let response = inner.replacen(id(2).as_str(), id(3).as_str(), 1);
    refused("response's", accept(&response), "same identifier");
}

/// Values we put into what we sign stay values (CVE-2026-46490).
#[test]
fn a_value_cannot_become_an_attribute_when_we_sign() {
    let hostile = "x</saml:AttributeValue></saml:Attribute><saml:Attribute Name=\"role\"><saml:AttributeValue>admin";
    let mut person = person();
    person.attributes[0].values = vec![hostile.to_owned()];
    person.attributes[0].name = "a\"><x y=\"".to_owned();
    person.subject.value = "a</saml:NameID><saml:NameID>b".to_owned();
    let document = answered(&application(), &person);
    let accepted = accept(&document).unwrap();
    assert_eq!(accepted.attributes().len(), 1);
    assert_eq!(accepted.attributes()[0].values, [hostile]);
    assert_eq!(accepted.attributes()[0].name, "a\"><x y=\"");
    assert_eq!(accepted.subject().value, "a</saml:NameID><saml:NameID>b");
}

#[test]
fn one_byte_changed_anywhere_in_what_was_signed_is_noticed() {
    let inner = inner();
    let assertion = assertion_of(&inner);
    for (from, to) in [
        ("+12025550100", "+12025550101"),
        (SUBJECT, "alicf@example.com"),
        ("session-1", "session-2"),
        ("refeds.org/profile/mfa", "refeds.org/profile/mfb"),
    ] {
        assert!(assertion.contains(from));
        let document = inner.replace(from, to);
        assert_eq!(
            accept(&document).unwrap_err(),
            Refusal::Signature("it does not verify with a key of the peer".to_owned())
        );
    }
}
