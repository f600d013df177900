//! Lines for the host's log.
//!
//! Owns: nothing; in wasm a line goes to the host, which bounds and escapes it, and in a test it
//! goes nowhere. A plugin has nothing secret to log, and the host strips what it could still tell.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Writes one line under the plugin's name. At most 8 KiB a step; the host drops the rest.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::provider::postern::plugin::log as host;
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::log(level, message);
    }
    #[cfg(not(target_family = "wasm"))]
    let _ = (level, message);
}
