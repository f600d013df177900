//! How many of the codes that went to a block of numbers came back (attack R-07).
//!
//! Kept in memory, for one host: it decides what a message may cost and never who gets in, so that a
//! host that starts anew may count from nothing, and nobody waits for a disk. Bounded.

use crate::ports::ConversionLimit;
use postern_otp::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks remembered; past it those go whose window ended, then the oldest.
const BLOCKS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Conversions(Mutex<HashMap<String, Block>>);

#[derive(Debug, Clone, Copy)]
struct Block {
    ends_at: Timestamp,
    sent: u32,
    came_back: u32,
}

impl Conversions {
    /// Until when nothing more goes to this block, if too few codes came back.
    pub(crate) fn stopped(
        &self,
        block: &str,
        limit: ConversionLimit,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let blocks = self.held();
        let block = blocks.get(block).filter(|block| now < block.ends_at)?;
        let wanted = u64::from(block.sent) * u64::from(limit.percent_min);
        let few = u64::from(block.came_back) * 100 < wanted;
        (block.sent >= limit.sends_min && few).then_some(block.ends_at)
    }

    pub(crate) fn sent(&self, block: &str, limit: ConversionLimit, now: Timestamp) {
        let mut blocks = self.held();
        if blocks.len() >= BLOCKS_MAX && !blocks.contains_key(block) {
            make_room(&mut blocks, now);
        }
        let fresh = Block {
            ends_at: now.plus(limit.window),
            sent: 0,
            came_back: 0,
        };
        let held = blocks.entry(block.to_owned()).or_insert(fresh);
        // A window is over after its length, whatever a clock did in between.
        if now >= held.ends_at || held.ends_at > fresh.ends_at {
            *held = fresh;
        }
        held.sent = held.sent.saturating_add(1);
    }

    pub(crate) fn came_back(&self, block: &str) {
        if let Some(block) = self.held().get_mut(block) {
            block.came_back = block.came_back.saturating_add(1);
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Block>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(blocks: &mut HashMap<String, Block>, now: Timestamp) {
    blocks.retain(|_, block| now < block.ends_at);
    if blocks.len() >= BLOCKS_MAX
        && let Some(oldest) = blocks
            .iter()
            .min_by_key(|(_, block)| block.ends_at)
            .map(|(name, _)| name.clone())
    {
        blocks.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LIMIT: ConversionLimit = ConversionLimit {
        sends_min: 10,
        percent_min: 20,
        window: Duration::from_secs(100),
    };
    const NOW: Timestamp = Timestamp(1_000_000);

    fn after(sent: u32, came_back: u32) -> Conversions {
        let conversions = Conversions::default();
        for _ in 0..sent {
            conversions.sent("a", LIMIT, NOW);
        }
        for _ in 0..came_back {
            conversions.came_back("a");
        }
        conversions
    }

    ///
    #[test]
    fn a_block_from_which_too_few_codes_come_back_is_stopped_for_a_while() {
        let until = Timestamp(NOW.0 + 100_000);
        for (sent, came_back, expected) in [
            (9, 0, None),
            (10, 0, Some(until)),
            (10, 1, Some(until)),
            (10, 2, None),
            (11, 2, Some(until)),
        ] {
            let stopped = after(sent, came_back).stopped("a", LIMIT, NOW);
            assert_eq!(stopped, expected, "{sent} sent, {came_back} back");
        }
        let conversions = after(10, 0);
        assert_eq!(conversions.stopped("b", LIMIT, NOW), None);
        assert_eq!(conversions.stopped("a", LIMIT, until), None);
        conversions.sent("a", LIMIT, until);
        assert_eq!(conversions.stopped("a", LIMIT, until), None);
    }

    #[test]
    fn no_percentage_stops_nothing() {
        let off = ConversionLimit {
            percent_min: 0,
            ..LIMIT
        };
        assert_eq!(after(100, 0).stopped("a", off, NOW), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let conversions = Conversions::default();
        for block in 0..BLOCKS_MAX + 10 {
            conversions.sent(&block.to_string(), LIMIT, NOW);
        }
        assert_eq!(conversions.held().len(), BLOCKS_MAX);
    }
}
