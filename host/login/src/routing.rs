//! Which sender is tried, and whether the next one is, by the verdict alone.

use crate::ports::{Delivery, FailureReason, Message, Ports, SendFailure};
use crate::provider_words::ProviderWords;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// For one message over all senders: a person waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Routed {
    Accepted {
        sender: String,
        provider_id: Option<String>,
    },
    Failed {
        /// In order, with the verdict of each.
        tried: Vec<(String, FailureReason)>,
        /// Of the last one; `ProviderDown` if none could be tried at all.
        reason: FailureReason,
        /// What the last provider that said something said.
        words: Option<ProviderWords>,
    },
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Another provider may do better.
    NextSender,
    /// It may have been sent: only the same provider, and only if it recognises the repetition.
    SameSender,
    /// No provider would do better, or the message may have been sent.
    Stop,
}

/// Tries the senders in order until one takes the message, within one deadline and at most
/// `calls_max` calls, whatever they answer (attack R-08).
pub(crate) async fn route(
    ports: &Ports,
    senders: &[String],
    message: &Message,
    calls_max: u32,
) -> Routed {
    route_until(
        ports,
        senders,
        message,
        calls_max,
        Instant::now() + DEADLINE,
    )
    .await
}

async fn route_until(
    ports: &Ports,
    senders: &[String],
    message: &Message,
    calls_max: u32,
    deadline: Instant,
) -> Routed {
    let mut tried = Vec::new();
    let mut words = None;
    let mut calls_left = calls_max;
    for sender in senders {
        if !ports.senders.ready(&message.tenant, sender) {
            continue;
        }
        let mut repeated = false;
        loop {
            if calls_left == 0 || Instant::now() >= deadline {
                return failed(tried, words);
            }
            calls_left -= 1;
            let failure = match send(ports, sender, message, deadline).await {
                Delivery::Accepted { provider_id, .. } => {
                    return Routed::Accepted {
                        sender: sender.clone(),
                        provider_id,
                    };
                }
                Delivery::Failed(failure) => failure,
            };
            tracing::warn!(
                sender.name = %sender,
                message.id = %message.id,
                reason = ?failure.reason,
                detail = %failure.detail,
                "a sender did not take a message"
            );
            tried.push((sender.clone(), failure.reason));
            words = failure.words.or(words);
            match then(failure.reason) {
                // The first of the two calls may have sent it: no other sender gets it now.
                _ if repeated => return failed(tried, words),
                Then::NextSender => break,
                Then::SameSender if ports.senders.idempotent(&message.tenant, sender) => {
                    repeated = true;
                }
                Then::SameSender | Then::Stop => return failed(tried, words),
            }
        }
    }
    failed(tried, words)
}

fn failed(tried: Vec<(String, FailureReason)>, words: Option<ProviderWords>) -> Routed {
    // What may have been sent stays unknown, whatever a repetition was answered.
    let unknown = tried
        .iter()
        .any(|(_, reason)| *reason == FailureReason::OutcomeUnknown);
    let reason = match tried.last() {
        _ if unknown => FailureReason::OutcomeUnknown,
        Some((_, reason)) => *reason,
        None => FailureReason::ProviderDown,
    };
    Routed::Failed {
        tried,
        reason,
        words,
    }
}

/// A sender that outstays the deadline may have sent.
async fn send(ports: &Ports, sender: &str, message: &Message, deadline: Instant) -> Delivery {
    let sending = ports.senders.send(sender, message, deadline.into_std());
    timeout_at(deadline, sending).await.unwrap_or_else(|_| {
        Delivery::Failed(SendFailure {
            reason: FailureReason::OutcomeUnknown,
            retry_after: None,
            detail: "no answer before the deadline".to_owned(),
            words: None,
        })
    })
}

fn then(reason: FailureReason) -> Then {
    use FailureReason as R;
    match reason {
        R::Throttled
        | R::ProviderDown
        | R::AuthFailed
        | R::AccountSuspended
        | R::InsufficientFunds
        | R::Misconfigured
        | R::PluginFault => Then::NextSender,
        R::OutcomeUnknown => Then::SameSender,
        R::RecipientThrottled
        | R::InvalidRecipient
        | R::Unroutable
        | R::OptedOut
        | R::ContentRejected
        | R::SenderRejected
        | R::RegionBlocked
        | R::TrialRestricted
        | R::Unknown => Then::Stop,
    }
}
