//! What an administrator does, and the ports it takes. Knows no HTTP, SQL or wasm.
//!
//! Users, API clients and plugins for now; the web console and the command line both call this.

pub mod plugins;
pub mod tenants;
pub mod users;
