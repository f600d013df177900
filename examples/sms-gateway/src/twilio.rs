//! Twilio's Messages resource: form in, JSON out, errors by code. Its published magic numbers
//! (test credentials) answer as they do there.

use crate::behaviour::{self, Answer};
use crate::{Gateway, auth, gsm};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const BODY_CHARACTERS_MAX: usize = 1600;
const RETIRED_BODY_CHARACTERS_MAX: usize = 160;

/// Today's resource.
pub(crate) async fn send(
    State(gateway): State<Gateway>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(gateway, sid, headers, body, (BODY_CHARACTERS_MAX, 21617)).await
}

/// The resource of older recipes: the same, but 160 characters at most.
pub(crate) async fn send_retired(
    State(gateway): State<Gateway>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let limit = (RETIRED_BODY_CHARACTERS_MAX, 21605);
    answer(gateway, sid, headers, body, limit).await
}

async fn answer(
    gateway: Gateway,
    sid: String,
    headers: HeaderMap,
    body: Bytes,
    limit: (usize, u32),
) -> Response {
    let mood = gateway.switch().next().await;
    let accounts = gateway.accounts();
    let known = auth::basic(&headers).is_some_and(|(user, password)| {
        user == accounts.twilio_sid && password == accounts.twilio_token
    });
    if !known || sid != accounts.twilio_sid || mood == Answer::Unauthorized {
        return Failure::new(401, 20003, "Authenticate").into_response();
    }
    match mood {
        Answer::Throttled => return Failure::new(429, 20429, "Too Many Requests").into_response(),
        Answer::Down => return Failure::new(503, 20503, "Service unavailable").into_response(),
        Answer::OutOfFunds => {
            return Failure::new(403, 10001, "Account is not active").into_response();
        }
        Answer::Garbage => return behaviour::garbage(),
        _ => {}
    }

    // Without the form type Twilio finds no parameter at all.
    let fields = auth::form(&headers, &body).unwrap_or_default();
    let (to, from, text) = (
        auth::field(&fields, "To"),
        match auth::field(&fields, "From") {
            "" => auth::field(&fields, "MessagingServiceSid"),
            from => from,
        },
        auth::field(&fields, "Body"),
    );
    if let Err(failure) = judge(to, from, text, limit, mood) {
        return failure.into_response();
    }

    let message = Message::queued(&gateway, to, from, text);
    gateway.phone().receive("twilio", from, to, text);
    match mood {
        Answer::Cut => behaviour::cut(),
        Answer::Hang => behaviour::hang().await,
        _ => (StatusCode::CREATED, Json(message)).into_response(),
    }
}

/// What Twilio checks before it takes a message, in its order.
fn judge(
    to: &str,
    from: &str,
    text: &str,
    (characters_max, too_long): (usize, u32),
    mood: Answer,
) -> Result<(), Failure> {
    let refuse = |code, words: String| Err(Failure::new(400, code, words));
    if to.is_empty() {
        return refuse(21604, "A 'To' phone number is required.".into());
    }
    if from.is_empty() {
        return refuse(
            21603,
            "A 'From' phone number or a MessagingServiceSid is required.".into(),
        );
    }
    if text.is_empty() {
        return refuse(21602, "Message body is required.".into());
    }
    match from {
        "+15005550001" => {
            return refuse(
                21212,
                format!("The 'From' number {from} is not a valid phone number."),
            );
        }
        "+15005550007" => {
            return refuse(
                21606,
                format!("The 'From' phone number {from} is not a valid, message-capable number."),
            );
        }
        "+15005550008" => {
            return refuse(
                21611,
                format!("This 'From' number {from} has exceeded its message queue."),
            );
        }
        _ => {}
    }
    let digits = to.strip_prefix('+').unwrap_or_default();
    let orderly = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if !orderly || to == "+15005550001" || mood == Answer::BadRecipient {
        // The number stands in the message: whoever logs it must know.
        return refuse(
            21211,
            format!("The 'To' number {to} is not a valid phone number."),
        );
    }
    match to {
        "+15005550002" => refuse(
            21612,
            format!("The 'To' phone number {to} is not reachable with this 'From' number."),
        ),
        "+15005550003" => refuse(
            21408,
            "Permission to send an SMS has not been enabled for the region.".into(),
        ),
        "+15005550004" => refuse(
            21610,
            "Attempt to send to an unsubscribed recipient.".into(),
        ),
        "+15005550009" => refuse(
            21614,
            format!("'To' number {to} is not a valid mobile number."),
        ),
        _ if text.chars().count() > characters_max => refuse(
            too_long,
            format!("The concatenated message body exceeds the {characters_max} character limit."),
        ),
        _ => Ok(()),
    }
}

/// Twilio's error body. It is JSON whatever the status.
#[derive(Debug, Serialize)]
struct Failure {
    code: u32,
    message: String,
    more_info: String,
    status: u16,
}

impl Failure {
    fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            more_info: format!("https://www.twilio.com/docs/errors/{code}"),
            status,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

/// Twilio's message, with every field the published schema has.
#[derive(Debug, Serialize)]
struct Message<'a> {
    account_sid: &'a str,
    api_version: &'static str,
    body: &'a str,
    date_created: String,
    date_sent: Option<String>,
    date_updated: String,
    direction: &'static str,
    error_code: Option<u32>,
    error_message: Option<String>,
    from: Option<&'a str>,
    messaging_service_sid: Option<&'a str>,
    num_media: &'static str,
    num_segments: String,
    price: Option<String>,
    price_unit: &'static str,
    sid: String,
    status: &'static str,
    subresource_uris: Subresources,
    to: &'a str,
    uri: String,
}

#[derive(Debug, Serialize)]
struct Subresources {
    media: String,
}

impl<'a> Message<'a> {
    fn queued(gateway: &'a Gateway, to: &'a str, from: &'a str, text: &'a str) -> Self {
        let account_sid = &gateway.accounts().twilio_sid;
        let sid = format!("SM{:032x}", gateway.next_id());
        let date = jiff::Timestamp::now()
            .strftime("%a, %d %b %Y %H:%M:%S +0000")
            .to_string();
        let service = from.starts_with("MG").then_some(from);
        Self {
            account_sid,
            api_version: "2010-04-01",
            body: text,
            date_created: date.clone(),
            date_sent: None,
            date_updated: date,
            direction: "outbound-api",
            error_code: None,
            error_message: None,
            from: service.is_none().then_some(from),
            messaging_service_sid: service,
            num_media: "0",
            num_segments: gsm::segments(text).to_string(),
            price: None,
            price_unit: "USD",
            status: "queued",
            subresource_uris: Subresources {
                media: format!("/2010-04-01/Accounts/{account_sid}/Messages/{sid}/Media.json"),
            },
            to,
            uri: format!("/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json"),
            sid,
        }
    }
}
