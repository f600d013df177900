//! A form as data: the fields of an identity provider, a service provider, a plugin's settings. The
//! pages draw it, the admin API and the command line take the same names, and one reader checks them
//! all. A secret is written and never shown: left empty it stays what it was.

use crate::AdminError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values by field name.
pub type Values = BTreeMap<String, String>;

/// Characters of one value; a payload template fits.
pub const VALUE_CHARS_MAX: usize = 16 * 1024;
/// And of a document: the metadata of one provider, with its certificates and contacts, is rarely
/// half of it.
pub const DOCUMENT_CHARS_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    #[serde(default)]
    pub secret: bool,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub help: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// One line.
    Text,
    Integer {
        min: i64,
        max: i64,
    },
    Boolean,
    /// An absolute http or https URL.
    Url,
    Choice(Vec<String>),
    /// Several lines.
    Lines,
    /// A text made elsewhere and pasted whole: metadata, certificates.
    Document,
    /// One value a line.
    List,
    /// `name = value`, one a line.
    Pairs,
}

impl FieldKind {
    /// Drawn as a box of several lines.
    pub fn is_long(&self) -> bool {
        matches!(
            self,
            Self::Lines | Self::Document | Self::List | Self::Pairs
        )
    }

    pub fn chars_max(&self) -> usize {
        match self {
            Self::Document => DOCUMENT_CHARS_MAX,
            Self::Text
            | Self::Integer { .. }
            | Self::Boolean
            | Self::Url
            | Self::Choice(_)
            | Self::Lines
            | Self::List
            | Self::Pairs => VALUE_CHARS_MAX,
        }
    }
}

/// The values of a list.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The names and values of pairs; a line without `=` has no value.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    lines(text).map(|line| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.trim(), value.trim())
    })
}

/// Fields that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    #[serde(default)]
    pub help: String,
    pub fields: Vec<Field>,
}

impl Field {
    pub fn text(name: &str, label: &str, help: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind: FieldKind::Text,
            secret: false,
            required: false,
            default: None,
            help: help.to_owned(),
        }
    }
    pub fn of(mut self, kind: FieldKind) -> Self {
        self.kind = kind;
        self
    }
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
    /// A box to tick: it is one of two, and what it is when nobody touched it is known. A flag
    /// without a default has a third state, which leaves it to somebody else.
    pub fn is_box(&self) -> bool {
        self.kind == FieldKind::Boolean && self.default.is_some()
    }
    pub fn or(mut self, default: &str) -> Self {
        self.default = Some(default.to_owned());
        self
    }
}

/// Reads what was given against the fields: checked, without what is empty, secrets that were left
/// empty as they are, unless `unset` names them. A name that is no field's is refused: a misspelt
/// protection is no protection.
pub fn read(
    fields: &[Field],
    stored: &Values,
    given: &Values,
    unset: &[String],
) -> Result<Values, AdminError> {
    let mut values = Values::new();
    let mut problems = Vec::new();
    for name in given.keys().chain(unset) {
        if !fields.iter().any(|field| field.name == *name) {
            problems.push((name.clone(), "there is no such field".to_owned()));
        }
    }
    for field in fields {
        let text = given.get(&field.name).map_or("", String::as_str);
        let text = if field.kind.is_long() {
            text.replace("\r\n", "\n")
        } else {
            text.to_owned()
        };
        let text = if field.secret { &text } else { text.trim() };
        if text.is_empty() {
            let kept = stored
                .get(&field.name)
                .filter(|_| field.secret && !unset.contains(&field.name));
            match kept {
                Some(kept) => {
                    values.insert(field.name.clone(), kept.clone());
                }
                None if field.required && field.default.is_none() => {
                    problems.push((field.name.clone(), "missing".to_owned()));
                }
                None => {}
            }
            continue;
        }
        match check(field, text) {
            Ok(()) => {
                values.insert(field.name.clone(), text.to_owned());
            }
            Err(words) => problems.push((field.name.clone(), words)),
        }
    }
    if problems.is_empty() {
        Ok(values)
    } else {
        Err(AdminError::Fields(problems))
    }
}

