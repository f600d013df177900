//! Clickatell's three APIs: One API, Platform REST, and the REST API of before 2016.
//!
//! Owns: the JSON each of them wants, and what their error codes mean. All three may answer 2xx to
//! a message they did not take. Codes: <https://docs.clickatell.com/channels/one-api/>.

use postern_sdk::prelude::*;
use postern_sdk::reply::as_text;
use postern_sdk::serde_json::Value as Reading;

#[derive(Clone, Copy, PartialEq)]
enum Api {
    One,
    Platform,
    Legacy,
}

fn api(settings: &Settings) -> Api {
    match settings.choice("api", &["one", "platform", "legacy"]) {
        "platform" => Api::Platform,
        "legacy" => Api::Legacy,
        _ => Api::One,
    }
}

fn request(message: &Message, settings: &Settings) -> Request {
    let api = api(settings);
    let (default, path) = match api {
        Api::One => ("https://platform.clickatell.com", "/v1/message"),
        Api::Platform => ("https://platform.clickatell.com", "/messages"),
        Api::Legacy => ("https://api.clickatell.com", "/rest/message"),
    };
    let request = Request::post(settings.base("base_url", default), path)
        .header("accept", "application/json");
    let from = settings.text("from").map(|from| ("from", Json::from(from)));
    match api {
        Api::One => {
            let message = [
                ("channel", Json::from("sms")),
                ("to", recipient::digits().into()),
                ("content", text().into()),
                ("clientMessageId", message.id.as_str().into()),
            ];
            let message = object(message.into_iter().chain(from));
            request
                .header("authorization", secret("api_key"))
                .json(object([("messages", array([message]))]))
        }
        Api::Platform => {
            let fields = [
                ("content", text().into()),
                ("to", array([recipient::digits().into()])),
                ("clientMessageId", message.id.as_str().into()),
            ];
            request
                .header("authorization", secret("api_key"))
                .json(object(fields.into_iter().chain(from)))
        }
        Api::Legacy => {
            let to = ("to", array([recipient::digits().into()]));
            let fields = if message.is_unicode() {
                // This API reads characters outside GSM 7-bit as hexadecimal UTF-16.
                vec![
                    ("text", text().utf_16be().hex().into()),
                    to,
                    ("unicode", "1".into()),
                ]
            } else {
                vec![("text", text().into()), to]
            };
            request
                .header("x-version", "1")
                .bearer(secret("api_key"))
                .json(object(fields.into_iter().chain(from)))
        }
    }
}

fn verdict(reply: &Reply, settings: &Settings) -> Verdict {
    let api = api(settings);
    let entry = match api {
        Api::One | Api::Platform => reply.at("/messages/0"),
        Api::Legacy => reply.at("/data/message/0"),
    };
    for (error, code) in [
        (&entry["error"], &entry["errorCode"]),
        (reply.at("/error"), reply.at("/errorCode")),
    ] {
        if !error.is_null() {
            return refusal(api, reply, error, code);
        }
    }
    if !reply.is_success() {
        return reply.by_status();
    }
    match entry["accepted"].as_bool() {
        Some(true) => accepted(as_text(&entry["apiMessageId"])),
        Some(false) => refused(Reason::Unknown, "not accepted, without an error"),
        None => reply.by_status(),
    }
}

/// An error is an object with code and description (One API, legacy) or a text with a code beside
/// it (Platform). A code of the legacy API may be a number or a text such as `"001"`.
fn refusal(api: Api, reply: &Reply, error: &Reading, code_beside: &Reading) -> Verdict {
    let code = as_text(&error["code"])
        .or_else(|| as_text(code_beside))
        .unwrap_or_default();
    let words = as_text(&error["description"])
        .or_else(|| as_text(error))
        .unwrap_or_default();
    let detail = format!("{code} {words}");
    let reason = match (code.parse::<u32>(), api) {
        (Ok(code), Api::One) => meaning(code, &words),
        (Ok(code), Api::Platform | Api::Legacy) => meaning_of_old(code),
        (Err(_), _) => meaning_of_words(&words),
    };
    match reason {
        Some(reason) => refused(reason, detail.trim()).retry_after(reply.retry_after()),
        None if reply.is_success() => refused(Reason::Unknown, detail.trim()),
        None => reply.by_status_saying(detail.trim()),
    }
}

fn meaning(code: u32, words: &str) -> Option<Reason> {
    Some(match code {
        1 | 7 => Reason::AuthFailed,
        2 | 3 => Reason::AccountSuspended,
        38 | 39 | 41 | 42 => Reason::Misconfigured,
        18 | 19 => Reason::ProviderDown,
        20 => Reason::InsufficientFunds,
        // An invalid field: a bad number among them.
        23 if words.to_ascii_lowercase().contains("'to'") => Reason::InvalidRecipient,
        21 | 22 | 23 | 30 | 40 => Reason::Misconfigured,
        24 | 100 => Reason::ContentRejected,
        25 => Reason::InvalidRecipient,
        27 => Reason::Unroutable,
        26 => Reason::OptedOut,
        28 | 46 => Reason::TrialRestricted,
        // Arrives with 400, not 429.
        43 => Reason::Throttled,
        44 | 45 => Reason::SenderRejected,
        101 | 110 | 111 => Reason::RegionBlocked,
        _ => return None,
    })
}

fn meaning_of_old(code: u32) -> Option<Reason> {
    Some(match code {
        1 | 2 | 3 | 5 | 7 => Reason::AuthFailed,
        12 | 301 => Reason::InsufficientFunds,
        100 | 101 | 102 | 108 => Reason::Misconfigured,
        105 => Reason::InvalidRecipient,
        106 | 123 => Reason::SenderRejected,
        107 | 113 | 116 => Reason::ContentRejected,
        114 => Reason::Unroutable,
        121 | 122 | 128 => Reason::OptedOut,
        130 => Reason::Throttled,
        901 => Reason::ProviderDown,
        _ => return None,
    })
}

fn meaning_of_words(words: &str) -> Option<Reason> {
    words
        .to_ascii_lowercase()
        .contains("destination address")
        .then_some(Reason::InvalidRecipient)
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
