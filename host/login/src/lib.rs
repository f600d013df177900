//! The order of a login, and the ports it needs.
//!
//! Owns: which step follows which, who must have proven what, what is counted and limited.
//! Never: knows HTTP, SQL, wasm, HTML or SAML.

pub mod account;
mod account_lock;
pub mod application;
pub mod audit;
pub mod backup_claim;
pub mod begin;
pub(crate) mod caller;
pub mod challenges;
pub mod claims;
pub mod clients;
pub mod conversion;
pub mod deliver;
pub mod error;
pub mod finish;
pub mod first_step;
pub mod login;
pub mod logout;
pub(crate) mod occasion;
pub mod pages;
pub mod ports;
pub mod provider_words;
pub mod relay;
pub mod resend;
pub mod resolve;
pub mod routing;
pub mod second_step;
pub mod session;
pub mod sign_on;
pub mod step;
pub mod submit;
pub mod tenant;
mod test_message;
pub mod text;
pub mod throttle;

pub use error::LoginError;
pub use login::{Login, LoginId, Origin, State};
pub use ports::Ports;
pub use step::Step;
pub use tenant::TenantId;

use application::Application;
use error::StoreError;
use ports::{Advanced, Settlement, TenantSettings};
use postern_otp::Timestamp;
use std::sync::Arc;

/// The use cases of a login, of one tenant: what belongs to another is not there. Cheap to clone.
#[derive(Clone)]
pub struct Logins {
    pub(crate) tenant: TenantId,
    pub(crate) ports: Arc<Ports>,
    /// Failure budgets known to be spent: asked before work is done, without a round trip.
    pub(crate) spent: Arc<throttle::Spent>,
    /// How many of the codes that went to a block of numbers came back.
    pub(crate) conversions: Arc<conversion::Conversions>,
}

impl Logins {
    /// The super tenant's; `of` gives another's.
    pub fn new(ports: Arc<Ports>) -> Self {
        Self {
            tenant: TenantId::super_tenant(),
            ports,
            spent: Arc::default(),
            conversions: Arc::default(),
        }
    }

    /// The same use cases for the logins, sessions and clients of `tenant`.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Self {
        Self {
            tenant: tenant.clone(),
            ..self.clone()
        }
    }

    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    pub(crate) async fn settings(
        &self,
        tenant: &TenantId,
    ) -> Result<Arc<TenantSettings>, StoreError> {
        let settings = self.ports.settings.of(tenant).await?;
        settings.ok_or_else(|| StoreError::new(format!("there is no tenant `{tenant}`")))
    }

    /// As `settings`, by the SMSOTP entry that the application names.
    pub(crate) async fn settings_for(
        &self,
        tenant: &TenantId,
        application: &Application,
    ) -> Result<Arc<TenantSettings>, StoreError> {
        let settings = self.settings(tenant).await?;
        let Some(entry) = &application.sequence.sms_otp else {
            return Ok(settings);
        };
        // One that is gone is not replaced by another: its senders were chosen for a reason.
        settings.by_entry.get(entry).cloned().ok_or_else(|| {
            StoreError::new(format!(
                "application `{}` names the SMSOTP entry `{entry}`, which is not in effect",
                application.name
            ))
        })
    }

    pub(crate) async fn settings_of(
        &self,
        login: &Login,
    ) -> Result<Arc<TenantSettings>, StoreError> {
        self.settings_for(&login.tenant, &login.application).await
    }

    pub(crate) async fn settle(
        &self,
        seen: &Login,
        next: State,
        then: Settlement,
    ) -> Result<Advanced, StoreError> {
        let ports = &self.ports;
        let (attempts, audit) = (ports.attempts.as_ref(), ports.audit.as_ref());
        ports.logins.settle(seen, next, then, attempts, audit).await
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.ports.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn fresh_id(&self) -> Result<LoginId, StoreError> {
        Ok(LoginId::from_entropy(&self.random()?))
    }

    /// 12 hex digits: enough to find a login in a log, and derived from nothing (attack N-04).
    pub(crate) fn fresh_name(&self) -> Result<String, StoreError> {
        Ok(hex::encode(self.random::<6>()?))
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}
