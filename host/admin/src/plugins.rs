//! What is loaded, what was refused and why; a look at the folder; the previous version back.

use crate::form::Field;
use crate::{Act, Actor, AdminError, Administration, act};
use async_trait::async_trait;
use postern_login::TenantId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PluginReport {
    /// File name in the plugin folder.
    pub file: String,
    pub id: Option<String>,
    pub version: Option<String>,
    pub kind: Option<String>,
    pub sha256: Option<String>,
    /// `serving`, `standby`, `pending`, `rejected`, `quarantined`, `gone`, `draining`.
    pub state: String,
    /// Admission stage and reason of the newest file, if it was refused; an older version may still serve.
    pub refused: Option<RefusedFile>,
    /// One sentence more, where the state does not say it all: which version serves instead, and why.
    pub note: Option<String>,
    pub calls: u64,
    pub faults: u64,
    pub last_fault: Option<String>,
    /// Calls in which its memory grew, which makes them three to five times as expensive.
    #[serde(default)]
    pub grown: u64,
    pub origins_asked: Vec<String>,
    /// By sender, what of it the operator allows.
    #[serde(default)]
    pub origins_granted: Vec<(String, Vec<String>)>,
    /// Name and value of each limit it runs under.
    #[serde(default)]
    pub limits: Vec<(String, String)>,
    /// The version that rolling back would bring.
    #[serde(default)]
    pub previous: Option<String>,
    /// The settings a sender of this plugin has, from its manifest.
    #[serde(default)]
    pub settings: Vec<Field>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedFile {
    pub sha256: Option<String>,
    pub stage: String,
    pub reason: String,
}

#[async_trait]
pub trait Plugins: Send + Sync {
    fn report(&self) -> Vec<PluginReport>;
    /// Looks at the folder now.
    fn rescan(&self);
    /// Puts the version that served before back, in the folder too, and gives its number. An error
    /// says why it cannot.
    async fn roll_back(&self, id: &str) -> Result<String, String>;
}

impl Administration {
    pub async fn plugin_list(&self, actor: &Actor) -> Result<Vec<PluginReport>, AdminError> {
        self.allow_here(actor, act::PLUGIN_LIST, None).await?;
        Ok(self.host()?.plugins.report())
    }

    pub async fn plugin_rescan(&self, actor: &Actor) -> Result<(), AdminError> {
        let tenant = TenantId::super_tenant();
        self.allow_here(actor, act::PLUGIN_RESCAN, None).await?;
        let host = self.host()?;
        self.announce(actor, &tenant, act::PLUGIN_RESCAN, None, Vec::new())
            .await?;
        host.plugins.rescan();
        Ok(())
    }

    /// The version that serves again.
    pub async fn plugin_roll_back(&self, actor: &Actor, id: &str) -> Result<String, AdminError> {
        let tenant = TenantId::super_tenant();
        let act = act::PLUGIN_ROLL_BACK;
        self.allow_here(actor, act, Some(id)).await?;
        let host = self.host()?;
        let report = host.plugins.report();
        let Some(plugin) = report
            .iter()
            .find(|plugin| plugin.id.as_deref() == Some(id))
        else {
            return Err(AdminError::NotFound {
                what: "plugin",
                name: id.to_owned(),
            });
        };
        let details = vec![format!(
            "{} to {}",
            plugin.version.as_deref().unwrap_or("?"),
            plugin.previous.as_deref().unwrap_or("?")
        )];
        self.announce(actor, &tenant, act, Some(id), details)
            .await?;
        let outcome = host.plugins.roll_back(id).await;
        let outcome = outcome.map_err(AdminError::Invalid);
        self.conclude(actor, &tenant, act, Some(id), outcome).await
    }

    /// Plugins and senders belong to the host, not to a tenant.
    pub(crate) async fn allow_here(
        &self,
        actor: &Actor,
        act: Act,
        on: Option<&str>,
    ) -> Result<(), AdminError> {
        self.allow(actor, &TenantId::super_tenant(), act, on).await
    }

    pub(crate) fn host(&self) -> Result<&crate::ports::Host, AdminError> {
        self.ports.host.as_ref().ok_or(AdminError::NoHost)
    }
}
