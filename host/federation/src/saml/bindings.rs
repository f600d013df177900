//! How a message travels: in the query of a redirect, or in a form that the browser posts.

use super::PROTOCOL;
use super::keys::Certificate;
use super::refusal::Refusal;
use super::signature::{OCTETS_ALGORITHM, XmlSecurity, enveloped};
use super::xml::{BYTES_MAX, Tree};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::io::{Read, Write};
use url::form_urlencoded;

/// SAML bindings, 3.4.3 and 3.5.3: RelayState must not be longer. Some peers put a whole address there, so a peer may
/// be allowed more, up to [`RELAY_STATE_BYTES_LIMIT`].
pub const RELAY_STATE_BYTES_MAX: usize = 80;
pub const RELAY_STATE_BYTES_LIMIT: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    Redirect,
    Post,
}

impl Binding {
    pub fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
        }
    }
    /// `None` for artifact, SOAP, PAOS and whatever else a peer's metadata names.
    pub fn from_uri(uri: &str) -> Option<Self> {
        [Self::Redirect, Self::Post]
            .into_iter()
            .find(|binding| binding.uri() == uri)
    }
}

/// Whether it asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response,
}

impl Kind {
    fn parameter(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// A message as it came: decoded and within bounds, nothing about it is believed yet.
pub struct Received {
    pub binding: Binding,
    pub kind: Kind,
    pub relay_state: Option<String>,
    pub(crate) tree: Tree,
    detached: Option<Detached>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("binding", &self.binding)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The signature of a redirect: over the octets of the query as they came. Whoever decodes and encodes again signs
/// something else.
struct Detached {
    algorithm: String,
    octets: Vec<u8>,
    value: Vec<u8>,
}

impl Received {
    /// `None` if the query holds no SAML message at all.
    pub fn redirect(query: &str) -> Option<Result<Self, Refusal>> {
        let kind = [Kind::Request, Kind::Response]
            .into_iter()
            .find(|kind| raw(query, kind.parameter()).next().is_some())?;
        Some(Self::from_query(query, kind))
    }

    /// `None` if the form holds no SAML message at all.
    pub fn post(body: &str) -> Option<Result<Self, Refusal>> {
        let field = |name: &'static str| -> Vec<String> {
            form_urlencoded::parse(body.as_bytes())
                .filter(|(found, _)| found == name)
                .map(|(_, value)| value.into_owned())
                .collect()
        };
        let (requests, responses) = (field("SAMLRequest"), field("SAMLResponse"));
        let kind = match (requests.is_empty(), responses.is_empty()) {
            (true, true) => return None,
            (false, true) => Kind::Request,
            (true, false) => Kind::Response,
            (false, false) => {
                return Some(Err(Refusal::Binding("a request and a response at once")));
            }
        };
        let messages = if requests.is_empty() {
            responses
        } else {
            requests
        };
        let relay_states = field("RelayState");
        Some(Self::from_form(kind, &messages, &relay_states))
    }

    fn from_form(
        kind: Kind,
        messages: &[String],
        relay_states: &[String],
    ) -> Result<Self, Refusal> {
        let [message] = messages else {
            return Err(Refusal::Binding("the message stands there twice"));
        };
        let relay_state = match relay_states {
            [] => None,
            [one] => Some(one.clone()),
            _ => return Err(Refusal::Binding("RelayState stands there twice")),
        };
        let message = decode(message)?;
        Ok(Self {
            binding: Binding::Post,
            kind,
            relay_state: relay_state.filter(|state| !state.is_empty()),
            tree: Tree::parse_bytes(&message)?,
            detached: None,
        })
    }

    fn from_query(query: &str, kind: Kind) -> Result<Self, Refusal> {
        let other = match kind {
            Kind::Request => Kind::Response,
            Kind::Response => Kind::Request,
        };
        if raw(query, other.parameter()).next().is_some() {
            return Err(Refusal::Binding("a request and a response at once"));
        }
        if let Some(encoding) = once(query, "SAMLEncoding")?
            && plain(encoding)? != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
        {
            return Err(Refusal::Binding("the encoding is not DEFLATE"));
        }
        let message =
            once(query, kind.parameter())?.ok_or(Refusal::Binding("the message is not there"))?;
        let relay_state = once(query, "RelayState")?;
        let algorithm = once(query, "SigAlg")?;
        let signature = once(query, "Signature")?;
        let detached = match (algorithm, signature) {
            (None, None) => None,
            (Some(algorithm), Some(value)) => {
                in_order(query, kind)?;
                let mut octets = format!("{}={message}", kind.parameter());
                if let Some(state) = relay_state {
                    octets += &format!("&RelayState={state}");
                }
                octets += &format!("&SigAlg={algorithm}");
                Some(Detached {
                    algorithm: plain(algorithm)?,
                    octets: octets.into_bytes(),
                    value: decode(&plain(value)?)?,
                })
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(Refusal::Binding("SigAlg and Signature go together"));
            }
        };
        let relay_state = relay_state.map(plain).transpose()?;
        Ok(Self {
            binding: Binding::Redirect,
            kind,
            relay_state: relay_state.filter(|state| !state.is_empty()),
            tree: Tree::parse_bytes(&inflate(&decode(&plain(message)?)?)?)?,
            detached,
        })
    }

    /// Whether it belongs to single logout and not to sign-on; both may come to one address.
    pub fn is_logout(&self) -> bool {
        let root = self.tree.root();
        root.is(PROTOCOL, "LogoutRequest") || root.is(PROTOCOL, "LogoutResponse")
    }

    /// Whether the message itself is signed by one of the peer's keys. A signature that does not hold is a refusal,
    /// never "unsigned"; without a key of the peer nothing counts as signed.
    pub(crate) fn is_signed(
        &self,
        trusted: &[Certificate],
        security: &dyn XmlSecurity,
    ) -> Result<bool, Refusal> {
        match self.binding {
            Binding::Redirect => {
                // The binding forbids one inside (3.4.4.1); two signatures are two opinions.
                if !enveloped(&self.tree)?.is_empty() {
                    return Err(Refusal::Binding("an XML signature inside a redirect"));
                }
                match &self.detached {
                    Some(detached) if !trusted.is_empty() => security
                        .verify_octets(
                            &detached.algorithm,
                            &detached.octets,
                            &detached.value,
                            trusted,
                        )
                        .map(|()| true),
                    Some(_) | None => Ok(false),
                }
            }
            Binding::Post if trusted.is_empty() => enveloped(&self.tree).map(|_| false),
            Binding::Post => {
                let verified = security.verify(&self.tree, trusted)?;
                Ok(super::signature::covers_message(&self.tree, &verified))
            }
        }
    }

    pub(crate) fn check_relay_state(&self, bytes_max: usize) -> Result<(), Refusal> {
        match &self.relay_state {
            Some(state) if state.len() > bytes_max => Err(Refusal::RelayState(bytes_max)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The raw values of a parameter.
fn raw<'q>(query: &'q str, name: &'q str) -> impl Iterator<Item = &'q str> {
    query.split('&').filter_map(move |pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A name that only becomes ours by decoding is not ours: the signature knows the plain one.
        (found == name).then_some(value)
    })
}

fn once<'q>(query: &'q str, name: &'static str) -> Result<Option<&'q str>, Refusal> {
    let decoded = form_urlencoded::parse(query.as_bytes())
        .filter(|(found, _)| found == name)
        .count();
    let mut found = raw(query, name);
    let first = found.next();
    if decoded > 1 || decoded != usize::from(first.is_some()) {
        return Err(Refusal::Binding("a parameter stands there twice"));
    }
    Ok(first)
}

/// The order that was signed is the order that must have come.
fn in_order(query: &str, kind: Kind) -> Result<(), Refusal> {
    let wanted = [kind.parameter(), "RelayState", "SigAlg", "Signature"];
    let places: Vec<_> = query
        .split('&')
        .filter_map(|pair| {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            wanted.iter().position(|w| *w == name)
        })
        .collect();
    if places.is_sorted() {
        Ok(())
    } else {
        Err(Refusal::Binding("the signed parameters are out of order"))
    }
}

fn plain(raw: &str) -> Result<String, Refusal> {
    // A name before it, so that `=` in the value stays the value's.
    let pair = format!("v={raw}");
    let value = form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value);
    value
        .map(Cow::into_owned)
        .ok_or(Refusal::Binding("a parameter is empty"))
}

fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    if text.len() > BYTES_MAX * 2 {
        return Err(Refusal::Xml(super::xml::XmlError::TooLong));
    }
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(text)
        .map_err(|_| Refusal::Binding("the message is not base64"))
}

/// Reads one byte more than is allowed and never holds more: a bomb of a thousand to one is as cheap as any message.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoder = DeflateDecoder::new(bytes);
    let mut out = Vec::new();
    let limit = u64::try_from(BYTES_MAX).expect("a small number") + 1;
    decoder
        .by_ref()
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|_| Refusal::Binding("the message is not raw DEFLATE"))?;
    if out.len() > BYTES_MAX {
        return Err(Refusal::Xml(super::xml::XmlError::TooLong));
    }
    let consumed = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX);
    if consumed != bytes.len() {
        return Err(Refusal::Binding("something follows the message"));
    }
    Ok(out)
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

/// What the browser is told to do with a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// 302 or 303 to there.
    Redirect(String),
    /// A page with this form, which posts itself or has a button.
    Post {
        action: String,
        fields: Vec<(&'static str, String)>,
    },
}

impl Outgoing {
    /// Redirect: signed over the octets if `sign`; `xml` carries no signature. POST: `xml` is signed already.
    pub(crate) fn new(
        binding: Binding,
        to: &str,
        kind: Kind,
        xml: &str,
        relay_state: Option<&str>,
        sign: Option<&dyn XmlSecurity>,
    ) -> Result<Self, Refusal> {
        match binding {
            Binding::Redirect => {
                let encoded = |name: &str, value: &str| -> String {
                    form_urlencoded::Serializer::new(String::new())
                        .append_pair(name, value)
                        .finish()
                };
                let message = STANDARD.encode(deflate(xml.as_bytes()));
                let mut query = encoded(kind.parameter(), &message);
                if let Some(state) = relay_state {
                    query += &format!("&{}", encoded("RelayState", state));
                }
                if let Some(security) = sign {
                    query += &format!("&{}", encoded("SigAlg", OCTETS_ALGORITHM));
                    let signature = STANDARD.encode(security.sign_octets(query.as_bytes())?);
                    query += &format!("&{}", encoded("Signature", &signature));
                }
                let joint = if to.contains('?') { '&' } else { '?' };
                Ok(Self::Redirect(format!("{to}{joint}{query}")))
            }
            Binding::Post => {
                let mut fields = vec![(kind.parameter(), STANDARD.encode(xml))];
                if let Some(state) = relay_state {
                    fields.push(("RelayState", state.to_owned()));
                }
                Ok(Self::Post {
                    action: to.to_owned(),
                    fields,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::saml::xml::XmlError;

    fn query(xml: &[u8]) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLRequest", &STANDARD.encode(xml))
            .finish()
    }

    fn refusal(query: &str) -> Refusal {
        Received::redirect(query)
            .expect("a message is there")
            .map(|_| ())
            .expect_err("it is refused")
    }

    #[test]
    fn what_is_sent_by_redirect_comes_back_as_it_was() {
        let sent = Outgoing::new(
            Binding::Redirect,
            "https://idp.example/samlsso?tenant=a",
            Kind::Request,
            "<a b='+&amp;='/>",
            Some("a+b &=%"),
            None,
        )
        .unwrap();
        let Outgoing::Redirect(url) = sent else {
            panic!("a redirect")
        };
        let query = url::Url::parse(&url).unwrap().query().unwrap().to_owned();
        let received = Received::redirect(&query).unwrap().unwrap();
        assert_eq!(received.relay_state.as_deref(), Some("a+b &=%"));
        assert_eq!(received.tree.root().attribute("b"), Some("+&="));
    }

    #[test]
    fn a_deflate_bomb_is_refused_at_its_limit() {
        for megabytes in [10, 100] {
            let bomb = deflate(&vec![b' '; megabytes * 1024 * 1024]);
            assert!(bomb.len() < 110 * 1024 * megabytes / 10);
            if bomb.len() > BYTES_MAX {
                continue;
            }
            let begun = std::time::Instant::now();
            assert_eq!(refusal(&query(&bomb)), Refusal::Xml(XmlError::TooLong));
            assert!(begun.elapsed() < std::time::Duration::from_millis(500));
        }
    }

    #[test]
    fn only_one_raw_deflate_stream_is_a_message() {
        let good = deflate(b"<a/>");
        assert!(Received::redirect(&query(&good)).unwrap().is_ok());
        let mut trailing = good.clone();
        trailing.extend_from_slice(b"<b/>");
        assert_eq!(
            refusal(&query(&trailing)),
            Refusal::Binding("something follows the message")
        );
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(b"<a/>").unwrap();
        assert!(matches!(
            refusal(&query(&zlib.finish().unwrap())),
            Refusal::Binding(_) | Refusal::Xml(_)
        ));
        assert!(matches!(refusal(&query(&deflate(&good))), Refusal::Xml(_)));
        assert!(matches!(
            refusal(&query(b"<a/>")),
            Refusal::Binding(_) | Refusal::Xml(_)
        ));
        assert_eq!(
            refusal("SAMLRequest=***"),
            Refusal::Binding("the message is not base64")
        );
    }

    #[test]
    fn a_parameter_that_stands_there_twice_is_refused() {
        let one = query(&deflate(b"<a/>"));
        let twice = Refusal::Binding("a parameter stands there twice");
        assert_eq!(refusal(&format!("{one}&{one}")), twice);
        assert_eq!(refusal(&format!("{one}&SAML%52equest=x")), twice);
        assert_eq!(refusal(&format!("{one}&RelayState=a&RelayState=b")), twice);
        assert_eq!(
            refusal(&format!("{one}&SAMLResponse=x")),
            Refusal::Binding("a request and a response at once")
        );
        assert_eq!(
            refusal(&format!("{one}&SigAlg=x")),
            Refusal::Binding("SigAlg and Signature go together")
        );
        assert!(Received::redirect("a=b").is_none());
        assert!(Received::post("a=b").is_none());
        let body = format!("SAMLResponse={}", "PGEvPg%3D%3D");
        assert!(Received::post(&body).unwrap().is_ok());
        assert!(Received::post(&format!("{body}&{body}")).unwrap().is_err());
    }
}
