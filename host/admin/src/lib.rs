//! What an administrator does, and the ports it takes.
//!
//! Owns: who may do what and how fresh a sign-in it takes, that every act is in the audit log before
//! it is done, that nothing is deleted while something refers to it. The console's pages, the admin
//! API and the command line call the same acts, by the same names.
//! Never: knows HTTP, SQL or wasm.

pub mod act;
pub mod actor;
pub mod administrators;
pub mod audit;
pub mod clients;
pub mod console;
pub mod definitions;
pub mod documents;
pub mod error;
pub mod form;
pub mod invitations;
pub mod outbox;
pub mod password;
pub mod plugins;
pub mod ports;
pub mod provisioning;
pub mod resident;
pub mod senders;
pub mod tenants;
pub mod users;

pub use act::Act;
pub use actor::{Actor, Proof, Role};
pub use documents::{Document, Documents};
pub use error::AdminError;
pub use password::Password;
pub use ports::Ports;

use postern_login::audit::{AuditEvent, What};
use postern_login::error::StoreError;
use postern_login::{LoginId, TenantId};
use postern_otp::Timestamp;
use std::sync::Arc;

/// The use cases of administration. Cheap to clone.
#[derive(Clone)]
pub struct Administration {
    pub(crate) ports: Arc<Ports>,
}

impl std::fmt::Debug for Administration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Administration")
    }
}

impl Administration {
    pub fn new(ports: Arc<Ports>) -> Self {
        Self { ports }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.ports.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// 256 random bits as text.
    pub(crate) fn fresh_secret(&self) -> Result<String, StoreError> {
        Ok(LoginId::from_entropy(&self.random()?).as_str().to_owned())
    }

    /// Whether this act is this actor's to do. A refusal is in the audit log; reading is not written
    /// down, or looking at the log would make it grow.
    pub async fn allow(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        act: Act,
        on: Option<&str>,
    ) -> Result<(), AdminError> {
        let Err(denied) = actor.may(act, self.now()) else {
            return Ok(());
        };
        let refused = What::AdministrationRefused {
            act: act.name.to_owned(),
            on: on.map(str::to_owned),
            role: actor.role.as_str().to_owned(),
            why: denied.word().to_owned(),
        };
        self.record(actor, tenant, refused).await?;
        Err(denied.into())
    }

    /// Writes down that the act is about to be done. If that fails, it is not done (attack L-05).
    pub(crate) async fn announce(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        act: Act,
        on: Option<&str>,
        details: Vec<String>,
    ) -> Result<(), AdminError> {
        let what = What::Administered {
            act: act.name.to_owned(),
            on: on.map(str::to_owned),
            role: actor.role.as_str().to_owned(),
            details,
        };
        Ok(self.record(actor, tenant, what).await?)
    }

    /// The outcome of an announced act: if it came to nothing, that is written down too.
    pub(crate) async fn conclude<T>(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        act: Act,
        on: Option<&str>,
        outcome: Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        if let Err(error) = &outcome {
            let failed = What::AdministrationFailed {
                act: act.name.to_owned(),
                on: on.map(str::to_owned),
                why: error.word().to_owned(),
            };
            self.record(actor, tenant, failed).await?;
        }
        outcome
    }

    pub(crate) async fn record(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        what: What,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            at: self.now(),
            tenant: tenant.clone(),
            login: None,
            who: Some(actor.who.clone()),
            address: actor.address.clone(),
            what,
        };
        self.ports.audit.record(event).await
    }
}
