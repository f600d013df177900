//! The interface as Rust types, generated from `wit/plugin.wit`.
//!
//! Owns: nothing by hand. The generated types are also the types of the pipe to the worker and of
//! the self-test vectors, so that a value is described once.

/// The world `sms-provider`.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated code"
)]
pub(crate) mod sms_provider {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "sms-provider",
        imports: { default: trappable },
        exports: { default: async },
        additional_derives: [Clone, PartialEq, serde::Serialize, serde::Deserialize],
    });
}

/// The world `user-resolver`. Types that both worlds use are those of the first.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated code"
)]
pub(crate) mod user_resolver {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "user-resolver",
        imports: { default: trappable },
        exports: { default: async },
        additional_derives: [Clone, PartialEq, serde::Serialize, serde::Deserialize],
        with: {
            "postern:plugin/types@0.1.0": super::sms_provider::postern::plugin::types,
            "postern:plugin/log@0.1.0": super::sms_provider::postern::plugin::log,
        },
    });
}

/// Types both kinds of plugin use.
pub mod types {
    pub use super::sms_provider::postern::plugin::types::{
        Keep, Op, Pair, Problem, Reply, Request, TextOrBytes,
    };
}

/// What an SMS provider plugin takes and gives.
pub mod provider {
    pub use super::sms_provider::exports::postern::plugin::provider::{
        Action, Event, Message, Outgoing, Receipt, Refusal, Verdict,
    };
}

/// What a user resolver plugin takes and gives.
pub mod resolver {
    pub use super::user_resolver::exports::postern::plugin::resolver::{
        Account, Action, Association, Event, FederatedLogin, Lookup, Query, Resolution,
    };
}

pub(crate) use sms_provider::postern::plugin::log;
