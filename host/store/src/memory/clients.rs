//! API clients.

use super::Memory;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Added, ApiClient, ApiClients};

#[async_trait]
impl ApiClients for Memory {
    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<ApiClient>, StoreError> {
        Ok(self.tables().clients.get(token_sha256).cloned())
    }

    async fn add(&self, client: &ApiClient, token_sha256: &[u8; 32]) -> Result<Added, StoreError> {
        let mut tables = self.tables();
        let mut known = tables.clients.values();
        if known.any(|known| known.tenant == client.tenant && known.name == client.name) {
            return Ok(Added::NameTaken);
        }
        if tables.clients.contains_key(token_sha256) {
            return Err(StoreError::new("the client's token is taken"));
        }
        tables.clients.insert(*token_sha256, client.clone());
        Ok(Added::Added)
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<ApiClient>, StoreError> {
        let tables = self.tables();
        let own = tables.clients.values().filter(|c| c.tenant == *tenant);
        let mut clients: Vec<_> = own.cloned().collect();
        clients.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(clients)
    }

    async fn revoke(&self, tenant: &TenantId, name: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let before = tables.clients.len();
        tables
            .clients
            .retain(|_, client| client.tenant != *tenant || client.name != name);
        Ok(tables.clients.len() < before)
    }
}
