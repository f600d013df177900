//! What a provider is told about a message: of the number and the text, never the two themselves.

use crate::wire::Pair;

/// A message to send. The fields are those of the interface's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same when a step is repeated; at most 32 characters of a-z, 0-9.
    pub id: String,
    /// ISO 3166-1 alpha-2 region of the number, or empty.
    pub country: String,
    /// Country calling code without `+`, or empty.
    pub calling_code: String,
    /// `mobile`, `fixed-or-mobile`, `fixed-line`, `voip` or `unknown`.
    pub number_type: String,
    /// `gsm-7` or `ucs-2`: the narrowest encoding that carries the text.
    pub encoding: String,
    /// How many segments the text takes; 1 to 10.
    pub segments: u8,
    /// How long the code is valid, in seconds.
    pub validity: u32,
    /// 1 for the first send of a challenge, then counting resends.
    pub attempt: u32,
    /// BCP 47 language tag of what the person reads; empty where an application named none.
    pub locale: String,
    /// `login`, `verify-number` or another purpose.
    pub purpose: String,
    /// Names of kept values that have not expired.
    pub kept: Vec<String>,
    /// `brand`, `template-id`, `entity-id`, `app-hash`.
    pub extra: Vec<Pair>,
}

impl Message {
    /// Whether the text has characters outside the GSM 7-bit alphabet.
    pub fn is_unicode(&self) -> bool {
        self.encoding != "gsm-7"
    }

    /// Whether a kept value of this name is still there.
    pub fn has_kept(&self, name: &str) -> bool {
        self.kept.iter().any(|kept| kept == name)
    }

    /// A further fact about the message, by its name.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extra
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// An ordinary message, for judging settings before there is a real one.
    pub fn sample() -> Message {
        Message {
            id: "sample".to_owned(),
            country: "LK".to_owned(),
            calling_code: "94".to_owned(),
            number_type: "mobile".to_owned(),
            encoding: "gsm-7".to_owned(),
            segments: 1,
            validity: 300,
            attempt: 1,
            locale: "en".to_owned(),
            purpose: "login".to_owned(),
            kept: Vec::new(),
            extra: Vec::new(),
        }
    }
}
