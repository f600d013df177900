//! An operator's pattern: which part of a shown value is hidden, and which numbers may be typed.
//!
//! Look-around is understood, because the patterns people bring along use it (`\d(?=\d{4})` hides
//! all but the last four digits). What backtracks is bounded: a pattern that gives up hides
//! everything and fits nothing.

use serde::{Deserialize, Serialize};

/// A longer one is a program, and nobody could say what it hides.
const CHARACTERS_MAX: usize = 512;
/// Steps back before it gives up: numbers and claims are short, so an honest pattern needs dozens.
const STEPS_MAX: usize = 20_000;
/// What a compiled part may weigh: `\w{1,1000}` and its kind are not for a telephone number.
const PROGRAM_BYTES_MAX: usize = 1 << 20;
/// What a pattern is tried on at most; longer texts fit nothing.
const TEXT_BYTES_MAX: usize = 1024;

/// A regular expression that was compiled and found orderly.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    anywhere: fancy_regex::Regex,
    /// Its own expression: the first alternative that matches somewhere may not be the one that
    /// matches everything.
    whole: fancy_regex::Regex,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("expected a regular expression of 1 to {CHARACTERS_MAX} characters")]
    Length,
    #[error("expected a regular expression: {0}")]
    Syntax(String),
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.chars().count() > CHARACTERS_MAX {
            return Err(PatternError::Length);
        }
        let compile = |text: &str| {
            fancy_regex::RegexBuilder::new(text)
                .backtrack_limit(STEPS_MAX)
                .delegate_size_limit(PROGRAM_BYTES_MAX)
                .build()
                .map_err(|error| PatternError::Syntax(error.to_string()))
        };
        Ok(Self {
            anywhere: compile(text)?,
            whole: compile(&format!(r"\A(?:{text})\z"))?,
        })
    }

    pub fn as_str(&self) -> &str {
        self.anywhere.as_str()
    }

    /// Whether the whole text fits, as a browser judges the `pattern` of a field.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        text.len() <= TEXT_BYTES_MAX && self.whole.is_match(text).unwrap_or(false)
    }

    /// The value with one star for each match. Where the pattern gives up all of it is hidden.
    pub fn mask(&self, value: &str) -> String {
        let hidden = || "*".repeat(value.chars().count());
        if value.len() > TEXT_BYTES_MAX {
            return hidden();
        }
        self.anywhere
            .try_replacen(value, 0, fancy_regex::NoExpand("*"))
            .map_or_else(|_| hidden(), |shown| shown.into_owned())
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_match_becomes_one_star() {
        for (pattern, value, shown) in [
            (r"\d(?=\d{4})", "0778965231", "******5231"),
            (r"\d{6}", "0778965231", "*5231"),
            (r"(?<=^.).(?=.*@)", "ab@example.com", "a*@example.com"),
            ("x", "0778965231", "0778965231"),
            ("[0-9€]", "1€ñ", "**ñ"),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().mask(value),
                shown,
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_replacement_is_no_template() {
        let masked = Pattern::parse("(7)(8)").unwrap().mask("0778$1");
        assert_eq!(masked, "07*$1");
    }

    #[test]
    fn a_text_fits_as_a_whole() {
        let pattern = Pattern::parse(r"\+94\d{9}").unwrap();
        assert!(pattern.fits("+94771234567"));
        for text in ["+947712345678", "x+94771234567", "+9477", ""] {
            assert!(!pattern.fits(text), "{text}");
        }
        // Anchors are common and change nothing.
        assert!(Pattern::parse(r"^\+94\d{9}$").unwrap().fits("+94771234567"));
        // An alternative that stops early does not hide one that would fit.
        assert!(Pattern::parse(r"^(\d{3}|\d{5})$").unwrap().fits("12345"));
    }

    /// A pattern that would run for ages gives up, and then it hides and refuses.
    #[test]
    fn a_pattern_that_gives_up_hides_everything_and_fits_nothing() {
        let pattern = Pattern::parse("(x+x+)+(?>y)").unwrap();
        let text = format!("{}zy", "x".repeat(40));
        assert_eq!(pattern.mask(&text), "*".repeat(42));
        assert!(!pattern.fits(&text));
        let long = "1".repeat(TEXT_BYTES_MAX + 1);
        assert!(!Pattern::parse(r"\d+").unwrap().fits(&long));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Length));
        assert_eq!(
            Pattern::parse(&"a".repeat(CHARACTERS_MAX + 1)),
            Err(PatternError::Length)
        );
        assert!(matches!(
            Pattern::parse("(unclosed"),
            Err(PatternError::Syntax(_))
        ));
    }
}
