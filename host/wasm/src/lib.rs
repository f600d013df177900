//! Hosting plugins: untrusted WebAssembly components as pure functions, each call in an instance of
//! its own, compiled and run in a worker process that has nothing to steal.
//!
//! Owns: wasmtime, the limits of guests, the admission of a file, the worker process and the cache
//! of compiled code. Must never see a secret, a number or a code, and does no I/O beyond the pipe
//! to its own worker and the compile cache. Knows nothing of folders, grants, requests on a network
//! or logins.
//!
//! [`Plugins::start`] gives the one handle; [`Plugins::admit`] judges a file and loads it;
//! [`Plugins::provider_step`] and its siblings call it. A file that is refused says why
//! ([`Refusal`]); a call that fails says whose fault it is ([`Fault`]).

#![deny(unsafe_code)]

pub mod admission;
mod bindings;
mod cache;
mod client;
mod contract;
mod engine;
mod error;
mod limits;
pub mod manifest;
pub mod package;
mod pipe;
mod plugins;
mod step;
mod ticker;
pub mod vectors;
mod walls;
mod wire;
pub mod worker;

pub use admission::{Inspection, inspect};
pub use bindings::{provider, resolver, types};
pub use cache::CachePlace;
pub use client::WorkerCommand;
pub use error::{Blame, Fault, FaultKind, Refusal, Stage, StartError, one_line};
pub use limits::{ClassLimits, Limits};
pub use manifest::Manifest;
pub use plugins::{Isolation, Loaded, PluginHandle, Plugins, Setup};
