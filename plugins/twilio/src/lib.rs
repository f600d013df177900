//! Twilio's Programmable Messaging API.
//!
//! Owns: the form that `Messages.json` wants, and what Twilio's error codes mean. Codes:
//! <https://www.twilio.com/docs/api/errors>.

use postern_sdk::prelude::*;

fn request(message: &Message, settings: &Settings) -> Request {
    let account = settings.required("account_sid");
    let is_sid = account.len() == 34
        && account.starts_with("AC")
        && account[2..].bytes().all(|b| b.is_ascii_hexdigit());
    if !account.is_empty() && !is_sid {
        settings.problem("account_sid", "is not AC and 32 hexadecimal digits");
    }
    let sender = match (
        settings.text("from"),
        settings.text("messaging_service_sid"),
    ) {
        (Some(from), None) => ("From", lit(from)),
        (None, Some(service)) => ("MessagingServiceSid", lit(service)),
        (None, None) => {
            settings.problem("from", "is missing, and so is messaging_service_sid");
            ("From", lit(""))
        }
        (Some(_), Some(_)) => {
            settings.problem("from", "and messaging_service_sid exclude each other");
            ("From", lit(""))
        }
    };
    let legacy = settings.choice("api", &["current", "legacy"]) == "legacy";
    let mut form = vec![("Body", text()), ("To", recipient::e164()), sender];
    if settings.flag("validity_period", true) && !legacy {
        // Twilio takes 1 to 36000 seconds.
        form.push((
            "ValidityPeriod",
            lit(message.validity.clamp(1, 36_000).to_string()),
        ));
    }
    Request::post(
        settings.base("base_url", "https://api.twilio.com"),
        "/2010-04-01/Accounts",
    )
    .segment(account)
    .path(if legacy {
        "/SMS/Messages.json"
    } else {
        "/Messages.json"
    })
    .basic(
        settings.text("api_key").unwrap_or(account),
        secret("auth_token"),
    )
    .form(form)
}

fn verdict(reply: &Reply) -> Verdict {
    if reply.is_success() {
        let Some(sid) = reply.text_at("/sid") else {
            return reply.by_status();
        };
        return match reply.text_at("/status").as_deref() {
            Some("failed" | "undelivered" | "canceled") => {
                refusal(reply, "/error_code", "/error_message")
            }
            _ => accepted(Some(sid))
                .parts(reply.number_at("/num_segments").filter(|parts| *parts > 0))
                .price(reply.text_at("/price"), reply.text_at("/price_unit")),
        };
    }
    refusal(reply, "/code", "/message")
}

/// Reads Twilio's error code; a reply without one is judged by its status.
fn refusal(reply: &Reply, code: &str, message: &str) -> Verdict {
    let words = reply.text_at(message).unwrap_or_default();
    let Some(code) = reply.number_at(code) else {
        return match reply.is_success() {
            // Twilio says the message failed, and not why.
            true => refused(Reason::Unknown, words),
            false => reply.by_status_saying(&words),
        };
    };
    let reason = match code {
        20003 | 20005 | 20006 | 20403 => Reason::AuthFailed,
        10001 | 30002 => Reason::AccountSuspended,
        20429 | 21611 | 30001 => Reason::Throttled,
        21730 => Reason::ProviderDown,
        21211 | 21214 | 21217 | 21401 | 21604 | 21614 | 30005 => Reason::InvalidRecipient,
        // 30003: the handset is off or away; 30006: a landline, or a carrier out of reach.
        21612 | 30003 | 30006 => Reason::Unroutable,
        21610 => Reason::OptedOut,
        21605 | 21617 | 30007 => Reason::ContentRejected,
        21212 | 21603 | 21606 | 21659 | 21660 | 21703 | 30034 => Reason::SenderRejected,
        21408 => Reason::RegionBlocked,
        21608 => Reason::TrialRestricted,
        // Twilio says that it failed. Judged by its 201 it would be `outcome-unknown`: somebody might
        // have the message, and the provider would count as down. 30008 is Twilio's own "unknown".
        _ if reply.is_success() => Reason::Unknown,
        // What this code means is not known here: the status is.
        _ => return reply.by_status_saying(&format!("{code} {words}")),
    };
    refused(reason, format!("{code} {words}")).retry_after(reply.retry_after())
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
