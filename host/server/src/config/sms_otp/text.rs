//! `[sms_otp.text]`: language to words, and the older `notificationTemplate`.

use crate::config::section::Section;

/// What is sent where the operator wrote nothing.
pub(in crate::config) const TEMPLATE_EN: &str =
    "Your {brand} code is {code}. It is valid for {minutes} minutes.";
/// What always stood in the message, and still stands after a notification template.
const VERIFICATION_CODE: &str = "Verification Code: {code}";
const CHARACTERS_MAX: usize = 300;
const TOO_LONG: &str = "expected at most 300 characters: every 160 cost one more SMS";

/// A language without words of its own gets the English ones; those are, in this order, what
/// `[sms_otp.text]` says, what the notification template makes of it, and ours.
pub(super) fn read(mut section: Section<'_>, notification: Option<&str>) -> Vec<(String, String)> {
    let mut templates = Vec::new();
    for (language, value) in section.entries() {
        let toml::Value::String(text) = value else {
            section.problem(&language, "expected a text with `{code}` in it");
            continue;
        };
        if !text.contains("{code}") {
            section.problem(
                &language,
                "expected a text with `{code}` in it, or nobody learns the code",
            );
        }
        if text.chars().count() > CHARACTERS_MAX {
            section.problem(&language, TOO_LONG);
        }
        templates.push((language, text));
    }
    if !templates.iter().any(|(language, _)| language == "en") {
        let english = match notification {
            Some(before) => format!("{} {VERIFICATION_CODE}", before.trim()),
            None => TEMPLATE_EN.to_owned(),
        };
        templates.push(("en".into(), english));
    }
    templates
}

pub(super) fn problem_of_notification(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("expected a text, or no such key".into());
    }
    if text.contains("{code}") {
        return Some("the code comes by itself, after `Verification Code: `: expected a text without `{code}`, or `[sms_otp.text]` for words of your own".into());
    }
    (text.chars().count() > CHARACTERS_MAX).then(|| TOO_LONG.to_owned())
}
