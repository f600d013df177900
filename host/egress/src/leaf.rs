//! Where values landed. The finished target, headers and body are parsed again and must have the structure that the same
//! program gives with harmless stand-ins: a value that broke out of its path segment, query value, form field, JSON string
//! or XML text changed the structure, whatever escape the plugin forgot or mixed up. The place decides what is checked.
//!
//! Knows two byte strings at a time and nothing of what was put into them; an error names the place by its literal
//! surroundings, never the value.

mod form;
mod json;
mod target;
mod xml;

pub(crate) use target::check_target;

use thiserror::Error;

/// A place where a value does not lie inside one leaf.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{place}: {broken}")]
pub struct Escaped {
    pub place: String,
    pub broken: Broken,
}

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Broken {
    #[error("a value does not lie inside one leaf: escape it for its place")]
    Structure,
    #[error("a value has a character or an escape that has no place here")]
    Character,
    #[error("this is not well-formed with values in it")]
    Malformed,
    #[error("one name is there twice")]
    Twice,
    #[error("it is nested too deeply")]
    Depth,
    #[error("a document type declaration or an entity of its own is refused")]
    Dtd,
    #[error("a value is empty or leads out of its place")]
    Traversal,
    #[error("values go only into text, forms, JSON and XML in an ASCII-compatible encoding")]
    MediaType,
}

impl Broken {
    fn at(self, place: impl Into<String>) -> Escaped {
        Escaped {
            place: place.into(),
            broken: self,
        }
    }
}

/// How a body is read again, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    Form,
    Json,
    Xml,
    /// One leaf as a whole.
    Raw,
    Unknown,
}

impl Grammar {
    fn of(media_type: &str) -> Grammar {
        let mut parts = media_type.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let grammar = match essence.as_str() {
            "application/x-www-form-urlencoded" => Grammar::Form,
            "application/json" | "text/json" => Grammar::Json,
            "application/xml" | "text/xml" => Grammar::Xml,
            "text/plain" | "application/octet-stream" => return Grammar::Raw,
            _ if essence.ends_with("+json") => Grammar::Json,
            _ if essence.ends_with("+xml") => Grammar::Xml,
            _ => return Grammar::Unknown,
        };
        // In UTF-16 or UTF-7 the bytes read here would mean something else to the provider.
        let another_encoding =
            parts
                .filter_map(|parameter| parameter.split_once('='))
                .any(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("charset")
                        && !is_ascii_compatible(value.trim().trim_matches('"'))
                });
        if another_encoding {
            Grammar::Unknown
        } else {
            grammar
        }
    }
}

fn is_ascii_compatible(charset: &str) -> bool {
    ["utf-8", "us-ascii", "iso-8859-1"]
        .iter()
        .any(|known| charset.eq_ignore_ascii_case(known))
}

/// Checks a body against its shape.
pub(crate) fn check_body(media_type: &str, real: &[u8], shape: &[u8]) -> Result<(), Escaped> {
    match Grammar::of(media_type) {
        Grammar::Form => form::check(real, shape, |name| format!("form field {name}")),
        Grammar::Json => json::check(real, shape),
        Grammar::Xml => xml::check(real, shape),
        Grammar::Raw => Ok(()),
        Grammar::Unknown => Err(Broken::MediaType.at(format!(
            "body of type `{}`",
            crate::program::printable(media_type)
        ))),
    }
}

/// Checks a header against its shape: one line, and as many quoted strings as meant. `OAuth`, `Digest` and `UsernameToken`
/// quote their values, and a quote in a value would end its parameter.
pub(crate) fn check_header(name: &str, real: &[u8], shape: &[u8]) -> Result<(), Escaped> {
    let place = || format!("header `{name}`");
    if real.iter().any(u8::is_ascii_control) {
        return Err(Broken::Character.at(place()));
    }
    let quotes = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'"').count();
    if quotes(shape) > 0 && quotes(real) != quotes(shape) {
        return Err(Broken::Structure.at(place()));
    }
    Ok(())
}

/// Whether every `%` begins an escape and everything else is visible ASCII.
fn is_escaped_text(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'%', [a, b, after @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
            (b'%', _) => return false,
            (b, after) if b.is_ascii_graphic() => after,
            _ => return false,
        };
    }
    true
}

/// A literal name as an error shows it.
fn quoted(name: &[u8]) -> String {
    format!(
        "`{}`",
        crate::program::printable(&String::from_utf8_lossy(name))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides_the_grammar() {
        for (media_type, grammar) in [
            ("application/x-www-form-urlencoded", Grammar::Form),
            (
                "Application/X-WWW-Form-Urlencoded; charset=ISO-8859-1",
                Grammar::Form,
            ),
            ("application/json", Grammar::Json),
            ("application/json;charset=\"UTF-8\"", Grammar::Json),
            ("application/vnd.acme.v1+json", Grammar::Json),
            ("text/xml", Grammar::Xml),
            ("application/soap+xml; action=x", Grammar::Xml),
            ("text/plain; charset=utf-16", Grammar::Raw),
            ("application/json; charset=utf-16", Grammar::Unknown),
            ("application/xml; charset=utf-7", Grammar::Unknown),
            ("multipart/form-data; boundary=x", Grammar::Unknown),
            ("text/html", Grammar::Unknown),
            ("", Grammar::Unknown),
        ] {
            assert_eq!(Grammar::of(media_type), grammar, "{media_type}");
        }
    }

    /// T-01, T-05, O-09
    #[test]
    fn a_header_value_stays_in_its_line_and_its_quotes() {
        for (real, shape, expected) in [
            ("Bearer abc", "Bearer x1", Ok(())),
            ("+1,X-Evil: 1", "15550100", Ok(())),
            ("+1\r\nX-Evil: 1", "15550100", Err(Broken::Character)),
            ("+1\n", "15550100", Err(Broken::Character)),
            ("a\0b", "x1", Err(Broken::Character)),
            ("U=\"a\", P=\"b\"", "U=\"x1\", P=\"x1\"", Ok(())),
            (
                "U=\"a\", P=\"b\", Q=\"c\"",
                "U=\"x1\", P=\"x1\"",
                Err(Broken::Structure),
            ),
        ] {
            let checked =
                check_header("x", real.as_bytes(), shape.as_bytes()).map_err(|e| e.broken);
            assert_eq!(checked, expected, "{real:?}");
        }
    }

    #[test]
    fn a_value_in_a_body_nobody_can_read_again_is_refused() {
        assert!(check_body("text/plain", b"anything\r\n", b"x1").is_ok());
        let refused = check_body("multipart/form-data; boundary=x", b"a", b"x1");
        assert_eq!(refused.map_err(|e| e.broken), Err(Broken::MediaType));
    }
}
