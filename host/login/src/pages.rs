//! What pages need to know of the step's settings, and nothing else of them.

use crate::error::StoreError;
use crate::login::LoginId;
use crate::{LoginError, Logins, TenantId};
use postern_otp::{FactorSettings, OwnPages, Pattern};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSettings {
    /// The operator's own.
    pub own: OwnPages,
    /// What a typed number must look like, and what is said to one that does not.
    pub number_pattern: Option<Pattern>,
    pub number_pattern_message: Option<String>,
}

impl Logins {
    pub async fn page_settings(&self, tenant: &TenantId) -> Result<PageSettings, StoreError> {
        Ok(PageSettings::of(&self.settings(tenant).await?.factor))
    }

    /// As the application of this login has them.
    pub async fn page_settings_of(&self, id: &LoginId) -> Result<PageSettings, LoginError> {
        let login = self.load_browser(id).await?;
        Ok(PageSettings::of(&self.settings_of(&login).await?.factor))
    }
}

impl PageSettings {
    fn of(factor: &FactorSettings) -> Self {
        Self {
            own: factor.own_pages.clone(),
            number_pattern: factor.number_pattern.clone(),
            number_pattern_message: factor.number_pattern_message.clone(),
        }
    }
}
