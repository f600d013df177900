//! Logout messages of both directions.

use crate::world::*;
use postern_federation::saml::logout::{
    AnswerLogout, AskLogout, LogoutEndpoint, LogoutRequest, LogoutResponse, UnverifiedLogout,
};
use postern_federation::saml::response::NameId;
use postern_federation::saml::sp::UpstreamSession;
use postern_federation::saml::{Binding, Certificate, Outgoing, Refusal, Status, XmlSecurity};

const SLO: &str = "https://sp.example/slo";

fn endpoint(binding: Binding) -> LogoutEndpoint {
    LogoutEndpoint {
        binding,
        url: SLO.to_owned(),
        response_url: None,
    }
}

fn ask(binding: Binding, signer: &str) -> Outgoing {
    let subject = person().subject;
    let to = endpoint(binding);
    let ask = AskLogout {
        id: &id(4),
        at: now(),
        issuer: IDP,
        to: &to,
        name: &subject,
        session_index: Some("session-1"),
        relay_state: Some("state"),
    };
    ask.send(&security(signer)).unwrap()
}

fn answer(binding: Binding, status: Status) -> Outgoing {
    let to = endpoint(binding);
    let question = id(4);
    let answer = AnswerLogout {
        id: &id(5),
        at: now(),
        issuer: IDP,
        to: &to,
        in_response_to: question.as_str(),
        status,
        relay_state: None,
    };
    answer.send(&security("idp")).unwrap()
}

fn asked(outgoing: &Outgoing, trusted: &[Certificate]) -> Result<LogoutRequest, Refusal> {
    match UnverifiedLogout::new(received(outgoing)?)? {
        UnverifiedLogout::Request(message) => {
            message.request(IDP, trusted, SLO, &security("sp"), now())
        }
        UnverifiedLogout::Response(_) => panic!("a request"),
    }
}

fn answered(outgoing: &Outgoing, trusted: &[Certificate]) -> Result<LogoutResponse, Refusal> {
    match UnverifiedLogout::new(received(outgoing)?)? {
        UnverifiedLogout::Request(_) => panic!("a response"),
        UnverifiedLogout::Response(message) => {
            message.response(IDP, trusted, SLO, &security("sp"), now())
        }
    }
}

#[test]
fn a_logout_is_asked_for_and_answered_by_both_bindings() {
    let trusted = [certificate("idp")];
    for binding in [Binding::Redirect, Binding::Post] {
        let request = asked(&ask(binding, "idp"), &trusted).unwrap();
        assert_eq!(request.name(), &person().subject);
        assert_eq!(request.session_indexes(), ["session-1"]);
        assert_eq!(request.relay_state(), Some("state"));
        let whole = answered(&answer(binding, Status::Success), &trusted).unwrap();
        assert!(whole.success());
        assert_eq!(whole.in_response_to(), id(4).as_str());
        let partial = answered(&answer(binding, Status::PartialLogout), &trusted).unwrap();
        assert!(!partial.success());
    }
}

/// a name of somebody else, or of another application, ends nothing.
#[test]
fn a_name_is_meant_only_by_itself() {
    let ours = NameId {
        value: "alice".to_owned(),
        format: Some("f".to_owned()),
        name_qualifier: Some("idp".to_owned()),
        sp_name_qualifier: Some("sp".to_owned()),
    };
    let said = |change: fn(&mut NameId)| {
        let mut said = ours.clone();
        change(&mut said);
        ours.is_meant_by(&said)
    };
    assert!(said(|_| {}));
    assert!(said(|said| said.format = None));
    assert!(said(|said| {
        said.name_qualifier = None;
        said.sp_name_qualifier = None;
    }));
    assert!(!said(|said| said.value = "bob".to_owned()));
    assert!(!said(|said| said.value = "Alice".to_owned()));
    assert!(!said(|said| said.format = Some("g".to_owned())));
    assert!(!said(|said| said.name_qualifier = Some("other".to_owned())));
    assert!(!said(
        |said| said.sp_name_qualifier = Some("other".to_owned())
    ));
}

/// A session is meant by its index, or by all of its name's.
#[test]
fn a_session_elsewhere_is_meant_by_its_index() {
    let trusted = [certificate("idp")];
    let request = asked(&ask(Binding::Post, "idp"), &trusted).unwrap();
    let session = |index: Option<&str>| UpstreamSession {
        name: person().subject,
        index: index.map(str::to_owned),
    };
    assert!(session(Some("session-1")).is_meant_by(&request));
    assert!(!session(Some("session-2")).is_meant_by(&request));
    assert!(!session(None).is_meant_by(&request));
    let mut stranger = session(Some("session-1"));
    stranger.name.value = "bob@example.com".to_owned();
    assert!(!stranger.is_meant_by(&request));
}

