//! XML: the same elements, attributes and everything else between which text may stand. A value may be the text between
//! two tags, an attribute's value or a CDATA section; document type declarations and entities of one's own are refused.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::{Broken, Escaped, is_ascii_compatible, quoted};
use crate::limits::BODY_DEPTH_MAX;

pub(super) fn check(real: &[u8], shape: &[u8]) -> Result<(), Escaped> {
    let (real, shape) = (text(real), text(shape));
    let (mut real, mut shape) = (Walk::new(&real)?, Walk::new(&shape)?);
    loop {
        // The shape first: its names tell where the value is that the other one breaks at.
        let meant = shape.next_markup()?;
        let found = real.next_markup().map_err(|e| e.broken.at(shape.place()))?;
        let same = match (&found, &meant) {
            (Event::Start(found), Event::Start(meant))
            | (Event::Empty(found), Event::Empty(meant)) => {
                same_tag(found, meant).map_err(|broken| broken.at(shape.place()))?
            }
            (Event::End(found), Event::End(meant)) => found.name() == meant.name(),
            (Event::CData(_), Event::CData(_)) => true,
            (Event::Eof, Event::Eof) => return Ok(()),
            (Event::Comment(_) | Event::PI(_) | Event::Decl(_), _) => found == meant,
            _ => false,
        };
        if !same {
            return Err(Broken::Structure.at(shape.place()));
        }
    }
}

/// The document as text. What is not UTF-8 is Latin-1, the only other encoding the media type or the declaration may name that
/// has such bytes; markup is ASCII in both.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

fn same_tag(found: &BytesStart<'_>, meant: &BytesStart<'_>) -> Result<bool, Broken> {
    if found.name() != meant.name() {
        return Ok(false);
    }
    let (mut found, mut meant) = (found.attributes(), meant.attributes());
    loop {
        match (found.next().transpose(), meant.next().transpose()) {
            (Ok(None), Ok(None)) => return Ok(true),
            (Ok(Some(found)), Ok(Some(meant))) if found.key == meant.key => {
                check_attribute(&found.value)?
            }
            (Err(_), _) | (_, Err(_)) => return Err(Broken::Malformed),
            (Ok(_), Ok(_)) => return Ok(false),
        }
    }
}

fn check_attribute(value: &str) -> Result<(), Broken> {
    if value.contains('<') {
        return Err(Broken::Malformed);
    }
    for after in value.split('&').skip(1) {
        let (name, _) = after.split_once(';').ok_or(Broken::Malformed)?;
        check_reference(name)?;
    }
    Ok(())
}

/// `#10`, `#xA` or one of the five.
fn check_reference(name: &str) -> Result<(), Broken> {
    let code = match name.strip_prefix('#') {
        None => {
            return resolve_predefined_entity(name)
                .map(|_| ())
                .ok_or(Broken::Dtd);
        }
        Some(digits) => match digits.strip_prefix('x') {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16),
            None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse(),
            _ => return Err(Broken::Malformed),
        },
    };
    match code.ok().and_then(char::from_u32) {
        None
        | Some('\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}') => {
            Err(Broken::Malformed)
        }
        Some(_) => Ok(()),
    }
}

/// Goes through a document from markup to markup, judging the text between on the way.
struct Walk<'x> {
    reader: Reader<&'x [u8]>,
    open: Vec<String>,
    root_seen: bool,
}

impl<'x> Walk<'x> {
    fn new(document: &'x str) -> Result<Walk<'x>, Escaped> {
        // No zero byte and no foreign byte order mark: the document is not in UTF-16 or UTF-32.
        if document.contains('\0')
            || document.starts_with("\u{fe}\u{ff}")
            || document.starts_with("\u{ff}\u{fe}")
        {
            return Err(Broken::Character.at("XML body"));
        }
        let mut reader = Reader::from_str(document);
        let config = reader.config_mut();
        config.check_comments = true;
        config.check_end_names = true;
        config.allow_dangling_amp = false;
        config.allow_unmatched_ends = false;
        Ok(Walk {
            reader,
            open: Vec::new(),
            root_seen: false,
        })
    }

    /// Where in the document this is, in the words of an error.
    fn place(&self) -> String {
        format!(
            "XML {}",
            quoted(format!("/{}", self.open.join("/")).as_bytes())
        )
    }

    fn next_markup(&mut self) -> Result<Event<'x>, Escaped> {
        loop {
            let event = self
                .reader
                .read_event()
                .map_err(|_| Broken::Malformed.at(self.place()))?;
            match &event {
                Event::Text(text) => self
                    .check_text(text)
                    .map_err(|broken| broken.at(self.place()))?,
                Event::GeneralRef(reference) => {
                    let checked = match self.open.is_empty() {
                        true => Err(Broken::Malformed),
                        false => check_reference(reference),
                    };
                    checked.map_err(|broken| broken.at(self.place()))?;
                }
                Event::Start(tag) => {
                    self.open_element(tag)?;
                    return Ok(event);
                }
                Event::Empty(tag) => {
                    self.open_element(tag)?;
                    self.open.pop();
                    return Ok(event);
                }
                Event::End(_) => {
                    self.open.pop();
                    return Ok(event);
                }
                Event::CData(_) if self.open.is_empty() => {
                    return Err(Broken::Malformed.at(self.place()));
                }
                Event::Decl(declaration) => {
                    let encoding = declaration
                        .encoding()
                        .transpose()
                        .map_err(|_| Broken::Malformed.at("XML body"))?;
                    match encoding {
                        Some(name) if !is_ascii_compatible(&name) => {
                            return Err(Broken::MediaType.at("XML body"));
                        }
                        _ => return Ok(event),
                    }
                }
                Event::DocType(_) => return Err(Broken::Dtd.at("XML body")),
                Event::Eof if !self.open.is_empty() || !self.root_seen => {
                    return Err(Broken::Malformed.at(self.place()));
                }
                Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => {
                    return Ok(event);
                }
            }
        }
    }

