//! Sending: a finished request becomes a cleaned reply, or a failure that says whether the provider may have seen it.
//!
//! No redirect is followed, no proxy taken from the environment, nothing unpacked. A request is repeated only where the first
//! try certainly wrote nothing.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};

use crate::connect::{Connection, RawReply};
use crate::error::{Reason, SendFailure, Sent};
use crate::grant::Grant;
use crate::limits::Limits;
use crate::pool::{Key, Lane, Pool};
use crate::reply::Reply;
use crate::request::Finished;
use crate::resolve::{Resolve, permitted};
use crate::trust::Trust;

/// Who sends, for whom, and on which terms. Made once per sender and tenant; cheap to clone.
#[derive(Clone, Debug)]
pub struct Route {
    pub sender: Arc<str>,
    pub tenant: Arc<str>,
    pub grant: Arc<Grant>,
    pub trust: Trust,
}

/// The client all senders share. Cloning shares its connections.
#[derive(Clone)]
pub struct Client {
    limits: Limits,
    resolver: Arc<dyn Resolve>,
    pool: Arc<Pool>,
}

impl Client {
    pub fn new(limits: Limits, resolver: Arc<dyn Resolve>) -> Client {
        let pool = Pool::new(&limits);
        Client {
            limits,
            resolver,
            pool,
        }
    }

    /// Sends a request and cleans the reply. Takes no longer than the limits and the deadline allow.
    ///
    /// # Errors
    /// Any failure to get a whole reply; a reply of any status is a reply.
    pub async fn send(
        &self,
        route: &Route,
        finished: &Finished,
        deadline: std::time::Instant,
    ) -> Result<Reply, SendFailure> {
        let RawReply {
            status,
            headers,
            body,
        } = self.exchange(route, finished, deadline.into()).await?;
        Ok(Reply::clean(finished, status.as_u16(), &headers, body))
    }

    /// Closes the idle connections of a sender: its settings changed, or it is gone.
    pub fn forget(&self, sender: &str) {
        self.pool.forget(sender);
    }

    async fn exchange(
        &self,
        route: &Route,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<RawReply, SendFailure> {
        // The request was judged when it was finished; it must have been by the grant it is sent under.
        if !route.grant.covers(finished.origin()) {
            let detail = format!("`{}` is not granted to this sender", finished.origin());
            return Err(SendFailure::nothing_sent(Reason::Denied, detail));
        }
        let now = Instant::now();
        let deadline = deadline.min(now + self.limits.whole);
        let connected_by = deadline.min(now + self.limits.connect);
        let key = Key {
            sender: route.sender.clone(),
            tenant: route.tenant.clone(),
            origin: finished.origin().clone(),
            trust: route.trust.id(),
        };
        let lane = self.pool.lane(&key, &self.limits);
        let _permit = self.pool.permit(&lane, connected_by).await?;

        while let Some(mut connection) = self.pool.take(&lane, &self.limits) {
            if !route.grant.private.permits(connection.peer()) || !connection.is_ready().await {
                continue;
            }
            match connection
                .exchange(request(finished), &self.limits, deadline)
                .await
            {
                Ok(reply) => return Ok(self.keep(&lane, connection, reply).await),
                // Closed by the other side between the look and the first byte: no one has seen this request.
                Err(failure)
                    if failure.sent == Sent::Nothing && failure.reason == Reason::Protocol =>
                {
                    continue;
                }
                Err(failure) => return Err(failure),
            }
        }
        let mut connection = self.connect(route, finished, connected_by).await?;
        let reply = connection
            .exchange(request(finished), &self.limits, deadline)
            .await?;
        Ok(self.keep(&lane, connection, reply).await)
    }

    async fn connect(
        &self,
        route: &Route,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<Connection, SendFailure> {
        let origin = finished.origin();
        let addresses = permitted(&*self.resolver, origin, &route.grant.private);
        let addresses = match timeout_at(deadline, addresses).await {
            Ok(addresses) => addresses?,
            Err(_) => {
                let detail = format!("`{}` was not resolved within the time limit", origin.host);
                return Err(SendFailure::nothing_sent(Reason::Dns, detail));
            }
        };
        Connection::open(&addresses, origin, &route.trust, &self.limits, deadline).await
    }

    async fn keep(&self, lane: &Lane, mut connection: Connection, reply: RawReply) -> RawReply {
        if connection.is_ready().await {
            self.pool.put(lane, connection, &self.limits);
        }
        reply
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The request as it goes on the wire. What is shared with the finished one is not copied.
fn request(finished: &Finished) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(finished.body().clone()));
    *request.method_mut() = finished.method().clone();
    *request.uri_mut() = finished.uri().clone();
    *request.headers_mut() = finished.headers().clone();
    // Said although it is nothing: servers wait for a body, or answer 411, where a method has one and no
    // length is told (RFC 9110 section 8.6).
    if finished.body().is_empty()
        && [Method::POST, Method::PUT, Method::PATCH].contains(finished.method())
    {
        request
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    request
}

#[cfg(test)]
mod tests;
