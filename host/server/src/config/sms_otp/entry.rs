//! `[sms_otp.identity_provider.NAME]`: one SMSOTP entry of an identity provider. What it says wins
//! over the step's settings.

use super::{LENGTH_REASON, check_lifetime, read_error_detail, read_number_pattern};
use crate::config::limits::Limits;
use crate::config::section::Section;
use postern_otp::{Alphabet, Refinement};
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTES_REASON: &str = "minutes; NIST SP 800-63B-4 3.1.3.2 ends a code after ten";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// This one is in force.
    pub default: bool,
    pub says: Refinement,
}

pub(super) fn read_all(mut section: Section<'_>, limits: &Limits) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for (name, value) in section.entries() {
        let path = section.key(&name);
        let toml::Value::Table(table) = value else {
            section.problem(&name, format!("expected a table, `[{path}]`"));
            continue;
        };
        let mut below = Section::at(path, table, section.findings());
        let enabled = below.flag("enable", true);
        let entry = read(below, limits);
        if enabled {
            entries.insert(name, entry);
        }
    }
    entries
}

pub(in crate::config) fn read(mut section: Section<'_>, limits: &Limits) -> Entry {
    let s = &mut section;
    let default = s.flag("default", false);
    let senders = s.optional::<Vec<String>>("senders", "a list of sender names");
    let shows = s.has("show_detailed_error_info");
    let masks = s.has("values_to_be_masked");
    let (show_error_detail, masked_in_errors) = read_error_detail(s);
    let (number_pattern, number_pattern_message) = read_number_pattern(s);
    let code_length = s
        .optional_small("sms_otp_length", 6..=10, LENGTH_REASON)
        .and_then(|length| u8::try_from(length).ok());
    let code_lifetime = s
        .optional_small("sms_otp_expiry_time", 1..=10, MINUTES_REASON)
        .map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    if let Some(lifetime) = code_lifetime {
        check_lifetime(s, "sms_otp_expiry_time", lifetime, limits);
    }
    let alphabet = s
        .optional::<bool>("only_numeric_characters_for_sms_otp", "true or false")
        .map(|only| match only {
            true => Alphabet::Digits,
            false => Alphabet::Alphanumeric,
        });
    section.finish();
    Entry {
        default,
        says: Refinement {
            senders,
            show_error_detail: shows.then_some(show_error_detail),
            masked_in_errors: masks.then_some(masked_in_errors),
            number_pattern,
            number_pattern_message,
            code_length,
            code_lifetime,
            alphabet,
        },
    }
}

/// The one entry that is the default. Two would be a matter of chance.
pub(super) fn the_default<'e>(
    s: &mut Section<'_>,
    entries: &'e BTreeMap<String, Entry>,
) -> Option<&'e Entry> {
    let mut defaults = entries.iter().filter(|(_, entry)| entry.default);
    let (first, entry) = defaults.next()?;
    if let Some((second, _)) = defaults.next() {
        s.problem(
            &format!("identity_provider.{second}.default"),
            format!("`{first}` is the default already: expected one default entry"),
        );
    }
    Some(entry)
}
