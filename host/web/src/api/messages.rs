//! The relay: a finished message, sent by the same routing, limits and verdicts as a code.

use crate::api::challenges::{bounded, client_ip, locale, purpose, unfit};
use crate::api::json::answer;
use crate::api::problem::{self, Problem};
use crate::api::{MessageCaller, StrictJson};
use crate::tenant::Tenant;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use postern_login::relay::{RelayError, RelayMessage, RelayText, Relayed};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A number, and either a text or a template with the application's own code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRequest {
    to: String,
    text: Option<String>,
    text_id: Option<String>,
    code: Option<String>,
    purpose: Option<String>,
    locale: Option<String>,
    client_ip: Option<String>,
}

/// A provider took the message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageSent {
    message_id: String,
    /// The configured sender that took it.
    sender: String,
    /// The provider's own name for the message, if it gave one.
    provider_id: Option<String>,
    #[schema(minimum = 1, maximum = 10)]
    segments: u8,
}

/// Sends a message.
#[utoipa::path(
    post,
    path = "/api/v1/messages",
    operation_id = "sendMessage",
    tag = "messages",
    params(("Idempotency-Key" = inline(Option<String>), Header, description = "The same key with the same request is sent once; the first answer is repeated.", pattern = "^[!-~]{1,255}$")),
    request_body(content_type = "application/json", content = ref("#/components/schemas/MessageRequest")),
    responses(
        (status = 202, description = "A provider took the message.", body = MessageSent),
        (status = 409, description = "`in-progress`: the first request with this key is under way."),
        (status = 422, description = "`number-refused`, `text-refused` or `idempotency-key-reused`."),
    )
)]
pub async fn send(
    Tenant(state): Tenant,
    MessageCaller(client): MessageCaller,
    headers: HeaderMap,
    StrictJson(request): StrictJson<MessageRequest>,
) -> Result<Response, Problem> {
    let message = request.read(idempotency_key(&headers)?)?;
    let Relayed {
        message_id,
        sender,
        provider_id,
        segments,
    } = state
        .logins
        .relay(&client, message)
        .await
        .map_err(|error| refusal(error, state.clock.now()))?;
    Ok(answer(
        StatusCode::ACCEPTED,
        &MessageSent {
            message_id,
            sender,
            provider_id,
            segments,
        },
    ))
}

impl MessageRequest {
    fn read(self, idempotency_key: Option<String>) -> Result<RelayMessage, Problem> {
        bounded("to", &self.to, 3, 32)?;
        let text = match (self.text, self.text_id, self.code) {
            (Some(text), None, None) => {
                bounded("text", &text, 1, 1600)?;
                RelayText::Finished(text)
            }
            (None, Some(text_id), Some(code)) => {
                bounded("text_id", &text_id, 1, 64)?;
                bounded("code", &code, 1, 64)?;
                RelayText::Template { text_id, code }
            }
            _ => return Err(unfit("either `text`, or `text_id` and `code`")),
        };
        Ok(RelayMessage {
            to: self.to,
            text,
            purpose: purpose(self.purpose)?,
            locale: locale(self.locale)?,
            client_ip: client_ip(self.client_ip)?,
            idempotency_key,
        })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut lines = headers.get_all("idempotency-key").iter();
    let Some(first) = lines.next() else {
        return Ok(None);
    };
    first
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
        .filter(|_| lines.next().is_none())
        .map(|key| Some(key.to_owned()))
        .ok_or_else(|| unfit("`Idempotency-Key` is 1 to 255 visible ASCII characters, once"))
}

fn refusal(error: RelayError, now: Timestamp) -> Problem {
    match error {
        RelayError::NumberRefused => Problem::new(&problem::NUMBER_REFUSED),
        RelayError::TextRefused => Problem::new(&problem::TEXT_REFUSED),
        RelayError::TooMany { at } => Problem::new(&problem::TOO_MANY).retry_at(at, now),
        RelayError::InProgress => Problem::new(&problem::IN_PROGRESS).retry_after(1),
        RelayError::KeyDiffers => Problem::new(&problem::KEY_REUSED),
        RelayError::NotSent { reason } => Problem::not_sent(Some(reason)),
        RelayError::Unavailable(error) => Problem::unavailable(&error),
    }
}
