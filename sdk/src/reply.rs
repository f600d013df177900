//! Reading a provider's reply.
//!
//! Owns: status, headers and body as a verdict function wants them, and what a status says when
//! the body says nothing. Every sensitive value in it has been replaced by the host with
//! `[recipient]`, `[text]`, `[code]` or `[secret]`.

use std::cell::OnceCell;

use serde_json::Value as Json;

use crate::verdict::{Reason, Verdict, refused};
use crate::wire::Pair;

/// A longer body is not read as JSON. Providers answer with some hundred bytes; 256 KiB of
/// `[{"":0},{"":0},..` would take more memory than a plugin has, and a hostile reply would then look
/// like a faulty plugin.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    headers: Vec<Pair>,
    body: Vec<u8>,
    json: OnceCell<Json>,
}

impl Reply {
    /// `headers` have names in lower case.
    pub fn new(status: u16, headers: Vec<Pair>, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers,
            body: body.into(),
            json: OnceCell::new(),
        }
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// All headers, names in lower case.
    pub fn headers(&self) -> &[Pair] {
        &self.headers
    }

    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; empty if it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The body as bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON; null if it is none, or longer than 64 KiB.
    pub fn json(&self) -> &Json {
        self.json.get_or_init(|| match self.body.len() {
            0..=JSON_BYTES_MAX => serde_json::from_slice(&self.body).unwrap_or(Json::Null),
            _ => Json::Null,
        })
    }

    /// What stands in the JSON body at this pointer (RFC 6901); null if nothing does.
    pub fn at(&self, pointer: &str) -> &Json {
        self.json().pointer(pointer).unwrap_or(&Json::Null)
    }

    /// A string that is not empty, or a number or a boolean as text, at this pointer. Providers
    /// change between `"status": "0"` and `"status": 0` without notice.
    pub fn text_at(&self, pointer: &str) -> Option<String> {
        as_text(self.at(pointer))
    }

    /// A whole number at this pointer, whether it is written as a number or as a string.
    pub fn number_at(&self, pointer: &str) -> Option<u32> {
        self.text_at(pointer)?.parse().ok()
    }

    /// The entries of the list at this pointer; none if there is no list.
    pub fn list_at(&self, pointer: &str) -> &[Json] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }

    /// Seconds from `Retry-After` (RFC 9110 section 10.2.3); a date is counted from the reply's
    /// own `Date`, because a plugin has no clock.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(seconds);
        }
        let then = http_date(value)?;
        let now = http_date(self.header("date")?.trim())?;
        u32::try_from(then.saturating_sub(now)).ok()
    }

    /// The verdict the status alone gives, for replies whose body says nothing more. A success
    /// that could not be read is `outcome-unknown`: the message may be on its way.
    pub fn by_status(&self) -> Verdict {
        self.by_status_saying("")
    }

    /// As [`Reply::by_status`], with the provider's words.
    pub fn by_status_saying(&self, words: &str) -> Verdict {
        let reason = match self.status {
            200..=299 => Reason::OutcomeUnknown,
            401 | 403 => Reason::AuthFailed,
            402 => Reason::InsufficientFunds,
            408 => Reason::ProviderDown,
            429 => Reason::Throttled,
            500..=599 => Reason::ProviderDown,
            // A redirection is not followed: a provider that moved needs a new setting.
            300..=499 => Reason::Misconfigured,
            _ => Reason::Unknown,
        };
        let mut detail = self.status.to_string();
        if !words.is_empty() {
            detail.push(' ');
            detail.push_str(words);
        }
        refused(reason, detail).retry_after(self.retry_after())
    }
}

/// A JSON scalar as text; `None` for the empty string, null, lists and objects.
pub fn as_text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) if text.is_empty() => None,
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Seconds since 1970 of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`: the only form a server
/// may send.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split(' ').skip(1);
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    if !(1970..=9999).contains(&year)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, years counted from March.
    let (shifted, year_start) = if month > 2 {
        (month - 3, year)
    } else {
        (month + 9, year - 1)
    };
    let days = 365 * year_start + year_start / 4 - year_start / 100
        + year_start / 400
        + (153 * shifted + 2) / 5
        + day
        - 1
        - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Reply::new(status, headers, body)
    }

    #[test]
    fn the_status_alone_gives_a_verdict() {
        for (status, reason) in [
            (200, Reason::OutcomeUnknown),
            (302, Reason::Misconfigured),
            (400, Reason::Misconfigured),
            (401, Reason::AuthFailed),
            (402, Reason::InsufficientFunds),
            (403, Reason::AuthFailed),
            (404, Reason::Misconfigured),
            (429, Reason::Throttled),
            (500, Reason::ProviderDown),
            (503, Reason::ProviderDown),
            (700, Reason::Unknown),
        ] {
            let Verdict::Refused(refusal) = reply(status, &[], "").by_status() else {
                panic!("{status} is not a success");
            };
            assert_eq!(refusal.reason, reason, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_counted_from_the_replys_own() {
        assert_eq!(
            reply(429, &[("retry-after", "7")], "").retry_after(),
            Some(7)
        );
        let dates = [
            ("date", "Wed, 31 Dec 2025 23:59:50 GMT"),
            ("retry-after", "Thu, 01 Jan 2026 00:00:20 GMT"),
        ];
        assert_eq!(reply(429, &dates, "").retry_after(), Some(30));
        assert_eq!(
            reply(429, &[("retry-after", "Thu, 01 Jan 2026 00:00:20 GMT")], "").retry_after(),
            None
        );
        assert_eq!(
            reply(429, &[("retry-after", "soon")], "").retry_after(),
            None
        );
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(
            http_date("Thu, 29 Feb 2024 00:00:00 GMT"),
            Some(1_709_164_800)
        );
    }

    #[test]
    fn a_body_longer_than_a_provider_would_send_is_not_read_as_json() {
        let body = |length: usize| format!("\"{}\"", "a".repeat(length - 2));
        assert!(reply(200, &[], &body(JSON_BYTES_MAX)).json().is_string());
        assert!(reply(200, &[], &body(JSON_BYTES_MAX + 1)).json().is_null());
    }

    #[test]
    fn a_scalar_is_text_however_it_is_written() {
        let reply = reply(
            200,
            &[],
            r#"{"messages":[{"status":"0"},{"status":0}],"empty":""}"#,
        );
        assert_eq!(reply.text_at("/messages/0/status").as_deref(), Some("0"));
        assert_eq!(reply.number_at("/messages/1/status"), Some(0));
        assert_eq!(reply.text_at("/empty"), None);
        assert_eq!(reply.list_at("/messages").len(), 2);
        assert_eq!(reply.list_at("/nothing").len(), 0);
    }
}
