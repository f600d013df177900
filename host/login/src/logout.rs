//! A session ends, on the server.

use crate::audit::{AuditEvent, What};
use crate::ports::Subject;
use crate::session::{Session, SessionId};
use crate::{LoginError, Logins, TenantId};

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

    /// By its name, for whoever has proven to take part in it. False if it had ended already.
    pub async fn logout_named(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        name: &str,
    ) -> Result<bool, LoginError> {
        if !self.ports.sessions.close_named(subject, name).await? {
            return Ok(false);
        }
        let who = match subject {
            Subject::Account { account, .. } => account,
            Subject::Federated { subject, .. } => subject,
            Subject::Number { number, .. } => number,
        };
        let closed = AuditEvent {
            at: self.now(),
            tenant: tenant.clone(),
            login: None,
            who: Some(who.clone()),
            address: None,
            what: What::SessionClosed,
        };
        self.ports.audit.record(closed).await?;
        Ok(true)
    }
}
