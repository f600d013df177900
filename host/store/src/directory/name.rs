//! User names: which spellings are the same, which look the same, which are refused.
//!
//! The same: after NFKC and lower case (as RFC 8265's UsernameCaseMapped, with NFKC for NFC so that
//! full-width letters and ligatures cannot make a second account). Look the same: by the confusable
//! characters of Unicode's UTS 39, beyond ASCII; `l` and `1` are told apart as they stand.
//! `DOMAIN/name` names a user of a secondary store. A tenant is never read from a name.

use postern_login::ports::DirectoryError;
use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, MixedScript};

/// Bytes of a name, before and after normalising.
const NAME_BYTES_MAX: usize = 255;
/// The primary store's name where a domain is expected, in any case.
const PRIMARY: &str = "PRIMARY";

/// A name no account can have: whoever is asked for it finds nobody, at the usual cost.
pub(crate) const NOBODY: &str = "";

/// A name that may become an account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) key: String,
    pub(crate) looks: String,
    pub(crate) spelled: String,
}

/// Why a name is refused; never carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    #[error("not a user name: expected 1 to 255 bytes without `/`, blanks or invisible characters")]
    Malformed,
    #[error("a user name that mixes scripts, as look-alikes of other names do")]
    MixedScripts,
    #[error("not a user store's name: expected 1 to 63 of A-Z, 0-9, `-`, `_` and `.`")]
    Domain,
}

impl From<NameRefused> for DirectoryError {
    fn from(refused: NameRefused) -> Self {
        // Whoever asked for the name chooses another: nothing has failed.
        Self::Refused(refused.to_string())
    }
}

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, NameRefused> {
        let key = key(text).ok_or(NameRefused::Malformed)?;
        // ASCII's own signs belong to all scripts.
        if !key.as_str().is_single_script() {
            return Err(NameRefused::MixedScripts);
        }
        let permitted = |c: char| c.is_ascii() || c.identifier_allowed();
        if !key.chars().all(permitted) {
            return Err(NameRefused::Malformed);
        }
        Ok(Self {
            looks: looks(&key),
            spelled: text.trim_matches(' ').nfc().collect(),
            key,
        })
    }
}

/// What two spellings of one name have in common. `None`: nobody has such a name.
pub(crate) fn key(text: &str) -> Option<String> {
    if text.len() > NAME_BYTES_MAX {
        return None;
    }
    let text = text.trim_matches(' ');
    // Lower case can undo NFKC (and the other way round), so it is done again.
    let key: String = text
        .nfkc()
        .collect::<String>()
        .to_lowercase()
        .nfkc()
        .collect();
    let orderly = !key.is_empty()
        && key.len() <= NAME_BYTES_MAX
        && key
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && !invisible(c) && c != '/');
    orderly.then_some(key)
}

/// Splits `DOMAIN/name`. `None` for the domain: the name does not say.
pub(crate) fn split(text: &str) -> (Option<String>, &str) {
    match text.split_once('/') {
        Some((domain, name)) => (Some(self::domain(domain)), name),
        None => (None, text),
    }
}

/// The name without the domain; `None` if it names another store than `domain`'s.
pub(crate) fn bare<'a>(domain: &str, name: &'a str) -> Option<&'a str> {
    match split(name) {
        (Some(named), bare) => (named == domain).then_some(bare),
        (None, bare) => Some(bare),
    }
}

/// A name as it is sent to a foreign store: as it was typed, composed, without the blanks around it.
/// `None`: nobody has such a name (attack U-03), and no store is asked for it.
pub(crate) fn asked(text: &str) -> Option<String> {
    key(text)?;
    Some(text.trim_matches(' ').nfc().collect())
}

/// A store's name as it is compared: upper case, empty for the primary one.
pub(crate) fn domain(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    if upper == PRIMARY {
        String::new()
    } else {
        upper
    }
}

