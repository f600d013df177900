//! Signatures and encryption: what we demand of them before any cryptography, and the trait behind which the library
//! does the cryptography.
//!
//! A library that follows everything XML Signature allows would follow an attacker: references to files, transforms
//! that select nothing, keys out of the message. So the shape is checked first, and it is the one shape SAML knows:
//! an enveloped signature over its own parent, by a key from the configuration.

use super::keys::{Certificate, SamlKeys, SigningKey};
use super::refusal::Refusal;
use super::xml::{Node, Tree, Writer};
use super::{ASSERTION, DSIG, PROTOCOL, XENC};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bergshamra::{DsigContext, EncContext, KeysManager, VerifyResult};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use uppsala::NodeId;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const AES256_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const OAEP11: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

/// Public-key signatures with SHA-2. SHA-1 collides; an HMAC "with" a public key is a key everybody knows.
const SIGNATURE_METHODS: [&str; 5] = [
    RSA_SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
];
const DIGEST_METHODS: [&str; 3] = [
    SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
/// Without comments only: with them, a comment in a name would be signed content that readers drop.
const CANONICALIZATIONS: [&str; 2] = [EXCLUSIVE, INCLUSIVE];
/// Authenticated ciphers only: CBC and PKCS #1 v1.5 answer questions about the plaintext (attack X-35).
const CIPHERS: [&str; 3] = [
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    AES256_GCM,
];
const OAEP_DIGESTS: [&str; 4] = [
    SHA1,
    SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
const MASKS: [&str; 4] = [
    "http://www.w3.org/2009/xmlenc11#mgf1sha1",
    "http://www.w3.org/2009/xmlenc11#mgf1sha256",
    "http://www.w3.org/2009/xmlenc11#mgf1sha384",
    "http://www.w3.org/2009/xmlenc11#mgf1sha512",
];

/// What the rest of SAML asks of a library. Another one is another implementation of this.
pub trait XmlSecurity: Send + Sync {
    /// Fills the first signature skeleton ([`skeleton`]) of the document in our name.
    fn sign(&self, template: String) -> Result<String, Refusal>;
    /// The elements whose own enveloped signature is one of these keys'. All signatures of the document must be:
    /// one bad one spoils it. Empty if there is no signature.
    fn verify(&self, tree: &Tree, trusted: &[Certificate]) -> Result<Vec<NodeId>, Refusal>;
    /// RSA with SHA-256 over octets: the Redirect binding.
    fn sign_octets(&self, octets: &[u8]) -> Result<Vec<u8>, Refusal>;
    fn verify_octets(
        &self,
        algorithm: &str,
        octets: &[u8],
        signature: &[u8],
        trusted: &[Certificate],
    ) -> Result<(), Refusal>;
    /// An element into `xenc:EncryptedData`.
    fn encrypt(&self, plaintext: &str, to: &Certificate) -> Result<String, Refusal>;
    /// The plaintext of what was encrypted to one of our keys.
    fn decrypt(&self, sealed: &Sealed) -> Result<String, Refusal>;
    /// What peers shall know us by, the current one first.
    fn certificates(&self) -> Vec<Certificate>;
}

/// The algorithm of [`XmlSecurity::sign_octets`].
pub(crate) const OCTETS_ALGORITHM: &str = RSA_SHA256;

/// Where our signature goes: the schema wants it right after `Issuer`.
pub(crate) fn skeleton(writer: &mut Writer, id: &str, certificate: &Certificate) {
    writer
        .open("ds:Signature")
        .attribute("xmlns:ds", DSIG)
        .open("ds:SignedInfo");
    writer
        .open("ds:CanonicalizationMethod")
        .attribute("Algorithm", EXCLUSIVE)
        .close();
    writer
        .open("ds:SignatureMethod")
        .attribute("Algorithm", RSA_SHA256)
        .close();
    writer
        .open("ds:Reference")
        .attribute("URI", &format!("#{id}"))
        .open("ds:Transforms");
    for algorithm in [ENVELOPED, EXCLUSIVE] {
        writer
            .open("ds:Transform")
            .attribute("Algorithm", algorithm)
            .close();
    }
    writer
        .close()
        .open("ds:DigestMethod")
        .attribute("Algorithm", SHA256)
        .close()
        .element("ds:DigestValue", "")
        .close()
        .close()
        .element("ds:SignatureValue", "");
    writer.open("ds:KeyInfo").open("ds:X509Data");
    writer
        .element("ds:X509Certificate", &certificate.to_base64())
        .close()
        .close()
        .close();
}

/// A signature of the one shape we accept, not verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Enveloped {
    pub(crate) signature: NodeId,
    /// The element it claims to sign: its own parent.
    pub(crate) over: NodeId,
}

/// Every signature of the document, or why one of them is not of the accepted shape. Refuses duplicate identifiers
/// too: what `#x` means must not depend on who looks.
pub(crate) fn enveloped(tree: &Tree) -> Result<Vec<Enveloped>, Refusal> {
    let mut ids = HashSet::new();
    for element in tree.elements() {
        for name in ["ID", "Id", "id", "AssertionID"] {
            if let Some(id) = element.attribute(name)
                && !ids.insert(id)
            {
                return Err(refused("two elements have the same identifier"));
            }
        }
    }
    let mut found = Vec::new();
    for signature in tree.elements().filter(|e| e.is(DSIG, "Signature")) {
        let parent = signature
            .parent()
            .ok_or_else(|| refused("a signature must stand inside what it signs"))?;
        let holds_one = parent.id() == tree.root().id()
            || (parent.is(ASSERTION, "Assertion")
                && parent
                    .parent()
                    .is_some_and(|above| above.id() == tree.root().id()));
        if !holds_one {
            return Err(refused(
                "a signature stands elsewhere than in the message or its assertion",
            ));
        }
        if parent.children_named(DSIG, "Signature").count() != 1 {
            return Err(refused("one element has several signatures"));
        }
        shape(signature, parent)?;
        found.push(Enveloped {
            signature: signature.id(),
            over: parent.id(),
        });
    }
    Ok(found)
}

fn shape(signature: Node<'_>, parent: Node<'_>) -> Result<(), Refusal> {
    if signature.has_oddities() {
        return Err(refused("comments and CDATA do not belong into a signature"));
    }
    let parts: Vec<_> = signature.children().map(|c| c.local_name()).collect();
    if !matches!(
        parts.as_slice(),
        ["SignedInfo", "SignatureValue"] | ["SignedInfo", "SignatureValue", "KeyInfo"]
    ) {
        return Err(refused(
            "a signature is SignedInfo, SignatureValue, KeyInfo",
        ));
    }
    let info = only(signature, DSIG, "SignedInfo")?;
    let value = only(signature, DSIG, "SignatureValue")?;
    if value.value().is_none() {
        return Err(refused("the signature value is empty"));
    }
    allowed(
        only(info, DSIG, "CanonicalizationMethod")?,
        &CANONICALIZATIONS,
        "canonicalization",
    )?;
    let method = only(info, DSIG, "SignatureMethod")?;
    allowed(method, &SIGNATURE_METHODS, "signature method")?;
    if method.children().next().is_some() {
        return Err(refused("a signature method has no parameters"));
    }
    let reference = only(info, DSIG, "Reference")?;
    let own = parent
        .attribute("ID")
        .filter(|id| is_id(id))
        .ok_or_else(|| refused("the signed element has no identifier"))?;
    if reference.attribute("URI") != Some(&format!("#{own}")) {
        return Err(refused(
            "the reference is not to the signature's own parent",
        ));
    }
    let transforms = only(reference, DSIG, "Transforms")?;
    let names: Vec<_> = transforms
        .children()
        .map(|t| t.attribute("Algorithm").unwrap_or_default())
        .collect();
    let orderly = match names.as_slice() {
        [first] => *first == ENVELOPED,
        [first, second] => *first == ENVELOPED && CANONICALIZATIONS.contains(second),
        _ => false,
    };
    if !orderly || transforms.children().any(|t| !t.is(DSIG, "Transform")) {
        return Err(refused(
            "the transforms are enveloped signature and canonicalization, nothing else",
        ));
    }
    let parameters = transforms
        .children()
        .flat_map(Node::children)
        .chain(only(info, DSIG, "CanonicalizationMethod")?.children());
    for parameter in parameters {
        if !parameter.is(EXCLUSIVE, "InclusiveNamespaces") {
            return Err(refused("a transform has a parameter we do not know"));
        }
    }
    allowed(
        only(reference, DSIG, "DigestMethod")?,
        &DIGEST_METHODS,
        "digest method",
    )?;
    if only(reference, DSIG, "DigestValue")?.value().is_none() {
        return Err(refused("the digest value is empty"));
    }
    Ok(())
}

/// An identifier as everybody writes them: nothing in it can mean more inside `#...`.
fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 256
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn only<'t>(
    node: Node<'t>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'t>, Refusal> {
    node.only(namespace, name)
        .ok()
        .flatten()
        .ok_or_else(|| refused(&format!("exactly one {name} is expected")))
}

fn allowed(node: Node<'_>, known: &[&str], what: &str) -> Result<(), Refusal> {
    match node.attribute("Algorithm") {
        Some(algorithm) if known.contains(&algorithm) => Ok(()),
        _ => Err(refused(&format!("the {what} is none of the accepted ones"))),
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::Signature(why.to_owned())
}

/// An encrypted element, read into its parts: the library gets a document that we wrote around them, never the
/// peer's.
#[derive(Debug, Clone)]
pub struct Sealed {
    cipher: String,
    transport: String,
    digest: Option<String>,
    mask: Option<String>,
    key: String,
    data: String,
}

impl Sealed {
    /// From `EncryptedAssertion`: one `EncryptedData` with one `EncryptedKey` in it or beside it.
    pub(crate) fn read(holder: Node<'_>) -> Result<Self, Refusal> {
        let data = part(holder, XENC, "EncryptedData")?;
        let info = part(data, DSIG, "KeyInfo")?;
        let keys: Vec<_> = info
            .children_named(XENC, "EncryptedKey")
            .chain(holder.children_named(XENC, "EncryptedKey"))
            .collect();
        let [key] = keys.as_slice() else {
            return Err(sealed("exactly one encrypted key is expected"));
        };
        let method = part(*key, XENC, "EncryptionMethod")?;
        let sealed_parts = Self {
            cipher: algorithm(part(data, XENC, "EncryptionMethod")?, &CIPHERS, "cipher")?,
            transport: algorithm(method, &[OAEP, OAEP11], "key transport")?,
            digest: method
                .only(DSIG, "DigestMethod")?
                .map(|d| algorithm(d, &OAEP_DIGESTS, "digest"))
                .transpose()?,
            mask: method
                .only(XENC11, "MGF")?
                .map(|m| algorithm(m, &MASKS, "mask function"))
                .transpose()?,
            key: cipher_value(*key)?,
            data: cipher_value(data)?,
        };
        if method.children_named(XENC, "OAEPparams").next().is_some() {
            return Err(sealed("OAEP parameters are not supported"));
        }
        Ok(sealed_parts)
    }

    fn document(&self) -> String {
        let mut writer = Writer::new();
        encrypted_data(
            &mut writer,
            &self.cipher,
            &self.transport,
            self.digest.as_deref(),
            self.mask.as_deref(),
            &self.key,
            &self.data,
        );
        writer.into_string()
    }
}

fn encrypted_data(
    writer: &mut Writer,
    cipher: &str,
    transport: &str,
    digest: Option<&str>,
    mask: Option<&str>,
    key: &str,
    data: &str,
) {
    writer
        .open("xenc:EncryptedData")
        .attribute("xmlns:xenc", XENC)
        .attribute("Type", "http://www.w3.org/2001/04/xmlenc#Element");
    writer
        .open("xenc:EncryptionMethod")
        .attribute("Algorithm", cipher)
        .close();
    writer
        .open("ds:KeyInfo")
        .attribute("xmlns:ds", DSIG)
        .open("xenc:EncryptedKey")
        .open("xenc:EncryptionMethod")
        .attribute("Algorithm", transport);
    if let Some(digest) = digest {
        writer
            .open("ds:DigestMethod")
            .attribute("Algorithm", digest)
            .close();
    }
    if let Some(mask) = mask {
        writer
            .open("xenc11:MGF")
            .attribute("xmlns:xenc11", XENC11)
            .attribute("Algorithm", mask)
            .close();
    }
    writer.close();
    cipher_data(writer, key);
    writer.close().close();
    cipher_data(writer, data);
    writer.close();
}

fn cipher_data(writer: &mut Writer, value: &str) {
    writer
        .open("xenc:CipherData")
        .element("xenc:CipherValue", value)
        .close();
}

fn cipher_value(node: Node<'_>) -> Result<String, Refusal> {
    let data = part(node, XENC, "CipherData")?;
    let value = part(data, XENC, "CipherValue")?
        .text()
        .ok_or_else(|| sealed("a cipher value is text"))?;
    let value: String = value.split_whitespace().collect();
    if value.is_empty() || STANDARD.decode(&value).is_err() {
        return Err(sealed("a cipher value is base64"));
    }
    Ok(value)
}

fn part<'t>(
    node: Node<'t>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'t>, Refusal> {
    node.only(namespace, name)?
        .ok_or_else(|| sealed(&format!("exactly one {name} is expected")))
}

fn algorithm(node: Node<'_>, known: &[&str], what: &str) -> Result<String, Refusal> {
    match node.attribute("Algorithm") {
        Some(algorithm) if known.contains(&algorithm) => Ok(algorithm.to_owned()),
        _ => Err(sealed(&format!("the {what} is none of the accepted ones"))),
    }
}

fn sealed(why: &str) -> Refusal {
    Refusal::Encryption(why.to_owned())
}

/// The library in use, with our keys.
pub struct Bergshamra {
    keys: SamlKeys,
    signing: DsigContext,
    octets: Octets,
}

/// The key that signs, read once: the library would read and check it again for every signature.
#[derive(Clone)]
struct Octets(Arc<aws_lc_rs::signature::RsaKeyPair>);

impl Octets {
    fn of(key: &SigningKey) -> Result<Self, Refusal> {
        aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&key.pkcs8()?)
            .map(|key| Self(Arc::new(key)))
            .map_err(|_| Refusal::Structure("the signing key is RSA in PKCS #8"))
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(
            &aws_lc_rs::signature::RSA_PKCS1_SHA256,
            &aws_lc_rs::rand::SystemRandom::new(),
            octets,
            &mut signature,
        )?;
        Ok(signature)
    }
}

impl kryptering::Signer for Octets {
    fn algorithm(&self) -> kryptering::SignatureAlgorithm {
        kryptering::SignatureAlgorithm::RsaPkcs1v15(kryptering::HashAlgorithm::Sha256)
    }

    fn sign(&self, data: &[u8]) -> kryptering::Result<Vec<u8>> {
        Self::sign(self, data)
            .map_err(|_| kryptering::Error::Crypto("the signature could not be made".to_owned()))
    }
}

impl fmt::Debug for Bergshamra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bergshamra")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Bergshamra {
    pub fn new(keys: SamlKeys) -> Result<Self, Refusal> {
        let octets = Octets::of(&keys.current)?;
        Ok(Self {
            keys,
            signing: DsigContext::new(KeysManager::new()).with_hsm_signer(Box::new(octets.clone())),
            octets,
        })
    }
}

