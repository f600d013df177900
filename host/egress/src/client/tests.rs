#![allow(clippy::unwrap_used)]
//! A scripted peer on loopback, and no other network.

use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::address::Private;
use crate::keep::Keep;
use crate::material::{Material, NamedSecret, Nonce, Recipient, Secrets};
use crate::program::Op;
use crate::request::{Outgoing, finish};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What the peer does with one request.
#[derive(Clone)]
enum Act {
    Reply(Vec<u8>),
    ReplyThenClose(Vec<u8>),
    /// Reads and says nothing.
    Silence,
    /// Says something, then one thing again and again, at an interval, for as long as anybody listens.
    Flood(Vec<u8>, Vec<u8>, Duration),
}

struct Peer {
    origin: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    server_names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Peer {
    /// Answers the nth request as the script says; the last act is repeated.
    async fn plain(script: Vec<Act>) -> Peer {
        Peer::start(script, None).await
    }

    async fn start(script: Vec<Act>, tls: Option<TlsAcceptor>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let peer = Peer {
            origin: format!("{scheme}://localhost:{port}"),
            requests: Arc::default(),
            connections: Arc::default(),
            server_names: Arc::default(),
        };
        let (requests, connections, names) = (
            peer.requests.clone(),
            peer.connections.clone(),
            peer.server_names.clone(),
        );
        tokio::spawn(async move {
            let script = Arc::new(script);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (script, requests, tls, names) =
                    (script.clone(), requests.clone(), tls.clone(), names.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &script, &requests).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else {
                                return;
                            };
                            names
                                .lock()
                                .unwrap()
                                .push(stream.get_ref().1.server_name().map(Into::into));
                            serve(stream, &script, &requests).await;
                        }
                    }
                });
            }
        });
        peer
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &[Act],
    requests: &Mutex<Vec<String>>,
) {
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        while buffer.len() < head_end + length {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let request: Vec<u8> = buffer.drain(..head_end + length).collect();
        let act = {
            let mut requests = requests.lock().unwrap();
            requests.push(String::from_utf8_lossy(&request).into_owned());
            script[(requests.len() - 1).min(script.len() - 1)].clone()
        };
        match act {
            Act::Reply(bytes) => stream.write_all(&bytes).await.unwrap_or(()),
            Act::ReplyThenClose(bytes) => {
                stream.write_all(&bytes).await.unwrap_or(());
                return stream.shutdown().await.unwrap_or(());
            }
            Act::Silence => {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap_or(0);
                return;
            }
            Act::Flood(first, again, interval) => {
                stream.write_all(&first).await.unwrap_or(());
                while stream.write_all(&again).await.is_ok() {
                    if interval.is_zero() {
                        tokio::task::yield_now().await;
                    } else {
                        tokio::time::sleep(interval).await;
                    }
                }
                return;
            }
        }
    }
}

