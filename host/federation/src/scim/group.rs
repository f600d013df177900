//! A group as a SCIM resource.

use super::patch::orderly;
use super::schema::{GROUP, Resource};
use super::user::version;
use super::{Group, ScimError};
use serde_json::{Map, Value, json};

/// What a client may change of the group.
pub fn attributes(group: &Group) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("displayName".to_owned(), group.display_name.clone().into());
    if let Some(id) = &group.external_id {
        shown.insert("externalId".to_owned(), id.clone().into());
    }
    if !group.members.is_empty() {
        let members = group.members.iter().map(|(id, _)| json!({ "value": id }));
        shown.insert("members".to_owned(), members.collect());
    }
    shown
}

/// The whole resource.
pub fn resource(group: &Group, base: &str) -> Value {
    let mut shown = attributes(group);
    let version = version(&shown);
    if !group.members.is_empty() {
        let members = group
            .members
            .iter()
            .map(|(id, _)| json!({ "value": id, "$ref": format!("{base}/Users/{id}") }));
        shown.insert("members".to_owned(), members.collect());
    }
    shown.insert("schemas".to_owned(), json!([GROUP]));
    shown.insert("id".to_owned(), group.id.clone().into());
    shown.insert(
        "meta".to_owned(),
        json!({
            "resourceType": "Group",
            "created": super::written(group.created_at),
            "lastModified": super::written(group.changed_at),
            "location": format!("{base}/Groups/{}", group.id),
            "version": version,
        }),
    );
    Value::Object(shown)
}

/// A group as a client wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub display_name: String,
    pub external_id: Option<String>,
    /// Ids, each once.
    pub members: Vec<String>,
}

impl Wanted {
    pub fn read(body: &Map<String, Value>) -> Result<Self, ScimError> {
        let body = orderly(Resource::Group, body)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let display_name =
            text("displayName").ok_or_else(|| ScimError::value("`displayName` is required"))?;
        let mut members = Vec::new();
        let mut seen = std::collections::HashSet::new();
        if let Some(Value::Array(values)) = body.get("members") {
            for value in values {
                let id = value
                    .get("value")
                    .and_then(Value::as_str)
                    .ok_or_else(|| ScimError::value("`members`: a member needs a `value`"))?;
                if seen.insert(id.to_owned()) {
                    members.push(id.to_owned());
                }
            }
        }
        Ok(Self {
            display_name,
            external_id: text("externalId"),
            members,
        })
    }
}
