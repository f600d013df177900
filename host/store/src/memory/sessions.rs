//! Sessions.

use super::{Memory, remove_over};
use crate::digest;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{SessionStore, Subject};
use postern_login::session::{Session, SessionId};
use postern_otp::Timestamp;

#[async_trait]
impl SessionStore for Memory {
    async fn open(&self, session: &Session) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let id = digest::of(session.id.as_str());
        if tables.sessions.contains_key(&id) {
            return Err(StoreError::new("the session's id is taken"));
        }
        tables.sessions.insert(id, session.clone());
        Ok(())
    }

    async fn find(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        Ok(self
            .tables()
            .sessions
            .get(&digest::of(id.as_str()))
            .filter(|session| session.tenant == *tenant && now < session.expires_at)
            .cloned())
    }

    async fn close(&self, tenant: &TenantId, id: &SessionId) -> Result<(), StoreError> {
        let id = digest::of(id.as_str());
        let mut tables = self.tables();
        if tables
            .sessions
            .get(&id)
            .is_some_and(|session| session.tenant == *tenant)
        {
            tables.sessions.remove(&id);
        }
        Ok(())
    }

    async fn close_named(&self, subject: &Subject, name: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let before = tables.sessions.len();
        tables
            .sessions
            .retain(|_, session| session.subject() != *subject || session.name != name);
        Ok(tables.sessions.len() < before)
    }

    async fn all_of(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let mut sessions: Vec<_> = self
            .tables()
            .sessions
            .iter()
            .filter(|(_, session)| session.subject() == *subject && now < session.expires_at)
            .map(|(id, session)| Session {
                id: digest::listed(id),
                ..session.clone()
            })
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.authenticated_at));
        Ok(sessions)
    }

    async fn close_all_of(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
    ) -> Result<u64, StoreError> {
        let except = except.map(|id| digest::of(id.as_str()));
        let mut tables = self.tables();
        let before = tables.sessions.len();
        tables
            .sessions
            .retain(|id, session| session.subject() != *subject || except.as_ref() == Some(id));
        Ok((before - tables.sessions.len()) as u64)
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        Ok(remove_over(
            &mut self.tables().sessions,
            rows_max,
            |session| session.expires_at <= now,
        ))
    }
}
