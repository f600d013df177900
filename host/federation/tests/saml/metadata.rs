//! Metadata, ours and others'.

use crate::world::*;
use postern_federation::saml::metadata::{Own, Peer};
use postern_federation::saml::{Binding, Refusal};

pub fn own() -> String {
    let certificates = [certificate("idp"), certificate("next")];
    Own {
        entity_id: IDP,
        certificates: &certificates,
        sso_url: SSO,
        consumer_url: "https://idp.example/commonauth",
        wants_signed_requests: false,
    }
    .write()
}

#[test]
fn what_we_publish_reads_back_with_both_keys_of_a_roll_over() {
    let peer = Peer::read(&own(), None, now()).unwrap();
    assert_eq!(peer.entity_id, IDP);
    let idp = peer.identity_provider.unwrap();
    assert_eq!(idp.signing, [certificate("idp"), certificate("next")]);
    assert_eq!(idp.sign_on.len(), 2);
    assert_eq!(idp.logout.len(), 2);
    assert_eq!(idp.logout[0].url, SSO);
    let sp = peer.service_provider.unwrap();
    assert_eq!(sp.encryption, [certificate("idp"), certificate("next")]);
    assert_eq!(
        sp.consumer_services[0].url,
        "https://idp.example/commonauth"
    );
    assert_eq!(sp.logout.len(), 2);
    assert_eq!(sp.logout[0].url, sp.consumer_services[0].url);
    assert!(sp.signs_requests);
}

/// Several entities, unknown bindings, extensions, a key nobody can use: the useful rest counts.
#[test]
fn a_peers_metadata_is_read_leniently() {
    let certificate_text = certificate("sp").to_base64();
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Name="federation">
 <md:EntityDescriptor entityID="https://one.example/"/>
 <md:EntityDescriptor entityID="https://two.example/" validUntil="2027-01-01T00:00:00.000Z">
  <md:Extensions><x xmlns="u:x">anything</x></md:Extensions>
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol urn:oasis:names:tc:SAML:2.0:protocol" WantAuthnRequestsSigned="1">
   <md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>bm8gY2VydGlmaWNhdGU=</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
   <md:KeyDescriptor><ds:KeyInfo><ds:KeyName>x</ds:KeyName><ds:X509Data><ds:X509Certificate>
{}
   </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
   <md:KeyDescriptor use="encryption"><ds:KeyInfo/></md:KeyDescriptor>
   <md:ArtifactResolutionService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://two.example/art" index="0"/>
   <md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://two.example/soap"/>
   <md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://two.example/slo" ResponseLocation="https://two.example/slo2"/>
   <md:SingleSignOnService Binding="urn:mace:shibboleth:1.0:profiles:AuthnRequest" Location="https://two.example/shib"/>
   <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://two.example/sso"/>
  </md:IDPSSODescriptor>
 </md:EntityDescriptor>
</md:EntitiesDescriptor>"#,
        certificate_text
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let peer = Peer::read(&text, Some("https://two.example/"), now()).unwrap();
    let idp = peer.identity_provider.unwrap();
    assert!(idp.wants_signed_requests);
    assert_eq!(idp.signing, [certificate("sp")]);
    assert_eq!(idp.sign_on.len(), 1);
    assert_eq!(idp.sign_on[0].binding, Binding::Redirect);
    assert_eq!(idp.logout.len(), 1);
    assert_eq!(idp.logout[0].response_url(), "https://two.example/slo2");
    assert!(peer.service_provider.is_none());
    // Which of the two is not for us to guess.
    assert!(Peer::read(&text, None, now()).is_err());
    assert!(Peer::read(&text, Some("https://three.example/"), now()).is_err());
    let expired = text.replace("2027-01-01", "2026-01-01");
    assert_eq!(
        Peer::read(&expired, Some("https://two.example/"), now()).unwrap_err(),
        Refusal::Time("the metadata has expired")
    );
}

#[test]
fn a_generated_key_is_one_that_we_can_use() {
    use postern_federation::saml::{Bergshamra, SamlKeys, SigningKey, XmlSecurity};
    let key = SigningKey::generate("login.example", now()).unwrap();
    let again = SigningKey::from_pem(&key.to_pem(), &key.certificate().to_pem()).unwrap();
    assert_eq!(again.certificate(), key.certificate());
    assert!(!format!("{key:?}").contains("PRIVATE"));
    // The certificate of another key is refused.
    assert!(SigningKey::from_pem(&key.to_pem(), &certificate("sp").to_pem()).is_err());
    let ours = Bergshamra::new(SamlKeys::one(key.clone())).unwrap();
    let signature = ours.sign_octets(b"octets").unwrap();
    let trusted = [key.certificate().clone()];
    let method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    assert!(
        ours.verify_octets(method, b"octets", &signature, &trusted)
            .is_ok()
    );
    assert!(
        ours.verify_octets(method, b"octet5", &signature, &trusted)
            .is_err()
    );
}
