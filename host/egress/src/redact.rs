//! The cleaning of replies. Every sensitive value, in each form it had on the wire and in those a provider would commonly
//! echo it in, is replaced by a fixed token before anybody reads the reply.
//!
//! Knows byte strings and what to call them. The tokens are fixed and whole, so that a reader can still tell *that* its
//! number came back, and never a character of it.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem;
use zeroize::Zeroizing;

use crate::program::provenance::Label;
use crate::program::{encode, escape};
use crate::secret::Secret;

/// From this length on a value is masked wherever it stands. Shorter ones are masked where they stand alone: six digits are
/// found inside many a message id that has nothing to do with them.
const ANYWHERE_FROM: usize = 8;

/// Shorter values are not looked for: a secret of three characters is none, and masking every `100` in a reply would make
/// it unreadable.
const SHORTEST: usize = 4;

/// Digits in a row, with the separators people write between them, that are taken for the recipient's number.
const NUMBER_DIGITS_MIN: usize = 7;

/// Sensitive values and what they are called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sensitive(Vec<(Label, Secret)>);

impl Sensitive {
    pub(crate) fn add(&mut self, label: Label, value: &[u8]) {
        if value.len() >= SHORTEST && !self.0.iter().any(|(_, known)| known.expose() == value) {
            self.0.push((label, Secret::from(value.to_vec())));
        }
    }

    /// Everything to be looked for.
    pub(crate) fn needles(&self) -> Needles {
        let mut needles = Needles {
            needles: Vec::with_capacity(self.0.len() * 2),
            numbers: Vec::new(),
        };
        let mut known = HashSet::with_capacity(self.0.len() * 2);
        for (label, value) in &self.0 {
            let value = value.expose();
            if *label == Label::Recipient {
                let digits: Vec<u8> = value.iter().copied().filter(u8::is_ascii_digit).collect();
                let is_a_number = value.iter().all(|b| b.is_ascii_digit() || *b == b'+');
                if is_a_number
                    && digits.len() >= NUMBER_DIGITS_MIN
                    && !needles.numbers.contains(&digits)
                {
                    needles.numbers.push(digits);
                }
            }
            for form in echoes(value) {
                if known.insert(form.to_vec()) {
                    needles
                        .needles
                        .push((*label, Zeroizing::new(form.into_owned())));
                }
            }
        }
        needles
            .numbers
            .sort_by_key(|number| std::cmp::Reverse(number.len()));
        needles
    }

    /// Only the values of one label, for showing a request with the others in it.
    pub(crate) fn only(&self, label: Label) -> Sensitive {
        Sensitive(
            self.0
                .iter()
                .filter(|(of, _)| *of == label)
                .cloned()
                .collect(),
        )
    }
}

/// A value as providers echo it: as it is, percent-encoded, as a form field, in JSON (plain, with `\/`, in ASCII), in XML or
/// HTML, in hex and base64.
fn echoes(value: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut forms = vec![Cow::Borrowed(value)];
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !value.iter().all(|b| unreserved(*b)) {
        for plus in [false, true] {
            let upper = escape::percent(value, unreserved, plus);
            forms.push(lower_escapes(&upper).into());
            forms.push(upper.into());
        }
    }
    match std::str::from_utf8(value) {
        Ok(text) if !text.bytes().all(unreserved) => forms.extend(text_echoes(text)),
        _ => {}
    }
    for encoding in ["hex", "hex-upper", "base64", "base64url"] {
        if let Ok(encoded) = encode::encode(encoding, value) {
            forms.push(encoded.into());
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn text_echoes(text: &str) -> Vec<Cow<'static, [u8]>> {
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for upper in [false, true] {
        for slash in [false, true] {
            forms.push(json_ascii(text, upper, slash, |c| !c.is_ascii()));
            forms.push(json_ascii(text, upper, slash, |c| {
                !c.is_ascii() || "\"&'+<>`".contains(c)
            }));
        }
    }
    forms.extend(escape::json(text));
    forms.push(json_ascii(text, false, true, |_| false));
    forms.extend(escape::xml(text));
    let html = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    for apostrophe in ["'", "&apos;", "&#039;"] {
        let html = html.replace('\'', apostrophe);
        forms.push(html.replace('"', "&quot;").into_bytes());
        forms.push(html.into_bytes());
    }
    forms.into_iter().map(Cow::Owned).collect()
}

/// `%2B` as `%2b`.
fn lower_escapes(escaped: &[u8]) -> Vec<u8> {
    let mut out = escaped.to_vec();
    let mut at = 0;
    while at + 2 < out.len() {
        if out[at] == b'%' {
            out[at + 1..at + 3].make_ascii_lowercase();
            at += 2;
        }
        at += 1;
    }
    out
}

/// A JSON string in which some characters are written `\uXXXX`.
fn json_ascii(text: &str, upper: bool, slash: bool, as_escape: impl Fn(char) -> bool) -> Vec<u8> {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if as_escape(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let written = if upper {
                        write!(out, "\\u{unit:04X}")
                    } else {
                        write!(out, "\\u{unit:04x}")
                    };
                    written.expect("writing to a string does not fail");
                }
            }
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if slash => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string does not fail")
            }
            _ => out.push(c),
        }
    }
    out.into_bytes()
}

