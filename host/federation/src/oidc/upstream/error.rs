//! Why a trip to an identity provider ended without a person, by whose fault it is.

use crate::ports::PortError;

/// For the log, whole; outward there are two fixed sentences, by `Fault`.
#[derive(Debug, thiserror::Error)]
#[error("identity provider `{provider}`: {detail}")]
pub struct TripError {
    pub provider: String,
    pub fault: Fault,
    pub detail: String,
    #[source]
    pub source: Option<PortError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The person said no there, or the provider does not vouch for them.
    Refused,
    /// It could not be reached, or does not keep to the protocol.
    Provider,
    /// Somebody else's hand: an answer that does not belong to this trip.
    Forged,
    /// Ours: the store, or the configuration.
    Host,
}

impl TripError {
    pub(super) fn new(provider: &str, fault: Fault, detail: impl Into<String>) -> Self {
        Self {
            provider: provider.to_owned(),
            fault,
            detail: detail.into(),
            source: None,
        }
    }

    pub(super) fn caused(
        provider: &str,
        fault: Fault,
        detail: impl Into<String>,
        source: PortError,
    ) -> Self {
        Self {
            source: Some(source),
            ..Self::new(provider, fault, detail)
        }
    }
}
