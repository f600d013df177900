//! The cleaning of replies. Every sensitive value, in each form it had on the wire and in those a provider would commonly
//! echo it in (percent-encoded, in JSON, XML, hex or base64), is replaced by a fixed token before anybody reads the reply.
//!
//! Knows byte strings and what to call them. The tokens are fixed and whole, so that a reader can still tell *that* its
//! number came back, and never a character of it.

use std::borrow::Cow;

use memchr::memmem;

use crate::program::encode;
use crate::program::provenance::Label;
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

    /// What is to be looked for in these bytes, which may be several pieces of a reply one after the other: every value, and
    /// its hex and base64 where they can be there at all.
    pub(crate) fn needles(&self, reply: &[u8]) -> Needles<'_> {
        let mut needles = Needles {
            needles: Vec::with_capacity(self.0.len()),
            numbers: Vec::new(),
        };
        for (label, value) in &self.0 {
            let value = value.expose();
            if *label == Label::Recipient {
                needles.add_number(value);
            }
            needles.needles.push((*label, Cow::Borrowed(value)));
            for encoding in ["hex", "hex-upper", "base64", "base64url"] {
                // The first bytes of a value are the first of its encoding.
                let start = &value[..(value.len() / 3 * 3).min(6)];
                let begins = encode::encode(encoding, start)
                    .is_ok_and(|start| memmem::find(reply, &start).is_some());
                if begins && let Ok(encoded) = encode::encode(encoding, value) {
                    needles.needles.push((*label, Cow::Owned(encoded)));
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

/// A reply with one kind of escapes undone, and where in the reply each byte of it stands. A value is looked for in it as it
/// is, whatever characters the provider chose to escape.
struct View {
    bytes: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl View {
    /// Undoes escapes; `unescape` reads one at the beginning of a slice.
    fn new(bytes: &[u8], unescape: impl Fn(&[u8]) -> Option<Escape>) -> View {
        let mut view = View {
            bytes: Vec::with_capacity(bytes.len()),
            spans: Vec::with_capacity(bytes.len()),
        };
        let mut at = 0;
        while at < bytes.len() {
            let escape = unescape(&bytes[at..]).unwrap_or(Escape {
                means: Meaning::Byte(bytes[at]),
                length: 1,
            });
            let span = (at, at + escape.length);
            match escape.means {
                Meaning::Byte(byte) => view.bytes.push(byte),
                Meaning::Char(c) => view
                    .bytes
                    .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            view.spans.resize(view.bytes.len(), span);
            at += escape.length;
        }
        view
    }

    /// The views in which there is anything to undo.
    fn all(bytes: &[u8]) -> impl Iterator<Item = View> {
        let has = |b| memchr::memchr(b, bytes).is_some();
        let percent = has(b'%').then(|| View::new(bytes, percent_escape));
        let form = has(b'+').then(|| View::new(bytes, form_escape));
        let json = has(b'\\').then(|| View::new(bytes, json_escape));
        let entities = has(b'&').then(|| View::new(bytes, entity));
        [percent, form, json, entities].into_iter().flatten()
    }
}

/// An escape: what it means, and how many bytes it takes.
struct Escape {
    means: Meaning,
    length: usize,
}

enum Meaning {
    Byte(u8),
    Char(char),
}

impl Escape {
    fn of(c: char, length: usize) -> Option<Escape> {
        Some(Escape {
            means: Meaning::Char(c),
            length,
        })
    }
}

fn percent_escape(bytes: &[u8]) -> Option<Escape> {
    match bytes {
        [b'%', a, b, ..] => Some(Escape {
            means: Meaning::Byte(hex_value(&[*a, *b])? as u8),
            length: 3,
        }),
        _ => None,
    }
}

fn form_escape(bytes: &[u8]) -> Option<Escape> {
    match bytes {
        [b'+', ..] => Escape::of(' ', 1),
        _ => percent_escape(bytes),
    }
}

fn json_escape(bytes: &[u8]) -> Option<Escape> {
    let unit = |bytes: &[u8]| match bytes {
        [b'\\', b'u' | b'U', digits @ ..] if digits.len() >= 4 => hex_value(&digits[..4]),
        _ => None,
    };
    match bytes {
        [b'\\', b'n', ..] => Escape::of('\n', 2),
        [b'\\', b'r', ..] => Escape::of('\r', 2),
        [b'\\', b't', ..] => Escape::of('\t', 2),
        [b'\\', c @ (b'"' | b'\\' | b'/' | b'\''), ..] => Escape::of(char::from(*c), 2),
        [b'\\', b'x', a, b, ..] => Escape::of(char::from_u32(hex_value(&[*a, *b])?)?, 4),
        [b'\\', b'u' | b'U', ..] => {
            let first = unit(bytes)?;
            match char::from_u32(first) {
                Some(c) => Escape::of(c, 6),
                // Half of a pair: a character beyond 16 bits.
                None => {
                    let pair = [first as u16, unit(&bytes[6..])? as u16];
                    Escape::of(char::decode_utf16(pair).next()?.ok()?, 12)
                }
            }
        }
        _ => None,
    }
}

/// The five entities of XML, and numbers.
fn entity(bytes: &[u8]) -> Option<Escape> {
    let rest = bytes.strip_prefix(b"&")?;
    let end = rest.iter().take(10).position(|b| *b == b';')?;
    let c = match &rest[..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hex_value(digits)?)?,
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Escape::of(c, end + 2)
}

fn hex_value(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, digit| {
        value
            .checked_mul(16)?
            .checked_add(char::from(*digit).to_digit(16)?)
    })
}

/// What is looked for in a reply.
pub(crate) struct Needles<'s> {
    needles: Vec<(Label, Cow<'s, [u8]>)>,
    /// The recipient's number as digits, longest first.
    numbers: Vec<&'s [u8]>,
}

/// A stretch of a reply that is to be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    start: usize,
    end: usize,
    label: Label,
}

impl<'s> Needles<'s> {
    /// A value that is a number is also looked for with separators in it.
    fn add_number(&mut self, value: &'s [u8]) {
        let digits = value.strip_prefix(b"+").unwrap_or(value);
        let is_a_number =
            digits.len() >= NUMBER_DIGITS_MIN && digits.iter().all(u8::is_ascii_digit);
        if is_a_number && !self.numbers.contains(&digits) {
            self.numbers.push(digits);
        }
    }

    /// Whether any sensitive value is in these bytes.
    pub(crate) fn are_in(&self, bytes: &[u8]) -> bool {
        !self.find(bytes).is_empty()
    }

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

    fn find_in(
        &self,
        bytes: &[u8],
        found: &mut Vec<Found>,
        place: impl Fn(usize, usize) -> (usize, usize),
    ) {
        for (label, needle) in &self.needles {
            // Preparing a search for a long text costs more than the search; its first bytes are nearly never there.
            let begins = &needle[..needle.len().min(ANYWHERE_FROM)];
            if memmem::find(bytes, begins).is_none() {
                continue;
            }
            for start in memmem::find_iter(bytes, &**needle) {
                let end = start + needle.len();
                if needle.len() >= ANYWHERE_FROM || stands_alone(bytes, start, end) {
                    let (start, end) = place(start, end);
                    found.push(Found {
                        start,
                        end,
                        label: *label,
                    });
                }
            }
        }
    }

    /// The stretches to mask, in order and apart from each other.
    fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        self.find_in(bytes, &mut found, |start, end| (start, end));
        for view in View::all(bytes) {
            self.find_in(&view.bytes, &mut found, |start, end| {
                (view.spans[start].0, view.spans[end - 1].1)
            });
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

/// Whether a short value stands alone: no letter or digit beside it. Those of an escape before it (`\n123456`) are gone in
/// the view that undoes the escape.
fn stands_alone(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_word = |b: &u8| b.is_ascii_alphanumeric();
    let free_before = !is_word(&bytes[start]) || !bytes[..start].last().is_some_and(is_word);
    let free_after = !is_word(&bytes[end - 1]) || !bytes.get(end).is_some_and(is_word);
    free_before && free_after
}

/// Finds the number as people write it: `+94 77 123-4567`, `(077) 1234567`.
fn find_spaced_numbers(bytes: &[u8], numbers: &[&[u8]], found: &mut Vec<Found>) {
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
            for first in memmem::find_iter(&digits, *number) {
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
        let cleaned = sensitive()
            .needles(reply.as_bytes())
            .clean(reply.as_bytes());
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
        let clean = |bytes: &[u8]| sensitive().needles(bytes).clean(bytes);
        assert_eq!(
            clean(b"\xff\xfe94771234567\0\x80").unwrap(),
            b"\xff\xfe[recipient]\0\x80"
        );
        assert_eq!(clean(b"\xff\x00nothing"), None);
        assert_eq!(clean(b""), None);
    }

    #[test]
    fn overlapping_values_leave_no_end_over() {
        let mut sensitive = Sensitive::default();
        sensitive.add(Label::Secret, b"abcdefghij");
        sensitive.add(Label::Text, b"ghijklmnop");
        let reply = b"-abcdefghijklmnop-";
        assert_eq!(
            sensitive.needles(reply).clean(reply).unwrap(),
            b"-[secret]-"
        );
    }
}
