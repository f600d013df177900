//! The host's test outbox, which exists only where the configuration switches it on.
//!
//! Owns: turning the answer of the outbox's script into a verdict. The message it sends is an
//! ordinary one, so that a test exercises what a real provider does. The name ends in `.invalid`
//! (RFC 2606), so that it can reach nothing else.

use postern_sdk::prelude::*;

fn request(message: &Message, _: &Settings) -> Request {
    Request::post("http://outbox.postern.invalid", "/messages").json(object([
        ("to", recipient::e164().into()),
        ("text", text().into()),
        ("message_id", message.id.as_str().into()),
        ("attempt", message.attempt.into()),
        ("encoding", message.encoding.as_str().into()),
        ("segments", u32::from(message.segments).into()),
        ("locale", message.locale.as_str().into()),
        ("purpose", message.purpose.as_str().into()),
    ]))
}

/// `{"verdict":"accepted","id":"1"}`, or any reason of the interface:
/// `{"verdict":"throttled","retry_after":5,"detail":"slow down"}`.
fn verdict(reply: &Reply) -> Verdict {
    if !reply.is_success() {
        return reply.by_status();
    }
    match reply.text_at("/verdict").as_deref() {
        Some("accepted") => accepted(reply.text_at("/id"))
            .parts(reply.number_at("/parts"))
            .price(reply.text_at("/price"), reply.text_at("/currency")),
        Some(reason) => refused(
            Reason::from_name(reason),
            reply.text_at("/detail").unwrap_or_default(),
        )
        .retry_after(reply.number_at("/retry_after")),
        None => reply.by_status(),
    }
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
