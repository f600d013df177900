//! The HTTP recipe of an identity provider's SMSOTP entry becomes a sender, and the rest of the entry
//! a table of `sms_otp.identity_provider`.
//!
//! A credential that stands in the recipe is taken out of it: the recipe says `$secret.NAME`, and the
//! value goes where secrets are, so that the plugin and its listing never see it.

use super::document::Document;
use super::parameters::provider_name;
use super::report::Report;
use crate::config::names_a_secret;
use postern_otp::Pattern;
use toml::Value;
use url::Url;
use zeroize::Zeroizing;

/// One SMSOTP entry as it was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exported {
    pub(super) name: String,
    pub(super) enabled: Option<bool>,
    pub(super) default: Option<bool>,
    pub(super) properties: Vec<(String, String)>,
}

/// A credential that was found in a recipe.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundSecret {
    /// The sender's.
    pub sender: String,
    pub name: String,
    pub value: Zeroizing<String>,
}

impl std::fmt::Debug for FoundSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$secret.{} of `{}`", self.name, self.sender)
    }
}

/// Providers with a plugin of their own, by the end of their host name; and whether their API wants
/// the number without its plus sign.
const KNOWN: &[(&str, &str, bool)] = &[
    ("twilio.com", "twilio", false),
    ("nexmo.com", "nexmo", true),
    ("vonage.com", "nexmo", true),
    ("clickatell.com", "clickatell", true),
    ("plivo.com", "plivo", false),
    ("bulksms.com", "bulksms", true),
    ("bulksms.co.uk", "bulksms", true),
    ("bulksms.2way.co.za", "bulksms", true),
    ("bulksms.vsms.net", "bulksms", true),
];

const PROPERTIES: &[&str] = &[
    "sms_url",
    "http_method",
    "headers",
    "payload",
    "http_response",
    "show_detailed_error_info",
    "values_to_be_masked",
    "mobile_number_regex",
    "mobile_number_pattern_failure_error_message",
    "SmsOtpLength",
    "SmsOtpExpiryTime",
    "OnlyNumericCharactersForSmsOtp",
];

/// Writes the entry and its sender. Gives the secrets back, for they are written elsewhere.
pub(super) fn convert(
    exported: &Exported,
    is_default: bool,
    document: &mut Document,
    report: &mut Report,
) -> Vec<FoundSecret> {
    let name = provider_name(&exported.name);
    let path = format!("sms_otp.identity_provider.{name}");
    let mut entry = Entry {
        exported,
        path: &path,
        name: &name,
        document,
        report,
    };
    let enabled = exported.enabled.unwrap_or(true);
    entry.set("enable", enabled);
    entry
        .report
        .taken("Enable", &format!("{path}.enable"), word(enabled));
    entry.set("default", is_default && enabled);
    if exported.default == Some(true) && !is_default {
        entry.report.changed(
            "Default",
            &format!("{path}.default"),
            "another imported entry is the default one: `default = true` here instead puts this one in force",
        );
    } else {
        entry.report.taken(
            "Default",
            &format!("{path}.default"),
            word(is_default && enabled),
        );
    }
    let secrets = entry.sender();
    entry.errors();
    entry.number_pattern();
    entry.code();
    entry.unknown();
    secrets
}

fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

struct Entry<'a> {
    exported: &'a Exported,
    /// Dotted, for the report.
    path: &'a str,
    name: &'a str,
    document: &'a mut Document,
    report: &'a mut Report,
}

