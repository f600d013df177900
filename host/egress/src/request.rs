//! From a request as a plugin wrote it to one that may be sent: judged by the grant, evaluated, its provenance checked
//! against the origin, every value found inside one leaf. Whatever refuses, nothing has been sent.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::uri::{PathAndQuery, Uri};
use zeroize::Zeroizing;

use crate::carried::Carried;
use crate::error::Denied;
use crate::grant::Grant;
use crate::keep::Keep;
use crate::leaf::{check_body, check_header, check_target};
use crate::limits::{KEEPS_MAX, REQUEST_BYTES_MAX, REQUEST_HEADERS_MAX};
use crate::material::Material;
use crate::origin::Origin;
use crate::program::evaluate::{Evaluated, Value, evaluate, stand_in};
use crate::program::provenance::{Label, Sources};
use crate::program::{Op, printable};
use crate::redact::Sensitive;

/// A request as a plugin wrote it (`request` in `plugin.wit`). Numbers are positions of operations in the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    pub method: String,
    pub origin: String,
    pub target: u16,
    pub headers: Vec<(String, u16)>,
    /// Media type and operation.
    pub body: Option<(String, u16)>,
    pub program: Vec<Op>,
    pub keep: Vec<Keep>,
    pub idempotent: bool,
}

/// A request that may be sent, with everything needed to clean its reply.
#[derive(Clone, Debug)]
pub struct Finished {
    method: Method,
    origin: Origin,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    carried: Carried,
    keep: Vec<Keep>,
    idempotent: bool,
    sensitive: Sensitive,
    url_for_log: String,
}

/// Makes a request ready to be sent.
///
/// # Errors
/// What the grant, a limit, the program, the provenance of a value or the place it landed in refuses. No error holds a value.
pub fn finish(outgoing: &Outgoing, grant: &Grant, material: &Material) -> Result<Finished, Denied> {
    finish_within(REQUEST_BYTES_MAX, outgoing, grant, material)
}

/// As [`finish`], for a request of the host's own: `most` bytes.
///
/// # Errors
/// Those of [`finish`].
pub fn finish_within(
    most: usize,
    outgoing: &Outgoing,
    grant: &Grant,
    material: &Material,
) -> Result<Finished, Denied> {
    let method = method(&outgoing.method)?;
    let origin = grant.origin(&outgoing.origin)?;
    if outgoing.headers.len() > REQUEST_HEADERS_MAX {
        return Err(Denied::TooManyHeaders);
    }
    if outgoing.keep.len() > KEEPS_MAX || !outgoing.keep.iter().all(Keep::has_plain_name) {
        return Err(Denied::Keep);
    }
    if outgoing.body.is_some() && method == Method::GET {
        return Err(Denied::BodyOfGet);
    }
    // Whether the origin is granted at all comes before any value is touched; path and method follow when the path is known.
    if !grant.covers(&origin) {
        grant.permits(&origin, "/", &method)?;
    }

    let real = evaluate(&outgoing.program, material)?;
    let shape = stand_in(&outgoing.program, &real);
    let edge = Edge {
        real: &real,
        material,
        origin: &origin,
    };
    let (mut from, mut shows) = (Sources::NONE, Sources::NONE);
    let mut left = |value: &Value<'_>| {
        from = from | value.from;
        shows = shows | value.shows;
    };

    let target = edge.leaving(outgoing.target, "target")?;
    left(target);
    let shape_of = |at: u16| shape[usize::from(at)].get();
    let mut size = target.bytes.get().len();
    check_target(target.bytes.get(), shape_of(outgoing.target))?;
    let text = std::str::from_utf8(target.bytes.get()).map_err(|_| Denied::Target)?;
    let path = text.split('?').next().unwrap_or(text);
    grant.permits(&origin, path, &method)?;
    let url_for_log = url_for_log(&origin, text.as_bytes(), shape_of(outgoing.target));
    let uri: PathAndQuery = text.parse().map_err(|_| Denied::Target)?;

    let mut headers = HeaderMap::with_capacity(outgoing.headers.len() + 4);
    for (name, at) in &outgoing.headers {
        let name = header_name(name)?;
        let value = edge.leaving(*at, name.as_str())?;
        left(value);
        check_header(name.as_str(), value.bytes.get(), shape_of(*at))?;
        size += name.as_str().len() + value.bytes.get().len() + 4;
        let mut header =
            HeaderValue::from_bytes(value.bytes.get()).map_err(|_| Denied::Header {
                name: name.to_string(),
                why: "its value has a control character",
            })?;
        header.set_sensitive(!value.from.is_empty());
        if name == http::header::ACCEPT_ENCODING && header != "identity" {
            return Err(Denied::Header {
                name: name.to_string(),
                why: "a compressed reply could not be cleaned",
            });
        }
        if headers.insert(name.clone(), header).is_some() {
            return Err(Denied::Header {
                name: name.to_string(),
                why: "it is there twice",
            });
        }
    }
    let mut body = Bytes::new();
    if let Some((media_type, at)) = &outgoing.body {
        let value = edge.leaving(*at, "body")?;
        left(value);
        if !value.from.is_empty() {
            check_body(media_type, value.bytes.get(), shape_of(*at))?;
        }
        size += media_type.len() + value.bytes.get().len();
        if !media_type.is_empty() {
            let header = HeaderValue::from_str(media_type).map_err(|_| Denied::Header {
                name: "content-type".into(),
                why: "it is not a media type",
            })?;
            headers.insert(CONTENT_TYPE, header);
        }
        body = Bytes::from_owner(Zeroizing::new(value.bytes.get().to_vec()));
    }
    if size > most {
        return Err(Denied::TooLarge { bytes: size, most });
    }
    headers.insert(
        HOST,
        HeaderValue::from_str(&origin.authority()).map_err(|_| Denied::Target)?,
    );
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!(
            "postern/",
            env!("CARGO_PKG_VERSION")
        )));

    let carried = Carried::of(from, shows);
    Ok(Finished {
        method,
        uri: Uri::from(uri),
        headers,
        body,
        carried,
        keep: outgoing.keep.clone(),
        idempotent: outgoing.idempotent,
        sensitive: sensitive(&real, material),
        url_for_log,
        origin,
    })
}

