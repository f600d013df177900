#![allow(clippy::unwrap_used)]
use super::*;
use crate::scripted::*;
use postern_egress::Trust;
use postern_egress::grant::Grant;
use postern_egress::{NamedSecret, Route, Secrets};
use postern_wasm::manifest::Manifest;
use postern_wasm::types::Op;
use std::sync::Arc;

use crate::breaker::QuarantinePolicy;
use crate::guest::Admitted;
use crate::registry::{Version, held};

/// A plugin, a provider, and what was kept of earlier replies.
struct Scene {
    bound: Bound,
    wire: ScriptedWire,
    kept: KeptValues,
    limits: Limits,
}

impl Scene {
    fn new<F>(plugin: F, answers: impl IntoIterator<Item = Answers>) -> Self
    where
        F: Fn(&provider::Message, &provider::Event, &[u8]) -> Result<provider::Action, Fault>
            + Send
            + Sync
            + 'static,
    {
        Self::worded(plugin, answers, |_| ())
    }

    /// With something else in the manifest.
    fn worded<F>(
        plugin: F,
        answers: impl IntoIterator<Item = Answers>,
        change: impl FnOnce(&mut Manifest),
    ) -> Self
    where
        F: Fn(&provider::Message, &provider::Event, &[u8]) -> Result<provider::Action, Fault>
            + Send
            + Sync
            + 'static,
    {
        let mut manifest = manifest("acme", "1.0.0", &[ORIGIN]);
        change(&mut manifest);
        let admitted = Admitted {
            guest: Arc::new(Scripted {
                behaviour: Arc::new(plugin),
                resolve: |_| Err(trap()),
                problems: Vec::new(),
                healthy: true,
            }),
            manifest: Arc::new(manifest),
            sha256: [0; 32],
            size: 0,
        };
        let bound_to = vec![ORIGIN.parse().unwrap()];
        Scene {
            bound: Bound {
                version: Arc::new(Version::new(
                    admitted,
                    QuarantinePolicy::default(),
                    Instant::now(),
                )),
                settings: Vec::new(),
                secrets: Secrets::new(vec![NamedSecret::new("key", KEY, bound_to)]).unwrap(),
                route: Route {
                    sender: "acme".into(),
                    tenant: "carbon.super".into(),
                    grant: Arc::new(Grant {
                        entries: vec![
                            ORIGIN.parse().unwrap(),
                            "https://other.example".parse().unwrap(),
                        ],
                        ..Grant::default()
                    }),
                    trust: Trust::only(&[] as &[&[u8]]).unwrap(),
                },
            },
            wire: ScriptedWire::answering(answers),
            kept: KeptValues::default(),
            limits: Limits::default(),
        }
    }

    async fn send(&self) -> Ended {
        self.send_by(soon()).await
    }

    fn place(&self) -> Place<'_> {
        Place {
            sender: "acme",
            bound: &self.bound,
            limits: &self.limits,
            wire: &self.wire,
            kept: &self.kept,
            clock: &StoppedClock,
            entropy: &Zeros,
        }
    }

    async fn send_by(&self, deadline: Instant) -> Ended {
        let message = Message {
            code: Some(six_digits()),
            ..message()
        };
        lead(self.place(), &message, deadline, true).await
    }

    fn seen(&self) -> Vec<(String, String)> {
        let seen = held(&self.wire.seen);
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        seen.iter()
            .map(|(line, body)| (line.clone(), text(body)))
            .collect()
    }
}

fn reason_of(ended: &Ended) -> FailureReason {
    match &ended.delivery {
        Delivery::Failed(failure) => failure.reason,
        Delivery::Accepted { .. } => panic!("accepted"),
    }
}

fn accepted_as(ended: &Ended) -> Option<&str> {
    match &ended.delivery {
        Delivery::Accepted { provider_id, .. } => provider_id.as_deref(),
        Delivery::Failed(failure) => panic!("{failure:?}"),
    }
}

