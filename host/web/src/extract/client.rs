//! Who asks, as far as it can be believed.

use crate::error::{PageError, Reference};
use crate::state::WebState;
use crate::texts::LANGUAGES;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use postern_login::begin::ClientFacts;
use std::net::SocketAddr;

/// The other end of the connection; the listener puts it into every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Address (of the proxy's client, where a proxy is trusted), browser and language.
#[derive(Debug)]
pub struct Client(pub ClientFacts);

/// Longer ones say nothing more about a browser.
const USER_AGENT_CHARS_MAX: usize = 256;

impl FromRequestParts<WebState> for Client {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, PageError> {
        let Some(Peer(peer)) = parts.extensions.get() else {
            let reference = Reference::new();
            tracing::error!(%reference, "a request without the address of its connection");
            return Err(PageError::Broken { reference });
        };
        Ok(Self(ClientFacts {
            address: state
                .trusted_proxies
                .client(peer.ip(), &parts.headers)
                .to_string(),
            user_agent: user_agent(&parts.headers),
            locale: locale(&parts.headers),
        }))
    }
}

/// Somebody else's text for the log: one short line (attack L-01).
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// Visible characters only: it is shown on the account page and written to logs (attack L-01).
fn user_agent(headers: &HeaderMap) -> String {
    headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(USER_AGENT_CHARS_MAX)
        .collect()
}

/// The language the person reads: the best one we have, else the best well-formed one (a message
/// may have a template in it), else English.
pub fn locale(headers: &HeaderMap) -> String {
    let mut wanted: Vec<(u16, &str)> = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(',')
        .take(16)
        .filter_map(|part| {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let quality = match parameters.trim().strip_prefix("q=") {
                Some(q) => (q.parse::<f32>().ok()?.clamp(0.0, 1.0) * 1000.0) as u16,
                None => 1000,
            };
            let tag = tag.trim();
            (quality > 0 && well_formed(tag)).then_some((quality, tag))
        })
        .collect();
    // Stable: of two that are wanted equally, the first.
    wanted.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    let wanted: Vec<&str> = wanted.into_iter().map(|(_, tag)| tag).collect();
    best(&wanted).unwrap_or_else(|| "en".to_owned())
}

/// `ui_locales` (OpenID Connect Core, 3.1.2.1), the preferred one first: one of the pages' languages, else the first
/// well-formed one, for a message may have a template in it.
pub fn ui_locale(list: &str) -> Option<String> {
    let wanted: Vec<&str> = list
        .split(' ')
        .filter(|tag| well_formed(tag))
        .take(16)
        .collect();
    best(&wanted)
}

fn best(wanted: &[&str]) -> Option<String> {
    let primary = |tag: &str| {
        tag.split('-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    wanted
        .iter()
        .find(|tag| LANGUAGES.iter().any(|texts| texts.lang == primary(tag)))
        .or(wanted.first())
        .map(|tag| (*tag).to_owned())
}

/// A BCP 47 tag as far as its shape goes; not `*`.
pub fn well_formed(tag: &str) -> bool {
    tag.len() <= 35
        && tag.split('-').enumerate().all(|(i, part)| {
            let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
            let alphanumeric = part.bytes().all(|b| b.is_ascii_alphanumeric());
            match i {
                0 => (2..=3).contains(&part.len()) && letters,
                _ => (1..=8).contains(&part.len()) && alphanumeric,
            }
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_best_language_we_have_is_chosen() {
        for (accepted, expected) in [
            ("en-GB,en;q=0.9", "en-GB"),
            ("de-DE, en;q=0.5", "de-DE"),
            ("fr-FR, en;q=0.5", "en"),
            ("si", "si"),
            ("*", "en"),
            ("", "en"),
            ("fr;q=0.1, de;q=0.9", "de"),
            ("fr;q=0", "en"),
            ("<script>, de\"", "en"),
            ("fr;q=NaN", "en"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            assert_eq!(locale(&headers), expected, "{accepted}");
        }
    }

    #[test]
    fn a_list_of_locales_is_read_in_its_order() {
        for (list, expected) in [
            ("si ta", Some("si")),
            ("fr en-GB", Some("en-GB")),
            ("<b> de", Some("de")),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(ui_locale(list).as_deref(), expected, "{list}");
        }
    }

    /// L-01
    #[test]
    fn a_browser_name_is_one_short_line() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::USER_AGENT,
            format!("a\tb{}", "x".repeat(1000)).parse().unwrap(),
        );
        let name = user_agent(&headers);
        assert_eq!(name.chars().count(), 256);
        assert!(name.starts_with("abx"), "{name}");
    }
}
