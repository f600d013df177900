//! Vonage's SMS API (rest.nexmo.com/sms/json): whatever happens, the answer is a 200, and the
//! failure is a number inside it. Both generations of authentication; signed requests are answered
//! as if the signature were wrong.

use crate::behaviour::{self, Answer};
use crate::{Gateway, auth, gsm};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const TEXT_CHARACTERS_MAX: usize = 3200;

pub(crate) async fn send(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mood = gateway.switch().next().await;
    if mood == Answer::Garbage {
        return behaviour::garbage();
    }
    let fields = auth::form(&headers, &body).unwrap_or_default();
    let field = |name| auth::field(&fields, name);
    let (to, from, text) = (field("to"), field("from"), field("text"));

    if let Err((status, words)) = judge(&gateway, &headers, &fields, mood) {
        let failure = Part::failed(status, words);
        return Json(Answered::new(vec![failure])).into_response();
    }

    // Vonage does not look whether a text fits its alphabet: without `type=unicode` it is lost.
    let shown = match field("type") {
        "unicode" => text.to_owned(),
        _ => gsm::replaced(text),
    };
    let parts = (0..gsm::segments(&shown))
        .map(|_| Part::taken(&gateway, to, field("client-ref")))
        .collect();
    gateway.phone().receive("vonage", from, to, &shown);
    match mood {
        Answer::Cut => behaviour::cut(),
        Answer::Hang => behaviour::hang().await,
        _ => Json(Answered::new(parts)).into_response(),
    }
}

fn judge(
    gateway: &Gateway,
    headers: &HeaderMap,
    fields: &[(String, String)],
    mood: Answer,
) -> Result<(), (u32, &'static str)> {
    let field = |name| auth::field(fields, name);
    let accounts = gateway.accounts();
    if !field("sig").is_empty() {
        return Err((14, "Invalid Signature"));
    }
    let (key, secret) = auth::basic(headers)
        .unwrap_or_else(|| (field("api_key").to_owned(), field("api_secret").to_owned()));
    if key != accounts.vonage_key || secret != accounts.vonage_secret {
        return Err((4, "Bad Credentials"));
    }
    match mood {
        Answer::Throttled => return Err((1, "Throughput Rate Exceeded")),
        Answer::Down => return Err((5, "Internal Error")),
        Answer::Unauthorized => return Err((4, "Bad Credentials")),
        Answer::OutOfFunds => return Err((9, "Quota Exceeded - rejected")),
        Answer::BadRecipient => return Err((7, "Number barred.")),
        _ => {}
    }
    let to = field("to");
    if to.is_empty() {
        return Err((2, "Missing to param"));
    }
    if field("from").is_empty() {
        return Err((2, "Missing from param"));
    }
    if field("text").is_empty() {
        return Err((2, "Missing text param"));
    }
    // A stand-in may be stricter than the real one: a plus sign is the plugin's mistake.
    if !(7..=15).contains(&to.len()) || !to.bytes().all(|b| b.is_ascii_digit()) {
        return Err((3, "to address is not numeric"));
    }
    if field("text").chars().count() > TEXT_CHARACTERS_MAX {
        return Err((12, "Message too long"));
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Answered {
    /// A number in a string, as the published specification has it.
    #[serde(rename = "message-count")]
    count: String,
    messages: Vec<Part>,
}

impl Answered {
    fn new(messages: Vec<Part>) -> Self {
        Self {
            count: messages.len().to_string(),
            messages,
        }
    }
}

/// One entry for every part of the SMS. Absent fields are absent, not null.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Part {
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_balance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_price: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_text: Option<&'static str>,
}

impl Part {
    fn taken(gateway: &Gateway, to: &str, reference: &str) -> Self {
        Self {
            to: Some(to.to_owned()),
            message_id: Some(format!(
                "{:016X}",
                0x0A00_0000_0000_0000 + gateway.next_id()
            )),
            status: "0".into(),
            remaining_balance: Some("3.14159265"),
            message_price: Some("0.03330000"),
            network: Some("12345"),
            client_ref: (!reference.is_empty()).then(|| reference.to_owned()),
            error_text: None,
        }
    }

    fn failed(status: u32, words: &'static str) -> Self {
        Self {
            status: status.to_string(),
            error_text: Some(words),
            ..Self::default()
        }
    }
}
