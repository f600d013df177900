//! What is loaded, what was refused and why.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginReport {
    /// File name in the plugin folder.
    pub file: String,
    pub id: Option<String>,
    pub version: Option<String>,
    pub kind: Option<String>,
    pub sha256: Option<String>,
    /// `serving`, `rejected`, `pending`, `quarantined`, `retired`.
    pub state: String,
    /// Admission stage and reason of the newest file, if it was refused; an older version may still serve.
    pub refused: Option<RefusedFile>,
    /// One sentence more, where the state does not say it all: which version serves instead, and why.
    pub note: Option<String>,
    pub calls: u64,
    pub faults: u64,
    pub last_fault: Option<String>,
    pub origins_asked: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedFile {
    pub sha256: Option<String>,
    pub stage: String,
    pub reason: String,
}

pub trait Plugins: Send + Sync {
    fn report(&self) -> Vec<PluginReport>;
    /// Looks at the folder now.
    fn rescan(&self);
}
