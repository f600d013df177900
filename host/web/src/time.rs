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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_minute() {
        assert_eq!(minute(Timestamp(0)), "1970-01-01 00:00 UTC");
        assert_eq!(minute(Timestamp(1_795_310_100_000)), "2026-11-22 01:15 UTC");
        assert_eq!(minute(Timestamp(u64::MAX)), "");
    }
}
