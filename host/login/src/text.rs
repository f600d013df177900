//! The words of a message: template of the tenant and locale, the code, the origin-bound last line,
//! and how many segments it takes.

use std::time::Duration;
use zeroize::Zeroizing;

/// More is an essay: the tenth segment already costs ten messages (attack N-08).
const SEGMENTS_MAX: usize = 10;
/// A brand is a name, not a sentence (attack T-11).
const BRAND_CHARACTERS_MAX: usize = 40;

/// GSM 03.38, default alphabet; one septet each.
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension table; an escape and a septet each.
const GSM_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The words of a message in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// A language tag, or `id:tag` for one that clients of the relay name.
    pub name: String,
    /// With `{code}` in it.
    pub words: String,
    /// What it is registered by where operators deliver registered texts only (India).
    pub template_id: Option<String>,
    pub entity_id: Option<String>,
    /// Whether the origin-bound line follows. `None`: where operators do not deliver registered texts only.
    pub last_line: Option<bool>,
}

impl Template {
    pub fn new(name: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            words: words.into(),
            template_id: None,
            entity_id: None,
            last_line: None,
        }
    }

    /// What a plugin is told of it.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (String, String)> {
        [
            ("template-id", &self.template_id),
            ("entity-id", &self.entity_id),
        ]
        .into_iter()
        .filter_map(|(name, id)| Some((name.to_owned(), id.clone()?)))
    }
}

/// A finished text with its segmentation.
#[derive(Clone)]
pub struct MessageText {
    whole: Zeroizing<String>,
    pub encoding: Encoding,
    /// 1 to 10.
    pub segments: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

impl MessageText {
    /// Measures a finished text (GSM-7 160/153, UCS-2 70/67). `None` above 10 segments.
    pub fn measured(text: String) -> Option<Self> {
        let whole = Zeroizing::new(text);
        let encoding = Encoding::of(&whole);
        let segments = encoding.cut(&whole).len();
        if segments > SEGMENTS_MAX {
            return None;
        }
        Some(Self {
            whole,
            encoding,
            segments: u8::try_from(segments).ok()?,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// The text cut as the segments carry it, for providers that want parts.
    pub fn parts(&self) -> Vec<&str> {
        self.encoding.cut(&self.whole)
    }
}

impl Encoding {
    fn of(text: &str) -> Self {
        if text.chars().all(|c| septets(c).is_some()) {
            Self::Gsm7
        } else {
            Self::Ucs2
        }
    }

    /// What a character costs: septets, or UTF-16 units.
    fn cost(self, c: char) -> usize {
        match self {
            Self::Gsm7 => septets(c).unwrap_or(1),
            Self::Ucs2 => c.len_utf16(),
        }
    }

    /// An escape and its septet, or both halves of a surrogate pair, never part company: the last
    /// place of a segment stays empty instead.
    fn cut(self, text: &str) -> Vec<&str> {
        let (alone, joined) = match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        };
        if text.chars().map(|c| self.cost(c)).sum::<usize>() <= alone {
            return vec![text];
        }
        let mut parts = Vec::new();
        let (mut start, mut used) = (0, 0);
        for (index, c) in text.char_indices() {
            let cost = self.cost(c);
            if used + cost > joined {
                parts.push(&text[start..index]);
                (start, used) = (index, 0);
            }
            used += cost;
        }
        parts.push(&text[start..]);
        parts
    }
}

fn septets(c: char) -> Option<usize> {
    if GSM_BASIC.contains(c) {
        Some(1)
    } else {
        GSM_EXTENSION.contains(c).then_some(2)
    }
}

impl std::fmt::Debug for MessageText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[text, {} segment(s)]", self.segments)
    }
}

/// What the host writes last, so that nothing can come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLine<'a> {
    None,
    /// `@host #code`: the telephone offers the code only on pages of this host.
    Origin(&'a str),
    /// Android's SMS Retriever: the application whose message it is.
    App(&'a str),
}

impl<'a> LastLine<'a> {
    /// The application's line where one is named; otherwise the host's, as the template says, and by
    /// default not in India and China, where operators deliver registered templates only.
    pub(crate) fn choose(
        host: Option<&'a str>,
        app_hash: Option<&'a str>,
        country: &str,
        wanted: Option<bool>,
    ) -> Self {
        let wanted = wanted.unwrap_or(!matches!(country, "IN" | "CN"));
        match (app_hash, host) {
            (Some(hash), _) => Self::App(hash),
            (None, Some(host)) if wanted => Self::Origin(host),
            (None, Some(_) | None) => Self::None,
        }
    }
}

/// What a template is filled with.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) code: &'a str,
    pub(crate) brand: &'a str,
    pub(crate) validity: Duration,
    pub(crate) last_line: LastLine<'a>,
}

/// A text, and the same without the host's line, for providers that must not get one.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) text: MessageText,
    /// `None` where no such line is in it.
    pub(crate) without_line: Option<MessageText>,
}

