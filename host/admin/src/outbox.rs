//! The test outbox, where the configuration switches it on: the messages that nobody got, and what the
//! next ones are answered.
//!
//! Its messages have codes in them, so that only whoever may change something sees them.

use crate::{Actor, AdminError, Administration, act};
use postern_login::TenantId;
use postern_login::ports::FailureReason;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const TIMES_MAX: u32 = 10_000;
/// No host waits longer for a provider.
const DELAY_MAX: Duration = Duration::from_secs(600);

/// What the test outbox keeps and is told.
pub trait TestOutbox: Send + Sync {
    /// The oldest first.
    fn messages(&self) -> Vec<OutboxMessage>;
    /// `times` messages of this sender, or of any; without `times`, whatever else is not said of.
    fn answer(&self, says: Says, delay: Duration, sender: Option<&str>, times: Option<u32>);
    /// Forgets messages and answers.
    fn clear(&self);
}

/// A message as it would have reached a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxMessage {
    pub tenant: String,
    pub sender: String,
    /// As E.164.
    pub to: String,
    pub text: String,
    pub message_id: String,
    /// 1 for the first send of a challenge, then counting resends.
    pub attempt: u32,
    pub locale: String,
    pub purpose: String,
}

/// What messages to come are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxAnswer {
    /// `accepted`; a reason of the plugin interface, `throttled` say; `silence`: the message arrives and
    /// no reply comes; `unreachable`: nobody is there. Without one the `status` alone is answered.
    #[serde(default)]
    pub verdict: Option<String>,
    /// A bare status, as of a broken provider.
    #[serde(default)]
    pub status: Option<u16>,
    /// Seconds; with a reason.
    #[serde(default)]
    pub retry_after: Option<u32>,
    #[serde(default)]
    pub detail: String,
    /// Milliseconds before the answer.
    #[serde(default)]
    pub delay_ms: u64,
    /// Of the messages of this sender only.
    #[serde(default)]
    pub sender: Option<String>,
    /// So many messages, after those that were said before. Without: every message that nothing else was
    /// said about.
    #[serde(default)]
    pub times: Option<u32>,
}

/// The same, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    Accepted,
    Refused {
        reason: String,
        retry_after: Option<u32>,
        detail: String,
    },
    Status(u16),
    Silence,
    Unreachable,
}

impl OutboxAnswer {
    /// # Errors
    /// The field that is wrong, and what it may be.
    fn read(&self) -> Result<Says, AdminError> {
        let wrong = |field: &str, words: &str| {
            Err(AdminError::Fields(vec![(
                field.to_owned(),
                words.to_owned(),
            )]))
        };
        let says = match (self.verdict.as_deref(), self.status) {
            (None, Some(status @ 100..=599)) => Says::Status(status),
            (None, Some(_)) => return wrong("status", "100 to 599 are statuses"),
            (Some("accepted"), None) => Says::Accepted,
            (Some("silence"), None) => Says::Silence,
            (Some("unreachable"), None) => Says::Unreachable,
            (Some(reason), None) if is_reason(reason) => Says::Refused {
                reason: reason.to_owned(),
                retry_after: self.retry_after,
                detail: self.detail.clone(),
            },
            (Some(_), None) => {
                return wrong(
                    "verdict",
                    "`accepted`, `silence`, `unreachable`, or a reason of the plugin interface, as `throttled`",
                );
            }
            _ => return wrong("verdict", "either a verdict or a status"),
        };
        if self
            .times
            .is_some_and(|times| times == 0 || times > TIMES_MAX)
        {
            return wrong("times", &format!("1 to {TIMES_MAX}"));
        }
        if self.times.is_none() && self.sender.is_some() {
            return wrong("times", "how many messages of this sender");
        }
        if Duration::from_millis(self.delay_ms) > DELAY_MAX {
            return wrong("delay_ms", &format!("at most {}", DELAY_MAX.as_millis()));
        }
        Ok(says)
    }
}

fn is_reason(word: &str) -> bool {
    serde_json::from_value::<FailureReason>(word.into()).is_ok()
}

impl Administration {
    /// What was sent of this tenant, and to this number if one is given.
    pub async fn outbox_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        to: Option<&str>,
    ) -> Result<Vec<OutboxMessage>, AdminError> {
        self.allow(actor, tenant, act::OUTBOX_LIST, None).await?;
        let mut messages = self.outbox()?.messages();
        messages.retain(|message| {
            message.tenant == tenant.as_str() && to.is_none_or(|to| message.to == to)
        });
        Ok(messages)
    }

    pub async fn outbox_answer(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        answer: &OutboxAnswer,
    ) -> Result<(), AdminError> {
        let act = act::OUTBOX_ANSWER;
        self.allow(actor, tenant, act, None).await?;
        let outbox = self.outbox()?;
        let says = answer.read()?;
        self.announce(actor, tenant, act, None, Vec::new()).await?;
        let delay = Duration::from_millis(answer.delay_ms);
        outbox.answer(says, delay, answer.sender.as_deref(), answer.times);
        Ok(())
    }

    pub async fn outbox_clear(&self, actor: &Actor, tenant: &TenantId) -> Result<(), AdminError> {
        let act = act::OUTBOX_CLEAR;
        self.allow(actor, tenant, act, None).await?;
        let outbox = self.outbox()?;
        self.announce(actor, tenant, act, None, Vec::new()).await?;
        outbox.clear();
        Ok(())
    }

    fn outbox(&self) -> Result<&dyn TestOutbox, AdminError> {
        self.host()?.outbox.as_deref().ok_or(AdminError::NoOutbox)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_a_verdict_or_a_status_within_bounds() {
        let read = |json: &str| serde_json::from_str::<OutboxAnswer>(json).unwrap();
        for good in [
            r#"{"verdict":"accepted"}"#,
            r#"{"verdict":"throttled","retry_after":5,"times":2,"sender":"fake"}"#,
            r#"{"verdict":"outcome-unknown"}"#,
            r#"{"verdict":"silence","delay_ms":600000}"#,
            r#"{"status":500,"times":10000}"#,
        ] {
            assert!(read(good).read().is_ok(), "{good}");
        }
        for (bad, field) in [
            ("{}", "verdict"),
            (r#"{"verdict":"accepted","status":200}"#, "verdict"),
            (r#"{"verdict":"sent"}"#, "verdict"),
            (r#"{"status":600}"#, "status"),
            (r#"{"status":99}"#, "status"),
            (r#"{"verdict":"accepted","times":0}"#, "times"),
            (r#"{"verdict":"accepted","times":10001}"#, "times"),
            (r#"{"verdict":"accepted","sender":"fake"}"#, "times"),
            (r#"{"verdict":"accepted","delay_ms":600001}"#, "delay_ms"),
        ] {
            let error = read(bad).read().unwrap_err();
            assert!(error.to_string().starts_with(field), "{bad}: {error}");
        }
    }
}
