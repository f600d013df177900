//! Any provider's HTTP API, by a recipe instead of code.
//!
//! Owns: the names of the settings. The templates and the success rule are the SDK's `recipe`.

use postern_sdk::prelude::*;
use postern_sdk::recipe::{Names, NumberFormat, Recipe, is_success};

const NAMES: Names = Names {
    url: "sms_url",
    method: "http_method",
    headers: "http_headers",
    payload: "http_payload",
};

fn request(_: &Message, settings: &Settings) -> Request {
    // Read here as well, so that a wrong one is told before the first reply.
    let _ = success_status(settings);
    let _ = settings.text("response_body");
    let recipe = Recipe {
        url: settings.text("sms_url").unwrap_or_default(),
        method: settings.text("http_method").unwrap_or_default(),
        headers: settings.lines("http_headers").unwrap_or_default().trim(),
        payload: settings.lines("http_payload").unwrap_or_default(),
        number_format: match settings.choice("number_format", &["e164", "digits", "national"]) {
            "digits" => NumberFormat::Digits,
            "national" => NumberFormat::National,
            _ => NumberFormat::E164,
        },
    };
    recipe.request(NAMES, settings)
}

fn verdict(reply: &Reply, settings: &Settings) -> Verdict {
    let body = settings.text("response_body").unwrap_or_default();
    if is_success(reply, success_status(settings), body) {
        // A recipe does not say where the provider's id is.
        return accepted(None::<String>);
    }
    if reply.is_success() && !body.is_empty() && !reply.text().contains(body) {
        return refused(
            Reason::Unknown,
            format!("{} without the text that means success", reply.status),
        );
    }
    reply.by_status()
}

fn success_status(settings: &Settings) -> &str {
    let status = settings.text("http_response_code").unwrap_or_default();
    if !status.is_empty()
        && !status
            .parse()
            .is_ok_and(|status: u16| (200..=599).contains(&status))
    {
        settings.problem("http_response_code", "is not a status from 200 to 599");
    }
    status
}

postern_sdk::sms_provider!(request, verdict);
postern_sdk::conformance!(provider);
