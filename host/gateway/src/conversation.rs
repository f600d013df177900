//! The conversation between a plugin and a provider about one message: step, request, reply, step,
//! verdict.
//!
//! Owns: its order, its bounds, and the reading of its end. The plugin says what to ask and what
//! the answer means; the edge asks; this keeps count, so that a message leaves at most once, and so
//! that "it failed" is only said when nobody can have received it. Decides nothing about another
//! sender or another try: that is `login::routing`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use postern_egress::{
    Carried, Finished, KeptValue, KeptValues, Ledger, Material, Nonce, Outgoing, Recipient, Reply,
    Secret, SendFailure, Sent, Shown, Text, finish,
};
use postern_login::ports::{
    Clock, Delivery, Entropy, FailureReason, Message, SendFailure as Failure,
};
use postern_login::provider_words::ProviderWords;
use postern_login::text::Encoding;
use postern_wasm::{Blame, Fault, FaultKind, provider, types};

use crate::registry::Bound;
use crate::text::one_line;

/// Calls of the plugin in one conversation. The last one must be a verdict.
pub(crate) const STEPS_MAX: u32 = 4;

/// Requests in one conversation: a token, the message, and the message again with a fresh token.
pub(crate) const REQUESTS_MAX: u32 = 3;

/// Bytes of state from one step to the next.
pub(crate) const STATE_BYTES_MAX: usize = 64 * 1024;

/// Bytes kept of a provider's or a plugin's words.
const DETAIL_BYTES_MAX: usize = 512;

/// Bytes kept of a provider's message id.
const ID_BYTES_MAX: usize = 128;

/// How finished requests leave.
#[async_trait]
pub(crate) trait Wire: Send + Sync {
    async fn send(
        &self,
        sender: &Bound,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<Reply, SendFailure>;
}

/// Where a conversation takes place.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) sender: &'a str,
    pub(crate) bound: &'a Bound,
    pub(crate) wire: &'a dyn Wire,
    pub(crate) kept: &'a KeptValues,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
}

/// How a conversation ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) delivery: Delivery,
    /// What the plugin did wrong, if it was the plugin.
    pub(crate) fault: Option<Fault>,
    /// Whether the plugin came to a verdict in good order.
    pub(crate) orderly: bool,
    /// Whether the message, if it went out, carried an idempotency key.
    pub(crate) idempotent: Option<bool>,
    /// The requests, for an operator who asked to see them.
    pub(crate) shown: Vec<Shown>,
}

/// Leads a conversation to its end, which comes by the deadline.
pub(crate) async fn lead(
    place: Place<'_>,
    message: &Message,
    deadline: Instant,
    show: bool,
) -> Ended {
    let mut talk = Talk::new(place, message, deadline, show);
    let end = tokio::time::timeout_at(deadline.into(), talk.run()).await;
    let orderly = matches!(end, Ok(Ok(_)));
    let (delivery, fault) = match end {
        Ok(Ok(provider::Verdict::Accepted(_))) if !talk.left => {
            let words = "it says `accepted`, but the message never left";
            (talk.cut_short(words.to_owned()), Some(contract(words)))
        }
        Ok(Ok(verdict)) => (talk.judge(verdict), None),
        Ok(Err(Stop::Guest(fault))) => {
            let guilty = fault.blame() == Blame::Guest;
            (talk.cut_short(fault.to_string()), guilty.then_some(fault))
        }
        Ok(Err(Stop::Breach(words))) => (talk.cut_short(words.to_owned()), Some(contract(words))),
        Ok(Err(Stop::Host(words))) => (talk.cut_short(words), None),
        Err(_) => (talk.out_of_time(), None),
    };
    Ended {
        delivery,
        orderly: orderly && fault.is_none(),
        fault,
        idempotent: talk.idempotent,
        shown: talk.shown,
    }
}

fn contract(words: &str) -> Fault {
    Fault {
        kind: FaultKind::Contract,
        detail: words.to_owned(),
    }
}

/// Why a conversation ended without a verdict.
enum Stop {
    Guest(Fault),
    /// The plugin broke the rules of a conversation.
    Breach(&'static str),
    Host(String),
}

/// What comes after a request.
enum Next {
    Tell(provider::Event),
    StartAgain,
}

struct Talk<'a> {
    place: Place<'a>,
    message: &'a Message,
    deadline: Instant,
    show: bool,
    steps: u32,
    requests: u32,
    ledger: Ledger,
    /// The message is, or may be, with the provider.
    left: bool,
    /// It may be, and nobody knows: the words of the failure.
    unknown: Option<String>,
    /// A reply came after that.
    asked_again: bool,
    refreshed: bool,
    in_flight: bool,
    idempotent: Option<bool>,
    shown: Vec<Shown>,
}

