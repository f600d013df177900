//! Logins in progress.

use super::{LoginRow, Memory, remove_over};
use crate::digest;
use async_trait::async_trait;
use postern_login::error::StoreError;
use postern_login::ports::{AccountRef, Advanced, Closings, LoginStore};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::Timestamp;

#[async_trait]
impl LoginStore for Memory {
    async fn insert(&self, login: &Login) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let id = digest::of(login.id.as_str());
        if tables.logins.contains_key(&id) {
            return Err(StoreError::new("the login's id is taken"));
        }
        tables.logins.insert(
            id,
            LoginRow {
                login: login.clone(),
                attempts: 0,
            },
        );
        Ok(())
    }

    async fn load(
        &self,
        tenant: &TenantId,
        id: &LoginId,
        now: Timestamp,
    ) -> Result<Option<Login>, StoreError> {
        Ok(self
            .tables()
            .logins
            .get(&digest::of(id.as_str()))
            .filter(|row| row.login.tenant == *tenant && now < row.login.expires_at)
            .map(|row| row.login.clone()))
    }

    async fn advance_as(
        &self,
        seen: &Login,
        next: State,
        id: LoginId,
        since: Option<Closings>,
    ) -> Result<Advanced, StoreError> {
        let mut tables = self.tables();
        let old = digest::of(seen.id.as_str());
        let new = digest::of(id.as_str());
        let current = tables.logins.get(&old).map(|row| row.login.version);
        if current != Some(seen.version) {
            return Ok(Advanced::Lost);
        }
        if let (Some(since), Some(account)) = (since, next.open_for())
            && tables.closed.since(since, named(&seen.tenant, account))
        {
            return Ok(Advanced::Lost);
        }
        if new != old && tables.logins.contains_key(&new) {
            return Err(StoreError::new("the login's id is taken"));
        }
        let login = Login {
            id,
            version: seen.version + 1,
            state: next,
            ..seen.clone()
        };
        if let Some(mut row) = tables.logins.remove(&old) {
            row.login = login.clone();
            tables.logins.insert(new, row);
        }
        Ok(Advanced::Won(login))
    }

    fn closings(&self) -> Closings {
        self.tables().closed.ever()
    }

    async fn take(&self, seen: &Login) -> Result<Option<Login>, StoreError> {
        let mut tables = self.tables();
        let id = digest::of(seen.id.as_str());
        Ok(match tables.logins.get(&id) {
            Some(row) if row.login.version == seen.version => {
                tables.logins.remove(&id).map(|row| row.login)
            }
            _ => None,
        })
    }

    async fn close_logins_of(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        except: Option<&LoginId>,
    ) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        tables.closed.note(named(tenant, account));
        let mut closed = 0;
        for LoginRow { login, .. } in tables.logins.values_mut() {
            if login.is_open_for(tenant, account) && Some(&login.id) != except {
                login.state = State::closed();
                login.version += 1;
                closed += 1;
            }
        }
        Ok(closed)
    }

    async fn remove_expired(&self, now: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        Ok(remove_over(&mut self.tables().logins, rows_max, |row| {
            row.login.expires_at <= now
        }))
    }
}

fn named(tenant: &TenantId, account: &AccountRef) -> i64 {
    digest::of_account(tenant.as_str(), &account.name)
}
