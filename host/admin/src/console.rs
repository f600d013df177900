//! An open console: a session of its own, apart from those of the public pages. A stolen cookie of
//! either opens nothing at the other.

use crate::documents::{Document, Key, Kind, Put, written};
use crate::{Actor, AdminError, Administration, Proof, Role};
use postern_login::TenantId;
use postern_login::audit::What;
use postern_login::begin::ClientFacts;
use postern_login::login::{FirstFactor, SecondFactor};
use postern_login::session::{Session, SessionId};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A working day.
pub const OPEN_FOR: Duration = Duration::from_secs(8 * 3600);
/// A console that nobody uses closes.
pub const IDLE_FOR: Duration = Duration::from_secs(30 * 60);
/// Use is written down this often at most.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// An open console, found by the secret in its cookie.
#[derive(Debug, Clone)]
pub struct Console {
    pub id: SessionId,
    pub actor: Actor,
    pub tenant: TenantId,
    pub opened_at: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    account: String,
    /// Both factors were proven then.
    opened_at: Timestamp,
    expires_at: Timestamp,
    seen_at: Timestamp,
}

/// Why a login opens no console. Outwardly one sentence for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// The account administers nothing.
    NoAdministrator,
    /// One factor was enough for the public pages; here it is not.
    OneFactor,
}

impl Administration {
    /// A login was finished: `session` says who, and by which factors. It is the caller's to close.
    pub async fn open_console(
        &self,
        session: &Session,
        client: &ClientFacts,
    ) -> Result<Result<Console, Barred>, AdminError> {
        let both = match (&session.first, &session.second) {
            (
                FirstFactor::Password | FirstFactor::Federated { .. },
                SecondFactor::Sms { .. } | SecondFactor::BackupCode,
            ) => true,
            (FirstFactor::Client { .. }, _) | (_, SecondFactor::NotNeeded(_)) => false,
        };
        if !session.has_local_account || !both {
            return Ok(Err(Barred::OneFactor));
        }
        match self.role_of(&session.tenant, &session.account).await? {
            None => Ok(Err(Barred::NoAdministrator)),
            Some(role) => Ok(Ok(self
                .open(&session.tenant, &session.account, role, client)
                .await?)),
        }
    }

    /// For somebody whose two factors were proven a moment ago.
    pub async fn open(
        &self,
        tenant: &TenantId,
        account: &str,
        role: Role,
        client: &ClientFacts,
    ) -> Result<Console, AdminError> {
        self.sweep_consoles(tenant).await?;
        let now = self.now();
        let id = SessionId::from_entropy(&self.random()?);
        let kept = Kept {
            account: account.to_owned(),
            opened_at: now,
            expires_at: now.plus(OPEN_FOR),
            seen_at: now,
        };
        let actor = actor(&kept, role, client);
        // Known before it can be used.
        let opened = What::ConsoleOpened {
            role: role.as_str().to_owned(),
        };
        self.record(&actor, tenant, opened).await?;
        let put = self
            .ports
            .documents
            .put(&key(tenant, &id), None, &written(&kept)?, now)
            .await?;
        match put {
            Put::Written { .. } => Ok(Console {
                id,
                actor,
                tenant: tenant.clone(),
                opened_at: now,
            }),
            Put::Lost => Err(AdminError::Changed {
                name: "the console".to_owned(),
            }),
        }
    }

    /// The console of a cookie, if it is open and its account still administers and is not locked.
    pub async fn console(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        client: &ClientFacts,
    ) -> Result<Option<Console>, AdminError> {
        let Some(document) = self.ports.documents.get(&key(tenant, id)).await? else {
            return Ok(None);
        };
        let kept: Kept = document.read()?;
        if self.is_over(&kept) {
            return Ok(None);
        }
        let Some(role) = self.role_of(tenant, &kept.account).await? else {
            return Ok(None);
        };
        let account = self.ports.accounts.get(tenant, &kept.account).await?;
        if account.is_none_or(|account| account.locked) {
            return Ok(None);
        }
        self.seen(&document, &kept).await?;
        Ok(Some(Console {
            id: id.clone(),
            actor: actor(&kept, role, client),
            tenant: tenant.clone(),
            opened_at: kept.opened_at,
        }))
    }

    pub async fn close_console(&self, console: &Console) -> Result<(), AdminError> {
        let document = self
            .ports
            .documents
            .get(&key(&console.tenant, &console.id))
            .await?;
        if let Some(document) = document {
            self.remove(&document).await?;
            self.record(&console.actor, &console.tenant, What::ConsoleClosed)
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn close_consoles_of(
        &self,
        tenant: &TenantId,
        account: &str,
    ) -> Result<u64, AdminError> {
        let mut closed = 0;
        for document in self.ports.documents.list(tenant, Kind::Console).await? {
            let kept: Kept = document.read()?;
            if kept.account == account {
                closed += u64::from(self.remove(&document).await?);
            }
        }
        Ok(closed)
    }

    async fn sweep_consoles(&self, tenant: &TenantId) -> Result<(), AdminError> {
        for document in self.ports.documents.list(tenant, Kind::Console).await? {
            if self.is_over(&document.read()?) {
                self.remove(&document).await?;
            }
        }
        Ok(())
    }

    /// A console that is written to by itself (it was used) is removed all the same.
    async fn remove(&self, document: &Document) -> Result<bool, AdminError> {
        let documents = &self.ports.documents;
        let mut version = document.version;
        loop {
            if documents.remove(&document.key, version).await? {
                return Ok(true);
            }
            match documents.get(&document.key).await? {
                Some(again) => version = again.version,
                None => return Ok(false),
            }
        }
    }

    fn is_over(&self, kept: &Kept) -> bool {
        let now = self.now();
        now >= kept.expires_at || now >= kept.seen_at.plus(IDLE_FOR)
    }

    async fn seen(&self, document: &Document, kept: &Kept) -> Result<(), AdminError> {
        let now = self.now();
        if now < kept.seen_at.plus(SEEN_EVERY) {
            return Ok(());
        }
        let kept = Kept {
            seen_at: now,
            ..kept.clone()
        };
        // Of two tabs one writes it; both are served.
        let _put = self
            .ports
            .documents
            .put(&document.key, Some(document.version), &written(&kept)?, now)
            .await?;
        Ok(())
    }
}

fn actor(kept: &Kept, role: Role, client: &ClientFacts) -> Actor {
    Actor {
        who: kept.account.clone(),
        role,
        address: Some(client.address.clone()),
        proof: Proof::TwoFactors { at: kept.opened_at },
    }
}

/// Stores see a hash of the cookie only.
fn key(tenant: &TenantId, id: &SessionId) -> Key {
    Key {
        tenant: tenant.clone(),
        kind: Kind::Console,
        name: hex::encode(Sha256::digest(id.as_str().as_bytes())),
    }
}
