//! Values a request is made of.
//!
//! Owns: naming what only the host knows (the number, the text, a secret) and what is done to it.
//! A [`Value`] is a description; nothing here can look inside one, because the plugin never holds
//! what it describes. Literals are worked out on the spot, so that the program stays short.

use crate::escape;

/// A value the host will work out when it builds the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(pub(crate) Node);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Lit(String),
    Bytes(Vec<u8>),
    Secret(String),
    Kept(String),
    Recipient(&'static str),
    Text(u8),
    Code,
    ReceiptUrl,
    Time(&'static str),
    Nonce(&'static str),
    Concat(Vec<Value>),
    Charset(&'static str, Box<Value>),
    Escape(&'static str, Box<Value>),
    Encode(&'static str, Box<Value>),
    Digest(&'static str, Box<Value>),
    Hmac(&'static str, Box<Value>, Box<Value>),
    Sign(&'static str, String, Box<Value>),
}

/// Literal text.
pub fn lit(text: impl Into<String>) -> Value {
    Value(Node::Lit(text.into()))
}

/// Literal bytes.
pub fn bytes(bytes: impl Into<Vec<u8>>) -> Value {
    Value(Node::Bytes(bytes.into()))
}

/// The secret setting of this name. The plugin never sees it.
pub fn secret(name: impl Into<String>) -> Value {
    Value(Node::Secret(name.into()))
}

/// A value the host cut out of an earlier reply and kept under this name.
pub fn kept(name: impl Into<String>) -> Value {
    Value(Node::Kept(name.into()))
}

/// The whole text of the message.
pub fn text() -> Value {
    Value(Node::Text(0))
}

/// Part `number` (from 1) of the text, as the host segmented it.
pub fn part(number: u8) -> Value {
    Value(Node::Text(number))
}

/// The bare code, for providers that word the message themselves.
pub fn code() -> Value {
    Value(Node::Code)
}

/// The address at which delivery receipts are awaited; empty if none are.
pub fn receipt_url() -> Value {
    Value(Node::ReceiptUrl)
}

/// The operands one after the other.
pub fn concat(parts: impl IntoIterator<Item = Value>) -> Value {
    let mut flat: Vec<Value> = Vec::new();
    for part in parts {
        append(&mut flat, part);
    }
    match flat.len() {
        0 => lit(""),
        1 => flat.remove(0),
        _ => Value(Node::Concat(flat)),
    }
}

fn append(flat: &mut Vec<Value>, part: Value) {
    match part.0 {
        Node::Concat(parts) => parts.into_iter().for_each(|part| append(flat, part)),
        Node::Lit(text) if text.is_empty() => {}
        Node::Lit(text) => match flat.last_mut() {
            Some(Value(Node::Lit(before))) => before.push_str(&text),
            _ => flat.push(lit(text)),
        },
        other => flat.push(Value(other)),
    }
}

/// HMAC (RFC 2104) as bytes; the algorithm as in [`Value::sha256`] and its siblings.
pub fn hmac(algorithm: &'static str, key: Value, data: Value) -> Value {
    Value(Node::Hmac(algorithm, Box::new(key), Box::new(data)))
}

/// A signature as bytes: `rs256`, `es256` or `ed25519`, by the secret setting that holds the
/// PKCS#8 key in PEM.
pub fn sign(algorithm: &'static str, secret: impl Into<String>, data: Value) -> Value {
    Value(Node::Sign(algorithm, secret.into(), Box::new(data)))
}

/// The number the message goes to, in the form a provider wants.
pub mod recipient {
    use super::{Node, Value};

    /// `+94771234567`
    pub fn e164() -> Value {
        Value(Node::Recipient("e164"))
    }

    /// `94771234567`
    pub fn digits() -> Value {
        Value(Node::Recipient("digits"))
    }

    /// `771234567`, the national significant number
    pub fn national() -> Value {
        Value(Node::Recipient("national"))
    }

    /// `0771234567`, as dialled at home
    pub fn dialled() -> Value {
        Value(Node::Recipient("dialled"))
    }

    /// `94`
    pub fn calling_code() -> Value {
        Value(Node::Recipient("calling-code"))
    }
}

/// The time of the request; every one of these in a request names the same instant, in UTC.
pub mod time {
    use super::{Node, Value};

    /// Seconds since 1970.
    pub fn unix() -> Value {
        Value(Node::Time("unix"))
    }

    /// Milliseconds since 1970.
    pub fn unix_ms() -> Value {
        Value(Node::Time("unix-ms"))
    }

    /// `2026-01-31T23:59:59Z`
    pub fn iso8601() -> Value {
        Value(Node::Time("iso8601"))
    }

    /// `2026-01-31T23:59:59.000Z`
    pub fn iso8601_ms() -> Value {
        Value(Node::Time("iso8601-ms"))
    }

    /// `20260131T235959Z`
    pub fn basic() -> Value {
        Value(Node::Time("basic"))
    }

    /// `2026-01-31`
    pub fn date() -> Value {
        Value(Node::Time("date"))
    }

    /// `20260131`
    pub fn basic_date() -> Value {
        Value(Node::Time("basic-date"))
    }

    /// RFC 9110 section 5.6.7: `Sat, 31 Jan 2026 23:59:59 GMT`
    pub fn http_date() -> Value {
        Value(Node::Time("http-date"))
    }
}

/// Values drawn once for a request; equal forms give the same value within it.
pub mod nonce {
    use super::{Node, Value};

    /// A version 4 UUID.
    pub fn uuid() -> Value {
        Value(Node::Nonce("uuid"))
    }

    /// 128 bits as 32 hex digits.
    pub fn hex() -> Value {
        Value(Node::Nonce("hex"))
    }

    /// 128 bits in base64url without padding.
    pub fn base64url() -> Value {
        Value(Node::Nonce("base64url"))
    }

    /// 1 to 2147483647, the same whenever the request is repeated: an idempotency key.
    pub fn int31() -> Value {
        Value(Node::Nonce("int31"))
    }
}

impl Value {
    /// Escaped as a form field's name or value (`application/x-www-form-urlencoded`).
    pub fn form_escaped(self) -> Value {
        self.escaped("form")
    }

    /// Percent-encoded; the unreserved characters of RFC 3986 stay.
    pub fn percent_escaped(self) -> Value {
        self.escaped("percent")
    }

    /// Escaped for the inside of a JSON string; no quotes are added.
    pub fn json_escaped(self) -> Value {
        self.escaped("json")
    }

    /// Escaped as XML text or attribute value.
    pub fn xml_escaped(self) -> Value {
        self.escaped("xml")
    }

    /// Fit for a header value: unchanged, and refused by the host if a line break is in it.
    pub fn header_escaped(self) -> Value {
        self.escaped("header")
    }

    fn escaped(self, place: &'static str) -> Value {
        if let Node::Lit(text) = &self.0
            && let Some(escaped) = escape::text(place, text)
        {
            return lit(escaped);
        }
        Value(Node::Escape(place, Box::new(self)))
    }

    /// In ISO 8859-1; characters outside it are refused.
    pub fn iso_8859_1(self) -> Value {
        Value(Node::Charset("iso-8859-1", Box::new(self)))
    }

    /// In UTF-16, big endian.
    pub fn utf_16be(self) -> Value {
        Value(Node::Charset("utf-16be", Box::new(self)))
    }

    /// In the GSM 7-bit alphabet with its extension, one septet a byte; others are refused.
    pub fn gsm_7(self) -> Value {
        Value(Node::Charset("gsm-7", Box::new(self)))
    }

    /// Hexadecimal, lower case.
    pub fn hex(self) -> Value {
        self.encoded("hex")
    }

    /// Hexadecimal, upper case.
    pub fn hex_upper(self) -> Value {
        self.encoded("hex-upper")
    }

    /// Base64 with padding.
    pub fn base64(self) -> Value {
        self.encoded("base64")
    }

    /// Base64url without padding.
    pub fn base64url(self) -> Value {
        self.encoded("base64url")
    }

    /// Decoded from hexadecimal.
    pub fn from_hex(self) -> Value {
        self.encoded("from-hex")
    }

    /// Decoded from Base64.
    pub fn from_base64(self) -> Value {
        self.encoded("from-base64")
    }

    /// Decoded from base64url.
    pub fn from_base64url(self) -> Value {
        self.encoded("from-base64url")
    }

    fn encoded(self, how: &'static str) -> Value {
        Value(Node::Encode(how, Box::new(self)))
    }

    /// MD5, as bytes. For the protocols that still ask for it.
    pub fn md5(self) -> Value {
        self.digested("md5")
    }

    /// SHA-1, as bytes. For the protocols that still ask for it.
    pub fn sha1(self) -> Value {
        self.digested("sha1")
    }

    /// SHA-256, as bytes.
    pub fn sha256(self) -> Value {
        self.digested("sha256")
    }

    /// SHA-384, as bytes.
    pub fn sha384(self) -> Value {
        self.digested("sha384")
    }

    /// SHA-512, as bytes.
    pub fn sha512(self) -> Value {
        self.digested("sha512")
    }

    fn digested(self, algorithm: &'static str) -> Value {
        Value(Node::Digest(algorithm, Box::new(self)))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        lit(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        lit(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        lit(text.as_str())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        lit(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_worked_out_on_the_spot() {
        assert_eq!(lit("a b&c").form_escaped(), lit("a+b%26c"));
        assert_eq!(
            concat([lit("a"), concat([lit("b"), lit("")]), lit("c")]),
            lit("abc")
        );
        assert_eq!(concat([]), lit(""));
    }

    #[test]
    fn a_literal_with_a_line_break_is_left_to_the_host_to_refuse_as_a_header() {
        assert_eq!(
            lit("a\r\nX-Evil: 1").header_escaped(),
            Value(Node::Escape("header", Box::new(lit("a\r\nX-Evil: 1"))))
        );
    }

    #[test]
    fn sources_between_literals_stay_apart() {
        assert_eq!(
            concat([lit("a"), code(), lit("b"), lit("c")]),
            Value(Node::Concat(vec![lit("a"), code(), lit("bc")]))
        );
    }
}
