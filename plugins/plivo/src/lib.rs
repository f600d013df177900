//! Plivo's Message API.
//!
//! Owns: the JSON that `/Message/` wants, and what Plivo's answers mean. Plivo has no error codes
//! at this place, only words, and answers 202 to a number it did not take. See
//! <https://www.plivo.com/docs/sms/api/message/send-a-message>.

use postern_sdk::prelude::*;

fn request(_: &Message, settings: &Settings) -> Request {
    let account = settings.required("auth_id");
    let is_id = account.len() == 20
        && (account.starts_with("MA") || account.starts_with("SA"))
        && account.bytes().all(|b| b.is_ascii_alphanumeric());
    if !account.is_empty() && !is_id {
        settings.problem("auth_id", "is not MA or SA and 18 letters and digits");
    }
    let sender = match (settings.text("from"), settings.text("powerpack_uuid")) {
        (Some(from), None) => {
            // Plivo reads `<` as the end of one number and the beginning of the next.
            if from.contains('<') {
                settings.problem("from", "has a <, which Plivo reads as several numbers");
            }
            ("src", Json::from(from))
        }
        (None, Some(powerpack)) => ("powerpack_uuid", Json::from(powerpack)),
        (None, None) => {
            settings.problem("from", "is missing, and so is powerpack_uuid");
            ("src", Json::from(""))
        }
        (Some(_), Some(_)) => {
            settings.problem("from", "and powerpack_uuid exclude each other");
            ("src", Json::from(""))
        }
    };
    Request::post(
        settings.base("base_url", "https://api.plivo.com"),
        "/v1/Account",
    )
    .segment(account)
    .path("/Message/")
    .basic(account, secret("auth_token"))
    .json(object([
        sender,
        ("dst", recipient::digits().into()),
        ("text", text().into()),
        ("type", "sms".into()),
        ("log", settings.flag("log", false).into()),
    ]))
}

fn verdict(reply: &Reply) -> Verdict {
    let words = reply
        .text_at("/error")
        .or_else(|| reply.text_at("/message"))
        .unwrap_or_default();
    if !reply.is_success() {
        return refusal(reply, &words);
    }
    if let Some(id) = reply
        .text_at("/message_uuid/0")
        .or_else(|| reply.text_at("/message_uuid"))
    {
        return accepted(Some(id));
    }
    if !reply.list_at("/invalid_number").is_empty() {
        return refused(
            Reason::InvalidRecipient,
            format!("{} invalid_number", reply.status),
        );
    }
    match reply.text_at("/error") {
        Some(_) => refusal(reply, &words),
        None => reply.by_status_saying(&words),
    }
}

/// Reads Plivo's words where the status leaves a choice.
fn refusal(reply: &Reply, words: &str) -> Verdict {
    let lower = words.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    // After a failure for lack of credit, Plivo refuses for two minutes with these words and a
    // status it does not document.
    let reason = if has(&["insufficient credit", "insufficient balance"]) {
        Some(Reason::InsufficientFunds)
    } else {
        match reply.status {
            400 | 422 if has(&["trial", "sandbox", "not verified", "unverified"]) => {
                Some(Reason::TrialRestricted)
            }
            400 | 422 if has(&["opted out", "opt-out", "blacklist", "unsubscribed"]) => {
                Some(Reason::OptedOut)
            }
            400 | 422 if has(&["src", "sender", "powerpack"]) => Some(Reason::SenderRejected),
            400 | 422
                if has(&[
                    "dst",
                    "destination",
                    "recipient",
                    "not a valid phone number",
                ]) =>
            {
                Some(Reason::InvalidRecipient)
            }
            400 | 422 if has(&["text", "too long", "length"]) => Some(Reason::ContentRejected),
            401 if has(&["suspended", "disabled", "blocked"]) => Some(Reason::AccountSuspended),
            403 if has(&["suspended"]) => Some(Reason::AccountSuspended),
            // On this address 403 is a country that is switched off.
            403 => Some(Reason::RegionBlocked),
            200..=299 => Some(Reason::Unknown),
            _ => None,
        }
    };
    match reason {
        Some(reason) => {
            refused(reason, format!("{} {words}", reply.status)).retry_after(reply.retry_after())
        }
        None => reply.by_status_saying(words),
    }
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
