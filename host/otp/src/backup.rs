//! Backup codes: printed once, kept on paper, each good for one login.

use zeroize::Zeroizing;

/// Crockford's base32: no I, L, O or U, so that nothing on paper can be read two ways.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 10 characters of 5 bits each: 50 bits (attack C-08).
const LENGTH: usize = 10;
/// Bytes of a code that another system issued.
const IMPORTED_MAX: usize = 64;

/// A backup code in its normal form: 10 characters of Crockford base32 (50 bits), no hyphen.
#[derive(Clone)]
pub struct BackupCode(Zeroizing<String>);

impl BackupCode {
    /// One character of each byte's low five bits: 32 divides 256, so there is no bias.
    /// `None` if fewer than 10 bytes are given.
    pub fn from_entropy(bytes: &[u8]) -> Option<Self> {
        let drawn = bytes.get(..LENGTH)?;
        let text = drawn
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
            .collect();
        Some(Self(Zeroizing::new(text)))
    }

    /// Forgives case, hyphens and spaces, and nothing else.
    pub fn parse(typed: &str) -> Option<Self> {
        // Bounded before anything is copied: a field of a megabyte is no code.
        if typed.len() > 4 * LENGTH {
            return None;
        }
        let mut text = Zeroizing::new(String::with_capacity(4 * LENGTH));
        text.extend(
            typed
                .trim()
                .chars()
                .filter(|c| !matches!(c, ' ' | '-'))
                .map(|c| c.to_ascii_uppercase()),
        );
        let orderly = text.len() == LENGTH && text.bytes().all(|b| ALPHABET.contains(&b));
        orderly.then_some(Self(text))
    }

    /// A code that another system issued and a user store still holds: any characters, compared
    /// exactly, without the blanks around it. One that has our own form is read as ours.
    pub fn imported(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| {
            let text = text.trim();
            (1..=IMPORTED_MAX)
                .contains(&text.len())
                .then(|| Self(Zeroizing::new(text.to_owned())))
        })
    }

    /// The normal form, for hashing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is shown once: two groups of five.
    pub fn display(&self) -> String {
        match self.0.split_at_checked(LENGTH / 2) {
            Some((first, second)) if self.0.len() == LENGTH => format!("{first}-{second}"),
            _ => self.0.to_string(),
        }
    }
}

impl std::fmt::Debug for BackupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[backup code]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// C-08
    #[test]
    fn case_hyphens_and_spaces_are_forgiven() {
        let code = BackupCode::from_entropy(&[1, 2, 3, 4, 5, 250, 251, 252, 253, 254]).unwrap();
        assert_eq!(code.display().len(), 11);
        for typed in [
            code.display(),
            code.display().to_lowercase(),
            code.display().replace('-', " "),
            format!("  {}\t", code.as_str()),
        ] {
            assert_eq!(BackupCode::parse(&typed).unwrap().as_str(), code.as_str());
        }
    }

    /// C-08
    #[test]
    fn nothing_else_is_forgiven() {
        for typed in [
            "",
            "123",
            "0123456789A",
            "012345678",
            "01234-5678O",
            "01234_56789",
            "０１２３４５６７８９",
            "01234\u{200b}56789",
            &"0".repeat(1_000_000),
        ] {
            assert!(BackupCode::parse(typed).is_none(), "{:.20}", typed);
        }
    }

    #[test]
    fn too_little_entropy_makes_no_code() {
        assert!(BackupCode::from_entropy(&[0; 9]).is_none());
        assert!(BackupCode::from_entropy(&[0; 10]).is_some());
    }

    #[test]
    fn it_prints_nothing() {
        let code = BackupCode::from_entropy(&[7; 10]).unwrap();
        assert_eq!(format!("{code:?}"), "[backup code]");
    }

    #[test]
    fn a_code_of_another_system_is_taken_as_it_stands() {
        for (text, meant) in [
            (" 123456 ", "123456"),
            ("Ab+c!", "Ab+c!"),
            ("abcde-fghjk", "ABCDEFGHJK"),
        ] {
            assert_eq!(BackupCode::imported(text).unwrap().as_str(), meant);
        }
        assert_ne!(
            BackupCode::imported("ab+c!").unwrap().as_str(),
            BackupCode::imported("Ab+c!").unwrap().as_str(),
            "its case counts"
        );
        assert!(BackupCode::imported("  ").is_none());
        assert!(BackupCode::imported(&"x".repeat(65)).is_none());
        assert_eq!(BackupCode::imported("123456").unwrap().display(), "123456");
    }
}