/// Fills the template and writes the last line. No template, one without `{code}`, or one that grows
/// past ten segments gives way to the plainest words there are: a person waits for the code.
pub(crate) fn compose(template: Option<&Template>, words: Words<'_>) -> Option<Composed> {
    let template = template.map_or(FALLBACK, |template| template.words.as_str());
    let text = worded(template, words)?;
    let without_line = match words.last_line {
        LastLine::Origin(_) => Some(worded(
            template,
            Words {
                last_line: LastLine::None,
                ..words
            },
        )?),
        LastLine::App(_) | LastLine::None => None,
    };
    Some(Composed { text, without_line })
}

fn worded(template: &str, words: Words<'_>) -> Option<MessageText> {
    let filled = template.contains("{code}").then(|| fill(template, words));
    filled
        .and_then(MessageText::measured)
        .or_else(|| MessageText::measured(fill(FALLBACK, words)))
}

const FALLBACK: &str = "Verification Code: {code}";

fn fill(template: &str, words: Words<'_>) -> String {
    let minutes = words.validity.as_secs().div_ceil(60).to_string();
    let brand: String = one_line(words.brand)
        .chars()
        .take(BRAND_CHARACTERS_MAX)
        .collect();
    let code = one_line(words.code);
    let template = tame(template);
    let mut text = String::with_capacity(template.len() + 80);
    // A single pass: what a value brings along is never looked at again (attacks T-07, T-08).
    let mut rest = template.as_str();
    while let Some(open) = rest.find('{') {
        let (before, from_brace) = rest.split_at(open);
        text.push_str(before);
        let known = [
            ("{code}", code.as_str()),
            ("{brand}", brand.as_str()),
            ("{minutes}", minutes.as_str()),
        ];
        let hit = known.iter().find(|(name, _)| from_brace.starts_with(name));
        match hit {
            Some((name, value)) => {
                text.push_str(value);
                rest = &from_brace[name.len()..];
            }
            None => {
                text.push('{');
                rest = &from_brace[1..];
            }
        }
    }
    text.push_str(rest);
    let end = text.trim_end().len();
    text.truncate(end);
    match words.last_line {
        LastLine::None => (),
        LastLine::Origin(host) => {
            text.push_str("\n\n@");
            text.push_str(host);
            text.push_str(" #");
            text.push_str(&code);
        }
        LastLine::App(hash) => {
            text.push_str("\n\n");
            text.push_str(hash);
        }
    }
    text
}

