//! The code itself: made from bytes it is given, wiped when dropped, printed never.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The characters a code is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// 0-9.
    Digits,
    /// A-Z and 0-9.
    Alphanumeric,
}

/// Length and alphabet of a code. Length 6 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFormat {
    pub length: u8,
    pub alphabet: Alphabet,
}

/// A one-time code in clear. It exists only between its generation and the provider's answer.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// Draws a code from random bytes by rejection sampling, so that every code is equally likely.
    /// `None` if the bytes ran out before enough characters were accepted: ask for more.
    pub fn from_entropy(format: CodeFormat, bytes: &[u8]) -> Option<Self> {
        let _ = (format, bytes);
        todo!()
    }

    /// Reads what a person typed: ASCII spaces, hyphens and surrounding whitespace are dropped and
    /// letters raised; anything else that is not of the format is `None` (and still costs an attempt).
    pub fn parse(format: CodeFormat, typed: &str) -> Option<Self> {
        let _ = (format, typed);
        todo!()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[code]")
    }
}
