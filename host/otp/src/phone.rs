//! A telephone number, read once at the edge. Nothing looks at the text again.

use rlibphonenumber::{
    PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region as LibraryRegion,
};
use serde::{Deserialize, Serialize};

/// Codes that belong to no country: freephone, shared cost, satellite, international networks and
/// premium services. By our own list, for the library calls most of +881 mobile (attack R-06).
const CALLING_CODES_REFUSED: [i32; 10] = [800, 808, 870, 878, 881, 882, 883, 888, 979, 991];

/// Longer than any number with its punctuation.
const TEXT_BYTES_MAX: usize = 40;

/// The length of a number does not show in what is shown of it (attack E-03).
const MASK: &str = "******";
const MASK_DIGITS_SHOWN: usize = 4;

/// ISO 3166-1 alpha-2 region, upper case: how a number without a country code is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region(String);

impl Region {
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let letters = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
        if !letters {
            return Err(NumberError::UnknownRegion);
        }
        let code = text.to_ascii_uppercase();
        let known = LibraryRegion::from_code(&code)
            .ok()
            .and_then(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region))
            .is_some();
        known
            .then_some(Self(code))
            .ok_or(NumberError::UnknownRegion)
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

impl NumberKind {
    /// The word of the plugin interface (`message.number-type`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::FixedOrMobile => "fixed-or-mobile",
            Self::FixedLine => "fixed-line",
            Self::Voip => "voip",
            Self::Unknown => "unknown",
        }
    }
}

impl PhoneNumber {
    /// Reads a number as people write it. Digits of other scripts are normalised or refused, an
    /// extension is refused; premium, shared-cost, toll-free, satellite and emergency numbers are
    /// refused (attack R-06).
    pub fn parse(text: &str, default_region: Option<&Region>) -> Result<Self, NumberError> {
        let plain = plain(text).ok_or(NumberError::Malformed)?;
        let region = match default_region {
            Some(region) => Some(
                LibraryRegion::from_code(region.as_str())
                    .map_err(|_| NumberError::UnknownRegion)?,
            ),
            None => None,
        };
        let number = PHONE_NUMBER_UTIL
            .parse(&plain, region)
            .map_err(|_| NumberError::Malformed)?;
        if CALLING_CODES_REFUSED.contains(&number.country_code) {
            return Err(NumberError::KindRefused);
        }
        let national = number.get_national_significant_number();
        let calling_code = number.country_code.to_string();
        let e164 = format!("+{calling_code}{national}");
        let (country, kind) = match reserved_for_tests(&e164) {
            Some(known) => known,
            None => plan(&number)?,
        };
        if !(8..=16).contains(&e164.len()) {
            return Err(NumberError::Invalid);
        }
        let dialled = number
            .format_as(PhoneNumberFormat::National)
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        Ok(Self {
            e164,
            calling_code,
            national,
            dialled,
            country,
            kind,
        })
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
        let shown = self.e164.len().saturating_sub(MASK_DIGITS_SHOWN);
        format!("{MASK}{}", &self.e164[shown..])
    }
}

impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

/// The operator's masking of a value on the code page (`noOfDigits`, `order`): as many characters
/// as asked for stay visible at one end, the rest become stars. Characters, not bytes.
pub fn mask(value: &str, shown: u32, from_end: bool) -> String {
    let length = value.chars().count();
    let shown = usize::try_from(shown).unwrap_or(usize::MAX).min(length);
    let hidden = length - shown;
    value
        .chars()
        .enumerate()
        .map(|(index, c)| {
            let visible = if from_end {
                index >= hidden
            } else {
                index < shown
            };
            if visible { c } else { '*' }
        })
        .collect()
}