/// Answers every name with the next of some lists of addresses; the last is repeated.
struct Names {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Names {
    fn are(answers: &[&[&'static str]]) -> Arc<Names> {
        Arc::new(Names {
            answers: answers.iter().map(|a| a.to_vec()).collect(),
            asked: AtomicUsize::new(0),
        })
    }

    fn loopback() -> Arc<Names> {
        Names::are(&[&["127.0.0.1"]])
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = &self.answers[asked.min(self.answers.len() - 1)];
        if answer.contains(&"never") {
            std::future::pending::<()>().await;
        }
        if answer.is_empty() {
            return Err(io::Error::other("no such name"));
        }
        Ok(answer.iter().map(|a| a.parse().unwrap()).collect())
    }
}

fn short() -> Limits {
    Limits {
        connect: Duration::from_millis(150),
        first_byte: Duration::from_millis(150),
        whole: Duration::from_millis(300),
        ..Limits::default()
    }
}

fn patient() -> Limits {
    Limits::default()
}

fn route_to(origin: &str) -> Route {
    Route {
        sender: "sender".into(),
        tenant: "tenant".into(),
        grant: Arc::new(Grant {
            entries: vec![origin.parse().unwrap()],
            private: Private {
                networks: false,
                listed: vec!["127.0.0.1".parse().unwrap()],
            },
        }),
        trust: Trust::only(&NO_PEMS).unwrap(),
    }
}

const NO_PEMS: [&str; 0] = [];

fn material(origin: &str) -> Material {
    Material {
        secrets: Secrets::new(vec![NamedSecret::new(
            "token",
            "s3cr3t-token",
            vec![origin.parse().unwrap()],
        )])
        .unwrap(),
        kept: vec![],
        recipient: Some(Recipient {
            e164: "+94771234567".into(),
            calling_code: "94".into(),
            national: "771234567".into(),
            dialled: "0771234567".into(),
        }),
        text: None,
        code: None,
        receipt_url: None,
        now_unix_ms: 0,
        nonce: Nonce::new([0; 16], "m"),
    }
}

fn request_to(origin: &str) -> Outgoing {
    Outgoing {
        method: "POST".into(),
        origin: origin.into(),
        target: 0,
        headers: vec![("authorization".into(), 1)],
        body: Some(("text/plain".into(), 2)),
        program: vec![
            Op::Lit("/send?a=b".into()),
            Op::Secret("token".into()),
            Op::Recipient("e164".into()),
        ],
        keep: vec![Keep {
            name: "t".into(),
            pointer: "/t".into(),
            lifetime_pointer: None,
            lifetime: 60,
        }],
        idempotent: false,
    }
}

async fn send(client: &Client, route: &Route, origin: &str) -> Result<Reply, SendFailure> {
    let finished = finish(&request_to(origin), &route.grant, &material(origin)).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    client.send(route, &finished, deadline).await
}

/// One request to a peer that plays a script.
async fn once(script: Vec<Act>, limits: Limits) -> Result<Reply, SendFailure> {
    let peer = Peer::plain(script).await;
    send(
        &Client::new(limits, Names::loopback()),
        &route_to(&peer.origin),
        &peer.origin,
    )
    .await
}

fn outcome(result: Result<Reply, SendFailure>) -> Result<u16, (Reason, Sent)> {
    result.map(|reply| reply.status).map_err(|failure| {
        assert!(
            !failure.to_string().contains("s3cr3t") && !failure.to_string().contains("771234567"),
            "{failure}"
        );
        (failure.reason, failure.sent)
    })
}

/// O-10: a child of this test runs it again with a proxy in its environment, which nobody listens at.
#[tokio::test]
async fn a_request_arrives_as_it_was_finished_and_the_environment_has_no_say() {
    let peer = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let client = Client::new(patient(), Names::loopback());
    let reply = send(&client, &route_to(&peer.origin), &peer.origin)
        .await
        .unwrap();
    assert_eq!((reply.status, reply.text()), (200, Some("ok")));
    let [request] = peer.requests().try_into().unwrap();
    let host = peer.origin.strip_prefix("http://").unwrap();
    let mut lines: Vec<&str> = request.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /send?a=b HTTP/1.1");
    lines.sort_unstable();
    let agent = concat!("user-agent: postern/", env!("CARGO_PKG_VERSION"));
    let host = format!("host: {host}");
    let mut expected = [
        "",
        "+94771234567",
        "authorization: s3cr3t-token",
        "content-length: 12",
        "content-type: text/plain",
        agent,
        &host,
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);

    if std::env::var_os("ALL_PROXY").is_none() {
        let this = std::env::current_exe().unwrap();
        let test =
            "client::tests::a_request_arrives_as_it_was_finished_and_the_environment_has_no_say";
        let nowhere = "http://127.0.0.1:9";
        let child = std::process::Command::new(this)
            .args(["--exact", test])
            .envs(
                [
                    "ALL_PROXY",
                    "HTTP_PROXY",
                    "http_proxy",
                    "HTTPS_PROXY",
                    "https_proxy",
                ]
                .map(|name| (name, nowhere)),
            )
            .output()
            .unwrap();
        assert!(
            child.status.success(),
            "{}",
            String::from_utf8_lossy(&child.stdout)
        );
    }
}

#[tokio::test]
async fn a_connection_is_used_again_by_the_same_sender_only() {
    let peer = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let client = Client::new(patient(), Names::loopback());
    let route = route_to(&peer.origin);
    for _ in 0..5 {
        send(&client, &route, &peer.origin).await.unwrap();
    }
    assert_eq!(peer.connections(), 1);

    let ca = Authority::new();
    let others = [
        Route {
            sender: "other".into(),
            ..route.clone()
        },
        Route {
            tenant: "other".into(),
            ..route.clone()
        },
        Route {
            trust: Trust::only(&[ca.pem()]).unwrap(),
            ..route.clone()
        },
    ];
    for (n, other) in others.iter().enumerate() {
        send(&client, other, &peer.origin).await.unwrap();
        assert_eq!(peer.connections(), 2 + n, "{other:?}");
    }
    send(&client, &route, &peer.origin).await.unwrap();
    assert_eq!(peer.connections(), 4);
    client.forget("sender");
    send(&client, &route, &peer.origin).await.unwrap();
    assert_eq!(peer.connections(), 5);
}

#[tokio::test]
async fn a_connection_that_was_closed_or_is_no_longer_granted_is_not_used_again() {
    let peer = Peer::plain(vec![Act::ReplyThenClose(OK.to_vec())]).await;
    let client = Client::new(patient(), Names::loopback());
    for n in 1..=20 {
        send(&client, &route_to(&peer.origin), &peer.origin)
            .await
            .unwrap();
        assert_eq!(peer.connections(), n);
    }

    let peer = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let route = route_to(&peer.origin);
    send(&client, &route, &peer.origin).await.unwrap();
    let taken_back = Grant {
        private: Private::default(),
        ..(*route.grant).clone()
    };
    let route = Route {
        grant: Arc::new(taken_back),
        ..route
    };
    assert_eq!(
        outcome(send(&client, &route, &peer.origin).await),
        Err((Reason::Denied, Sent::Nothing))
    );
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_was_idle_too_long_or_is_one_too_many_is_closed() {
    let peer = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let client = Client::new(
        Limits {
            idle: Duration::ZERO,
            ..patient()
        },
        Names::loopback(),
    );
    let route = route_to(&peer.origin);
    send(&client, &route, &peer.origin).await.unwrap();
    send(&client, &route, &peer.origin).await.unwrap();
    assert_eq!(peer.connections(), 2);

    let peer = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let client = Client::new(
        Limits {
            idle_max: 0,
            ..patient()
        },
        Names::loopback(),
    );
    let route = route_to(&peer.origin);
    send(&client, &route, &peer.origin).await.unwrap();
    send(&client, &route, &peer.origin).await.unwrap();
    assert_eq!(peer.connections(), 2);
}

/// P-20
#[tokio::test]
async fn a_sender_that_floods_waits_for_itself_and_nobody_else() {
    let peer = Peer::plain(vec![Act::Silence, Act::Reply(OK.to_vec())]).await;
    let client = Client::new(
        Limits {
            in_flight_per_origin_max: 1,
            connect: Duration::from_millis(50),
            ..patient()
        },
        Names::loopback(),
    );
    let route = route_to(&peer.origin);
    let stuck = tokio::spawn({
        let (client, route, origin) = (client.clone(), route.clone(), peer.origin.clone());
        async move { send(&client, &route, &origin).await }
    });
    while peer.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        outcome(send(&client, &route, &peer.origin).await),
        Err((Reason::Crowded, Sent::Nothing))
    );
    let other = Route {
        sender: "other".into(),
        ..route.clone()
    };
    assert_eq!(outcome(send(&client, &other, &peer.origin).await), Ok(200));
    stuck.abort();
    assert!(stuck.await.unwrap_err().is_cancelled());
    assert_eq!(
        outcome(send(&client, &route, &peer.origin).await),
        Ok(200),
        "an abandoned request gives its place back"
    );
}

#[tokio::test]
async fn a_failure_names_its_reason_and_whether_anything_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let origin = format!("http://localhost:{closed}");
    let with = |names: Arc<Names>| {
        let origin = origin.clone();
        async move { outcome(send(&Client::new(short(), names), &route_to(&origin), &origin).await) }
    };
    assert_eq!(
        with(Names::loopback()).await,
        Err((Reason::Connect, Sent::Nothing))
    );
    assert_eq!(
        with(Names::are(&[&[]])).await,
        Err((Reason::Dns, Sent::Nothing))
    );
    assert_eq!(
        with(Names::are(&[&["never"]])).await,
        Err((Reason::Dns, Sent::Nothing))
    );
    assert_eq!(
        with(Names::are(&[&["10.0.0.1"]])).await,
        Err((Reason::Denied, Sent::Nothing))
    );
    let route = Route {
        grant: Arc::new(Grant::default()),
        ..route_to(&origin)
    };
    let finished = finish(
        &request_to(&origin),
        &route_to(&origin).grant,
        &material(&origin),
    )
    .unwrap();
    let sent = Client::new(short(), Names::loopback())
        .send(&route, &finished, std::time::Instant::now())
        .await;
    assert_eq!(outcome(sent), Err((Reason::Denied, Sent::Nothing)));

    for garbage in [
        "",
        "garbage\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
    ] {
        let result = once(vec![Act::ReplyThenClose(garbage.into())], patient()).await;
        assert_eq!(
            outcome(result),
            Err((Reason::Protocol, Sent::Perhaps)),
            "{garbage:?}"
        );
    }
    for lies in [
        "content-length: 2\r\ncontent-length: 3",
        "content-length: +2",
    ] {
        let reply = format!("HTTP/1.1 200 OK\r\n{lies}\r\n\r\nok");
        let result = once(vec![Act::ReplyThenClose(reply.into())], patient()).await;
        assert_eq!(
            outcome(result),
            Err((Reason::Protocol, Sent::Perhaps)),
            "{lies}"
        );
    }
}

/// O-05, O-06: a name that resolves differently the next time changes nothing, because there is no next time.
#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_judged() {
    let peer = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let names = Names::are(&[
        &["10.255.255.1", "127.0.0.1", "169.254.169.254"],
        &["127.0.0.2"],
    ]);
    let client = Client::new(patient(), names.clone());
    let route = route_to(&peer.origin);
    assert_eq!(outcome(send(&client, &route, &peer.origin).await), Ok(200));
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        outcome(send(&client, &route, &peer.origin).await),
        Ok(200),
        "the connection is there already"
    );
    client.forget("sender");
    assert_eq!(
        outcome(send(&client, &route, &peer.origin).await),
        Err((Reason::Denied, Sent::Nothing))
    );
    assert_eq!(peer.requests().len(), 2);
}