/// mod_auth_mellon answers 400 to a redirect with an XML signature inside.
#[test]
fn a_redirect_carries_its_signature_outside() {
    for outgoing in [
        ask(Binding::Redirect, "idp"),
        answer(Binding::Redirect, Status::Success),
    ] {
        let query = carried(&outgoing);
        assert!(query.contains("&SigAlg=") && query.contains("&Signature="));
    }
    // And one with a signature inside is refused.
    let inside = xml(&ask(Binding::Post, "idp"));
    let outgoing = {
        use std::io::Write;
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(inside.as_bytes()).unwrap();
        let message = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            encoder.finish().unwrap(),
        );
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLRequest", &message)
            .finish();
        Outgoing::Redirect(format!("{SLO}?{query}"))
    };
    assert_eq!(
        asked(&outgoing, &[certificate("idp")]).unwrap_err(),
        Refusal::Binding("an XML signature inside a redirect")
    );
}

#[test]
fn an_unsigned_or_foreign_logout_request_ends_no_session() {
    let trusted = [certificate("idp")];
    let form_of = |xml: &str| form("SAMLRequest", xml);
    let genuine = xml(&ask(Binding::Post, "idp"));
    let stripped = genuine.replacen(signature_of(&genuine), "", 1);
    assert_eq!(
        asked(&form_of(&stripped), &trusted).unwrap_err(),
        Refusal::Unsigned
    );
    // Without a key of the peer nothing is signed.
    assert_eq!(
        asked(&form_of(&genuine), &[]).unwrap_err(),
        Refusal::Unsigned
    );
    let query = carried(&ask(Binding::Redirect, "idp"));
    let bare = query.split("&SigAlg=").next().unwrap();
    let bare = Outgoing::Redirect(format!("{SLO}?{bare}"));
    assert_eq!(asked(&bare, &trusted).unwrap_err(), Refusal::Unsigned);
    for binding in [Binding::Redirect, Binding::Post] {
        assert!(asked(&ask(binding, "attacker"), &trusted).is_err());
    }
    let other_session = genuine.replace("session-1", "session-2");
    assert!(asked(&form_of(&other_session), &trusted).is_err());
    let other_name = genuine.replace(SUBJECT, "bob@example.com");
    assert!(asked(&form_of(&other_name), &trusted).is_err());
    let elsewhere = genuine.replace(SLO, "https://other.example/slo");
    assert!(asked(&form_of(&elsewhere), &trusted).is_err());
}

/// As in an assertion: the log says what is not supported, and nobody guesses whom it means.
#[test]
fn a_logout_request_whose_name_is_encrypted_is_refused_by_name() {
    let trusted = [certificate("idp")];
    let genuine = unsigned(&xml(&ask(Binding::Post, "idp")));
    let signed_again = |edited: String| {
        let signed = security("idp").sign(edited).unwrap();
        asked(&form("SAMLRequest", &signed), &trusted)
    };
    let plain = signed_again(genuine.clone()).unwrap();
    assert_eq!(plain.name(), &person().subject);
    let sealed = sealed_alone(&genuine, "<saml:NameID", "</saml:NameID>", "EncryptedID");
    // A name in clear beside it does not save it: the two may differ.
    let name = between(&genuine, "<saml:NameID", "</saml:NameID>");
    let beside = sealed.replace("<saml:EncryptedID>", &format!("{name}<saml:EncryptedID>"));
    for edited in [sealed, beside] {
        assert_eq!(
            signed_again(edited).unwrap_err(),
            Refusal::Encryption("EncryptedID is not supported".to_owned())
        );
    }
}

#[test]
fn an_answer_is_signed_if_the_peer_has_a_key() {
    let genuine = xml(&answer(Binding::Post, Status::Success));
    let stripped = genuine.replacen(signature_of(&genuine), "", 1);
    let form_of = |xml: &str| form("SAMLResponse", xml);
    assert_eq!(
        answered(&form_of(&stripped), &[certificate("idp")]).unwrap_err(),
        Refusal::Unsigned
    );
    assert!(answered(&form_of(&stripped), &[]).is_ok());
    let no_question = genuine.replace(&format!("InResponseTo=\"{}\"", id(4)), "");
    assert!(answered(&form_of(&no_question), &[]).is_err());
}