/// A template may have lines, but none that a telephone would read as an origin-bound code: there
/// is one, and the host writes it (attack N-07).
fn tame(template: &str) -> String {
    let lines = template
        .replace("\r\n", "\n")
        .replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let lines = lines.split('\n').map(|line| {
        let line: String = line.chars().filter(|c| !invisible(*c)).collect();
        if line.starts_with('@') {
            format!(" {line}")
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Values are one line: control characters, line breaks and what turns or hides text are dropped
/// (attacks N-07, T-06).
pub(crate) fn one_line(value: &str) -> String {
    value
        .chars()
        .filter(|c| !invisible(*c) && !matches!(c, '\u{2028}' | '\u{2029}'))
        .collect()
}

pub(crate) fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// 11 characters of base64: what Google Play services derive from an application's id and key.
pub(crate) fn is_app_hash(text: &str) -> bool {
    text.len() == 11
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// The template of a locale: the very tag, then its language, then English. `None`: the plainest words.
pub(crate) fn template_for<'a>(templates: &'a [Template], locale: &str) -> Option<&'a Template> {
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    [locale, language, "en"]
        .iter()
        .find_map(|tag| named(templates, tag))
}

/// The one of the relay's id and a locale.
pub(crate) fn template_of<'a>(
    templates: &'a [Template],
    text_id: &str,
    locale: &str,
) -> Option<&'a Template> {
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    [locale, language, "en"]
        .iter()
        .find_map(|tag| named(templates, &format!("{text_id}:{tag}")))
}

fn named<'a>(templates: &'a [Template], name: &str) -> Option<&'a Template> {
    let mut all = templates.iter();
    all.find(|known| known.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(last_line: LastLine<'static>) -> Words<'static> {
        Words {
            code: "123456",
            brand: "Example",
            validity: Duration::from_secs(300),
            last_line,
        }
    }

    const LOGIN: LastLine<'static> = LastLine::Origin("login.example");

    fn composed(template: &str, words: Words<'_>) -> String {
        let template = Template::new("en", template);
        let composed = compose(Some(&template), words).unwrap();
        composed.text.as_str().to_owned()
    }

    /// The algorithm of the specification "Origin-bound one-time codes delivered via SMS", 3.3,
    /// written from its text.
    fn origin_bound(message: &str) -> Option<(String, String)> {
        let message = message.replace("\r\n", "\n").replace('\r', "\n");
        let line = message.rsplit('\n').next()?;
        let mut tokens = line.split(' ');
        let host = tokens.next()?.strip_prefix('@')?;
        let code = tokens.next()?.strip_prefix('#')?;
        (!host.is_empty() && !code.is_empty()).then(|| (host.to_owned(), code.to_owned()))
    }

    /// N-06
    #[test]
    fn the_last_line_binds_the_code_to_the_host() {
        let text = composed("Verification Code: {code}", words(LOGIN));
        assert_eq!(text, "Verification Code: 123456\n\n@login.example #123456");
        assert_eq!(
            origin_bound(&text),
            Some(("login.example".to_owned(), "123456".to_owned()))
        );
    }

    /// N-07
    #[test]
    fn nothing_in_a_template_or_a_value_takes_the_last_line() {
        let evil = "Code {code}\n@evil.example #999999";
        for (template, brand) in [
            (evil, "Example"),
            ("Code {code}\r@evil.example #999999", "Example"),
            ("Code {code}\u{2028}@evil.example #999999", "Example"),
            ("{code} {brand}", "x\n@evil.example #999999"),
            ("{code} {brand}", "x\r\n@evil.example #999999\n"),
        ] {
            let text = composed(
                template,
                Words {
                    brand,
                    ..words(LOGIN)
                },
            );
            assert_eq!(
                origin_bound(&text).map(|(host, _)| host).as_deref(),
                Some("login.example")
            );
            let off = composed(
                template,
                Words {
                    brand,
                    ..words(LastLine::None)
                },
            );
            assert_eq!(origin_bound(&off), None, "{off:?}");
        }
    }

    /// N-08
    #[test]
    fn whatever_a_template_ends_with_the_line_still_parses() {
        for template in ["{code}", "{code}\r\n", "{code}   ", "{code}\n\n\n \t"] {
            let text = composed(template, words(LOGIN));
            assert_eq!(text, "123456\n\n@login.example #123456", "{template:?}");
        }
    }

    /// N-08
    #[test]
    fn a_template_of_too_many_segments_gives_way() {
        let text = composed(&format!("{{code}} {}", "word ".repeat(400)), words(LOGIN));
        assert!(text.starts_with("Verification Code: 123456"));
    }

    #[test]
    fn a_template_without_a_code_gives_way() {
        let text = composed("Welcome to {brand}", words(LastLine::None));
        assert_eq!(text, "Verification Code: 123456");
    }

    /// T-07, T-08
    #[test]
    fn placeholders_are_filled_once_and_nothing_else_is() {
        let odd = Words {
            brand: "{code} ${x} $1 %s {{7*7}} \\",
            ..words(LastLine::None)
        };
        assert_eq!(
            composed("{brand}|{codes}|{code}|{minutes}|{", odd),
            "{code} ${x} $1 %s {{7*7}} \\|{codes}|123456|5|{"
        );
    }

    /// T-06, T-11
    #[test]
    fn what_hides_or_turns_text_is_dropped_and_a_brand_is_short() {
        let long = "b".repeat(1_000);
        let text = composed(
            "{code} {brand}",
            Words {
                brand: &long,
                ..words(LastLine::None)
            },
        );
        assert_eq!(text.len(), 7 + 40);
        assert_eq!(one_line("a\u{202e}b\u{0}c\u{200b}d\u{feff}\te"), "abcde");
    }

    #[test]
    fn an_application_takes_the_last_line_and_two_countries_have_none() {
        let choose = |host, hash, country| LastLine::choose(host, hash, country, None);
        assert_eq!(
            choose(Some("h"), Some("FA+9qCX9VSu"), "LK"),
            LastLine::App("FA+9qCX9VSu")
        );
        assert_eq!(choose(Some("h"), None, "LK"), LastLine::Origin("h"));
        assert_eq!(choose(Some("h"), None, "IN"), LastLine::None);
        assert_eq!(choose(Some("h"), None, "CN"), LastLine::None);
        assert_eq!(choose(None, None, "LK"), LastLine::None);
        // A template may say otherwise.
        let by_template = |country, wanted| LastLine::choose(Some("h"), None, country, wanted);
        assert_eq!(by_template("IN", Some(true)), LastLine::Origin("h"));
        assert_eq!(by_template("LK", Some(false)), LastLine::None);
        let app = words(LastLine::App("FA+9qCX9VSu"));
        assert_eq!(composed("{code}", app), "123456\n\nFA+9qCX9VSu");
    }

    #[test]
    fn an_application_hash_is_eleven_of_base64() {
        assert!(is_app_hash("FA+9qCX9VSu"));
        for text in [
            "",
            "FA+9qCX9VS",
            "FA+9qCX9VSuu",
            "FA 9qCX9VSu",
            "FA\n9qCX9VSu",
        ] {
            assert!(!is_app_hash(text), "{text:?}");
        }
    }

    fn composed_without_template() -> String {
        let composed = compose(None, words(LastLine::None)).unwrap();
        composed.text.as_str().to_owned()
    }

    #[test]
    fn the_same_text_is_there_without_the_hosts_line() {
        let template = Template::new("en", "Code {code}");
        let both = compose(Some(&template), words(LOGIN)).unwrap();
        assert!(both.text.as_str().ends_with("@login.example #123456"));
        assert_eq!(both.without_line.unwrap().as_str(), "Code 123456");
        for other in [LastLine::None, LastLine::App("FA+9qCX9VSu")] {
            let composed = compose(Some(&template), words(other)).unwrap();
            assert!(composed.without_line.is_none());
        }
    }

    #[test]
    fn the_nearest_locale_is_taken() {
        let templates = [("en", "E"), ("si", "S"), ("pt-BR", "B")]
            .map(|(tag, words)| Template::new(tag, words));
        for (locale, expected) in [
            ("si", "S"),
            ("si-LK", "S"),
            ("pt-br", "B"),
            ("pt", "E"),
            ("fr", "E"),
            ("", "E"),
        ] {
            let found = template_for(&templates, locale).unwrap();
            assert_eq!(found.words, expected, "{locale}");
        }
        assert_eq!(template_for(&[], "en"), None);
        assert_eq!(composed_without_template(), "Verification Code: 123456");
    }

    #[test]
    fn segments_are_counted_as_networks_carry_them() {
        for (text, encoding, segments) in [
            ("a".repeat(160), Encoding::Gsm7, 1),
            ("a".repeat(161), Encoding::Gsm7, 2),
            ("a".repeat(306), Encoding::Gsm7, 2),
            ("a".repeat(307), Encoding::Gsm7, 3),
            ("€".repeat(80), Encoding::Gsm7, 1),
            ("€".repeat(81), Encoding::Gsm7, 2),
            // 153 is odd: an escape pair does not fit the last septet.
            ("€".repeat(153), Encoding::Gsm7, 3),
            ("ක".repeat(70), Encoding::Ucs2, 1),
            ("ක".repeat(71), Encoding::Ucs2, 2),
            ("😀".repeat(35), Encoding::Ucs2, 1),
            ("😀".repeat(36), Encoding::Ucs2, 2),
            ("😀".repeat(67), Encoding::Ucs2, 3),
            (String::new(), Encoding::Gsm7, 1),
        ] {
            let measured = MessageText::measured(text.clone()).unwrap();
            assert_eq!(measured.encoding, encoding);
            assert_eq!(
                measured.segments,
                segments,
                "{} of {encoding:?}",
                text.len()
            );
            assert_eq!(measured.parts().concat(), text);
            assert_eq!(measured.parts().len(), usize::from(segments));
        }
        assert!(MessageText::measured("a".repeat(1_530)).is_some());
        assert!(MessageText::measured("a".repeat(1_531)).is_none());
    }

    #[test]
    fn it_prints_nothing() {
        let text = MessageText::measured("Code 123456".to_owned()).unwrap();
        assert_eq!(format!("{text:?}"), "[text, 1 segment(s)]");
    }
}
