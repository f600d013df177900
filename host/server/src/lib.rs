//! The host as a program: it puts the parts together, and owns what only a process has.
//!
//! Owns: configuration, environment, files, clock, randomness, processes, signals, the command line.
//! Never: contains a rule of a login, a page or a plugin.

pub mod assemble;
mod audit;
pub mod cli;
pub mod clock;
pub mod config;
mod console;
pub mod defined;
pub mod desk;
mod directories;
pub mod entropy;
pub mod host;
pub mod import;
pub mod keys;
mod outbound;
pub mod peers;
pub mod provisioning;
mod readiness;
mod resident;
mod saml_keys;
mod shipped;
pub mod shutdown;
mod signing;
mod tasks;
pub mod telemetry;
pub mod tenants;
pub mod user_stores;
mod users;
