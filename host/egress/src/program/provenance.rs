//! What a result was made from. A set that only grows: through concatenation, escaping, encoding, digests and signatures.
//! Which origins its members are granted to is decided by [`crate::request`].

use std::ops::BitOr;

/// A set of sources: the recipient, the text, the code, the receipt address, and secrets and kept values by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources(u128);

const NAMED_FROM: u32 = 8;
const KEPT_FROM: u32 = 112;

const _: () = assert!(crate::limits::NAMED_VALUES_MAX as u32 + NAMED_FROM <= u128::BITS);
const _: () = assert!(crate::limits::KEPT_PER_SENDER_MAX as u32 + KEPT_FROM <= u128::BITS);

impl Sources {
    pub const NONE: Sources = Sources(0);
    pub const RECIPIENT: Sources = Sources(1);
    pub const TEXT: Sources = Sources(1 << 1);
    pub const CODE: Sources = Sources(1 << 2);
    pub const RECEIPT_URL: Sources = Sources(1 << 3);

    pub(crate) fn secret(position: usize) -> Sources {
        debug_assert!(position < (KEPT_FROM - NAMED_FROM) as usize);
        Sources(1 << (NAMED_FROM + position as u32))
    }

    pub(crate) fn kept(position: usize) -> Sources {
        debug_assert!(position < (u128::BITS - KEPT_FROM) as usize);
        Sources(1 << (KEPT_FROM + position as u32))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, other: Sources) -> bool {
        self.0 & other.0 == other.0
    }

    /// Positions of the secrets in the set.
    pub(crate) fn secrets(self) -> impl Iterator<Item = usize> {
        positions(self.0 >> NAMED_FROM & ((1 << (KEPT_FROM - NAMED_FROM)) - 1))
    }

    /// Positions of the kept values in the set.
    pub(crate) fn kept_values(self) -> impl Iterator<Item = usize> {
        positions(self.0 >> KEPT_FROM)
    }

    /// The mask that stands for a value made from these: a secret in it outweighs all else.
    pub(crate) fn label(self) -> Label {
        if self.0 >> NAMED_FROM != 0 || self.contains(Sources::RECEIPT_URL) {
            Label::Secret
        } else if self.contains(Sources::TEXT) {
            Label::Text
        } else if self.contains(Sources::CODE) {
            Label::Code
        } else {
            Label::Recipient
        }
    }
}

impl BitOr for Sources {
    type Output = Sources;

    fn bitor(self, other: Sources) -> Sources {
        Sources(self.0 | other.0)
    }
}

fn positions(mut bits: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(position)
    })
}

/// What is put in the place of a sensitive value that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    Secret,
    Code,
    Text,
    Recipient,
}

impl Label {
    pub fn mask(self) -> &'static str {
        match self {
            Label::Secret => "[secret]",
            Label::Code => "[code]",
            Label::Text => "[text]",
            Label::Recipient => "[recipient]",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_remembers_all_it_was_made_from() {
        let set = Sources::TEXT | Sources::secret(0) | Sources::secret(103) | Sources::kept(15);
        assert_eq!(set.secrets().collect::<Vec<_>>(), [0, 103]);
        assert_eq!(set.kept_values().collect::<Vec<_>>(), [15]);
        assert!(set.contains(Sources::TEXT) && !set.contains(Sources::CODE));
        assert_eq!(set.label(), Label::Secret);
        assert_eq!(
            (Sources::TEXT | Sources::CODE | Sources::RECIPIENT).label(),
            Label::Text
        );
    }
}