/// O-08, P-13
#[tokio::test]
async fn a_redirect_is_a_reply_and_is_not_followed() {
    let trap = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    for status in [301, 302, 303, 307, 308] {
        for location in [
            trap.origin.as_str(),
            "http://169.254.169.254/latest/meta-data",
            "/loop",
        ] {
            let reply = format!(
                "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
            );
            let reply = once(vec![Act::Reply(reply.into())], patient())
                .await
                .unwrap();
            assert_eq!(
                (reply.status, reply.header("location")),
                (status, Some(location))
            );
        }
    }
    assert_eq!(trap.connections(), 0);
}

/// O-12
#[tokio::test]
async fn another_protocol_is_not_taken_up() {
    let upgrade =
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
    let result = once(vec![Act::Reply(upgrade.to_vec())], patient()).await;
    assert_eq!(outcome(result), Err((Reason::Protocol, Sent::Perhaps)));

    let trap = Peer::plain(vec![Act::Reply(OK.to_vec())]).await;
    let elsewhere = trap.origin.strip_prefix("http://").unwrap();
    let reply = format!(
        "HTTP/1.1 200 OK\r\nalt-svc: h2=\"{elsewhere}\", h3=\":443\"\r\ncontent-length: 0\r\n\r\n"
    );
    let peer = Peer::plain(vec![Act::Reply(reply.into())]).await;
    let client = Client::new(patient(), Names::loopback());
    for _ in 0..2 {
        assert_eq!(
            outcome(send(&client, &route_to(&peer.origin), &peer.origin).await),
            Ok(200)
        );
    }
    assert_eq!((peer.requests().len(), trap.connections()), (2, 0));
}

