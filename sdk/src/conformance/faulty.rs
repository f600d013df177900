//! A provider of two requests for the suite's own tests, with faults to choose from.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::message::Message;
use crate::provider::{Action, Event, failed};
use crate::reply::Reply;
use crate::request::Request;
use crate::settings::Settings;
use crate::value::{kept, recipient, text};
use crate::vectors::ProviderFunctions;
use crate::verdict::{Reason, accepted, refused};

pub(super) const MANIFEST: &str = r#"{
    "id": "two-requests", "kind": "sms-provider", "title": "Two requests",
    "description": "Fetches a token first.", "origins": ["https://api.example.com"],
    "vectors": [
        { "name": "a token is fetched",
          "expect": { "request": { "method": "POST", "url": "https://api.example.com/token" } } },
        { "name": "a token that is there is used", "message": { "kept": ["token"] },
          "expect": { "request": { "method": "POST", "url": "https://api.example.com/send" } } },
        { "name": "it is taken", "reply": { "status": 200, "body": { "id": "m-1" } },
          "state": "message", "expect": { "accepted": { "id": "m-1" } } }
    ] }"#;

/// What is wrong with it.
pub(super) const NOTHING: u8 = 0;
pub(super) const TOKEN_REPLY: u8 = 1;
pub(super) const SECOND_REPLY: u8 = 2;
pub(super) const SECOND_STATUS: u8 = 3;
pub(super) const SECOND_ORIGIN: u8 = 4;
pub(super) const REPLY_TO_A_RESEND: u8 = 5;
pub(super) const REPLY_AFTER_DENIED: u8 = 6;
pub(super) const ACCEPTS_ANYTHING: u8 = 7;
pub(super) const TWO_ANSWERS: u8 = 8;

fn step<const WRONG: u8>(_: &Settings, message: &Message, event: &Event, state: &[u8]) -> Action {
    let send = |origin: &str, state: &str| -> Action {
        Request::post(origin, "/send")
            .bearer(kept("token"))
            .form([("to", recipient::e164()), ("text", text())])
            .state(state)
            .into()
    };
    // As a parser does that trusts what it reads.
    let careless = |reply: &Reply| assert!(reply.text().contains("m-1"), "no id");
    let again = message.attempt > 1;
    match (event, state) {
        (Event::Reply(_), _) if WRONG == ACCEPTS_ANYTHING => accepted(Some("m-1")).into(),
        (Event::Start, _) if WRONG == TWO_ANSWERS => {
            static CALLS: AtomicUsize = AtomicUsize::new(0);
            let call = CALLS.fetch_add(1, Ordering::Relaxed).to_string();
            send("https://api.example.com", &call)
        }
        (Event::Start, _) if message.has_kept("token") => {
            let state = if again { "resent" } else { "message" };
            send("https://api.example.com", state)
        }
        (Event::Start, _) => Request::post("https://api.example.com", "/token")
            .keep("token", "/token", None, 60)
            .state("token")
            .into(),
        (Event::Reply(reply), b"token") if WRONG == TOKEN_REPLY => {
            careless(reply);
            reply.by_status().into()
        }
        (Event::Reply(reply), b"token") if message.has_kept("token") && reply.is_success() => {
            match reply.text_at("/id") {
                Some(host) if WRONG == SECOND_ORIGIN => {
                    send(&format!("https://{host}.example.org"), "message")
                }
                _ => send("https://api.example.com", "message"),
            }
        }
        (Event::Reply(reply), b"message") => {
            if WRONG == SECOND_REPLY {
                careless(reply);
            }
            match reply.text_at("/id") {
                Some(id) if reply.is_success() || WRONG == SECOND_STATUS => {
                    accepted(Some(id)).into()
                }
                _ => reply.by_status().into(),
            }
        }
        (Event::Reply(reply), b"resent") if WRONG == REPLY_TO_A_RESEND => {
            careless(reply);
            reply.by_status().into()
        }
        (Event::Reply(reply), b"instead") if WRONG == REPLY_AFTER_DENIED => {
            careless(reply);
            reply.by_status().into()
        }
        (Event::Reply(reply), _) => reply.by_status().into(),
        (Event::Failed(how), b"message") if how == "denied" => {
            Request::post("https://api.example.com", "/send-otherwise")
                .bearer(kept("token"))
                .form([("to", recipient::digits()), ("text", text())])
                .state("instead")
                .into()
        }
        (Event::Failed(how), _) => failed(how).into(),
        _ => refused(Reason::Unsupported, "").into(),
    }
}

pub(super) fn plugin<const WRONG: u8>() -> ProviderFunctions {
    ProviderFunctions {
        step: step::<WRONG>,
        check: |_| Vec::new(),
    }
}
