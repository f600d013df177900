//! An identity provider, a service provider and somebody in between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use postern_federation::saml::idp::{
    ConsumerService, IdentityProvider, NameIdFormat, Person, ServiceProvider, UnverifiedRequest,
    ValidAuthnRequest, Verdict,
};
use postern_federation::saml::logout::LogoutEndpoint;
use postern_federation::saml::response::{Attribute, NameId};
use postern_federation::saml::sp::{Endpoint, Here, Question, Upstream, Wish};
use postern_federation::saml::{
    AuthnContext, Bergshamra, Binding, Certificate, MessageId, Outgoing, Received, Refusal,
    SamlKeys, SigningKey, UnverifiedResponse, VerifiedAssertion, XmlSecurity,
};

pub const IDP: &str = "https://idp.example/";
pub const SSO: &str = "https://idp.example/samlsso";
pub const SP: &str = "https://sp.example/";
pub const ACS: &str = "https://sp.example/commonauth";
pub const HERE: Here<'static> = Here {
    entity_id: SP,
    consumer_url: ACS,
};
pub const SUBJECT: &str = "alice@example.com";

pub fn now() -> Timestamp {
    "2026-11-28T09:00:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> Timestamp {
    now()
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap()
}

pub fn id(n: u8) -> MessageId {
    MessageId::from_entropy(&[n; 20])
}

pub fn pem(name: &str) -> (&'static str, &'static str) {
    match name {
        "idp" => (include_str!("keys/idp.key"), include_str!("keys/idp.crt")),
        "sp" => (include_str!("keys/sp.key"), include_str!("keys/sp.crt")),
        "next" => (include_str!("keys/next.key"), include_str!("keys/next.crt")),
        "attacker" => (
            include_str!("keys/attacker.key"),
            include_str!("keys/attacker.crt"),
        ),
        _ => panic!("no key {name}"),
    }
}

pub fn key(name: &str) -> SigningKey {
    let (key, certificate) = pem(name);
    SigningKey::from_pem(key, certificate).unwrap()
}

pub fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(pem(name).1).unwrap()
}

pub fn security(name: &str) -> Bergshamra {
    Bergshamra::new(SamlKeys::one(key(name))).unwrap()
}

pub fn identity_provider() -> IdentityProvider {
    IdentityProvider {
        entity_id: IDP.to_owned(),
        sso_url: SSO.to_owned(),
    }
}

/// The service provider as the identity provider knows it.
pub fn application() -> ServiceProvider {
    ServiceProvider {
        entity_id: SP.to_owned(),
        consumer_services: vec![
            ConsumerService {
                url: "https://sp.example/other".to_owned(),
                index: Some(1),
                default: false,
            },
            ConsumerService {
                url: ACS.to_owned(),
                index: Some(0),
                default: true,
            },
        ],
        certificates: vec![certificate("sp")],
        signed_requests: true,
        sign_response: true,
        encrypt_to: None,
        logout: Some(LogoutEndpoint {
            binding: Binding::Redirect,
            url: "https://sp.example/slo".to_owned(),
            response_url: None,
        }),
        attribute_index: Some(7),
        attributes_always: true,
        idp_initiated: false,
        name_id: NameIdFormat::Unspecified,
        name_id_claim: None,
        assertion_seconds: 300,
        relay_state_bytes_max: 80,
    }
}

/// The identity provider as the service provider knows it.
pub fn upstream() -> Upstream {
    Upstream {
        entity_id: IDP.to_owned(),
        our_entity_id: None,
        sign_on: Endpoint {
            binding: Binding::Redirect,
            url: SSO.to_owned(),
        },
        logout: None,
        certificates: vec![certificate("idp")],
        sign_requests: true,
        signed_response: false,
        signed_assertion: false,
        encrypted_assertion: false,
        unsolicited: false,
        name_id_format: None,
        context: None,
    }
}

pub fn wish() -> Wish<'static> {
    Wish {
        force_authn: false,
        is_passive: false,
        relay_state: Some("state"),
    }
}

pub fn person() -> Person {
    Person {
        subject: NameId {
            value: SUBJECT.to_owned(),
            format: Some(NameIdFormat::Unspecified.uri().to_owned()),
            name_qualifier: None,
            sp_name_qualifier: None,
        },
        attributes: vec![Attribute {
            name: "http://wso2.org/claims/mobile".to_owned(),
            values: vec!["+12025550100".to_owned()],
        }],
        context: AuthnContext::TwoFactors,
        authenticated_at: now(),
        session_index: "session-1".to_owned(),
        session_until: after(8 * 3600),
    }
}

/// What the browser carries: the query of a redirect, or the body of a form.
pub fn carried(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Redirect(url) => url.split_once('?').unwrap().1.to_owned(),
        Outgoing::Post { fields, .. } => url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish(),
    }
}

