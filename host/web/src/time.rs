//! A point in time as a page writes it.

use postern_otp::Timestamp;

/// `2026-11-22 01:15 UTC`
pub fn minute(at: Timestamp) -> String {
    i64::try_from(at.0)
        .ok()
        .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok())
        .map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default()
}

/// `2026-11-22 01:15:00 UTC`
pub fn second(at: Timestamp) -> String {
    i64::try_from(at.0)
        .ok()
        .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok())
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

/// `2026-11-22T01:15:00Z`, or a day: its beginning, in UTC.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })?;
    u64::try_from(at.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_minute() {
        assert_eq!(minute(Timestamp(0)), "1970-01-01 00:00 UTC");
        assert_eq!(minute(Timestamp(1_795_310_100_000)), "2026-11-22 01:15 UTC");
        assert_eq!(minute(Timestamp(u64::MAX)), "");
    }

    #[test]
    fn a_time_is_read_to_the_second_or_as_a_day() {
        let at = Timestamp(1_795_310_100_000);
        assert_eq!(second(at), "2026-11-22 01:15:00 UTC");
        assert_eq!(parse("2026-11-22T01:15:00Z"), Some(at));
        assert_eq!(parse("1970-01-02"), Some(Timestamp(86_400_000)));
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "1969-12-31",
            "2026-11-22T25:00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
