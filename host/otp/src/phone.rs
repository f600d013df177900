//! A telephone number, read once at the edge. Nothing looks at the text again.

use serde::{Deserialize, Serialize};

/// ISO 3166-1 alpha-2 region, upper case: how a number without a country code is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region(String);

impl Region {
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let _ = text;
        todo!()
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A possible, valid number in E.164 (`+` and 7 to 15 digits). Prints masked.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PhoneNumber {
    e164: String,
    calling_code: String,
    national: String,
    dialled: String,
    country: String,
    kind: NumberKind,
}

/// What the numbering plan says the number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberKind {
    Mobile,
    FixedOrMobile,
    FixedLine,
    Voip,
    Unknown,
}

impl PhoneNumber {
    /// Reads a number as people write it. Digits of other scripts are normalised or refused, an
    /// extension is refused; premium, shared-cost, toll-free, satellite and emergency numbers are
    /// refused (attack R-06).
    pub fn parse(text: &str, default_region: Option<&Region>) -> Result<Self, NumberError> {
        let _ = (text, default_region);
        todo!()
    }
    /// `+94771234567`
    pub fn e164(&self) -> &str {
        &self.e164
    }
    /// `94`
    pub fn calling_code(&self) -> &str {
        &self.calling_code
    }
    /// National significant number: `771234567`
    pub fn national(&self) -> &str {
        &self.national
    }
    /// As dialled at home: `0771234567`
    pub fn dialled(&self) -> &str {
        &self.dialled
    }
    /// `LK`, or empty where the plan is not geographic.
    pub fn country(&self) -> &str {
        &self.country
    }
    pub fn kind(&self) -> NumberKind {
        self.kind
    }
    /// A fixed number of stars and the last digits: the length of the number does not show.
    pub fn masked(&self) -> String {
        todo!()
    }
}

impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Why a text is not a number we send to. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("not a telephone number: expected digits with a country code")]
    Malformed,
    #[error("not a valid number of its country")]
    Invalid,
    #[error("a number of this kind gets no codes")]
    KindRefused,
    #[error("unknown region: expected two letters such as `LK`")]
    UnknownRegion,
}
