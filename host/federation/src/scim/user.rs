//! A user as a SCIM resource, and a SCIM resource as what shall become of a user.
//!
//! Texts live in claims, under the URIs that the other protocols tell them by; addresses and numbers
//! with several values in one claim of JSON each, but the number that takes the codes, which is the
//! account's own.

use super::patch::orderly;
use super::schema::{Resource, USER};
use super::{Person, ScimError};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const EMAIL: &str = "http://wso2.org/claims/emailaddress";
const EMAILS: &str = "urn:ietf:params:scim:schemas:core:2.0:User:emails";
const PHONES: &str = "urn:ietf:params:scim:schemas:core:2.0:User:phoneNumbers";
/// The claim values a store takes.
const CLAIM_BYTES_MAX: usize = 4096;

/// Attribute, part, and the claim it is kept as.
const TEXTS: [(&str, &str, &str); 13] = [
    ("name", "formatted", "http://wso2.org/claims/formattedName"),
    ("name", "familyName", "http://wso2.org/claims/lastname"),
    ("name", "givenName", "http://wso2.org/claims/givenname"),
    ("name", "middleName", "http://wso2.org/claims/middleName"),
    (
        "name",
        "honorificPrefix",
        "http://wso2.org/claims/honorificPrefix",
    ),
    (
        "name",
        "honorificSuffix",
        "http://wso2.org/claims/honorificSuffix",
    ),
    ("nickName", "", "http://wso2.org/claims/nickname"),
    ("profileUrl", "", "http://wso2.org/claims/url"),
    ("title", "", "http://wso2.org/claims/title"),
    ("userType", "", "http://wso2.org/claims/userType"),
    (
        "preferredLanguage",
        "",
        "http://wso2.org/claims/preferredLanguage",
    ),
    ("locale", "", "http://wso2.org/claims/local"),
    ("timezone", "", "http://wso2.org/claims/timeZone"),
];

/// The claim of a text, by its path in lower case.
pub(super) fn claim_of(path: &str) -> Option<&'static str> {
    TEXTS.iter().find_map(|(attribute, part, uri)| {
        let known = if part.is_empty() {
            (*attribute).to_owned()
        } else {
            format!("{attribute}.{part}")
        };
        known.eq_ignore_ascii_case(path).then_some(*uri)
    })
}

/// The claims that hold the values of attributes with several, for whoever searches in them: the one
/// value, and the list.
pub const EMAIL_CLAIMS: (&str, &str) = (EMAIL, EMAILS);
pub const PHONE_CLAIM: &str = PHONES;

pub(super) fn emails(person: &Person) -> Vec<Map<String, Value>> {
    let mut list = listed(person, EMAILS);
    let Some(single) = person.claim(EMAIL) else {
        return list;
    };
    // The claim is what other doors change: it is the one to use.
    let first = list
        .iter()
        .position(|value| value.get("primary") == Some(&Value::Bool(true)))
        .unwrap_or(0);
    match list.get_mut(first) {
        Some(value) => {
            value.insert("value".to_owned(), single.into());
        }
        None => list.push(object(json!({ "value": single, "primary": true }))),
    }
    list
}

pub(super) fn phones(person: &Person) -> Vec<Map<String, Value>> {
    let mut list = listed(person, PHONES);
    if let Some(number) = &person.number {
        list.insert(0, object(json!({ "value": number, "type": "mobile" })));
    }
    list
}

fn listed(person: &Person, claim: &str) -> Vec<Map<String, Value>> {
    let list = person
        .claim(claim)
        .and_then(|text| serde_json::from_str::<Vec<Map<String, Value>>>(text).ok());
    list.unwrap_or_default()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// What a client may change of the user, as `orderly` would leave it; never a password.
pub fn attributes(person: &Person) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("userName".to_owned(), person.account.clone().into());
    if let Some(id) = &person.external_id {
        shown.insert("externalId".to_owned(), id.clone().into());
    }
    if let Some(name) = person.display_name.as_ref().filter(|name| !name.is_empty()) {
        shown.insert("displayName".to_owned(), name.clone().into());
    }
    for (attribute, part, uri) in TEXTS {
        let Some(text) = person.claim(uri) else {
            continue;
        };
        if part.is_empty() {
            shown.insert(attribute.to_owned(), text.into());
        } else if let Value::Object(parts) = shown
            .entry(attribute)
            .or_insert_with(|| Value::Object(Map::new()))
        {
            parts.insert(part.to_owned(), text.into());
        }
    }
    shown.insert("active".to_owned(), (!person.locked).into());
    for (name, values) in [("emails", emails(person)), ("phoneNumbers", phones(person))] {
        if !values.is_empty() {
            let values = values.into_iter().map(Value::Object).collect();
            shown.insert(name.to_owned(), Value::Array(values));
        }
    }
    shown
}

