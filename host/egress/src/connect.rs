//! One connection: to an address that was judged, over TLS where the origin says so, speaking HTTP/1.1 and nothing else.
//!
//! The task that waits for a reply drives the connection itself. No task of its own stands behind a connection, so a
//! request costs no wake-ups across threads, and an abandoned request takes its connection with it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Reason, SendFailure, Sent};
use crate::limits::Limits;
use crate::origin::{Host, Origin, Scheme};
use crate::trust::Trust;

/// A connection that waits for a request.
pub(crate) struct Connection {
    requests: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<Metered>, Full<Bytes>>,
    meter: Arc<Meter>,
    peer: IpAddr,
}

/// A reply nobody has cleaned yet.
pub(crate) struct RawReply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    /// Connects to the first of some addresses that answers.
    pub(crate) async fn open(
        addresses: &[SocketAddr],
        origin: &Origin,
        trust: &Trust,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Connection, SendFailure> {
        let (stream, peer) = connect(addresses, origin, deadline).await?;
        let stream = match origin.scheme {
            Scheme::Http => Stream::Plain(stream),
            Scheme::Https => {
                Stream::Tls(Box::new(handshake(stream, origin, trust, deadline).await?))
            }
        };
        let meter = Arc::new(Meter {
            limit: read_limit(limits),
            ..Meter::default()
        });
        let io = TokioIo::new(Metered {
            stream,
            meter: meter.clone(),
        });
        let (requests, driver) = http1::Builder::new()
            .max_headers(limits.reply_headers_max)
            .max_header_size(limits.reply_head_bytes_max)
            .max_buf_size(limits.reply_head_bytes_max.max(8192))
            .handshake(io)
            .await
            .map_err(|error| SendFailure::nothing_sent(Reason::Protocol, error.to_string()))?;
        Ok(Connection {
            requests,
            driver,
            meter,
            peer,
        })
    }

    /// The address it goes to, for judging it again: a grant may have been taken back since.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether it may carry another request. Learns here whether the other side has closed it or said something unasked.
    pub(crate) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            let closed = Pin::new(&mut self.driver).poll(cx).is_ready();
            Poll::Ready(!closed && matches!(self.requests.poll_ready(cx), Poll::Ready(Ok(()))))
        })
        .await
    }

    /// Sends a request and reads the whole reply.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<RawReply, SendFailure> {
        self.meter.read.store(0, Ordering::Relaxed);
        self.meter.wrote.store(false, Ordering::Relaxed);
        let first_byte = deadline.min(Instant::now() + limits.first_byte);
        let head = timeout_at(first_byte, self.head(request)).await;
        let response = match head {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.failure(&error)),
            Err(_) => return Err(self.failed(Reason::Timeout, "no reply within the time limit")),
        };
        let (head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.failed(
                Reason::Protocol,
                "the reply changes the protocol, which was not asked for",
            ));
        }
        let encoded = head
            .headers
            .get(header::CONTENT_ENCODING)
            .is_some_and(|value| value != "identity");
        if encoded {
            // Not unpacked (it may be a bomb), and what is packed cannot be cleaned of what it echoes.
            return Err(self.failed(
                Reason::Protocol,
                "the reply is compressed, which was not asked for",
            ));
        }
        if body.size_hint().lower() > limits.reply_bytes_max as u64 {
            return Err(self.failed(Reason::TooLarge, "the reply is larger than the limit"));
        }
        let body = match timeout_at(deadline, self.body(body, limits.reply_bytes_max)).await {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) => {
                return Err(self.failed(Reason::TooLarge, "the reply is larger than the limit"));
            }
            Ok(Err(error)) => return Err(self.failure(&error)),
            Err(_) => {
                return Err(self.failed(
                    Reason::Timeout,
                    "the reply did not end within the time limit",
                ));
            }
        };
        Ok(RawReply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn head(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let mut response = pin!(self.requests.send_request(request));
        let driver = &mut self.driver;
        let mut ended = false;
        poll_fn(|cx| {
            ended = ended || Pin::new(&mut *driver).poll(cx).is_ready();
            // A connection that ends answers everything that waits on it, so this cannot wait for ever.
            response.as_mut().poll(cx)
        })
        .await
    }

    /// The whole body, or `None` if it is too large.
    async fn body(&mut self, mut body: Incoming, bytes_max: usize) -> hyper::Result<Option<Bytes>> {
        let driver = &mut self.driver;
        let mut ended = false;
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let frame = poll_fn(|cx| {
                ended = ended || Pin::new(&mut *driver).poll(cx).is_ready();
                Pin::new(&mut body).poll_frame(cx)
            })
            .await;
            // Trailers are read over: nobody asked for any.
            let Some(frame) = frame else { break };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if first.len() + rest.len() + data.len() > bytes_max {
                return Ok(None);
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(Some(if rest.is_empty() {
            first
        } else {
            rest.freeze()
        }))
    }

    fn failed(&self, reason: Reason, detail: &str) -> SendFailure {
        let sent = if self.meter.wrote.load(Ordering::Relaxed) {
            Sent::Perhaps
        } else {
            Sent::Nothing
        };
        SendFailure {
            reason,
            sent,
            detail: detail.into(),
        }
    }

    fn failure(&self, error: &hyper::Error) -> SendFailure {
        if error.is_parse_too_large() || self.meter.is_spent() {
            return self.failed(
                Reason::TooLarge,
                "the head of the reply is larger than the limit",
            );
        }
        let cause = std::error::Error::source(error)
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        self.failed(Reason::Protocol, &format!("{error}{cause}"))
    }
}

/// Tries the addresses in turn; each has its share of the time that is left, so that a dead first one does not cost all.
async fn connect(
    addresses: &[SocketAddr],
    origin: &Origin,
    deadline: Instant,
) -> Result<(TcpStream, IpAddr), SendFailure> {
    let mut last =
        SendFailure::nothing_sent(Reason::Connect, format!("`{}` has no address", origin.host));
    for (n, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / (addresses.len() - n) as u32;
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one write, and the reply is waited for: nothing is gained by waiting for more to send.
                if stream.set_nodelay(true).is_err() {
                    tracing::debug!(%address, "the connection delays small writes");
                }
                return Ok((stream, address.ip()));
            }
            Ok(Err(error)) => {
                last = SendFailure::nothing_sent(Reason::Connect, format!("{address}: {error}"))
            }
            Err(_) => {
                last = SendFailure::nothing_sent(
                    Reason::Timeout,
                    format!("{address} did not accept within the time limit"),
                );
            }
        }
    }
    Err(last)
}

