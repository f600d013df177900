//! JSON: the same tree with the same names. Strings and numbers are the leaves a value may be in; names are literal, and a
//! name that is there twice is refused, because which of the two counts is anybody's guess.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::de::SliceRead;

use super::{Broken, Escaped, quoted};
use crate::limits::BODY_DEPTH_MAX;

pub(super) fn check(real: &[u8], shape: &[u8]) -> Result<(), Escaped> {
    // The shape first: if it is malformed, no value is to blame, and the error may say where.
    let shape = parse(shape).map_err(|broken| broken.at("JSON body"))?;
    let real = parse(real).map_err(|broken| broken.at("JSON body"))?;
    let mut path = String::new();
    compare(&real, &shape, &mut path)
}

enum Node<'j> {
    Null,
    Bool(bool),
    Number,
    Text,
    Array(Vec<Node<'j>>),
    Object(Vec<(Cow<'j, str>, Node<'j>)>),
}

fn compare(real: &Node<'_>, shape: &Node<'_>, path: &mut String) -> Result<(), Escaped> {
    let here = path.len();
    match (real, shape) {
        (Node::Null, Node::Null) | (Node::Number, Node::Number) | (Node::Text, Node::Text) => {
            Ok(())
        }
        (Node::Bool(real), Node::Bool(shape)) if real == shape => Ok(()),
        (Node::Array(real), Node::Array(shape)) if real.len() == shape.len() => {
            for (n, (real, shape)) in real.iter().zip(shape).enumerate() {
                path.push_str(&format!("/{n}"));
                compare(real, shape, path)?;
                path.truncate(here);
            }
            Ok(())
        }
        (Node::Object(real), Node::Object(shape)) if real.len() == shape.len() => {
            for ((real_name, real), (shape_name, shape)) in real.iter().zip(shape) {
                if real_name != shape_name {
                    break;
                }
                path.push('/');
                path.push_str(shape_name);
                compare(real, shape, path)?;
                path.truncate(here);
            }
            match real
                .iter()
                .zip(shape)
                .all(|((real, _), (shape, _))| real == shape)
            {
                true => Ok(()),
                false => Err(Broken::Structure.at(format!("JSON {}", quoted(path.as_bytes())))),
            }
        }
        _ => Err(Broken::Structure.at(format!("JSON {}", quoted(path.as_bytes())))),
    }
}

fn parse(bytes: &[u8]) -> Result<Node<'_>, Broken> {
    let mut deserializer = Deserializer::new(SliceRead::new(bytes));
    let mut broken = Broken::Malformed;
    let node = Reader {
        depth_left: BODY_DEPTH_MAX,
        broken: &mut broken,
    }
    .deserialize(&mut deserializer);
    match node.and_then(|node| deserializer.end().map(|()| node)) {
        Ok(node) => Ok(node),
        Err(_) => Err(broken),
    }
}

/// Reads one node, and notes why it refused one.
struct Reader<'b> {
    depth_left: usize,
    broken: &'b mut Broken,
}

impl Reader<'_> {
    fn child(&mut self) -> Option<Reader<'_>> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Some(Reader {
                depth_left,
                broken: self.broken,
            }),
            None => {
                *self.broken = Broken::Depth;
                None
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Node<'de>, A::Error> {
        let mut nodes = Vec::new();
        loop {
            let child = self.child().ok_or_else(|| A::Error::custom("depth"))?;
            match items.next_element_seed(child)? {
                Some(node) => nodes.push(node),
                None => return Ok(Node::Array(nodes)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Node<'de>, A::Error> {
        let mut nodes: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            if nodes.iter().any(|(other, _)| *other == name) {
                *self.broken = Broken::Twice;
                return Err(A::Error::custom("twice"));
            }
            let child = self.child().ok_or_else(|| A::Error::custom("depth"))?;
            nodes.push((name, members.next_value_seed(child)?));
        }
        Ok(Node::Object(nodes))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'j>(Cow<'j, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Names)
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

    /// T-03
    #[test]
    fn a_value_stays_in_its_string_or_number() {
        let shape = r#"{"to":["15550100"],"text":"x1","n":1,"ok":true,"none":null}"#;
        let with = |to: &str, text: &str, n: &str| {
            format!(r#"{{"to":["{to}"],"text":"{text}","n":{n},"ok":true,"none":null}}"#)
        };
        for (real, expected) in [
            (
                with("+9477", "a \\\"quoted\\\" \\n \\u00e9", "94771234567"),
                None,
            ),
            (with("+9477", "", "0"), None),
            (with("+1\\u0022,\\u0022+999", "a", "1"), None),
            (with("+1\",\"+999", "a", "1"), Some(Broken::Structure)),
            (
                with("+1", "a\",\"bcc\":\"+999", "1"),
                Some(Broken::Structure),
            ),
            (with("+1", "a\",\"text\":\"b", "1"), Some(Broken::Twice)),
            (
                with("+1", "a\",\"t\\u0065xt\":\"b", "1"),
                Some(Broken::Twice),
            ),
            (with("+1", "say \"hi\"", "1"), Some(Broken::Malformed)),
            (with("+1", "line\nbreak", "1"), Some(Broken::Malformed)),
            (with("+1", "\\", "1"), Some(Broken::Malformed)),
            (with("+1", "\\ud800", "1"), Some(Broken::Malformed)),
            (with("+1", "a", "012345"), Some(Broken::Malformed)),
            (with("+1", "a", "+94"), Some(Broken::Malformed)),
            (with("+1", "a", "\"1\""), Some(Broken::Structure)),
            (with("+1", "a", "1,\"x\":2"), Some(Broken::Structure)),
            (with("+1", "a", "[1]"), Some(Broken::Structure)),
            (with("+1", "a", "1}{\"a\":1"), Some(Broken::Malformed)),
            (
                format!("{} {{}}", with("+1", "a", "1")),
                Some(Broken::Malformed),
            ),
            (String::new(), Some(Broken::Malformed)),
        ] {
            assert_eq!(broken(&real, shape), expected, "{real}");
        }
    }

    #[test]
    fn a_name_is_never_a_value() {
        assert_eq!(
            broken(r#"{"+9477":"a"}"#, r#"{"x1":"a"}"#),
            Some(Broken::Structure)
        );
        assert_eq!(
            broken(r#"{"a":true}"#, r#"{"a":false}"#),
            Some(Broken::Structure)
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}\"a\"{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(
            broken(&nested(BODY_DEPTH_MAX), &nested(BODY_DEPTH_MAX)),
            None
        );
        assert_eq!(
            broken(&nested(BODY_DEPTH_MAX + 1), &nested(BODY_DEPTH_MAX + 1)),
            Some(Broken::Depth)
        );
        assert_eq!(
            broken(&nested(100_000), &nested(100_000)),
            Some(Broken::Depth)
        );
    }

    #[test]
    fn the_error_names_the_place_and_not_the_value() {
        let error = check(
            br#"{"m":[{"to":["+1","+999"]}]}"#,
            br#"{"m":[{"to":["1"]}]}"#,
        )
        .map_err(|e| e.place);
        assert_eq!(error, Err("JSON `/m/0/to`".into()));
    }
}
