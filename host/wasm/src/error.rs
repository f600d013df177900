//! What can go wrong with a plugin, split by whose fault it is: a `Refusal` keeps a file out, a
//! `Fault` ends one call, a `StartError` keeps the plugin host from starting.
//!
//! Owns: the kinds and their words. Decides nothing about retry, quarantine or pages (`gateway`).

use serde::{Deserialize, Serialize};

/// Bytes of detail kept of an engine's or a guest's words.
const DETAIL_BYTES: usize = 512;

/// Who has to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Blame {
    /// The plugin: it counts toward its quarantine.
    Guest,
    /// Postern or its machine: it must never count against a plugin.
    Host,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultKind {
    /// The guest stopped itself or did what the sandbox forbids.
    Trap,
    /// The guest used up its CPU time.
    Cpu,
    /// The guest recursed too deep.
    Stack,
    /// The guest wanted more memory than its class may have, and failed over it.
    Memory,
    /// The guest handed over, or asked the host to handle, more than a step may.
    TooLarge,
    /// The guest's answer is not one of the interface.
    Contract,
    /// The call lasted too long without using its CPU time: the machine is overloaded.
    WallClock,
    /// Too many calls are in flight already.
    Busy,
    /// The worker process died, or was ended, while the call was in it.
    WorkerDied,
    /// It did so again and again, each time with a call of this plugin in it and without one of its
    /// calls that ended well in between.
    EndsWorker,
    /// There was no worker process to call: one had just ended and the next was not up yet.
    WorkerAway,
    /// The engine panicked or failed in a way no guest should bring about.
    Engine,
    /// The caller asked for what this plugin is not: a step of another world, a released handle.
    Misuse,
}

impl FaultKind {
    /// Whose fault that is.
    pub fn blame(self) -> Blame {
        match self {
            FaultKind::Trap
            | FaultKind::Cpu
            | FaultKind::Stack
            | FaultKind::Memory
            | FaultKind::TooLarge
            | FaultKind::Contract
            | FaultKind::EndsWorker => Blame::Guest,
            FaultKind::WallClock
            | FaultKind::Busy
            | FaultKind::WorkerDied
            | FaultKind::WorkerAway
            | FaultKind::Engine
            | FaultKind::Misuse => Blame::Host,
        }
    }

    /// The word for logs, metrics and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Trap => "trap",
            FaultKind::Cpu => "cpu",
            FaultKind::Stack => "stack",
            FaultKind::Memory => "memory",
            FaultKind::TooLarge => "too-large",
            FaultKind::Contract => "contract",
            FaultKind::WallClock => "wall-clock",
            FaultKind::Busy => "busy",
            FaultKind::WorkerDied => "worker-died",
            FaultKind::EndsWorker => "ends-worker",
            FaultKind::WorkerAway => "worker-away",
            FaultKind::Engine => "engine",
            FaultKind::Misuse => "misuse",
        }
    }
}

/// A call that ended without an answer. It ended alone: the plugin, the others and the host go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("plugin fault ({}): {detail}", kind.as_str())]
pub struct Fault {
    /// How it failed; [`FaultKind::blame`] says whose fault that is.
    pub kind: FaultKind,
    /// For the operator's log: one line, at most 512 bytes, control characters escaped.
    pub detail: String,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, detail: impl AsRef<str>) -> Self {
        Fault {
            kind,
            detail: one_line(detail.as_ref(), DETAIL_BYTES),
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        self.kind.blame()
    }
}

/// How far a file came on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Is it a component at all, and small enough?
    Format,
    /// Does it say what it is?
    Manifest,
    /// Does it ask for nothing but what a plugin may have, and offer the interface it claims?
    Interface,
    /// Can it be compiled within bounds?
    Compile,
    /// Does it fit the interface type by type, and start?
    Link,
    /// Does it do what its own vectors say?
    SelfTest,
    /// The plugin host itself could not do its part; the file was not judged.
    Host,
}

impl Stage {
    /// The word for logs and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Format => "format",
            Stage::Manifest => "manifest",
            Stage::Interface => "interface",
            Stage::Compile => "compile",
            Stage::Link => "link",
            Stage::SelfTest => "self-test",
            Stage::Host => "host",
        }
    }
}

/// Why a file was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("refused at {}: {reason}", stage.as_str())]
pub struct Refusal {
    /// Where it stopped.
    pub stage: Stage,
    /// One line for the operator: the thing and the expectation.
    pub reason: String,
}

impl Refusal {
    /// A refusal in one line, however long the reason is and whatever is in it.
    pub fn new(stage: Stage, reason: impl AsRef<str>) -> Self {
        Refusal {
            stage,
            reason: one_line(reason.as_ref(), 2 * DETAIL_BYTES),
        }
    }

    /// Whether the same bytes will be refused again. A refusal of the host's own making is not a
    /// judgement of the file, and may be tried again.
    pub fn is_final(&self) -> bool {
        self.stage != Stage::Host
    }
}

/// Why the plugin host could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine refused the limits, or the machine refused the engine.
    #[error("the wasm engine does not start: {0}")]
    Engine(String),
    /// The compile cache cannot be trusted or used.
    #[error("the compile cache `{path}` cannot be used: {reason}")]
    Cache {
        /// The directory or file in question.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The worker process could not be started, or did not answer.
    #[error("the plugin worker does not start: {0}")]
    Worker(String),
}

/// `text` as one line of at most `bytes` bytes: control characters, line separators and the
/// characters that reorder text are escaped, so that no guest can forge or hide a log line.
pub fn one_line(text: &str, bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes));
    for c in text.chars() {
        let before = line.len();
        if needs_escape(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        if line.len() > bytes {
            line.truncate(before);
            line.push('…');
            break;
        }
    }
    line
}

fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{2028}' | '\u{2029}'                // line and paragraph separator
            | '\u{200b}'..='\u{200f}'              // zero width and direction marks
            | '\u{202a}'..='\u{202e}'              // direction embedding and override
            | '\u{2060}'..='\u{206f}'              // invisible operators, direction isolates
            | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-18
    #[test]
    fn a_line_cannot_be_broken_forged_or_reordered() {
        assert_eq!(
            one_line("a\r\nERROR forged\u{1b}[2J\u{2028}\u{202e}x", 100),
            "a\\r\\nERROR forged\\u{1b}[2J\\u{2028}\\u{202e}x"
        );
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(one_line("ééé", 4), "éé…");
        assert_eq!(one_line("éé", 4), "éé");
    }
}
