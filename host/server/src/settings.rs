//! What the configuration says to a login: one tenant for now, replaced whole at a reload.

use crate::config::Config;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{SettingsSource, TenantSettings};
use postern_otp::KeyRing;
use postern_web::{Face, Tenants};
use std::sync::Arc;

/// The super tenant's settings as they are now.
#[derive(Debug)]
pub struct FileSettings {
    tenant: TenantId,
    current: ArcSwap<TenantSettings>,
}

impl FileSettings {
    pub fn new(config: &Config, keys: KeyRing) -> Self {
        Self {
            tenant: TenantId::super_tenant(),
            current: ArcSwap::from_pointee(settings(config, keys)),
        }
    }

    /// Logins under way see the new settings at their next act.
    pub fn replace(&self, config: &Config, keys: KeyRing) {
        self.current.store(Arc::new(settings(config, keys)));
    }
}

fn settings(config: &Config, keys: KeyRing) -> TenantSettings {
    let limits = &config.limits;
    TenantSettings {
        factor: config.sms_otp.factor.clone(),
        keys,
        templates: config.sms_otp.templates.clone(),
        brand: config.server.brand.clone(),
        limits: limits.send.clone(),
        login_lifetime: limits.login_lifetime,
        session_lifetime: limits.session_lifetime,
        failures_per_hour: limits.failures_per_hour,
    }
}

impl Tenants for FileSettings {
    fn face(&self, tenant: &TenantId) -> Option<Arc<Face>> {
        (*tenant == self.tenant).then(|| {
            Arc::new(Face {
                brand: self.current.load().brand.clone(),
            })
        })
    }
}

#[async_trait]
impl SettingsSource for FileSettings {
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError> {
        Ok((*tenant == self.tenant).then(|| self.current.load_full()))
    }
}
