//! The description of the admin API. One row an operation; a test holds it to the acts of
//! administration and to the routes.

use axum::response::{IntoResponse, Response};
use http::header;
use postern_admin::act::{self, Act};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

struct Operation {
    method: &'static str,
    path: &'static str,
    act: Act,
    summary: &'static str,
    /// Name and JSON type of each member of the body; `!` marks those that must be there.
    body: &'static [(&'static str, &'static str)],
    query: &'static [&'static str],
    success: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    act: Act,
    summary: &'static str,
    body: &'static [(&'static str, &'static str)],
    success: u16,
) -> Operation {
    Operation {
        method,
        path,
        act,
        summary,
        body,
        query: &[],
        success,
    }
}

const ROLE: &[(&str, &str)] = &[("role", "!string")];
const DEFINITION: &[(&str, &str)] = &[
    ("form", "!string"),
    ("enabled", "boolean"),
    ("default", "boolean"),
    ("values", "!object"),
    ("unset", "array"),
    ("seen", "integer"),
];
const FILTER: &[&str] = &["who", "event", "address", "since", "until"];

static OPERATIONS: &[Operation] = &[
    Operation {
        query: &["search", "from", "rows"],
        ..row(
            "get",
            "/users",
            act::USER_LIST,
            "Users by name, or those that a text is found in.",
            &[],
            200,
        )
    },
    row(
        "post",
        "/users",
        act::USER_ADD,
        "Adds a user.",
        &[
            ("name", "!string"),
            ("password", "!string"),
            ("display_name", "string"),
            ("number", "string"),
            ("opted_out", "boolean"),
            ("locked", "boolean"),
            ("claims", "array"),
        ],
        201,
    ),
    row(
        "get",
        "/users/{name}",
        act::USER_SHOW,
        "A user and all that hangs on it.",
        &[],
        200,
    ),
    row(
        "patch",
        "/users/{name}",
        act::USER_SET,
        "Changes what is named; `number: null` removes the number.",
        &[
            ("display_name", "string"),
            ("number", "string"),
            ("opted_out", "boolean"),
            ("locked", "boolean"),
            ("unlock_codes", "boolean"),
            ("password", "string"),
            ("claims", "array"),
        ],
        204,
    ),
    row(
        "delete",
        "/users/{name}",
        act::USER_DELETE,
        "Deletes a user; refused while it administers.",
        &[],
        204,
    ),
    row(
        "post",
        "/users/{name}/passwd",
        act::USER_PASSWD,
        "Sets a new password; sessions end.",
        &[("password", "!string")],
        204,
    ),
    row(
        "post",
        "/users/{name}/lock",
        act::USER_LOCK,
        "Locks the account; sessions end.",
        &[],
        204,
    ),
    row(
        "post",
        "/users/{name}/unlock",
        act::USER_UNLOCK,
        "Lifts an administrator's lock and the one of wrong codes.",
        &[],
        204,
    ),
    row(
        "post",
        "/unlock-all",
        act::USER_UNLOCK_ALL,
        "Lifts what wrong codes brought to everybody; whose they were.",
        &[],
        200,
    ),
    row(
        "post",
        "/users/{name}/backup-codes",
        act::USER_BACKUP_CODES,
        "Ten new backup codes, told once.",
        &[],
        200,
    ),
    row(
        "post",
        "/users/{name}/end-sessions",
        act::USER_END_SESSIONS,
        "Ends every session.",
        &[],
        200,
    ),
    row(
        "get",
        "/clients",
        act::CLIENT_LIST,
        "Applications that call the JSON API.",
        &[],
        200,
    ),
    row(
        "post",
        "/clients",
        act::CLIENT_ADD,
        "Adds an application; its token is told once.",
        &[("name", "!string"), ("scopes", "array")],
        201,
    ),
    row(
        "delete",
        "/clients/{name}",
        act::CLIENT_REVOKE,
        "Takes an application's token away.",
        &[],
        204,
    ),
    row(
        "get",
        "/plugins",
        act::PLUGIN_LIST,
        "What is loaded, what was refused and why.",
        &[],
        200,
    ),
    row(
        "post",
        "/plugins/rescan",
        act::PLUGIN_RESCAN,
        "Looks at the plugin folder now.",
        &[],
        202,
    ),
    row(
        "post",
        "/plugins/{id}/roll-back",
        act::PLUGIN_ROLL_BACK,
        "Puts the content before back.",
        &[],
        200,
    ),
    Operation {
        query: &["after"],
        ..row(
            "get",
            "/provisioning",
            act::PROVISIONING_LIST,
            "The peers that are told of users and groups, and what waits for them.",
            &[],
            200,
        )
    },
    row(
        "post",
        "/provisioning/{name}/retry",
        act::PROVISIONING_RETRY,
        "Tells a peer again now, everything or one change.",
        &[("number", "integer")],
        200,
    ),
    row(
        "delete",
        "/provisioning/waiting/{id}",
        act::PROVISIONING_DROP,
        "Gives one change up: the peer is not told.",
        &[],
        204,
    ),
    row(
        "get",
        "/senders",
        act::SENDER_LIST,
        "How the senders stand.",
        &[],
        200,
    ),
    row(
        "post",
        "/senders/{name}/test",
        act::SENDER_TEST,
        "Sends a test message; the exact requests, secrets masked, and the verdict.",
        &[("number", "!string")],
        200,
    ),
    row(
        "get",
        "/tenants",
        act::TENANT_LIST,
        "Tenants beside the super tenant, and what is wrong with any.",
        &[],
        200,
    ),
    row(
        "post",
        "/tenants",
        act::TENANT_ADD,
        "A tenant; without a document it runs by the values of the configuration file.",
        &[("tenant", "!string"), ("document", "string")],
        201,
    ),
    row(
        "get",
        "/tenants/{name}",
        act::TENANT_SHOW,
        "A tenant and its settings document, secrets hidden.",
        &[],
        200,
    ),
    row(
        "put",
        "/tenants/{name}/document",
        act::TENANT_SET,
        "Another settings document, whole; null takes it away.",
        &[("document", "string")],
        200,
    ),
    row(
        "post",
        "/tenants/{name}/enable",
        act::TENANT_ENABLE,
        "Switches a tenant on.",
        &[],
        204,
    ),
    row(
        "post",
        "/tenants/{name}/disable",
        act::TENANT_DISABLE,
        "Switches a tenant off and keeps what it has.",
        &[],
        204,
    ),
    row(
        "delete",
        "/tenants/{name}",
        act::TENANT_REMOVE,
        "Removes a tenant with everything it has but its lines in the audit log.",
        &[("confirm", "!string")],
        200,
    ),
    Operation {
        query: FILTER,
        ..row(
            "get",
            "/audit",
            act::AUDIT_LIST,
            "Rows of the audit log, newest first; `before` and `rows` page.",
            &[],
            200,
        )
    },
    Operation {
        query: FILTER,
        ..row(
            "get",
            "/audit/export",
            act::AUDIT_EXPORT,
            "Every row as JSON lines, oldest first.",
            &[],
            200,
        )
    },
    row(
        "get",
        "/audit/verify",
        act::AUDIT_VERIFY,
        "Whether every row is as it was written.",
        &[],
        200,
    ),
    row(
        "post",
        "/audit/prune",
        act::AUDIT_PRUNE,
        "Removes the oldest rows, those before a time; the log verifies from there on.",
        &[("before", "!string")],
        200,
    ),
    row(
        "get",
        "/admins",
        act::ADMIN_LIST,
        "Who administers.",
        &[],
        200,
    ),
    row(
        "post",
        "/admins/{name}/invite",
        act::ADMIN_INVITE,
        "A link that works once, for 15 minutes.",
        ROLE,
        201,
    ),
    row(
        "post",
        "/admins/{name}/appoint",
        act::ADMIN_APPOINT,
        "An account that exists administers, with the factors it has.",
        ROLE,
        204,
    ),
    row(
        "put",
        "/admins/{name}",
        act::ADMIN_ROLE,
        "Another role.",
        ROLE,
        204,
    ),
    row(
        "delete",
        "/admins/{name}",
        act::ADMIN_REMOVE,
        "Takes the role away.",
        &[],
        204,
    ),
    row(
        "get",
        "/definitions/idps",
        act::IDP_LIST,
        "Identity providers, those of the configuration file too.",
        &[],
        200,
    ),
    row(
        "get",
        "/definitions/idps/{name}",
        act::IDP_SHOW,
        "One, without its secrets.",
        &[],
        200,
    ),
    row(
        "put",
        "/definitions/idps/{name}",
        act::IDP_PUT,
        "Defines it, or changes the one that was `seen`.",
        DEFINITION,
        204,
    ),
    row(
        "delete",
        "/definitions/idps/{name}",
        act::IDP_DELETE,
        "Deletes it; refused while something refers to it.",
        &[],
        204,
    ),
    row(
        "get",
        "/definitions/sps",
        act::SP_LIST,
        "Service providers, those of the configuration file too.",
        &[],
        200,
    ),
    row(
        "get",
        "/definitions/sps/{name}",
        act::SP_SHOW,
        "One, without its secrets.",
        &[],
        200,
    ),
    row(
        "put",
        "/definitions/sps/{name}",
        act::SP_PUT,
        "Defines it, or changes the one that was `seen`.",
        DEFINITION,
        204,
    ),
    row(
        "delete",
        "/definitions/sps/{name}",
        act::SP_DELETE,
        "Deletes it.",
        &[],
        204,
    ),
    row(
        "get",
        "/definitions/claims",
        act::CLAIM_LIST,
        "Claim dialects, and the claims a login reads.",
        &[],
        200,
    ),
    row(
        "get",
        "/definitions/claims/{name}",
        act::CLAIM_SHOW,
        "One dialect.",
        &[],
        200,
    ),
    row(
        "put",
        "/definitions/claims/{name}",
        act::CLAIM_PUT,
        "Defines it, or changes the one that was `seen`.",
        DEFINITION,
        204,
    ),
    row(
        "delete",
        "/definitions/claims/{name}",
        act::CLAIM_DELETE,
        "Deletes it; refused while something refers to it.",
        &[],
        204,
    ),
    row(
        "post",
        "/provisioning/{name}/push",
        act::PROVISIONING_PUSH,
        "Tells a peer of everybody there is: each user and group is put into the queue once.",
        &[],
        202,
    ),
    Operation {
        query: &["to"],
        ..row(
            "get",
            "/outbox",
            act::OUTBOX_LIST,
            "What the test outbox was sent, the oldest first; 404 where it is off.",
            &[],
            200,
        )
    },
    row(
        "post",
        "/outbox/answers",
        act::OUTBOX_ANSWER,
        "What messages to come are answered: a `verdict` or a `status`, `times` times, or always.",
        &[
            ("verdict", "string"),
            ("status", "integer"),
            ("retry_after", "integer"),
            ("detail", "string"),
            ("delay_ms", "integer"),
            ("sender", "string"),
            ("times", "integer"),
        ],
        204,
    ),
    row(
        "delete",
        "/outbox",
        act::OUTBOX_CLEAR,
        "Forgets the messages and what was said of those to come.",
        &[],
        204,
    ),
    row(
        "get",
        "/resident",
        act::RESIDENT_SHOW,
        "What this host is to its peers: names, addresses, certificates.",
        &[],
        200,
    ),
    row(
        "get",
        "/definitions/connectors",
        act::CONNECTOR_LIST,
        "Connectors, those of the configuration file too.",
        &[],
        200,
    ),
    row(
        "get",
        "/definitions/connectors/{name}",
        act::CONNECTOR_SHOW,
        "One, without its secrets.",
        &[],
        200,
    ),
    row(
        "put",
        "/definitions/connectors/{name}",
        act::CONNECTOR_PUT,
        "Defines it, or changes the one that was `seen`.",
        DEFINITION,
        204,
    ),
    row(
        "delete",
        "/definitions/connectors/{name}",
        act::CONNECTOR_DELETE,
        "Deletes it, with what waits for it.",
        &[],
        204,
    ),
    row(
        "get",
        "/definitions/inbound",
        act::INBOUND_LIST,
        "The rule of inbound provisioning, called `resident`, if there is one.",
        &[],
        200,
    ),
    row(
        "get",
        "/definitions/inbound/{name}",
        act::INBOUND_SHOW,
        "The rule.",
        &[],
        200,
    ),
    row(
        "put",
        "/definitions/inbound/{name}",
        act::INBOUND_PUT,
        "Defines it, or changes the one that was `seen`.",
        DEFINITION,
        204,
    ),
    row(
        "delete",
        "/definitions/inbound/{name}",
        act::INBOUND_DELETE,
        "Deletes it: everybody goes into the primary store.",
        &[],
        204,
    ),
];

