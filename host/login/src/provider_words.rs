//! What a provider said when it did not take a message.
//!
//! Not for the log (that is `SendFailure::detail`) and not for a page: the words have no `Display`, no
//! serialisation and no way out but [`ProviderWords::shown`], which answers `None` unless the operator
//! switched it on. What then comes out is masked literally, made harmless and short (attack E-06).

use postern_otp::PhoneNumber;

/// A sentence or two; a stack trace is nobody's business even where details are shown.
const CHARACTERS_MAX: usize = 200;
/// Before anything is replaced, so that masking costs what a short text costs.
const BYTES_MAX: usize = 8 * 1024;

/// The gateway has replaced number, text, code and secrets by tokens already.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderWords(String);

/// What the operator allows: nothing, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorDetail {
    /// `show_detailed_error_info`
    pub shown: bool,
    /// `values_to_be_masked`: hidden wherever they stand, letter by letter. Not patterns.
    pub masked: Vec<String>,
}

impl ProviderWords {
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// What a person may read of it. `screen` is what the code page shows for the number.
    pub fn shown(
        &self,
        allowed: &ErrorDetail,
        number: &PhoneNumber,
        screen: &str,
    ) -> Option<String> {
        if !allowed.shown {
            return None;
        }
        let mut words = cut(&self.0).to_owned();
        // A provider repeats the number as it was sent, or as its own format has it.
        let spellings = [
            "[recipient]".to_owned(),
            number.e164().to_owned(),
            number.e164().replace('+', "%2B"),
            number.e164().trim_start_matches('+').to_owned(),
            number.dialled().to_owned(),
            number.national().to_owned(),
        ];
        for spelling in spellings.iter().filter(|text| !text.is_empty()) {
            words = words.replace(spelling.as_str(), screen);
        }
        for token in ["[text]", "[code]", "[secret]"] {
            words = words.replace(token, "***");
        }
        for value in allowed.masked.iter().filter(|value| !value.is_empty()) {
            words = words.replace(value.as_str(), &"*".repeat(value.chars().count()));
        }
        let words = harmless(&words);
        (!words.is_empty()).then_some(words)
    }
}

impl std::fmt::Debug for ProviderWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[provider's words]")
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// One line of visible characters. What could turn or hide text on a page is dropped.
fn harmless(text: &str) -> String {
    let line = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !crate::text::invisible(*c))
        .collect::<String>();
    let line = line.split(' ').filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn number() -> PhoneNumber {
        PhoneNumber::parse("+94771234567", None).unwrap()
    }

    fn shown(words: &str, masked: &[&str]) -> Option<String> {
        let allowed = ErrorDetail {
            shown: true,
            masked: masked.iter().map(|value| (*value).to_owned()).collect(),
        };
        ProviderWords::new(words).shown(&allowed, &number(), "******4567")
    }

    /// E-06
    #[test]
    fn a_providers_words_stay_inside_unless_the_operator_lets_them_out() {
        let words = ProviderWords::new("account 4711 is out of money");
        let shown = words.shown(&ErrorDetail::default(), &number(), "******4567");
        assert_eq!(shown, None);
        assert_eq!(format!("{words:?}"), "[provider's words]");
    }

    #[test]
    fn a_number_is_masked_in_every_spelling() {
        for words in [
            "no route to [recipient]",
            "no route to +94771234567",
            "no route to %2B94771234567",
            "no route to 94771234567",
            "no route to 0771234567",
            "no route to 771234567",
        ] {
            let expected = Some("no route to ******4567".to_owned());
            assert_eq!(shown(words, &[]), expected, "{words}");
        }
        assert_eq!(
            shown("[secret] and [code]", &[]).as_deref(),
            Some("*** and ***")
        );
    }

    /// The original read each value as a regular expression.
    #[test]
    fn a_value_is_masked_as_it_is_written() {
        let masked = shown("key a.c and abc, key é🔒", &["a.c", "", "é🔒", "("]);
        assert_eq!(masked.as_deref(), Some("key *** and abc, key **"));
    }

    #[test]
    fn what_is_shown_is_one_short_harmless_line() {
        let long = shown(
            &format!("a\r\n\tb \u{202e}c\u{0}{}", "x".repeat(9_000)),
            &[],
        )
        .unwrap();
        assert!(long.starts_with("a b cxxx"), "{long}");
        assert_eq!(long.chars().count(), CHARACTERS_MAX + 1);
        assert_eq!(shown(" \u{200b}\n ", &[]), None);
    }
}
