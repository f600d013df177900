//! A peer that must agree before a user is made.

use super::{asked, connector, eventually, queue, shown};
use crate::{ALICE, BOB, PASSWORD};
use postern_kit::anyhow::Result;
use postern_kit::ports::free_port;
use postern_kit::{Provider, TestHost};
use postern_server::desk::{Reply, Request};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_peer_that_does_not_take_a_user_stops_the_creation() -> Result<()> {
    let nobody = free_port()?;
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&connector(
            &format!("http://127.0.0.1:{nobody}"),
            "token",
            "blocking = true",
        ))
        .start()
        .await?;
    let refused = host.add_user("alice", PASSWORD, ALICE).await.unwrap_err();
    assert!(
        refused.to_string().contains("a peer that must agree"),
        "{refused}"
    );
    let Reply::Users(users) = host
        .host()
        .parts
        .desk
        .answer(Request::UserList { from: None })
        .await?
    else {
        panic!("expected users");
    };
    assert!(users.is_empty(), "{users:?}");
    assert_eq!(queue(&host).await?.waiting, []);
    Ok(())
}

/// A peer that does as it is told: takes, refuses, or answers late.
#[derive(Clone)]
struct Scripted(std::sync::Arc<Script>);

struct Script {
    origin: String,
    mood: tokio::sync::watch::Sender<Mood>,
    /// Id and name.
    users: std::sync::Mutex<Vec<(String, Value)>>,
    asked: std::sync::Mutex<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Refuses,
    /// What it is asked to make it makes, but only once it takes again.
    Stalls,
}

impl Scripted {
    async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let peer = Self(std::sync::Arc::new(Script {
            origin: format!("http://{}", listener.local_addr()?),
            mood: tokio::sync::watch::Sender::new(Mood::Takes),
            users: Default::default(),
            asked: Default::default(),
        }));
        let serving = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = serving.clone();
                tokio::spawn(async move {
                    let _ = peer.serve(stream).await;
                });
            }
        });
        Ok(peer)
    }

    fn section(&self, name: &str, more: &str) -> String {
        let origin = &self.0.origin;
        format!(
            "[provisioning.{name}]\nuser_endpoint = \"{origin}/Users\"\ntoken = \"t\"\nallow_private_networks = true\n{more}\n"
        )
    }

    fn is(&self, mood: Mood) {
        self.0.mood.send_replace(mood);
    }

    fn names(&self) -> Vec<Value> {
        let users = self.0.users.lock().unwrap();
        users.iter().map(|(_, name)| name.clone()).collect()
    }

    fn was_asked_to(&self, method: &str) -> usize {
        let asked = self.0.asked.lock().unwrap();
        asked.iter().filter(|known| *known == method).count()
    }

    async fn serve(&self, mut stream: tokio::net::TcpStream) -> Result<()> {
        let (head, body) = asked(&mut stream).await?;
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        self.0.asked.lock().unwrap().push(method.clone());
        let (status, body) = self.answer(&method, &path, &body).await?;
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/scim+json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(stream.write_all(answer.as_bytes()).await?)
    }

    async fn answer(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Value)> {
        if method == "GET" {
            let users = self.0.users.lock().unwrap();
            let all: Vec<Value> = users
                .iter()
                .map(|(id, name)| json!({ "id": id, "userName": name }))
                .collect();
            return Ok((200, json!({ "Resources": all })));
        }
        let mut mood = self.0.mood.subscribe();
        if *mood.borrow() == Mood::Refuses {
            return Ok((400, json!({})));
        }
        let _ = mood.wait_for(|mood| *mood != Mood::Stalls).await?;
        let mut users = self.0.users.lock().unwrap();
        let known = users.iter().position(|(id, _)| path.ends_with(id.as_str()));
        Ok(match (method, known) {
            ("POST", _) => {
                let user: Value = serde_json::from_slice(body)?;
                if users.iter().any(|(_, name)| *name == user["userName"]) {
                    return Ok((409, json!({})));
                }
                let id = format!("r{}", self.0.asked.lock().unwrap().len());
                users.push((id.clone(), user["userName"].clone()));
                (201, json!({ "id": id }))
            }
            (_, None) => (404, json!({})),
            ("DELETE", Some(at)) => {
                users.remove(at);
                (200, json!({}))
            }
            (_, Some(_)) => (200, json!({})),
        })
    }
}

