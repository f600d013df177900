//! What administration sees of the connectors and says of groups.

use super::Provisioning;
use async_trait::async_trait;
use postern_admin::provisioning::{ConnectorReport, Outgoing};
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::Version;
use postern_federation::scim::ports::What;
use postern_login::TenantId;

#[async_trait]
impl Outgoing for Provisioning {
    fn connectors(&self) -> Vec<ConnectorReport> {
        self.current()
            .iter()
            .map(|connector| ConnectorReport {
                name: connector.name.clone(),
                enabled: connector.enabled,
                identity_provider: connector.identity_provider.clone(),
                version: match connector.version {
                    Version::One => "1.1",
                    Version::Two => "2.0",
                }
                .to_owned(),
                user_endpoint: connector.user_endpoint.clone(),
                group_endpoint: connector.group_endpoint.clone(),
                user_store_domain: connector.user_store_domain.clone(),
                blocking: connector.blocking,
                waiting: 0,
            })
            .collect()
    }

    async fn group_begins(&self, tenant: &TenantId, id: &str) -> Result<Vec<u64>, PortError> {
        self.announce(tenant, What::Group, id).await
    }

    async fn group_ends(
        &self,
        tenant: &TenantId,
        begun: Vec<u64>,
        done: bool,
        gone: bool,
    ) -> Result<(), PortError> {
        if done {
            return self.finish(tenant, &begun, gone, None).await;
        }
        if begun.is_empty() {
            return Ok(());
        }
        let deliveries = &self.parts.deliveries;
        deliveries.withdraw(tenant.as_str(), &begun).await
    }

    fn wake(&self) {
        self.work.notify_one();
    }

    async fn forget(&self, tenant: &TenantId, connector: &str) -> Result<(), PortError> {
        let turns = self.turns_of(connector);
        let _turn = turns.telling.lock().await;
        let deliveries = &self.parts.deliveries;
        deliveries
            .forget_connector(tenant.as_str(), connector)
            .await
    }
}
