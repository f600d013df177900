//! The test outbox: a stand-in for every provider, for tests and for trying things out.
//!
//! Owns: keeping the messages that the plugin `fake` sends, and answering from a script. It exists
//! only where the configuration switches it on, says so at start, and never beside a real sender.
//! Nothing it is sent leaves the process; nothing it keeps is written anywhere.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postern_egress::{Finished, Reply, SendFailure, Sent};
use serde::Deserialize;
use tokio::sync::watch;

use crate::registry::{Bound, held};

/// The plugin that sends here.
pub const PLUGIN: &str = "fake";

/// Where it sends. The name ends in `.invalid` (RFC 2606): it can reach nothing else.
pub const ORIGIN: &str = "http://outbox.postern.invalid";

/// Messages kept where nobody says how many; the oldest go first.
pub const MESSAGES_MAX: usize = 10_000;

/// A message as it would have reached a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OutboxMessage {
    /// As E.164.
    pub to: String,
    pub text: String,
    #[serde(default)]
    pub message_id: String,
    #[serde(default)]
    pub attempt: u32,
    #[serde(default)]
    pub locale: String,
    #[serde(default)]
    pub purpose: String,
    #[serde(skip)]
    pub sender: String,
    #[serde(skip)]
    pub tenant: String,
}

/// What the outbox answers to one message.
#[derive(Debug, Clone)]
pub struct Answer {
    pub delay: Duration,
    pub kind: AnswerKind,
}

/// The kinds of answers.
#[derive(Debug, Clone)]
pub enum AnswerKind {
    Accept,
    /// Any reason of the plugin interface.
    Refuse {
        reason: String,
        retry_after: Option<u32>,
        detail: String,
    },
    /// A bare status, as from a broken provider.
    Status(u16),
    /// The message arrives, the reply does not.
    Silence,
    /// Nobody is there: nothing arrives.
    Unreachable,
}

impl Answer {
    pub fn accept() -> Self {
        AnswerKind::Accept.into()
    }

    pub fn refuse(reason: &str) -> Self {
        AnswerKind::Refuse {
            reason: reason.to_owned(),
            retry_after: None,
            detail: String::new(),
        }
        .into()
    }

    pub fn status(status: u16) -> Self {
        AnswerKind::Status(status).into()
    }

    pub fn silence() -> Self {
        AnswerKind::Silence.into()
    }

    pub fn unreachable() -> Self {
        AnswerKind::Unreachable.into()
    }

    pub fn after(self, delay: Duration) -> Self {
        Answer { delay, ..self }
    }
}

impl From<AnswerKind> for Answer {
    fn from(kind: AnswerKind) -> Self {
        Answer {
            delay: Duration::ZERO,
            kind,
        }
    }
}

/// The outbox. Clones are the same one.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    content: Mutex<Content>,
    /// How many messages there have been.
    count: watch::Sender<u64>,
}

struct Content {
    messages: VecDeque<OutboxMessage>,
    taken: u64,
    /// What a sender's next messages are answered; the name is empty for any sender's.
    scripts: HashMap<String, VecDeque<Answer>>,
    otherwise: Answer,
    /// Messages kept.
    messages_max: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::keeping(MESSAGES_MAX)
    }
}

impl Outbox {
    /// An empty outbox that accepts everything and keeps so many messages.
    pub fn keeping(messages_max: usize) -> Self {
        Outbox {
            inner: Arc::new(Inner {
                content: Mutex::new(Content {
                    messages: VecDeque::new(),
                    taken: 0,
                    scripts: HashMap::new(),
                    otherwise: Answer::accept(),
                    messages_max: messages_max.max(1),
                }),
                count: watch::Sender::new(0),
            }),
        }
    }

