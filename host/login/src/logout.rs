//! A session ends, on the server.

use crate::audit::{AuditEvent, What};
use crate::session::{Session, SessionId};
use crate::{LoginError, Logins};

impl Logins {
    /// Another tenant's is none.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, LoginError> {
        let sessions = &self.ports.sessions;
        Ok(sessions.find(&self.tenant, id, self.now()).await?)
    }

    /// Nothing to do, and no error, if it has ended already.
    pub async fn logout(&self, id: &SessionId) -> Result<(), LoginError> {
        let now = self.now();
        let Some(session) = self.session(id).await? else {
            return Ok(());
        };
        self.ports.sessions.close(&self.tenant, id).await?;
        let closed = AuditEvent {
            at: now,
            tenant: session.tenant,
            login: None,
            who: Some(session.account),
            address: None,
            what: What::SessionClosed,
        };
        Ok(self.ports.audit.record(closed).await?)
    }
}
