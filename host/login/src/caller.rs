//! Who acts, as far as limits and the audit log want to know it.

use crate::begin::ClientFacts;

/// Of a browser both are known; of a person behind an API client the address, if the client says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) address: Option<String>,
    pub(crate) user_agent: Option<String>,
}

impl Caller {
    pub(crate) fn at(address: Option<String>) -> Self {
        Self {
            address,
            user_agent: None,
        }
    }

    pub(crate) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

impl From<&ClientFacts> for Caller {
    fn from(client: &ClientFacts) -> Self {
        Self {
            address: Some(client.address.clone()),
            user_agent: Some(client.user_agent.clone()),
        }
    }
}
