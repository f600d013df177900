//! The local account that an attribute names.
//!
//! Owns: one rule: the first value of the attribute (of this identity provider, or of all) is the
//! account's name, in the user stores that are listed. Knows nothing of stores.

use postern_sdk::prelude::*;

fn queries(login: &FederatedLogin, settings: &Settings) -> Vec<Query> {
    let of_provider = attribute_of(&login.identity_provider, settings);
    let Some(attribute) = of_provider.or(settings.text("user_attribute")) else {
        if settings.text("user_attribute_of").is_none() {
            settings.problem("user_attribute", "is missing");
        }
        return Vec::new();
    };
    match login.attribute(attribute) {
        Some(name) => in_user_stores(name, settings),
        None => Vec::new(),
    }
}

/// The attribute listed for one identity provider.
fn attribute_of<'a>(provider: &str, settings: &'a Settings) -> Option<&'a str> {
    let mut found = None;
    for entry in settings
        .text("user_attribute_of")
        .unwrap_or_default()
        .split([',', '\n'])
    {
        let entry = entry.trim();
        match entry
            .split_once('=')
            .map(|(name, attribute)| (name.trim(), attribute.trim()))
        {
            Some((name, attribute)) if !name.is_empty() && !attribute.is_empty() => {
                if name == provider && found.is_none() {
                    found = Some(attribute);
                }
            }
            _ if entry.is_empty() => {}
            _ => settings.problem(
                "user_attribute_of",
                "has an entry that is not provider = attribute",
            ),
        }
    }
    found
}

postern_sdk::user_resolver!(queries);
postern_sdk::conformance!(resolver);
