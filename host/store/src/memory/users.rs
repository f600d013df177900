//! Users, their claims and their links.

use super::{Memory, Tables};
use crate::directory::users::{Change, User, Users};
use async_trait::async_trait;
use postern_admin::definitions::Links;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{Association, FirstNumber};

/// Tenant, domain and key of a user: in the order of a list.
pub(super) type Whose = (String, String, String);
/// Tenant, identity provider and subject of a link.
pub(super) type Link = (String, String, String);

#[async_trait]
impl Users for Memory {
    async fn user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<Option<User>, StoreError> {
        Ok(self
            .tables()
            .users
            .get(&whose(tenant, domain, key))
            .cloned())
    }

    async fn create_user(&self, user: &User) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let taken = tables.users.values().any(|other| {
            other.tenant == user.tenant
                && other.domain == user.domain
                && (other.key == user.key || other.looks == user.looks)
        });
        if !taken {
            let mut user = user.clone();
            user.claims.sort();
            let whose = whose(&user.tenant, &user.domain, &user.key);
            tables.users.insert(whose, user);
        }
        Ok(!taken)
    }

    async fn change_user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        change: &Change,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(user) = tables.users.get_mut(&whose(tenant, domain, key)) else {
            return Ok(false);
        };
        let Change {
            display_name,
            number,
            opted_out,
            locked,
            password,
            claims,
        } = change.clone();
        if display_name.is_some() {
            user.display_name = display_name;
        }
        if let Some(number) = number {
            user.had_factor |= number.is_some();
            user.number = number;
        }
        user.opted_out = opted_out.unwrap_or(user.opted_out);
        user.locked = locked.unwrap_or(user.locked);
        if password.is_some() {
            user.password = password;
        }
        for (uri, value) in claims {
            user.claims.retain(|(known, _)| *known != uri);
            if !value.is_empty() {
                user.claims.push((uri, value));
            }
        }
        user.claims.sort();
        Ok(true)
    }

    async fn save_first_number(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        number: &str,
    ) -> Result<Option<FirstNumber>, StoreError> {
        let mut tables = self.tables();
        let Some(user) = tables.users.get_mut(&whose(tenant, domain, key)) else {
            return Ok(None);
        };
        if user.number.as_deref() == Some(number) {
            return Ok(Some(FirstNumber::Known));
        }
        if user.had_factor || user.number.is_some() {
            return Ok(Some(FirstNumber::Taken));
        }
        user.number = Some(number.to_owned());
        user.had_factor = true;
        Ok(Some(FirstNumber::Saved))
    }

    async fn unmark_factor(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables();
        if let Some(user) = tables.users.get_mut(&whose(tenant, domain, key))
            && user.number.is_none()
        {
            user.had_factor = false;
        }
        Ok(())
    }

    async fn replace_password(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        seen: &str,
        new: &str,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        match tables.users.get_mut(&whose(tenant, domain, key)) {
            Some(user) if user.password.as_deref() == Some(seen) => {
                user.password = Some(new.to_owned());
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn take_claim(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        uri: &str,
        seen: &str,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(user) = tables.users.get_mut(&whose(tenant, domain, key)) else {
            return Ok(false);
        };
        let before = user.claims.len();
        user.claims
            .retain(|(known, value)| known != uri || value != seen);
        Ok(user.claims.len() < before)
    }

    async fn delete_user(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let whose = whose(tenant, domain, key);
        tables.links.retain(|_, owner| *owner != whose);
        Ok(tables.users.remove(&whose).is_some())
    }

    async fn users(
        &self,
        tenant: &TenantId,
        domain: &str,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<User>, StoreError> {
        // No key is empty, so all come after the empty one.
        let from = from.unwrap_or_default();
        Ok(self
            .tables()
            .users
            .range(whose(tenant, domain, from)..)
            .map(|(_, user)| user)
            .take_while(|user| user.tenant == *tenant && user.domain == domain)
            .filter(|user| user.key != from)
            .take(rows_max as usize)
            .cloned()
            .collect())
    }

    async fn link(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let whose = whose(tenant, domain, key);
        let link = link(tenant, identity_provider, subject);
        if !tables.users.contains_key(&whose) || tables.links.contains_key(&link) {
            return Ok(false);
        }
        tables.links.insert(link, whose);
        Ok(true)
    }

    async fn linked(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
        subject: &str,
    ) -> Result<Option<User>, StoreError> {
        let tables = self.tables();
        let owner = tables.links.get(&link(tenant, identity_provider, subject));
        Ok(owner.and_then(|owner| tables.users.get(owner)).cloned())
    }

    async fn links(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
    ) -> Result<Vec<Association>, StoreError> {
        let whose = whose(tenant, domain, key);
        Ok(self
            .tables()
            .links
            .iter()
            .filter(|(_, owner)| **owner == whose)
            .map(|((_, identity_provider, subject), _)| Association {
                identity_provider: identity_provider.clone(),
                subject: subject.clone(),
            })
            .collect())
    }

    async fn unlink(
        &self,
        tenant: &TenantId,
        domain: &str,
        key: &str,
        identity_provider: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let link = link(tenant, identity_provider, subject);
        if tables.links.get(&link) != Some(&whose(tenant, domain, key)) {
            return Ok(false);
        }
        tables.links.remove(&link);
        Ok(true)
    }
}

#[async_trait]
impl Links for Memory {
    async fn forget_provider(
        &self,
        tenant: &TenantId,
        identity_provider: &str,
    ) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let before = tables.links.len();
        tables
            .links
            .retain(|(of, provider, _), _| of != tenant.as_str() || provider != identity_provider);
        Ok((before - tables.links.len()) as u64)
    }
}

fn whose(tenant: &TenantId, domain: &str, key: &str) -> Whose {
    (
        tenant.as_str().to_owned(),
        domain.to_owned(),
        key.to_owned(),
    )
}

fn link(tenant: &TenantId, identity_provider: &str, subject: &str) -> Link {
    whose(tenant, identity_provider, subject)
}

/// With their links.
pub(super) fn remove_all_of(tables: &mut Tables, tenant: &TenantId) -> u64 {
    let before = tables.users.len() + tables.links.len();
    let own = |of: &str| of == tenant.as_str();
    tables.users.retain(|(of, _, _), _| !own(of));
    tables.links.retain(|(of, _, _), _| !own(of));
    (before - tables.users.len() - tables.links.len()) as u64
}
