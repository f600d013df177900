//! PATCH (RFC 7644, 3.5.2) on the JSON of a resource, and the forms its values may have. What an operation
//! may reach is the schema's to say: what the server alone says is not reached at all.

use super::ScimError;
use super::filter::{Compared, Operator, Part, bounded};
use super::json::member;
use super::limits::{
    FILTER_BYTES_MAX, MEMBERS_MAX, PATCH_OPERATIONS_MAX, TEXT_BYTES_MAX, VALUES_MAX,
};
use super::schema::{Attribute, Kind, Mutability, PATCH, Resource};
use scim_v2::filter::{AttrPath, PatchPath, PatchValuePath};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

type Object = Map<String, Value>;

/// What of a body is kept, each under its own name and of its own type. What the server alone says, and
/// what is not in the schema, is passed over (RFC 7644, 3.3 and 3.5.1).
pub fn orderly(resource: Resource, body: &Object) -> Result<Object, ScimError> {
    let mut kept = Object::new();
    for (name, value) in body {
        let Some(attribute) = attribute(resource, name) else {
            continue;
        };
        if attribute.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = fitting(attribute, value)? {
            kept.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(kept)
}

/// The resource after the operations of a PATCH body; `current` as `orderly` leaves it. `id` is its own, which a client
/// may say among what it changes.
pub fn apply(
    resource: Resource,
    id: Option<&str>,
    current: Object,
    body: &Object,
) -> Result<Object, ScimError> {
    let ours = member(body, "schemas").is_some_and(|schemas| {
        schemas
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == PATCH))
    });
    if !ours {
        return Err(ScimError::syntax(format!("`schemas` must name `{PATCH}`")));
    }
    let operations = member(body, "Operations")
        .and_then(Value::as_array)
        .filter(|operations| !operations.is_empty())
        .ok_or_else(|| ScimError::syntax("`Operations` must be a list of operations"))?;
    if operations.len() > PATCH_OPERATIONS_MAX {
        return Err(ScimError::new(
            413,
            format!("a PATCH has at most {PATCH_OPERATIONS_MAX} operations"),
        ));
    }
    let mut patched = Patched {
        resource,
        id,
        object: current,
    };
    for operation in operations {
        patched.operate(operation)?;
    }
    Ok(patched.object)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Add,
    Replace,
    Remove,
}

struct Patched<'a> {
    resource: Resource,
    id: Option<&'a str>,
    object: Object,
}

