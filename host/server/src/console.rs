//! The gateway as the administrator's use cases take it: its report in their words, a test message.

use crate::defined::Defined;
use async_trait::async_trait;
use postern_admin::definitions::{Definitions, Sort};
use postern_admin::form::{Field, FieldKind};
use postern_admin::outbox::{OutboxMessage, Says, TestOutbox};
use postern_admin::plugins::{PluginReport, Plugins, RefusedFile};
use postern_admin::senders::{SenderReport, SentRequest, TestOutcome, TestSender};
use postern_gateway::outbox::{Answer, AnswerKind};
use postern_gateway::{Gateway, Outbox};
use postern_login::TenantId;
use postern_login::ports::{Delivery, Message, SendFailure};
use postern_wasm::Limits;
use postern_wasm::manifest::{RuntimeClass, Setting, SettingKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct LoadedPlugins {
    pub(crate) gateway: Gateway,
    pub(crate) limits: Limits,
}

#[async_trait]
impl Plugins for LoadedPlugins {
    fn report(&self) -> Vec<PluginReport> {
        let report = self.gateway.plugins().into_iter();
        report
            .map(|plugin| PluginReport {
                file: plugin.file,
                id: plugin.id,
                version: plugin.version,
                kind: plugin.kind,
                sha256: plugin.sha256,
                state: plugin.state.as_str().to_owned(),
                refused: plugin.refused.map(|refused| RefusedFile {
                    sha256: refused.sha256,
                    stage: refused.stage,
                    reason: refused.reason,
                }),
                note: plugin.note,
                calls: plugin.calls,
                faults: plugin.faults,
                last_fault: plugin.last_fault,
                grown: plugin.grown,
                origins_asked: plugin.origins_asked,
                origins_granted: plugin.origins_granted,
                limits: plugin
                    .runtime
                    .map_or_else(Vec::new, |class| limits(&self.limits, class)),
                previous: plugin.previous,
                settings: plugin.settings.iter().map(field).collect(),
            })
            .collect()
    }

    fn rescan(&self) {
        self.gateway.rescan();
    }

    async fn roll_back(&self, id: &str) -> Result<String, String> {
        self.gateway.roll_back(id).await
    }
}

/// The limits an operator asks about; all of them are in the configuration.
fn limits(all: &Limits, class: RuntimeClass) -> Vec<(String, String)> {
    let of = match class {
        RuntimeClass::Native => &all.native,
        RuntimeClass::Language => &all.language_runtime,
    };
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    [
        ("CPU a step", format!("{} ms", of.cpu_ms)),
        ("time a step", format!("{} ms", of.wall_ms)),
        ("memory", mib(of.memory_bytes)),
        ("calls at once", all.calls_per_plugin.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// A setting of a manifest as a field of a form.
pub(crate) fn field(setting: &Setting) -> Field {
    Field {
        name: setting.name.clone(),
        label: label(&setting.name),
        kind: match setting.kind {
            SettingKind::Text => FieldKind::Text,
            SettingKind::Integer => FieldKind::Integer {
                min: i64::MIN,
                max: i64::MAX,
            },
            SettingKind::Boolean => FieldKind::Boolean,
            SettingKind::Url => FieldKind::Url,
            SettingKind::Choice => FieldKind::Choice(setting.choices.clone()),
            SettingKind::Lines => FieldKind::Lines,
        },
        secret: setting.secret,
        required: setting.required,
        default: setting.default.clone(),
        help: setting.help.clone(),
    }
}

/// Words that are written in capitals wherever people read them.
const CAPITALS: [&str; 9] = [
    "api", "http", "id", "otp", "sid", "sms", "ssl", "uri", "url",
];

/// `account_sid` reads as `Account SID`, `sms_url` as `SMS URL`.
fn label(name: &str) -> String {
    let words = name.split('_').enumerate().map(|(at, word)| {
        if CAPITALS.contains(&word) {
            return word.to_uppercase();
        }
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if at == 0 => first.to_uppercase().chain(letters).collect(),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// As a login waits for its provider.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestMessages {
    pub(crate) gateway: Gateway,
    pub(crate) defined: Arc<Defined>,
}

#[async_trait]
impl TestSender for TestMessages {
    fn list(&self) -> Vec<SenderReport> {
        let file = self
            .defined
            .declared(Sort::IdentityProvider, &TenantId::super_tenant());
        let senders = self.gateway.senders().into_iter();
        senders
            .map(|sender| SenderReport {
                place: if sender.tenant == TenantId::super_tenant().as_str() {
                    file.iter()
                        .find(|one| one.name == sender.name)
                        .map_or_else(|| "the console".to_owned(), |one| one.place.clone())
                } else {
                    "the tenant's document, or the super tenant's where it has none".to_owned()
                },
                tenant: sender.tenant,
                name: sender.name,
                plugin: sender.plugin,
                version: sender.version,
                ready: sender.ready,
                problems: sender.problems,
            })
            .collect()
    }

    async fn send(&self, sender: &str, message: &Message) -> TestOutcome {
        let began = Instant::now();
        let report = self
            .gateway
            .test_message(sender, message, began + PATIENCE)
            .await;
        let (accepted, verdict, detail) = match report.delivery {
            Delivery::Accepted { provider_id, parts } => {
                let id = provider_id.map(|id| format!("message id {id}"));
                let parts = parts.map(|parts| format!("{parts} part(s)"));
                let words: Vec<_> = id.into_iter().chain(parts).collect();
                (true, "accepted".to_owned(), words.join(", "))
            }
            Delivery::Failed(SendFailure { reason, detail, .. }) => {
                let word = serde_json::to_value(reason).unwrap_or_default();
                let word = word.as_str().unwrap_or("unknown").to_owned();
                (false, word, detail)
            }
        };
        TestOutcome {
            requests: report
                .requests
                .into_iter()
                .map(|shown| SentRequest {
                    method: shown.method,
                    url: shown.url,
                    headers: shown.headers,
                    body: shown.body,
                })
                .collect(),
            accepted,
            verdict,
            detail,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The gateway's test outbox.
pub(crate) struct Answering(pub(crate) Outbox);

impl TestOutbox for Answering {
    fn messages(&self) -> Vec<OutboxMessage> {
        let messages = self.0.messages().into_iter();
        messages
            .map(|message| OutboxMessage {
                tenant: message.tenant,
                sender: message.sender,
                to: message.to,
                text: message.text,
                message_id: message.message_id,
                attempt: message.attempt,
                locale: message.locale,
                purpose: message.purpose,
            })
            .collect()
    }

    fn answer(&self, says: Says, delay: Duration, sender: Option<&str>, times: Option<u32>) {
        let kind = match says {
            Says::Accepted => AnswerKind::Accept,
            Says::Refused {
                reason,
                retry_after,
                detail,
            } => AnswerKind::Refuse {
                reason,
                retry_after,
                detail,
            },
            Says::Status(status) => AnswerKind::Status(status),
            Says::Silence => AnswerKind::Silence,
            Says::Unreachable => AnswerKind::Unreachable,
        };
        let answer = Answer::from(kind).after(delay);
        match times {
            Some(times) => self.0.script_for(
                sender.unwrap_or_default(),
                std::iter::repeat_n(answer, times as usize),
            ),
            None => self.0.otherwise(answer),
        }
    }

    fn clear(&self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_name_reads_as_words() {
        for (name, words) in [
            ("account_sid", "Account SID"),
            ("sms_url", "SMS URL"),
            ("http_response_code", "HTTP response code"),
            ("from", "From"),
        ] {
            assert_eq!(label(name), words);
        }
    }
}
