//! The settings of a sender or resolver, read with their types.
//!
//! Owns: turning a setting's text into a value, and a sentence for every one that is not in
//! order. A reading never fails: it gives the value that keeps the function straight, and notes
//! the problem, so that one run over the settings finds all of them. Secrets are not here; the
//! host never tells them.

use std::cell::RefCell;

use crate::wire::{Pair, Problem};

/// The settings that are not secret.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pairs: Vec<Pair>,
    problems: RefCell<Vec<Problem>>,
    /// Which names were asked for, so that a test can hold them against the manifest.
    asked: RefCell<Vec<String>>,
}

impl Settings {
    pub fn new(pairs: Vec<Pair>) -> Settings {
        Settings {
            pairs,
            problems: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// All of them, as they were given.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The text of a setting, trimmed; absent and blank are the same.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.lines(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The text of a setting as it was written, white space and all; `None` only if it is absent.
    pub fn lines(&self, name: &str) -> Option<&str> {
        if !self.asked.borrow().iter().any(|asked| asked == name) {
            self.asked.borrow_mut().push(name.to_owned());
        }
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The text of a setting, or `default`.
    pub fn text_or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.text(name).unwrap_or(default)
    }

    /// The text of a setting that must be there.
    pub fn required(&self, name: &str) -> &str {
        self.text(name).unwrap_or_else(|| {
            self.problem(name, "is missing");
            ""
        })
    }

    /// `true` or `false` in any case; absent is `default`.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        match self.text(name) {
            None => default,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => {
                self.problem(name, "is neither true nor false");
                default
            }
        }
    }

    /// A whole number within `range`; absent is `default`.
    pub fn number(&self, name: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> u32 {
        let Some(text) = self.text(name) else {
            return default;
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.problem(
                    name,
                    format!(
                        "is not a whole number from {} to {}",
                        range.start(),
                        range.end()
                    ),
                );
                default
            }
        }
    }

    /// One of `choices`; absent is the first of them.
    pub fn choice<'a>(&self, name: &str, choices: &[&'a str]) -> &'a str {
        let first = choices.first().copied().unwrap_or_default();
        let Some(text) = self.text(name) else {
            return first;
        };
        choices
            .iter()
            .copied()
            .find(|choice| *choice == text)
            .unwrap_or_else(|| {
                self.problem(name, format!("is none of {}", choices.join(", ")));
                first
            })
    }

    /// The items of a comma list, trimmed, without the empty ones.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let text = self.text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect()
    }

    /// Where the provider's API is: a URL without query, or `default`.
    pub fn base(&self, name: &str, default: &str) -> Base {
        let text = self.text_or(name, default);
        Base::parse(text).unwrap_or_else(|| {
            self.problem(name, "is not an address such as https://api.example.com");
            Base::parse(default).unwrap_or_default()
        })
    }

    /// Notes that something is wrong with a setting. `message` is lower case, without a full stop.
    pub fn problem(&self, name: &str, message: impl Into<String>) {
        let problem = Problem {
            setting: name.to_owned(),
            message: message.into(),
        };
        if !self.problems.borrow().contains(&problem) {
            self.problems.borrow_mut().push(problem);
        }
    }

    /// What was found so far.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.borrow().clone()
    }

    /// The names asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }
}

/// Scheme, host and port of an API, and the path all its addresses begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// As in `https://api.example.com:8443`.
    pub origin: String,
    /// Empty, or a path that begins with `/` and does not end with one.
    pub path: String,
}

impl Base {
    /// Reads `https://host[:port][/path]` or the same with `http`. The host is the host's to
    /// judge; here only what could blur where it ends is refused: user names, queries,
    /// fragments, backslashes, white space and control characters.
    pub fn parse(text: &str) -> Option<Base> {
        let rest = strip_scheme(text)?;
        if rest
            .chars()
            .any(|c| matches!(c, '@' | '?' | '#' | '\\') || c.is_whitespace() || c.is_control())
        {
            return None;
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() || authority.starts_with(':') {
            return None;
        }
        let (origin, path) = text.split_at(text.len() - rest.len() + authority.len());
        Some(Base {
            origin: origin.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

pub(crate) fn strip_scheme(text: &str) -> Option<&str> {
    for scheme in ["https://", "http://"] {
        if let Some(start) = text.get(..scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return text.get(scheme.len()..);
        }
    }
    None
}

impl From<&str> for Base {
    /// For addresses in the code: one that is not an address gives an origin the host refuses.
    fn from(text: &str) -> Base {
        Base::parse(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::new(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn one_reading_finds_every_problem() {
        let settings = settings(&[
            ("log", "maybe"),
            ("ttl", "5"),
            ("api", "v9"),
            ("base_url", "ftp://x"),
        ]);
        assert_eq!(settings.required("from"), "");
        assert!(settings.flag("log", true));
        assert_eq!(settings.number("ttl", 20, 20..=100), 20);
        assert_eq!(settings.choice("api", &["current", "legacy"]), "current");
        assert_eq!(
            settings.base("base_url", "https://a.example").origin,
            "https://a.example"
        );
        let told: Vec<_> = settings
            .problems()
            .iter()
            .map(|p| format!("{} {}", p.setting, p.message))
            .collect();
        assert_eq!(
            told,
            [
                "from is missing",
                "log is neither true nor false",
                "ttl is not a whole number from 20 to 100",
                "api is none of current, legacy",
                "base_url is not an address such as https://api.example.com",
            ]
        );
    }

    #[test]
    fn blank_is_absent_and_lists_are_trimmed() {
        let settings = settings(&[("from", "  "), ("stores", " jdbc, ,abc ")]);
        assert_eq!(settings.text("from"), None);
        assert_eq!(settings.list("stores"), ["jdbc", "abc"]);
        assert_eq!(settings.list("none"), [""; 0]);
    }

    #[test]
    fn a_base_is_an_origin_and_perhaps_a_path() {
        let base = |origin: &str, path: &str| {
            Some(Base {
                origin: origin.to_owned(),
                path: path.to_owned(),
            })
        };
        assert_eq!(
            Base::parse("https://api.example.com"),
            base("https://api.example.com", "")
        );
        assert_eq!(
            Base::parse("http://127.0.0.1:8081/twilio/"),
            base("http://127.0.0.1:8081", "/twilio")
        );
        for refused in [
            "",
            "api.example.com",
            "https://",
            "https://a@b",
            "https://a?b",
            "https://a\\b",
            "https:///x",
            "https://:80",
        ] {
            assert_eq!(Base::parse(refused), None, "{refused}");
        }
    }
}
