//! BulkSMS's JSON API, and the EAPI before it.
//!
//! Owns: the JSON and the form they want, and what status and code mean. The JSON API may answer
//! 201 to a message that failed, the EAPI answers 200 to everything. See
//! <https://www.bulksms.com/developer/json/v1/> and
//! <https://www.bulksms.com/developer/eapi/submission/send_sms>.

use postern_sdk::prelude::*;
use postern_sdk::provider;
use postern_sdk::wire::Problem;

/// How long a user-supplied id may be.
const ID_CHARACTERS_MAX: usize = 20;

/// The state of a message that went out in 16 bits after all.
const IN_16_BITS: &[u8] = b"16bit";

fn is_eapi(settings: &Settings) -> bool {
    settings.choice("api", &["json", "eapi"]) == "eapi"
}

fn request(message: &Message, settings: &Settings) -> Result<Request, Verdict> {
    if is_eapi(settings) {
        eapi(message, settings)
    } else {
        Ok(json(message, settings))
    }
}

fn json(message: &Message, settings: &Settings) -> Request {
    let username = settings.required("username");
    let number = object([
        ("type", "INTERNATIONAL".into()),
        ("address", recipient::e164().into()),
    ]);
    let mut fields = vec![
        ("to", array([number])),
        ("body", text().into()),
        // Otherwise characters outside GSM 7-bit become question marks.
        (
            "encoding",
            if message.is_unicode() {
                "UNICODE"
            } else {
                "TEXT"
            }
            .into(),
        ),
        (
            "longMessageMaxParts",
            u32::from(message.segments.max(1)).into(),
        ),
        (
            "userSuppliedId",
            message
                .id
                .get(..ID_CHARACTERS_MAX)
                .unwrap_or(&message.id)
                .into(),
        ),
    ];
    if let Some(from) = settings.text("from") {
        fields.push(("from", sender(from)));
    }
    match settings.choice(
        "routing_group",
        &["default", "economy", "standard", "premium"],
    ) {
        "default" => {}
        group => fields.push(("routingGroup", group.to_ascii_uppercase().as_str().into())),
    }
    Request::post(
        settings.base("base_url", "https://api.bulksms.com"),
        "/v1/messages",
    )
    // The same number for a repeated request makes it one message for about 12 hours.
    .query([("deduplication-id", nonce::int31())])
    .basic(username, secret("password"))
    .json(array([object(fields)]))
    .idempotent()
}

fn sender(from: &str) -> Json {
    let digits = from.strip_prefix('+').unwrap_or(from);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let kind = match is_number {
        _ if from == "REPLIABLE" => return object([("type", "REPLIABLE".into())]),
        true if from.starts_with('+') || digits.len() > 6 => "INTERNATIONAL",
        true => "SHORTCODE",
        false => "ALPHANUMERIC",
    };
    object([("type", kind.into()), ("address", from.into())])
}

fn eapi(message: &Message, settings: &Settings) -> Result<Request, Verdict> {
    match (message.is_unicode(), message.segments) {
        (false, segments) => Ok(in_8_bits(segments, settings)),
        (true, 0 | 1) => Ok(in_16_bits(settings)),
        // 140 octets, and no way to join several.
        (true, _) => Err(refused(
            Reason::ContentRejected,
            "the EAPI takes at most 70 characters outside GSM 7-bit",
        )),
    }
}

fn in_8_bits(segments: u8, settings: &Settings) -> Request {
    let mut form = vec![("message", text().iso_8859_1())];
    if segments > 1 {
        form.push(("allow_concat_text_sms", lit("1")));
        form.push(("concat_text_sms_max_parts", lit(segments.to_string())));
    }
    submission(form, settings)
}

fn in_16_bits(settings: &Settings) -> Request {
    let form = vec![("message", text().utf_16be().hex()), ("dca", lit("16bit"))];
    submission(form, settings)
}

