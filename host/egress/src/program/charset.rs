//! Text in another character set. A character the set cannot carry is refused, never replaced: a message with a hole in it
//! would still be paid for.

use super::Fault;

/// Text in a character set of the registry.
pub(crate) fn convert(charset: &str, text: &[u8]) -> Result<Vec<u8>, Fault> {
    let text = || std::str::from_utf8(text).map_err(|_| Fault::NotText);
    match charset {
        "iso-8859-1" => text()?
            .chars()
            .map(|c| u8::try_from(u32::from(c)).map_err(|_| Fault::Unrepresentable("iso-8859-1")))
            .collect(),
        "utf-16be" => Ok(text()?.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        "gsm-7" => gsm7(text()?),
        _ => Err(Fault::Unknown {
            registry: "charset",
            name: charset.into(),
        }),
    }
}

/// 3GPP TS 23.038 section 6.2.1, one septet a byte.
fn gsm7(text: &str) -> Result<Vec<u8>, Fault> {
    let mut septets = Vec::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Where the alphabet and ASCII agree.
            ' '..='#' | '%'..='?' | 'A'..='Z' | 'a'..='z' | '\n' | '\r' => septets.push(c as u8),
            _ => match GSM7.iter().position(|known| *known == c) {
                Some(septet) => septets.push(septet as u8),
                None => {
                    let (septet, _) = GSM7_EXTENSION
                        .iter()
                        .find(|(_, known)| *known == c)
                        .ok_or(Fault::Unrepresentable("gsm-7"))?;
                    septets.extend([ESCAPE, *septet]);
                }
            },
        }
    }
    Ok(septets)
}

const ESCAPE: u8 = 0x1b;

/// The default alphabet by septet. At 0x1b, the escape to the extension, stands a blank, which is
/// found at its own place before.
#[rustfmt::skip]
const GSM7: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: the septet after the escape.
#[rustfmt::skip]
const GSM7_EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'), (0x14, '^'), (0x28, '{'), (0x29, '}'), (0x2f, '\\'),
    (0x3c, '['), (0x3d, '~'), (0x3e, ']'), (0x40, '|'), (0x65, '€'),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The mapping the Unicode consortium publishes (ETSI/GSM0338.TXT) as (septets, code point), for every character that is
    /// not at its ASCII place, with C with cedilla in capital as 23.038 has had it since its release 4.
    #[rustfmt::skip]
    const PUBLISHED: &[(&[u8], u32)] = &[
        (&[0x00], 0x0040), (&[0x01], 0x00a3), (&[0x02], 0x0024), (&[0x03], 0x00a5), (&[0x04], 0x00e8), (&[0x05], 0x00e9),
        (&[0x06], 0x00f9), (&[0x07], 0x00ec), (&[0x08], 0x00f2), (&[0x09], 0x00c7), (&[0x0a], 0x000a), (&[0x0b], 0x00d8),
        (&[0x0c], 0x00f8), (&[0x0d], 0x000d), (&[0x0e], 0x00c5), (&[0x0f], 0x00e5), (&[0x10], 0x0394), (&[0x11], 0x005f),
        (&[0x12], 0x03a6), (&[0x13], 0x0393), (&[0x14], 0x039b), (&[0x15], 0x03a9), (&[0x16], 0x03a0), (&[0x17], 0x03a8),
        (&[0x18], 0x03a3), (&[0x19], 0x0398), (&[0x1a], 0x039e), (&[0x1b, 0x0a], 0x000c), (&[0x1b, 0x14], 0x005e),
        (&[0x1b, 0x28], 0x007b), (&[0x1b, 0x29], 0x007d), (&[0x1b, 0x2f], 0x005c), (&[0x1b, 0x3c], 0x005b),
        (&[0x1b, 0x3d], 0x007e), (&[0x1b, 0x3e], 0x005d), (&[0x1b, 0x40], 0x007c), (&[0x1b, 0x65], 0x20ac),
        (&[0x1c], 0x00c6), (&[0x1d], 0x00e6), (&[0x1e], 0x00df), (&[0x1f], 0x00c9), (&[0x24], 0x00a4), (&[0x40], 0x00a1),
        (&[0x5b], 0x00c4), (&[0x5c], 0x00d6), (&[0x5d], 0x00d1), (&[0x5e], 0x00dc), (&[0x5f], 0x00a7), (&[0x60], 0x00bf),
        (&[0x7b], 0x00e4), (&[0x7c], 0x00f6), (&[0x7d], 0x00f1), (&[0x7e], 0x00fc), (&[0x7f], 0x00e0),
    ];

    #[test]
    fn the_whole_gsm_alphabet_is_the_published_one_and_nothing_else_is_in_it() {
        let is_ascii_place =
            |c: u32| matches!(c, 0x20..=0x23 | 0x25..=0x3f | 0x41..=0x5a | 0x61..=0x7a);
        let mut carried = 0;
        for c in (0..=0x2_ffff).filter_map(char::from_u32) {
            let published = PUBLISHED
                .iter()
                .find(|(_, code)| *code == u32::from(c))
                .map(|(septets, _)| septets.to_vec());
            let expected = published.or_else(|| is_ascii_place(c.into()).then(|| vec![c as u8]));
            carried += usize::from(expected.is_some());
            assert_eq!(
                convert("gsm-7", c.to_string().as_bytes()).ok(),
                expected,
                "{c:?}"
            );
        }
        assert_eq!(carried, 127 + 10);
    }

    #[test]
    fn a_message_is_carried_septet_by_septet() {
        assert_eq!(
            convert("gsm-7", "Code {1}: 5€".as_bytes()).unwrap(),
            b"Code \x1b\x281\x1b\x29: 5\x1b\x65"
        );
        assert_eq!(
            convert("gsm-7", "日".as_bytes()).unwrap_err(),
            Fault::Unrepresentable("gsm-7")
        );
    }

    #[test]
    fn latin_1_ends_at_ff() {
        assert_eq!(
            convert("iso-8859-1", "é\u{ff}".as_bytes()).unwrap(),
            [0xe9, 0xff]
        );
        assert_eq!(
            convert("iso-8859-1", "\u{100}".as_bytes()).unwrap_err(),
            Fault::Unrepresentable("iso-8859-1")
        );
    }

    /// RFC 2781 section 3 and the Unicode standard's own example of a surrogate pair.
    #[test]
    fn utf_16_is_big_endian_without_a_mark() {
        assert_eq!(
            convert("utf-16be", "A\u{12345}=".as_bytes()).unwrap(),
            [0, 0x41, 0xd8, 0x08, 0xdf, 0x45, 0, 0x3d]
        );
    }

    #[test]
    fn what_is_not_text_or_not_known_is_refused() {
        assert_eq!(convert("utf-16be", &[0xff]).unwrap_err(), Fault::NotText);
        assert!(matches!(convert("utf-7", b""), Err(Fault::Unknown { .. })));
    }
}
