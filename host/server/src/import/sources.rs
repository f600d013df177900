//! The files an import reads: which kind each is, and what it says. Nothing is judged here but form.

use super::parameters::{OF_OTHERS, Parameters};
use super::recipe::Exported;
use super::xml::{self, DOCUMENT_BYTES_MAX, Element};

/// What one file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `application-authentication.xml`, or the file of a tenant's registry.
    Step(Parameters),
    /// An exported identity provider: its SMSOTP entry.
    Entry(Exported),
}

/// By its content, not by its name.
pub(super) fn read(text: &str) -> Result<Source, String> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(format!("larger than {DOCUMENT_BYTES_MAX} bytes"));
    }
    let text = text.trim_start_matches('\u{feff}');
    match text.trim_start().chars().next() {
        Some('<') => of_xml(&xml::parse(text)?),
        Some('{') => of_json(text),
        Some(_) => of_toml(text),
        None => Err("empty".into()),
    }
}

// ---------------------------------------------------------------- XML

fn of_xml(root: &Element) -> Result<Source, String> {
    let all = root.all();
    let configs: Vec<&&Element> = all
        .iter()
        .filter(|element| {
            element.name == "AuthenticatorConfig" && element.attribute("name").is_some()
        })
        .collect();
    if !configs.is_empty() {
        return step_of_xml(&configs);
    }
    if root.name.eq_ignore_ascii_case("IdentityProvider") {
        return entry_of_xml(root);
    }
    Err(format!(
        "its root is `{}`: expected `ApplicationAuthentication` with an `AuthenticatorConfig`, or an exported `IdentityProvider`",
        root.name.escape_debug()
    ))
}

fn step_of_xml(configs: &[&&Element]) -> Result<Source, String> {
    let mut parameters = Parameters::default();
    let mut found = false;
    for config in configs {
        let name = config.attribute("name").unwrap_or_default();
        let pairs = parameters_of(config)?;
        if name == "SMSOTP" {
            // The first one counted; a second one is a mistake nobody should have to guess about.
            if found {
                return Err("two AuthenticatorConfig of the name SMSOTP: remove one".into());
            }
            found = true;
            parameters.enabled = config
                .attribute("enabled")
                .map(|text| text.trim().eq_ignore_ascii_case("true"));
            parameters.own = pairs;
        } else {
            of_another(name, pairs, &mut parameters);
        }
    }
    if !found && parameters.of_others.is_empty() {
        return Err(
            "no AuthenticatorConfig of the name SMSOTP, and none that says SMSOTP-userAttribute"
                .into(),
        );
    }
    Ok(Source::Step(parameters))
}

/// Each child's first attribute is the name, its text the value.
fn parameters_of(config: &Element) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for child in &config.children {
        let Some((_, name)) = child.attributes.first() else {
            continue;
        };
        let (name, value) = (name.trim().to_owned(), child.text.trim().to_owned());
        put(&mut pairs, name, value)?;
    }
    Ok(pairs)
}

/// Twice the same is once; twice something else is nobody's guess.
fn put(pairs: &mut Vec<(String, String)>, name: String, value: String) -> Result<(), String> {
    match pairs.iter().find(|(known, _)| *known == name) {
        Some((_, known)) if *known == value => Ok(()),
        Some(_) => Err(format!(
            "`{}` stands there twice with different values: remove one",
            name.escape_debug()
        )),
        None => {
            pairs.push((name, value));
            Ok(())
        }
    }
}

fn of_another(name: &str, pairs: Vec<(String, String)>, parameters: &mut Parameters) {
    let about_us: Vec<_> = pairs
        .into_iter()
        .filter(|(name, _)| OF_OTHERS.iter().any(|(old, _)| old == name))
        .collect();
    if !about_us.is_empty() {
        parameters.of_others.push((name.to_owned(), about_us));
    }
}

/// The file-based form, and the console's export: names differ in case, and the element of an
/// authenticator may be called anything.
fn entry_of_xml(root: &Element) -> Result<Source, String> {
    let name = ["IdentityProviderName", "name"]
        .iter()
        .find_map(|name| root.child_text(name))
        .filter(|name| !name.is_empty());
    let all = root.all();
    let is_ours = |element: &&&Element| {
        element.child_text("name") == Some("SMSOTP") && !element.children.is_empty()
    };
    let ours: Vec<&&Element> = all.iter().filter(is_ours).collect();
    // The default is told by its name again, without properties.
    let (of_default, of_list): (Vec<&Element>, Vec<&Element>) =
        ours.into_iter().copied().partition(|element| {
            element
                .name
                .eq_ignore_ascii_case("DefaultAuthenticatorConfig")
        });
    let config = of_list
        .iter()
        .find(|element| !properties_of(element).is_empty())
        .or(of_list.first())
        .or(of_default.first())
        .ok_or("this identity provider has no SMSOTP entry")?;
    let with_values = of_list
        .iter()
        .filter(|e| !properties_of(e).is_empty())
        .count();
    if with_values > 1 {
        return Err("two SMSOTP entries in one identity provider: remove one".into());
    }
    let mut properties = Vec::new();
    for (name, value) in properties_of(config) {
        put(&mut properties, name, value)?;
    }
    let default = if !of_default.is_empty() {
        Some(true)
    } else {
        flag(config, &["isDefault", "default"])
    };
    Ok(Source::Entry(Exported {
        name: name.unwrap_or("SMSOTP").to_owned(),
        enabled: flag(config, &["IsEnabled", "enabled"]),
        default,
        properties,
    }))
}