fn submission(message: Vec<(&'static str, Value)>, settings: &Settings) -> Request {
    let mut form = vec![
        ("username", lit(settings.required("username"))),
        ("password", secret("password").iso_8859_1()),
    ];
    form.extend(message);
    form.push(("msisdn", recipient::digits()));
    if let Some(from) = settings.text("from") {
        form.push(("sender", lit(from)));
    }
    Request::post(
        settings.base("base_url", "https://bulksms.vsms.net/eapi"),
        "/submission/send_sms/2/2.0",
    )
    .form(form)
}

fn converse(settings: &Settings, message: &Message, event: &Event, state: &[u8]) -> Action {
    match event {
        // GSM 7-bit has the euro sign and Greek capitals, ISO 8859-1 has not. Only the host knows that
        // the text holds one of them: it did not let it out. One part in 16 bits carries them all.
        Event::Failed(how)
            if how == "denied"
                && state != IN_16_BITS
                && is_eapi(settings)
                && !message.is_unicode()
                && message.segments <= 1 =>
        {
            provider::in_order(settings, in_16_bits(settings).state(IN_16_BITS))
        }
        Event::Reply(reply) if state == IN_16_BITS => in_16_bits_verdict(reply).into(),
        _ => provider::step(settings, message, event, request, verdict),
    }
}

fn in_16_bits_verdict(reply: &Reply) -> Verdict {
    let verdict = eapi_verdict(reply);
    if let Verdict::Refused(refusal) = &verdict
        && refusal.reason == Reason::ContentRejected
    {
        // More than 70 characters. In GSM 7-bit they would be one part: another sender may well take them.
        let detail = &refusal.detail;
        return refused(
            Reason::Misconfigured,
            format!("{detail}: at most 70 characters where one is outside ISO 8859-1"),
        );
    }
    verdict
}

fn judge(settings: &Settings) -> Vec<Problem> {
    provider::check(settings, request)
}

fn verdict(reply: &Reply, settings: &Settings) -> Verdict {
    if is_eapi(settings) {
        eapi_verdict(reply)
    } else {
        json_verdict(reply)
    }
}

fn json_verdict(reply: &Reply) -> Verdict {
    if !reply.is_success() {
        return json_refusal(reply);
    }
    let status = reply.text_at("/0/status/type").unwrap_or_default();
    let Some(id) = reply.text_at("/0/id") else {
        return reply.by_status();
    };
    if status != "FAILED" {
        return accepted(Some(id)).parts(reply.number_at("/0/numberOfParts"));
    }
    let subtype = reply.text_at("/0/status/subtype").unwrap_or_default();
    let reason = match subtype.as_str() {
        "NOT_SENT" => Reason::Unroutable,
        "BLOCKED" => Reason::OptedOut,
        "HANDSET_ERROR" => Reason::InvalidRecipient,
        _ => Reason::Unknown,
    };
    refused(reason, format!("{status} {subtype}"))
}

fn json_refusal(reply: &Reply) -> Verdict {
    let kind = reply.text_at("/type").unwrap_or_default();
    let words = reply
        .text_at("/detail")
        .or_else(|| reply.text_at("/title"))
        .unwrap_or_default();
    let lower = words.to_ascii_lowercase();
    let reason = match reply.status {
        _ if kind.ends_with("#insufficient-credits") => Reason::InsufficientFunds,
        400 if lower.contains("address") || lower.contains("recipient") => Reason::InvalidRecipient,
        400 if lower.contains("body") => Reason::ContentRejected,
        400 if lower.contains("from") => Reason::SenderRejected,
        _ => return reply.by_status_saying(&words),
    };
    refused(reason, format!("{} {words}", reply.status))
}

/// `code|words|batch id`: only the code is to be relied on. Any other status than 200 is passing
/// trouble, says the vendor.
fn eapi_verdict(reply: &Reply) -> Verdict {
    if reply.status != 200 {
        return match reply.status {
            401 | 403 | 429 => reply.by_status(),
            _ => refused(Reason::ProviderDown, reply.status.to_string()),
        };
    }
    let mut fields = reply.text().trim().split('|');
    let code = fields.next().unwrap_or_default();
    let words = fields.next().unwrap_or_default();
    let reason = match code {
        "0" | "1" => return accepted(fields.next()),
        "22" => Reason::ProviderDown,
        "23" => Reason::AuthFailed,
        "24" => Reason::ContentRejected,
        "25" | "26" | "27" => Reason::InsufficientFunds,
        "28" | "40" => Reason::Throttled,
        "201" => Reason::Misconfigured,
        _ if code.parse::<u32>().is_ok() => Reason::Unknown,
        _ => return reply.by_status(),
    };
    refused(reason, format!("{code} {words}"))
}

postern_sdk::sms_provider!(steps: converse, judge);
postern_sdk::conformance!(provider);
