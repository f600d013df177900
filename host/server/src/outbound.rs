//! Requests to identity providers and other peers, by the same edge and the same rules as those of
//! senders: resolved once, connected to the address that was checked, no redirects, bounded.

use async_trait::async_trait;
use postern_egress::address::Private;
use postern_egress::grant::Entry;
use postern_egress::{
    Client, Denied, Grant, Material, Nonce, Op, Origin, Outgoing, Reason, Route, Secrets, Trust,
    finish,
};
use postern_federation::identity_provider::Network;
use postern_federation::ports::{Outbound, PortError};
use postern_login::ports::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// The person waits for it.
const WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Edge {
    client: Client,
    clock: Arc<dyn Clock>,
    /// By the certificates that are believed beside the system's: reading the system's takes tens of milliseconds.
    trusts: Mutex<HashMap<Vec<String>, Trust>>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Edge")
    }
}

impl Edge {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            clock,
            trusts: Mutex::default(),
        }
    }

    fn trust(&self, pems: &[String]) -> Result<Trust, PortError> {
        let mut trusts = self.trusts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = trusts.get(pems) {
            return Ok(trust.clone());
        }
        let trust = Trust::system_and(pems).map_err(|error| {
            PortError::caused("the peer's certificate authorities cannot be read", error)
        })?;
        trusts.insert(pems.to_vec(), trust.clone());
        Ok(trust)
    }
}

#[async_trait]
impl Outbound for Edge {
    async fn fetch(
        &self,
        tenant: &str,
        peer: &str,
        network: &Network,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, PortError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())
            .map_err(|error| PortError::caused("the peer's address cannot be read", error))?;
        let origin = url.origin().ascii_serialization();
        let granted = Origin::parse(&origin)
            .map_err(|error| PortError::caused(format!("`{origin}` may not be asked"), error))?;
        let grant = Grant {
            entries: vec![Entry::from(granted)],
            private: Private {
                networks: network.allow_private_networks,
                listed: Vec::new(),
            },
        };
        let mut outgoing = Outgoing {
            method: head.method.to_string(),
            origin,
            program: vec![Op::Lit(
                url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
            )],
            ..Outgoing::default()
        };
        let mut add = |op: Op| {
            outgoing.program.push(op);
            u16::try_from(outgoing.program.len() - 1).unwrap_or(u16::MAX)
        };
        let mut media_type = String::new();
        let mut headers = Vec::new();
        for (name, value) in &head.headers {
            let value = value
                .to_str()
                .map_err(|_| PortError::new(format!("the header `{name}` is no text")))?;
            match *name {
                http::header::CONTENT_TYPE => value.clone_into(&mut media_type),
                http::header::HOST | http::header::CONTENT_LENGTH => {}
                _ => headers.push((name.to_string(), add(Op::Lit(value.to_owned())))),
            }
        }
        let body = (!body.is_empty()).then(|| (media_type, add(Op::Bytes(body))));
        outgoing.headers = headers;
        outgoing.body = body;
        let material = Material {
            secrets: Secrets::default(),
            kept: Vec::new(),
            recipient: None,
            text: None,
            code: None,
            receipt_url: None,
            now_unix_ms: i64::try_from(self.clock.now().0).unwrap_or(i64::MAX),
            nonce: Nonce::new([0; 16], ""),
        };
        let finished = finish(&outgoing, &grant, &material).map_err(|error| {
            let what = match error {
                Denied::TooLarge { .. } => "the request is too large",
                _ => "the request may not leave",
            };
            PortError::caused(what, error)
        })?;
        let route = Route {
            // No sender has a slash in its name: connections are never shared with one.
            sender: format!("peer/{peer}").into(),
            tenant: tenant.into(),
            grant: Arc::new(grant),
            trust: self.trust(&network.ca_pems)?,
        };
        let reply = self
            .client
            .send(&route, &finished, Instant::now() + WITHIN)
            .await
            .map_err(|error| PortError::caused(trouble(error.reason), error))?;
        let mut response = http::Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        response
            .body(reply.body.to_vec())
            .map_err(|error| PortError::caused("the peer's answer cannot be read", error))
    }
}

/// Why there is no answer, for whoever looks after the peer: nothing of what it said is in it.
fn trouble(reason: Reason) -> &'static str {
    match reason {
        Reason::Denied => "the peer's address may not be asked, or too much is under way",
        Reason::Dns => "the peer's name has no address",
        Reason::Connect => "the peer cannot be reached",
        Reason::Tls => "the peer's certificate is not accepted",
        Reason::Timeout => "the peer did not answer in time",
        Reason::TooLarge => "the peer's answer is too large",
        Reason::Protocol => "the peer broke off, or its answer is no plain HTTP",
    }
}
