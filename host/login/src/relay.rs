//! The relay: an existing identity server hands over a finished message and Postern sends it by the
//! same routing, limits and verdicts.

use crate::Logins;
use crate::audit::{AuditEvent, What};
use crate::error::StoreError;
use crate::login::Purpose;
use crate::ports::{ApiClient, FailureReason, Message, Reservation, Subject, TenantSettings};
use crate::routing::{self, Routed};
use crate::second_step::read_number;
use crate::text::{self, Composed, LastLine, MessageText, Template, Words};
use crate::throttle::{Outlay, number_key, send_budgets};
use postern_otp::code::Alphabet;
use postern_otp::{CODE_LIFETIME_MAX, Code, CodeFormat, PhoneNumber, Timestamp};

/// Ten segments of GSM-7 are 1,530; a little more may be counted and then refused by segment.
const TEXT_CHARACTERS_MAX: usize = 1_600;
/// A client's own codes may be shorter or longer than ours.
const CODE_CHARACTERS_MAX: usize = 32;

#[derive(Debug)]
pub enum RelayText {
    /// The client's own words, at most 1,600 characters.
    Finished(String),
    /// One of the tenant's templates with the client's own code in it.
    Template { text_id: String, code: String },
}

#[derive(Debug)]
pub struct RelayMessage {
    pub to: String,
    pub text: RelayText,
    pub purpose: Purpose,
    pub locale: Option<String>,
    pub client_ip: Option<String>,
    /// The Idempotency-Key header, 1 to 255 visible ASCII characters.
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Relayed {
    pub message_id: String,
    pub sender: String,
    pub provider_id: Option<String>,
    pub segments: u8,
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("not a number messages are sent to")]
    NumberRefused,
    #[error("the text is empty, too long, or names no template")]
    TextRefused,
    #[error("too many messages")]
    TooMany { at: Timestamp },
    #[error("a request with this key is under way")]
    InProgress,
    #[error("this key was used for another request")]
    KeyDiffers,
    #[error("no provider took the message")]
    NotSent { reason: FailureReason },
    #[error("not available: {0}")]
    Unavailable(#[from] StoreError),
}

impl Logins {
    pub async fn relay(
        &self,
        client: &ApiClient,
        message: RelayMessage,
    ) -> Result<Relayed, RelayError> {
        let settings = self.settings(&client.tenant).await?;
        let number = read_number(&settings, &message.to).map_err(|_| RelayError::NumberRefused)?;
        let worded = words(&message, &number, &settings).ok_or(RelayError::TextRefused)?;
        let Some(key) = message.idempotency_key.clone() else {
            return self
                .relay_once(client, message, number, worded, &settings)
                .await;
        };
        let fingerprint = fingerprint(&message, &number, &worded.composed.text, &settings);
        let replies = &self.ports.replies;
        let reservation = replies
            .reserve(client, &key, &fingerprint, self.now())
            .await?;
        match reservation {
            Reservation::Reserved => {}
            Reservation::InProgress => return Err(RelayError::InProgress),
            Reservation::Differs => return Err(RelayError::KeyDiffers),
            Reservation::Answered(answer) => {
                return serde_json::from_str(&answer).map_err(|error| {
                    StoreError::caused("a stored answer cannot be read", error).into()
                });
            }
        }
        let relayed = self
            .relay_once(client, message, number, worded, &settings)
            .await;
        match &relayed {
            Ok(answer) => {
                let answer = serde_json::to_string(answer)
                    .map_err(|error| StoreError::caused("an answer cannot be stored", error))?;
                replies.fill(client, &key, &answer).await?;
            }
            // It may be on its way: the key stays taken, or a repetition would send twice.
            Err(RelayError::NotSent {
                reason: FailureReason::OutcomeUnknown,
            }) => {}
            Err(_) => replies.release(client, &key).await?,
        }
        relayed
    }

