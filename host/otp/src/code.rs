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

/// Fewer than six digits are below 20 bits (NIST SP 800-63B-4, 3.1.3.2).
pub const CODE_LENGTH_MIN: u8 = 6;
/// More than ten characters nobody types from a telephone.
pub const CODE_LENGTH_MAX: u8 = 10;

/// A one-time code in clear. It exists only between its generation and the provider's answer.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Alphabet {
    fn characters(self) -> &'static [u8] {
        match self {
            Self::Digits => b"0123456789",
            Self::Alphanumeric => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        }
    }
}

impl Code {
    /// Draws a code from random bytes by rejection sampling, so that every code is equally likely.
    /// `None` if the bytes ran out before enough characters were accepted: ask for more. Also for a
    /// format outside 6 to 10 characters: no short code is ever made.
    pub fn from_entropy(format: CodeFormat, bytes: &[u8]) -> Option<Self> {
        if !(CODE_LENGTH_MIN..=CODE_LENGTH_MAX).contains(&format.length) {
            return None;
        }
        let characters = format.alphabet.characters();
        // The largest multiple of the alphabet's size that fits a byte: what lies above it would
        // make the first characters likelier.
        let accepted_below = 256 - 256 % characters.len();
        let length = usize::from(format.length);
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.extend(
            bytes
                .iter()
                .map(|byte| usize::from(*byte))
                .filter(|byte| *byte < accepted_below)
                .take(length)
                .map(|byte| char::from(characters[byte % characters.len()])),
        );
        (text.len() == length).then_some(Self(text))
    }

    /// Reads what a person typed: ASCII spaces, hyphens and surrounding whitespace are dropped and
    /// letters raised; anything else that is not of the format is `None` (and still costs an attempt).
    pub fn parse(format: CodeFormat, typed: &str) -> Option<Self> {
        let length = usize::from(format.length);
        // Bounded before anything is copied: a field of a megabyte is no code.
        if typed.len() > 64 {
            return None;
        }
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.extend(
            typed
                .trim()
                .chars()
                .filter(|c| !matches!(c, ' ' | '-'))
                .map(|c| c.to_ascii_uppercase()),
        );
        let characters = format.alphabet.characters();
        let orderly = text.len() == length && text.bytes().all(|b| characters.contains(&b));
        orderly.then_some(Self(text))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SIX_DIGITS: CodeFormat = CodeFormat {
        length: 6,
        alphabet: Alphabet::Digits,
    };

    /// SplitMix64: a published generator with a fixed seed, so that a failure repeats.
    struct SplitMix(u64);

    impl SplitMix {
        fn bytes(&mut self) -> [u8; 16] {
            let mut out = [0; 16];
            for half in out.chunks_exact_mut(8) {
                self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = self.0;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                half.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
            }
            out
        }
    }

    /// N-02: a million codes; in every position every digit is as likely as any other.
    /// 37.3 is the chi-square value of 9 degrees of freedom with p = 1e-4 / 4: six positions are
    /// looked at, and the seed is fixed.
    #[test]
    fn a_million_codes_are_uniform_in_every_position() {
        const CODES: u32 = 1_000_000;
        let mut random = SplitMix(42);
        let mut counts = [[0_u32; 10]; 6];
        let mut leading_zeros = 0;
        for _ in 0..CODES {
            let code = loop {
                if let Some(code) = Code::from_entropy(SIX_DIGITS, &random.bytes()) {
                    break code;
                }
            };
            leading_zeros += u32::from(code.as_str().starts_with('0'));
            for (position, digit) in code.as_str().bytes().enumerate() {
                counts[position][usize::from(digit - b'0')] += 1;
            }
        }
        let expected = f64::from(CODES) / 10.0;
        for (position, digits) in counts.iter().enumerate() {
            let chi_square: f64 = digits
                .iter()
                .map(|seen| (f64::from(*seen) - expected).powi(2) / expected)
                .sum();
            assert!(chi_square < 37.3, "position {position}: {chi_square}");
        }
        assert!(leading_zeros > CODES / 11, "leading zeros are kept");
    }

    /// N-02: a plain `byte % 10` would make 0 to 5 likelier; the bytes above 249 are thrown away.
    #[test]
    fn bytes_that_would_bias_are_rejected() {
        let biased = [255, 254, 253, 252, 251, 250];
        assert!(Code::from_entropy(SIX_DIGITS, &biased).is_none());
        let code = Code::from_entropy(SIX_DIGITS, &[255, 249, 0, 250, 9, 10, 19, 123, 7]).unwrap();
        assert_eq!(code.as_str(), "909093");
    }

    #[test]
    fn letters_come_from_their_alphabet() {
        let format = CodeFormat {
            length: 8,
            alphabet: Alphabet::Alphanumeric,
        };
        let code = Code::from_entropy(format, &[0, 25, 26, 35, 252, 36, 251, 1, 2]).unwrap();
        assert_eq!(code.as_str(), "AZ09A9BC");
    }

    #[test]
    fn a_short_format_makes_no_code() {
        for length in [0, 4, 5, 11] {
            let format = CodeFormat {
                length,
                alphabet: Alphabet::Digits,
            };
            assert!(Code::from_entropy(format, &[1; 64]).is_none(), "{length}");
        }
    }

    /// U-01
    #[test]
    fn spaces_and_hyphens_are_dropped() {
        for typed in [
            "123456",
            " 123 456 ",
            "123-456",
            "\t123456\r\n",
            "\u{a0}123456",
        ] {
            assert_eq!(Code::parse(SIX_DIGITS, typed).unwrap().as_str(), "123456");
        }
        let letters = CodeFormat {
            length: 6,
            alphabet: Alphabet::Alphanumeric,
        };
        assert_eq!(Code::parse(letters, "ab-c1 23").unwrap().as_str(), "ABC123");
    }

    /// U-01, U-02, A-19, A-20
    #[test]
    fn what_is_no_code_is_none() {
        for typed in [
            "",
            "12345",
            "1234567",
            "123\u{200b}456",
            "123\u{a0}456",
            "１２３４５６",
            "٠١٢٣٤٥",
            "०१२३४५",
            "𝟏𝟐𝟑𝟒𝟓𝟔",
            "¹²³⁴⁵⁶",
            "+12345",
            "-1.0e5",
            "12345a",
            "______",
            "%%%%%%",
            "******",
            ".{6}",
            "' or 1=1--",
            "\0\0\0\0\0\0",
            &"1".repeat(1_000_000),
        ] {
            assert!(Code::parse(SIX_DIGITS, typed).is_none(), "{:.20}", typed);
        }
    }

    #[test]
    fn it_prints_nothing() {
        let code = Code::parse(SIX_DIGITS, "123456").unwrap();
        assert_eq!(format!("{code:?}"), "[code]");
    }
}
