//! What a peer answers that no peer should. Whatever it is, the change stays here, the reason says what was
//! wrong and nothing of what the peer said, and nobody else is asked.

use super::{asked, eventually, queue, sign_in};
use crate::{ALICE, BOB, PASSWORD};
use postern_kit::anyhow::{Context, Result};
use postern_kit::{Provider, TestHost};
use postern_server::desk::Request;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TOKEN: &str = "token-for-the-peer";
/// In an answer, the origin of a server that is to be asked nothing.
const ELSEWHERE: &str = "ELSEWHERE";
/// Many times what an answer may have, and more than lies in the buffers of a connection.
const FLOOD_BYTES: usize = 64 << 20;
const NOBODY: &str = r#"{"Resources":[]}"#;
const HOUR: u64 = 3_600_000;

enum Says {
    Reply {
        status: u16,
        more: &'static str,
        body: String,
    },
    /// A body for as long as somebody reads it.
    Floods,
    /// The beginning of an answer.
    Stops,
    HangsUp,
}

fn reply(status: u16, more: &'static str, body: &str) -> Says {
    Says::Reply {
        status,
        more,
        body: body.to_owned(),
    }
}

/// Nobody is found there; whatever else is asked, this.
fn but(method: &str, says: Says) -> Says {
    match method {
        "GET" => reply(200, "", NOBODY),
        _ => says,
    }
}

struct Case {
    name: &'static str,
    /// By the method and the whole request. To what is said of bob it always does as it should.
    says: fn(&str, &str) -> Says,
    /// Why alice waits. Nothing: she is told.
    why: Option<&'static str>,
}

fn case(name: &'static str, why: &'static str, says: fn(&str, &str) -> Says) -> Case {
    let why = Some(why).filter(|why| !why.is_empty());
    Case { name, says, why }
}

fn cases() -> Vec<Case> {
    let held = "the peer's account of that name is another user's of ours: give the two different \
                names, or their stores a connector each";
    vec![
        case(
            "large",
            "the search came to nothing: the peer's answer is too large",
            |_, _| Says::Floods,
        ),
        case(
            "endless",
            "the search came to nothing: the peer did not answer in time",
            |_, _| Says::Stops,
        ),
        case(
            "gone",
            "the search came to nothing: the peer broke off, or its answer is no plain HTTP",
            |_, _| Says::HangsUp,
        ),
        case(
            "packed",
            "the search came to nothing: the peer broke off, or its answer is no plain HTTP",
            |_, _| reply(200, "content-encoding: gzip\r\n", NOBODY),
        ),
        case(
            "page",
            "the peer's answer to the search cannot be read",
            |_, _| reply(200, "", "<p>the-peer-says"),
        ),
        case(
            "deep",
            "the peer's answer to the search cannot be read",
            |_, _| {
                let deep = "[".repeat(100_000);
                reply(200, "", &format!("{{\"Resources\":{deep}"))
            },
        ),
        case("moved", "the peer answered 302 to the search", |_, _| {
            reply(302, "location: ELSEWHERE/Users\r\n", "")
        }),
        // To be followed with the body, the password in it.
        case(
            "moved-on",
            "the peer answered 308 to the creation",
            |method, _| but(method, reply(308, "location: ELSEWHERE/Users\r\n", "")),
        ),
        case("another", held, |_, _| {
            let bob = r#"{"Resources":[{"id":"b","userName":"alice"}]}"#;
            reply(200, "", bob)
        }),
        case("another-made", held, |method, _| {
            but(method, reply(201, "", r#"{"id":"b"}"#))
        }),
        case(
            "several",
            "the peer has several of that name, and nothing says which is meant",
            |_, _| {
                let two = r#"{"Resources":[{"id":"1","userName":"alice"},{"id":"2","userName":"alice"}]}"#;
                reply(200, "", two)
            },
        ),
        case(
            "throttles",
            "the peer answered 429 to the search",
            |_, _| reply(429, "retry-after: 99999999999\r\n", ""),
        ),
        case(
            "fails",
            "the peer answered 500 to the search",
            |_, request| reply(500, "", &format!("the-peer-says {request}")),
        ),
        case("located", "", |method, _| match method {
            "PATCH" => reply(200, "", "{}"),
            _ => but(
                method,
                reply(
                    201,
                    "location: ELSEWHERE/Users/r1\r\n",
                    r#"{"id":"r1","meta":{"location":"ELSEWHERE/Users/r1"}}"#,
                ),
            ),
        }),
        case(
            "located-only",
            "the peer's answer to the creation cannot be read",
            |method, _| but(method, reply(201, "location: ELSEWHERE/Users/r1\r\n", "")),
        ),
    ]
}

struct Hostile {
    case: Case,
    origin: String,
    elsewhere: String,
    /// Method and target.
    asked: Mutex<Vec<String>>,
    /// Somebody stopped reading what it floods.
    cut_off: AtomicBool,
}

impl Hostile {
    async fn start(case: Case, elsewhere: &str) -> Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let peer = Arc::new(Self {
            case,
            origin: format!("http://{}", listener.local_addr()?),
            elsewhere: elsewhere.to_owned(),
            asked: Mutex::default(),
            cut_off: AtomicBool::default(),
        });
        let serving = Arc::clone(&peer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = Arc::clone(&serving);
                tokio::spawn(async move {
                    let _ = peer.serve(stream).await;
                });
            }
        });
        Ok(peer)
    }

    fn section(&self) -> String {
        format!(
            "[provisioning.{}]\nuser_endpoint = \"{}/Users\"\ntoken = \"{TOKEN}\"\nallow_private_networks = true\n",
            self.case.name, self.origin
        )
    }

    async fn serve(&self, mut stream: TcpStream) -> Result<()> {
        let (head, body) = asked(&mut stream).await?;
        let request = format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&body));
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let line = format!("{method} {target}");
        self.asked.lock().unwrap().push(line);
        let says = if request.contains("bob") {
            but(method, reply(201, "", r#"{"id":"b"}"#))
        } else {
            (self.case.says)(method, &request)
        };
        match says {
            Says::Reply { status, more, body } => {
                let more = more.replace(ELSEWHERE, &self.elsewhere);
                let body = body.replace(ELSEWHERE, &self.elsewhere);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/scim+json\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await?;
            }
            Says::Floods => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                let some = vec![b'['; 1 << 16];
                for _ in 0..FLOOD_BYTES / some.len() {
                    if stream.write_all(&some).await.is_err() {
                        self.cut_off.store(true, Ordering::SeqCst);
                        break;
                    }
                }
            }
            Says::Stops => {
                let beginning = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{";
                stream.write_all(beginning).await?;
                // Until the other side has had enough.
                stream.read_to_end(&mut Vec::new()).await?;
            }
            Says::HangsUp => {}
        }
        Ok(())
    }
}

