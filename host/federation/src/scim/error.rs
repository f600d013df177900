//! What a SCIM client is told (RFC 7644, 3.12). The words name the thing and the expectation and never
//! repeat a value that was sent.

use serde_json::{Value, json};

pub const URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {detail}")]
pub struct ScimError {
    pub status: u16,
    pub scim_type: Option<&'static str>,
    pub detail: String,
}

impl ScimError {
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    fn typed(status: u16, scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self {
            scim_type: Some(scim_type),
            ..Self::new(status, detail)
        }
    }

    pub fn filter(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidFilter", detail)
    }

    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidSyntax", detail)
    }

    pub fn path(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidPath", detail)
    }

    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::typed(400, "noTarget", detail)
    }

    pub fn value(detail: impl Into<String>) -> Self {
        Self::typed(400, "invalidValue", detail)
    }

    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::typed(400, "mutability", detail)
    }

    pub fn too_many() -> Self {
        Self::typed(
            400,
            "tooMany",
            "more would have to be looked at than is allowed: narrow the filter",
        )
    }

    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self::typed(409, "uniqueness", detail)
    }

    pub fn not_found() -> Self {
        Self::new(404, "there is no such resource")
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// The body of SCIM 2.0.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": [URN],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.into();
        }
        body
    }

    /// The body of SCIM 1.1.
    pub fn body_v1(&self) -> Value {
        json!({ "Errors": [{ "description": self.detail, "code": self.status.to_string() }] })
    }
}