impl<'a> Talk<'a> {
    fn new(place: Place<'a>, message: &'a Message, deadline: Instant, show: bool) -> Self {
        Talk {
            place,
            message,
            deadline,
            show,
            steps: 0,
            requests: 0,
            ledger: Ledger::default(),
            left: false,
            unknown: None,
            asked_again: false,
            refreshed: false,
            in_flight: false,
            idempotent: None,
            shown: Vec::new(),
        }
    }

    async fn run(&mut self) -> Result<provider::Verdict, Stop> {
        let bound = self.place.bound;
        let mut told = tell(self.message);
        let (mut event, mut state) = (provider::Event::Start, Vec::new());
        loop {
            let now_unix_ms = self.now_unix_ms();
            let tenant = self.message.tenant.as_str();
            // The names told and the values used are one list: nothing expires between the two.
            let kept = self.place.kept.of(self.place.sender, tenant, now_unix_ms);
            told.kept = kept.iter().map(|value| value.name.clone()).collect();

            self.steps += 1;
            bound.version.calls.fetch_add(1, Ordering::Relaxed);
            let guest = bound.version.guest().map_err(Stop::Guest)?;
            let action = guest
                .provider_step(&bound.settings, &told, &event, &state)
                .await
                .map_err(Stop::Guest)?;
            // Not held while the network is waited for: a version may be retired meanwhile.
            drop(guest);
            let outgoing = match action {
                provider::Action::Done(verdict) => return Ok(verdict),
                provider::Action::Send(outgoing) => outgoing,
            };
            // Before it is sent: nobody would be there to read the reply.
            if self.steps == STEPS_MAX {
                return Err(Stop::Breach("a fourth step must be a verdict"));
            }
            if self.requests == REQUESTS_MAX {
                return Err(Stop::Breach("a conversation has at most three requests"));
            }
            if outgoing.state.len() > STATE_BYTES_MAX {
                return Err(Stop::Breach("the state has more than 64 KiB"));
            }
            self.requests += 1;
            match self.exchange(outgoing.request, kept, now_unix_ms).await? {
                Next::Tell(next) => (event, state) = (next, outgoing.state),
                Next::StartAgain => (event, state) = (provider::Event::Start, Vec::new()),
            }
        }
    }

    /// Makes the request ready, lets it out once, and reads what came back.
    async fn exchange(
        &mut self,
        request: types::Request,
        kept: Vec<KeptValue>,
        now_unix_ms: i64,
    ) -> Result<Next, Stop> {
        let used: Vec<String> = names_of_kept(&request.program);
        let material = self.material(kept, now_unix_ms)?;
        let finished = match finish(&outgoing(request), &self.place.bound.route.grant, &material) {
            Ok(finished) => finished,
            Err(denied) => {
                self.warn(&format!("a request was not let out: {denied}"));
                return Ok(Next::Tell(provider::Event::Failed("denied".into())));
            }
        };
        let carried = finished.carried();
        if let Err(misuse) = self.ledger.enter(carried) {
            self.warn(&format!("a request was not let out: {misuse}"));
            return Err(Stop::Breach(
                "it sends the message twice, or without its recipient",
            ));
        }
        if self.show {
            self.shown.push(finished.shown());
        }
        if carried.message() {
            self.idempotent = Some(finished.idempotent());
        }

        let reply = match self.send(&finished, carried).await {
            Ok(reply) => reply,
            Err(failure) => {
                return Ok(Next::Tell(provider::Event::Failed(
                    failure.reason.as_str().into(),
                )));
            }
        };
        if self.unknown.is_some() {
            self.asked_again = true;
        }
        // A token that was fetched earlier may have been withdrawn since; one that was fetched a
        // moment ago and is refused will not get better.
        if reply.status == 401 && !used.is_empty() && self.requests == 1 && !self.refreshed {
            self.refreshed = true;
            for name in &used {
                self.place
                    .kept
                    .forget(self.place.sender, self.message.tenant.as_str(), name);
            }
            // A provider that does not know who is asking has not taken the message.
            self.ledger = Ledger::default();
            self.left = false;
            return Ok(Next::StartAgain);
        }
        let tenant = self.message.tenant.as_str();
        let Reply {
            status,
            headers,
            body,
            kept,
        } = reply;
        self.place.kept.put(
            self.place.sender,
            tenant,
            finished.origin(),
            kept,
            now_unix_ms,
        );
        let body = match String::from_utf8(body.into()) {
            Ok(text) => types::TextOrBytes::Text(text),
            Err(error) => types::TextOrBytes::Bytes(error.into_bytes()),
        };
        Ok(Next::Tell(provider::Event::Reply(types::Reply {
            status,
            headers,
            body,
        })))
    }

