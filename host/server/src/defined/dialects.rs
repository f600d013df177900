//! Claim dialects: what others call the claims that are known here. A provider that speaks one has
//! its mappings beside its own; where both name the same thing, its own win.

use super::forms::{section, text};
use postern_admin::definitions::{DIALECT, Declared, Definition};
use postern_admin::form::{self, Field, FieldKind, Section};
use std::collections::BTreeMap;

/// Their only form.
pub(super) const FORM: &str = "dialect";
const CLAIMS: &str = "claims";

/// Name there and claim here, by dialect.
pub(super) type Dialects = BTreeMap<String, Vec<(String, String)>>;

/// Those every installation has.
const BUILT_IN: [(&str, &str, &str); 3] = [
    (
        "openid",
        "http://schema.openid.net/2007/05/claims",
        "name = http://wso2.org/claims/displayName
given_name = http://wso2.org/claims/givenname
family_name = http://wso2.org/claims/lastname
email = http://wso2.org/claims/emailaddress
phone_number = http://wso2.org/claims/mobile
locale = http://wso2.org/claims/local",
    ),
    (
        "x500",
        "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
        "urn:oid:2.16.840.1.113730.3.1.241 = http://wso2.org/claims/displayName
urn:oid:2.5.4.42 = http://wso2.org/claims/givenname
urn:oid:2.5.4.4 = http://wso2.org/claims/lastname
urn:oid:0.9.2342.19200300.100.1.3 = http://wso2.org/claims/emailaddress
urn:oid:0.9.2342.19200300.100.1.41 = http://wso2.org/claims/mobile
urn:oid:2.16.840.1.113730.3.1.39 = http://wso2.org/claims/local",
    ),
    (
        "ws-federation",
        "http://schemas.xmlsoap.org/ws/2005/05/identity",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name = http://wso2.org/claims/displayName
http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname = http://wso2.org/claims/givenname
http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname = http://wso2.org/claims/lastname
http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress = http://wso2.org/claims/emailaddress
http://schemas.xmlsoap.org/ws/2005/05/identity/claims/mobilephone = http://wso2.org/claims/mobile",
    ),
];

pub(super) fn declared() -> Vec<Declared> {
    BUILT_IN
        .iter()
        .map(|(name, uri, claims)| Declared {
            name: (*name).to_owned(),
            form: FORM.to_owned(),
            enabled: true,
            default: false,
            place: "Postern itself".to_owned(),
            values: [("uri", *uri), (CLAIMS, *claims)]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            set: Vec::new(),
        })
        .collect()
}

pub(super) fn built_in() -> Dialects {
    BUILT_IN
        .iter()
        .map(|(name, _, claims)| ((*name).to_owned(), mappings(claims)))
        .collect()
}

pub(super) fn form() -> Vec<Section> {
    vec![section(
        "Dialect",
        "Providers name it in their field Claim dialect.",
        vec![
            text(
                "uri",
                "Dialect URI",
                "What others call the dialect; for people to read.",
            ),
            text(CLAIMS, "Mappings", "Name there = claim here.")
                .of(FieldKind::Pairs)
                .required(),
        ],
    )]
}

/// The field of providers.
pub(super) fn field() -> Field {
    text(
        DIALECT,
        "Claim dialect",
        "A dialect of the page Claims; its mappings hold beside those here.",
    )
}

pub(super) fn of(definition: &Definition) -> Vec<(String, String)> {
    mappings(definition.values.get(CLAIMS).map_or("", String::as_str))
}

fn mappings(text: &str) -> Vec<(String, String)> {
    form::pairs(text)
        .map(|(there, here)| (there.to_owned(), here.to_owned()))
        .collect()
}

/// What is wrong with a dialect by itself.
pub(super) fn check(definition: &Definition) -> Vec<(String, String)> {
    let mut known: Vec<String> = Vec::new();
    for (there, here) in of(definition) {
        if there.is_empty() || here.is_empty() {
            let message = "an empty name: expected `name there = claim here`".to_owned();
            return vec![(CLAIMS.to_owned(), message)];
        }
        if known.contains(&there) {
            return vec![(CLAIMS.to_owned(), format!("`{there}` stands there twice"))];
        }
        known.push(there);
    }
    Vec::new()
}

/// Writes the mappings of the dialect that a provider names into its section.
pub(super) fn spell_out(
    table: &mut toml::Table,
    dialects: &Dialects,
) -> Result<(), Vec<(String, String)>> {
    let Some(toml::Value::String(name)) = table.remove(DIALECT) else {
        return Ok(());
    };
    let Some(mappings) = dialects.get(&name) else {
        let known: Vec<_> = dialects.keys().map(String::as_str).collect();
        let message = format!(
            "there is no claim dialect `{name}`: expected one of {}",
            known.join(", ")
        );
        return Err(vec![(DIALECT.to_owned(), message)]);
    };
    let claims = table
        .entry(CLAIMS)
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let toml::Value::Table(claims) = claims {
        for (there, here) in mappings {
            if !claims.contains_key(there) {
                claims.insert(there.clone(), here.clone().into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn dialect(claims: &str) -> Definition {
        Definition {
            form: FORM.to_owned(),
            enabled: true,
            default: false,
            values: [(CLAIMS.to_owned(), claims.to_owned())].into(),
        }
    }

    #[test]
    fn a_providers_own_mapping_wins_over_its_dialects() {
        let dialects = Dialects::from([(
            "corp".to_owned(),
            of(&dialect(
                "mail = http://claims/mail\ntel = http://claims/tel",
            )),
        )]);
        let mut table: toml::Table =
            toml::from_str("dialect = \"corp\"\n[claims]\nmail = \"own\"").unwrap();
        spell_out(&mut table, &dialects).unwrap();
        let expected: toml::Table =
            toml::from_str("[claims]\nmail = \"own\"\ntel = \"http://claims/tel\"").unwrap();
        assert_eq!(table, expected);
    }

    #[test]
    fn a_dialect_that_is_not_there_is_told_with_those_that_are() {
        let mut table: toml::Table = toml::from_str("dialect = \"corp\"").unwrap();
        let problems = spell_out(&mut table, &built_in()).unwrap_err();
        assert_eq!(problems[0].0, DIALECT);
        assert!(
            problems[0].1.contains("openid, ws-federation, x500"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_dialect_maps_each_name_once() {
        assert_eq!(check(&dialect("a = b\nc = b")), []);
        for bad in ["a = b\na = c", "a =", " = b", "a"] {
            assert_eq!(check(&dialect(bad)).len(), 1, "{bad}");
        }
        for one in declared() {
            let claims = one.values[CLAIMS].clone();
            assert_eq!(check(&dialect(&claims)), [], "{}", one.name);
        }
    }
}
