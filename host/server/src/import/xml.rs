//! A small, suspicious reader of XML: elements, attributes, text. What a configuration file never
//! needs is refused before it is looked at: a document type, entities of one's own, processing
//! instructions, other encodings, depth, size (attacks ).

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The older product's own file is 20 KiB.
pub(super) const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Levels of elements; its files have eight.
const DEPTH_MAX: usize = 32;
/// Elements of a document; its own file has a few hundred.
const ELEMENTS_MAX: usize = 10_000;
/// Attributes of one element.
const ATTRIBUTES_MAX: usize = 32;

/// An element without its namespace prefix, which the older product does not look at either.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let of_name = |(known, _): &&(String, String)| known == name;
        self.attributes
            .iter()
            .find(of_name)
            .map(|(_, value)| value.as_str())
    }

    /// The text of the first child of a name in any case: exports differ in it.
    pub(super) fn child_text(&self, name: &str) -> Option<&str> {
        let mut children = self.children.iter();
        let child = children.find(|child| child.name.eq_ignore_ascii_case(name))?;
        Some(child.text.trim())
    }

    /// The element itself and everything below, in the document's order.
    pub(super) fn all(&self) -> Vec<&Element> {
        let mut found = vec![self];
        let mut at = 0;
        while at < found.len() {
            let element = found[at];
            found.splice(at + 1..at + 1, &element.children);
            at += 1;
        }
        found
    }
}

/// The root element, or one sentence.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(format!("larger than {DOCUMENT_BYTES_MAX} bytes"));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    reader.config_mut().check_comments = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    let mut begun = false;
    loop {
        let place = reader.buffer_position();
        let at = |what: &str| format!("{what} (byte {place})");
        let event = reader.read_event().map_err(|_| at("not well-formed XML"))?;
        match event {
            Event::Decl(declaration) => {
                if begun {
                    return Err(at("an XML declaration that is not at the beginning"));
                }
                let encoding = declaration.encoding().transpose();
                let encoding = encoding.map_err(|_| at("not well-formed XML"))?;
                if encoding.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
                    return Err(at("an encoding other than UTF-8"));
                }
            }
            Event::DocType(_) => {
                return Err(at("a document type (DTD), which is never read: remove it"));
            }
            Event::PI(_) => return Err(at("a processing instruction: remove it")),
            Event::Start(start) => {
                let element = element(&start).map_err(|what| at(&what))?;
                elements += 1;
                if elements > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                    return Err(at("more or deeper elements than any such file has"));
                }
                if open.is_empty() && root.is_some() {
                    return Err(at("a second root element"));
                }
                open.push(element);
            }
            Event::Empty(start) => {
                let element = element(&start).map_err(|what| at(&what))?;
                elements += 1;
                if elements > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                    return Err(at("more or deeper elements than any such file has"));
                }
                close(element, &mut open, &mut root).map_err(&at)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| at("an end without a beginning"))?;
                close(element, &mut open, &mut root).map_err(&at)?;
            }
            Event::Text(content) => {
                add(&content.xml10_content(), &mut open).map_err(&at)?;
            }
            Event::CData(content) => {
                add(&content.xml10_content(), &mut open).map_err(&at)?;
            }
            Event::GeneralRef(reference) => {
                let character = reference
                    .resolve_char_ref()
                    .map_err(|_| at("a character reference that is none"))?;
                let resolved = match (character, &*reference.into_inner()) {
                    (Some(character), _) => character,
                    (None, "amp") => '&',
                    (None, "lt") => '<',
                    (None, "gt") => '>',
                    (None, "quot") => '"',
                    (None, "apos") => '\'',
                    (None, _) => {
                        return Err(at(
                            "an entity beside &amp; &lt; &gt; &quot; and &apos;: write its text",
                        ));
                    }
                };
                if resolved.is_control() && !matches!(resolved, '\t' | '\n' | '\r') {
                    return Err(at("a control character"));
                }
                add(resolved.encode_utf8(&mut [0; 4]), &mut open).map_err(at)?;
            }
            Event::Comment(_) => {}
            Event::Eof => break,
        }
        begun = true;
    }
    if !open.is_empty() {
        return Err("ends inside an element".into());
    }
    root.ok_or_else(|| "no element in it".into())
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        // Duplicates are errors of this iterator.
        let attribute =
            attribute.map_err(|_| "an attribute that is not in order, or there twice")?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| "an entity of its own in an attribute")?;
        attributes.push((local(attribute.key.as_ref()), value.into_owned()));
        if attributes.len() > ATTRIBUTES_MAX {
            return Err("more attributes than any such file has".into());
        }
    }
    let name = start.local_name();
    if name.as_ref() == "include" {
        return Err("an inclusion of another file: only this one is read".into());
    }
    Ok(Element {
        name: name.as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

fn close(
    element: Element,
    open: &mut [Element],
    root: &mut Option<Element>,
) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err("a second root element"),
    }
    Ok(())
}

fn add(text: &str, open: &mut [Element]) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside of the root element"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn elements_attributes_and_text_are_read() {
        let root = parse(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c -->\n<a:A xmlns:a=\"urn:x\" n=\"1 &amp; 2\">\
             <b>x &lt;&#121;&#x7a;</b><c/><![CDATA[<raw>]]></a:A>",
        )
        .unwrap();
        assert_eq!(root.name, "A");
        assert_eq!(root.attribute("n"), Some("1 & 2"));
        assert_eq!(root.child_text("B"), Some("x <yz"));
        assert_eq!(root.text, "<raw>");
        let names: Vec<_> = root.all().iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["A", "b", "c"]);
    }

    ///
    #[test]
    fn what_could_expand_or_reach_out_is_refused_before_it_is_looked_at() {
        let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>";
        let external = "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><x>&f;</x>";
        let parameter = "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1/\">%p;]><x/>";
        for text in [laughs, external, parameter, "<!DOCTYPE x><x/>"] {
            assert!(parse(text).unwrap_err().contains("DTD"), "{text}");
        }
        for text in [
            "<x>&f;</x>",
            "<x a=\"&f;\"/>",
            "<x xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\"/></x>",
            "<?xml-stylesheet href=\"file:///x\"?><x/>",
            "<x><?php x ?></x>",
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?><x/>",
            "<x>&#0;</x>",
            "<x>&#1;</x>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    ///
    #[test]
    fn what_is_too_large_too_deep_or_too_much_is_refused() {
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(parse(&deep(DEPTH_MAX)).is_ok());
        assert!(parse(&deep(DEPTH_MAX + 1)).is_err());
        assert!(parse(&deep(10_000)).is_err());
        let wide = |attributes: usize| {
            let attributes: String = (0..attributes).map(|i| format!(" a{i}=\"\"")).collect();
            format!("<a{attributes}/>")
        };
        assert!(parse(&wide(ATTRIBUTES_MAX)).is_ok());
        assert!(parse(&wide(ATTRIBUTES_MAX + 1)).is_err());
        assert!(parse(&format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX))).is_err());
        assert!(parse(&format!("<a>{}</a>", "x".repeat(DOCUMENT_BYTES_MAX))).is_err());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<a b=\"1\" b=\"2\"/>",
            "</a>",
            "<a><!-- -- --></a>",
            " <?xml version=\"1.0\"?><a/>",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
