//! How a finished request leaves: to its provider, or to the test outbox.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use postern_egress::{Client, Finished, Reason, Reply, SendFailure, Sent};
use postern_login::ports::{Clock, Directory, Entropy};
use postern_wasm::Plugins;

use crate::breaker::HealthPolicy;
use crate::conversation::Wire;
use crate::gateway::{DRAIN, Gateway, Parts};
use crate::outbox::{ORIGIN, Outbox, PLUGIN};
use crate::provider::Shipped;
use crate::registry::Bound;

/// What a gateway is made of.
pub struct Setup {
    /// The plugin folder. It need not exist yet.
    pub folder: PathBuf,
    /// Where the last good content of each plugin file is kept for the next start; the host's own.
    pub last_good: Option<PathBuf>,
    pub plugins: Plugins,
    /// When a sender or a plugin that fails is left alone.
    pub health: HealthPolicy,
    /// Through which requests leave.
    pub client: Client,
    pub directory: Arc<dyn Directory>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub shipped: Shipped,
    /// The test outbox, where the configuration switches it on.
    pub outbox: Option<Outbox>,
    /// Where contents of plugin files are kept to go back to; `None`: nowhere.
    pub kept: Option<PathBuf>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway without senders, which has not looked at its folder yet: [`Gateway::reconcile`]
    /// once, [`Gateway::configure`], then [`Gateway::watch`].
    pub fn new(setup: Setup) -> Self {
        let mut shipped = setup.shipped;
        if setup.outbox.is_some() {
            let fake = shipped.0.entry(PLUGIN.to_owned()).or_default();
            fake.origins = vec![ORIGIN.to_owned()];
            tracing::warn!("the test outbox is on: no message reaches a person");
        }
        Gateway::from_parts(Parts {
            folder: setup.folder,
            last_good: setup.last_good,
            drain: DRAIN,
            limits: setup.plugins.limits().clone(),
            health: setup.health,
            kept: setup.kept,
            loader: Arc::new(setup.plugins),
            outbox: setup.outbox.is_some(),
            wire: Arc::new(Exits {
                client: setup.client,
                outbox: setup.outbox,
            }),
            directory: setup.directory,
            clock: setup.clock,
            entropy: setup.entropy,
            shipped,
        })
    }
}

struct Exits {
    client: Client,
    outbox: Option<Outbox>,
}