impl XmlSecurity for Bergshamra {
    fn sign(&self, template: String) -> Result<String, Refusal> {
        bergshamra::dsig::sign::sign_owned(&self.signing, template)
            .map_err(|error| Refusal::Signature(format!("could not be made: {error}")))
    }

    fn verify(&self, tree: &Tree, trusted: &[Certificate]) -> Result<Vec<NodeId>, Refusal> {
        let claimed = enveloped(tree)?;
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let mut manager = KeysManager::new();
        for certificate in trusted {
            manager.add_key(certificate.public_key()?);
        }
        if manager.is_empty() {
            return Err(refused("no key of the peer is configured"));
        }
        let context = DsigContext::new(manager);
        let results = bergshamra::dsig::verify::verify_all_document(&context, tree.document())
            .map_err(|error| refused(&error.to_string()))?;
        let mut verified = Vec::new();
        for result in &results {
            match result {
                VerifyResult::Valid {
                    signature_node,
                    references,
                    ..
                } => {
                    let claim = claimed
                        .iter()
                        .find(|c| c.signature == *signature_node)
                        .ok_or_else(|| refused("the library found a signature we did not"))?;
                    let [reference] = references.as_slice() else {
                        return Err(refused("exactly one Reference is expected"));
                    };
                    // What the library hashed must be what we are going to read.
                    if reference.resolved_node != Some(claim.over) || !reference.digest_verified {
                        return Err(refused("another element was signed"));
                    }
                    verified.push(claim.over);
                }
                VerifyResult::Invalid { .. } => {
                    return Err(refused("it does not verify with a key of the peer"));
                }
            }
        }
        if verified.len() != claimed.len() {
            return Err(refused("a signature was not checked"));
        }
        Ok(verified)
    }

