//! Who administers: accounts of the host's own users with a role. The role is kept beside the
//! accounts, sealed by the store, so that nobody who may change an account makes an administrator.

use crate::documents::{Document, Key, Kind, Put, written};
use crate::{Actor, AdminError, Administration, Role, act};
use postern_login::TenantId;
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrator {
    pub account: String,
    pub role: Role,
    /// Who made them one.
    pub by: String,
    pub since: Timestamp,
}

const WHAT: &str = "administrator";

impl Administration {
    pub async fn admin_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<Administrator>, AdminError> {
        self.allow(actor, tenant, act::ADMIN_LIST, None).await?;
        self.administrators(tenant).await
    }

    /// An account that exists administers from now on, with the factors it has: for whoever has the
    /// machine and no sender that works. The console still asks for both factors, of which a backup
    /// code is one.
    pub async fn admin_appoint(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        account: &str,
        role: Role,
    ) -> Result<(), AdminError> {
        let act = act::ADMIN_APPOINT;
        self.allow(actor, tenant, act, Some(account)).await?;
        let account = self.account(tenant, account).await?;
        let details = vec![role.as_str().to_owned()];
        self.announce(actor, tenant, act, Some(&account.name), details)
            .await?;
        let administrator = Administrator {
            account: account.name.clone(),
            role,
            by: actor.who.clone(),
            since: self.now(),
        };
        let outcome = self.make_administrator(tenant, &administrator).await;
        self.conclude(actor, tenant, act, Some(&account.name), outcome)
            .await
    }

    /// Another role for somebody who has one.
    pub async fn admin_role(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        account: &str,
        role: Role,
    ) -> Result<(), AdminError> {
        let act = act::ADMIN_ROLE;
        self.allow(actor, tenant, act, Some(account)).await?;
        let (document, known) = self.administrator(tenant, account).await?;
        if role == Role::Auditor {
            self.keep_one(tenant, &known).await?;
        }
        self.announce(
            actor,
            tenant,
            act,
            Some(account),
            vec![role.as_str().to_owned()],
        )
        .await?;
        let next = Administrator { role, ..known };
        let outcome = self
            .write_administrator(&document.key, Some(document.version), &next)
            .await;
        self.conclude(actor, tenant, act, Some(account), outcome)
            .await?;
        // The new role holds for what is open, too; but nobody works on with the page of the old one.
        self.close_consoles_of(tenant, account).await?;
        Ok(())
    }

    /// The account stays; it administers no more, at once.
    pub async fn admin_remove(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        account: &str,
    ) -> Result<(), AdminError> {
        let act = act::ADMIN_REMOVE;
        self.allow(actor, tenant, act, Some(account)).await?;
        let (document, known) = self.administrator(tenant, account).await?;
        self.keep_one(tenant, &known).await?;
        self.announce(actor, tenant, act, Some(account), Vec::new())
            .await?;
        let removed = self
            .ports
            .documents
            .remove(&document.key, document.version)
            .await;
        let outcome = match removed {
            Ok(true) => Ok(()),
            Ok(false) => Err(AdminError::Changed {
                name: account.to_owned(),
            }),
            Err(error) => Err(error.into()),
        };
        self.conclude(actor, tenant, act, Some(account), outcome)
            .await?;
        self.close_consoles_of(tenant, account).await?;
        Ok(())
    }

    /// The role of an account, if it administers.
    pub(crate) async fn role_of(
        &self,
        tenant: &TenantId,
        account: &str,
    ) -> Result<Option<Role>, AdminError> {
        let document = self.ports.documents.get(&key(tenant, account)).await?;
        Ok(match document {
            Some(document) => Some(document.read::<Administrator>()?.role),
            None => None,
        })
    }

    /// The role that a name still has whose account is gone. The account is not there to be asked how
    /// its name is spelled, so any spelling counts.
    pub(crate) async fn role_left_for(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<Role>, AdminError> {
        let bare = |name: &str| {
            let lower = name.trim_matches(' ').to_lowercase();
            lower
                .strip_prefix("primary/")
                .map_or(lower.clone(), str::to_owned)
        };
        let wanted = bare(name);
        for left in self.administrators(tenant).await? {
            // One whose account is there is refused as a name that is taken.
            if bare(&left.account) != wanted {
                continue;
            }
            let there = self.ports.directory.find(tenant, &left.account).await?;
            if there.is_none_or(|there| there.name != left.account) {
                return Ok(Some(left.role));
            }
        }
        Ok(None)
    }

    pub(crate) async fn make_administrator(
        &self,
        tenant: &TenantId,
        administrator: &Administrator,
    ) -> Result<(), AdminError> {
        let key = key(tenant, &administrator.account);
        let seen = self.ports.documents.get(&key).await?;
        self.write_administrator(&key, seen.map(|seen| seen.version), administrator)
            .await
    }

    async fn write_administrator(
        &self,
        key: &Key,
        seen: Option<u64>,
        administrator: &Administrator,
    ) -> Result<(), AdminError> {
        let body = written(administrator)?;
        match self
            .ports
            .documents
            .put(key, seen, &body, self.now())
            .await?
        {
            Put::Written { .. } => Ok(()),
            Put::Lost => Err(AdminError::Changed {
                name: administrator.account.clone(),
            }),
        }
    }

    async fn administrators(&self, tenant: &TenantId) -> Result<Vec<Administrator>, AdminError> {
        let documents = self
            .ports
            .documents
            .list(tenant, Kind::Administrator)
            .await?;
        documents
            .iter()
            .map(|document| Ok(document.read()?))
            .collect()
    }

    async fn administrator(
        &self,
        tenant: &TenantId,
        account: &str,
    ) -> Result<(Document, Administrator), AdminError> {
        let document = self.ports.documents.get(&key(tenant, account)).await?;
        let document = document.ok_or_else(|| AdminError::NotFound {
            what: WHAT,
            name: account.to_owned(),
        })?;
        let administrator = document.read()?;
        Ok((document, administrator))
    }

    /// A console that nobody may use any more is mended on the command line only: not by accident.
    async fn keep_one(&self, tenant: &TenantId, leaving: &Administrator) -> Result<(), AdminError> {
        if leaving.role != Role::Administrator {
            return Ok(());
        }
        let others = self.administrators(tenant).await?;
        let another = others
            .iter()
            .any(|other| other.role == Role::Administrator && other.account != leaving.account);
        if another {
            Ok(())
        } else {
            Err(AdminError::Invalid(format!(
                "`{}` is the last administrator: invite another one first",
                leaving.account
            )))
        }
    }
}

fn key(tenant: &TenantId, account: &str) -> Key {
    Key {
        tenant: tenant.clone(),
        kind: Kind::Administrator,
        name: account.to_owned(),
    }
}
