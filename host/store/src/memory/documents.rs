//! Documents.

use super::Memory;
use async_trait::async_trait;
use postern_admin::documents::{BODY_BYTES_MAX, Document, Documents, Key, Kind, Put};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;

#[async_trait]
impl Documents for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Document>, StoreError> {
        Ok(self.tables().documents.get(key).cloned())
    }

    async fn list(&self, tenant: &TenantId, kind: Kind) -> Result<Vec<Document>, StoreError> {
        let tables = self.tables();
        let all = tables.documents.values();
        Ok(all
            .filter(|document| document.key.tenant == *tenant && document.key.kind == kind)
            .cloned()
            .collect())
    }

    async fn put(
        &self,
        key: &Key,
        seen: Option<u64>,
        body: &str,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(StoreError::new(format!(
                "a document of {} bytes is larger than {BODY_BYTES_MAX}",
                body.len()
            )));
        }
        let mut tables = self.tables();
        let known = tables.documents.get(key).map(|known| known.version);
        if known != seen {
            return Ok(Put::Lost);
        }
        let version = seen.unwrap_or(0) + 1;
        let document = Document {
            key: key.clone(),
            version,
            changed_at: now,
            body: body.to_owned(),
        };
        tables.documents.insert(key.clone(), document);
        Ok(Put::Written { version })
    }

    async fn remove(&self, key: &Key, seen: u64) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let known = tables.documents.get(key).map(|known| known.version);
        if known != Some(seen) {
            return Ok(false);
        }
        tables.documents.remove(key);
        Ok(true)
    }
}