/// What is looked for in a reply.
pub(crate) struct Needles {
    needles: Vec<(Label, Zeroizing<Vec<u8>>)>,
    /// The recipient's number as digits, longest first.
    numbers: Vec<Vec<u8>>,
}

/// A stretch of a reply that is to be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    start: usize,
    end: usize,
    label: Label,
}

impl Needles {
    /// The same bytes with every sensitive value masked; `None` if there is none in them.
    pub(crate) fn clean(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let found = self.find(bytes);
        if found.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut json = JsonPosition::new(bytes);
        let mut at = 0;
        for Found { start, end, label } in found {
            out.extend_from_slice(&bytes[at..start]);
            // A number that was a JSON value of its own becomes a string, or the reply could no longer be read.
            let quotes: &[u8] = if json.is_whole_value(start, end) {
                b"\""
            } else {
                b""
            };
            out.extend_from_slice(quotes);
            out.extend_from_slice(label.mask().as_bytes());
            out.extend_from_slice(quotes);
            at = end;
        }
        out.extend_from_slice(&bytes[at..]);
        Some(out)
    }

    /// The stretches to mask, in order and apart from each other.
    fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        for (label, needle) in &self.needles {
            if needle.len() > bytes.len() {
                continue;
            }
            for start in memmem::find_iter(bytes, needle.as_slice()) {
                let end = start + needle.len();
                if needle.len() >= ANYWHERE_FROM || stands_alone(bytes, start, end) {
                    found.push(Found {
                        start,
                        end,
                        label: *label,
                    });
                }
            }
        }
        if !self.numbers.is_empty() {
            find_spaced_numbers(bytes, &self.numbers, &mut found);
        }
        // Longest first where several begin together; what overlaps is one stretch, so that no end of a value is left over.
        found.sort_by_key(|f| (f.start, std::cmp::Reverse(f.end)));
        found.dedup_by(|next, kept| {
            let overlaps = next.start < kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        found
    }
}

/// Whether a short value stands alone: no letter or digit beside it, unless that is the end of an escape (`\n123456`).
fn stands_alone(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_word = |b: &u8| b.is_ascii_alphanumeric();
    let before = &bytes[..start];
    let free_before =
        !is_word(&bytes[start]) || !before.last().is_some_and(is_word) || ends_with_escape(before);
    let free_after = !is_word(&bytes[end - 1]) || !bytes.get(end).is_some_and(is_word);
    free_before && free_after
}

fn ends_with_escape(bytes: &[u8]) -> bool {
    let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match bytes {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'0'] => true,
        [.., b'%', a, b] if hex(&[*a, *b]) => true,
        [.., b'\\', b'x' | b'X', a, b] if hex(&[*a, *b]) => true,
        [.., b'\\', b'u' | b'U', a, b, c, d] if hex(&[*a, *b, *c, *d]) => true,
        _ => false,
    }
}

