//! A password on its way to the store: it prints nothing and leaves no copy behind.

use crate::AdminError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// NIST SP 800-63B-4: at least 8 beside a second factor.
pub const CHARS_MIN: usize = 8;
/// Longer ones cost hashing time and protect nobody better.
pub const BYTES_MAX: usize = 1024;

#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Long enough and not too long.
    pub fn check(&self) -> Result<(), AdminError> {
        if self.0.chars().count() < CHARS_MIN {
            return Err(AdminError::Invalid(format!(
                "the password is too short: expected at least {CHARS_MIN} characters"
            )));
        }
        if self.0.len() > BYTES_MAX {
            return Err(AdminError::Invalid(format!(
                "the password is too long: expected at most {BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[password]")
    }
}

/// For the socket in the data folder, which only its owner can read.
impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