    /// Sends, and once more if that is harmless and the first time ended in the dark.
    async fn send(&mut self, finished: &Finished, carried: Carried) -> Result<Reply, SendFailure> {
        self.in_flight = true;
        let was_out = self.left;
        // Said before it is true: whoever drops this future half-way must find it said.
        self.left |= carried.message();
        let mut result = self
            .place
            .wire
            .send(self.place.bound, finished, self.deadline)
            .await;
        let dark = |result: &Result<Reply, SendFailure>| matches!(result, Err(failure) if failure.sent == Sent::Perhaps);
        let was_dark = dark(&result);
        if was_dark && finished.idempotent() && Instant::now() < self.deadline {
            result = self
                .place
                .wire
                .send(self.place.bound, finished, self.deadline)
                .await;
        }
        self.in_flight = false;
        if let Err(failure) = &result {
            self.warn(&format!(
                "no reply from {}: {failure}",
                finished.url_for_log()
            ));
            if was_dark || failure.sent == Sent::Perhaps {
                if carried.message() {
                    self.unknown = Some(failure.to_string());
                }
            } else {
                self.left = was_out;
                if carried.message() {
                    // It never went: it may go by another request.
                    self.ledger = Ledger::default();
                }
            }
        }
        result
    }

    fn material(&self, kept: Vec<KeptValue>, now_unix_ms: i64) -> Result<Material, Stop> {
        let mut bytes = [0; 16];
        self.place
            .entropy
            .fill(&mut bytes)
            .map_err(|error| Stop::Host(error.to_string()))?;
        let message = self.message;
        let to = &message.to;
        Ok(Material {
            secrets: self.place.bound.secrets.clone(),
            kept,
            recipient: Some(Recipient {
                e164: to.e164().to_owned(),
                calling_code: to.calling_code().to_owned(),
                national: to.national().to_owned(),
                dialled: to.dialled().to_owned(),
            }),
            text: Some(Text {
                whole: message.text.as_str().to_owned(),
                parts: match message.text.segments {
                    0 | 1 => Vec::new(),
                    _ => message
                        .text
                        .parts()
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                },
            }),
            code: message
                .code
                .as_ref()
                .map(|code| Secret::from(code.as_str())),
            receipt_url: None,
            now_unix_ms,
            nonce: Nonce::new(bytes, &message.id),
        })
    }

    /// Reads a verdict in the light of what is known here.
    fn judge(&self, verdict: provider::Verdict) -> Delivery {
        let in_the_dark = self.unknown.as_ref().filter(|_| !self.asked_again);
        match verdict {
            provider::Verdict::Accepted(receipt) => match in_the_dark {
                Some(words) => failed(FailureReason::OutcomeUnknown, None, words),
                None => Delivery::Accepted {
                    provider_id: receipt.id.map(|id| one_line(&id, ID_BYTES_MAX)),
                    parts: receipt.parts,
                },
            },
            provider::Verdict::Refused(refusal) => {
                let mut reason = reason(&refusal.reason);
                if self.unknown.is_some() {
                    // Somebody may have it: another sender would send it twice.
                    reason = FailureReason::OutcomeUnknown;
                } else if reason == FailureReason::OutcomeUnknown && !self.left {
                    reason = FailureReason::ProviderDown;
                }
                let retry_after = refusal
                    .retry_after
                    .map(|seconds| Duration::from_secs(seconds.into()));
                let mut delivery = failed(reason, retry_after, &refusal.detail);
                if let Delivery::Failed(failure) = &mut delivery
                    && !refusal.detail.trim().is_empty()
                {
                    failure.words = Some(ProviderWords::new(refusal.detail));
                }
                delivery
            }
        }
    }

