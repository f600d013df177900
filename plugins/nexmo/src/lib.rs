//! Vonage's SMS API, formerly Nexmo.
//!
//! Owns: the form that `/sms/json` wants, and what the status of each message part means. The API
//! answers 200 to failures too: only the body tells. Codes:
//! <https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms>.

use postern_sdk::prelude::*;

fn request(message: &Message, settings: &Settings) -> Request {
    let key = settings.required("api_key");
    let in_form = settings.choice("auth", &["basic", "form"]) == "form";
    let mut form = vec![
        ("from", lit(settings.required("from"))),
        ("to", recipient::digits()),
        ("text", text()),
        // Vonage turns characters outside GSM 7-bit into question marks unless it is told.
        (
            "type",
            lit(if message.is_unicode() {
                "unicode"
            } else {
                "text"
            }),
        ),
        ("client-ref", lit(&message.id)),
    ];
    if settings.flag("ttl", true) {
        // Milliseconds, 20 s to 7 days.
        let ttl = message
            .validity
            .saturating_mul(1000)
            .clamp(20_000, 604_800_000);
        form.push(("ttl", lit(ttl.to_string())));
    }
    // What India asks of every message.
    for (name, field) in [("entity-id", "entity-id"), ("template-id", "content-id")] {
        if let Some(value) = message.extra(name) {
            form.push((field, lit(value)));
        }
    }
    if in_form {
        form.extend([("api_key", lit(key)), ("api_secret", secret("api_secret"))]);
    }
    let request = Request::post(
        settings.base("base_url", "https://rest.nexmo.com"),
        "/sms/json",
    )
    .form(form);
    if in_form {
        request
    } else {
        request.basic(key, secret("api_secret"))
    }
}

fn verdict(reply: &Reply) -> Verdict {
    if !reply.is_success() {
        return reply.by_status_saying(&reply.text_at("/error-text").unwrap_or_default());
    }
    let parts = reply.list_at("/messages").len();
    for part in 0..parts {
        let at = |field: &str| reply.text_at(&format!("/messages/{part}/{field}"));
        let Some(status) = at("status") else {
            return reply.by_status();
        };
        if status != "0" {
            let words = at("error-text").unwrap_or_default();
            return refused(
                meaning(&status),
                format!("{status} {words} (part {} of {parts})", part + 1),
            );
        }
    }
    if parts == 0 {
        return reply.by_status();
    }
    // The price is per part; only that of a single part is the message's.
    let price = reply
        .text_at("/messages/0/message-price")
        .filter(|_| parts == 1);
    accepted(reply.text_at("/messages/0/message-id"))
        .parts(u32::try_from(parts).ok())
        .price(price, None)
}

fn meaning(status: &str) -> Reason {
    match status {
        "1" | "10" => Reason::Throttled,
        "5" => Reason::ProviderDown,
        "2" | "3" | "22" | "23" => Reason::Misconfigured,
        "4" | "14" | "32" => Reason::AuthFailed,
        "8" | "11" => Reason::AccountSuspended,
        "9" => Reason::InsufficientFunds,
        "6" => Reason::Unroutable,
        "33" => Reason::InvalidRecipient,
        "7" => Reason::OptedOut,
        "12" | "17" => Reason::ContentRejected,
        "15" => Reason::SenderRejected,
        "29" => Reason::TrialRestricted,
        _ => Reason::Unknown,
    }
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
