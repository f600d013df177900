//! JSON of a peer: read whole, no name twice in one object (attack S-15). Two readers of one body that
//! take different ones of two equal names disagree about what was asked.

use super::ScimError;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// An object, or a refusal that does not repeat what was sent. serde_json ends at depth 128.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, ScimError> {
    match serde_json::from_slice(bytes) {
        Ok(Once(Value::Object(map))) => Ok(map),
        Ok(_) => Err(ScimError::syntax("the body must be a JSON object")),
        Err(error) => Err(ScimError::syntax(format!(
            "not JSON, or a name twice in one object (line {}, column {})",
            error.line(),
            error.column()
        ))),
    }
}

/// A member by its name in any case, as SCIM's names are.
pub fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Self)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Once(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(name) = access.next_key::<String>()? {
            // In any case: `userName` and `username` are one attribute.
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom("a name twice"));
            }
            let Once(value) = access.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-15
    #[test]
    fn a_name_twice_is_refused_in_any_case_and_at_any_depth() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"userName":"a","username":"b"}"#,
            r#"{"a":[{"b":1,"B":2}]}"#,
            r#"{"a":1} x"#,
            "[]",
            "1",
            "",
            "\"a\"",
        ] {
            assert!(object(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(object(br#"{"a":{"b":1},"b":[{"b":1},{"b":2}]}"#).is_ok());
    }

    /// S-15
    #[test]
    fn a_deep_body_is_refused() {
        let deep = format!(r#"{{"a":{}"#, "[".repeat(100_000));
        assert!(object(deep.as_bytes()).is_err());
    }
}
