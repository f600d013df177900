//! What the login asks of a gateway: to send a message, and to say which account a federated login is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use postern_egress::Shown;
use postern_login::ports::{
    Delivery, FailureReason, FederatedLogin, Message, Resolution, Senders, UserResolver,
};
use postern_login::tenant::TenantId;
use postern_wasm::manifest::{Kind, Wording};
use postern_wasm::types;

use super::{DRAIN, Gateway, TestReport};
use crate::conversation::{Ended, Place, failed, lead};
use crate::registry::{Bound, Experience, Slot, held};
use crate::resolver;

impl Gateway {
    /// Sends a test message for the operator, and shows what was sent.
    pub async fn test_message(
        &self,
        sender: &str,
        message: &Message,
        deadline: Instant,
    ) -> TestReport {
        let (delivery, requests) = self.deliver(sender, message, deadline, true).await;
        TestReport { requests, delivery }
    }

    pub(super) async fn deliver(
        &self,
        name: &str,
        message: &Message,
        deadline: Instant,
        show: bool,
    ) -> (Delivery, Vec<Shown>) {
        let now = Instant::now();
        let deadline = deadline.min(now + DRAIN);
        let turned_away = |reason, words: &str| (failed(reason, None, words), Vec::new());
        // The table is given back before the first wait; what is kept is this one sender.
        let (bound, experience) = {
            let table = self.inner.table.load();
            match table.sender(&message.tenant, name) {
                None => {
                    return turned_away(
                        FailureReason::Misconfigured,
                        "there is no sender of this name",
                    );
                }
                Some(sender) => match sender.in_use() {
                    None => {
                        return turned_away(
                            FailureReason::Misconfigured,
                            "the sender is not in order",
                        );
                    }
                    Some(bound) => (Arc::clone(bound), Arc::clone(&sender.experience)),
                },
            }
        };
        // Neither the plugin nor its provider did anything wrong: this counts for nobody.
        if bound.version.manifest.wording == Wording::Provider && message.code.is_none() {
            return turned_away(
                FailureReason::Misconfigured,
                "the provider words the message itself, and this one has no code to give it",
            );
        }
        // The breaker is asked before the plugin, whose one trial call is then not wasted. An
        // operator who tests what he has just mended is not turned away by it.
        if !held(&experience.breaker).enter(now) && !show {
            return turned_away(
                FailureReason::ProviderDown,
                "the provider failed several times and is left alone",
            );
        }
        if !bound.version.health().enter(now) {
            return turned_away(FailureReason::PluginFault, "the plugin is quarantined");
        }

        let place = Place {
            sender: name,
            bound: &bound,
            limits: &self.inner.limits,
            wire: &*self.inner.wire,
            kept: &self.inner.kept,
            clock: &*self.inner.clock,
            entropy: &*self.inner.entropy,
        };
        let ended = lead(place, message, deadline, show).await;
        self.score(name, &bound, &experience, &ended);
        let mut delivery = ended.delivery;
        // To whoever logs in, a provider's failure is one word; who tests a sender must be able to mend it.
        if show && let (Delivery::Failed(failure), Some(trouble)) = (&mut delivery, ended.trouble) {
            failure.detail = format!("{}: {trouble}", failure.detail);
        }
        (delivery, ended.shown)
    }

    /// Enters the end of a conversation in the two scores.
    pub(super) fn score(&self, name: &str, bound: &Bound, experience: &Experience, ended: &Ended) {
        let now = Instant::now();
        if let Some(idempotent) = ended.idempotent {
            experience.idempotent.store(idempotent, Ordering::Relaxed);
        }
        let version = &bound.version;
        if let Some(fault) = &ended.fault {
            self.plugin_faulted(version, fault);
        } else if ended.orderly {
            version.health().behaved(now);
        }
        match &ended.delivery {
            Delivery::Accepted { .. } => held(&experience.breaker).answered(),
            Delivery::Failed(failure) => {
                tracing::warn!(
                    { sender.name = name, plugin.id = version.id(), plugin.version = version.version },
                    "sender `{name}` did not take a message: {:?}: {}", failure.reason, failure.detail
                );
                if ended.fault.is_some() {
                    // Whatever became of the message, it was not the provider's doing.
                } else if fails_the_provider(failure.reason) {
                    if held(&experience.breaker).failed(now) {
                        tracing::warn!(
                            { sender.name = name },
                            "sender `{name}` is left alone for {} s",
                            self.inner.health.breaker.open.as_secs()
                        );
                    }
                } else if failure.reason != FailureReason::PluginFault {
                    held(&experience.breaker).answered();
                }
            }
        }
    }
}

#[async_trait]
impl Senders for Gateway {
    async fn send(&self, sender: &str, message: &Message, deadline: Instant) -> Delivery {
        self.deliver(sender, message, deadline, false).await.0
    }

    fn ready(&self, tenant: &TenantId, sender: &str) -> bool {
        let now = Instant::now();
        let table = self.inner.table.load();
        table.sender(tenant, sender).is_some_and(|sender| {
            sender
                .in_use()
                .is_some_and(|bound| bound.version.health().ready(now))
                && held(&sender.experience.breaker).ready(now)
        })
    }

    fn idempotent(&self, tenant: &TenantId, sender: &str) -> bool {
        let table = self.inner.table.load();
        table
            .sender(tenant, sender)
            .is_some_and(|sender| sender.experience.idempotent.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl UserResolver for Gateway {
    async fn resolve(
        &self,
        usecase: &str,
        settings: &[(String, String)],
        login: &FederatedLogin,
    ) -> Resolution {
        let now = Instant::now();
        let id = resolver::plugin_id(usecase);
        let version = {
            let table = self.inner.table.load();
            match table.plugin(id).map(Slot::in_use) {
                Some(version) if version.kind() == Kind::UserResolver => Arc::clone(version),
                Some(_) => {
                    return resolver::refuse(format!("plugin `{id}` is not a user-resolver"));
                }
                None => {
                    return resolver::refuse(format!(
                        "there is no plugin `{id}` for usecase `{usecase}`"
                    ));
                }
            }
        };
        if !version.health().enter(now) {
            return resolver::refuse(format!("plugin `{id}` is quarantined"));
        }
        let settings: Vec<types::Pair> = settings.to_vec();
        let resolved = resolver::resolve(
            &version,
            &settings,
            login,
            &*self.inner.directory,
            self.inner.limits.steps,
            resolver::TIME_MAX,
        )
        .await;
        if let Some(fault) = &resolved.fault {
            self.plugin_faulted(&version, fault);
        } else if resolved.orderly {
            version.health().behaved(Instant::now());
        }
        resolved.resolution
    }
}

/// Whether a verdict speaks against the provider rather than against the message.
pub(super) fn fails_the_provider(reason: FailureReason) -> bool {
    match reason {
        FailureReason::ProviderDown
        | FailureReason::OutcomeUnknown
        | FailureReason::AuthFailed
        | FailureReason::AccountSuspended
        | FailureReason::InsufficientFunds
        | FailureReason::Misconfigured => true,
        // A provider that says "slower" is there; leaving it alone for half a minute would turn a
        // crowd into an outage.
        FailureReason::Throttled
        | FailureReason::RecipientThrottled
        | FailureReason::InvalidRecipient
        | FailureReason::Unroutable
        | FailureReason::OptedOut
        | FailureReason::ContentRejected
        | FailureReason::SenderRejected
        | FailureReason::RegionBlocked
        | FailureReason::TrialRestricted
        | FailureReason::PluginFault
        | FailureReason::Unknown => false,
    }
}