    /// The plugin or the host failed on the way.
    fn cut_short(&self, words: String) -> Delivery {
        match self.left {
            true => failed(FailureReason::OutcomeUnknown, None, &words),
            false => failed(FailureReason::PluginFault, None, &words),
        }
    }

    fn out_of_time(&self) -> Delivery {
        let words = "the deadline passed";
        match (self.left, self.in_flight) {
            (true, _) => failed(FailureReason::OutcomeUnknown, None, words),
            (false, true) => failed(FailureReason::ProviderDown, None, words),
            (false, false) => failed(FailureReason::PluginFault, None, words),
        }
    }

    fn now_unix_ms(&self) -> i64 {
        i64::try_from(self.place.clock.now().0).unwrap_or(i64::MAX)
    }

    fn warn(&self, words: &str) {
        let version = &self.place.bound.version;
        tracing::warn!(
            { sender.name = self.place.sender, plugin.id = version.id(), plugin.version = version.version },
            "{}", one_line(words, DETAIL_BYTES_MAX)
        );
    }
}

pub(crate) fn failed(
    reason: FailureReason,
    retry_after: Option<Duration>,
    words: &str,
) -> Delivery {
    Delivery::Failed(Failure {
        reason,
        retry_after,
        detail: one_line(words, DETAIL_BYTES_MAX),
        words: None,
    })
}

/// What the plugin is told of a message: everything but the number, the text and the code.
fn tell(message: &Message) -> provider::Message {
    let to = &message.to;
    provider::Message {
        id: message.id.clone(),
        country: to.country().to_owned(),
        calling_code: to.calling_code().to_owned(),
        number_type: to.kind().as_str().to_owned(),
        encoding: match message.text.encoding {
            Encoding::Gsm7 => "gsm-7",
            Encoding::Ucs2 => "ucs-2",
        }
        .to_owned(),
        segments: message.text.segments,
        validity: u32::try_from(message.validity.as_secs()).unwrap_or(u32::MAX),
        attempt: message.attempt,
        locale: message.locale.clone(),
        purpose: message.purpose.as_str().to_owned(),
        kept: Vec::new(),
        extra: message.extra.clone(),
    }
}

/// The reasons of the interface. What nobody knows is `Unknown`, and `unsupported` is no more than that.
fn reason(name: &str) -> FailureReason {
    match name {
        "throttled" => FailureReason::Throttled,
        "recipient-throttled" => FailureReason::RecipientThrottled,
        "provider-down" => FailureReason::ProviderDown,
        "outcome-unknown" => FailureReason::OutcomeUnknown,
        "invalid-recipient" => FailureReason::InvalidRecipient,
        "unroutable" => FailureReason::Unroutable,
        "opted-out" => FailureReason::OptedOut,
        "content-rejected" => FailureReason::ContentRejected,
        "sender-rejected" => FailureReason::SenderRejected,
        "region-blocked" => FailureReason::RegionBlocked,
        "trial-restricted" => FailureReason::TrialRestricted,
        "auth-failed" => FailureReason::AuthFailed,
        "account-suspended" => FailureReason::AccountSuspended,
        "insufficient-funds" => FailureReason::InsufficientFunds,
        "misconfigured" => FailureReason::Misconfigured,
        _ => FailureReason::Unknown,
    }
}

