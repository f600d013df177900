//! The text of the plugin interface, for whoever has to hand it on: the SDK's macro, the host's
//! bindings, and `postern plugin new`, which writes it beside a new plugin.
//!
//! Owns: `plugin.wit`, frozen per release. Knows nothing of the host.

/// The WIT package as it stands in this release.
pub const PLUGIN_WIT: &str = include_str!("../plugin.wit");

/// The package's version, as components name it in their imports and exports.
pub const VERSION: &str = "0.1.0";

/// The custom section in which a component carries its manifest (JSON, UTF-8).
pub const MANIFEST_SECTION: &str = "postern:manifest";
