//! Between plugins and the world: the conversation about a message, the senders an operator
//! configured, the folder plugins are dropped into, and what happens when one of them fails.
//!
//! Owns: [`Gateway`], which is the login's `Senders` and `UserResolver`. Must never decide who gets
//! in. Knows nothing of pages, stores or configuration files.

mod admission;
mod archive;
pub mod breaker;
mod conversation;
pub mod folder;
mod gateway;
mod guest;
mod last_good;
pub mod outbox;
pub mod provider;
mod registry;
pub mod report;
mod resolver;
#[cfg(test)]
mod scripted;
pub mod suite;
mod watch;
mod wire;

pub use admission::Rehearsal;
pub use breaker::{BreakerPolicy, HealthPolicy, QuarantinePolicy};
pub use conversation::outgoing;
pub use gateway::{DRAIN, Gateway, TestReport};
pub use outbox::Outbox;
pub use provider::{Problem, SenderConfig, Shipped, ShippedPlugin};
pub use report::{FileState, PluginReport, RefusedReport, SenderReport};
pub use watch::PERIOD;
pub use wire::Setup;
