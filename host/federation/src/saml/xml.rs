//! Reading XML within bounds, and the one place that writes it.
//!
//! A text is walked once, byte by byte, before the parser sees it: size, depth, elements, attributes, declarations.
//! So the work for a hostile document is one pass over at most [`BYTES_MAX`] bytes, whatever it contains, and the
//! parser gets only what is small in every direction.

use std::fmt;
use uppsala::{Document, NodeId, NodeKind, Parser};

/// 256 KiB: a response with a thousand attributes is a tenth of it.
pub const BYTES_MAX: usize = 256 * 1024;
/// SAML messages are eight deep, with encryption a dozen.
pub const DEPTH_MAX: usize = 32;
/// On one element, namespace declarations included. Some parsers compare each with each.
pub const ATTRIBUTES_MAX: usize = 64;
/// In the whole document.
pub const ELEMENTS_MAX: usize = 8_192;

/// What about a text is not acceptable. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("longer than {BYTES_MAX} bytes")]
    TooLong,
    #[error("not UTF-8")]
    NotUtf8,
    #[error("declares an encoding other than UTF-8")]
    Encoding,
    #[error("has a document type declaration")]
    Doctype,
    #[error("has a processing instruction")]
    ProcessingInstruction,
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("more than {ATTRIBUTES_MAX} attributes on one element")]
    TooManyAttributes,
    #[error("more than {ELEMENTS_MAX} elements")]
    TooManyElements,
    #[error("not well-formed")]
    NotWellFormed,
}

/// One document, parsed once. Signatures are checked on this tree and values are read from this tree: two parsers that
/// disagree are how CVE-2025-25291 and CVE-2025-25292 worked.
pub struct Tree {
    document: Document<'static>,
    root: NodeId,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tree")
    }
}

impl Tree {
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, XmlError> {
        if bytes.len() > BYTES_MAX {
            return Err(XmlError::TooLong);
        }
        Self::parse(std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?)
    }

    pub fn parse(text: &str) -> Result<Self, XmlError> {
        within_bounds(text)?;
        let document = Parser::new()
            .with_forbid_dtd(true)
            .with_forbid_entities(true)
            .with_max_depth(u32::try_from(DEPTH_MAX + 8).expect("a small number"))
            .parse(text)
            .map_err(|_| XmlError::NotWellFormed)?;
        let declared = document
            .xml_declaration
            .as_ref()
            .and_then(|declaration| declaration.encoding.as_deref());
        if declared.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("utf-8")) {
            return Err(XmlError::Encoding);
        }
        let root = document.document_element().ok_or(XmlError::NotWellFormed)?;
        Ok(Self {
            document: document.into_static(),
            root,
        })
    }

    pub(crate) fn document(&self) -> &Document<'static> {
        &self.document
    }
    pub(crate) fn root(&self) -> Node<'_> {
        Node {
            tree: self,
            id: self.root,
        }
    }
    pub(crate) fn node(&self, id: NodeId) -> Node<'_> {
        Node { tree: self, id }
    }
    /// Every element of the document, the root included.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Node<'_>> {
        std::iter::once(self.root)
            .chain(self.document.descendants(self.root))
            .filter(|id| self.document.element(*id).is_some())
            .map(|id| self.node(id))
    }
}

/// An element of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    tree: &'t Tree,
    id: NodeId,
}

