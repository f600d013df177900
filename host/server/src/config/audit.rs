//! `[audit]`: how long the audit log is kept.

use super::section::Section;
use std::time::Duration;

/// Rows of the last thirty days stay, whatever this says: `postern_admin::audit::PRUNED_AFTER_MIN`.
const DAYS: std::ops::RangeInclusive<u64> = 30..=3650;

/// `None`: for ever.
pub(super) fn read(mut section: Section<'_>) -> Option<Duration> {
    let days: Option<u64> = section.optional("keep_days", "a number of days");
    if let Some(days) = days.filter(|days| !DAYS.contains(days)) {
        section.problem(
            "keep_days",
            format!(
                "{days}: expected {} to {} days, or no such key for ever",
                DAYS.start(),
                DAYS.end()
            ),
        );
    }
    section.finish();
    days.map(|days| Duration::from_secs(days * 24 * 3600))
}