/// P-10, P-11
#[tokio::test]
async fn a_peer_that_is_silent_or_drips_costs_no_more_than_the_time_limit() {
    let drip = |first: &str, again: &str| {
        Act::Flood(first.into(), again.into(), Duration::from_millis(10))
    };
    for act in [
        Act::Silence,
        drip("", "H"),
        drip("HTTP/1.1 200 OK\r\n", "a"),
        drip("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        drip("HTTP/1.1 200 OK\r\n\r\n", "a"),
        drip("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n", "a"),
        drip(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\na\r\n",
        ),
        drip("", "HTTP/1.1 102 Processing\r\n\r\n"),
    ] {
        let begun = Instant::now();
        let result = outcome(once(vec![act.clone()], short()).await);
        let expected = match act {
            // Single letters make no head: they end by time or by being no HTTP.
            Act::Flood(first, ..) if first.is_empty() => vec![Reason::Timeout, Reason::Protocol],
            _ => vec![Reason::Timeout],
        };
        assert!(
            matches!(result, Err((reason, Sent::Perhaps)) if expected.contains(&reason)),
            "{result:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    // A caller's own deadline is earlier than the limits.
    let peer = Peer::plain(vec![Act::Silence]).await;
    let route = route_to(&peer.origin);
    let finished = finish(
        &request_to(&peer.origin),
        &route.grant,
        &material(&peer.origin),
    )
    .unwrap();
    let soon = std::time::Instant::now() + Duration::from_millis(50);
    let sent = Client::new(patient(), Names::loopback())
        .send(&route, &finished, soon)
        .await;
    assert!(matches!(outcome(sent), Err((Reason::Timeout, _))));
}

/// P-12
#[tokio::test]
async fn a_reply_is_bounded_in_body_head_and_interim_replies() {
    let flood = |first: &str, again: &str| {
        vec![Act::Flood(
            first.into(),
            again.repeat(1000).into(),
            Duration::ZERO,
        )]
    };
    for (what, script) in [
        (
            "a body that says how large it is",
            flood(
                "HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n",
                "a",
            ),
        ),
        (
            "a body until the connection closes",
            flood("HTTP/1.1 200 OK\r\n\r\n", "a"),
        ),
        (
            "chunks without end",
            flood(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "1\r\na\r\n",
            ),
        ),
        (
            "one header without end",
            flood("HTTP/1.1 200 OK\r\na: ", "a"),
        ),
        (
            "headers without end",
            flood("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ),
        (
            "interim replies without end",
            flood("", "HTTP/1.1 102 Processing\r\n\r\n"),
        ),
    ] {
        assert_eq!(
            outcome(once(script, patient()).await),
            Err((Reason::TooLarge, Sent::Perhaps)),
            "{what}"
        );
    }
    let sized = |bytes: usize| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
        once(
            vec![Act::Reply([head.into_bytes(), vec![b'a'; bytes]].concat())],
            patient(),
        )
    };
    assert_eq!(sized(256 * 1024).await.unwrap().body.len(), 256 * 1024);
    assert_eq!(
        outcome(sized(256 * 1024 + 1).await),
        Err((Reason::TooLarge, Sent::Perhaps))
    );
    let headed = |n: usize| {
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n",
            "a: b\r\n".repeat(n - 1)
        );
        once(vec![Act::Reply(reply.into())], patient())
    };
    assert_eq!(headed(100).await.unwrap().headers.len(), 100);
    assert_eq!(
        outcome(headed(101).await),
        Err((Reason::TooLarge, Sent::Perhaps))
    );
    let interim = [b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), OK.to_vec()].concat();
    assert_eq!(
        outcome(once(vec![Act::Reply(interim)], patient()).await),
        Ok(200)
    );
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\ncookie: evil\r\n\r\n";
    let reply = once(vec![Act::Reply(chunked.into())], patient())
        .await
        .unwrap();
    assert_eq!(
        (reply.text(), reply.header("cookie")),
        (Some("abc"), None),
        "trailers are not headers"
    );
}

/// P-14
#[tokio::test]
async fn a_compressed_reply_is_neither_unpacked_nor_handed_on() {
    for encoding in ["gzip", "br", "deflate", "zstd", "GZIP, gzip"] {
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 2\r\n\r\n\x1f\x0b"
        );
        let result = once(vec![Act::Reply(reply.into())], patient()).await;
        assert_eq!(
            outcome(result),
            Err((Reason::Protocol, Sent::Perhaps)),
            "{encoding}"
        );
    }
    let identity = "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(
        outcome(once(vec![Act::Reply(identity.into())], patient()).await),
        Ok(200)
    );
}

