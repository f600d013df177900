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
use postern_login::text::{Encoding, MessageText};
use postern_wasm::{Blame, Fault, FaultKind, Limits, one_line, provider, types};

use crate::registry::Bound;

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
    /// How long a conversation may get.
    pub(crate) limits: &'a Limits,
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
    /// Why the last request did not get out or brought no reply, in words for that operator. The plugin was
    /// told one word.
    pub(crate) trouble: Option<String>,
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
        trouble: talk.trouble,
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
    trouble: Option<String>,
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
            trouble: None,
        }
    }

    async fn run(&mut self) -> Result<provider::Verdict, Stop> {
        let bound = self.place.bound;
        let mut told = tell(self.message, worded(self.message, bound));
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
            if self.steps >= self.place.limits.steps {
                return Err(Stop::Breach("the last step must be a verdict"));
            }
            if self.requests >= self.place.limits.requests {
                return Err(Stop::Breach(
                    "it makes more requests than a conversation may have",
                ));
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
                self.trouble = Some(denied.to_string());
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
                let told = provider::Event::Failed(failure.reason.as_str().into());
                self.trouble = Some(failure.detail);
                return Ok(Next::Tell(told));
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
        let text = worded(message, self.place.bound);
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
                whole: text.as_str().to_owned(),
                parts: match text.segments {
                    0 | 1 => Vec::new(),
                    _ => text.parts().into_iter().map(str::to_owned).collect(),
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

/// The text as this plugin's provider may get it.
fn worded<'m>(message: &'m Message, bound: &Bound) -> &'m MessageText {
    let alone = message.without_line.as_ref();
    let alone = alone.filter(|_| !bound.version.manifest.origin_bound_line);
    alone.unwrap_or(&message.text)
}

/// What the plugin is told of a message: everything but the number, the text and the code.
fn tell(message: &Message, text: &MessageText) -> provider::Message {
    let to = &message.to;
    provider::Message {
        id: message.id.clone(),
        country: to.country().to_owned(),
        calling_code: to.calling_code().to_owned(),
        number_type: to.kind().as_str().to_owned(),
        encoding: match text.encoding {
            Encoding::Gsm7 => "gsm-7",
            Encoding::Ucs2 => "ucs-2",
        }
        .to_owned(),
        segments: text.segments,
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
pub fn outgoing(request: types::Request) -> Outgoing {
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
mod tests;