/// One connector to each of them at once: what one does holds up no other.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_peer_answers_the_change_stays_and_nobody_else_is_asked() -> Result<()> {
    // Nobody answers here; who comes is seen in the end.
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0")?;
    elsewhere.set_nonblocking(true)?;
    let origin = format!("http://{}", elsewhere.local_addr()?);
    let mut peers = Vec::new();
    let mut builder = TestHost::builder().provider(Provider::Outbox);
    for case in cases() {
        let peer = Hostile::start(case, &origin).await?;
        builder = builder.config(&peer.section());
        peers.push(peer);
    }
    let host = builder.start().await?;
    let peer = |name: &str| {
        let found = peers.iter().find(|peer| peer.case.name == name);
        found.context("there is no such peer")
    };

    host.add_user("bob", PASSWORD, BOB).await?;
    eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    eventually(async || {
        let waiting = queue(&host).await?.waiting;
        Ok(waiting.iter().all(|row| row.trouble.is_some()))
    })
    .await?;

    let waiting = queue(&host).await?.waiting;
    let why: BTreeMap<&str, &str> = waiting
        .iter()
        .map(|row| {
            let why = row.trouble.as_deref().unwrap_or_default();
            (row.connector.as_str(), why)
        })
        .collect();
    let expected: BTreeMap<&str, &str> = peers
        .iter()
        .filter_map(|peer| Some((peer.case.name, peer.case.why?)))
        .collect();
    assert_eq!(why, expected);
    for row in &waiting {
        assert_eq!(row.subject, "alice");
        assert!(row.due_at < row.created_at + HOUR, "{row:?}");
        let shown = serde_json::to_string(row)?;
        for secret in [TOKEN, PASSWORD, ALICE, "the-peer-says"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let large = peer("large")?;
    eventually(async || Ok(large.cut_off.load(Ordering::SeqCst))).await?;

    // All of it stands here, and the peer that says her address is elsewhere is asked at its own.
    assert!(sign_in(&host, "alice", PASSWORD).await?);
    assert_eq!(host.number_of("alice").await?.as_deref(), Some(ALICE));
    let lock = Request::UserLock {
        name: "alice".to_owned(),
    };
    host.host().parts.desk.answer(lock).await?;
    assert!(!sign_in(&host, "alice", PASSWORD).await?);
    let located = peer("located")?;
    eventually(async || {
        let asked = located.asked.lock().unwrap();
        Ok(asked.iter().any(|line| line == "PATCH /Users/r1"))
    })
    .await?;
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    Ok(())
}
