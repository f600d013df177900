//! `/scim/v2`, and the `/wso2/scim` of the older peers: users and groups as other systems look after
//! them. What a resource is, is `federation::scim`'s to say; what may be done, the administration's, and
//! every act is in the audit log.

mod answer;
mod body;
mod caller;
mod groups;
mod inbound;
mod search;
mod users;

pub use inbound::{Inbound, Rule};

use crate::tenant::{SuperTenant, TenantState};
use answer::{Answer, Dialect, Refused};
use axum::extract::Request;
use axum::response::Response;
use caller::Caller;
use http::Method;
use http::request::Parts;
use postern_federation::scim::schema::{self, Resource};
use postern_federation::scim::{Groups, People, ScimError, v1};
use postern_login::ports::Scope;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// What the handlers work with.
#[derive(Clone)]
pub struct Scim {
    pub people: Arc<dyn People>,
    pub groups: Arc<dyn Groups>,
    pub inbound: Rule,
    pub turns: Turns,
}

impl std::fmt::Debug for Scim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scim")
    }
}

/// Who changes one resource waits for whoever changes it already: between the look at a version
/// (`If-Match`) and the change nobody comes in. By the first byte of the id, so that few wait in vain.
#[derive(Debug, Clone)]
pub struct Turns(Arc<[Mutex<()>; 64]>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::new(()))))
    }
}

impl Turns {
    async fn of(&self, id: &str) -> MutexGuard<'_, ()> {
        let sum: usize = id.bytes().map(usize::from).sum();
        self.0[sum % self.0.len()].lock().await
    }
}

/// SCIM 2.0.
pub async fn two(SuperTenant(state): SuperTenant, request: Request) -> Response {
    serve(&state, Dialect::Two, request).await
}

/// SCIM 1.1.
pub async fn one(SuperTenant(state): SuperTenant, request: Request) -> Response {
    serve(&state, Dialect::One, request).await
}

async fn serve(state: &TenantState, dialect: Dialect, request: Request) -> Response {
    match answered(state, dialect, request).await {
        Ok(answer) => answer.response(dialect),
        Err(refused) => refused.response(dialect),
    }
}

/// One request, on its way.
struct Asked<'a> {
    state: &'a TenantState,
    dialect: Dialect,
    caller: Caller,
    head: Parts,
}

impl Asked<'_> {
    fn tenant(&self) -> &str {
        self.caller.client.tenant.as_str()
    }

    /// The address of the service.
    fn base(&self) -> String {
        format!(
            "{}{}",
            self.state.public_url.origin(),
            self.dialect.prefix()
        )
    }

    fn needs(&self, scope: Scope) -> Result<(), ScimError> {
        if self.caller.client.may(scope) {
            return Ok(());
        }
        Err(ScimError::forbidden(format!(
            "the client has not the scope `{}`",
            scope.as_str()
        )))
    }
}

async fn answered(
    state: &TenantState,
    dialect: Dialect,
    request: Request,
) -> Result<Answer, Refused> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head, state).await?;
    let asked = Asked {
        state,
        dialect,
        caller,
        head,
    };
    let path = asked.head.uri.path();
    let path = path.strip_prefix(dialect.prefix()).unwrap_or_default();
    let path = decoded(path)?;
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let method = asked.head.method.clone();
    if let Some(found) = discovery(&asked, &segments)? {
        return match method {
            Method::GET => Ok(found),
            _ => Err(Refused::method("GET")),
        };
    }
    if dialect == Dialect::Two && segments == [".search"] {
        return match method {
            Method::POST => search::search(&asked, &Resource::ALL, body).await,
            _ => Err(Refused::method("POST")),
        };
    }
    let resource = segments
        .first()
        .and_then(|name| named(name))
        .ok_or_else(ScimError::not_found)?;
    match (dialect, &segments[1..]) {
        (_, []) => match method {
            Method::GET => search::list(&asked, resource).await,
            Method::POST => {
                asked.needs(Scope::ScimWrite)?;
                let body = body::object(&asked.head, body).await?;
                match resource {
                    Resource::User => users::create(&asked, &body).await,
                    Resource::Group => groups::create(&asked, &body).await,
                }
            }
            _ => Err(Refused::method("GET, POST")),
        },
        (Dialect::Two, [".search"]) => match method {
            Method::POST => search::search(&asked, &[resource], body).await,
            _ => Err(Refused::method("POST")),
        },
        (_, [id]) => one_resource(&asked, resource, id, method, body).await,
        _ => Err(ScimError::not_found().into()),
    }
}