const BASE: &str = "/admin/api/v1";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    serde_json::to_string_pretty(&document()).expect("a JSON value is always JSON")
});

/// `GET /admin/api/v1/openapi.json`
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

/// The document as text.
pub fn text() -> &'static str {
    &DOCUMENT
}

fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = format!("{BASE}{}", operation.path);
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry[operation.method] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postern administration",
            "version": "1",
            "description": "Everything of the console for scripts, by the names of the command line. Served on the administrator's listener only. Errors are problem details (RFC 9457).",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "The administrator's token: `server.admin_token`, or `keys/admin.token` in the data folder."
            } },
            "responses": { "Problem": {
                "description": "What went wrong.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
            } },
            "schemas": { "Problem": {
                "type": "object",
                "required": ["type", "title", "status"],
                "properties": {
                    "type": { "type": "string" }, "title": { "type": "string" },
                    "status": { "type": "integer" }, "detail": { "type": "string" },
                    "reference": { "type": "string" }
                }
            } }
        }
    })
}

fn described(operation: &Operation) -> Value {
    let parameter = |name: &str, place: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } });
    let in_path = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<_> = in_path
        .map(|name| parameter(name, "path"))
        .chain(operation.query.iter().map(|name| parameter(name, "query")))
        .collect();
    let mut responses = Map::new();
    responses.insert(
        operation.success.to_string(),
        json!({ "description": "Done." }),
    );
    for status in ["400", "401", "404", "409", "422", "503"] {
        responses.insert(
            status.to_owned(),
            json!({ "$ref": "#/components/responses/Problem" }),
        );
    }
    let mut described = json!({
        "operationId": operation.act.name.replace(' ', "-"),
        "summary": operation.summary,
        "description": format!("As `postern {}`.", operation.act.name),
        "parameters": parameters,
        "responses": responses,
    });
    if !operation.body.is_empty() {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, kind) in operation.body {
            if kind.starts_with('!') {
                required.push(*name);
            }
            properties.insert(
                (*name).to_owned(),
                json!({ "type": kind.trim_start_matches('!') }),
            );
        }
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": {
                "type": "object", "additionalProperties": false,
                "properties": properties, "required": required
            } } }
        });
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_an_operation_and_every_operation_an_act() {
        for act in act::ALL {
            let count = OPERATIONS
                .iter()
                .filter(|operation| operation.act == act)
                .count();
            assert_eq!(count, 1, "{}", act.name);
        }
        assert_eq!(OPERATIONS.len(), act::ALL.len());
    }
}