/// What the numbering plan says: country and kind, or why no codes go there.
fn plan(number: &rlibphonenumber::PhoneNumber) -> Result<(String, NumberKind), NumberError> {
    let country = number.get_region_code().ok_or(NumberError::Invalid)?;
    let kind = match number.get_type() {
        PhoneNumberType::Mobile => NumberKind::Mobile,
        PhoneNumberType::FixedLineOrMobile => NumberKind::FixedOrMobile,
        PhoneNumberType::FixedLine => NumberKind::FixedLine,
        PhoneNumberType::VoIP => NumberKind::Voip,
        PhoneNumberType::Unknown => return Err(NumberError::Invalid),
        // Personal numbers redirect to wherever their holder earns most.
        PhoneNumberType::TollFree
        | PhoneNumberType::PremiumRate
        | PhoneNumberType::SharedCost
        | PhoneNumberType::PersonalNumber
        | PhoneNumberType::Pager
        | PhoneNumberType::UAN
        | PhoneNumberType::VoiceMail => return Err(NumberError::KindRefused),
    };
    Ok((country.as_region_str().to_string(), kind))
}

/// Ranges that regulators keep free for films, documents and tests. They reach nobody, and the
/// library calls some of them invalid.
fn reserved_for_tests(e164: &str) -> Option<(String, NumberKind)> {
    match e164.len() {
        12 if e164.starts_with("+120255501") => Some(("US".to_owned(), NumberKind::FixedOrMobile)),
        13 if e164.starts_with("+447700900") => Some(("GB".to_owned(), NumberKind::Mobile)),
        _ => None,
    }
}