async fn one_resource(
    asked: &Asked<'_>,
    resource: Resource,
    id: &str,
    method: Method,
    body: axum::body::Body,
) -> Result<Answer, Refused> {
    if method == Method::GET {
        asked.needs(Scope::ScimRead)?;
        return match resource {
            Resource::User => users::show(asked, id).await,
            Resource::Group => groups::show(asked, id).await,
        };
    }
    if ![Method::PUT, Method::PATCH, Method::DELETE].contains(&method) {
        return Err(Refused::method("GET, PUT, PATCH, DELETE"));
    }
    asked.needs(Scope::ScimWrite)?;
    if method == Method::DELETE {
        return match resource {
            Resource::User => users::delete(asked, id).await,
            Resource::Group => groups::delete(asked, id).await,
        };
    }
    let change = match method {
        Method::PUT => body::Change::Whole(body::object(&asked.head, body).await?),
        _ => body::Change::Part(body::object(&asked.head, body).await?),
    };
    match resource {
        Resource::User => users::change(asked, id, &change).await,
        Resource::Group => groups::change(asked, id, &change).await,
    }
}

/// What the service is able to do. `None`: nothing of the kind is there.
fn discovery(asked: &Asked<'_>, segments: &[&str]) -> Result<Option<Answer>, Refused> {
    let base = asked.base();
    let found = match (asked.dialect, segments) {
        (Dialect::One, ["ServiceProviderConfigs" | "ServiceProviderConfig"]) => {
            Some(v1::configuration())
        }
        (Dialect::One, _) => None,
        (Dialect::Two, ["ServiceProviderConfig"]) => Some(schema::configuration(&base)),
        (Dialect::Two, ["ResourceTypes"]) => Some(all(
            &Resource::ALL.map(|resource| schema::resource_type(resource, &base))
        )),
        (Dialect::Two, ["Schemas"]) => Some(all(
            &Resource::ALL.map(|resource| schema::schema(resource, &base))
        )),
        (Dialect::Two, ["ResourceTypes", name]) => Resource::ALL
            .into_iter()
            .find(|resource| resource.name() == *name)
            .map(|resource| schema::resource_type(resource, &base)),
        (Dialect::Two, ["Schemas", urn]) => Resource::ALL
            .into_iter()
            .find(|resource| resource.urn().eq_ignore_ascii_case(urn))
            .map(|resource| schema::schema(resource, &base)),
        (Dialect::Two, _) => None,
    };
    // These have no filter (RFC 7644, section 4).
    let filtered = asked
        .head
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("filter=")));
    if found.is_some() && filtered {
        return Err(ScimError::forbidden("there is no filter here").into());
    }
    Ok(found.map(Answer::ok))
}

fn all(resources: &[serde_json::Value]) -> serde_json::Value {
    postern_federation::scim::shape::list(resources.len(), 1, resources.to_vec())
}

fn named(segment: &str) -> Option<Resource> {
    match segment {
        "Users" => Some(Resource::User),
        "Groups" => Some(Resource::Group),
        _ => None,
    }
}

/// Percent-encoding undone, once; what is then no text, or has a control character, is nothing of ours.
fn decoded(path: &str) -> Result<String, Refused> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (pair, more) = rest.split_at_checked(2).ok_or_else(ScimError::not_found)?;
        let mut byte = [0];
        hex::decode_to_slice(pair, &mut byte).map_err(|_| ScimError::not_found())?;
        bytes.push(byte[0]);
        rest = more;
    }
    let text = String::from_utf8(bytes).map_err(|_| ScimError::not_found())?;
    if text.chars().any(char::is_control) {
        return Err(ScimError::not_found().into());
    }
    Ok(text)
}
