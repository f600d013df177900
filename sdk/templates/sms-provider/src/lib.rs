//! {{name}}: which request to make, and what the reply means.

use postern_sdk::prelude::*;

/// The request for a message. `recipient`, `text` and `secret` name values that only the host has;
/// it puts them in, escaped for the place they stand in.
fn request(_message: &Message, settings: &Settings) -> Request {
    Request::post(settings.base("base_url", "https://api.example.com"), "/v1/messages")
        .bearer(secret("token"))
        .json(object([
            ("from", settings.required("from").into()),
            ("to", recipient::e164().into()),
            ("text", text().into()),
        ]))
}

/// What the reply means. A failure that hides in a 2xx is a failure; what the body does not tell,
/// the status does.
fn verdict(reply: &Reply) -> Verdict {
    let code = reply.text_at("/error/code");
    let words = reply.text_at("/error/message").unwrap_or_default();
    match code.as_deref() {
        Some("invalid_number") => refused(Reason::InvalidRecipient, words),
        Some("opted_out") => refused(Reason::OptedOut, words),
        Some("no_credit") => refused(Reason::InsufficientFunds, words),
        Some(_) => reply.by_status_saying(&words),
        None => match reply.text_at("/id") {
            Some(id) if reply.is_success() => accepted(Some(id)),
            _ => reply.by_status(),
        },
    }
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