impl Patched<'_> {
    fn operate(&mut self, operation: &Value) -> Result<(), ScimError> {
        let operation = operation
            .as_object()
            .ok_or_else(|| ScimError::syntax("an operation must be an object"))?;
        let act = match member(operation, "op").and_then(Value::as_str) {
            // Some clients begin it with a capital.
            Some(op) if op.eq_ignore_ascii_case("add") => Act::Add,
            Some(op) if op.eq_ignore_ascii_case("replace") => Act::Replace,
            Some(op) if op.eq_ignore_ascii_case("remove") => Act::Remove,
            _ => {
                return Err(ScimError::syntax(
                    "`op` must be `add`, `replace` or `remove`",
                ));
            }
        };
        let value = member(operation, "value");
        let path = match member(operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if !path.is_empty() => Some(path.as_str()),
            Some(_) => return Err(ScimError::path("`path` must be a text")),
        };
        if let Some(path) = path {
            return self.at(act, path, value);
        }
        if act == Act::Remove {
            return Err(ScimError::no_target("`remove` needs a `path`"));
        }
        let value = value
            .and_then(Value::as_object)
            .ok_or_else(|| ScimError::value("without a `path`, `value` must be an object"))?;
        for (name, value) in value {
            // Okta says of what it renames which one that is.
            let named = name.eq_ignore_ascii_case("id")
                && value.as_str().is_some_and(|said| self.id == Some(said));
            if named || name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            // An extension's object, or our own schema's.
            if name.eq_ignore_ascii_case(self.resource.urn())
                && let Some(inner) = value.as_object()
            {
                for (name, value) in inner {
                    self.at(act, name, Some(value))?;
                }
                continue;
            }
            let known = name.contains(['.', '['])
                || attribute(self.resource, name).is_some()
                || server_says(name);
            // What we do not keep is passed over, as it is in a whole resource.
            if known {
                self.at(act, name, Some(value))?;
            }
        }
        Ok(())
    }

    fn at(&mut self, act: Act, path: &str, value: Option<&Value>) -> Result<(), ScimError> {
        if path.len() > FILTER_BYTES_MAX {
            return Err(ScimError::path("the path is too long"));
        }
        bounded(path).map_err(|error| ScimError::path(error.detail))?;
        let parsed: PatchPath = path
            .parse()
            .map_err(|_| ScimError::path("not a path of RFC 7644, section 3.5.2"))?;
        match parsed {
            PatchPath::Attr(path) => self.attribute_at(act, &path, value),
            PatchPath::Value(path) => self.values_at(act, &path, value),
        }
    }

    fn reached(&self, path: &AttrPath) -> Result<&'static Attribute, ScimError> {
        let ours = path
            .uri
            .as_deref()
            .is_none_or(|uri| uri.eq_ignore_ascii_case(self.resource.urn()));
        if ours && server_says(&path.name) {
            return Err(ScimError::mutability(
                "the attribute is read-only: the server alone says it",
            ));
        }
        let found = self.resource.attribute(&path.name).filter(|_| ours);
        let found =
            found.ok_or_else(|| ScimError::path("the path names an attribute that is not kept"))?;
        if found.mutability == Mutability::ReadOnly {
            return Err(ScimError::mutability(
                "the attribute is read-only: the server alone says it",
            ));
        }
        Ok(found)
    }

    fn attribute_at(
        &mut self,
        act: Act,
        path: &AttrPath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let attribute = self.reached(path)?;
        if let Some(sub) = &path.sub_attr {
            let part = attribute
                .part(sub)
                .ok_or_else(|| ScimError::path("the path names a part that is not kept"))?;
            return self.part_at(act, attribute, part, value);
        }
        if act == Act::Remove {
            return self.remove(attribute, value);
        }
        let value = value.ok_or_else(|| ScimError::value("`value` is missing"))?;
        let Some(value) = fitting(attribute, value)? else {
            // Null and the empty list are as good as nothing.
            if act == Act::Replace {
                self.object.remove(attribute.name);
            }
            return Ok(());
        };
        if attribute.many {
            let mut values = match (act, self.object.remove(attribute.name)) {
                (Act::Add, Some(Value::Array(values))) => values,
                _ => Vec::new(),
            };
            let Value::Array(more) = value else {
                return Err(ScimError::value("expected a list"));
            };
            if more.iter().any(primary) {
                values.iter_mut().for_each(not_primary);
            }
            // By hash: a group of thousands gets thousands, in each of a hundred operations.
            let mut known: HashSet<String> = values.iter().map(sameness).collect();
            for one in more {
                if known.insert(sameness(&one)) {
                    values.push(one);
                    within(attribute, values.len())?;
                }
            }
            self.object
                .insert(attribute.name.to_owned(), Value::Array(values));
            return Ok(());
        }
        if let (Some(Value::Object(known)), Value::Object(more)) =
            (self.object.get_mut(attribute.name), &value)
        {
            known.extend(more.clone());
            return Ok(());
        }
        self.object.insert(attribute.name.to_owned(), value);
        Ok(())
    }

    fn remove(
        &mut self,
        attribute: &'static Attribute,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        if attribute.required {
            return Err(ScimError::mutability(format!(
                "`{}` is required",
                attribute.name
            )));
        }
        // Some clients name the values to remove beside the path.
        if let (true, Some(value)) = (attribute.many, value)
            && let Some(Value::Array(going)) = fitting(attribute, value)?
        {
            if let Some(Value::Array(values)) = self.object.get_mut(attribute.name) {
                let going: HashSet<String> = going.iter().map(sameness).collect();
                values.retain(|known| !going.contains(&sameness(known)));
            }
            return Ok(());
        }
        self.object.remove(attribute.name);
        Ok(())
    }

    fn part_at(
        &mut self,
        act: Act,
        attribute: &'static Attribute,
        part: &'static Attribute,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        if part.mutability != Mutability::ReadWrite {
            return Err(ScimError::mutability("a part that cannot be changed"));
        }
        let value = match (act, value) {
            (Act::Remove, _) => None,
            (_, Some(value)) => fitting(part, value)?,
            (_, None) => return Err(ScimError::value("`value` is missing")),
        };
        match self.object.get_mut(attribute.name) {
            Some(Value::Array(values)) => {
                for one in values.iter_mut().filter_map(Value::as_object_mut) {
                    set(one, part.name, value.clone());
                }
            }
            Some(Value::Object(known)) => set(known, part.name, value),
            _ if value.is_some() => {
                let mut object = Object::new();
                set(&mut object, part.name, value);
                let object = Value::Object(object);
                let new = if attribute.many {
                    Value::Array(vec![object])
                } else {
                    object
                };
                self.object.insert(attribute.name.to_owned(), new);
            }
            _ => {}
        }
        Ok(())
    }

    fn values_at(
        &mut self,
        act: Act,
        path: &PatchValuePath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let attribute = self.reached(&path.attr)?;
        if !attribute.many || path.attr.sub_attr.is_some() {
            return Err(ScimError::path(
                "the path selects among values where there are none to choose from",
            ));
        }
        let wanted = Part::of(&path.filter, self.resource, attribute.name)
            .map_err(|error| ScimError::path(error.detail))?;
        let part = match &path.sub_attr {
            None => None,
            Some(sub) => Some(
                attribute
                    .part(sub)
                    .filter(|part| part.mutability == Mutability::ReadWrite)
                    .ok_or_else(|| ScimError::path("the path names a part that is not kept"))?,
            ),
        };
        let mut values = match self.object.remove(attribute.name) {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        };
        let matches = |value: &Value| value.as_object().is_some_and(|value| wanted.holds(value));
        if act == Act::Remove {
            match part {
                None => values.retain(|value| !matches(value)),
                Some(part) => {
                    for value in values.iter_mut().filter(|value| matches(value)) {
                        if let Some(value) = value.as_object_mut() {
                            value.remove(part.name);
                        }
                    }
                }
            }
        } else {
            let value = value.ok_or_else(|| ScimError::value("`value` is missing"))?;
            let change = self.change(attribute, part, value)?;
            if !values.iter().any(&matches) {
                if act == Act::Replace {
                    return Err(ScimError::no_target("no value is as the path says"));
                }
                let mut new = Object::new();
                named(&wanted, &mut new);
                values.push(Value::Object(new));
                within(attribute, values.len())?;
            }
            if change.get("primary") == Some(&Value::Bool(true)) {
                values.iter_mut().for_each(not_primary);
            }
            for value in values.iter_mut().filter(|value| matches(value)) {
                if let Some(value) = value.as_object_mut() {
                    value.extend(change.clone());
                }
            }
        }
        if !values.is_empty() {
            self.object
                .insert(attribute.name.to_owned(), Value::Array(values));
        }
        Ok(())
    }

    /// What the values that were selected get.
    fn change(
        &self,
        attribute: &'static Attribute,
        part: Option<&'static Attribute>,
        value: &Value,
    ) -> Result<Object, ScimError> {
        if let Some(part) = part {
            let value = fitting(part, value)?
                .ok_or_else(|| ScimError::value("`value` is empty: `remove` takes away"))?;
            return Ok(Object::from_iter([(part.name.to_owned(), value)]));
        }
        match fitting(attribute, value)? {
            Some(Value::Array(mut values)) if values.len() == 1 => match values.pop() {
                Some(Value::Object(object)) => Ok(object),
                _ => Err(ScimError::value("expected one value")),
            },
            _ => Err(ScimError::value("expected one value")),
        }
    }
}