impl Entry<'_> {
    fn of(&self, name: &str) -> Option<String> {
        let properties = &self.exported.properties;
        let value = properties.iter().find(|(known, _)| known == name);
        let value = value.map(|(_, value)| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.document
            .table(&["sms_otp", "identity_provider", self.name])
            .set(name, value);
    }

    fn sender(&mut self) -> Vec<FoundSecret> {
        let sender = self.name.to_owned();
        let key = |name: &str| format!("sender.{sender}.settings.{name}");
        let Some(url) = self.of("sms_url") else {
            self.report.left(
                "sms_url",
                "blank, which handed the message to another part of the older product: name a sender in `senders`",
            );
            return Vec::new();
        };
        let method = self
            .of("http_method")
            .unwrap_or_default()
            .to_ascii_uppercase();
        let method = match method.as_str() {
            "GET" | "POST" => {
                self.report
                    .taken("http_method", &key("http_method"), &method);
                method
            }
            _ => {
                self.report.changed(
                    "http_method",
                    &key("http_method"),
                    "neither GET nor POST, which was GET: GET",
                );
                "GET".to_owned()
            }
        };
        let Some(origin) = origin(&url) else {
            self.report.left(
                "sms_url",
                "no address that begins with https:// or http:// and has a host of letters: no sender is made",
            );
            return Vec::new();
        };
        let mut found = Found {
            sender: &sender,
            secrets: Vec::new(),
        };
        let headers = self.of("headers").unwrap_or_default();
        let payload = if method == "POST" {
            self.of("payload").unwrap_or_default()
        } else {
            if self.of("payload").is_some() {
                self.report.left("payload", "a GET never sent one");
            }
            String::new()
        };
        let is_json = headers.to_ascii_lowercase().contains("json");
        let (url, headers, payload) = (
            found.in_address(&url),
            found.in_headers(&headers),
            if is_json {
                found.in_json(&payload)
            } else {
                found.in_form(&payload)
            },
        );
        let status = self.of("http_response").unwrap_or_default();
        let status = match status.parse::<u16>() {
            _ if status.is_empty() => String::new(),
            Ok(200..=599) => status,
            Ok(_) | Err(_) => {
                self.report.changed(
                    "http_response",
                    &key("http_response_code"),
                    "not a status from 200 to 599, so that no sending ever succeeded: blank, which means 200, 201 and 202",
                );
                String::new()
            }
        };
        let secrets = found.secrets;
        for secret in &secrets {
            self.report.changed(
                "sms_url, headers, payload",
                &format!("sender.{sender}.secrets.{}", secret.name),
                format!("a credential stood in the recipe: it says `$secret.{}` there now, and the value is a secret of the sender", secret.name),
            );
        }
        let known = known_provider(&origin);
        let mut comments = vec![format!(
            "The recipe of `{}`.",
            one_line(&self.exported.name)
        )];
        if puts_text_into_address(&url) {
            comments.push("insecure_get: the text of the message is part of the address, which logs and proxies keep.".into());
            self.report.note(
                &key("sms_url"),
                "insecure_get: the text of the message is part of the address, which the provider's logs and proxies keep; Postern never logs it. A payload is better if the provider takes one",
            );
        }
        if let Some((_, plugin, _)) = known {
            self.report.note(
                &format!("sender.{sender}.plugin"),
                format!("Postern has a plugin for this provider, `{plugin}`: it tells failures apart that the recipe takes for a success"),
            );
        }
        let digits = known.is_some_and(|(_, _, digits)| *digits);
        self.report.changed(
            "$ctx.num",
            &key("number_format"),
            if digits {
                "numbers go out as this provider wants them, without the plus sign: `digits`"
            } else {
                "numbers went out as they stood in the profile; now always with country code and plus sign: `e164`; `digits` leaves the sign away"
            },
        );
        let table = self.document.table(&["sender", &sender]);
        table.comments = comments;
        table.set("plugin", "http-recipe");
        table.set("allow", vec![Value::from(origin)]);
        let settings = self.document.table(&["sender", &sender, "settings"]);
        settings.set("sms_url", url);
        settings.set("http_method", method);
        settings.set("http_headers", headers);
        settings.set("http_payload", payload);
        settings.set("http_response_code", status);
        settings.set("number_format", if digits { "digits" } else { "e164" });
        for (old, new) in [
            ("sms_url", "sms_url"),
            ("headers", "http_headers"),
            ("payload", "http_payload"),
            ("http_response", "http_response_code"),
        ] {
            self.report.taken(old, &key(new), "as the recipe says");
        }
        self.set("senders", vec![Value::from(sender.as_str())]);
        secrets
    }

    fn errors(&mut self) {
        if let Some(text) = self.of("show_detailed_error_info") {
            let value = text.eq_ignore_ascii_case("true");
            self.set("show_detailed_error_info", value);
            self.taken(
                "show_detailed_error_info",
                "show_detailed_error_info",
                word(value),
            );
        }
        if let Some(text) = self.of("values_to_be_masked") {
            let values: Vec<Value> = text
                .split(',')
                .map(str::trim)
                .filter(|value| !value.is_empty())
                .map(Value::from)
                .collect();
            self.set("values_to_be_masked", values);
            self.report.changed(
                "values_to_be_masked",
                &format!("{}.values_to_be_masked", self.path),
                "read letter by letter, no longer as expressions",
            );
        }
    }

    fn number_pattern(&mut self) {
        const REGEX: &str = "mobile_number_regex";
        const MESSAGE: &str = "mobile_number_pattern_failure_error_message";
        if let Some(text) = self.of(REGEX) {
            match Pattern::parse(&text) {
                Ok(_) => {
                    self.set(REGEX, text);
                    self.report.changed(
                        REGEX,
                        &format!("{}.{REGEX}", self.path),
                        "checked here as well, not in the browser alone, and on the whole number",
                    );
                }
                Err(error) => self.report.left(REGEX, error.to_string()),
            }
        }
        if let Some(text) = self.of(MESSAGE) {
            let text: String = one_line(&text).chars().take(200).collect();
            self.set(MESSAGE, text);
            self.taken(MESSAGE, MESSAGE, "as it was");
        }
    }

    fn code(&mut self) {
        // Outside of these it was the built-in value, not the authenticator's.
        self.bounded("SmsOtpLength", "sms_otp_length", (4, 10), (6, 10), 6);
        self.bounded(
            "SmsOtpExpiryTime",
            "sms_otp_expiry_time",
            (1, 1440),
            (1, 10),
            5,
        );
        const ONLY: (&str, &str) = (
            "OnlyNumericCharactersForSmsOtp",
            "only_numeric_characters_for_sms_otp",
        );
        if let Some(text) = self.of(ONLY.0) {
            let value = text.eq_ignore_ascii_case("true");
            self.set(ONLY.1, value);
            self.taken(ONLY.0, ONLY.1, word(value));
        }
    }

    fn bounded(
        &mut self,
        old: &str,
        new: &str,
        accepted: (i64, i64),
        ours: (i64, i64),
        built_in: i64,
    ) {
        let Some(text) = self.of(old) else { return };
        let path = format!("{}.{new}", self.path);
        let value = text
            .parse::<i64>()
            .ok()
            .filter(|value| (accepted.0..=accepted.1).contains(value));
        let value = match value {
            None => {
                let message = format!("`{text}` was never accepted, which meant {built_in}");
                self.report.changed(old, &path, message);
                built_in
            }
            Some(value) if (ours.0..=ours.1).contains(&value) => {
                self.report.taken(old, &path, &text);
                value
            }
            Some(value) => {
                let bounded = value.clamp(ours.0, ours.1);
                let message = format!("{value} is outside of {} to {}: {bounded}", ours.0, ours.1);
                self.report.changed(old, &path, message);
                bounded
            }
        };
        self.set(new, value);
    }

    fn taken(&mut self, old: &str, new: &str, value: &str) {
        let path = format!("{}.{new}", self.path);
        self.report.taken(old, &path, value);
    }

    fn unknown(&mut self) {
        for (name, _) in &self.exported.properties {
            if !PROPERTIES.contains(&name.as_str()) {
                self.report.left(name, "no property of an SMSOTP entry");
            }
        }
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Scheme, host and port of a recipe's address: what the sender is allowed to reach.
fn origin(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let url = Url::parse(&format!("{scheme}://{authority}/")).ok()?;
    let web = matches!(url.scheme(), "http" | "https");
    let bare = url.username().is_empty() && url.password().is_none();
    let literal = !authority.contains(['$', '&', '{', '}']);
    (web && bare && literal && url.has_host()).then(|| url.origin().ascii_serialization())
}

fn known_provider(origin: &str) -> Option<&'static (&'static str, &'static str, bool)> {
    let url = Url::parse(origin).ok()?;
    let host = url.host_str()?;
    KNOWN.iter().find(|(end, _, _)| {
        host == *end
            || host
                .strip_suffix(end)
                .is_some_and(|before| before.ends_with('.'))
    })
}

/// T-14: whether the text or the code is part of the address.
pub(crate) fn puts_text_into_address(url: &str) -> bool {
    let older = url.match_indices("&msg").any(|(at, token)| {
        let next = url[at + token.len()..].chars().next();
        !next.is_some_and(|c| c == '=' || c == '_' || c.is_ascii_alphanumeric())
    });
    older || url.contains("$ctx.msg") || url.contains("$ctx.otp")
}

/// Takes credentials out of a recipe, each under a name.
struct Found<'a> {
    sender: &'a str,
    secrets: Vec<FoundSecret>,
}