impl<'t> Node<'t> {
    pub(crate) fn id(self) -> NodeId {
        self.id
    }
    pub(crate) fn is(self, namespace: &str, name: &str) -> bool {
        self.element().is_some_and(|element| {
            element.name.local_name == name
                && element.name.namespace_uri.as_deref() == Some(namespace)
        })
    }
    pub(crate) fn local_name(self) -> &'t str {
        self.element().map_or("", |e| e.name.local_name.as_ref())
    }
    pub(crate) fn namespace(self) -> Option<&'t str> {
        self.element().and_then(|e| e.name.namespace_uri.as_deref())
    }
    pub(crate) fn parent(self) -> Option<Node<'t>> {
        let parent = self.tree.document.parent(self.id)?;
        self.tree.document.element(parent)?;
        Some(self.tree.node(parent))
    }
    /// Child elements, whatever they are.
    pub(crate) fn children(self) -> impl Iterator<Item = Node<'t>> {
        let tree = self.tree;
        tree.document
            .children_iter(self.id)
            .filter(move |id| tree.document.element(*id).is_some())
            .map(move |id| tree.node(id))
    }
    pub(crate) fn children_named(
        self,
        namespace: &'static str,
        name: &'static str,
    ) -> impl Iterator<Item = Node<'t>> {
        self.children().filter(move |c| c.is(namespace, name))
    }
    /// The child of that name; `Err` if there are two.
    pub(crate) fn only(
        self,
        namespace: &'static str,
        name: &'static str,
    ) -> Result<Option<Node<'t>>, XmlError> {
        let mut found = self.children_named(namespace, name);
        let first = found.next();
        match found.next() {
            Some(_) => Err(XmlError::NotWellFormed),
            None => Ok(first),
        }
    }
    /// An attribute without a namespace: `evil:ID` is not `ID`.
    pub(crate) fn attribute(self, name: &str) -> Option<&'t str> {
        self.element()?
            .attributes
            .iter()
            .find(|a| a.name.local_name == name && a.name.namespace_uri.is_none())
            .map(|a| a.value.as_ref())
    }
    /// The whole text: comments are as if they were not there, so that `admin@x<!-- -->.evil` is never `admin@x`
    /// (VU#475445). `None` if there are elements in it.
    pub(crate) fn text(self) -> Option<String> {
        let mut text = String::new();
        for child in self.tree.document.children_iter(self.id) {
            match self.tree.document.node_kind(child)? {
                NodeKind::Text(part) | NodeKind::CData(part) => text.push_str(part),
                NodeKind::Comment(_) => {}
                NodeKind::Element(_)
                | NodeKind::ProcessingInstruction(_)
                | NodeKind::Attribute(..)
                | NodeKind::Document => return None,
            }
        }
        Some(text)
    }
    /// Its text without white space around it; `None` if there is none or too much else.
    pub(crate) fn value(self) -> Option<String> {
        let text = self.text()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
    /// Whether anything but elements and text stands below: comments and CDATA have no place in a signature.
    pub(crate) fn has_oddities(self) -> bool {
        self.tree
            .document
            .descendants(self.id)
            .into_iter()
            .any(|id| {
                !matches!(
                    self.tree.document.node_kind(id),
                    Some(NodeKind::Element(_) | NodeKind::Text(_))
                )
            })
    }
    fn element(self) -> Option<&'t uppsala::dom::Element<'static>> {
        self.tree.document.element(self.id)
    }
}

/// One pass. `<` stands only in markup, so following tags, comments and CDATA is enough; what is not well-formed
/// beyond that is the parser's to refuse.
fn within_bounds(text: &str) -> Result<(), XmlError> {
    let bytes = text.as_bytes();
    if bytes.len() > BYTES_MAX {
        return Err(XmlError::TooLong);
    }
    let mut at = 0;
    let (mut depth, mut elements) = (0_usize, 0_usize);
    while let Some(offset) = memchr(b'<', &bytes[at..]) {
        at += offset;
        let rest = &bytes[at..];
        if rest.starts_with(b"<!--") {
            at += find(rest, b"-->").ok_or(XmlError::NotWellFormed)?;
        } else if rest.starts_with(b"<![CDATA[") {
            at += find(rest, b"]]>").ok_or(XmlError::NotWellFormed)?;
        } else if rest.starts_with(b"<!") {
            return Err(XmlError::Doctype);
        } else if rest.starts_with(b"<?") {
            // Only the declaration, and only at the very beginning.
            let declaration = text[..at].trim_start_matches('\u{feff}').is_empty()
                && rest.starts_with(b"<?xml")
                && rest.get(5).is_some_and(u8::is_ascii_whitespace);
            if !declaration {
                return Err(XmlError::ProcessingInstruction);
            }
            at += find(rest, b"?>").ok_or(XmlError::NotWellFormed)?;
        } else if rest.starts_with(b"</") {
            depth = depth.checked_sub(1).ok_or(XmlError::NotWellFormed)?;
            at += 2;
        } else {
            elements += 1;
            if elements > ELEMENTS_MAX {
                return Err(XmlError::TooManyElements);
            }
            let tag = tag(rest)?;
            at += tag.length;
            if !tag.empty {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(XmlError::TooDeep);
                }
            }
        }
    }
    Ok(())
}

struct Tag {
    length: usize,
    empty: bool,
}

