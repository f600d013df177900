//! A reference evaluator of request programs, over stand-in values.
//!
//! Owns: working out a request in a test, so that a vector can show the bytes a person can read.
//! It has no secrets, no clock and no network, and it checks no grant: the evaluator that
//! judges and sends is the host's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{KeyInit, Mac};
use sha2::Digest;

use crate::escape;
use crate::vectors::StandIns;
use crate::wire::{Op, Request};

/// The most operations the host evaluates.
pub const OPS_MAX: usize = 256;

/// A request with all its values worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub method: String,
    pub url: String,
    /// Names in lower case, `content-type` among them if there is a body.
    pub headers: BTreeMap<String, String>,
    pub body: Option<Vec<u8>>,
}

/// Works out a request; the error says which operation could not be.
pub fn render(request: &Request, stand_ins: &StandIns) -> Result<Rendered, String> {
    if request.program.len() > OPS_MAX {
        return Err(format!(
            "the program has {} operations, the host takes {OPS_MAX}",
            request.program.len()
        ));
    }
    let mut results: Vec<Vec<u8>> = Vec::with_capacity(request.program.len());
    for (position, op) in request.program.iter().enumerate() {
        let result = evaluate(op, &results, stand_ins)
            .map_err(|why| format!("operation {position}: {why}"))?;
        results.push(result);
    }
    let target = text_of(&results, request.target)?;
    if !target.starts_with('/') {
        return Err(format!("the target `{target}` does not begin with /"));
    }
    let mut headers = BTreeMap::new();
    for (name, position) in &request.headers {
        headers.insert(name.to_ascii_lowercase(), text_of(&results, *position)?);
    }
    let body = match &request.body {
        None => None,
        Some((media_type, position)) => {
            headers.insert("content-type".to_owned(), media_type.clone());
            Some(bytes_of(&results, *position)?.to_vec())
        }
    };
    Ok(Rendered {
        method: request.method.clone(),
        url: format!("{}{target}", request.origin),
        headers,
        body,
    })
}

fn bytes_of(results: &[Vec<u8>], position: u16) -> Result<&[u8], String> {
    results
        .get(usize::from(position))
        .map(Vec::as_slice)
        .ok_or_else(|| format!("there is no earlier operation {position}"))
}

fn text_of(results: &[Vec<u8>], position: u16) -> Result<String, String> {
    String::from_utf8(bytes_of(results, position)?.to_vec())
        .map_err(|_| format!("operation {position} is not text"))
}

fn evaluate(op: &Op, results: &[Vec<u8>], stand_ins: &StandIns) -> Result<Vec<u8>, String> {
    let of = |position: &u16| bytes_of(results, *position);
    let text = |position: &u16| text_of(results, *position);
    Ok(match op {
        Op::Lit(text) => text.clone().into_bytes(),
        Op::Bytes(bytes) => bytes.clone(),
        Op::Secret(name) => format!("secret-{name}").into_bytes(),
        Op::Kept(name) => format!("kept-{name}").into_bytes(),
        Op::Recipient(form) => recipient(form, stand_ins)?.into_bytes(),
        Op::Text(0 | 1) => stand_ins.text.clone().into_bytes(),
        Op::Text(_) => Vec::new(),
        Op::Code => stand_ins.code.clone().into_bytes(),
        Op::ReceiptUrl => stand_ins.receipt_url.clone().into_bytes(),
        Op::Time(format) => time(format)?.into(),
        Op::Nonce(format) => nonce(format)?.into(),
        Op::Concat(parts) => {
            let mut whole = Vec::new();
            for part in parts {
                whole.extend_from_slice(of(part)?);
            }
            whole
        }
        Op::Charset(name, position) => charset(name, &text(position)?)?,
        Op::Escape(place, position) => match place.as_str() {
            "form" => escape::form(of(position)?).into_bytes(),
            "percent" => escape::percent(of(position)?).into_bytes(),
            _ => escape::text(place, &text(position)?)
                .ok_or_else(|| format!("the value cannot stand in a place of kind `{place}`"))?
                .into_bytes(),
        },
        Op::Encode(how, position) => encode(how, of(position)?)?,
        Op::Digest(algorithm, position) => digest(algorithm, of(position)?)?,
        Op::Hmac(algorithm, key, data) => keyed(algorithm, of(key)?, of(data)?)?,
        Op::Sign(algorithm, name, position) => {
            if !["rs256", "es256", "ed25519"].contains(&algorithm.as_str()) {
                return Err(format!("unknown signature `{algorithm}`"));
            }
            let digest = hex::encode(sha2::Sha256::digest(of(position)?));
            format!("{algorithm}({name},{digest})").into_bytes()
        }
    })
}

fn recipient(form: &str, stand_ins: &StandIns) -> Result<String, String> {
    let digits = stand_ins.recipient.trim_start_matches('+');
    let national = digits
        .strip_prefix(stand_ins.calling_code.as_str())
        .unwrap_or(digits);
    Ok(match form {
        "e164" => stand_ins.recipient.clone(),
        "digits" => digits.to_owned(),
        "national" => national.to_owned(),
        "dialled" => format!("0{national}"),
        "calling-code" => stand_ins.calling_code.clone(),
        _ => return Err(format!("unknown form of the number `{form}`")),
    })
}