impl Finished {
    pub fn method(&self) -> &Method {
        &self.method
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Path and query, as they are sent. Values are in it: for a log there is [`Finished::url_for_log`].
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What of the message is in it, for the conversation's [`crate::Ledger`].
    pub fn carried(&self) -> Carried {
        self.carried
    }

    pub fn keep(&self) -> &[Keep] {
        &self.keep
    }

    /// Whether the plugin says that sending it twice has the effect of sending it once.
    pub fn idempotent(&self) -> bool {
        self.idempotent
    }

    /// The address without a value in it: literal path segments, names of query parameters.
    pub fn url_for_log(&self) -> &str {
        &self.url_for_log
    }

    pub(crate) fn sensitive(&self) -> &Sensitive {
        &self.sensitive
    }

    /// The request as the operator may see it: the number, the text and the code in it, secrets masked in every form.
    pub fn shown(&self) -> Shown {
        let secrets = self.sensitive.only(Label::Secret);
        let mask = |bytes: &[u8]| {
            let masked = secrets.needles(bytes).clean(bytes);
            String::from_utf8_lossy(masked.as_deref().unwrap_or(bytes)).into_owned()
        };
        Shown {
            method: self.method.to_string(),
            url: format!("{}{}", self.origin, mask(self.uri.to_string().as_bytes())),
            headers: self
                .headers
                .iter()
                .map(|(n, v)| (n.to_string(), mask(v.as_bytes())))
                .collect(),
            body: mask(&self.body),
        }
    }
}

/// A request for an operator's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// The results that leave, each only if everything it was made from is granted to the origin.
struct Edge<'e> {
    real: &'e Evaluated<'e>,
    material: &'e Material,
    origin: &'e Origin,
}

