//! Bytes as hex and base64, and back.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Fault;

const PADDED: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes in an encoding of the registry. Decoding accepts base64 with or without padding, and hex in either case.
pub(crate) fn encode(encoding: &str, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    match encoding {
        "hex" => Ok(hex::encode(bytes).into_bytes()),
        "hex-upper" => Ok(hex::encode_upper(bytes).into_bytes()),
        "base64" => Ok(PADDED.encode(bytes).into_bytes()),
        "base64url" => Ok(URL.encode(bytes).into_bytes()),
        "from-hex" => hex::decode(bytes).map_err(|_| Fault::NotEncoded("hex")),
        "from-base64" => PADDED
            .decode(bytes)
            .map_err(|_| Fault::NotEncoded("base64")),
        "from-base64url" => URL
            .decode(bytes)
            .map_err(|_| Fault::NotEncoded("base64url")),
        _ => Err(Fault::Unknown {
            registry: "encoding",
            name: encoding.into(),
        }),
    }
}

/// Whether an encoding turns pieces into pieces, so that the encoding of a concatenation is the concatenation of encodings.
pub(crate) fn is_piecewise(encoding: &str) -> bool {
    matches!(encoding, "hex" | "hex-upper")
}

/// Whether this is the way back: what it yields is only known to be bytes.
pub(crate) fn is_decoding(encoding: &str) -> bool {
    encoding.starts_with("from-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 4648 section 10
    #[test]
    fn the_published_vectors_hold_both_ways() {
        for (plain, base64, base16) in [
            ("", "", ""),
            ("f", "Zg==", "66"),
            ("fo", "Zm8=", "666F"),
            ("foo", "Zm9v", "666F6F"),
            ("foob", "Zm9vYg==", "666F6F62"),
            ("fooba", "Zm9vYmE=", "666F6F6261"),
            ("foobar", "Zm9vYmFy", "666F6F626172"),
        ] {
            let plain = plain.as_bytes();
            assert_eq!(encode("base64", plain).unwrap(), base64.as_bytes());
            assert_eq!(encode("from-base64", base64.as_bytes()).unwrap(), plain);
            let unpadded = base64.trim_end_matches('=').as_bytes();
            assert_eq!(encode("base64url", plain).unwrap(), unpadded);
            assert_eq!(encode("from-base64url", unpadded).unwrap(), plain);
            assert_eq!(encode("from-base64url", base64.as_bytes()).unwrap(), plain);
            assert_eq!(encode("hex-upper", plain).unwrap(), base16.as_bytes());
            assert_eq!(
                encode("hex", plain).unwrap(),
                base16.to_lowercase().as_bytes()
            );
            assert_eq!(encode("from-hex", base16.as_bytes()).unwrap(), plain);
        }
    }

    /// RFC 4648 sections 4 and 5: the alphabets differ in two places.
    #[test]
    fn the_two_alphabets_are_not_mixed() {
        assert_eq!(encode("base64", &[0xfb, 0xff]).unwrap(), b"+/8=");
        assert_eq!(encode("base64url", &[0xfb, 0xff]).unwrap(), b"-_8");
        assert_eq!(
            encode("from-base64", b"-_8").unwrap_err(),
            Fault::NotEncoded("base64")
        );
        assert_eq!(
            encode("from-base64url", b"+/8").unwrap_err(),
            Fault::NotEncoded("base64url")
        );
    }

    #[test]
    fn what_is_not_encoded_is_refused() {
        for (encoding, value) in [
            ("from-hex", "6"),
            ("from-hex", "zz"),
            ("from-base64", "Zg=a"),
            ("from-base64", "Zh=="),
        ] {
            assert!(
                matches!(
                    encode(encoding, value.as_bytes()),
                    Err(Fault::NotEncoded(_))
                ),
                "{encoding} {value}"
            );
        }
        assert!(matches!(encode("base32", b""), Err(Fault::Unknown { .. })));
    }
}
