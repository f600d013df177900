//! Which part of a resource an answer shows (RFC 7644, 3.9), and which page of a list (3.4.2.4).

use super::ScimError;
use super::limits::{RESULTS_DEFAULT, RESULTS_MAX, TEXT_BYTES_MAX};
use super::schema::LIST;
use serde_json::{Map, Value, json};

/// What every answer shows.
const ALWAYS: [&str; 2] = ["id", "schemas"];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// In lower case, without the schema.
    only: Option<Vec<String>>,
    without: Vec<String>,
}

impl Shape {
    pub fn new(attributes: &[String], excluded: &[String]) -> Result<Self, ScimError> {
        if !attributes.is_empty() && !excluded.is_empty() {
            return Err(ScimError::value(
                "`attributes` and `excludedAttributes` exclude each other",
            ));
        }
        let read = |names: &[String]| {
            names
                .iter()
                .map(|name| {
                    if name.len() > TEXT_BYTES_MAX {
                        return Err(ScimError::value("a name of an attribute is too long"));
                    }
                    let bare = match name.rsplit_once(':') {
                        Some((_, bare)) => bare,
                        None => name,
                    };
                    Ok(bare.trim().to_ascii_lowercase())
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            only: (!attributes.is_empty())
                .then(|| read(attributes))
                .transpose()?,
            without: read(excluded)?,
        })
    }

    pub fn of(&self, resource: Value) -> Value {
        let Value::Object(all) = resource else {
            return resource;
        };
        let mut shown = Map::new();
        for (name, value) in all {
            let lower = name.to_ascii_lowercase();
            if ALWAYS.contains(&name.as_str()) {
                shown.insert(name, value);
                continue;
            }
            let below = format!("{lower}.");
            if let Some(only) = &self.only {
                if only.contains(&lower) {
                    shown.insert(name, value);
                    continue;
                }
                let parts: Vec<&str> = only
                    .iter()
                    .filter_map(|path| path.strip_prefix(&below))
                    .collect();
                if !parts.is_empty() {
                    let value = kept(value, &|part| parts.contains(&part));
                    shown.insert(name, value);
                }
                continue;
            }
            if self.without.contains(&lower) {
                continue;
            }
            let parts: Vec<&str> = self
                .without
                .iter()
                .filter_map(|path| path.strip_prefix(&below))
                .collect();
            let value = kept(value, &|part| !parts.contains(&part));
            shown.insert(name, value);
        }
        Value::Object(shown)
    }
}

fn kept(value: Value, wanted: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::Object(mut parts) => {
            parts.retain(|name, _| wanted(&name.to_ascii_lowercase()));
            Value::Object(parts)
        }
        Value::Array(values) => values
            .into_iter()
            .map(|value| match value {
                Value::Object(_) => kept(value, wanted),
                other => other,
            })
            .collect(),
        other => other,
    }
}

/// Which of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From 1.
    pub start_index: usize,
    pub count: usize,
}

impl Window {
    /// Below 1 is 1, below 0 is 0 (RFC 7644, table 6), and more than is told is what is told.
    pub fn new(start_index: Option<i64>, count: Option<i64>) -> Self {
        let count = count.map_or(RESULTS_DEFAULT, |count| {
            usize::try_from(count.max(0)).unwrap_or(RESULTS_MAX)
        });
        Self {
            start_index: usize::try_from(start_index.unwrap_or(1).max(1)).unwrap_or(usize::MAX),
            count: count.min(RESULTS_MAX),
        }
    }

    pub fn skip(self) -> usize {
        self.start_index - 1
    }
}

/// A list in the words of SCIM 2.0.
pub fn list(total: usize, start_index: usize, resources: Vec<Value>) -> Value {
    json!({
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    ///
    #[test]
    fn a_page_is_never_longer_than_is_told() {
        for (start, count, expected) in [
            (None, None, (1, RESULTS_DEFAULT)),
            (Some(-5), Some(-5), (1, 0)),
            (Some(0), Some(0), (1, 0)),
            (Some(3), Some(1_000_000_000), (3, RESULTS_MAX)),
            (
                Some(i64::MAX),
                Some(i64::MAX),
                (i64::MAX as usize, RESULTS_MAX),
            ),
            (Some(i64::MIN), Some(i64::MIN), (1, 0)),
        ] {
            let window = Window::new(start, count);
            assert_eq!((window.start_index, window.count), expected);
        }
    }

    ///
    #[test]
    fn an_answer_shows_what_was_asked_for() {
        let all = json!({
            "schemas": ["s"], "id": "1", "userName": "alice",
            "name": {"givenName": "A", "familyName": "B"}, "emails": [{"value": "v", "type": "work"}]
        });
        let of = |only: &[&str], without: &[&str]| {
            let text = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
            Shape::new(&text(only), &text(without)).map(|shape| shape.of(all.clone()))
        };
        assert_eq!(
            of(&["USERNAME", "name.givenName"], &[]).unwrap(),
            json!({"schemas": ["s"], "id": "1", "userName": "alice", "name": {"givenName": "A"}})
        );
        assert_eq!(
            of(
                &[],
                &[
                    "id",
                    "schemas",
                    "name",
                    "emails.type",
                    "urn:x:User:userName"
                ]
            )
            .unwrap(),
            json!({"schemas": ["s"], "id": "1", "emails": [{"value": "v"}]})
        );
        assert_eq!(
            of(&["\"; DROP TABLE users", "/password", "password"], &[]).unwrap(),
            json!({"schemas": ["s"], "id": "1"})
        );
        assert_eq!(of(&["a"], &["b"]).unwrap_err().status, 400);
    }
}
