//! Requests to identity providers and other peers, by the same edge and the same rules as those of
//! senders: resolved once, connected to the address that was checked, no redirects, bounded.

use async_trait::async_trait;
use postern_egress::address::Private;
use postern_egress::grant::Entry;
use postern_egress::{
    Client, Denied, Grant, Limits, Material, Nonce, Op, Origin, Outgoing, Reason, Route, Secrets,
    SystemResolver, Trust, finish_within, limits,
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
    request_bytes_max: usize,
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
    /// To identity providers.
    pub(crate) fn new(within: Limits, clock: Arc<dyn Clock>) -> Self {
        Self::of(within, limits::REQUEST_BYTES_MAX, clock)
    }

    /// To peers that are told of users and groups. A group is told, and shown back, with all of its members.
    pub(crate) fn of_provisioning(within: Limits, clock: Arc<dyn Clock>) -> Self {
        let within = Limits {
            reply_bytes_max: limits::PEER_REPLY_BYTES_MAX,
            ..within
        };
        Self::of(within, limits::PEER_REQUEST_BYTES_MAX, clock)
    }

    fn of(within: Limits, request_bytes_max: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: Client::new(within, Arc::new(SystemResolver)),
            request_bytes_max,
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
        if body.len() > self.request_bytes_max {
            return Err(PortError::new("the request is too large").for_good());
        }
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
        let finished = finish_within(self.request_bytes_max, &outgoing, &grant, &material)
            .map_err(|error| match error {
                Denied::TooLarge { .. } => {
                    PortError::caused("the request is too large", error).for_good()
                }
                _ => PortError::caused("the request may not leave", error),
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
        Reason::Denied => "the peer's address may not be asked",
        Reason::Dns => "the peer's name has no address",
        Reason::Connect => "the peer cannot be reached",
        Reason::Tls => "the peer's certificate is not accepted",
        Reason::Timeout => "the peer did not answer in time",
        Reason::Crowded => "too many requests are on their way from here already",
        Reason::TooLarge => "the peer's answer is too large",
        Reason::Protocol => "the peer broke off, or its answer is no plain HTTP",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::SystemClock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that reads `bytes` after a request's head and answers with twice as many.
    async fn echo(bytes: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            let mut more = vec![0; 64 * 1024];
            let is_whole = |seen: &[u8]| {
                let head = seen.windows(4).position(|four| four == b"\r\n\r\n");
                head.is_some_and(|head| seen.len() >= head + 4 + bytes)
            };
            while !is_whole(&seen) {
                let count = stream.read(&mut more).await.unwrap();
                assert!(count > 0);
                seen.extend_from_slice(&more[..count]);
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 2 * bytes);
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'a'; 2 * bytes]).await.unwrap();
        });
        origin
    }

    async fn sent(bytes: usize) -> Result<usize, PortError> {
        let edge = Edge::of_provisioning(Limits::default(), Arc::new(SystemClock));
        let request = http::Request::put(format!("{}/Groups/1", echo(bytes).await))
            .header("content-type", "application/scim+json")
            .body(vec![b'a'; bytes])
            .unwrap();
        let network = Network {
            allow_private_networks: true,
            ca_pems: Vec::new(),
        };
        let answer = edge.fetch("", "peer", &network, request).await?;
        Ok(answer.body().len())
    }

    #[tokio::test]
    async fn a_peer_that_could_not_be_asked_for_lack_of_room_is_not_said_to_be_late() {
        let full = Limits {
            in_flight_max: 0,
            connect: Duration::from_millis(10),
            ..Limits::default()
        };
        let edge = Edge::of_provisioning(full, Arc::new(SystemClock));
        let request = http::Request::get(echo(0).await).body(Vec::new()).unwrap();
        let network = Network {
            allow_private_networks: true,
            ca_pems: Vec::new(),
        };
        let error = edge.fetch("", "peer", &network, request).await.unwrap_err();
        let expected = "too many requests are on their way from here already";
        assert_eq!(error.what, expected);
        assert!(!error.lasting, "there is room later");
    }

    #[tokio::test]
    async fn a_group_of_many_members_is_told_and_shown_back_and_what_is_larger_does_not_leave() {
        // 10,000 members by ids of 64 characters.
        assert_eq!(sent(800_000).await.unwrap(), 1_600_000);
        for bytes in [917_500, 1_000_000, 2_000_000] {
            let error = sent(bytes).await.unwrap_err();
            assert_eq!(error.what, "the request is too large", "{bytes}");
            assert!(error.lasting, "{bytes}");
        }
    }
}
