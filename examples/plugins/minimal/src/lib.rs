//! The smallest provider that is one: 46elks, <https://46elks.com/docs/send-sms>.

use postern_sdk::prelude::*;

fn request(_: &Message, settings: &Settings) -> Request {
    Request::post(
        settings.base("base_url", "https://api.46elks.com"),
        "/a1/sms",
    )
    .basic(settings.required("username"), secret("password"))
    .form([
        ("from", lit(settings.required("from"))),
        ("to", recipient::e164()),
        ("message", text()),
    ])
}

fn verdict(reply: &Reply) -> Verdict {
    match reply.text_at("/status").as_deref() {
        Some("failed") => refused(Reason::Unroutable, "failed"),
        Some("created" | "sent" | "delivered") if reply.is_success() => {
            accepted(reply.text_at("/id")).parts(reply.number_at("/parts"))
        }
        _ if reply.text().contains("credits") => refused(Reason::InsufficientFunds, reply.text()),
        _ => reply.by_status_saying(reply.text()),
    }
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
