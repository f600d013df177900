//! Which application holds a token.

use crate::Logins;
use crate::error::StoreError;
use crate::ports::ApiClient;

impl Logins {
    /// By the SHA-256 of its token; `None` if it is nobody's, or was revoked.
    pub async fn client(&self, token_sha256: &[u8; 32]) -> Result<Option<ApiClient>, StoreError> {
        self.ports.clients.find(token_sha256).await
    }
}