/// What people put between digits, dropped. `None` for anything else: letters, extensions, `tel:`,
/// digits of other scripts. The library would read some of them, perhaps as another number than the
/// one that is shown (attack T-10).
fn plain(text: &str) -> Option<String> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '0'..='9' => plain.push(c),
            '+' if plain.is_empty() => plain.push(c),
            ' ' | '\u{a0}' | '\u{202f}' | '-' | '.' | '(' | ')' => (),
            _ => return None,
        }
    }
    Some(plain)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lk() -> Region {
        Region::parse("LK").unwrap()
    }

    fn e164(text: &str) -> Result<String, NumberError> {
        PhoneNumber::parse(text, Some(&lk())).map(|number| number.e164)
    }

    #[test]
    fn a_number_has_all_its_forms() {
        let number = PhoneNumber::parse("077 123 4567", Some(&lk())).unwrap();
        assert_eq!(number.e164(), "+94771234567");
        assert_eq!(number.calling_code(), "94");
        assert_eq!(number.national(), "771234567");
        assert_eq!(number.dialled(), "0771234567");
        assert_eq!(number.country(), "LK");
        assert_eq!(number.kind(), NumberKind::Mobile);
        assert_eq!(number.masked(), "******4567");
        assert_eq!(format!("{number:?}"), "******4567");
    }

    /// Italy's leading zero belongs to the number.
    #[test]
    fn a_leading_zero_that_belongs_to_the_number_stays() {
        let number = PhoneNumber::parse("+39 06 1234 5678", None).unwrap();
        assert_eq!(number.e164(), "+390612345678");
        assert_eq!(number.national(), "0612345678");
    }

    #[test]
    fn test_numbers_of_the_plans_are_numbers() {
        for text in [
            "+12025550100",
            "+12025550199",
            "+447700900000",
            "+447700900999",
        ] {
            assert_eq!(PhoneNumber::parse(text, None).unwrap().e164(), text);
        }
    }

    /// T-10
    #[test]
    fn the_ways_people_write_a_number_are_one_number() {
        for text in [
            "+94771234567",
            "0771234567",
            "771234567",
            "0094771234567",
            "+94 77-123.4567",
            "+94 (0)77 123 4567",
            " \u{a0}+94\u{a0}77\u{202f}1234567 ",
        ] {
            assert_eq!(e164(text).as_deref(), Ok("+94771234567"), "{text}");
        }
    }

    /// T-10, T-01 to T-09
    #[test]
    fn what_could_be_read_as_another_number_is_refused() {
        for text in [
            "",
            "+",
            "++94771234567",
            "+94771234567;ext=5",
            "+94771234567 ext 5",
            "+94771234567x5",
            "+94771234567,5",
            "tel:+94771234567",
            "＋９４７７１２３４５６７",
            "٠٧٧١٢٣٤٥٦٧",
            "0771234567\0",
            "077\u{200b}1234567",
            "+94771234567\r\nX-Evil: 1",
            "+94771234567\",\"+999",
            "+94771234567&to=+999",
            "+94771234567%26to=1",
            "+94771234567<to>",
            "$ctx.otp",
            "${x}",
            "+1$1",
            "0800-FLOWERS",
            &"0".repeat(100_000),
        ] {
            assert_eq!(e164(text), Err(NumberError::Malformed), "{:.30}", text);
        }
    }

    ///
    #[test]
    fn numbers_that_cost_money_or_lives_are_refused() {
        for text in [
            "+19005550100",   // premium, North America
            "+18005550100",   // toll-free
            "+449091234567",  // premium, United Kingdom
            "+448081570000",  // toll-free, United Kingdom
            "+448431234567",  // shared cost, United Kingdom
            "+447012345678",  // personal number, United Kingdom
            "+4990012345678", // premium, Germany
            "+870773111632",  // Inmarsat
            "+881612345678",  // Iridium: the library says mobile
            "+881812345678",  // Globalstar
            "+88213123456",   // international networks
            "+883510012345",  // international networks
            "+979123456789",  // international premium
            "+80012345678",   // international freephone
            "+80812345678",   // international shared cost
        ] {
            let refused = PhoneNumber::parse(text, None).unwrap_err();
            assert!(
                matches!(refused, NumberError::KindRefused | NumberError::Invalid),
                "{text}: {refused:?}"
            );
        }
        for satellite in [
            "+881612345678",
            "+870773111632",
            "+88213123456",
            "+979123456789",
        ] {
            assert_eq!(
                PhoneNumber::parse(satellite, None),
                Err(NumberError::KindRefused),
                "{satellite}"
            );
        }
    }

    ///
    #[test]
    fn short_codes_and_emergency_numbers_are_refused() {
        for region in ["LK", "US", "GB", "DE", "IN", "AU"] {
            let region = Region::parse(region).unwrap();
            for text in [
                "110", "112", "119", "911", "999", "000", "108", "118", "1414", "12345", "32665",
            ] {
                assert!(
                    PhoneNumber::parse(text, Some(&region)).is_err(),
                    "{text} in {region:?}"
                );
            }
        }
    }

    #[test]
    fn without_a_region_only_international_numbers_are_read() {
        assert!(PhoneNumber::parse("0771234567", None).is_err());
        assert!(PhoneNumber::parse("0094771234567", None).is_err());
        assert!(PhoneNumber::parse("+94771234567", None).is_ok());
    }

    #[test]
    fn a_region_is_two_known_letters() {
        assert_eq!(Region::parse("lk").unwrap().as_str(), "LK");
        for text in ["", "L", "LKA", "ZZ", "0*", "ＬＫ", "001"] {
            assert_eq!(
                Region::parse(text),
                Err(NumberError::UnknownRegion),
                "{text}"
            );
        }
    }

    /// Cases 37 to 39 of the specification's list.
    #[test]
    fn the_operators_masking_is_the_originals() {
        assert_eq!(mask("0778965231", 4, false), "0778******");
        assert_eq!(mask("0778965231", 4, true), "******5231");
        assert_eq!(mask("0778899889", 4, true), "******9889");
        assert_eq!(mask("0778965231", 0, true), "**********");
        assert_eq!(mask("077", 4, true), "077");
        assert_eq!(mask("añb€", 2, true), "**b€");
        assert_eq!(mask("", 4, true), "");
    }

    /// E-03
    #[test]
    fn the_mask_does_not_tell_the_length() {
        let long = PhoneNumber::parse("+4915123456789", None).unwrap();
        let short = PhoneNumber::parse("+6598765432", None).unwrap();
        assert_eq!(long.masked().len(), short.masked().len());
    }
}
