//! Pages of the operator's own, in place of ours.

use serde::{Deserialize, Serialize};

/// Addresses as they were configured: absolute ones are used as they stand, relative ones are below
/// the public address. `None`: our page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPages {
    /// `SMSOTPAuthenticationEndpointURL`
    pub code: Option<String>,
    /// `SMSOTPAuthenticationEndpointErrorPage`
    pub error: Option<String>,
    /// `MobileNumberRegPage`
    pub number: Option<String>,
}