    fn sign_octets(&self, octets: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.octets
            .sign(octets)
            .map_err(|_| refused("could not be made"))
    }

    fn verify_octets(
        &self,
        algorithm: &str,
        octets: &[u8],
        signature: &[u8],
        trusted: &[Certificate],
    ) -> Result<(), Refusal> {
        use aws_lc_rs::signature as s;
        let method: &dyn s::VerificationAlgorithm =
            match algorithm.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#") {
                Some("rsa-sha256") => &s::RSA_PKCS1_2048_8192_SHA256,
                Some("rsa-sha384") => &s::RSA_PKCS1_2048_8192_SHA384,
                Some("rsa-sha512") => &s::RSA_PKCS1_2048_8192_SHA512,
                Some("ecdsa-sha256") => &s::ECDSA_P256_SHA256_FIXED,
                Some("ecdsa-sha384") => &s::ECDSA_P384_SHA384_FIXED,
                _ => return Err(refused("the signature method is none of the accepted ones")),
            };
        let verifies = |certificate: &Certificate| {
            let key = certificate.public_key().ok().and_then(|k| k.to_spki_der());
            key.is_some_and(|key| {
                s::UnparsedPublicKey::new(method, &key)
                    .verify(octets, signature)
                    .is_ok()
            })
        };
        if trusted.iter().any(verifies) {
            Ok(())
        } else {
            Err(refused("it does not verify with a key of the peer"))
        }
    }

    fn encrypt(&self, plaintext: &str, to: &Certificate) -> Result<String, Refusal> {
        let mut writer = Writer::new();
        // Not the newer rsa-oaep: Mellon, node-saml and pysaml2 cannot read it.
        encrypted_data(&mut writer, AES256_GCM, OAEP, Some(SHA1), None, "", "");
        let mut manager = KeysManager::new();
        manager.add_key(to.public_key()?);
        let context = EncContext::new(manager).with_disable_cipher_reference(true);
        bergshamra::encrypt(&context, &writer.into_string(), plaintext.as_bytes())
            .map_err(|error| sealed(&format!("could not be made: {error}")))
    }

    fn decrypt(&self, sealed_parts: &Sealed) -> Result<String, Refusal> {
        let document = sealed_parts.document();
        for key in self.keys.all() {
            let mut manager = KeysManager::new();
            manager.add_key(key.private_key()?);
            let context = EncContext::new(manager).with_disable_cipher_reference(true);
            if let Ok(plaintext) = bergshamra::decrypt(&context, &document) {
                return Ok(plaintext);
            }
        }
        // One sentence for every cause: which part failed is nobody's business.
        Err(sealed("it does not open with a key of ours"))
    }

    fn certificates(&self) -> Vec<Certificate> {
        self.keys.certificates().cloned().collect()
    }
}

/// The `Response` itself, or nothing: used to tell what a signature covers.
pub(crate) fn covers_message(tree: &Tree, verified: &[NodeId]) -> bool {
    let root = tree.root();
    root.namespace() == Some(PROTOCOL) && verified.contains(&root.id())
}