impl Found<'_> {
    /// The placeholder that stands for a value.
    fn take(&mut self, name: &str, value: &str) -> String {
        let wanted: String = name
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let known = |secrets: &[FoundSecret], name: &str| {
            secrets
                .iter()
                .any(|secret| secret.name == name && *secret.value != value)
        };
        let mut name = wanted.clone();
        let mut number = 2;
        while known(&self.secrets, &name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        let again = self.secrets.iter().any(|secret| secret.name == name);
        if !again {
            self.secrets.push(FoundSecret {
                sender: self.sender.to_owned(),
                name: name.clone(),
                value: Zeroizing::new(value.to_owned()),
            });
        }
        format!("$secret.{name}")
    }

    fn in_address(&mut self, url: &str) -> String {
        match url.split_once('?') {
            Some((before, query)) => format!("{before}?{}", self.in_form(query)),
            None => url.to_owned(),
        }
    }

    /// `name=value&name=value`: the values of names that sound like a credential.
    fn in_form(&mut self, form: &str) -> String {
        let pairs = form.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) if names_a_credential(name) && is_literal(value) => {
                // It is escaped again for its place when it is put in.
                let decoded = url::form_urlencoded::parse(format!("v={value}").as_bytes())
                    .next()
                    .map(|(_, value)| value.into_owned());
                let decoded = decoded.unwrap_or_else(|| value.to_owned());
                format!("{name}={}", self.take(name, &decoded))
            }
            _ => pair.to_owned(),
        });
        let pairs: Vec<String> = pairs.collect();
        pairs.join("&")
    }

    fn in_headers(&mut self, headers: &str) -> String {
        let lines = headers.split(',').map(|header| {
            let Some((name, value)) = header.split_once(':') else {
                return header.to_owned();
            };
            let (name, value) = (name.trim(), value.trim());
            if !is_literal(value) {
                return header.to_owned();
            }
            if name.eq_ignore_ascii_case("authorization") {
                return match value.split_once(' ') {
                    Some((scheme, rest)) => {
                        format!(
                            "{name}: {scheme} {}",
                            self.take("authorization", rest.trim())
                        )
                    }
                    None => format!("{name}: {}", self.take("authorization", value)),
                };
            }
            if names_a_credential(name) {
                return format!("{name}: {}", self.take(name, value));
            }
            header.to_owned()
        });
        let lines: Vec<String> = lines.collect();
        lines.join(",")
    }

    /// `"name": "value"`, wherever it stands. What is no JSON stays as it is.
    fn in_json(&mut self, payload: &str) -> String {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(payload) else {
            return payload.to_owned();
        };
        let mut wanted = Vec::new();
        credentials_in(&value, &mut wanted);
        let mut text = payload.to_owned();
        for (name, value) in wanted {
            let written = serde_json::Value::from(value.as_str()).to_string();
            let placeholder = format!("\"{}\"", self.take(&name, &value));
            text = text.replace(&written, &placeholder);
        }
        text
    }
}

fn credentials_in(value: &serde_json::Value, found: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if names_a_credential(name) && is_literal(text) => {
                        found.push((name.clone(), text.to_owned()));
                    }
                    _ => credentials_in(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                credentials_in(item, found);
            }
        }
        _ => {}
    }
}

/// Not empty, and nothing that is filled in.
fn is_literal(value: &str) -> bool {
    let value = value.trim();
    !value.is_empty() && !value.contains('$') && !value.contains("&num") && !value.contains("&msg")
}

/// Half of one among them: who may send.
fn names_a_credential(name: &str) -> bool {
    let name = name.trim();
    ["user", "username"]
        .iter()
        .any(|half| name.eq_ignore_ascii_case(half))
        || names_a_secret(name)
}