/// What a filter of equalities says of a value, for one that is made by it.
fn named(wanted: &Part, new: &mut Object) {
    match wanted {
        Part::Compare(name, Operator::Equal, Compared::Text(text)) => {
            new.insert((*name).to_owned(), text.clone().into());
        }
        Part::Compare(name, Operator::Equal, Compared::Truth(truth)) => {
            new.insert((*name).to_owned(), (*truth).into());
        }
        Part::All(all) => all.iter().for_each(|one| named(one, new)),
        Part::Present(_) | Part::Compare(..) | Part::Not(_) | Part::Any(_) => {}
    }
}

fn set(object: &mut Object, name: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            object.insert(name.to_owned(), value);
        }
        None => {
            object.remove(name);
        }
    }
}

/// What two values have in common that are the same: `value` alone where no `type` stands beside it.
fn sameness(one: &Value) -> String {
    match (one.get("value"), one.get("type")) {
        (Some(value), None) => format!("value {value}"),
        _ => match one.as_object() {
            // In one order, however they were written.
            Some(parts) => {
                let parts: BTreeMap<&String, &Value> = parts.iter().collect();
                format!("whole {parts:?}")
            }
            None => format!("whole {one}"),
        },
    }
}

fn primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

fn not_primary(value: &mut Value) {
    if primary(value)
        && let Some(value) = value.as_object_mut()
    {
        value.insert("primary".to_owned(), false.into());
    }
}