/// Else whoever runs the peer keeps a locked account's sessions open, and its old codes alive.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_blocking_peer_says_to_a_change_stops_nothing_of_what_follows_it() -> Result<()> {
    let peer = Scripted::start().await?;
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&peer.section("peer", "blocking = true"))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    assert_eq!(peer.names(), ["alice"]);
    host.backup_codes("alice").await?;
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    browser.enter_code(&page, &code).await?;
    assert_eq!(shown(&host, "alice").await?.sessions.len(), 1);
    let mut waits = host.browser();
    let page = waits.sign_in("alice", PASSWORD).await?;
    let old = host.phone(ALICE).next_code().await?;

    peer.is(Mood::Refuses);
    let number = postern_server::desk::Change {
        number: Some(Some(BOB.to_owned())),
        ..Default::default()
    };
    host.change_user("alice", number).await?;
    waits.enter_code(&page, &old).await?;
    let after = shown(&host, "alice").await?;
    assert_eq!(after.sessions.len(), 1, "a code to the old number is dead");
    let name = || "alice".to_owned();
    let desk = &host.host().parts.desk;
    desk.answer(Request::UserLock { name: name() }).await?;
    assert_eq!(shown(&host, "alice").await?.sessions.len(), 0);
    assert!(
        !queue(&host).await?.waiting.is_empty(),
        "the peer is not told yet"
    );
    desk.answer(Request::UserDelete { name: name() }).await?;

    // Who has the name next is told to the peer after the end of the one before, and has nothing of
    // theirs.
    peer.is(Mood::Takes);
    host.add_user("alice", PASSWORD, ALICE).await?;
    assert_eq!(shown(&host, "alice").await?.backup_codes_left, 0);
    // Once while it refused, perhaps, and once when it took it.
    assert!(peer.was_asked_to("DELETE") >= 1);
    assert_eq!(peer.names(), ["alice"]);
    assert_eq!(queue(&host).await?.waiting, []);
    Ok(())
}

/// One peer took the user, the next one did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_undone_leaves_no_account_at_a_peer_that_took_it() -> Result<()> {
    let (takes, refuses, theirs) = (
        Scripted::start().await?,
        Scripted::start().await?,
        Scripted::start().await?,
    );
    refuses.is(Mood::Refuses);
    // Somebody of that name who has nothing to do with us.
    theirs.is(Mood::Refuses);
    theirs
        .0
        .users
        .lock()
        .unwrap()
        .push(("own".into(), json!("alice")));
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&takes.section("a", "blocking = true"))
        .config(&refuses.section("b", "blocking = true"))
        .start()
        .await?;
    let refused = host.add_user("alice", PASSWORD, ALICE).await.unwrap_err();
    assert!(
        refused.to_string().contains("a peer that must agree"),
        "{refused}"
    );
    assert!(host.number_of("alice").await.is_err(), "nobody is made");
    assert!(takes.was_asked_to("POST") >= 1);
    eventually(async || Ok(takes.names().is_empty())).await?;
    eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await?;
    assert_eq!(refuses.was_asked_to("DELETE"), 0);

    // And a peer that refuses loses nobody of its own.
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&theirs.section("c", "blocking = true"))
        .start()
        .await?;
    assert!(host.add_user("alice", PASSWORD, ALICE).await.is_err());
    theirs.is(Mood::Takes);
    assert_eq!(queue(&host).await?.waiting, []);
    assert_eq!(theirs.names(), ["alice"]);
    Ok(())
}

/// The peer answers after whoever made the user has gone, and makes it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_a_user_too_late_is_told_that_it_is_gone() -> Result<()> {
    let peer = Scripted::start().await?;
    peer.is(Mood::Stalls);
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&peer.section("peer", "blocking = true"))
        .start()
        .await?;
    let refused = host.add_user("alice", PASSWORD, ALICE).await.unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
    assert!(host.number_of("alice").await.is_err(), "nobody is made");
    peer.is(Mood::Takes);
    eventually(async || Ok(!peer.names().is_empty())).await?;
    let waiting = queue(&host).await?.waiting;
    assert!(
        waiting
            .last()
            .is_some_and(|row| row.gone && row.subject == "alice"),
        "{waiting:?}"
    );
    let retry = Request::ProvisioningRetry {
        connector: "peer".into(),
        number: None,
    };
    host.host().parts.desk.answer(retry).await?;
    eventually(async || Ok(peer.names().is_empty())).await?;
    eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await?;
    Ok(())
}
