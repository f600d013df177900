//! Escaping for the place a value lands in, of text the plugin knows.
//!
//! Owns: the five escapes of the interface, byte for byte as the host does them. Knows nothing of
//! requests: which place a value lands in is `request`'s to say.

/// `text` escaped for `place` (`form`, `percent`, `json`, `xml`, `header`), or `None` where the
/// host would refuse it or the place is unknown.
pub(crate) fn text(place: &str, text: &str) -> Option<String> {
    match place {
        "form" => Some(form(text.as_bytes())),
        "percent" => Some(percent(text.as_bytes())),
        "json" => Some(json(text)),
        "xml" => xml(text),
        "header" => (!text.bytes().any(|b| b.is_ascii_control())).then(|| text.to_owned()),
        _ => None,
    }
}

/// `application/x-www-form-urlencoded` as in the WHATWG URL standard, section 5.2.
pub(crate) fn form(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => push_percent(&mut out, byte),
        }
    }
    out
}

/// RFC 3986 section 2.3: the unreserved characters stay.
pub(crate) fn percent(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => push_percent(&mut out, byte),
        }
    }
    out
}

fn push_percent(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// RFC 8259 section 7, the short escapes where there are any. U+2028 and U+2029 are escaped too:
/// older JavaScript ends a line at them.
pub(crate) fn json(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                let code = u32::from(character);
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(char::from(DIGITS[(code >> shift & 15) as usize]));
                }
            }
            _ => out.push(character),
        }
    }
    out
}

/// XML 1.0: the five predefined entities; line ends and tabs as references, because a parser
/// would normalize them in an attribute; characters XML cannot carry at all are refused.
pub(crate) fn xml(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return None,
            _ => out.push(character),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn each_place_has_its_escape() {
        for (place, input, expected) in [
            ("form", "a b+c&d=e%~*\n", "a+b%2Bc%26d%3De%25%7E*%0A"),
            ("form", "é", "%C3%A9"),
            ("percent", "a b+c~*/", "a%20b%2Bc~%2A%2F"),
            (
                "json",
                "\"\\\n\u{1}/é\u{2028}\u{7f}",
                "\\\"\\\\\\n\\u0001/é\\u2028\\u007f",
            ),
            (
                "xml",
                "<a b='c'>&\"\n",
                "&lt;a b=&#39;c&#39;&gt;&amp;&quot;&#10;",
            ),
            ("header", "Basic abc", "Basic abc"),
        ] {
            assert_eq!(text(place, input).as_deref(), Some(expected), "{place}");
        }
    }

    #[test]
    fn what_a_place_cannot_carry_is_not_escaped() {
        assert_eq!(text("header", "a\r\nb"), None);
        assert_eq!(text("xml", "a\0b"), None);
        assert_eq!(text("html", "a"), None);
    }
}