fn flag(element: &Element, names: &[&str]) -> Option<bool> {
    let text = names.iter().find_map(|name| element.child_text(name))?;
    Some(text.eq_ignore_ascii_case("true"))
}

fn properties_of(config: &Element) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for element in config.all().into_iter().skip(1) {
        let name = ["name", "key"]
            .iter()
            .find_map(|name| element.child_text(name));
        if let (Some(name), Some(value)) = (name, element.child_text("value")) {
            pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    pairs
}

// ---------------------------------------------------------------- JSON

fn of_json(text: &str) -> Result<Source, String> {
    let root: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("not JSON (line {})", error.line()))?;
    let text_of = |value: &serde_json::Value, names: &[&str]| {
        names
            .iter()
            .find_map(|name| value.get(name))
            .and_then(|value| value.as_str())
            .map(str::to_owned)
    };
    let mut ours = Vec::new();
    find_ours(&root, &mut ours);
    let config = match ours.as_slice() {
        [config] => *config,
        [] => return Err("this identity provider has no SMSOTP entry".into()),
        _ => return Err("two SMSOTP entries in one identity provider: remove one".into()),
    };
    let mut properties = Vec::new();
    let list = config.get("properties").and_then(|list| list.as_array());
    for property in list.into_iter().flatten() {
        let (Some(name), Some(value)) = (
            text_of(property, &["name", "key"]),
            property.get("value").map(plain),
        ) else {
            continue;
        };
        put(&mut properties, name, value)?;
    }
    let switch = |names: &[&str]| {
        let value = names.iter().find_map(|name| config.get(name))?;
        Some(plain(value).eq_ignore_ascii_case("true"))
    };
    let named_default = root
        .get("defaultAuthenticatorConfig")
        .and_then(|config| text_of(config, &["name"]));
    Ok(Source::Entry(Exported {
        name: text_of(&root, &["identityProviderName", "name"]).unwrap_or("SMSOTP".into()),
        enabled: switch(&["isEnabled", "enabled"]),
        default: named_default
            .map(|name| name == "SMSOTP")
            .or(switch(&["isDefault", "default"])),
        properties,
    }))
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.trim().to_owned(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn find_ours<'v>(value: &'v serde_json::Value, found: &mut Vec<&'v serde_json::Value>) {
    match value {
        serde_json::Value::Object(members) => {
            let is_ours = members.get("name").and_then(|name| name.as_str()) == Some("SMSOTP")
                && members
                    .get("properties")
                    .is_some_and(|list| list.is_array());
            if is_ours {
                found.push(value);
            } else {
                members.values().for_each(|value| find_ours(value, found));
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| find_ours(value, found)),
        _ => {}
    }
}

// ---------------------------------------------------------------- TOML

/// `deployment.toml`: `[authentication.authenticator.NAME]` with its `parameters`, and
/// `[[authentication.custom_authenticator]]`.
fn of_toml(text: &str) -> Result<Source, String> {
    // Not the error's own words: they quote a line, which may hold a password.
    let root: toml::Table =
        toml::from_str(text).map_err(|_| "neither XML nor JSON nor TOML".to_owned())?;
    let mut parameters = Parameters::default();
    let mut found = false;
    let authentication = root.get("authentication").and_then(toml::Value::as_table);
    let listed = authentication
        .and_then(|table| table.get("authenticator"))
        .and_then(toml::Value::as_table);
    for (name, value) in listed.into_iter().flatten() {
        if let Some(table) = value.as_table() {
            take(name, table, &mut parameters, &mut found)?;
        }
    }
    let custom = authentication
        .and_then(|table| table.get("custom_authenticator"))
        .and_then(toml::Value::as_array);
    for table in custom
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
    {
        let name = table.get("name").and_then(toml::Value::as_str);
        take(name.unwrap_or_default(), table, &mut parameters, &mut found)?;
    }
    let claims = root
        .get("OTPBackupCodes")
        .and_then(toml::Value::as_table)
        .and_then(|table| table.get("UseIdentityClaims"));
    if let Some(value) = claims {
        let name = "OTPBackupCodes.UseIdentityClaims".to_owned();
        put(&mut parameters.own, name, of_value(value))?;
    }
    if !found {
        return Err(
            "no `[authentication.authenticator.sms_otp]`: expected the step's section of deployment.toml"
                .into(),
        );
    }
    Ok(Source::Step(parameters))
}

fn take(
    name: &str,
    table: &toml::Table,
    parameters: &mut Parameters,
    found: &mut bool,
) -> Result<(), String> {
    let mut pairs = Vec::new();
    let below = table.get("parameters").and_then(toml::Value::as_table);
    for (key, value) in below.into_iter().flatten() {
        put(&mut pairs, key.clone(), of_value(value))?;
    }
    let own_name = table.get("name").and_then(toml::Value::as_str);
    if name == "sms_otp" || name == "SMSOTP" || own_name == Some("SMSOTP") {
        if *found {
            return Err("the step has two sections: remove one".into());
        }
        *found = true;
        // Without `parameters` they may stand in the section itself.
        for (key, value) in table {
            let is_its_own = matches!(key.as_str(), "enable" | "name" | "parameters");
            if !is_its_own && !value.is_table() {
                put(&mut pairs, key.clone(), of_value(value))?;
            }
        }
        parameters.enabled = table.get("enable").and_then(toml::Value::as_bool);
        let mut earlier = std::mem::take(&mut parameters.own);
        for (name, value) in pairs {
            put(&mut earlier, name, value)?;
        }
        parameters.own = earlier;
    } else {
        of_another(own_name.unwrap_or(name), pairs, parameters);
    }
    Ok(())
}

fn of_value(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}
