//! Judges that are not ours: xmlsec1 for signatures and encryption, the OASIS schemas for the shape.

use crate::world::*;
use postern_federation::saml::context::{Comparison, RequestedContext};
use postern_federation::saml::idp::ServiceProvider;
use postern_federation::saml::logout::{AnswerLogout, AskLogout, LogoutEndpoint};
use postern_federation::saml::{Binding, Status};
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/saml")
}

fn run(command: &mut Command, document: &str) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document).unwrap();
    let output = command
        .arg(file.path())
        .output()
        .expect("xmlsec1, libxml2-utils, opensaml-schemas and xmltooling-schemas are installed");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

const IDS: [&str; 7] = [
    "urn:oasis:names:tc:SAML:2.0:protocol:Response",
    "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest",
    "urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest",
    "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse",
    "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
    "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor",
    "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor",
];

fn xmlsec(act: &str, options: &[&str], document: &str) -> Result<String, String> {
    let mut command = Command::new("xmlsec1");
    command.arg(act);
    for id in IDS {
        command.args(["--id-attr:ID", id]);
    }
    run(command.args(options), document)
}

fn verify(document: &str, signer: &str) -> Result<String, String> {
    let key = folder().join(format!("keys/{signer}.crt"));
    // The assertion's signature is looked for in the assertion alone, as a service provider would.
    xmlsec(
        "--verify",
        &["--pubkey-cert-pem", key.to_str().unwrap()],
        document,
    )
}

fn judged(schema: &str, document: &str) -> Result<String, String> {
    let mut command = Command::new("xmllint");
    command
        .env("XML_CATALOG_FILES", folder().join("catalog.xml"))
        .args(["--nonet", "--noout", "--schema"])
        .arg(format!(
            "/usr/share/xml/opensaml/saml-schema-{schema}-2.0.xsd"
        ));
    run(&mut command, document)
}

#[track_caller]
fn valid(schema: &str, document: &str) {
    if let Err(problem) = judged(schema, document) {
        panic!("not valid: {problem}\n{document}");
    }
}

fn post() -> LogoutEndpoint {
    LogoutEndpoint {
        binding: Binding::Post,
        url: "https://sp.example/slo".to_owned(),
        response_url: None,
    }
}

fn logout_request() -> String {
    let subject = person().subject;
    let to = post();
    let ask = AskLogout {
        id: &id(4),
        at: now(),
        issuer: IDP,
        to: &to,
        name: &subject,
        session_index: Some("session-1"),
        relay_state: None,
    };
    xml(&ask.send(&security("idp")).unwrap())
}

fn logout_response(status: Status) -> String {
    let to = post();
    let answer = AnswerLogout {
        id: &id(5),
        at: now(),
        issuer: IDP,
        to: &to,
        in_response_to: "_x",
        status,
        relay_state: None,
    };
    xml(&answer.send(&security("idp")).unwrap())
}

fn authn_request() -> String {
    let mut asking = upstream();
    asking.sign_on.binding = Binding::Post;
    asking.name_id_format = Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned());
    asking.context = Some(RequestedContext {
        comparison: Comparison::Minimum,
        classes: vec!["https://refeds.org/profile/mfa".to_owned()],
    });
    xml(&asking
        .ask(HERE, wish(), &id(1), &security("sp"), now())
        .unwrap())
}

#[test]
fn xmlsec1_verifies_what_we_sign() {
    let provider = ServiceProvider {
        sign_response: false,
        ..application()
    };
    let documents = [
        (answered(&provider, &person()), "idp"),
        (genuine(), "idp"),
        (assertion_of(&genuine()).to_owned(), "idp"),
        (authn_request(), "sp"),
        (logout_request(), "idp"),
        (logout_response(Status::Success), "idp"),
    ];
    for (document, signer) in &documents {
        verify(document, signer).unwrap();
        assert!(verify(document, "attacker").is_err());
    }
    assert!(verify(&genuine().replace(SUBJECT, "bob"), "idp").is_err());
}

#[test]
fn we_verify_what_xmlsec1_signs() {
    let (key, certificate) = (folder().join("keys/idp.key"), folder().join("keys/idp.crt"));
    let keys = format!("{},{}", key.display(), certificate.display());
    let genuine = genuine();
    // The inner one is ours, the outer one is made anew by the other library.
    let signed = xmlsec("--sign", &["--privkey-pem", &keys], &unsigned(&genuine)).unwrap();
    assert_eq!(accept(&signed).unwrap().subject().value, SUBJECT);
    let assertion = assertion_of(&genuine);
    let signed = xmlsec("--sign", &["--privkey-pem", &keys], &unsigned(assertion)).unwrap();
    let signed = signed.trim_start_matches("<?xml version=\"1.0\"?>").trim();
    let provider = ServiceProvider {
        sign_response: false,
        ..application()
    };
    let inner = answered(&provider, &person());
    let document = inner.replacen(assertion_of(&inner), signed, 1);
    assert_eq!(accept(&document).unwrap().subject().value, SUBJECT);
}

#[test]
fn xmlsec1_opens_what_we_encrypt() {
    let provider = ServiceProvider {
        encrypt_to: Some(certificate("sp")),
        ..application()
    };
    let document = answered(&provider, &person());
    verify(&document, "idp").unwrap();
    let key = folder().join("keys/sp.key");
    let opened = xmlsec(
        "--decrypt",
        &["--privkey-pem", key.to_str().unwrap()],
        &document,
    )
    .unwrap();
    assert!(opened.contains(SUBJECT));
    let other = folder().join("keys/attacker.key");
    assert!(
        xmlsec(
            "--decrypt",
            &["--privkey-pem", other.to_str().unwrap()],
            &document
        )
        .is_err()
    );
}

#[test]
fn what_we_send_is_valid_by_the_oasis_schemas() {
    let bare = ServiceProvider {
        sign_response: false,
        attribute_index: None,
        ..application()
    };
    let encrypting = ServiceProvider {
        encrypt_to: Some(certificate("sp")),
        ..application()
    };
    for provider in [application(), bare, encrypting] {
        valid("protocol", &answered(&provider, &person()));
        for status in [
            Status::NoPassive,
            Status::NoAuthnContext,
            Status::InvalidNameIdPolicy,
            Status::AuthnFailed,
            Status::RequestDenied,
            Status::RequestUnsupported,
        ] {
            let denied = identity_provider().deny(
                &provider,
                &granted(&provider),
                status,
                &id(2),
                &security("idp"),
                now(),
            );
            valid("protocol", &xml(&denied.unwrap()));
        }
    }
    let open = ServiceProvider {
        idp_initiated: true,
        ..application()
    };
    let idp = identity_provider();
    let unasked = idp.start(&open, None, None).unwrap();
    let answer = idp.answer(
        &open,
        &unasked,
        &person(),
        (&id(2), &id(3)),
        &security("idp"),
        now(),
    );
    valid("protocol", &xml(&answer.unwrap()));
    valid("protocol", &authn_request());
    valid("protocol", &logout_request());
    for status in [
        Status::Success,
        Status::PartialLogout,
        Status::UnknownPrincipal,
    ] {
        valid("protocol", &logout_response(status));
    }
    let metadata = crate::metadata::own();
    valid("metadata", &metadata);
    // The judge does judge.
    for (schema, document, part) in [
        ("protocol", authn_request(), " Version=\"2.0\""),
        ("metadata", metadata, " entityID=\"https://idp.example/\""),
    ] {
        let broken = document.replacen(part, "", 1);
        assert_ne!(broken, document);
        assert!(judged(schema, &broken).is_err(), "{part}");
    }
}