#[tokio::test]
async fn an_echo_is_cleaned_and_a_token_is_kept() {
    let body = r#"{"to":94771234567,"auth":"s3cr3t-token","t":"fresh-token-1"}"#;
    let reply = format!(
        "HTTP/1.1 200 OK\r\nx-to: +94771234567\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = once(vec![Act::Reply(reply.into())], patient())
        .await
        .unwrap();
    assert_eq!(
        reply.text(),
        Some(r#"{"to":"[recipient]","auth":"[secret]","t":"[secret]"}"#)
    );
    assert_eq!(reply.header("x-to"), Some("[recipient]"));
    assert_eq!(reply.kept.len(), 1);
}

/// A certificate authority of the tests.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server with a certificate for a name, until a year.
    fn server(&self, name: &str, until_year: i32, alpn: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        acceptor(certificate.der().clone(), &key, alpn)
    }
}

fn acceptor(
    certificate: rustls_pki_types::CertificateDer<'static>,
    key: &KeyPair,
    alpn: &[&str],
) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::aws_lc_rs::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certificate], key)
    .unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// O-11
#[tokio::test]
async fn only_a_valid_certificate_of_a_trusted_authority_is_accepted() {
    let ca = Authority::new();
    let trusting = Trust::only(&[ca.pem()]).unwrap();
    let check = async |tls: TlsAcceptor, trust: &Trust| {
        let peer = Peer::start(vec![Act::Reply(OK.to_vec())], Some(tls)).await;
        let route = Route {
            trust: trust.clone(),
            ..route_to(&peer.origin)
        };
        let result = outcome(
            send(
                &Client::new(patient(), Names::loopback()),
                &route,
                &peer.origin,
            )
            .await,
        );
        let names = peer.server_names.lock().unwrap().clone();
        assert_eq!(
            peer.requests().len(),
            usize::from(result.is_ok()),
            "a peer that is not believed sees no request"
        );
        (result, names)
    };
    let refused = Err((Reason::Tls, Sent::Nothing));
    let (result, names) = check(ca.server("localhost", 2100, &["http/1.1"]), &trusting).await;
    assert_eq!(
        (result, names),
        (Ok(200), vec![Some("localhost".into())]),
        "accepted, and the name was indicated"
    );
    assert_eq!(
        check(ca.server("localhost", 2100, &[]), &trusting).await.0,
        Ok(200)
    );
    assert_eq!(
        check(ca.server("localhost", 2001, &[]), &trusting).await.0,
        refused,
        "expired"
    );
    assert_eq!(
        check(ca.server("other.example", 2100, &[]), &trusting)
            .await
            .0,
        refused,
        "wrong name"
    );
    assert_eq!(
        check(ca.server("localhost", 2100, &["h2"]), &trusting)
            .await
            .0,
        refused,
        "HTTP/2 only"
    );
    assert_eq!(
        check(Authority::new().server("localhost", 2100, &[]), &trusting)
            .await
            .0,
        refused,
        "another authority"
    );
    assert_eq!(
        check(
            ca.server("localhost", 2100, &[]),
            &Trust::system_and(&NO_PEMS).unwrap()
        )
        .await
        .0,
        refused,
        "an authority the system does not know"
    );
    assert_eq!(
        check(
            ca.server("localhost", 2100, &[]),
            &Trust::system_and(&[ca.pem()]).unwrap()
        )
        .await
        .0,
        Ok(200)
    );
    let key = KeyPair::generate().unwrap();
    let self_signed = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    assert_eq!(
        check(acceptor(self_signed.der().clone(), &key, &[]), &trusting)
            .await
            .0,
        refused,
        "self-signed"
    );
}

/// O-11: a peer that answers in TLS 1.0, and one that never shakes hands.
#[tokio::test]
async fn an_old_or_silent_tls_peer_sees_no_request() {
    let hello = [
        &b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01"[..],
        &[7; 32],
        b"\x00\xc0\x13\x00",
    ]
    .concat();
    for (answer, reason) in [
        (hello, Reason::Tls),
        (OK.to_vec(), Reason::Tls),
        (vec![], Reason::Timeout),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&answer).await.unwrap();
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.unwrap_or(0);
            seen
        });
        let result = outcome(
            send(
                &Client::new(short(), Names::loopback()),
                &route_to(&origin),
                &origin,
            )
            .await,
        );
        assert_eq!(result, Err((reason, Sent::Nothing)));
        let seen = peer.await.unwrap();
        assert!(!seen.windows(6).any(|w| w == b"s3cr3t"));
    }
}
