//! What a finished request carries, and the rule over a conversation: the text leaves once, and never without the number it
//! is meant for. It does not know how a conversation goes; whoever leads one keeps the [`Ledger`].

use thiserror::Error;

use crate::program::provenance::Sources;

/// What of a message is in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The number, so that it can be read: a digest of it is not a number to send to.
    pub recipient: bool,
    /// The text or a part of it, in whatever form, digests included.
    pub text: bool,
    /// The bare code, likewise.
    pub code: bool,
}

impl Carried {
    pub(crate) fn of(from: Sources, shows: Sources) -> Carried {
        Carried {
            recipient: shows.contains(Sources::RECIPIENT),
            text: from.contains(Sources::TEXT),
            code: from.contains(Sources::CODE),
        }
    }

    /// Whether the message is in it, as opposed to a request that only prepares one.
    pub fn message(self) -> bool {
        self.text || self.code
    }
}

/// What has left in one conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    message_left: bool,
}

impl Ledger {
    /// Enters a request about to be sent.
    ///
    /// A repetition of the very same request (another connection, a provider's idempotency key) is not a new departure and
    /// is not entered again.
    pub fn enter(&mut self, carried: Carried) -> Result<(), Misuse> {
        if !carried.message() {
            return Ok(());
        }
        if !carried.recipient {
            return Err(Misuse::WithoutRecipient);
        }
        if self.message_left {
            return Err(Misuse::Twice);
        }
        self.message_left = true;
        Ok(())
    }

    /// Whether the message has left, so that the outcome of a failure is unknown.
    pub fn message_left(&self) -> bool {
        self.message_left
    }
}

/// Why a request may not leave in this conversation.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Misuse {
    #[error("a request that carries the text or the code carries the recipient too")]
    WithoutRecipient,
    #[error("the text or the code leaves once in a conversation")]
    Twice,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Carried = Carried {
        recipient: false,
        text: false,
        code: false,
    };
    const LOOKUP: Carried = Carried {
        recipient: true,
        text: false,
        code: false,
    };
    const MESSAGE: Carried = Carried {
        recipient: true,
        text: true,
        code: false,
    };
    const CODE: Carried = Carried {
        recipient: true,
        text: false,
        code: true,
    };
    const TEXT_ALONE: Carried = Carried {
        recipient: false,
        text: true,
        code: false,
    };
    const CODE_ALONE: Carried = Carried {
        recipient: false,
        text: false,
        code: true,
    };

    /// O-13
    #[test]
    fn the_message_leaves_once_and_with_its_recipient() {
        for (requests, last) in [
            (&[TOKEN, LOOKUP, MESSAGE][..], Ok(())),
            (&[MESSAGE, LOOKUP], Ok(())),
            (&[CODE], Ok(())),
            (&[MESSAGE, MESSAGE], Err(Misuse::Twice)),
            (&[MESSAGE, CODE], Err(Misuse::Twice)),
            (&[CODE, MESSAGE], Err(Misuse::Twice)),
            (&[TEXT_ALONE], Err(Misuse::WithoutRecipient)),
            (&[CODE_ALONE], Err(Misuse::WithoutRecipient)),
            (&[LOOKUP, TEXT_ALONE], Err(Misuse::WithoutRecipient)),
        ] {
            let mut ledger = Ledger::default();
            let entered: Vec<_> = requests
                .iter()
                .map(|request| ledger.enter(*request))
                .collect();
            assert_eq!(
                *entered.last().expect("no case is empty"),
                last,
                "{requests:?}"
            );
        }
    }

    #[test]
    fn a_digest_of_the_number_is_no_recipient() {
        let all = Sources::RECIPIENT | Sources::TEXT;
        assert_eq!(Carried::of(all, Sources::TEXT), TEXT_ALONE);
        assert_eq!(Carried::of(all, Sources::RECIPIENT), MESSAGE);
    }
}