fn time(format: &str) -> Result<&'static str, String> {
    Ok(match format {
        "unix" => "1769903999",
        "unix-ms" => "1769903999000",
        "iso8601" => "2026-01-31T23:59:59Z",
        "iso8601-ms" => "2026-01-31T23:59:59.000Z",
        "basic" => "20260131T235959Z",
        "date" => "2026-01-31",
        "basic-date" => "20260131",
        "http-date" => "Sat, 31 Jan 2026 23:59:59 GMT",
        _ => return Err(format!("unknown form of the time `{format}`")),
    })
}

fn nonce(format: &str) -> Result<&'static str, String> {
    Ok(match format {
        "uuid" => "00112233-4455-4677-8899-aabbccddeeff",
        "hex" => "00112233445566778899aabbccddeeff",
        "base64url" => "ABEiM0RVZneImaq7zN3u_w",
        "int31" => "1234567890",
        _ => return Err(format!("unknown form of the nonce `{format}`")),
    })
}

fn charset(name: &str, text: &str) -> Result<Vec<u8>, String> {
    match name {
        "iso-8859-1" => text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).map_err(|_| format!("`{c}` is not in ISO 8859-1")))
            .collect(),
        "utf-16be" => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        "gsm-7" => gsm_7(text),
        _ => Err(format!("unknown character set `{name}`")),
    }
}

/// 3GPP TS 23.038 section 6.2.1; position is the septet. The extension is reached by 0x1b.
fn gsm_7(text: &str) -> Result<Vec<u8>, String> {
    const ALPHABET: &str = concat!(
        "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?",
        "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
    );
    const EXTENSION: [(char, u8); 10] = [
        ('\u{c}', 0x0a),
        ('^', 0x14),
        ('{', 0x28),
        ('}', 0x29),
        ('\\', 0x2f),
        ('[', 0x3c),
        ('~', 0x3d),
        (']', 0x3e),
        ('|', 0x40),
        ('€', 0x65),
    ];
    let mut septets = Vec::new();
    for character in text.chars() {
        if let Some((_, septet)) = EXTENSION.iter().find(|(c, _)| *c == character) {
            septets.extend([0x1b, *septet]);
        } else if let Some(position) = ALPHABET
            .chars()
            .position(|c| c == character && c != '\u{1b}')
        {
            septets.push(position as u8);
        } else {
            return Err(format!("`{character}` is not in the GSM 7-bit alphabet"));
        }
    }
    Ok(septets)
}

fn encode(how: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    Ok(match how {
        "hex" => hex::encode(bytes).into_bytes(),
        "hex-upper" => hex::encode_upper(bytes).into_bytes(),
        "base64" => STANDARD.encode(bytes).into_bytes(),
        "base64url" => URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
        "from-hex" => hex::decode(bytes).map_err(|error| error.to_string())?,
        "from-base64" => STANDARD.decode(bytes).map_err(|error| error.to_string())?,
        "from-base64url" => URL_SAFE_NO_PAD
            .decode(bytes)
            .map_err(|error| error.to_string())?,
        _ => return Err(format!("unknown encoding `{how}`")),
    })
}

fn digest(algorithm: &str, data: &[u8]) -> Result<Vec<u8>, String> {
    Ok(match algorithm {
        "md5" => md5::Md5::digest(data).to_vec(),
        "sha1" => sha1::Sha1::digest(data).to_vec(),
        "sha256" => sha2::Sha256::digest(data).to_vec(),
        "sha384" => sha2::Sha384::digest(data).to_vec(),
        "sha512" => sha2::Sha512::digest(data).to_vec(),
        _ => return Err(format!("unknown digest `{algorithm}`")),
    })
}

fn keyed(algorithm: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
    fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    }
    Ok(match algorithm {
        "md5" => mac::<hmac::Hmac<md5::Md5>>(key, data),
        "sha1" => mac::<hmac::Hmac<sha1::Sha1>>(key, data),
        "sha256" => mac::<hmac::Hmac<sha2::Sha256>>(key, data),
        "sha384" => mac::<hmac::Hmac<sha2::Sha384>>(key, data),
        "sha512" => mac::<hmac::Hmac<sha2::Sha512>>(key, data),
        _ => return Err(format!("unknown digest `{algorithm}`")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn digests_and_keyed_digests_are_those_of_the_standards() {
        let check = |algorithm: &str, expected: &str| {
            assert_eq!(
                hex::encode(digest(algorithm, b"abc").unwrap()),
                expected,
                "{algorithm}"
            );
        };
        check("md5", "900150983cd24fb0d6963f7d28e17f72");
        check("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(
            "sha256",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        // RFC 4231 section 4.3
        assert_eq!(
            hex::encode(keyed("sha256", b"Jefe", b"what do ya want for nothing?").unwrap()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn character_sets_refuse_what_they_do_not_have() {
        assert_eq!(charset("iso-8859-1", "é").unwrap(), [0xe9]);
        assert!(charset("iso-8859-1", "€").is_err());
        assert_eq!(
            charset("utf-16be", "é😀").unwrap(),
            [0, 0xe9, 0xd8, 0x3d, 0xde, 0]
        );
        assert_eq!(
            charset("gsm-7", "@Aà€").unwrap(),
            [0, 0x41, 0x7f, 0x1b, 0x65]
        );
        assert!(charset("gsm-7", "ß😀").is_err());
    }
}