/// From `<` to the `>` that is not inside quotes.
fn tag(bytes: &[u8]) -> Result<Tag, XmlError> {
    let mut quote = None;
    let mut attributes = 0;
    for (index, byte) in bytes.iter().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), _) => {
                if *byte == open {
                    quote = None;
                }
            }
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'=') => {
                attributes += 1;
                if attributes > ATTRIBUTES_MAX {
                    return Err(XmlError::TooManyAttributes);
                }
            }
            (None, b'<') => return Err(XmlError::NotWellFormed),
            (None, b'>') => {
                return Ok(Tag {
                    length: index + 1,
                    empty: bytes[index - 1] == b'/',
                });
            }
            (None, _) => {}
        }
    }
    Err(XmlError::NotWellFormed)
}

fn memchr(needle: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| *b == needle)
}

/// Where the end of `needle` is.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|w| w == needle)
        .map(|at| at + needle.len())
}

/// Writes XML. Everything that is not a name of ours goes through its escapes: an attribute value that could close its
/// element would be signed as another attribute (CVE-2026-46490).
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: String,
    open: Vec<&'static str>,
    tag_open: bool,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }
    pub(crate) fn open(&mut self, name: &'static str) -> &mut Self {
        self.end_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.open.push(name);
        self.tag_open = true;
        self
    }
    pub(crate) fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        debug_assert!(self.tag_open, "an attribute belongs into a tag");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value, true);
        self.out.push('"');
        self
    }
    pub(crate) fn optional(&mut self, name: &'static str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.end_tag();
        escape(&mut self.out, text, false);
        self
    }
    pub(crate) fn close(&mut self) -> &mut Self {
        let name = self.open.pop().expect("as many elements close as open");
        if self.tag_open {
            self.out.push_str("/>");
            self.tag_open = false;
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
        self
    }
    /// An element that holds a text.
    pub(crate) fn element(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.open(name).text(text).close()
    }
    /// XML that this writer or the signer made: a signed assertion goes into its response untouched.
    pub(crate) fn finished(&mut self, xml: &str) -> &mut Self {
        self.end_tag();
        self.out.push_str(xml);
        self
    }
    pub(crate) fn into_string(self) -> String {
        debug_assert!(self.open.is_empty(), "every element is closed");
        self.out
    }
    fn end_tag(&mut self) {
        if self.tag_open {
            self.out.push('>');
            self.tag_open = false;
        }
    }
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' if attribute => out.push_str("&#x9;"),
            '\n' if attribute => out.push_str("&#xA;"),
            // A parser turns a bare one into a line feed, and the digest with it.
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            // Not characters of XML 1.0, even escaped.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: Result<(), XmlError>) {
        assert_eq!(Tree::parse(text).map(|_| ()), expected, "{:.80}", text);
    }

    #[test]
    fn what_is_small_and_plain_is_read() {
        check("<a/>", Ok(()));
        check(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b='>'><!-- < --><![CDATA[<x>]]></a>",
            Ok(()),
        );
    }

    #[test]
    fn declarations_and_instructions_are_refused() {
        check("<!DOCTYPE a><a/>", Err(XmlError::Doctype));
        check(
            "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
            Err(XmlError::Doctype),
        );
        check("<!doctype a><a/>", Err(XmlError::Doctype));
        check(
            "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1/x'>%p;]><a/>",
            Err(XmlError::Doctype),
        );
        check("<a><?php x?></a>", Err(XmlError::ProcessingInstruction));
        check("<a/><?x?>", Err(XmlError::ProcessingInstruction));
        check(
            "<?xml-stylesheet href='x'?><a/>",
            Err(XmlError::ProcessingInstruction),
        );
        check("<a>&x;</a>", Err(XmlError::NotWellFormed));
        check(
            "<?xml version='1.0' encoding='UTF-7'?><a/>",
            Err(XmlError::Encoding),
        );
        check("<a></b>", Err(XmlError::NotWellFormed));
        check("<p:a/>", Err(XmlError::NotWellFormed));
        check("<a b='1' b='2'/>", Err(XmlError::NotWellFormed));
        check("", Err(XmlError::NotWellFormed));
    }

    #[test]
    fn an_entity_bomb_is_refused_before_it_expands() {
        let mut bomb = String::from("<!DOCTYPE a [<!ENTITY e0 'ha'>");
        for i in 1..30 {
            bomb += &format!("<!ENTITY e{i} '&e{};&e{};'>", i - 1, i - 1);
        }
        bomb += "]><a>&e29;</a>";
        check(&bomb, Err(XmlError::Doctype));
        check(
            "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd'/></a>",
            Ok(()),
        );
    }

    /// The last valid and the first invalid value in each direction.
    #[test]
    fn every_bound_holds_where_it_is_said_to() {
        let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        check(&deep(DEPTH_MAX), Ok(()));
        check(&deep(DEPTH_MAX + 1), Err(XmlError::TooDeep));
        let wide = |n: usize| {
            let attributes: String = (0..n).map(|i| format!(" a{i}='1'")).collect();
            format!("<a{attributes}/>")
        };
        check(&wide(ATTRIBUTES_MAX), Ok(()));
        check(&wide(ATTRIBUTES_MAX + 1), Err(XmlError::TooManyAttributes));
        let many = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n - 1));
        check(&many(ELEMENTS_MAX), Ok(()));
        check(&many(ELEMENTS_MAX + 1), Err(XmlError::TooManyElements));
        let long = |n: usize| format!("<a>{}</a>", "x".repeat(n - 7));
        check(&long(BYTES_MAX), Ok(()));
        check(&long(BYTES_MAX + 1), Err(XmlError::TooLong));
    }

    /// The bounds make the work one pass over at most 256 KiB; the clock is a generous second look.
    #[test]
    fn hostile_documents_are_refused_quickly() {
        let xmlns: String = (0..10_000)
            .map(|i| format!(" xmlns:n{i}='u:{i}'"))
            .collect();
        let attributes: String = (0..20_000).map(|i| format!(" a{i}=''")).collect();
        let cases = [
            (format!("<a{xmlns}/>"), XmlError::TooManyAttributes),
            (format!("<a{attributes}/>"), XmlError::TooManyAttributes),
            ("<a>".repeat(80_000), XmlError::TooDeep),
            ("<a".repeat(100_000), XmlError::NotWellFormed),
            ("<!--".repeat(60_000), XmlError::NotWellFormed),
            (
                format!("<a>{}</a>", "x".repeat(10_000_000)),
                XmlError::TooLong,
            ),
            (
                format!("<a>{}</a>", "<b></b>".repeat(30_000)),
                XmlError::TooManyElements,
            ),
        ];
        for (text, expected) in cases {
            // The shortest of three: other tests run beside it.
            let took = (0..3).map(|_| {
                let begun = std::time::Instant::now();
                check(&text, Err(expected.clone()));
                begun.elapsed()
            });
            let took = took.min().unwrap();
            assert!(
                took < std::time::Duration::from_millis(100),
                "{expected:?}: {took:?}"
            );
        }
    }

    #[test]
    fn a_comment_does_not_cut_a_text() {
        let tree = Tree::parse("<a>admin@example.com<!-- -->.evil<![CDATA[.org]]></a>").unwrap();
        assert_eq!(
            tree.root().text().as_deref(),
            Some("admin@example.com.evil.org")
        );
        let tree = Tree::parse("<a>admin<b/>x</a>").unwrap();
        assert_eq!(tree.root().text(), None);
    }

    #[test]
    fn an_attribute_of_another_namespace_is_another_attribute() {
        let tree = Tree::parse("<a xmlns:x='u:x' x:ID='evil' ID='good'/>").unwrap();
        assert_eq!(tree.root().attribute("ID"), Some("good"));
        let tree = Tree::parse("<a xmlns:x='u:x' x:ID='evil'/>").unwrap();
        assert_eq!(tree.root().attribute("ID"), None);
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        for value in [
            "x</v><v role=\"admin\">",
            "\"'&<>",
            "a\tb\nc\rd",
            "]]>",
            "<!-- -->",
            "අ ආ \u{1f600}",
        ] {
            let mut writer = Writer::new();
            writer.open("r").attribute("a", value).text(value).close();
            let text = writer.into_string();
            let tree = Tree::parse(&text).unwrap();
            assert_eq!(tree.root().attribute("a"), Some(value));
            assert_eq!(tree.root().text().as_deref(), Some(value));
            assert_eq!(tree.root().children().count(), 0);
        }
        let mut writer = Writer::new();
        writer.element("r", "a\0b\u{1}c");
        assert_eq!(writer.into_string(), "<r>a\u{fffd}b\u{fffd}c</r>");
    }
}
