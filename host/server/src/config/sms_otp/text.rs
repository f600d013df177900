//! `[sms_otp.text]`: language to words, and the older `notificationTemplate`.

use crate::config::section::Section;
use postern_login::text::Template;

/// What is sent where the operator wrote nothing.
pub(in crate::config) const TEMPLATE_EN: &str =
    "Your {brand} code is {code}. It is valid for {minutes} minutes.";
/// What always stood in the message, and still stands after a notification template.
const VERIFICATION_CODE: &str = "Verification Code: {code}";
const CHARACTERS_MAX: usize = 300;
const TOO_LONG: &str = "expected at most 300 characters: every 160 cost one more SMS";

/// A language without words of its own gets the English ones; those are, in this order, what
/// `[sms_otp.text]` says, what the notification template makes of it, and ours.
pub(super) fn read(mut section: Section<'_>, notification: Option<&str>) -> Vec<Template> {
    let mut templates = Vec::new();
    for (language, value) in section.entries() {
        let template = match template(&language, value) {
            Ok(template) => template,
            Err(problem) => {
                section.problem(&language, problem);
                continue;
            }
        };
        if !template.words.contains("{code}") {
            section.problem(
                &language,
                "expected a text with `{code}` in it, or nobody learns the code",
            );
        }
        if template.words.chars().count() > CHARACTERS_MAX {
            section.problem(&language, TOO_LONG);
        }
        templates.push(template);
    }
    if !templates.iter().any(|template| template.name == "en") {
        let english = match notification {
            Some(before) => format!("{} {VERIFICATION_CODE}", before.trim()),
            None => TEMPLATE_EN.to_owned(),
        };
        templates.push(Template::new("en", english));
    }
    templates
}

/// A text, or a table with the text and what it is registered by.
fn template(name: &str, value: toml::Value) -> Result<Template, &'static str> {
    const EXPECTED: &str = "expected a text with `{code}` in it, or a table `{ text = \"...\", template_id = \"...\", entity_id = \"...\", last_line = false }`";
    let table = match value {
        toml::Value::String(words) => return Ok(Template::new(name, words)),
        toml::Value::Table(table) => table,
        _ => return Err(EXPECTED),
    };
    let mut words = None;
    let mut template = Template::new(name, "");
    for (key, value) in table {
        match (key.as_str(), value) {
            ("text", toml::Value::String(text)) => words = Some(text),
            ("template_id", toml::Value::String(id)) => {
                template.template_id = Some(registered(id)?)
            }
            ("entity_id", toml::Value::String(id)) => template.entity_id = Some(registered(id)?),
            ("last_line", toml::Value::Boolean(wanted)) => template.last_line = Some(wanted),
            _ => return Err(EXPECTED),
        }
    }
    template.words = words.ok_or(EXPECTED)?;
    Ok(template)
}

fn registered(id: String) -> Result<String, &'static str> {
    let orderly = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic());
    orderly
        .then_some(id)
        .ok_or("expected an id of at most 64 letters, digits and marks, as it is registered")
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