pub fn received(outgoing: &Outgoing) -> Result<Received, Refusal> {
    match outgoing {
        Outgoing::Redirect(_) => Received::redirect(&carried(outgoing)).unwrap(),
        Outgoing::Post { .. } => Received::post(&carried(outgoing)).unwrap(),
    }
}

/// The XML in a form.
pub fn xml(outgoing: &Outgoing) -> String {
    let Outgoing::Post { fields, .. } = outgoing else {
        panic!("a form is expected")
    };
    String::from_utf8(STANDARD.decode(&fields[0].1).unwrap()).unwrap()
}

pub fn form(name: &'static str, xml: &str) -> Outgoing {
    Outgoing::Post {
        action: ACS.to_owned(),
        fields: vec![(name, STANDARD.encode(xml))],
    }
}

pub fn request(outgoing: &Outgoing, provider: &ServiceProvider) -> Result<Verdict, Refusal> {
    identity_provider().check(
        UnverifiedRequest::new(received(outgoing)?)?,
        provider,
        &security("idp"),
        now(),
    )
}

pub fn granted(provider: &ServiceProvider) -> ValidAuthnRequest {
    let asked = upstream()
        .ask(HERE, wish(), &id(1), &security("sp"), now())
        .unwrap();
    match request(&asked, provider).unwrap() {
        Verdict::Grant(request) => request,
        Verdict::Deny(denied) => panic!("denied: {:?}", denied.status),
    }
}

/// The genuine answer to request 1.
pub fn answered(provider: &ServiceProvider, person: &Person) -> String {
    let answer = identity_provider().answer(
        provider,
        &granted(provider),
        person,
        (&id(2), &id(3)),
        &security("idp"),
        now(),
    );
    xml(&answer.unwrap())
}

pub fn genuine() -> String {
    answered(&application(), &person())
}

pub fn question(id: &MessageId) -> Question<'_> {
    Question {
        id: id.as_str(),
        afresh_since: None,
    }
}

pub fn accept_by(
    upstream: &Upstream,
    xml: &str,
    at: Timestamp,
) -> Result<VerifiedAssertion, Refusal> {
    let response = UnverifiedResponse::new(received(&form("SAMLResponse", xml))?)?;
    upstream.accept(response, Some(question(&id(1))), HERE, &security("sp"), at)
}

pub fn accept(xml: &str) -> Result<VerifiedAssertion, Refusal> {
    accept_by(&upstream(), xml, now())
}

/// From `from` to the end of `to`, both included.
pub fn between<'x>(xml: &'x str, from: &str, to: &str) -> &'x str {
    let start = xml.find(from).unwrap();
    let length = xml[start..].find(to).unwrap() + to.len();
    &xml[start..start + length]
}

pub fn assertion_of(xml: &str) -> &str {
    between(xml, "<saml:Assertion", "</saml:Assertion>")
}

pub fn signature_of(xml: &str) -> &str {
    between(xml, "<ds:Signature ", "</ds:Signature>")
}

/// With a part of it encrypted by itself. Whoever refuses that need not look into it.
pub fn sealed_alone(xml: &str, from: &str, to: &str, name: &str) -> String {
    const SEALED: &str = "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>";
    let open = between(xml, from, to);
    xml.replace(open, &format!("<saml:{name}>{SEALED}</saml:{name}>"))
}

/// Takes the values out of the first signature, so that it can be made again.
pub fn unsigned(xml: &str) -> String {
    let digest = between(xml, "<ds:DigestValue>", "</ds:DigestValue>");
    let value = between(xml, "<ds:SignatureValue>", "</ds:SignatureValue>");
    xml.replacen(digest, "<ds:DigestValue></ds:DigestValue>", 1)
        .replacen(value, "<ds:SignatureValue></ds:SignatureValue>", 1)
}

/// A response whose assertion was edited and signed again by `signer`: what a wrong or hostile identity provider
/// could send. The response itself is not signed.
pub fn forged(signer: &str, edit: impl FnOnce(&str) -> String) -> String {
    let provider = ServiceProvider {
        sign_response: false,
        ..application()
    };
    let genuine = answered(&provider, &person());
    let assertion = assertion_of(&genuine);
    let edited = edit(&unsigned(assertion));
    let signed = security(signer).sign(edited).unwrap();
    genuine.replacen(assertion, &signed, 1)
}

/// The refusal of a document must say what is expected of it, not fail for another reason.
#[track_caller]
pub fn refused(name: &str, result: Result<VerifiedAssertion, Refusal>, why: &str) {
    match result {
        Ok(assertion) => panic!("{name}: accepted as {:?}", assertion.subject()),
        Err(refusal) => {
            let text = refusal.to_string();
            assert!(
                text.contains(why),
                "{name}: refused as `{text}`, expected `{why}`"
            );
        }
    }
}
