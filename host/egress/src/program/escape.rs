//! Text escaped for the place it lands in.

use std::fmt::Write;

use super::Fault;

/// Bytes escaped for a place of the registry.
pub(crate) fn escape(place: &str, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    match place {
        "form" => Ok(percent(
            bytes,
            |b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'-' | b'.' | b'_'),
            true,
        )),
        "percent" => Ok(percent(
            bytes,
            |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'),
            false,
        )),
        "json" => json(text(bytes)?),
        "xml" => xml(text(bytes)?),
        "header" => match bytes.iter().any(|b| b.is_ascii_control()) {
            true => Err(Fault::Unrepresentable("header")),
            false => Ok(bytes.to_vec()),
        },
        _ => Err(Fault::Unknown {
            registry: "escape",
            name: place.into(),
        }),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::NotText)
}

/// Percent-encoding with upper-case digits, as SigV4 and OAuth 1 require.
pub(crate) fn percent(bytes: &[u8], stays: impl Fn(u8) -> bool, space_is_plus: bool) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 2);
    for &b in bytes {
        if stays(b) {
            out.push(b);
        } else if b == b' ' && space_is_plus {
            out.push(b'+');
        } else {
            out.extend([b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
    }
    out
}

/// RFC 8259 section 7. U+2028 and U+2029 are escaped too: older JavaScript ends a line at them.
pub(crate) fn json(text: &str) -> Result<Vec<u8>, Fault> {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string does not fail");
            }
            _ => out.push(c),
        }
    }
    Ok(out.into_bytes())
}

/// XML 1.0: the five predefined entities, and white space as references, which attributes would otherwise lose. Characters a
/// document cannot hold at all are refused.
pub(crate) fn xml(text: &str) -> Result<Vec<u8>, Fault> {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => return Err(Fault::Unrepresentable("xml")),
            _ => out.push(c),
        }
    }
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(place: &str, table: &[(&str, &str)]) {
        for (value, escaped) in table {
            let out = escape(place, value.as_bytes()).unwrap();
            assert_eq!(
                String::from_utf8(out).unwrap(),
                *escaped,
                "{place} {value:?}"
            );
        }
    }

    #[test]
    fn a_form_value_keeps_only_what_a_form_keeps() {
        check(
            "form",
            &[
                ("", ""),
                ("Verification Code: 123456", "Verification+Code%3A+123456"),
                ("+94771234567", "%2B94771234567"),
                ("a&b=c%d;e#f?", "a%26b%3Dc%25d%3Be%23f%3F"),
                ("*-._~'", "*-._%7E%27"),
                (
                    "\n\n@login.example #123456",
                    "%0A%0A%40login.example+%23123456",
                ),
                ("é日😀", "%C3%A9%E6%97%A5%F0%9F%98%80"),
                ("\0", "%00"),
            ],
        );
    }

    /// RFC 3986 section 2.3, and the encodings RFC 5849 section 3.4.1.3.1 shows.
    #[test]
    fn a_percent_escape_keeps_the_unreserved_characters() {
        check(
            "percent",
            &[
                ("ABCXYZabcxyz0189-._~", "ABCXYZabcxyz0189-._~"),
                ("=%3D", "%3D%253D"),
                ("r b", "r%20b"),
                ("/../?&+*'()!", "%2F..%2F%3F%26%2B%2A%27%28%29%21"),
                ("☃", "%E2%98%83"),
            ],
        );
    }

    /// T-06
    #[test]
    fn a_json_escape_reads_back_as_the_value() {
        check(
            "json",
            &[
                ("say \"hi\"\\\n", "say \\\"hi\\\"\\\\\\n"),
                ("\0\u{1f}\u{2028}\u{7f}", "\\u0000\\u001f\\u2028\\u007f"),
            ],
        );
        let all: String = (0..0x3000)
            .chain(0x1_f600..0x1_f610)
            .filter_map(char::from_u32)
            .collect();
        let quoted = [
            b"\"",
            escape("json", all.as_bytes()).unwrap().as_slice(),
            b"\"",
        ]
        .concat();
        assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), all);
    }

    #[test]
    fn an_xml_escape_holds_in_text_and_attributes() {
        check(
            "xml",
            &[
                ("]]><to>&x;\"'", "]]&gt;&lt;to&gt;&amp;x;&quot;&#39;"),
                ("a\r\n\tb", "a&#13;&#10;&#9;b"),
            ],
        );
        for c in ["\0", "\u{1b}", "\u{ffff}"] {
            assert_eq!(
                escape("xml", c.as_bytes()).unwrap_err(),
                Fault::Unrepresentable("xml")
            );
        }
    }

    /// T-01, O-09
    #[test]
    fn a_header_value_has_no_line_break_or_control_character() {
        check(
            "header",
            &[("Basic YTpi==", "Basic YTpi=="), ("é, x", "é, x")],
        );
        for value in ["+1555\r\nX-Evil: 1", "a\n", "\ra", "a\0", "a\tb", "\x7f"] {
            assert_eq!(
                escape("header", value.as_bytes()).unwrap_err(),
                Fault::Unrepresentable("header")
            );
        }
    }

    #[test]
    fn an_unknown_place_and_bytes_that_are_not_text_are_refused() {
        assert!(matches!(escape("html", b""), Err(Fault::Unknown { .. })));
        assert_eq!(escape("json", &[0xff]).unwrap_err(), Fault::NotText);
        assert_eq!(escape("xml", &[0xff]).unwrap_err(), Fault::NotText);
        assert_eq!(escape("percent", &[0xff]).unwrap(), b"%FF");
    }
}