#[tokio::test]
async fn a_message_is_two_steps_and_one_request() {
    let scene = Scene::new(ordinary, [Answers::Status(201, "{}")]);
    let ended = scene.send().await;
    assert_eq!(accepted_as(&ended), Some("m-1"));
    let expected = (
        "POST https://api.sms.example/messages".to_owned(),
        format!("{NUMBER} {TEXT}"),
    );
    assert_eq!(scene.seen(), [expected]);
    assert_eq!(scene.bound.version.calls.load(Ordering::Relaxed), 2);
    assert_eq!(ended.idempotent, Some(false));
    assert_eq!(ended.shown.len(), 1);
}

#[tokio::test]
async fn the_verdict_is_the_plugins() {
    let scene = Scene::new(ordinary, [Answers::Status(400, "")]);
    assert_eq!(
        reason_of(&scene.send().await),
        FailureReason::InvalidRecipient
    );
    for (name, expected) in [
        ("throttled", FailureReason::Throttled),
        ("insufficient-funds", FailureReason::InsufficientFunds),
        ("unsupported", FailureReason::Unknown),
        ("weather", FailureReason::Unknown),
        ("Throttled", FailureReason::Unknown),
    ] {
        let scene = Scene::new(move |_, _, _| refused(name), []);
        assert_eq!(reason_of(&scene.send().await), expected, "{name}");
    }
}

#[tokio::test]
async fn an_accepted_that_sent_nothing_is_a_fault() {
    let scene = Scene::new(|_, _, _| accepted(), []);
    let ended = scene.send().await;
    assert_eq!(reason_of(&ended), FailureReason::PluginFault);
    assert!(ended.fault.is_some());
}

#[tokio::test]
async fn a_trap_before_anything_was_sent_is_a_plugin_fault_and_afterwards_an_unknown_outcome() {
    let before = Scene::new(|_, _, _| Err(trap()), []);
    let ended = before.send().await;
    assert_eq!(reason_of(&ended), FailureReason::PluginFault);
    assert!(ended.fault.is_some());

    let after = Scene::new(
        |_, event, _| match event {
            provider::Event::Start => send(message_request()),
            _ => Err(trap()),
        },
        [],
    );
    let ended = after.send().await;
    assert_eq!(reason_of(&ended), FailureReason::OutcomeUnknown);
    assert!(ended.fault.is_some(), "it still counts against the plugin");
}

/// P-31, worker_abort
#[tokio::test]
async fn a_worker_that_dies_costs_the_message_and_is_not_held_against_the_plugin() {
    let died = || Fault {
        kind: FaultKind::WorkerDied,
        detail: "the worker was ended".into(),
    };
    let scene = Scene::new(move |_, _, _| Err(died()), []);
    let ended = scene.send().await;
    assert_eq!(reason_of(&ended), FailureReason::PluginFault);
    assert!(ended.fault.is_none());
}

#[tokio::test]
async fn a_failure_that_sent_nothing_is_what_the_plugin_says() {
    let scene = Scene::new(ordinary, [Answers::Fails(Sent::Nothing)]);
    assert_eq!(reason_of(&scene.send().await), FailureReason::ProviderDown);
}

#[tokio::test]
async fn a_failure_in_the_dark_is_an_unknown_outcome_whatever_the_plugin_says() {
    for says in [
        "provider-down",
        "throttled",
        "outcome-unknown",
        "invalid-recipient",
    ] {
        let plugin = move |_: &_, event: &_, _: &[u8]| match event {
            provider::Event::Start => send(message_request()),
            _ => refused(says),
        };
        let scene = Scene::new(plugin, [Answers::Fails(Sent::Perhaps)]);
        assert_eq!(
            reason_of(&scene.send().await),
            FailureReason::OutcomeUnknown,
            "{says}"
        );
        assert_eq!(scene.seen().len(), 1, "and it is not sent again");
    }
    let optimist = |_: &_, event: &_, _: &[u8]| match event {
        provider::Event::Start => send(message_request()),
        _ => accepted(),
    };
    let scene = Scene::new(optimist, [Answers::Fails(Sent::Perhaps)]);
    assert_eq!(
        reason_of(&scene.send().await),
        FailureReason::OutcomeUnknown
    );
}