/// Finds the number as people write it: `+94 77 123-4567`, `(077) 1234567`.
fn find_spaced_numbers(bytes: &[u8], numbers: &[Vec<u8>], found: &mut Vec<Found>) {
    let mut digits: Vec<u8> = Vec::new();
    let mut places: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        digits.clear();
        places.clear();
        let mut gap = 0;
        while at < bytes.len() && gap <= 2 {
            match bytes[at] {
                b if b.is_ascii_digit() => {
                    digits.push(b);
                    places.push(at);
                    gap = 0;
                }
                b' ' | b'-' | b'.' | b'(' | b')' | b'/' => gap += 1,
                _ => break,
            }
            at += 1;
        }
        for number in numbers {
            for first in memmem::find_iter(&digits, number) {
                let (start, last) = (places[first], places[first + number.len() - 1]);
                let with_plus = start > 0 && bytes[start - 1] == b'+';
                found.push(Found {
                    start: start - usize::from(with_plus),
                    end: last + 1,
                    label: Label::Recipient,
                });
            }
        }
    }
}

/// Follows a JSON text far enough to tell a value of its own from a piece of a string.
struct JsonPosition<'b> {
    bytes: &'b [u8],
    is_json: bool,
    at: usize,
    in_string: bool,
}

impl<'b> JsonPosition<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        let is_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
        JsonPosition {
            bytes,
            is_json,
            at: 0,
            in_string: false,
        }
    }

    /// Whether this stretch is a whole JSON value outside any string. Stretches are asked for in order.
    fn is_whole_value(&mut self, start: usize, end: usize) -> bool {
        if !self.is_json {
            return false;
        }
        while self.at < start {
            match self.bytes[self.at] {
                b'\\' if self.in_string => self.at += 1,
                b'"' => self.in_string = !self.in_string,
                _ => {}
            }
            self.at += 1;
        }
        let before = self.bytes[..start].trim_ascii_end().last();
        let after = self.bytes[end..].trim_ascii_start().first();
        !self.in_string
            && matches!(before, Some(b':' | b',' | b'['))
            && matches!(after, Some(b',' | b']' | b'}'))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sensitive() -> Sensitive {
        let mut sensitive = Sensitive::default();
        for (label, value) in [
            (Label::Recipient, "+94771234567"),
            (Label::Recipient, "94771234567"),
            (Label::Recipient, "771234567"),
            (Label::Recipient, "0771234567"),
            (
                Label::Text,
                "Your code: 123456\n\"é\" <a&b>/x\n\n@login.example #123456",
            ),
            (Label::Code, "123456"),
            (Label::Secret, "AC0123456789abcdef"),
            (Label::Secret, "p4ss"),
            (Label::Secret, "a+b/c=d&e"),
        ] {
            sensitive.add(label, value.as_bytes());
        }
        sensitive
    }

    fn clean(reply: &str) -> String {
        let cleaned = sensitive().needles().clean(reply.as_bytes());
        cleaned.map_or(reply.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_echo_is_masked_in_every_form() {
        for (reply, cleaned) in [
            (r#"{"to":"+94771234567"}"#, r#"{"to":"[recipient]"}"#),
            (
                r#"{"to":"94771234567","id":"7"}"#,
                r#"{"to":"[recipient]","id":"7"}"#,
            ),
            (r#"{"to":"\u002b94771234567"}"#, r#"{"to":"[recipient]"}"#),
            (r#"{"to":"\u002B94771234567"}"#, r#"{"to":"[recipient]"}"#),
            (r#"["0094771234567"]"#, r#"["00[recipient]"]"#),
            ("to=%2B94771234567&x", "to=[recipient]&x"),
            ("to=%2b94771234567&x", "to=[recipient]&x"),
            ("tel:+94-77-123-4567.", "tel:[recipient]."),
            ("(077) 123 4567 is invalid", "([recipient] is invalid"),
            ("077.123.4567", "[recipient]"),
            ("code 123456 sent", "code [code] sent"),
            (r#"{"t":"line\n123456"}"#, r#"{"t":"line\n[code]"}"#),
            ("a%0A123456", "a%0A[code]"),
            (r"\u000a123456", r"\u000a[code]"),
            ("MTIzNDU2", "[code]"),
            ("313233343536", "[code]"),
            ("user AC0123456789abcdef:", "user [secret]:"),
            ("/AC0123456789abcdef/x", "/[secret]/x"),
            ("bad password p4ss!", "bad password [secret]!"),
            ("key=a%2Bb%2Fc%3Dd%26e", "key=[secret]"),
            ("key=a%2bb%2fc%3dd%26e", "key=[secret]"),
            (r#""a+b\/c=d&e""#, r#""[secret]""#),
            (r#""a\u002Bb/c=d\u0026e""#, r#""[secret]""#),
            ("<k>a+b/c=d&amp;e</k>", "<k>[secret]</k>"),
        ] {
            assert_eq!(clean(reply), cleaned, "{reply}");
        }
    }

    #[test]
    fn the_text_is_masked_as_providers_write_it() {
        let text = "Your code: 123456\n\"é\" <a&b>/x\n\n@login.example #123456";
        let json = serde_json::to_string(text).unwrap();
        for echoed in [
            text.to_owned(),
            json.clone(),
            json.replace('/', "\\/"),
            json.replace('é', "\\u00e9"),
            json.replace('é', "\\u00e9").replace('/', "\\/"),
            json.replace('é', "\\u00E9").replace('<', "\\u003C").replace('>', "\\u003E").replace('&', "\\u0026").replace("\\\"", "\\u0022"),
            "Your+code%3A+123456%0A%22%C3%A9%22+%3Ca%26b%3E%2Fx%0A%0A%40login.example+%23123456".to_owned(),
            "Your%20code%3a%20123456%0a%22%c3%a9%22%20%3ca%26b%3e%2fx%0a%0a%40login.example%20%23123456".to_owned(),
            "Your code: 123456\n\"é\" &lt;a&amp;b&gt;/x\n\n@login.example #123456".to_owned(),
            "Your code: 123456\n&quot;é&quot; &lt;a&amp;b&gt;/x\n\n@login.example #123456".to_owned(),
        ] {
            assert_eq!(clean(&echoed).trim_matches('"'), "[text]", "{echoed}");
        }
        assert_eq!(
            clean("Your code: 123456\n\"é\" <a&"),
            "Your code: [code]\n\"é\" <a&",
            "a cut echo still hides the code"
        );
    }

    #[test]
    fn what_is_not_a_whole_token_is_left_alone() {
        for reply in [
            "SM8812345699",
            "id 9123456",
            "id 1234567",
            "x123456y",
            "p4ssenger",
            "sp4ss",
            r#"{"price":"0.0575","id":"e2b6c1f0"}"#,
            "2026-01-31 23:59:59",
        ] {
            assert_eq!(clean(reply), reply);
        }
    }

    #[test]
    fn json_stays_json() {
        for (reply, cleaned) in [
            (
                r#"{"to":94771234567,"n":1}"#,
                r#"{"to":"[recipient]","n":1}"#,
            ),
            (r#"[94771234567 , 123456]"#, r#"["[recipient]" , "[code]"]"#),
            (
                r#"{"t":"a, 123456, b","u":123456}"#,
                r#"{"t":"a, [code], b","u":"[code]"}"#,
            ),
            (r#"{"t":"a\", 123456, b"}"#, r#"{"t":"a\", [code], b"}"#),
            ("a: 123456, b", "a: [code], b"),
        ] {
            assert_eq!(clean(reply), cleaned, "{reply}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_cleaned_too() {
        let needles = sensitive().needles();
        assert_eq!(
            needles.clean(b"\xff\xfe94771234567\0\x80").unwrap(),
            b"\xff\xfe[recipient]\0\x80"
        );
        assert_eq!(needles.clean(b"\xff\x00nothing"), None);
        assert_eq!(needles.clean(b""), None);
    }

    #[test]
    fn overlapping_values_leave_no_end_over() {
        let mut sensitive = Sensitive::default();
        sensitive.add(Label::Secret, b"abcdefghij");
        sensitive.add(Label::Text, b"ghijklmnop");
        assert_eq!(
            sensitive.needles().clean(b"-abcdefghijklmnop-").unwrap(),
            b"-[secret]-"
        );
    }
}
