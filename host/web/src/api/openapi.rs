//! The API's description, exact enough to test the API against it.

use crate::api::{challenges, messages, problem};
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Postern",
        version = "1",
        description = "Codes by text message for applications that run their own first step, and a relay for finished messages. Errors are problem details (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(challenges::create, challenges::verify, challenges::resend, messages::send),
    components(schemas(problem::Document<'static>)),
    tags(
        (name = "challenges", description = "A code is sent, checked, sent again."),
        (name = "messages", description = "A finished message is sent.")
    )
)]
struct Description;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    serde_json::to_string_pretty(&document()).expect("a JSON value is always JSON")
});

/// The document as text, for `postern openapi`.
pub fn text() -> &'static str {
    &DOCUMENT
}

/// `GET /api/v1/openapi.json`, on the admin listener (attack S-17).
pub async fn serve() -> Response {
    (
        [(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        )],
        text(),
    )
        .into_response()
}

/// What the macros gather, and what holds for every operation alike.
fn document() -> Value {
    let mut document =
        serde_json::to_value(Description::openapi()).expect("a description is always JSON");
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of an API client, made with `postern client add`."
        }
    });
    document["security"] = json!([{ "bearer": [] }]);
    document["components"]["schemas"]["ChallengeRequest"] = challenge_request();
    document["components"]["schemas"]["MessageRequest"] = message_request();
    document["components"]["responses"] = json!({
        "Problem": {
            "description": "What went wrong.",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
        },
        "Wait": {
            "description": "Too soon, too often, or not just now.",
            "headers": { "Retry-After": {
                "description": "Seconds.",
                "required": false,
                "schema": { "type": "integer", "minimum": 1 }
            } },
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
        }
    });
    let paths = document["paths"].as_object_mut().expect("there are paths");
    for operations in paths.values_mut() {
        for operation in operations
            .as_object_mut()
            .expect("a path has operations")
            .values_mut()
        {
            let reads = operation.get("requestBody").is_some();
            if reads {
                operation["requestBody"]["required"] = json!(true);
            }
            let responses = operation["responses"]
                .as_object_mut()
                .expect("an operation has responses");
            for status in [
                "400", "401", "403", "408", "413", "415", "421", "429", "500", "503",
            ] {
                if !reads && matches!(status, "408" | "413" | "415") {
                    continue;
                }
                let kind = if matches!(status, "429" | "503") {
                    "Wait"
                } else {
                    "Problem"
                };
                responses.insert(
                    status.to_owned(),
                    json!({ "$ref": format!("#/components/responses/{kind}") }),
                );
            }
            for status in ["404", "409", "422"] {
                if let Some(response) = responses.get_mut(status) {
                    response["content"] = json!({ "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/Problem" }
                    } });
                }
            }
        }
    }
    document
}

/// Exactly one of `user` and `mobile`: two closed objects, which a derive cannot say.
fn challenge_request() -> Value {
    let target = |name: &str, schema: Value| {
        let mut properties = json!({
            "tenant": { "type": ["string", "null"], "description": "If given, the application's own." },
            "app_hash": {
                "type": ["string", "null"], "pattern": "^[A-Za-z0-9+/]{11}$",
                "description": "For Android's SMS Retriever, instead of the origin-bound line."
            },
        });
        shared(&mut properties);
        properties[name] = schema;
        json!({ "type": "object", "additionalProperties": false, "required": [name], "properties": properties })
    };
    json!({
        "description": "Who gets a code: a user of the directory, or a number the application vouches for.",
        "oneOf": [
            target("user", json!({ "type": "string", "minLength": 1, "maxLength": 256, "examples": ["alice"] })),
            target("mobile", mobile()),
        ]
    })
}

/// Either `text`, or `text_id` and `code`.
fn message_request() -> Value {
    let form = |required: &[&str], own: Value| {
        let mut properties = own;
        shared(&mut properties);
        properties["to"] = mobile();
        let required: Vec<&str> = ["to"].iter().chain(required).copied().collect();
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    json!({
        "description": "A number, and either a text or a template with the application's own code.",
        "oneOf": [
            form(&["text"], json!({ "text": { "type": "string", "minLength": 1, "maxLength": 1600 } })),
            form(&["text_id", "code"], json!({
                "text_id": {
                    "type": "string", "minLength": 1, "maxLength": 64, "examples": ["code", "reset"],
                    "description": "`code` is the template of logins. Any other id names the keys `ID:LANGUAGE` of `[sms_otp.text]`: `\"reset:en\"` is `reset` in English. The `locale` chooses among them, then its language, then English; with none of them the request is `text-refused`."
                },
                "code": { "type": "string", "minLength": 1, "maxLength": 64 },
            })),
        ]
    })
}

fn mobile() -> Value {
    json!({
        "type": "string", "minLength": 3, "maxLength": 32, "examples": ["+94771234567"],
        "description": "With its country code, or as dialled in the tenant's default region."
    })
}

fn shared(properties: &mut Value) {
    properties["purpose"] = json!({
        "type": ["string", "null"], "pattern": "^[a-z0-9-]{1,32}$", "default": "login",
        "description": "What the code is for. A code of one purpose is no code of another."
    });
    properties["locale"] = json!({
        "type": ["string", "null"], "maxLength": 35, "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        "description": "Language of the message (BCP 47)."
    });
    properties["client_ip"] = json!({
        "anyOf": [
            { "type": "string", "format": "ipv4" },
            { "type": "string", "format": "ipv6" },
            { "type": "null" }
        ],
        "description": "The person's address, for the limits per address."
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    map.values().for_each(|value| walk(value, document));
                }
                Value::Array(list) => list.iter().for_each(|value| walk(value, document)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(text()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["paths"].as_object().unwrap().len(), 4);
        walk(&document, &document);
    }
}