impl Edge<'_> {
    fn leaving(&self, at: u16, place: &str) -> Result<&Value<'_>, Denied> {
        let value = self
            .real
            .values
            .get(usize::from(at))
            .ok_or(Denied::NoOperation {
                place: place.into(),
                at,
            })?;
        let withheld = |name: &str| Denied::Withheld {
            place: place.into(),
            name: name.into(),
            origin: self.origin.to_string(),
        };
        for position in value.from.secrets() {
            let secret = &self.material.secrets.all()[position];
            if !secret
                .origins
                .iter()
                .any(|bound| bound.matches(self.origin))
            {
                return Err(withheld(&secret.name));
            }
        }
        for position in value.from.kept_values() {
            let kept = &self.material.kept[position];
            if kept.origin != *self.origin {
                return Err(withheld(&kept.name));
            }
        }
        Ok(value)
    }
}

fn method(text: &str) -> Result<Method, Denied> {
    match text {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(Denied::Method(printable(text))),
    }
}

/// Headers that frame the message, route it, or make a server take it for another one. They are the host's, or nobody's.
const FORBIDDEN: &[&str] = &[
    "alt-used",
    "connection",
    "content-encoding",
    "content-length",
    "content-type", // said with the body, so that it cannot be another one than was checked
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    // What frameworks let stand for the method or the path that the grant judged.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

const FORBIDDEN_PREFIXES: &[&str] = &["proxy-", "x-forwarded-", "sec-websocket-"];

fn header_name(text: &str) -> Result<HeaderName, Denied> {
    let refuse = |why| Denied::Header {
        name: printable(text),
        why,
    };
    let name =
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| refuse("this is not a header name"))?;
    let forbidden = FORBIDDEN.contains(&name.as_str())
        || FORBIDDEN_PREFIXES
            .iter()
            .any(|p| name.as_str().starts_with(p));
    if forbidden {
        Err(refuse("this header is the host's"))
    } else {
        Ok(name)
    }
}

/// Everything sensitive the reply may echo: the values themselves, whether or not this request carried them, because an
/// earlier one of the conversation may have; and the forms the program put them into.
fn sensitive(real: &Evaluated<'_>, material: &Material) -> Sensitive {
    let mut sensitive = Sensitive::default();
    if let Some(recipient) = &material.recipient {
        for form in [
            recipient.e164.as_str(),
            recipient.digits(),
            &recipient.national,
            &recipient.dialled,
        ] {
            sensitive.add(Label::Recipient, form.as_bytes());
        }
    }
    if let Some(text) = &material.text {
        sensitive.add(Label::Text, text.whole.as_bytes());
        for part in &text.parts {
            sensitive.add(Label::Text, part.as_bytes());
        }
    }
    if let Some(code) = &material.code {
        sensitive.add(Label::Code, code.expose());
    }
    if let Some(url) = &material.receipt_url {
        sensitive.add(Label::Secret, url.as_bytes());
    }
    for secret in material.secrets.all() {
        sensitive.add(Label::Secret, secret.value.expose());
    }
    for kept in &material.kept {
        sensitive.add(Label::Secret, kept.value.expose());
    }
    for (label, form) in real.forms() {
        sensitive.add(label, form);
    }
    sensitive
}

/// The address with `…` for every value of the program and of the query.
fn url_for_log(origin: &Origin, real: &[u8], shape: &[u8]) -> String {
    let (path, query) = match real.iter().position(|b| *b == b'?') {
        Some(at) => (&real[..at], Some(&real[at + 1..])),
        None => (real, None),
    };
    let shape_path = shape.split(|b| *b == b'?').next().unwrap_or_default();
    let mut url = origin.to_string();
    for (real, shape) in path
        .split(|b| *b == b'/')
        .zip(shape_path.split(|b| *b == b'/'))
        .skip(1)
    {
        url.push('/');
        url.push_str(if real == shape {
            std::str::from_utf8(shape).unwrap_or("…")
        } else {
            "…"
        });
    }
    for (n, field) in query
        .into_iter()
        .flat_map(|query| query.split(|b| *b == b'&'))
        .enumerate()
    {
        url.push(if n == 0 { '?' } else { '&' });
        // The name only, and only where it is one: a value that stands alone is not printed.
        if let Some(end) = field.iter().position(|b| *b == b'=') {
            url.push_str(std::str::from_utf8(&field[..end]).unwrap_or("…"));
            url.push('=');
        }
        url.push('…');
    }
    url
}

#[cfg(test)]
mod tests;