    /// An empty outbox that accepts everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the next messages are answered, one each; afterwards it is as before.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script_for("", answers);
    }

    /// The same for the messages of one sender.
    pub fn script_for(&self, sender: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut content = held(&self.inner.content);
        content
            .scripts
            .entry(sender.to_owned())
            .or_default()
            .extend(answers);
    }

    /// What every message is answered that no script covers.
    pub fn otherwise(&self, answer: Answer) {
        held(&self.inner.content).otherwise = answer;
    }

    /// What was sent and is kept, the oldest first.
    pub fn messages(&self) -> Vec<OutboxMessage> {
        held(&self.inner.content).messages.iter().cloned().collect()
    }

    /// The newest message to a number, as E.164.
    pub fn newest_to(&self, number: &str) -> Option<OutboxMessage> {
        let content = held(&self.inner.content);
        content
            .messages
            .iter()
            .rev()
            .find(|message| message.to == number)
            .cloned()
    }

    /// How many messages there have been since the start.
    pub fn count(&self) -> u64 {
        *self.inner.count.borrow()
    }

    /// Waits until there have been so many messages; false if they did not come in time.
    pub async fn wait_for(&self, count: u64, at_most: Duration) -> bool {
        let mut seen = self.inner.count.subscribe();
        let came = seen.wait_for(|now| *now >= count);
        matches!(tokio::time::timeout(at_most, came).await, Ok(Ok(_)))
    }

    /// Forgets messages and scripts; the count goes on.
    pub fn clear(&self) {
        let mut content = held(&self.inner.content);
        content.messages.clear();
        content.scripts.clear();
    }

    /// Whether a request is meant for it.
    pub(crate) fn is_for(finished: &Finished) -> bool {
        finished.origin().to_string() == ORIGIN
    }

    /// Takes a message in and answers it.
    pub(crate) async fn take(
        &self,
        bound: &Bound,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<Reply, SendFailure> {
        let failure = |reason, sent, words: &str| SendFailure {
            reason,
            sent,
            detail: words.to_owned(),
        };
        use postern_egress::Reason;
        let read = serde_json::from_slice::<OutboxMessage>(finished.body());
        let Ok(mut message) = read else {
            return Ok(reply(
                finished,
                400,
                r#"{"detail":"the outbox takes a JSON object with `to` and `text`"}"#.into(),
            ));
        };
        message.sender = bound.route.sender.to_string();
        message.tenant = bound.route.tenant.to_string();

        let (answer, id) = {
            let mut content = held(&self.inner.content);
            let answer = content.next_answer(&message.sender);
            if !matches!(answer.kind, AnswerKind::Unreachable) {
                content.taken += 1;
                if content.messages.len() >= content.messages_max {
                    content.messages.pop_front();
                }
                content.messages.push_back(message);
                self.inner.count.send_replace(content.taken);
            }
            (answer, content.taken)
        };
        if !answer.delay.is_zero() {
            let wait = tokio::time::sleep(answer.delay);
            if tokio::time::timeout_at(deadline.into(), wait)
                .await
                .is_err()
            {
                return Err(failure(
                    Reason::Timeout,
                    Sent::Perhaps,
                    "the outbox's script waited too long",
                ));
            }
        }
        match answer.kind {
            AnswerKind::Accept => Ok(reply(
                finished,
                200,
                format!(r#"{{"verdict":"accepted","id":"{id}"}}"#),
            )),
            AnswerKind::Refuse {
                reason,
                retry_after,
                detail,
            } => {
                let mut body = serde_json::json!({ "verdict": reason, "detail": detail });
                if let Some(seconds) = retry_after {
                    body["retry_after"] = seconds.into();
                }
                Ok(reply(finished, 200, body.to_string()))
            }
            AnswerKind::Status(status) => Ok(reply(finished, status, String::new())),
            AnswerKind::Silence => Err(failure(
                Reason::Timeout,
                Sent::Perhaps,
                "the outbox's script is silent",
            )),
            AnswerKind::Unreachable => Err(failure(
                Reason::Connect,
                Sent::Nothing,
                "the outbox's script is not there",
            )),
        }
    }
}

impl Content {
    fn next_answer(&mut self, sender: &str) -> Answer {
        let scripted = |scripts: &mut HashMap<String, VecDeque<Answer>>, name: &str| {
            scripts.get_mut(name)?.pop_front()
        };
        scripted(&mut self.scripts, sender)
            .or_else(|| scripted(&mut self.scripts, ""))
            .unwrap_or_else(|| self.otherwise.clone())
    }
}

fn reply(finished: &Finished, status: u16, body: String) -> Reply {
    let mut headers = http::HeaderMap::new();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    Reply::clean(finished, status, &headers, body.into())
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