fn check(field: &Field, text: &str) -> Result<(), String> {
    let chars_max = field.kind.chars_max();
    if text.chars().count() > chars_max {
        return Err(format!("expected at most {chars_max} characters"));
    }
    let line = |c: char| c.is_control() && !(field.kind.is_long() && "\n\t".contains(c));
    if text.chars().any(line) {
        return Err("expected no control characters".to_owned());
    }
    match &field.kind {
        FieldKind::Text | FieldKind::Lines | FieldKind::Document | FieldKind::List => Ok(()),
        FieldKind::Pairs => match lines(text).find(|line| !line.contains('=')) {
            Some(line) => Err(format!("`{line}`: expected `name = value`")),
            None => Ok(()),
        },
        FieldKind::Integer { min, max } => match text.parse::<i64>() {
            Ok(number) if (*min..=*max).contains(&number) => Ok(()),
            _ => Err(format!("expected a whole number from {min} to {max}")),
        },
        FieldKind::Boolean => match text {
            "true" | "false" => Ok(()),
            _ => Err("expected `true` or `false`".to_owned()),
        },
        FieldKind::Url => {
            let rest = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            match rest {
                Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => Ok(()),
                _ => Err("expected an absolute http or https URL".to_owned()),
            }
        }
        FieldKind::Choice(choices) if choices.iter().any(|choice| choice == text) => Ok(()),
        FieldKind::Choice(choices) => Err(format!("expected one of {}", choices.join(", "))),
    }
}

/// What may be shown: secrets are only said to be set.
pub fn shown(fields: &[Field], stored: &Values) -> Values {
    fields
        .iter()
        .filter(|field| !field.secret)
        .filter_map(|field| Some((field.name.clone(), stored.get(&field.name)?.clone())))
        .collect()
}

/// The secrets that are set.
pub fn set(fields: &[Field], stored: &Values) -> Vec<String> {
    fields
        .iter()
        .filter(|field| field.secret && stored.contains_key(&field.name))
        .map(|field| field.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields() -> Vec<Field> {
        vec![
            Field::text("url", "URL", "").of(FieldKind::Url).required(),
            Field::text("length", "Length", "").of(FieldKind::Integer { min: 6, max: 10 }),
            Field::text("key", "Key", "").secret().required(),
            Field::text("method", "Method", "")
                .of(FieldKind::Choice(vec!["GET".into(), "POST".into()]))
                .or("GET"),
            Field::text("claims", "Claims", "").of(FieldKind::Pairs),
        ]
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn problems(given: &[(&str, &str)]) -> Vec<String> {
        match read(&fields(), &Values::new(), &values(given), &[]) {
            Err(AdminError::Fields(problems)) => {
                problems.into_iter().map(|(field, _)| field).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_secret_left_empty_stays_and_is_never_shown() {
        let given = [("url", "https://sms.example"), ("key", "k-1")];
        let stored = read(&fields(), &Values::new(), &values(&given), &[]).unwrap();
        let again = read(
            &fields(),
            &stored,
            &values(&[("url", "https://b.example"), ("key", "")]),
            &[],
        )
        .unwrap();
        assert_eq!(again["key"], "k-1");
        assert_eq!(again["url"], "https://b.example");
        assert!(!shown(&fields(), &again).contains_key("key"));
        assert_eq!(set(&fields(), &again), ["key"]);
    }

    #[test]
    fn a_secret_is_removed_by_its_name_and_a_needed_one_is_not() {
        let mut optional = fields();
        optional[2].required = false;
        let stored = values(&[("key", "k-1")]);
        let given = values(&[("url", "https://sms.example"), ("key", "")]);
        let unset = |fields: &[Field], name: &str| read(fields, &stored, &given, &[name.into()]);
        assert!(!unset(&optional, "key").unwrap().contains_key("key"));
        assert!(unset(&fields(), "key").is_err(), "needed");
        assert!(unset(&optional, "kee").is_err(), "no such field");
    }

    #[test]
    fn each_bound_holds_at_its_last_and_first_value() {
        let base = [("url", "https://a"), ("key", "k")];
        let with = |name: &'static str, value: &'static str| {
            let mut all = base.to_vec();
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
            read(&fields(), &Values::new(), &values(&all), &[])
        };
        for (name, value) in [
            ("length", "6"),
            ("length", "10"),
            ("method", "POST"),
            ("claims", "a = b\n\n c=d"),
        ] {
            assert!(with(name, value).is_ok(), "{name}={value}");
        }
        for (name, value) in [
            ("length", "5"),
            ("length", "11"),
            ("length", "six"),
            ("method", "PUT"),
            ("claims", "a = b\nc"),
            ("url", "ftp://a"),
            ("url", "https://a b"),
            ("url", "javascript:alert(1)"),
            ("key", "a\u{0}b"),
        ] {
            assert!(with(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn what_is_missing_and_what_nobody_knows_are_told_at_once() {
        assert_eq!(problems(&[("uri", "x")]), ["uri", "url", "key"]);
    }
}