/// The name of a secondary store.
pub(crate) fn secondary(text: &str) -> Result<String, NameRefused> {
    let domain = domain(text);
    let orderly = (1..=63).contains(&domain.len())
        && domain
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    orderly.then_some(domain).ok_or(NameRefused::Domain)
}

/// `DOMAIN/name`, or the name alone in the primary store.
pub(crate) fn qualified(domain: &str, name: &str) -> String {
    if domain.is_empty() {
        name.to_owned()
    } else {
        format!("{domain}/{name}")
    }
}

fn looks(key: &str) -> String {
    let mut looks = String::with_capacity(key.len());
    for c in key.chars() {
        if c.is_ascii() {
            looks.push(c);
        } else {
            let one = c.to_string();
            looks.extend(unicode_security::skeleton(&one).flat_map(char::to_lowercase));
        }
    }
    // A dot above an `i` is one dot (the lower case of a Turkish capital has two).
    looks.nfd().filter(|c| *c != '\u{307}').nfc().collect()
}

/// Zero-width, direction marks, soft hyphen, fillers and tags: characters without a picture.
fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// U-03
    #[test]
    fn spellings_of_one_name_have_one_key() {
        for (spelled, expected) in [
            ("alice", "alice"),
            ("ALICE", "alice"),
            (" Alice ", "alice"),
            ("ａｌｉｃｅ", "alice"),
            ("ﬁona", "fiona"),
            ("STRASSE", "strasse"),
            ("user@example.com", "user@example.com"),
            ("Jose\u{301}", "josé"),
        ] {
            assert_eq!(key(spelled).as_deref(), Some(expected), "{spelled}");
        }
    }

    /// U-03, U-04
    #[test]
    fn a_name_nobody_can_have_has_no_key() {
        let long = "a".repeat(256);
        let huge = "a".repeat(1 << 20);
        for name in [
            "",
            " ",
            "a b",
            "admin\u{200b}",
            "ad\u{ad}min",
            "\u{202e}nimda",
            "a\0b",
            "a\nb",
            "a/b",
            &long,
            &huge,
        ] {
            assert_eq!(key(name), None, "{name:?}");
        }
        assert!(key(&"a".repeat(255)).is_some());
    }

    /// U-03
    #[test]
    fn look_alikes_have_the_same_looks() {
        let looks = |name| Name::parse(name).unwrap().looks;
        assert_eq!(looks("istanbul"), looks("İstanbul"));
        assert_eq!(looks("istanbul"), looks("ıstanbul"));
        // All of it Cyrillic: one script, and still the same picture.
        assert_eq!(looks("ace"), looks("асе"));
        assert_ne!(looks("bob1"), looks("bobl"), "ASCII is told apart");
        assert_ne!(looks("jose"), looks("josé"));
    }

    /// U-03
    #[test]
    fn mixed_scripts_are_refused_for_new_accounts() {
        for name in ["\u{430}dmin", "paypa\u{4cf}", "micr\u{3bf}soft"] {
            assert_eq!(Name::parse(name), Err(NameRefused::MixedScripts), "{name}");
        }
        for name in ["иван", "山田太郎", "josé", "αλέξης", "user_1-a.b@x"] {
            assert!(Name::parse(name).is_ok(), "{name}");
        }
    }

    /// U-04
    #[test]
    fn a_domain_is_split_off_once_and_a_tenant_never() {
        assert_eq!(split("alice"), (None, "alice"));
        assert_eq!(split("jdbc/alice"), (Some("JDBC".into()), "alice"));
        assert_eq!(split("primary/alice"), (Some(String::new()), "alice"));
        assert_eq!(split("a/b/c"), (Some("A".into()), "b/c"));
        assert_eq!(split("alice@other"), (None, "alice@other"));
        assert_eq!(secondary("jdbc"), Ok("JDBC".into()));
        for refused in ["", "primary", "a b", "ä", "a/b"] {
            assert_eq!(secondary(refused), Err(NameRefused::Domain));
        }
    }
}