/// The whole resource. `base` is the address of the service.
pub fn resource(person: &Person, base: &str) -> Value {
    let mut shown = attributes(person);
    shown.insert("schemas".to_owned(), json!([USER]));
    shown.insert("id".to_owned(), person.id.clone().into());
    if !person.groups.is_empty() {
        let groups = person.groups.iter().map(|(id, name)| {
            json!({ "value": id, "$ref": format!("{base}/Groups/{id}"), "display": name })
        });
        shown.insert("groups".to_owned(), groups.collect());
    }
    let version = version(&shown);
    shown.insert(
        "meta".to_owned(),
        json!({
            "resourceType": "User",
            "created": super::written(person.created_at),
            "lastModified": super::written(person.changed_at),
            "location": format!("{base}/Users/{}", person.id),
            "version": version,
        }),
    );
    Value::Object(shown)
}

/// From what is in it, so that it changes by whatever door the user was changed.
pub fn version(shown: &Map<String, Value>) -> String {
    let text = serde_json::to_string(shown).unwrap_or_default();
    let digest = Sha256::digest(text);
    let hex: String = digest[..12].iter().map(|b| format!("{b:02x}")).collect();
    format!("W/\"{hex}\"")
}

/// A user as a client wants it.
#[derive(Clone)]
pub struct Wanted {
    pub user_name: String,
    pub display_name: Option<String>,
    /// As it was sent.
    pub number: Option<String>,
    /// `None`: the client does not say.
    pub active: Option<bool>,
    pub password: Option<Zeroizing<String>>,
    pub external_id: Option<String>,
    /// Every claim that SCIM keeps; those that are not here shall go.
    pub claims: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wanted({})", self.user_name)
    }
}

impl Wanted {
    /// From a body, or from what PATCH made of a user.
    pub fn read(body: &Map<String, Value>) -> Result<Self, ScimError> {
        let body = orderly(Resource::User, body)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let user_name =
            text("userName").ok_or_else(|| ScimError::value("`userName` is required"))?;
        let mut claims = BTreeMap::new();
        for (attribute, part, uri) in TEXTS {
            let value = body.get(attribute);
            let value = if part.is_empty() {
                value
            } else {
                value.and_then(|value| value.get(part))
            };
            if let Some(text) = value.and_then(Value::as_str) {
                claims.insert(uri, text.to_owned());
            }
        }
        let values = |name: &str| match body.get(name) {
            Some(Value::Array(values)) => values.clone(),
            _ => Vec::new(),
        };
        let emails = values("emails");
        let primary = |value: &&Value| value.get("primary") == Some(&Value::Bool(true));
        let first = emails.iter().find(primary).or(emails.first());
        if let Some(Value::String(address)) = first.and_then(|value| value.get("value")) {
            claims.insert(EMAIL, address.clone());
        }
        keep(&mut claims, EMAILS, &emails)?;
        let mobile = |value: &Value| {
            value
                .get("type")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.eq_ignore_ascii_case("mobile"))
        };
        let (mobiles, others): (Vec<_>, Vec<_>) =
            values("phoneNumbers").into_iter().partition(mobile);
        if mobiles.len() > 1 {
            return Err(ScimError::value(
                "`phoneNumbers`: at most one number is `mobile`",
            ));
        }
        let number = mobiles
            .first()
            .and_then(|value| value.get("value")?.as_str())
            .map(|number| number.strip_prefix("tel:").unwrap_or(number).to_owned());
        keep(&mut claims, PHONES, &others)?;
        Ok(Self {
            user_name,
            display_name: text("displayName"),
            number,
            active: body.get("active").and_then(Value::as_bool),
            password: text("password").map(Zeroizing::new),
            external_id: text("externalId"),
            claims,
        })
    }

    /// The claims that must change for the user to be so: an empty value takes one away.
    pub fn claims_over(&self, person: &Person) -> Vec<(String, String)> {
        let ours = TEXTS.iter().map(|(_, _, uri)| *uri);
        ours.chain([EMAIL, EMAILS, PHONES])
            .filter_map(|uri| {
                let wanted = self.claims.get(uri).map_or("", String::as_str);
                let known = person.claim(uri).unwrap_or_default();
                (wanted != known).then(|| (uri.to_owned(), wanted.to_owned()))
            })
            .collect()
    }
}

fn keep(
    claims: &mut BTreeMap<&'static str, String>,
    uri: &'static str,
    values: &[Value],
) -> Result<(), ScimError> {
    if values.is_empty() {
        return Ok(());
    }
    let text =
        serde_json::to_string(values).map_err(|_| ScimError::value("a list cannot be written"))?;
    if text.len() > CLAIM_BYTES_MAX {
        return Err(ScimError::value(format!(
            "a list is longer than {CLAIM_BYTES_MAX} bytes"
        )));
    }
    claims.insert(uri, text);
    Ok(())
}