fn names_of_kept(program: &[types::Op]) -> Vec<String> {
    program
        .iter()
        .filter_map(|op| match op {
            types::Op::Kept(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

/// The same request in the words of the edge.
pub(crate) fn outgoing(request: types::Request) -> Outgoing {
    Outgoing {
        method: request.method,
        origin: request.origin,
        target: request.target,
        headers: request.headers,
        body: request.body,
        program: request.program.into_iter().map(operation).collect(),
        keep: request
            .keep
            .into_iter()
            .map(|keep| postern_egress::Keep {
                name: keep.name,
                pointer: keep.pointer,
                lifetime_pointer: keep.lifetime_pointer,
                lifetime: keep.lifetime,
            })
            .collect(),
        idempotent: request.idempotent,
    }
}

fn operation(op: types::Op) -> postern_egress::Op {
    use postern_egress::Op as To;
    use types::Op as From;
    match op {
        From::Lit(text) => To::Lit(text),
        From::Bytes(bytes) => To::Bytes(bytes),
        From::Secret(name) => To::Secret(name),
        From::Kept(name) => To::Kept(name),
        From::Recipient(form) => To::Recipient(form),
        From::Text(part) => To::Text(part),
        From::Code => To::Code,
        From::ReceiptUrl => To::ReceiptUrl,
        From::Time(format) => To::Time(format),
        From::Nonce(format) => To::Nonce(format),
        From::Concat(operands) => To::Concat(operands),
        From::Charset((name, at)) => To::Charset(name, at),
        From::Escape((name, at)) => To::Escape(name, at),
        From::Encode((name, at)) => To::Encode(name, at),
        From::Digest((name, at)) => To::Digest(name, at),
        From::Hmac((name, key, data)) => To::Hmac(name, key, data),
        From::Sign((name, key, data)) => To::Sign(name, key, data),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scripted::*;
    use postern_egress::Trust;
    use postern_egress::grant::Grant;
    use postern_egress::{NamedSecret, Route, Secrets};
    use postern_wasm::types::Op;
    use std::sync::Arc;

    use crate::guest::Admitted;
    use crate::registry::{Version, held};

    /// A plugin, a provider, and what was kept of earlier replies.
    struct Scene {
        bound: Bound,
        wire: ScriptedWire,
        kept: KeptValues,
    }

    impl Scene {
        fn new<F>(plugin: F, answers: impl IntoIterator<Item = Answers>) -> Self
        where
            F: Fn(&provider::Message, &provider::Event, &[u8]) -> Result<provider::Action, Fault>
                + Send
                + Sync
                + 'static,
        {
            let admitted = Admitted {
                guest: Arc::new(Scripted {
                    behaviour: Arc::new(plugin),
                    resolve: |_| Err(trap()),
                    problems: Vec::new(),
                    healthy: true,
                }),
                manifest: Arc::new(manifest("acme", "1.0.0", &[ORIGIN])),
                sha256: [0; 32],
                size: 0,
            };
            let bound_to = vec![ORIGIN.parse().unwrap()];
            Scene {
                bound: Bound {
                    version: Arc::new(Version::new(admitted, Instant::now())),
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
            }
        }

        async fn send(&self) -> Ended {
            self.send_by(soon()).await
        }

        async fn send_by(&self, deadline: Instant) -> Ended {
            let place = Place {
                sender: "acme",
                bound: &self.bound,
                wire: &self.wire,
                kept: &self.kept,
                clock: &StoppedClock,
                entropy: &Zeros,
            };
            let message = Message {
                code: Some(six_digits()),
                ..message()
            };
            lead(place, &message, deadline, true).await
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
        let scene = Scene::new(chatter, []);
        let ended = scene.send().await;
        assert_eq!(reason_of(&ended), FailureReason::PluginFault);
        assert!(ended.fault.is_some());
        assert_eq!(scene.seen().len(), 3);
        assert_eq!(scene.bound.version.calls.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn the_state_travels_to_the_next_step_and_is_bounded() {
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
        let glutton = |_: &_, _: &_, _: &[u8]| {
            Ok(provider::Action::Send(provider::Outgoing {
                request: message_request(),
                state: vec![0; STATE_BYTES_MAX + 1],
            }))
        };
        let scene = Scene::new(glutton, []);
        assert_eq!(reason_of(&scene.send().await), FailureReason::PluginFault);
        assert_eq!(scene.seen(), []);
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
        let (saw, ended, scene) = all_it_saw([Answers::Echo], everything).await;
        let sent = &scene.seen()[0].1;
        assert!(
            sent.contains(CODE) && sent.contains(KEY),
            "the provider got it: {sent}"
        );
        let hex_text = hex::encode(TEXT);
        let words = format!("{:?}", ended.delivery);
        for secret in all_secrets()
            .into_iter()
            .chain([hex_text.as_str(), "aHVudGVyMi1odW50ZXIy"])
        {
            assert!(!saw.contains(secret), "{secret} in {saw}");
            assert!(!words.contains(secret), "{secret} in {words}");
        }
        assert!(saw.contains("[recipient]") && saw.contains("[secret]"));
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
            wire: &scene.wire,
            kept: &scene.kept,
            clock: &StoppedClock,
            entropy: &Zeros,
        };
        let sly = Message {
            text: postern_login::text::MessageText::measured(
                r#"123456","to":"+12025550199"#.into(),
            )
            .unwrap(),
            ..message()
        };
        let ended = lead(place, &sly, soon(), false).await;
        assert_eq!(reason_of(&ended), FailureReason::Misconfigured);
        assert_eq!(scene.seen(), []);
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
}
