//! The GSM 7-bit default alphabet (3GPP TS 23.038), as far as counting and replacing goes.

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Each costs an escape septet as well.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Septets the character takes; `None` if the alphabet lacks it.
pub fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || BASIC.contains(character) {
        Some(1)
    } else if EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// Messages a text takes on the air: 160 or 153 septets each, 70 or 67 UTF-16 units outside the
/// alphabet. An empty text takes one.
pub fn segments(text: &str) -> usize {
    let parts = |units: usize, alone: usize, joined: usize| {
        if units <= alone {
            1
        } else {
            units.div_ceil(joined)
        }
    };
    match text.chars().map(septets).sum::<Option<usize>>() {
        Some(count) => parts(count, 160, 153),
        None => parts(text.encode_utf16().count(), 70, 67),
    }
}

/// What a phone shows when a text was sent as GSM 7-bit although it is not.
pub fn replaced(text: &str) -> String {
    text.chars()
        .map(|c| if septets(c).is_some() { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_change_at_the_published_lengths() {
        let cases = [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("語".repeat(70), 1),
            ("語".repeat(71), 2),
            ("語".repeat(135), 3),
        ];
        for (text, expected) in cases {
            assert_eq!(
                segments(&text),
                expected,
                "{} characters",
                text.chars().count()
            );
        }
    }

    #[test]
    fn what_the_alphabet_lacks_becomes_a_question_mark() {
        assert_eq!(replaced("näh 語 [ok]"), "näh ? [ok]");
    }
}
