//! What the whole-host tests share. They drive a host as a browser, a phone, an operator and an
//! attacker would; everything runs on loopback at free ports, nothing waits for a clock, and no test
//! needs another.
//!
//! They are two binaries, compiled side by side, each with a module for each question:
//!
//! | folder | what it asks |
//! |---|---|
//! | `tests/host` | how people sign in, who administers, plugins, user stores, what survives a crash |
//! | `tests/federation` | what passes between servers: single sign-on in both roles, provisioning |

pub mod tenants;

/// A password of the test people.
pub const PASSWORD: &str = "correct horse battery";
/// Numbers nobody has (+1 202 555 0100 to 0199).
pub const ALICE: &str = "+12025550142";
pub const BOB: &str = "+12025550143";