#[tokio::test]
async fn an_idempotent_request_is_repeated_once_in_the_dark() {
    let plugin = |_: &_, event: &_, _: &[u8]| match event {
        provider::Event::Start => send(types::Request {
            idempotent: true,
            ..message_request()
        }),
        provider::Event::Reply(_) => accepted(),
        _ => refused("provider-down"),
    };
    let scene = Scene::new(
        plugin,
        [Answers::Fails(Sent::Perhaps), Answers::Status(200, "")],
    );
    let ended = scene.send().await;
    assert_eq!(accepted_as(&ended), Some("m-1"));
    let seen = scene.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1], "the very same request");
    assert_eq!(ended.idempotent, Some(true));

    let scene = Scene::new(plugin, [Answers::Fails(Sent::Perhaps)]);
    assert_eq!(
        reason_of(&scene.send().await),
        FailureReason::OutcomeUnknown
    );
    assert_eq!(scene.seen().len(), 2, "once, not more");
    // The second time nobody was there; the first time somebody may have been.
    let scene = Scene::new(
        plugin,
        [Answers::Fails(Sent::Perhaps), Answers::Fails(Sent::Nothing)],
    );
    assert_eq!(
        reason_of(&scene.send().await),
        FailureReason::OutcomeUnknown
    );
}

/// O-13
#[tokio::test]
async fn the_message_leaves_at_most_once() {
    let plugin = |_: &_, _: &_, _: &[u8]| send(message_request());
    let scene = Scene::new(plugin, []);
    let ended = scene.send().await;
    assert_eq!(reason_of(&ended), FailureReason::OutcomeUnknown);
    assert!(ended.fault.is_some());
    assert_eq!(scene.seen().len(), 1);
}

/// O-13
#[tokio::test]
async fn a_request_with_text_or_code_carries_the_recipient() {
    for source in [Op::Text(0), Op::Code] {
        let body = source.clone();
        let scene = Scene::new(
            move |_, _, _| send(request(vec![body.clone()], Some(0))),
            [],
        );
        assert_eq!(
            reason_of(&scene.send().await),
            FailureReason::PluginFault,
            "{source:?}"
        );
        assert_eq!(scene.seen(), []);
    }
}

/// O-13
#[tokio::test]
async fn requests_and_steps_are_counted() {
    let chatter = |_: &_, _: &_, _: &[u8]| send(request(vec![], None));
    // By default, and by numbers of the operator's: whichever comes first ends it.
    for (steps, requests, seen, calls) in [(4, 3, 3, 4), (2, 1, 1, 2), (8, 2, 2, 3)] {
        let scene = Scene {
            limits: Limits {
                steps,
                requests,
                ..Limits::default()
            },
            ..Scene::new(chatter, [])
        };
        let ended = scene.send().await;
        assert_eq!(reason_of(&ended), FailureReason::PluginFault);
        assert!(ended.fault.is_some());
        assert_eq!(scene.seen().len(), seen);
        assert_eq!(scene.bound.version.calls.load(Ordering::Relaxed), calls);
    }
    let usual = Limits::default();
    assert_eq!((usual.steps, usual.requests), (4, 3));
}

#[tokio::test]
async fn the_state_travels_to_the_next_step() {
    let plugin = |_: &_, event: &_, state: &[u8]| match event {
        provider::Event::Start => Ok(provider::Action::Send(provider::Outgoing {
            request: message_request(),
            state: b"remember".to_vec(),
        })),
        _ => match state {
            b"remember" => accepted(),
            _ => refused("unknown"),
        },
    };
    assert_eq!(
        accepted_as(&Scene::new(plugin, []).send().await),
        Some("m-1")
    );
}

#[tokio::test]
async fn what_is_not_granted_is_told_as_denied() {
    let plugin = |_: &_, event: &_, _: &[u8]| match event {
        provider::Event::Start => send(types::Request {
            origin: "https://evil.example".into(),
            ..message_request()
        }),
        provider::Event::Failed(kind) if kind == "denied" => refused("misconfigured"),
        _ => accepted(),
    };
    let scene = Scene::new(plugin, []);
    assert_eq!(reason_of(&scene.send().await), FailureReason::Misconfigured);
    assert_eq!(scene.seen(), []);
}

