//! An identity provider that the test plays: whom it vouches for, with which key, and what it says of when.

use crate::saml::{EXTERNAL_KEY, security};
use jiff::{SignedDuration, Timestamp};
use postern_federation::saml::idp::{
    ConsumerService, IdentityProvider, NameIdFormat, Person, UnverifiedRequest, Verdict,
};
use postern_federation::saml::response::NameId;
use postern_federation::saml::{
    AuthnContext, Certificate, MessageId, Outgoing, Received, ServiceProvider,
};
use postern_kit::anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

pub(crate) const PARTNER: &str = "https://partner.example";
const SIGN_ON: &str = "http://localhost:8087/sso";

/// The section that makes it known to a host, which trusts the key of this certificate file.
pub(crate) fn section(certificate: &str) -> String {
    format!(
        r#"
[identity_provider.partner]
protocol = "saml"
entity_id = "{PARTNER}"
sso_url = "{SIGN_ON}"
certificates = ["{certificate}"]
signed_response = true
"#
    )
}

/// What it posts back for a browser that was sent there: Alice, who was asked at that moment. The host signs its
/// requests with the external one's key and takes answers at `consumer_url`.
pub(crate) fn vouch(
    sent_to: &str,
    consumer_url: &str,
    key: (&str, &str),
    authenticated_at: Timestamp,
) -> Result<(String, Vec<(String, String)>)> {
    let query = sent_to
        .strip_prefix(&format!("{SIGN_ON}?"))
        .with_context(|| format!("{sent_to} is not the partner's"))?;
    let request = UnverifiedRequest::new(Received::redirect(query).context("a SAML message")??)?;
    let host = ServiceProvider {
        entity_id: request.issuer().to_owned(),
        consumer_services: vec![ConsumerService {
            url: consumer_url.to_owned(),
            index: None,
            default: true,
        }],
        certificates: vec![Certificate::from_pem(EXTERNAL_KEY.1)?],
        signed_requests: true,
        sign_response: true,
        encrypt_to: None,
        logout: None,
        attribute_index: None,
        attributes_always: false,
        idp_initiated: false,
        name_id: NameIdFormat::Unspecified,
        name_id_claim: None,
        assertion_seconds: 300,
        relay_state_bytes_max: 80,
    };
    let partner = IdentityProvider {
        entity_id: PARTNER.to_owned(),
        sso_url: SIGN_ON.to_owned(),
    };
    let now = Timestamp::now();
    let security = security(key);
    let Verdict::Grant(request) = partner.check(request, &host, &security, now)? else {
        bail!("the partner does not grant this request");
    };
    let person = Person {
        subject: NameId {
            value: "alice".to_owned(),
            format: None,
            name_qualifier: None,
            sp_name_qualifier: None,
        },
        attributes: Vec::new(),
        context: AuthnContext::PasswordProtectedTransport,
        authenticated_at,
        session_index: "at the partner".to_owned(),
        session_until: now.checked_add(SignedDuration::from_secs(8 * 3600))?,
    };
    // Another request, other identifiers.
    let drawn: [u8; 32] = Sha256::digest(sent_to).into();
    let id = |from: usize| {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&drawn[from..from + 20]);
        MessageId::from_entropy(&bytes)
    };
    let ids = (&id(0), &id(12));
    let outgoing = partner.answer(&host, &request, &person, ids, &security, now)?;
    let Outgoing::Post { action, fields } = outgoing else {
        bail!("an answer goes by form");
    };
    let fields = fields.into_iter();
    Ok((
        action,
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    ))
}