fn server_says(name: &str) -> bool {
    ["id", "meta", "schemas"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// By its name, with or without the schema's.
fn attribute(resource: Resource, name: &str) -> Option<&'static Attribute> {
    let bare = match name.rsplit_once(':') {
        Some((urn, bare)) if urn.eq_ignore_ascii_case(resource.urn()) => bare,
        Some(_) => return None,
        None => name,
    };
    resource.attribute(bare)
}

fn within(attribute: &Attribute, count: usize) -> Result<(), ScimError> {
    let most = if attribute.name == "members" {
        MEMBERS_MAX
    } else {
        VALUES_MAX
    };
    if count > most {
        return Err(ScimError::value(format!(
            "`{}` has at most {most} values",
            attribute.name
        )));
    }
    Ok(())
}

/// The value in its own type; `None` if it is as good as nothing.
fn fitting(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    if !attribute.many {
        return single(attribute, value);
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    within(attribute, values.len())?;
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        if let Some(value) = single(attribute, value)? {
            kept.push(value);
        }
    }
    if kept.iter().filter(|value| primary(value)).count() > 1 {
        return Err(ScimError::value(format!(
            "`{}`: at most one value is primary",
            attribute.name
        )));
    }
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}

fn single(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    let wrong = |expected: &str| {
        Err(ScimError::value(format!(
            "`{}`: expected {expected}",
            attribute.name
        )))
    };
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Text | Kind::Reference(_), Value::String(text)) => {
            let secret = attribute.mutability == Mutability::WriteOnly;
            if text.len() > TEXT_BYTES_MAX || (!secret && text.chars().any(char::is_control)) {
                return wrong("one line of at most 1024 bytes");
            }
            Ok((!text.is_empty()).then(|| value.clone()))
        }
        (Kind::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        // Some clients write it as a text.
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => {
            Ok(Some(true.into()))
        }
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => {
            Ok(Some(false.into()))
        }
        (Kind::Complex(_), Value::Object(object)) => {
            let mut kept = Object::new();
            for (name, value) in object {
                if let Some(part) = attribute.part(name)
                    && let Some(value) = fitting(part, value)?
                {
                    kept.insert(part.name.to_owned(), value);
                }
            }
            Ok((!kept.is_empty()).then_some(Value::Object(kept)))
        }
        (Kind::Text | Kind::Reference(_), _) => wrong("a text"),
        (Kind::Boolean, _) => wrong("true or false"),
        (Kind::Complex(_), _) => wrong("an object"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn patched(resource: Resource, before: Value, operations: Value) -> Result<Value, ScimError> {
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        apply(
            resource,
            Some("7"),
            before.as_object().unwrap().clone(),
            body.as_object().unwrap(),
        )
        .map(Value::Object)
    }

    /// Compared one with another these would be billions of comparisons.
    #[test]
    fn members_of_a_large_group_are_told_apart_in_time() {
        let members: Vec<Value> = (0..9_000)
            .map(|n| json!({"value": format!("m{n}")}))
            .collect();
        let mut operations = vec![json!({"op": "add", "path": "members", "value": members}); 10];
        operations.push(json!({"op": "remove", "path": "members", "value": members[1..]}));
        let began = std::time::Instant::now();
        let before = json!({"displayName": "Staff", "members": members});
        let after = patched(Resource::Group, before, json!(operations)).unwrap();
        assert_eq!(after["members"], json!([{"value": "m0"}]));
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    #[test]
    fn operations_do_what_the_rfc_says() {
        let emails = json!([
            {"value": "a@example.com", "type": "work", "primary": true},
            {"value": "b@example.com", "type": "home"}
        ]);
        for (operations, expected) in [
            (
                json!([{"op": "add", "path": "title", "value": "boss"}]),
                json!({"userName": "alice", "emails": emails, "title": "boss"}),
            ),
            (
                json!([{"op": "Replace", "value": {"active": "False", "name.givenName": "Al"}}]),
                json!({"userName": "alice", "emails": emails, "active": false, "name": {"givenName": "Al"}}),
            ),
            (
                json!([{"op": "replace", "value": {"id": "7", "title": "boss"}}]),
                json!({"userName": "alice", "emails": emails, "title": "boss"}),
            ),
            (
                json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]),
                json!({"userName": "alice", "emails": [emails[1]]}),
            ),
            (
                json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "c@example.com"}]),
                json!({"userName": "alice", "emails": [
                    {"value": "c@example.com", "type": "work", "primary": true}, emails[1]]}),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"other\"].value", "value": "o@example.com"}]),
                json!({"userName": "alice", "emails": [
                    emails[0], emails[1], {"type": "other", "value": "o@example.com"}]}),
            ),
            (
                json!([{"op": "add", "path": "emails", "value": [{"value": "p@example.com", "primary": true}]}]),
                json!({"userName": "alice", "emails": [
                    {"value": "a@example.com", "type": "work", "primary": false}, emails[1],
                    {"value": "p@example.com", "primary": true}]}),
            ),
            (
                json!([{"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:User:emails"}]),
                json!({"userName": "alice"}),
            ),
            (
                json!([{"op": "add", "value": {"shoeSize": 43}}]),
                json!({"userName": "alice", "emails": emails}),
            ),
        ] {
            let before = json!({"userName": "alice", "emails": emails});
            assert_eq!(
                patched(Resource::User, before, operations.clone()),
                Ok(expected),
                "{operations}"
            );
        }
    }

    #[test]
    fn members_come_and_go() {
        let before = json!({"displayName": "staff", "members": [{"value": "1"}, {"value": "2"}]});
        for (operations, expected) in [
            (
                json!([{"op": "add", "path": "members", "value": [{"value": "2"}, {"value": "3"}]}]),
                json!([{"value": "1"}, {"value": "2"}, {"value": "3"}]),
            ),
            (
                json!([{"op": "remove", "path": "members", "value": [{"value": "1"}]}]),
                json!([{"value": "2"}]),
            ),
            (
                json!([{"op": "remove", "path": "members[value eq \"2\"]"}]),
                json!([{"value": "1"}]),
            ),
            (
                json!([{"op": "replace", "path": "members", "value": [{"value": "9"}]}]),
                json!([{"value": "9"}]),
            ),
        ] {
            let after = patched(Resource::Group, before.clone(), operations.clone()).unwrap();
            assert_eq!(after["members"], expected, "{operations}");
        }
    }

    /// Mass assignment, bombs and nonsense.
    #[test]
    fn what_may_not_be_patched_is_refused() {
        let many: Vec<_> = (0..101)
            .map(|_| json!({"op": "add", "path": "title", "value": "x"}))
            .collect();
        let deep = format!("emails[{}type pr{}]", "(".repeat(60), ")".repeat(60));
        for (operations, status, scim_type) in [
            (
                json!([{"op": "replace", "path": "id", "value": "1"}]),
                400,
                Some("mutability"),
            ),
            (
                json!([{"op": "replace", "value": {"id": "1", "title": "boss"}}]),
                400,
                Some("mutability"),
            ),
            (
                json!([{"op": "replace", "value": {"meta": {}}}]),
                400,
                Some("mutability"),
            ),
            (
                json!([{"op": "add", "path": "groups", "value": [{"value": "1"}]}]),
                400,
                Some("mutability"),
            ),
            (
                json!([{"op": "remove", "path": "userName"}]),
                400,
                Some("mutability"),
            ),
            (json!([{"op": "remove"}]), 400, Some("noTarget")),
            (
                json!([{"op": "replace", "path": "emails[type eq \"x\"].value", "value": "a"}]),
                400,
                Some("noTarget"),
            ),
            (
                json!([{"op": "add", "path": "shoeSize", "value": 1}]),
                400,
                Some("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": "title[type eq \"x\"]", "value": 1}]),
                400,
                Some("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": "/title", "value": "x"}]),
                400,
                Some("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": deep, "value": "x"}]),
                400,
                Some("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": "title", "value": ["x"]}]),
                400,
                Some("invalidValue"),
            ),
            (
                json!([{"op": "add", "path": "title", "value": "a\nb"}]),
                400,
                Some("invalidValue"),
            ),
            (
                json!([{"op": "add", "path": "active", "value": "perhaps"}]),
                400,
                Some("invalidValue"),
            ),
            (
                json!([{"op": "add", "path": "emails", "value": ["a@example.com"]}]),
                400,
                Some("invalidValue"),
            ),
            (
                json!([{"op": "move", "path": "title"}]),
                400,
                Some("invalidSyntax"),
            ),
            (json!(["x"]), 400, Some("invalidSyntax")),
            (json!([]), 400, Some("invalidSyntax")),
            (json!(many), 413, None),
        ] {
            let refused = patched(
                Resource::User,
                json!({"userName": "alice"}),
                operations.clone(),
            )
            .unwrap_err();
            assert_eq!(
                (refused.status, refused.scim_type),
                (status, scim_type),
                "{operations}"
            );
        }
    }
}