async fn handshake(
    stream: TcpStream,
    origin: &Origin,
    trust: &Trust,
    deadline: Instant,
) -> Result<TlsStream<TcpStream>, SendFailure> {
    let failed = |reason, detail: String| {
        SendFailure::nothing_sent(reason, format!("`{}`: {detail}", origin.host))
    };
    let name = match &origin.host {
        Host::Name(name) => ServerName::try_from(name.to_string())
            .map_err(|e| failed(Reason::Tls, e.to_string()))?,
        Host::Address(address) => ServerName::IpAddress((*address).into()),
    };
    match timeout_at(
        deadline,
        TlsConnector::from(trust.config()).connect(name, stream),
    )
    .await
    {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(Reason::Tls, error.to_string())),
        Err(_) => Err(failed(
            Reason::Timeout,
            "no TLS handshake within the time limit".into(),
        )),
    }
}

/// Bytes one exchange may read, framing included. A reply within its limits fits eightfold, even in chunks of a few bytes;
/// without this, interim replies (1xx) without end would be read for as long as the clock allows.
fn read_limit(limits: &Limits) -> usize {
    8 * (limits.reply_bytes_max + limits.reply_head_bytes_max)
}

#[derive(Debug, Default)]
struct Meter {
    read: AtomicUsize,
    limit: usize,
    /// Whether anything was written since the request began.
    wrote: AtomicBool,
}

impl Meter {
    fn is_spent(&self) -> bool {
        self.read.load(Ordering::Relaxed) > self.limit
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream whose bytes are counted.
struct Metered {
    stream: Stream,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.meter.is_spent() {
            return Poll::Ready(Err(io::Error::other("the reply is larger than the limit")));
        }
        let before = buf.filled().len();
        let read = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        this.meter
            .read
            .fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.meter.wrote.store(true, Ordering::Relaxed);
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.meter.wrote.store(true, Ordering::Relaxed);
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
