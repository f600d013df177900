//! SCIM 1.1 as the older peers speak it: the same resources under another schema's name, another list,
//! another PATCH, another error.

use super::ScimError;
use super::json::member;
use super::patch::{apply, orderly};
use super::schema::{PATCH, Resource};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

pub const CORE: &str = "urn:scim:schemas:core:1.0";

type Object = Map<String, Value>;

/// A resource of ours in its words.
pub fn resource(mut resource: Value) -> Value {
    resource["schemas"] = json!([CORE]);
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("resourceType");
    }
    resource
}

pub fn list(total: usize, start_index: usize, resources: Vec<Value>) -> Value {
    json!({
        "schemas": [CORE],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources.into_iter().map(resource).collect::<Vec<_>>(),
    })
}

/// A filter as the older peers write it: `userName Eq alice`, without quotes. Any other text is left as it
/// stands.
pub fn filter(text: &str) -> Cow<'_, str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [attribute, operator, value]
            if !value.contains(['"', '(', ')', '[', ']'])
                && !["true", "false", "null"].contains(value) =>
        {
            Cow::Owned(format!("{attribute} {operator} {}", json!(value)))
        }
        _ => Cow::Borrowed(text),
    }
}

/// `/ServiceProviderConfigs`.
pub fn configuration() -> Value {
    json!({
        "schemas": [CORE],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": super::limits::RESULTS_MAX },
        "changePassword": { "supported": true },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "xmlDataFormat": { "supported": false },
        "authenticationSchemes": [
            { "type": "httpbasic", "name": "HTTP Basic", "description": "An API client: its name, and its token as the password.", "primary": true },
            { "type": "oauthbearertoken", "name": "Bearer token", "description": "The client's token." },
        ],
    })
}

/// PATCH (SCIM 1.1, 3.3.2): a part of the resource. `meta.attributes` names what goes, a value with
/// `"operation": "delete"` is taken out, what else is there is put in.
pub fn patch(resource: Resource, current: Object, body: &Object) -> Result<Object, ScimError> {
    let mut operations = Vec::new();
    let going = member(body, "meta")
        .and_then(|meta| meta.get("attributes"))
        .and_then(Value::as_array);
    for path in going.into_iter().flatten() {
        let path = path
            .as_str()
            .ok_or_else(|| ScimError::syntax("`meta.attributes` must be a list of names"))?;
        operations.push(json!({ "op": "remove", "path": path }));
    }
    let mut more = Object::new();
    for (name, value) in body {
        if ["schemas", "meta", "id"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            continue;
        }
        let Some(attribute) = resource.attribute(name) else {
            continue;
        };
        let (Value::Array(values), true) = (value, attribute.many) else {
            more.insert(name.clone(), value.clone());
            continue;
        };
        let (deleted, added): (Vec<Value>, Vec<Value>) = values.iter().cloned().partition(|one| {
            one.get("operation")
                .and_then(Value::as_str)
                .is_some_and(|operation| operation.eq_ignore_ascii_case("delete"))
        });
        if !deleted.is_empty() {
            operations.push(json!({ "op": "remove", "path": attribute.name, "value": deleted }));
        }
        if !added.is_empty() {
            more.insert(name.clone(), Value::Array(added));
        }
    }
    // An empty PATCH changes nothing.
    let more = orderly(resource, &more)?;
    if !more.is_empty() {
        operations.push(json!({ "op": "add", "value": more }));
    }
    if operations.is_empty() {
        return Ok(current);
    }
    let body = json!({ "schemas": [PATCH], "Operations": operations });
    match body {
        Value::Object(body) => apply(resource, None, current, &body),
        _ => Err(ScimError::syntax("an operation must be an object")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_part_is_put_in_and_what_is_named_goes() {
        let current = json!({
            "userName": "alice", "title": "boss", "nickName": "Al",
            "emails": [{"value": "a@example.com"}, {"value": "b@example.com"}]
        });
        let body = json!({
            "schemas": [CORE],
            "meta": {"attributes": ["title"]},
            "nickName": "Ali",
            "emails": [{"value": "b@example.com", "operation": "delete"}, {"value": "c@example.com"}]
        });
        let after = patch(
            Resource::User,
            current.as_object().unwrap().clone(),
            body.as_object().unwrap(),
        )
        .unwrap();
        assert_eq!(
            Value::Object(after),
            json!({
                "userName": "alice", "nickName": "Ali",
                "emails": [{"value": "a@example.com"}, {"value": "c@example.com"}]
            })
        );
    }

    #[test]
    fn a_value_without_quotes_gets_them() {
        for (text, expected) in [
            ("userName Eq alice", r#"userName Eq "alice""#),
            ("userName Eq WSO2/alice", r#"userName Eq "WSO2/alice""#),
            ("userName  Eq  12345", r#"userName Eq "12345""#),
            (r"userName Eq a\b", r#"userName Eq "a\\b""#),
            (r#"userName Eq "alice""#, r#"userName Eq "alice""#),
            ("active Eq true", "active Eq true"),
            ("userName pr", "userName pr"),
            ("(userName Eq alice)", "(userName Eq alice)"),
            ("userName Eq a b", "userName Eq a b"),
        ] {
            assert_eq!(filter(text), expected);
        }
    }
}
