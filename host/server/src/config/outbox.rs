//! `[outbox]`: where the plugin `fake` sends to, for tests.

use super::section::Section;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// Messages kept; older ones are forgotten.
    pub messages: u32,
}

impl Outbox {
    /// `None` if it is not switched on.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled", true);
        let messages = section.small("messages", 1..=100_000, "they are kept in memory", 1000);
        section.finish();
        enabled.then_some(Self { messages })
    }
}
