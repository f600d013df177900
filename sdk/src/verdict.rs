//! What became of a message.
//!
//! Owns: the verdicts and the registry of reasons. What the host does about each (retry, another
//! provider, a page) is the host's; it decides from the reason, never from the detail.

use crate::wire::Pair;

/// At most this much of a detail is kept by the host.
const DETAIL_BYTES_MAX: usize = 512;

/// What became of a message.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted(Receipt),
    Refused(Refusal),
}

/// The provider took the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's own id of the message.
    pub id: Option<String>,
    /// Segments the provider counted.
    pub parts: Option<u32>,
    /// Price as a decimal number, and its ISO 4217 currency.
    pub price: Option<String>,
    pub currency: Option<String>,
    pub extra: Vec<Pair>,
}

/// The provider did not take the message, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Seconds to wait, where the provider said so.
    pub retry_after: Option<u32>,
    /// For the operator's log: the provider's code and words.
    pub detail: String,
    pub extra: Vec<Pair>,
}

/// Why a message was not taken: the registry of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Too many requests; the account may try again.
    Throttled,
    /// Too many messages to this number.
    RecipientThrottled,
    /// The provider does not work; the message was not taken.
    ProviderDown,
    /// The message may or may not have been taken.
    OutcomeUnknown,
    /// No such number.
    InvalidRecipient,
    /// The provider has no way to this number.
    Unroutable,
    /// The person asked for no more messages.
    OptedOut,
    /// The text is not allowed or too long.
    ContentRejected,
    /// The sender name or number is not allowed.
    SenderRejected,
    /// The account may not send to this country.
    RegionBlocked,
    /// A trial account may not send to this number.
    TrialRestricted,
    /// Wrong credentials.
    AuthFailed,
    /// The account may not send any more.
    AccountSuspended,
    /// Out of credit or quota.
    InsufficientFunds,
    /// The request makes no sense to the provider: a wrong setting.
    Misconfigured,
    /// The plugin cannot do what was asked.
    Unsupported,
    /// None of these; the detail says more.
    Unknown,
}

impl Reason {
    /// As the interface spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Throttled => "throttled",
            Reason::RecipientThrottled => "recipient-throttled",
            Reason::ProviderDown => "provider-down",
            Reason::OutcomeUnknown => "outcome-unknown",
            Reason::InvalidRecipient => "invalid-recipient",
            Reason::Unroutable => "unroutable",
            Reason::OptedOut => "opted-out",
            Reason::ContentRejected => "content-rejected",
            Reason::SenderRejected => "sender-rejected",
            Reason::RegionBlocked => "region-blocked",
            Reason::TrialRestricted => "trial-restricted",
            Reason::AuthFailed => "auth-failed",
            Reason::AccountSuspended => "account-suspended",
            Reason::InsufficientFunds => "insufficient-funds",
            Reason::Misconfigured => "misconfigured",
            Reason::Unsupported => "unsupported",
            Reason::Unknown => "unknown",
        }
    }

    /// The reason the interface spells so; any other word is `Unknown`.
    pub fn from_name(name: &str) -> Reason {
        const ALL: [Reason; 16] = [
            Reason::Throttled,
            Reason::RecipientThrottled,
            Reason::ProviderDown,
            Reason::OutcomeUnknown,
            Reason::InvalidRecipient,
            Reason::Unroutable,
            Reason::OptedOut,
            Reason::ContentRejected,
            Reason::SenderRejected,
            Reason::RegionBlocked,
            Reason::TrialRestricted,
            Reason::AuthFailed,
            Reason::AccountSuspended,
            Reason::InsufficientFunds,
            Reason::Misconfigured,
            Reason::Unsupported,
        ];
        ALL.into_iter()
            .find(|reason| reason.as_str() == name)
            .unwrap_or(Reason::Unknown)
    }
}

/// The provider took the message; its own id of it, if it gave one.
pub fn accepted(id: Option<impl Into<String>>) -> Verdict {
    Verdict::Accepted(Receipt {
        id: id.map(Into::into).filter(|id| !id.is_empty()),
        ..Receipt::default()
    })
}

/// The provider did not take the message; `detail` is its code and words, for the operator's log.
pub fn refused(reason: Reason, detail: impl Into<String>) -> Verdict {
    let mut detail = detail.into();
    if detail.len() > DETAIL_BYTES_MAX {
        let end = (0..=DETAIL_BYTES_MAX)
            .rev()
            .find(|end| detail.is_char_boundary(*end))
            .unwrap_or(0);
        detail.truncate(end);
    }
    Verdict::Refused(Refusal {
        reason,
        retry_after: None,
        detail,
        extra: Vec::new(),
    })
}

impl Verdict {
    /// With the number of segments the provider counted.
    pub fn parts(mut self, count: Option<u32>) -> Verdict {
        if let Verdict::Accepted(receipt) = &mut self {
            receipt.parts = count;
        }
        self
    }

    /// With the price, and its currency.
    pub fn price(mut self, price: Option<String>, currency: Option<String>) -> Verdict {
        if let Verdict::Accepted(receipt) = &mut self
            && price.is_some()
        {
            receipt.price = price;
            receipt.currency = currency;
        }
        self
    }

    /// With the seconds to wait.
    pub fn retry_after(mut self, seconds: Option<u32>) -> Verdict {
        if let Verdict::Refused(refusal) = &mut self {
            refusal.retry_after = seconds;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let Verdict::Refused(refusal) = refused(Reason::Unknown, format!("a{}", "é".repeat(400)))
        else {
            panic!("a refusal is a refusal");
        };
        assert_eq!(refusal.detail.len(), 511);
    }

    #[test]
    fn every_reason_is_read_back_from_its_name() {
        for name in [
            "throttled",
            "outcome-unknown",
            "misconfigured",
            "unsupported",
        ] {
            assert_eq!(Reason::from_name(name).as_str(), name);
        }
        assert_eq!(Reason::from_name("weather"), Reason::Unknown);
    }
}
