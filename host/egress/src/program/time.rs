//! One instant in the formats of the registry, in UTC.

use std::fmt::Write;

use super::Fault;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The instant, milliseconds since 1970, in a format.
pub(crate) fn format(format: &str, unix_ms: i64) -> Result<String, Fault> {
    let (seconds, ms) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (h, m, s) = (
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    let mut out = String::with_capacity(32);
    let written = match format {
        "unix" => write!(out, "{seconds}"),
        "unix-ms" => write!(out, "{unix_ms}"),
        "iso8601" => write!(out, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z"),
        "iso8601-ms" => write!(
            out,
            "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z"
        ),
        "basic" => write!(out, "{year:04}{month:02}{day:02}T{h:02}{m:02}{s:02}Z"),
        "date" => write!(out, "{year:04}-{month:02}-{day:02}"),
        "basic-date" => write!(out, "{year:04}{month:02}{day:02}"),
        "http-date" => {
            let weekday = DAYS[days.rem_euclid(7) as usize];
            let month = MONTHS[month as usize - 1];
            write!(
                out,
                "{weekday}, {day:02} {month} {year:04} {h:02}:{m:02}:{s:02} GMT"
            )
        }
        _ => {
            return Err(Fault::Unknown {
                registry: "time format",
                name: format.into(),
            });
        }
    };
    written.expect("writing to a string does not fail");
    Ok(out)
}

/// Year, month and day of a day since 1970 in the proleptic Gregorian calendar (H. Hinnant, `civil_from_days`): years begin
/// in March there, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_interfaces_own_example_is_written_in_every_format() {
        let instant = 1_769_903_999_007; // 2026-01-31T23:59:59.007Z
        for (name, text) in [
            ("unix", "1769903999"),
            ("unix-ms", "1769903999007"),
            ("iso8601", "2026-01-31T23:59:59Z"),
            ("iso8601-ms", "2026-01-31T23:59:59.007Z"),
            ("basic", "20260131T235959Z"),
            ("date", "2026-01-31"),
            ("basic-date", "20260131"),
            ("http-date", "Sat, 31 Jan 2026 23:59:59 GMT"),
        ] {
            assert_eq!(format(name, instant).unwrap(), text);
        }
        assert!(matches!(format("rfc850", 0), Err(Fault::Unknown { .. })));
    }

    #[test]
    fn dates_known_from_elsewhere_are_right() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), // RFC 9110 section 5.6.7
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] {
            assert_eq!(format("http-date", seconds * 1000).unwrap(), date);
        }
    }
}
