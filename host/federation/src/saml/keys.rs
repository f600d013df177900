//! Keys and certificates of both sides. Where they are kept is not known here.

use super::{Refusal, XmlSecurity};
use crate::Moment;
use crate::ports::PortError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

/// An X.509 certificate as the carrier of a key. SAML trusts it because it stands in the metadata: its dates and its
/// issuer say nothing here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// As in metadata: base64 with any white space. Refuses what holds no key we can use.
    pub fn from_base64(text: &str) -> Result<Self, Refusal> {
        let text: String = text.split_whitespace().collect();
        let der = STANDARD
            .decode(text)
            .map_err(|_| Refusal::Structure("a certificate is base64"))?;
        let certificate = Self { der };
        certificate.public_key()?;
        Ok(certificate)
    }
    /// PEM or the bare base64 of it.
    pub fn from_pem(text: &str) -> Result<Self, Refusal> {
        match pem_body(text, "CERTIFICATE") {
            Some(body) => Self::from_base64(&body),
            None => Self::from_base64(text),
        }
    }
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.der)
    }
    pub fn to_pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    /// SHA-256 in hex, for people to compare.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.der)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
    /// From when until when, as it says itself; `None` if that cannot be read.
    pub fn dates(&self) -> Option<(Moment, Moment)> {
        let certificate = x509_cert::Certificate::from_der(&self.der).ok()?;
        let validity = certificate.tbs_certificate.validity;
        let at =
            |time: x509_cert::time::Time| Moment::from_seconds(time.to_unix_duration().as_secs());
        Some((at(validity.not_before), at(validity.not_after)))
    }
    pub(crate) fn public_key(&self) -> Result<bergshamra::Key, Refusal> {
        bergshamra::keys::loader::load_x509_cert_der(&self.der)
            .map_err(|_| Refusal::Structure("a certificate holds an RSA or elliptic-curve key"))
    }
}

impl TryFrom<String> for Certificate {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::from_base64(&text)
    }
}

impl From<Certificate> for String {
    fn from(certificate: Certificate) -> Self {
        certificate.to_base64()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", &self.fingerprint()[..16])
    }
}

/// A private RSA key with the certificate that peers know it by.
#[derive(Clone)]
pub struct SigningKey {
    pem: Zeroizing<String>,
    certificate: Certificate,
}

impl SigningKey {
    /// RSA 3072 and a self-signed certificate for ten years: peers pin it, so the dates only have to be long.
    pub fn generate(name: &str, now: Timestamp) -> Result<Self, Refusal> {
        let failed = |_| Refusal::Structure("a signing key can be generated");
        let pair =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072)
                .map_err(failed)?;
        let mut params = rcgen::CertificateParams::new(Vec::new()).map_err(failed)?;
        let mut subject = rcgen::DistinguishedName::new();
        subject.push(rcgen::DnType::CommonName, name);
        params.distinguished_name = subject;
        let today = now.to_zoned(jiff::tz::TimeZone::UTC);
        let year = i32::from(today.year());
        // The day before: the peer's clock may be behind. The month's length does not matter for the first.
        params.not_before = rcgen::date_time_ymd(year - 1, 12, 31);
        params.not_after = rcgen::date_time_ymd(year + 10, 12, 31);
        let certificate = params.self_signed(&pair).map_err(failed)?;
        Ok(Self {
            pem: Zeroizing::new(pair.serialize_pem()),
            certificate: Certificate {
                der: certificate.der().to_vec(),
            },
        })
    }
    /// PKCS #8 and the certificate, both in PEM.
    pub fn from_pem(key: &str, certificate: &str) -> Result<Self, Refusal> {
        let certificate = Certificate::from_pem(certificate)?;
        let key = Self {
            pem: Zeroizing::new(key.trim().to_owned()),
            certificate,
        };
        let private = key.private_key()?;
        let own = private.to_spki_der();
        if own.is_none() || own != key.certificate.public_key()?.to_spki_der() {
            return Err(Refusal::Structure(
                "the certificate belongs to the private key",
            ));
        }
        Ok(key)
    }
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
    /// For whoever keeps it: the one way out.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pem.clone()
    }
    pub(crate) fn private_key(&self) -> Result<bergshamra::Key, Refusal> {
        bergshamra::keys::loader::load_rsa_private_pem(self.pem.as_bytes())
            .map_err(|_| Refusal::Structure("the signing key is RSA in PKCS #8"))
    }
    pub(crate) fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let body = pem_body(&self.pem, "PRIVATE KEY").map(Zeroizing::new);
        let der = body.and_then(|body| STANDARD.decode(body.as_bytes()).ok());
        der.map(Zeroizing::new)
            .ok_or(Refusal::Structure("the signing key is RSA in PKCS #8"))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.certificate)
    }
}

/// Our keys while they roll over: one signs, all are published, all decrypt. The next key is published for as long
/// as peers take to read our metadata anew, then it signs; the former one stays published until nothing it signed is
/// under way.
#[derive(Debug, Clone)]
pub struct SamlKeys {
    pub current: SigningKey,
    pub others: Vec<SigningKey>,
}

impl SamlKeys {
    pub fn one(current: SigningKey) -> Self {
        Self {
            current,
            others: Vec::new(),
        }
    }
    pub fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.others)
    }
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.all().map(SigningKey::certificate)
    }
}

/// Where our keys are kept. They are made when they are first asked for.
pub trait OwnKeys: Send + Sync {
    fn security(&self, now: Moment) -> Result<Arc<dyn XmlSecurity>, PortError>;
    /// What persistent names are made with. Whoever loses it gives everybody a new name.
    fn name_key(&self) -> Result<[u8; 32], PortError>;
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// The base64 between the first pair of lines with that label.
fn pem_body(text: &str, label: &str) -> Option<String> {
    let begin = format!("-----BEGIN {label}-----");
    let from = text.find(&begin)? + begin.len();
    let length = text[from..].find(&format!("-----END {label}-----"))?;
    Some(text[from..from + length].split_whitespace().collect())
}
