//! Connections: accepted within bounds, read within time, closed in order.
//!
//! Knows sockets, TLS and HTTP framing; never looks at a request.

mod arrivals;

use crate::extract::client::Peer;
use crate::proxies::TrustedProxies;
use arc_swap::ArcSwap;
use arrivals::{Arrival, Arrivals};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::Service;

/// What one listener bears (attacks S-13 to S-15).
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Open connections; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Of those from one address (one /64 of IPv6); a further one is closed at once. Loopback and the
    /// trusted proxies are not counted: everybody comes through them.
    pub connections_per_address_max: usize,
    pub trusted_proxies: TrustedProxies,
    /// Request line and headers together; more is answered with 431. At least 8 KiB.
    pub header_bytes_max: usize,
    pub headers_max: usize,
    /// A TLS handshake, and every request's headers, arrive within this. Also how long an idle
    /// HTTP/1.1 connection stays open.
    pub headers_within: Duration,
    /// An HTTP/2 connection without a request under way is sent away after this, however well it
    /// answers pings.
    pub idle_within: Duration,
    /// On stopping, requests under way have this long.
    pub drain_within: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            // An office behind one address has some hundred people; one of them opens a few.
            connections_per_address_max: 512,
            trusted_proxies: TrustedProxies::default(),
            // Our own cookies and a browser's headers take less than 4 KiB.
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            headers_within: Duration::from_secs(15),
            // Long enough to type a code without a new handshake.
            idle_within: Duration::from_secs(60),
            drain_within: Duration::from_secs(10),
        }
    }
}

/// Serves until `stop` resolves, then lets requests under way finish. HTTP/1.1 and, over TLS, HTTP/2.
pub async fn serve(
    socket: TcpListener,
    tls: Option<Tls>,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let protocol = Arc::new(Protocol::new(&bounds));
    let arrivals = Arrivals::new(&bounds);
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let (stopping, watching) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let place = tokio::select! {
            biased;
            () = &mut stop => break,
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = socket.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let Some(arrival) = arrivals.count(peer.ip()) else {
                    tracing::debug!(%peer, "an address has too many connections: closed");
                    continue;
                };
                let connection = Connection {
                    protocol: Arc::clone(&protocol),
                    tls: tls.clone(),
                    router: router.clone(),
                    peer,
                    stopping: watching.clone(),
                    _arrival: arrival,
                };
                connections.spawn(async move {
                    connection.attend(stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: without a pause this would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(socket);
    let _ = stopping.send(true);
    let drained = tokio::time::timeout(bounds.drain_within, async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "connections were still busy after {} s and are cut",
            bounds.drain_within.as_secs()
        );
        connections.shutdown().await;
    }
}

struct Protocol {
    http1: Builder<TokioExecutor>,
    http2: Builder<TokioExecutor>,
    headers_within: Duration,
    idle_within: Duration,
}

impl Protocol {
    fn new(bounds: &Bounds) -> Self {
        // Never guessed from the first bytes: whoever sends none of them would be waited for
        // without end. TLS says which one it is, and without TLS it is HTTP/1.1.
        let mut http1 = Builder::new(TokioExecutor::new()).http1_only();
        http1
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.headers_within)
            .max_buf_size(bounds.header_bytes_max.max(8 * 1024))
            .max_headers(bounds.headers_max);
        let mut http2 = Builder::new(TokioExecutor::new()).http2_only();
        http2
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(64)
            .max_header_list_size(u32::try_from(bounds.header_bytes_max).unwrap_or(16 * 1024))
            .keep_alive_interval(bounds.headers_within)
            .keep_alive_timeout(bounds.headers_within);
        Self {
            http1,
            http2,
            headers_within: bounds.headers_within,
            idle_within: bounds.idle_within,
        }
    }
}

/// Requests of one connection: those under way, answers that are still being read included, and
/// how many there ever were.
#[derive(Default)]
struct Requests {
    under_way: AtomicUsize,
    begun: AtomicUsize,
}

impl Requests {
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    fn any_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }
}

/// From a request's headers to the end of its answer.
struct UnderWay(Arc<Requests>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Connection {
    protocol: Arc<Protocol>,
    tls: Option<Tls>,
    router: Router,
    peer: SocketAddr,
    stopping: watch::Receiver<bool>,
    /// Counted until the connection ends.
    _arrival: Arrival,
}

impl Connection {
    async fn attend(self, stream: TcpStream) {
        // Answers are small and whole: waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.converse(stream, false).await;
        };
        let acceptor = TlsAcceptor::from(tls.0.load_full());
        match tokio::time::timeout(self.protocol.headers_within, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.converse(stream, two).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn converse<S>(self, stream: S, two: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            protocol,
            router,
            peer,
            mut stopping,
            _arrival,
            ..
        } = self;
        let requests = Arc::new(Requests::default());
        let service = hyper::service::service_fn({
            let requests = Arc::clone(&requests);
            move |request: http::Request<hyper::body::Incoming>| {
                let under_way = requests.begin();
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Peer(peer));
                let answer = router.clone().call(request);
                async move {
                    let answer = answer.await?;
                    Ok::<_, std::convert::Infallible>(answer.map(|body| {
                        body.map_frame(move |frame| {
                            let _until_the_last = &under_way;
                            frame
                        })
                    }))
                }
            }
        });
        let builder = if two {
            &protocol.http2
        } else {
            &protocol.http1
        };
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // HTTP/2 has no bound of its own on the time before the first request, nor between two.
        let mut look = pin!(tokio::time::sleep(protocol.headers_within));
        let mut seen = 0;
        let mut sent_away = false;
        let mut open = true;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                _ = stopping.wait_for(|stopping| *stopping), if open => {
                    open = false;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut look => {
                    let begun = requests.begun();
                    let idle = begun == seen && !requests.any_under_way();
                    if idle && (begun == 0 || sent_away) {
                        // Nothing was ever asked, or whoever was sent away stays: cut.
                        return;
                    }
                    if idle && two {
                        sent_away = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    seen = begun;
                    let next = if sent_away { protocol.headers_within } else { protocol.idle_within };
                    look.as_mut().reset(tokio::time::Instant::now() + next);
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}

/// Certificate and key, replaced while serving: new connections take the new ones.
#[derive(Clone)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate file cannot be read as PEM: {0}")]
    Certificate(rustls_pki_types::pem::Error),
    #[error("the certificate file holds no certificate")]
    NoCertificate,
    #[error("the key file cannot be read as a PEM private key: {0}")]
    Key(rustls_pki_types::pem::Error),
    #[error("certificate and key cannot be used together: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls {
    /// PEM texts: the chain, the host's own certificate first, and its private key.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        config(chain, key).map(|config| Self(Arc::new(ArcSwap::from_pointee(config))))
    }

    /// On an error the old ones go on serving.
    pub fn reload(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.0.store(Arc::new(config(chain, key)?));
        Ok(())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

fn config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
