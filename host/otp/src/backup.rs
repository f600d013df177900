//! Backup codes: printed once, kept on paper, each good for one login.

use zeroize::Zeroizing;

/// A backup code in its normal form: 10 characters of Crockford base32 (50 bits), no hyphen.
#[derive(Clone)]
pub struct BackupCode(Zeroizing<String>);

impl BackupCode {
    pub fn from_entropy(bytes: &[u8]) -> Option<Self> {
        let _ = bytes;
        todo!()
    }
    /// Forgives case, hyphens and spaces, and nothing else.
    pub fn parse(typed: &str) -> Option<Self> {
        let _ = typed;
        todo!()
    }
    /// The normal form, for hashing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// As it is shown once: two groups of five.
    pub fn display(&self) -> String {
        todo!()
    }
}

impl std::fmt::Debug for BackupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[backup code]")
    }
}
