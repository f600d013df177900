//! Whether this host can do its work now.

use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::ports::{Clock, Counters, Senders, SettingsSource};
use postern_web::{Readiness, Ready};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any healthy store takes.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct HostReadiness {
    pub(crate) tenant: TenantId,
    pub(crate) counters: Arc<dyn Counters>,
    pub(crate) senders: Arc<dyn Senders>,
    pub(crate) settings: Arc<dyn SettingsSource>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Readiness for HostReadiness {
    async fn check(&self) -> Ready {
        // A sweep of one row goes through the one writer, and costs the disk nothing: anybody may ask for it.
        let write = self.counters.remove_expired(self.clock.now(), 1);
        let store = matches!(tokio::time::timeout(PATIENCE, write).await, Ok(Ok(_)));
        let senders = match self.settings.of(&self.tenant).await {
            Ok(Some(settings)) => {
                let mut names = settings.factor.senders.iter();
                names.any(|name| self.senders.ready(&self.tenant, name))
            }
            _ => false,
        };
        Ready { store, senders }
    }
}
