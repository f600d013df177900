//! The tenants there are, and the settings they share.

use super::BROKEN;
use async_trait::async_trait;
use postern_admin::tenants::{DocumentCheck, TenantDocuments};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{SendLimits, SettingsSource, TenantSettings};
use postern_login::tenant::SUPER_TENANT;
use postern_login::text::Template;
use postern_otp::{FactorSettings, HashKey, KeyRing};
use postern_web::{Face, Tenants};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Settings(Arc<TenantSettings>);

impl Settings {
    pub(super) fn new(factor: FactorSettings) -> Self {
        let window = Duration::from_secs(600);
        Self(Arc::new(TenantSettings {
            factor,
            by_entry: Default::default(),
            keys: KeyRing::new(vec![HashKey::new(1, [3; 32])]).unwrap(),
            templates: vec![Template::new("en", "Verification Code: {code}")],
            brand: "Postern".to_owned(),
            limits: SendLimits {
                per_account: (5, window),
                per_number: (5, window),
                per_address: (1000, Duration::from_secs(3600)),
                calls_per_message: 3,
                ..SendLimits::default()
            },
            login_lifetime: Duration::from_secs(900),
            session_lifetime: Duration::from_secs(8 * 3600),
            failures_per_hour: 1000,
        }))
    }
}

#[async_trait]
impl SettingsSource for Settings {
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError> {
        if tenant.as_str() == BROKEN {
            return Err(StoreError::new("its document says `secret-word` on line 3"));
        }
        Ok(TENANTS
            .contains(&tenant.as_str())
            .then(|| Arc::clone(&self.0)))
    }
}

/// The tenants there are: two beside the super tenant, and one whose settings cannot be read.
const TENANTS: [&str; 3] = [SUPER_TENANT, "a.example", "b.example"];

pub(super) struct Known;

#[async_trait]
impl TenantDocuments for Known {
    async fn check(&self, _: &TenantId, _: &str) -> DocumentCheck {
        DocumentCheck::default()
    }
    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError> {
        let names = ["a.example", "b.example", BROKEN].into_iter();
        let file = |name| {
            (
                TenantId::parse(name).unwrap(),
                format!("tenants/{name}.toml"),
            )
        };
        Ok(names.map(file).collect())
    }
    async fn file_text(&self, _: &TenantId) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
    fn hide_secrets(&self, text: &str) -> String {
        text.to_owned()
    }
    async fn reload(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn trouble(&self, tenant: &TenantId) -> Option<String> {
        (tenant.as_str() == BROKEN).then(|| "line 3: not TOML".to_owned())
    }
    async fn default_region(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        Ok(match tenant.as_str() {
            "b.example" => Some("US".to_owned()),
            BROKEN => None,
            _ => Some("LK".to_owned()),
        })
    }
}

impl Tenants for Known {
    fn face(&self, tenant: &TenantId) -> Option<Arc<Face>> {
        let name = tenant.as_str();
        (TENANTS.contains(&name) || name == BROKEN).then(|| {
            Arc::new(Face {
                brand: match name {
                    SUPER_TENANT => "Postern".to_owned(),
                    name => format!("The house of {name}"),
                },
            })
        })
    }
}