    fn open_element(&mut self, tag: &BytesStart<'_>) -> Result<(), Escaped> {
        let a_second_root = self.open.is_empty() && self.root_seen;
        if a_second_root {
            return Err(Broken::Malformed.at(self.place()));
        }
        if self.open.len() == BODY_DEPTH_MAX {
            return Err(Broken::Depth.at("XML body"));
        }
        self.root_seen = true;
        self.open.push(tag.name().as_ref().to_owned());
        Ok(())
    }

    fn check_text(&self, text: &str) -> Result<(), Broken> {
        let outside = self.open.is_empty() && !text.trim_ascii().is_empty();
        let ends_a_section_that_is_not_open = text.contains("]]>");
        let control = text
            .bytes()
            .any(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\n' | b'\r' | 0x7f));
        match outside || ends_a_section_that_is_not_open || control {
            true => Err(Broken::Malformed),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(real: &str, shape: &str) -> Option<Broken> {
        check(real.as_bytes(), shape.as_bytes())
            .err()
            .map(|e| e.broken)
    }

    /// T-04
    #[test]
    fn a_value_stays_in_its_text_attribute_or_section() {
        let with = |to: &str, text: &str, section: &str| {
            format!(
                r#"<?xml version="1.0" encoding="UTF-8"?><sms to="{to}"><text>{text}</text><raw><![CDATA[{section}]]></raw><end/></sms>"#
            )
        };
        let shape = with("15550100", "x1", "x1");
        for (real, expected) in [
            (
                with("+9477", "a &lt;b&gt; &amp; &#10;&#xe9;", "<b> & c"),
                None,
            ),
            (with("", "", ""), None),
            (with("+1\" bcc=\"+999", "a", "a"), Some(Broken::Structure)),
            (with("+1\" to=\"+999", "a", "a"), Some(Broken::Malformed)),
            (
                with("+1\"/><sms to=\"+9", "a", "a"),
                Some(Broken::Structure),
            ),
            (with("<", "a", "a"), Some(Broken::Malformed)),
            (with("&x;", "a", "a"), Some(Broken::Dtd)),
            (with("a & b", "a", "a"), Some(Broken::Malformed)),
            (with("+1", "a<to>+999</to>", "a"), Some(Broken::Structure)),
            (with("+1", "a</text><text>b", "a"), Some(Broken::Structure)),
            (with("+1", "a<!-- b -->", "a"), Some(Broken::Structure)),
            (with("+1", "a<?b c?>", "a"), Some(Broken::Structure)),
            (with("+1", "<![CDATA[b]]>", "a"), Some(Broken::Structure)),
            (with("+1", "a & b", "a"), Some(Broken::Malformed)),
            (with("+1", "&x;", "a"), Some(Broken::Dtd)),
            (with("+1", "&#0;", "a"), Some(Broken::Malformed)),
            (with("+1", "&#x110000;", "a"), Some(Broken::Malformed)),
            (with("+1", "]]>", "a"), Some(Broken::Malformed)),
            (with("+1", "\u{1}", "a"), Some(Broken::Malformed)),
            (
                with("+1", "a", "a]]><to>+999</to><![CDATA["),
                Some(Broken::Structure),
            ),
            (with("+1", "a", "a]]>"), Some(Broken::Malformed)),
            (
                format!("{}<sms/>", with("+1", "a", "a")),
                Some(Broken::Malformed),
            ),
            (
                format!("{}a", with("+1", "a", "a")),
                Some(Broken::Malformed),
            ),
            ("<sms".into(), Some(Broken::Malformed)),
            (String::new(), Some(Broken::Malformed)),
        ] {
            assert_eq!(broken(&real, &shape), expected, "{real}");
        }
    }

    #[test]
    fn a_document_type_and_a_foreign_encoding_are_refused() {
        let doctype = r#"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>x1</a>"#;
        assert_eq!(broken(doctype, doctype), Some(Broken::Dtd));
        let utf7 = r#"<?xml version="1.0" encoding="UTF-7"?><a>x1</a>"#;
        assert_eq!(broken(utf7, utf7), Some(Broken::MediaType));
        let utf16: Vec<u8> = "<a>x1</a>"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(
            check(&utf16, &utf16).map_err(|e| e.broken),
            Err(Broken::Character)
        );
        let latin1 = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>";
        assert_eq!(
            check(
                latin1,
                b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>x1</a>"
            ),
            Ok(())
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}a{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(
            broken(&nested(BODY_DEPTH_MAX), &nested(BODY_DEPTH_MAX)),
            None
        );
        assert_eq!(
            broken(&nested(BODY_DEPTH_MAX + 1), &nested(BODY_DEPTH_MAX + 1)),
            Some(Broken::Depth)
        );
    }

    #[test]
    fn the_error_names_the_place_and_not_the_value() {
        let error = check(b"<a><to>1</to><bcc/></a>", b"<a><to>1</to></a>").map_err(|e| e.place);
        assert_eq!(error, Err("XML `/`".into()));
        let error = check(b"<a><to>1<x/></to></a>", b"<a><to>1</to></a>").map_err(|e| e.place);
        assert_eq!(error, Err("XML `/a`".into()));
    }
}
