//! Telling a peer about our users and groups: SCIM 1.1 or 2.0, by the address and the credentials of a
//! connector. What a peer must be told, and when, is the caller's to know.
//!
//! A change is sent as PATCH, so that what the peer keeps beside it stays; a peer that does not know
//! PATCH gets PUT. Whatever is sent twice has the effect of once: a create that finds its user there
//! becomes a change, a delete that finds nobody is done.

mod connector;
mod failure;
mod groups;
mod lookup;
#[cfg(test)]
mod tests;
mod users;

pub use connector::{Connector, Credentials, Version};
pub use failure::{Failure, Outlook};
pub use lookup::usable;

use super::ports::Remote;
use super::v1;
use crate::ports::{Outbound, PortError};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode, header};
use lookup::below;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What is to be remembered of what was written; nothing of what was deleted.
    pub remote: Option<Remote>,
    pub operation: &'static str,
    pub status: u16,
}

/// Whose the peer's accounts are here: two accounts of ours never become one there.
#[async_trait]
pub trait Holders: Send + Sync {
    async fn another_holds(&self, remote_id: &str) -> Result<bool, PortError>;
}

/// A connector with the way out.
pub struct Peer<'a> {
    pub connector: &'a Connector,
    pub outbound: &'a dyn Outbound,
}

impl std::fmt::Debug for Peer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({})", self.connector.name)
    }
}

impl Peer<'_> {
    async fn delete(
        &self,
        endpoint: &str,
        remote: &Remote,
        operation: &'static str,
    ) -> Result<Done, Failure> {
        let address = below(endpoint, &remote.id)?;
        let answer = self
            .send("the deletion", Method::DELETE, address, None)
            .await?;
        let status = answer.status();
        self.said(operation, status);
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(Done {
                remote: None,
                operation,
                status: status.as_u16(),
            });
        }
        Err(Failure::answered("the deletion", status))
    }

    fn said(&self, operation: &str, status: StatusCode) {
        tracing::info!(
            connector = %self.connector.name,
            "SCIM - {operation} operation returned with response code: {}",
            status.as_u16()
        );
    }

    fn schemas(&self, urn: &str) -> Value {
        match self.connector.version {
            Version::One => json!([v1::CORE]),
            Version::Two => json!([urn]),
        }
    }

    async fn send(
        &self,
        what: &str,
        method: Method,
        address: String,
        body: Option<&Value>,
    ) -> Result<Response<Vec<u8>>, Failure> {
        let media_type = match self.connector.version {
            Version::One => "application/json",
            Version::Two => "application/scim+json",
        };
        let credentials = match &self.connector.credentials {
            Credentials::Basic { username, password } => {
                let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
                format!("Basic {}", STANDARD.encode(pair.as_bytes()))
            }
            Credentials::Bearer(token) => format!("Bearer {}", token.expose()),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::AUTHORIZATION, credentials)
            .header(header::ACCEPT, media_type);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = request.body(body).map_err(|_| Failure {
            words: format!("{what} cannot be put into a request"),
            outlook: Outlook::Never,
            source: None,
        })?;
        let connector = self.connector;
        self.outbound
            .fetch(
                &connector.tenant,
                &connector.name,
                &connector.network,
                request,
            )
            .await
            .map_err(|source| Failure {
                words: format!("{what} came to nothing: {}", source.what),
                outlook: if source.lasting {
                    Outlook::Never
                } else {
                    Outlook::Passes
                },
                source: Some(source),
            })
    }
}

fn created(
    answer: &Response<Vec<u8>>,
    operation: &'static str,
    told: String,
) -> Result<Done, Failure> {
    const WHAT: &str = "the creation";
    let status = answer.status();
    if !status.is_success() {
        return Err(Failure::answered(WHAT, status));
    }
    let body = read(answer, WHAT)?;
    let id = body.get("id").and_then(Value::as_str);
    let id = id.filter(|id| usable(id));
    let id = id.ok_or_else(|| Failure::unreadable(WHAT))?.to_owned();
    Ok(Done {
        remote: Some(Remote { id, told }),
        operation,
        status: status.as_u16(),
    })
}

fn changed(
    id: &str,
    operation: &'static str,
    status: StatusCode,
    told: String,
) -> Result<Done, Failure> {
    if !status.is_success() {
        return Err(Failure::answered("the change", status));
    }
    Ok(Done {
        remote: Some(Remote {
            id: id.to_owned(),
            told,
        }),
        operation,
        status: status.as_u16(),
    })
}

fn read(answer: &Response<Vec<u8>>, what: &str) -> Result<Value, Failure> {
    serde_json::from_slice(answer.body()).map_err(|_| Failure::unreadable(what))
}
