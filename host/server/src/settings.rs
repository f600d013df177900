//! What the configuration says to a login: one tenant for now, replaced whole at a reload.

use crate::config::Config;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{SettingsSource, TenantSettings};
use postern_otp::{KeyRing, Refinement};
use std::sync::Arc;

/// The super tenant's settings as they are now.
#[derive(Debug)]
pub struct FileSettings {
    tenant: TenantId,
    current: ArcSwap<TenantSettings>,
}

/// What the console's senders change of the file's second step.
#[derive(Debug, Clone, Default)]
pub struct Sending {
    /// Tried before those of the file.
    pub first: Vec<String>,
    /// Tried after them.
    pub last: Vec<String>,
    /// What the default one says of codes and words.
    pub says: Refinement,
}

impl FileSettings {
    pub fn new(config: &Config, keys: KeyRing) -> Self {
        Self {
            tenant: TenantId::super_tenant(),
            current: ArcSwap::from_pointee(settings(config, keys, &Sending::default())),
        }
    }

    /// Logins under way see the new settings at their next act.
    pub fn replace(&self, config: &Config, keys: KeyRing, sending: &Sending) {
        self.current
            .store(Arc::new(settings(config, keys, sending)));
    }
}

fn settings(config: &Config, keys: KeyRing, sending: &Sending) -> TenantSettings {
    let limits = &config.limits;
    let mut factor = config.sms_otp.factor.clone();
    let named = std::mem::take(&mut factor.senders);
    for name in sending.first.iter().chain(&named).chain(&sending.last) {
        if !factor.senders.contains(name) {
            factor.senders.push(name.clone());
        }
    }
    let factor = factor.refined(&sending.says);
    TenantSettings {
        factor,
        keys,
        templates: config.sms_otp.templates.clone(),
        brand: config.server.brand.clone(),
        limits: limits.send.clone(),
        login_lifetime: limits.login_lifetime,
        session_lifetime: limits.session_lifetime,
        failures_per_hour: limits.failures_per_hour,
    }
}

#[async_trait]
impl SettingsSource for FileSettings {
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError> {
        Ok((*tenant == self.tenant).then(|| self.current.load_full()))
    }
}