/// A plugin cannot know which characters a text has. What a character set cannot carry was not sent, and
/// may go in another.
#[tokio::test]
async fn a_text_that_one_character_set_cannot_carry_goes_in_another() {
    let latin = || {
        let program = vec![
            Op::Recipient("e164".into()),
            Op::Lit(" ".into()),
            Op::Text(0),
            Op::Charset(("iso-8859-1".into(), 2)),
            Op::Concat(vec![0, 1, 3]),
        ];
        request(program, Some(4))
    };
    let plugin = move |_: &_, event: &_, _: &[u8]| match event {
        provider::Event::Start => send(latin()),
        provider::Event::Failed(kind) if kind == "denied" => send(message_request()),
        _ => accepted(),
    };
    for (text, requests) in [("5 $", 1), ("5 €", 2)] {
        let scene = Scene::new(plugin, []);
        let message = Message {
            text: MessageText::measured(text.into()).unwrap(),
            ..message()
        };
        let ended = lead(scene.place(), &message, soon(), true).await;
        assert_eq!(accepted_as(&ended), Some("m-1"), "{text}");
        assert_eq!(held(&scene.wire.seen).len(), 1, "{text} leaves once");
        let calls = scene.bound.version.calls.load(Ordering::Relaxed);
        assert_eq!(calls, requests + 1, "{text}");
    }
}

#[tokio::test]
async fn one_deadline_holds_for_all() {
    let scene = Scene::new(ordinary, [Answers::Never]);
    let ended = scene
        .send_by(Instant::now() + Duration::from_millis(20))
        .await;
    assert_eq!(reason_of(&ended), FailureReason::OutcomeUnknown);
    let preparing = |_: &_, _: &_, _: &[u8]| send(request(vec![], None));
    let scene = Scene::new(preparing, [Answers::Never]);
    let ended = scene
        .send_by(Instant::now() + Duration::from_millis(20))
        .await;
    assert_eq!(
        reason_of(&ended),
        FailureReason::ProviderDown,
        "nothing of the message was out"
    );
}

/// A provider that wants a token first.
fn with_token(
    message: &provider::Message,
    event: &provider::Event,
    _: &[u8],
) -> Result<provider::Action, Fault> {
    let has = message.kept.iter().any(|name| name == "token");
    match event {
        provider::Event::Start if !has => send(types::Request {
            keep: vec![types::Keep {
                name: "token".into(),
                pointer: "/token".into(),
                lifetime_pointer: None,
                lifetime: 600,
            }],
            ..request(vec![Op::Secret("key".into())], Some(0))
        }),
        provider::Event::Start => send(message_with_token()),
        // Told apart by what it brought: the token's reply does not say `sent`.
        provider::Event::Reply(reply) if reply.status == 401 => refused("auth-failed"),
        provider::Event::Reply(types::Reply {
            body: types::TextOrBytes::Text(body),
            ..
        }) if body == "sent" => accepted(),
        provider::Event::Reply(_) if has => send(message_with_token()),
        _ => refused("provider-down"),
    }
}

fn message_with_token() -> types::Request {
    let program = vec![
        Op::Kept("token".into()),
        Op::Lit(" ".into()),
        Op::Recipient("e164".into()),
        Op::Text(0),
        Op::Concat(vec![0, 1, 2, 1, 3]),
    ];
    request(program, Some(4))
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_again() {
    let scene = Scene::new(
        with_token,
        [
            Answers::Status(200, r#"{"token":"tok-1-tok-1"}"#),
            Answers::Status(200, "sent"),
        ],
    );
    assert_eq!(accepted_as(&scene.send().await), Some("m-1"));
    assert_eq!(accepted_as(&scene.send().await), Some("m-1"));
    let seen = scene.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].1, KEY);
    assert_eq!(seen[1].1, format!("tok-1-tok-1 {NUMBER} {TEXT}"));
    assert_eq!(seen[2], seen[1]);
}

