//! Who we federate with, as the configuration file says now.

use async_trait::async_trait;
use postern_federation::ports::{Peers, PortError};
use postern_federation::relying_party::FirstStep;
use postern_federation::{Entries, IdentityProvider, RelyingParty};
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub struct FilePeers {
    entries: RwLock<Arc<Entries>>,
}

impl FilePeers {
    pub fn new(entries: Entries) -> Self {
        Self {
            entries: RwLock::new(Arc::new(entries)),
        }
    }

    /// Whole: nobody sees half of two configurations.
    pub fn replace(&self, entries: Entries) {
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
    }

    fn now(&self) -> Arc<Entries> {
        let entries = self.entries.read();
        entries.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Peers for FilePeers {
    async fn identity_providers(
        &self,
        tenant: &str,
    ) -> Result<Vec<Arc<IdentityProvider>>, PortError> {
        self.now().identity_providers(tenant).await
    }

    async fn relying_parties(&self, tenant: &str) -> Result<Vec<Arc<RelyingParty>>, PortError> {
        self.now().relying_parties(tenant).await
    }

    async fn own_sign_in(&self, tenant: &str) -> Result<FirstStep, PortError> {
        self.now().own_sign_in(tenant).await
    }
}