#[async_trait]
impl Wire for Exits {
    async fn send(
        &self,
        sender: &Bound,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<Reply, SendFailure> {
        if Outbox::is_for(finished) {
            return match &self.outbox {
                Some(outbox) => outbox.take(sender, finished, deadline).await,
                None => Err(SendFailure {
                    reason: Reason::Denied,
                    sent: Sent::Nothing,
                    detail: "the test outbox is off".into(),
                }),
            };
        }
        self.client.send(&sender.route, finished, deadline).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::breaker::QuarantinePolicy;
    use crate::conversation::{Place, lead};
    use crate::guest::Admitted;
    use crate::outbox::{Answer, AnswerKind, MESSAGES_MAX};
    use crate::registry::Version;
    use crate::scripted::{
        NUMBER, Scripted, StoppedClock, TEXT, Zeros, accepted, manifest, message, refused, request,
        send, trap,
    };
    use postern_egress::grant::Grant;
    use postern_egress::{KeptValues, Limits, Route, Secrets, SystemResolver, Trust};
    use postern_login::ports::{Delivery, FailureReason};
    use postern_wasm::{provider, types};
    use std::time::Duration;

    /// What the plugin `fake` does, as far as the outbox is concerned.
    fn fake(
        _: &provider::Message,
        event: &provider::Event,
        _: &[u8],
    ) -> Result<provider::Action, postern_wasm::Fault> {
        use types::Op;
        match event {
            provider::Event::Start => {
                let program = vec![
                    Op::Lit(r#"{"to":""#.into()),
                    Op::Recipient("e164".into()),
                    Op::Lit(r#"","text":""#.into()),
                    Op::Text(0),
                    Op::Escape(("json".into(), 3)),
                    Op::Lit(r#""}"#.into()),
                    Op::Concat(vec![0, 1, 2, 4, 5]),
                ];
                let mut request = request(program, None);
                request.origin = ORIGIN.into();
                request.body = Some(("application/json".into(), 6));
                send(request)
            }
            provider::Event::Reply(reply) if reply.status == 200 => match &reply.body {
                types::TextOrBytes::Text(body) if body.contains("accepted") => accepted(),
                types::TextOrBytes::Text(body) if body.contains("throttled") => {
                    refused("throttled")
                }
                _ => refused("unknown"),
            },
            provider::Event::Failed(kind) if kind == "denied" => refused("misconfigured"),
            _ => refused("provider-down"),
        }
    }

    async fn sent(outbox: Option<&Outbox>) -> Result<(), FailureReason> {
        let admitted = Admitted {
            guest: Arc::new(Scripted {
                behaviour: Arc::new(fake),
                resolve: |_| Err(trap()),
                problems: Vec::new(),
                healthy: true,
            }),
            manifest: Arc::new(manifest("fake", "1.0.0", &[ORIGIN])),
            sha256: [0; 32],
            size: 0,
        };
        let bound = Bound {
            version: Arc::new(Version::new(
                admitted,
                QuarantinePolicy::default(),
                Instant::now(),
            )),
            settings: Vec::new(),
            secrets: Secrets::default(),
            route: Route {
                sender: "test".into(),
                tenant: "carbon.super".into(),
                grant: Arc::new(Grant {
                    entries: vec![ORIGIN.parse().unwrap()],
                    ..Grant::default()
                }),
                trust: Trust::only(&[] as &[&[u8]]).unwrap(),
            },
        };
        let exits = Exits {
            client: Client::new(Limits::default(), Arc::new(SystemResolver)),
            outbox: outbox.cloned(),
        };
        let place = Place {
            sender: "test",
            bound: &bound,
            limits: &postern_wasm::Limits::default(),
            wire: &exits,
            kept: &KeptValues::default(),
            clock: &StoppedClock,
            entropy: &Zeros,
        };
        let deadline = Instant::now() + Duration::from_millis(200);
        match lead(place, &message(), deadline, false).await.delivery {
            Delivery::Accepted { .. } => Ok(()),
            Delivery::Failed(failure) => Err(failure.reason),
        }
    }

    #[tokio::test]
    async fn the_outbox_keeps_the_finished_message() {
        let outbox = Outbox::new();
        assert_eq!(sent(Some(&outbox)).await, Ok(()));
        let kept = outbox.newest_to(NUMBER).unwrap();
        assert_eq!(
            (
                kept.text.as_str(),
                kept.sender.as_str(),
                kept.tenant.as_str()
            ),
            (TEXT, "test", "carbon.super")
        );
        assert!(outbox.wait_for(1, Duration::ZERO).await);
        assert!(!outbox.wait_for(2, Duration::from_millis(5)).await);
        outbox.clear();
        assert_eq!((outbox.messages().len(), outbox.count()), (0, 1));
    }

    #[tokio::test]
    async fn the_outbox_keeps_as_many_as_it_is_told_and_forgets_the_oldest() {
        let outbox = Outbox::keeping(2);
        for attempt in 1..=3 {
            assert_eq!(sent(Some(&outbox)).await, Ok(()));
            assert_eq!(outbox.messages().len(), attempt.min(2));
        }
        assert_eq!(outbox.count(), 3);
    }

    #[tokio::test]
    async fn the_outbox_answers_by_its_script_and_then_as_before() {
        let outbox = Outbox::new();
        outbox.script_for("test", [Answer::refuse("throttled")]);
        outbox.script([
            Answer::status(503),
            Answer::silence(),
            Answer::unreachable(),
            Answer::accept().after(Duration::from_secs(60)),
        ]);
        assert_eq!(sent(Some(&outbox)).await, Err(FailureReason::Throttled));
        assert_eq!(sent(Some(&outbox)).await, Err(FailureReason::ProviderDown));
        assert_eq!(
            sent(Some(&outbox)).await,
            Err(FailureReason::OutcomeUnknown)
        );
        assert_eq!(outbox.count(), 3);
        assert_eq!(sent(Some(&outbox)).await, Err(FailureReason::ProviderDown));
        assert_eq!(outbox.count(), 3, "nobody was there to take it");
        assert_eq!(
            sent(Some(&outbox)).await,
            Err(FailureReason::OutcomeUnknown),
            "it waited too long"
        );
        assert_eq!(sent(Some(&outbox)).await, Ok(()));
        outbox.otherwise(AnswerKind::Status(500).into());
        assert_eq!(sent(Some(&outbox)).await, Err(FailureReason::ProviderDown));
        assert!(outbox.messages().len() < MESSAGES_MAX);
    }

    /// A provider on this machine: reads one request, answers, and tells what it read.
    async fn provider(
        answer: &'static str,
    ) -> (std::net::SocketAddr, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            // The request is over with its text, which stands last in the body.
            while !read.ends_with(TEXT.as_bytes()) {
                let mut piece = [0; 1024];
                let count = stream.read(&mut piece).await.unwrap();
                assert_ne!(count, 0, "the whole request comes");
                read.extend(&piece[..count]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(read).unwrap()
        });
        (address, task)
    }

    async fn through_the_network(
        private: bool,
        answer: &'static str,
    ) -> (Delivery, Option<String>) {
        let (address, provider) = provider(answer).await;
        let origin = format!("http://{address}");
        let asked = origin.clone();
        let admitted = Admitted {
            guest: Arc::new(Scripted {
                behaviour: Arc::new(move |_, event, _| match event {
                    provider::Event::Start => {
                        let mut request = crate::scripted::message_request();
                        request.origin.clone_from(&asked);
                        send(request)
                    }
                    provider::Event::Reply(reply) if reply.status == 201 => {
                        let types::TextOrBytes::Text(body) = &reply.body else {
                            return refused("unknown");
                        };
                        assert!(
                            !body.contains(NUMBER) && body.contains("[recipient]"),
                            "{body}"
                        );
                        accepted()
                    }
                    provider::Event::Failed(kind) if kind == "denied" => refused("misconfigured"),
                    _ => refused("provider-down"),
                }),
                resolve: |_| Err(trap()),
                problems: Vec::new(),
                healthy: true,
            }),
            manifest: Arc::new(manifest("acme", "1.0.0", &[])),
            sha256: [0; 32],
            size: 0,
        };
        let mut grant = Grant {
            entries: vec![origin.parse().unwrap()],
            ..Grant::default()
        };
        grant.private.networks = private;
        let bound = Bound {
            version: Arc::new(Version::new(
                admitted,
                QuarantinePolicy::default(),
                Instant::now(),
            )),
            settings: Vec::new(),
            secrets: Secrets::default(),
            route: Route {
                sender: "main".into(),
                tenant: "carbon.super".into(),
                grant: Arc::new(grant),
                trust: Trust::only(&[] as &[&[u8]]).unwrap(),
            },
        };
        let exits = Exits {
            client: Client::new(Limits::default(), Arc::new(SystemResolver)),
            outbox: None,
        };
        let place = Place {
            sender: "main",
            bound: &bound,
            limits: &postern_wasm::Limits::default(),
            wire: &exits,
            kept: &KeptValues::default(),
            clock: &StoppedClock,
            entropy: &Zeros,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        let ended = lead(place, &message(), deadline, false).await;
        let seen = match private {
            true => Some(provider.await.unwrap()),
            false => {
                provider.abort();
                None
            }
        };
        (ended.delivery, seen)
    }

    #[tokio::test]
    async fn a_message_reaches_a_provider_and_an_echo_of_the_number_does_not_come_back() {
        let answer = "HTTP/1.1 201 Created\r\ncontent-length: 21\r\n\r\n{\"to\":\"+94771234567\"}";
        let (delivery, seen) = through_the_network(true, answer).await;
        assert!(
            matches!(delivery, Delivery::Accepted { .. }),
            "{delivery:?}"
        );
        let seen = seen.unwrap();
        assert!(seen.starts_with("POST /messages HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.ends_with(&format!("\r\n\r\n{NUMBER} {TEXT}")),
            "{seen}"
        );
    }

    #[tokio::test]
    async fn a_provider_in_a_private_network_needs_the_operators_word() {
        let (delivery, _) = through_the_network(false, "").await;
        let Delivery::Failed(failure) = delivery else {
            panic!("nothing was sent");
        };
        assert_eq!(failure.reason, FailureReason::Misconfigured);
    }

    /// P-10 seen from here: a connection that ends after the request is an unknown outcome.
    #[tokio::test]
    async fn a_provider_that_hangs_up_on_the_message_leaves_the_outcome_unknown() {
        let (delivery, seen) = through_the_network(true, "HTTP/1.1 ").await;
        let Delivery::Failed(failure) = delivery else {
            panic!("there was no reply");
        };
        assert_eq!(failure.reason, FailureReason::OutcomeUnknown);
        assert!(seen.is_some());
    }

    #[tokio::test]
    async fn without_an_outbox_nothing_leaves_for_it() {
        assert_eq!(sent(None).await, Err(FailureReason::Misconfigured));
    }
}
