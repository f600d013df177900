//! What an operator is told: which files are in the folder, what serves, what was refused and why,
//! and how each sender stands. Plain values; who shows them is somebody else's business.

use postern_wasm::manifest::{RuntimeClass, Setting};
use serde::Serialize;

/// How a plugin file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    Serving,
    /// In order, but another file of the same plugin has the higher version.
    Standby,
    /// Being judged, or still being written.
    Pending,
    Rejected,
    /// Taken out of service because it misbehaved.
    Quarantined,
    /// Its file is gone a moment ago; it serves on, for a rename may be under way.
    Gone,
    /// Replaced or removed: nothing new begins on it, conversations under way end on it.
    Draining,
}

impl FileState {
    pub fn as_str(self) -> &'static str {
        match self {
            FileState::Serving => "serving",
            FileState::Standby => "standby",
            FileState::Pending => "pending",
            FileState::Rejected => "rejected",
            FileState::Quarantined => "quarantined",
            FileState::Gone => "gone",
            FileState::Draining => "draining",
        }
    }
}

/// A file in the plugin folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginReport {
    pub file: String,
    /// Of the version admitted from this file, like the fields below; `None` if there is none.
    pub id: Option<String>,
    pub version: Option<String>,
    pub kind: Option<String>,
    /// In hex.
    pub sha256: Option<String>,
    pub size: Option<usize>,
    pub state: FileState,
    /// Why the newest content of the file was refused; an older one may still serve.
    pub refused: Option<RefusedReport>,
    /// One sentence more, where the state does not say it all.
    pub note: Option<String>,
    pub calls: u64,
    pub faults: u64,
    pub last_fault: Option<String>,
    /// Calls in which its memory grew past the size it began with, those of its vectors among them:
    /// each costs three to five times as much as another.
    pub grown: u64,
    pub origins_asked: Vec<String>,
    /// By sender, the origins an operator allows it beside its own, and what comes with Postern.
    pub origins_granted: Vec<(String, Vec<String>)>,
    /// Which limits it runs under.
    pub runtime: Option<RuntimeClass>,
    /// The settings its senders have, from its manifest.
    pub settings: Vec<Setting>,
    /// The version that [`crate::Gateway::roll_back`] would bring.
    pub previous: Option<String>,
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedReport {
    /// In hex.
    pub sha256: Option<String>,
    /// `file`, `format`, `manifest`, `interface`, `compile`, `link`, `self-test`, `grant`, `observe`, `host`.
    pub stage: String,
    pub reason: String,
}

/// A configured sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SenderReport {
    pub tenant: String,
    pub name: String,
    pub plugin: String,
    pub version: Option<String>,
    /// Whether a message would be sent through it now.
    pub ready: bool,
    /// Why not, or what keeps it from working at all.
    pub problems: Vec<String>,
}
