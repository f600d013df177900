//! The listener, spoken to byte by byte.
#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use postern_web::listener::{self, Bounds, Tls};
use rustls_pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    /// Told when `/slow` has begun.
    begun: Arc<Notify>,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
}

async fn start(tls: Option<Tls>, bounds: Bounds) -> Running {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        move || {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            async move {
                begun.notify_one();
                go.notified().await;
                "slow"
            }
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/slow", get(slow));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listener::serve(socket, tls, router, bounds, async {
        let _ = stopped.await;
    }));
    Running {
        address,
        stop: Some(stop),
        server,
        begun,
        go,
    }
}

fn quick() -> Bounds {
    Bounds {
        headers_within: Duration::from_millis(200),
        drain_within: Duration::from_millis(500),
        ..Bounds::default()
    }
}

/// Everything until the other end closes.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other end may close while we still write: what it said counts.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// S-13
#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let running = start(None, Bounds::default()).await;
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    for (name, request) in [
        (
            "two lengths",
            format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ),
        (
            "a length that is none",
            format!("{head}Content-Length: +1\r\n\r\na"),
        ),
        (
            "a folded header",
            format!("{head}X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "a space before the colon",
            format!("{head}Content-Length : 1\r\n\r\na"),
        ),
        (
            "a NUL",
            format!("{head}X: a\0b\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "a carriage return alone",
            format!("{head}X: a\rY: b\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "an unknown coding",
            format!("{head}Transfer-Encoding: gzip\r\n\r\n"),
        ),
        (
            "chunked, but not last",
            format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n"),
        ),
    ] {
        let answer = say(running.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: closed");
    }
}

/// S-13
#[tokio::test]
async fn chunked_beside_a_length_never_yields_a_second_request() {
    let running = start(None, quick()).await;
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = say(running.address, request.as_bytes()).await;
    // Either refused, or read as chunked (RFC 9112, 6.3); never "hello" for what a proxy took as body.
    assert!(
        !answer.contains("hello") || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
}

/// S-13
#[tokio::test]
async fn chunk_extensions_are_bounded() {
    let running = start(None, quick()).await;
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\na\r\n0\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    let answer = say(running.address, request.as_bytes()).await;
    assert!(
        !answer.starts_with("HTTP/1.1 200"),
        "{}",
        &answer[..answer.len().min(200)]
    );
}

/// S-15
#[tokio::test]
async fn headers_beyond_the_bounds_are_431() {
    let running = start(None, quick()).await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(10 * 1024 * 1024)
    );
    let many: String = (0..200).map(|i| format!("X{i}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    for request in [long, many] {
        let answer = say(running.address, request.as_bytes()).await;
        // A peer that still writes may see a reset instead of the answer.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
}

/// S-14
#[tokio::test]
async fn whoever_sends_no_request_is_not_waited_for() {
    let running = start(None, quick()).await;
    for beginning in [
        "",
        "GET",
        "GET / HTTP/1.1\r\nHost: a\r\nX: ",
        "PRI * HTTP/2.0\r\n",
    ] {
        let said = tokio::time::timeout(
            Duration::from_secs(5),
            say(running.address, beginning.as_bytes()),
        );
        let answer = said.await.expect("the connection is closed");
        assert!(!answer.contains(" 200 "), "{beginning}: {answer}");
    }
}

/// S-14
#[tokio::test]
async fn a_full_house_serves_again_when_the_idle_are_sent_away() {
    let running = start(
        None,
        Bounds {
            connections_max: 4,
            ..quick()
        },
    )
    .await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(running.address).await.unwrap());
    }
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = tokio::time::timeout(Duration::from_secs(10), say(running.address, request));
    assert!(answer.await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn stopping_lets_a_request_under_way_finish() {
    let mut running = start(None, Bounds::default()).await;
    let request = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let asking = tokio::spawn(say(running.address, request));
    running.begun.notified().await;
    running.stop.take().unwrap().send(()).unwrap();
    // No new connection is taken from here on; the one under way is.
    tokio::task::yield_now().await;
    running.go.notify_one();
    assert!(asking.await.unwrap().ends_with("slow"));
    running.server.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn stopping_does_not_wait_without_end() {
    let mut running = start(None, quick()).await;
    let request = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let asking = tokio::spawn(say(running.address, request));
    running.begun.notified().await;
    running.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running.server)
        .await
        .expect("the drain has a bound")
        .unwrap();
    assert!(!asking.await.unwrap().contains("slow"));
}

struct Issued {
    chain: String,
    key: String,
}

fn issue() -> Issued {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Issued {
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    }
}

type TlsClient = tokio_rustls::client::TlsStream<TcpStream>;

/// A connection over TLS, trusting `issued`.
async fn connect_tls(
    address: SocketAddr,
    issued: &Issued,
    protocol: &[u8],
) -> Result<TlsClient, std::io::Error> {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let der = rustls_pki_types::CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap();
    roots.add(der).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Asks for `/` over TLS, trusting `issued`; the protocol agreed on and the answer.
async fn ask_tls(
    address: SocketAddr,
    issued: &Issued,
    protocol: &[u8],
) -> Result<(Vec<u8>, String), std::io::Error> {
    let mut stream = connect_tls(address, issued, protocol).await?;
    let agreed = stream
        .get_ref()
        .1
        .alpn_protocol()
        .unwrap_or_default()
        .to_vec();
    if agreed == b"h2" {
        return Ok((agreed, String::new()));
    }
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((agreed, answer))
}

#[tokio::test]
async fn a_certificate_is_replaced_while_serving() {
    let (old, new) = (issue(), issue());
    let tls = Tls::new(old.chain.as_bytes(), old.key.as_bytes()).unwrap();
    let running = start(Some(tls.clone()), Bounds::default()).await;
    let (agreed, answer) = ask_tls(running.address, &old, b"http/1.1").await.unwrap();
    assert_eq!(agreed, b"http/1.1");
    assert!(answer.ends_with("hello"));
    assert_eq!(
        ask_tls(running.address, &old, b"h2").await.unwrap().0,
        b"h2"
    );

    assert!(
        tls.reload(new.chain.as_bytes(), old.key.as_bytes())
            .is_err(),
        "a key of another certificate"
    );
    assert!(tls.reload(b"", new.key.as_bytes()).is_err());
    assert!(
        ask_tls(running.address, &old, b"http/1.1").await.is_ok(),
        "the old one goes on serving"
    );

    tls.reload(new.chain.as_bytes(), new.key.as_bytes())
        .unwrap();
    assert!(ask_tls(running.address, &new, b"http/1.1").await.is_ok());
    assert!(ask_tls(running.address, &old, b"http/1.1").await.is_err());
}

/// S-14: a client that answers every ping and asks nothing is sent away; one that waits for its answer
/// is not, however long that takes.
#[tokio::test]
async fn an_http2_connection_ends_when_it_is_idle_and_not_before() {
    let issued = issue();
    let tls = Tls::new(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let bounds = Bounds {
        idle_within: Duration::from_millis(200),
        ..quick()
    };
    let running = start(Some(tls), bounds).await;
    let stream = connect_tls(running.address, &issued, b"h2").await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, stream)
        .await
        .unwrap();
    // Answers pings for as long as it lasts.
    let mut connection = tokio::spawn(connection);
    let request = |path: &str| {
        http::Request::get(format!("https://localhost{path}"))
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let answer = sender.send_request(request("/slow"));
    running.begun.notified().await;
    let several_looks = Duration::from_millis(1_000);
    let ended = tokio::time::timeout(several_looks, &mut connection).await;
    assert!(ended.is_err(), "it waits for its answer");
    running.go.notify_one();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = http_body_util::BodyExt::collect(answer.into_body()).await;
    assert_eq!(body.unwrap().to_bytes(), "slow");
    tokio::time::timeout(Duration::from_secs(5), connection)
        .await
        .expect("an idle connection is closed")
        .unwrap()
        .unwrap();
    assert!(sender.send_request(request("/")).await.is_err());
}