#[tokio::test]
async fn a_token_that_was_withdrawn_is_fetched_again_once() {
    let scene = Scene::new(
        with_token,
        [
            Answers::Status(200, r#"{"token":"tok-1-tok-1"}"#),
            Answers::Status(200, "sent"),
            Answers::Status(401, ""),
            Answers::Status(200, r#"{"token":"tok-2-tok-2"}"#),
            Answers::Status(200, "sent"),
            Answers::Status(401, ""),
        ],
    );
    assert_eq!(accepted_as(&scene.send().await), Some("m-1"));
    assert_eq!(accepted_as(&scene.send().await), Some("m-1"), "refreshed");
    assert!(scene.seen()[4].1.starts_with("tok-2-tok-2 "));
    // Refused with the old one, the new one does not come: the plugin has the last word.
    assert_eq!(reason_of(&scene.send().await), FailureReason::AuthFailed);
}

#[tokio::test]
async fn a_401_without_a_kept_value_is_the_plugins_to_judge() {
    let plugin = |_: &_, event: &_, _: &[u8]| match event {
        provider::Event::Start => send(message_request()),
        provider::Event::Reply(reply) if reply.status == 401 => refused("auth-failed"),
        _ => refused("unknown"),
    };
    let scene = Scene::new(plugin, [Answers::Status(401, "")]);
    assert_eq!(reason_of(&scene.send().await), FailureReason::AuthFailed);
    assert_eq!(scene.seen().len(), 1);
}

#[tokio::test]
async fn a_detail_is_one_line_of_at_most_512_bytes() {
    let plugin = |_: &_, _: &_, _: &[u8]| {
        Ok(provider::Action::Done(provider::Verdict::Refused(
            provider::Refusal {
                reason: "unknown".into(),
                retry_after: Some(7),
                detail: format!("a\r\nERROR forged\u{202e}{}", "x".repeat(2_000)),
                extra: Vec::new(),
            },
        )))
    };
    let ended = Scene::new(plugin, []).send().await;
    let Delivery::Failed(failure) = ended.delivery else {
        panic!("refused");
    };
    assert!(failure.detail.starts_with("a\\r\\nERROR forged\\u{202e}x"));
    assert!(failure.detail.len() <= DETAIL_BYTES_MAX + '…'.len_utf8());
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

// ------------------------------------------------ plugins that want to know

fn six_digits() -> postern_otp::Code {
    let format = postern_otp::CodeFormat {
        length: 6,
        alphabet: postern_otp::Alphabet::Digits,
    };
    postern_otp::Code::parse(format, CODE).unwrap()
}

/// Everything a plugin was given in a conversation, as one text.
async fn all_it_saw(
    answers: impl IntoIterator<Item = Answers>,
    ask: fn() -> types::Request,
) -> (String, Ended, Scene) {
    let notes = Arc::new(std::sync::Mutex::new(String::new()));
    let pen = Arc::clone(&notes);
    let scene = Scene::new(
        move |message, event, state| {
            held(&pen).push_str(&format!("{message:?} {event:?} {state:?}\n"));
            match event {
                provider::Event::Start => send(ask()),
                provider::Event::Reply(reply) => {
                    let words = format!("{reply:?}");
                    Ok(provider::Action::Done(provider::Verdict::Refused(
                        provider::Refusal {
                            reason: "unknown".into(),
                            retry_after: None,
                            detail: words,
                            extra: Vec::new(),
                        },
                    )))
                }
                _ => refused("misconfigured"),
            }
        },
        answers,
    );
    let ended = scene.send().await;
    let saw = held(&notes).clone();
    (saw, ended, scene)
}

fn all_secrets() -> [&'static str; 6] {
    [NUMBER, "94771234567", "771234567", CODE, TEXT, KEY]
}

/// A request with every value that a plugin can name, two of them in another form as well.
fn everything() -> types::Request {
    let program = vec![
        Op::Recipient("e164".into()),
        Op::Lit(" ".into()),
        Op::Text(0),
        Op::Secret("key".into()),
        Op::Code,
        Op::Encode(("base64".into(), 3)),
        Op::Encode(("hex".into(), 2)),
        Op::Concat(vec![0, 1, 2, 1, 3, 1, 4, 1, 5, 1, 6]),
    ];
    request(program, Some(7))
}

/// None of the secrets, nor the two forms of [`everything`].
fn assert_holds_no_secret(text: &str) {
    let hex_text = hex::encode(TEXT);
    for secret in all_secrets()
        .into_iter()
        .chain([hex_text.as_str(), "aHVudGVyMi1odW50ZXIy"])
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn a_plugin_is_told_of_the_message_and_never_the_message() {
    let (saw, _, _) = all_it_saw([], message_request).await;
    for secret in all_secrets() {
        assert!(!saw.contains(secret), "{secret} in {saw}");
    }
    assert!(saw.contains("LK") && saw.contains("gsm-7"));
}

/// A provider that repeats everything it was sent, and a plugin that puts it in its verdict.
#[tokio::test]
async fn a_reply_that_echoes_is_cleaned_before_the_plugin_reads_it() {
    let (saw, ended, scene) = all_it_saw([Answers::Echo], everything).await;
    let sent = &scene.seen()[0].1;
    assert!(
        sent.contains(CODE) && sent.contains(KEY),
        "the provider got it: {sent}"
    );
    assert_holds_no_secret(&saw);
    assert_holds_no_secret(&format!("{:?}", ended.delivery));
    assert!(saw.contains("[recipient]") && saw.contains("[secret]"));
}

/// The log is read by more people than the plugin's author, and kept for longer than a code lives.
#[tokio::test]
async fn a_plugin_that_writes_all_it_saw_into_the_log_writes_no_secret() {
    #[derive(Clone, Default)]
    struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            held(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        // The digits of a time might be those of the code.
        .without_time()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // As the plugin host writes a guest's lines, and without its bounds.
    let plugin = |message: &provider::Message, event: &provider::Event, state: &[u8]| {
        let state = String::from_utf8_lossy(state);
        tracing::info!(target: "plugin", "{message:?} {event:?} {state}");
        match event {
            provider::Event::Start => send(everything()),
            _ => refused("unknown"),
        }
    };
    let scene = Scene::new(plugin, [Answers::Echo]);
    let ended = scene.send().await;
    assert_eq!(reason_of(&ended), FailureReason::Unknown);
    assert!(scene.seen()[0].1.contains(CODE), "the provider got it");
    let log = String::from_utf8(held(&sink.0).clone()).unwrap();
    assert_holds_no_secret(&log);
    assert!(
        log.contains("[recipient]") && log.contains("[secret]"),
        "the reply is in the log: {log}"
    );
}

/// What one step learns it may tell the next one: also of the reply, there is nothing to tell.
#[tokio::test]
async fn a_plugin_that_carries_all_it_saw_in_its_state_carries_no_secret() {
    let carried = Arc::new(std::sync::Mutex::new(Vec::new()));
    let pen = Arc::clone(&carried);
    let plugin = move |message: &provider::Message, event: &provider::Event, state: &[u8]| {
        // A line a step: what is printed of a value has no line breaks of its own.
        let steps_before = state.iter().filter(|byte| **byte == b'\n').count();
        let mut saw = state.to_vec();
        saw.extend(format!("{message:?} {event:?}\n").into_bytes());
        let request = match steps_before {
            0 => everything(),
            // The message left already; this one only asks.
            1 => request(vec![Op::Lit("status?".into())], Some(0)),
            _ => {
                *held(&pen) = state.to_vec();
                return refused("unknown");
            }
        };
        Ok(provider::Action::Send(provider::Outgoing {
            request,
            state: saw,
        }))
    };
    let scene = Scene::new(plugin, [Answers::Echo, Answers::Status(200, "{}")]);
    let ended = scene.send().await;
    assert_eq!(reason_of(&ended), FailureReason::Unknown);
    let sent = scene.seen();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].1.contains(CODE), "the provider got it");
    let state = String::from_utf8(held(&carried).clone()).unwrap();
    assert_holds_no_secret(&state);
    assert!(
        state.contains("[recipient]") && state.contains("[secret]"),
        "the reply is in the state: {state}"
    );
}

#[tokio::test]
async fn a_key_goes_to_no_second_origin_even_a_granted_one() {
    fn elsewhere() -> types::Request {
        types::Request {
            origin: "https://other.example".into(),
            ..request(vec![Op::Secret("key".into())], Some(0))
        }
    }
    fn hashed_elsewhere() -> types::Request {
        let program = vec![
            Op::Secret("key".into()),
            Op::Digest(("sha256".into(), 0)),
            Op::Encode(("hex".into(), 1)),
        ];
        let mut request = request(program, None);
        request.origin = "https://other.example".into();
        request.headers = vec![("x-trace".into(), 2)];
        request
    }
    for ask in [elsewhere, hashed_elsewhere] {
        let (saw, ended, scene) = all_it_saw([], ask).await;
        assert_eq!(scene.seen(), []);
        assert_eq!(reason_of(&ended), FailureReason::Misconfigured, "{saw}");
    }
}

/// A value that ends one JSON string and begins another would be two leaves.
#[tokio::test]
async fn a_value_cannot_be_split_over_two_leaves() {
    fn split() -> types::Request {
        let program = vec![
            Op::Lit(r#"{"to":""#.into()),
            Op::Recipient("e164".into()),
            Op::Lit(r#"","x":""#.into()),
            Op::Text(0),
            // The text lands in a JSON body without being escaped for it.
            Op::Lit(r#""}"#.into()),
            Op::Concat(vec![0, 1, 2, 3, 4]),
        ];
        let mut request = request(program, None);
        request.body = Some(("application/json".into(), 5));
        request
    }
    let scene = Scene::new(
        |_, event, _| match event {
            provider::Event::Start => send(split()),
            provider::Event::Failed(kind) if kind == "denied" => refused("misconfigured"),
            _ => accepted(),
        },
        [],
    );
    let place = Place {
        sender: "acme",
        bound: &scene.bound,
        limits: &scene.limits,
        wire: &scene.wire,
        kept: &scene.kept,
        clock: &StoppedClock,
        entropy: &Zeros,
    };
    let sly = Message {
        text: MessageText::measured(r#"123456","to":"+12025550199"#.into()).unwrap(),
        ..message()
    };
    let ended = lead(place, &sly, soon(), false).await;
    assert_eq!(reason_of(&ended), FailureReason::Misconfigured);
    assert_eq!(scene.seen(), []);
}

#[tokio::test]
async fn a_plugin_gets_the_hosts_line_only_where_its_manifest_wants_it() {
    for (host_line, expected) in [(true, "Code 123456 @h #123456"), (false, "Code 123456")] {
        let scene = Scene::worded(
            |_, event, _| match event {
                provider::Event::Start => send(message_request()),
                _ => refused("unknown"),
            },
            [Answers::Echo],
            |manifest| manifest.origin_bound_line = host_line,
        );
        let text = |words: &str| MessageText::measured(words.to_owned()).unwrap();
        let message = Message {
            text: text("Code 123456 @h #123456"),
            without_line: Some(text("Code 123456")),
            ..message()
        };
        lead(scene.place(), &message, soon(), false).await;
        assert_eq!(scene.seen()[0].1, format!("{NUMBER} {expected}"));
    }
}

#[tokio::test]
async fn an_operator_sees_the_exact_request_with_secrets_masked() {
    fn with_key() -> types::Request {
        let program = vec![
            Op::Recipient("e164".into()),
            Op::Lit(" ".into()),
            Op::Text(0),
            Op::Concat(vec![0, 1, 2]),
            Op::Secret("key".into()),
        ];
        let mut request = request(program, Some(3));
        request.headers = vec![("authorization".into(), 4)];
        request
    }
    let (_, ended, _) = all_it_saw([], with_key).await;
    let shown = &ended.shown[0];
    assert_eq!(
        (shown.method.as_str(), shown.url.as_str()),
        ("POST", "https://api.sms.example/messages")
    );
    assert_eq!(shown.body, format!("{NUMBER} {TEXT}"));
    assert!(
        shown
            .headers
            .contains(&("authorization".into(), "[secret]".into())),
        "{:?}",
        shown.headers
    );
}
