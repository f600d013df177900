//! What one SMSOTP entry of an identity provider says in place of the step's settings.

use crate::{Alphabet, FactorSettings, Pattern};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The entry's own values; what it does not name stays as the step has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refinement {
    /// Stands for `sms_url`, `http_method`, `headers`, `payload` and `http_response`.
    pub senders: Option<Vec<String>>,
    /// `show_detailed_error_info`
    pub show_error_detail: Option<bool>,
    /// `values_to_be_masked`
    pub masked_in_errors: Option<Vec<String>>,
    /// `mobile_number_regex`
    pub number_pattern: Option<Pattern>,
    /// `mobile_number_pattern_failure_error_message`
    pub number_pattern_message: Option<String>,
    /// `SmsOtpLength`
    pub code_length: Option<u8>,
    /// `SmsOtpExpiryTime`
    pub code_lifetime: Option<Duration>,
    /// `OnlyNumericCharactersForSmsOtp`
    pub alphabet: Option<Alphabet>,
}

impl FactorSettings {
    /// The entry's value wins where it has one, else the step's, which has its own default.
    pub fn refined(&self, by: &Refinement) -> Self {
        let mut refined = self.clone();
        fn put<T: Clone>(place: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                place.clone_from(value);
            }
        }
        put(&mut refined.senders, &by.senders);
        put(&mut refined.show_error_detail, &by.show_error_detail);
        put(&mut refined.masked_in_errors, &by.masked_in_errors);
        put(&mut refined.challenge.format.length, &by.code_length);
        put(&mut refined.challenge.format.alphabet, &by.alphabet);
        put(&mut refined.challenge.code_lifetime, &by.code_lifetime);
        if by.number_pattern.is_some() {
            refined.number_pattern.clone_from(&by.number_pattern);
            // The entry's pattern never speaks with the step's sentence.
            refined.number_pattern_message = None;
        }
        if by.number_pattern_message.is_some() {
            refined
                .number_pattern_message
                .clone_from(&by.number_pattern_message);
        }
        refined
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn step() -> FactorSettings {
        let mut step = FactorSettings {
            senders: vec!["steps".into()],
            masked_in_errors: vec!["steps".into()],
            number_pattern: Some(Pattern::parse("1+").unwrap()),
            number_pattern_message: Some("the step's".into()),
            ..FactorSettings::default()
        };
        step.challenge.format.length = 8;
        step.challenge.format.alphabet = Alphabet::Alphanumeric;
        step.challenge.code_lifetime = Duration::from_secs(120);
        step
    }

    #[test]
    fn an_entry_that_says_nothing_changes_nothing() {
        assert_eq!(step().refined(&Refinement::default()), step());
    }

    #[test]
    fn what_an_entry_says_wins() {
        let entry = Refinement {
            senders: Some(vec!["entrys".into()]),
            show_error_detail: Some(true),
            masked_in_errors: Some(Vec::new()),
            number_pattern: Some(Pattern::parse("2+").unwrap()),
            number_pattern_message: Some("the entry's".into()),
            code_length: Some(10),
            code_lifetime: Some(Duration::from_secs(60)),
            alphabet: Some(Alphabet::Digits),
        };
        let refined = step().refined(&entry);
        assert_eq!(refined.senders, ["entrys"]);
        assert!(refined.show_error_detail);
        assert!(refined.masked_in_errors.is_empty());
        assert_eq!(refined.number_pattern.unwrap().as_str(), "2+");
        assert_eq!(refined.number_pattern_message.unwrap(), "the entry's");
        assert_eq!(refined.challenge.format.length, 10);
        assert_eq!(refined.challenge.format.alphabet, Alphabet::Digits);
        assert_eq!(refined.challenge.code_lifetime, Duration::from_secs(60));
    }

    #[test]
    fn an_entrys_pattern_never_speaks_with_the_steps_sentence() {
        let entry = Refinement {
            number_pattern: Some(Pattern::parse("2+").unwrap()),
            ..Refinement::default()
        };
        assert_eq!(step().refined(&entry).number_pattern_message, None);
    }
}
