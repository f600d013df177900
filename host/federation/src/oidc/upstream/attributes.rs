//! What a provider says about a person, as flat texts: `address.country`, `groups`.

use crate::oidc::client::is_ours;
use serde_json::{Map, Value};

/// More than anybody maps, and a bound for what a session carries.
const ATTRIBUTES_MAX: usize = 64;
const VALUE_CHARS_MAX: usize = 1024;
const BYTES_MAX: usize = 16 * 1024;
const DEPTH_MAX: usize = 4;

/// `trust_email`: see `Registration`.
pub(super) fn attributes(
    claims: &Map<String, Value>,
    unverified_email: bool,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    flatten("", claims, 0, &mut found);
    let said = |name: &str| claims.get(name).map(truth);
    // An address or number nobody verified is whatever the person typed there: somebody else's, if
    // they like (attacks X-36, B-08).
    let email = said("email_verified").or(said("verified_email"));
    if email == Some(false) || (email.is_none() && !unverified_email) {
        found.retain(|(name, _)| name != "email");
    }
    if said("phone_number_verified") == Some(false) {
        found.retain(|(name, _)| name != "phone_number");
    }
    let mut bytes = 0;
    found.retain(|(name, value)| {
        bytes += name.len() + value.len();
        bytes <= BYTES_MAX
    });
    found.truncate(ATTRIBUTES_MAX);
    found
}

/// Some providers write the truth as a text.
fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::String(text) => text == "true",
        _ => false,
    }
}

fn flatten(
    prefix: &str,
    object: &Map<String, Value>,
    depth: usize,
    found: &mut Vec<(String, String)>,
) {
    for (name, value) in object {
        if depth == 0 && name != "sub" && is_ours(name) {
            continue;
        }
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Object(below) if depth < DEPTH_MAX => flatten(&name, below, depth + 1, found),
            Value::Array(all) => {
                let texts: Vec<String> = all.iter().filter_map(scalar).collect();
                if !texts.is_empty() {
                    push(found, name, texts.join(","));
                }
            }
            other => {
                if let Some(text) = scalar(other) {
                    push(found, name, text);
                }
            }
        }
    }
}

fn push(found: &mut Vec<(String, String)>, name: String, value: String) {
    if value.chars().count() <= VALUE_CHARS_MAX && name.len() <= 256 {
        found.push((name, value));
    }
}

/// A text, a number or a truth.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(claims: Value, unverified_email: bool) -> Vec<(String, String)> {
        attributes(claims.as_object().unwrap(), unverified_email)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn nested_members_get_dotted_names_and_lists_become_one_text() {
        let said = of(
            serde_json::json!({
                "sub": "1", "iss": "x", "nonce": "n", "id": 7,
                "data": {"name": {"first": "Ann"}}, "groups": ["a", "b"], "none": null
            }),
            false,
        );
        assert_eq!(
            said,
            [
                pair("data.name.first", "Ann"),
                pair("groups", "a,b"),
                pair("id", "7"),
                pair("sub", "1"),
            ]
        );
    }

    ///
    #[test]
    fn an_address_nobody_verified_is_not_passed_on() {
        let email = |said: Vec<(String, String)>| said.iter().any(|(name, _)| name == "email");
        let verified = serde_json::json!({"email": "a@b.example", "email_verified": true});
        let as_text = serde_json::json!({"email": "a@b.example", "email_verified": "true"});
        let unverified = serde_json::json!({"email": "a@b.example", "email_verified": false});
        let silent = serde_json::json!({"email": "a@b.example"});
        assert!(email(of(verified, false)));
        assert!(email(of(as_text, false)));
        assert!(!email(of(unverified.clone(), false)));
        assert!(!email(of(unverified, true)), "trust does not make it true");
        assert!(!email(of(silent.clone(), false)));
        assert!(email(of(silent, true)));
        let number = of(
            serde_json::json!({"phone_number": "+1", "phone_number_verified": false}),
            true,
        );
        assert!(!number.iter().any(|(name, _)| name == "phone_number"));
    }

    #[test]
    fn what_a_session_carries_is_bounded() {
        let mut claims = Map::new();
        for at in 0..500 {
            claims.insert(format!("a{at:03}"), "x".repeat(1000).into());
        }
        claims.insert("long".into(), "x".repeat(2000).into());
        let said = attributes(&claims, true);
        let bytes: usize = said
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(bytes <= BYTES_MAX, "{bytes}");
        assert!(!said.iter().any(|(name, _)| name == "long"));
    }
}