    async fn relay_once(
        &self,
        client: &ApiClient,
        message: RelayMessage,
        number: PhoneNumber,
        worded: Worded,
        settings: &TenantSettings,
    ) -> Result<Relayed, RelayError> {
        let subject = Subject::Number {
            tenant: client.tenant.clone(),
            client: client.name.clone(),
            number: number_key(settings, &number),
        };
        let address = message.client_ip.as_deref();
        // The codes are the client's, which never come back here.
        let budgets =
            send_budgets(settings, &client.tenant, &subject, &number, address).without_conversion();
        let now = self.now();
        if let Outlay::Refused { at, .. } = self.spend_on_sending(&budgets, now).await? {
            return Err(RelayError::TooMany { at });
        }
        let segments = worded.composed.text.segments;
        let mut extra = vec![("brand".to_owned(), text::one_line(&settings.brand))];
        extra.extend(worded.ids);
        let sending = Message {
            id: self.message_id()?,
            tenant: client.tenant.clone(),
            to: number,
            text: worded.composed.text,
            without_line: worded.composed.without_line,
            code: worded.code,
            validity: settings
                .factor
                .challenge
                .code_lifetime
                .min(CODE_LIFETIME_MAX),
            attempt: 1,
            locale: message.locale.unwrap_or_default(),
            purpose: message.purpose,
            extra,
        };
        let routed = routing::route(
            &self.ports,
            &settings.factor.senders,
            &sending,
            settings.limits.calls_per_message,
        )
        .await;
        let (sender, outcome) = match routed {
            Routed::Accepted {
                sender,
                provider_id,
            } => {
                let relayed = Relayed {
                    message_id: sending.id,
                    sender: sender.clone(),
                    provider_id,
                    segments,
                };
                (Some(sender), Ok(relayed))
            }
            Routed::Failed { tried, reason, .. } => (
                tried.into_iter().next_back().map(|(sender, _)| sender),
                Err(RelayError::NotSent { reason }),
            ),
        };
        let (name, number) = (client.name.clone(), sending.to.masked());
        let what = match &outcome {
            Ok(_) => What::Relayed {
                client: name,
                number,
                sender,
            },
            Err(_) => What::RelayFailed {
                client: name,
                number,
                sender,
            },
        };
        let event = AuditEvent {
            at: self.now(),
            tenant: client.tenant.clone(),
            login: None,
            who: None,
            address: message.client_ip,
            what,
        };
        // The message has left: a log that is full must not make the client send it again.
        if let Err(error) = self.ports.audit.record(event).await {
            tracing::error!(%error, "a relayed message is missing from the audit log");
        }
        outcome
    }
}

struct Worded {
    composed: Composed,
    /// If the client names it: it is kept out of logs then.
    code: Option<Code>,
    /// What the text is registered by.
    ids: Vec<(String, String)>,
}

/// `None` if the text is empty or too long, names no template, or the code is none.
fn words(
    message: &RelayMessage,
    number: &PhoneNumber,
    settings: &TenantSettings,
) -> Option<Worded> {
    match &message.text {
        RelayText::Finished(text) => {
            let text: String = text
                .chars()
                .filter(|c| !c.is_control() || *c == '\n')
                .collect();
            let orderly = !text.trim().is_empty() && text.chars().count() <= TEXT_CHARACTERS_MAX;
            let text = orderly.then(|| MessageText::measured(text)).flatten()?;
            Some(Worded {
                composed: Composed {
                    text,
                    without_line: None,
                },
                code: None,
                ids: Vec::new(),
            })
        }
        RelayText::Template { text_id, code } => {
            let code = client_code(code)?;
            let locale = message.locale.as_deref().unwrap_or_default();
            let template = template(&settings.templates, text_id, locale)?;
            let words = Words {
                code: code.as_str(),
                brand: &settings.brand,
                validity: settings.factor.challenge.code_lifetime,
                last_line: LastLine::choose(
                    settings.factor.otp_host.as_deref(),
                    None,
                    number.country(),
                    template.last_line,
                ),
            };
            Some(Worded {
                composed: text::compose(Some(template), words)?,
                code: Some(code),
                ids: template.ids().collect(),
            })
        }
    }
}

fn client_code(text: &str) -> Option<Code> {
    let length = u8::try_from(text.len()).ok()?;
    if length == 0 || usize::from(length) > CODE_CHARACTERS_MAX {
        return None;
    }
    let format = CodeFormat {
        length,
        alphabet: Alphabet::Alphanumeric,
    };
    Code::parse(format, text)
}

/// `code` is the template that logins use. Any other id names templates kept as `id:tag`.
fn template<'a>(templates: &'a [Template], text_id: &str, locale: &str) -> Option<&'a Template> {
    match text_id {
        "code" => text::template_for(templates, locale),
        other => text::template_of(templates, other, locale),
    }
}

/// What makes two requests the same one. Keyed, for it is made of a number and a code.
fn fingerprint(
    message: &RelayMessage,
    number: &PhoneNumber,
    text: &MessageText,
    settings: &TenantSettings,
) -> [u8; 32] {
    let parts = [
        number.e164(),
        text.as_str(),
        message.purpose.as_str(),
        message.locale.as_deref().unwrap_or_default(),
        message.client_ip.as_deref().unwrap_or_default(),
    ];
    let parts: Vec<String> = parts
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect();
    let whole = zeroize::Zeroizing::new(parts.concat());
    settings.keys.newest().digest("relay-request", &whole)
}
