//! Write an SMS provider or a user resolver for Postern.
//!
//! An ordinary provider is two functions and one macro:
//!
//! ```
//! use postern_sdk::prelude::*;
//!
//! fn request(_: &Message, settings: &Settings) -> Request {
//!     Request::post(settings.base("base_url", "https://api.example.com"), "/messages")
//!         .bearer(secret("token"))
//!         .form([("to", recipient::e164()), ("text", text())])
//! }
//!
//! fn verdict(reply: &Reply) -> Verdict {
//!     match reply.status {
//!         201 => accepted(reply.text_at("/id")),
//!         _ => reply.by_status(),
//!     }
//! }
//!
//! // In a plugin's crate, whose build.rs has made the manifest:
//! // postern_sdk::sms_provider!(request, verdict);
//! # let settings = Settings::default();
//! # let event = Event::Reply(Reply::new(201, Vec::new(), r#"{"id":"7"}"#));
//! # let action = postern_sdk::provider::step(&settings, &Message::sample(), &event, request, verdict);
//! # assert_eq!(action, accepted(Some("7")).into());
//! ```
//!
//! A plugin is a pure function over values it cannot read. `recipient::e164()` names the number,
//! `text()` the text, `secret("token")` a secret; the host puts them in when it builds the
//! request. So functions written with this crate run and are tested like any others, and there is
//! no network to mock: see [`vectors`] and [`conformance!`].
//!
//! Owns: everything a plugin's author touches. Knows nothing of the host; the two meet in
//! `plugin.wit` only.

#![deny(unsafe_code)]
#![warn(missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![warn(
    clippy::unwrap_used,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::print_stderr
)]

pub mod export;
pub mod message;
pub mod provider;
pub mod recipe;
pub mod reply;
pub mod request;
pub mod resolver;
pub mod settings;
pub mod signing;
pub mod value;
pub mod verdict;
pub mod wire;

mod escape;
mod log;

#[cfg(all(target_family = "wasm", feature = "arena"))]
mod arena;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;

#[cfg(not(target_family = "wasm"))]
pub mod conformance;
#[cfg(not(target_family = "wasm"))]
pub mod evaluate;
#[cfg(not(target_family = "wasm"))]
pub mod manifest;
#[cfg(not(target_family = "wasm"))]
pub mod vectors;

pub use log::{Level, log};
/// What [`reply::Reply::at`] gives.
pub use serde_json;

/// What a plugin's source usually needs.
pub mod prelude {
    pub use crate::message::Message;
    pub use crate::provider::{Action, Event};
    pub use crate::reply::Reply;
    pub use crate::request::{Element, Json, Request, array, element, object};
    pub use crate::resolver::{FederatedLogin, Query, in_user_stores};
    pub use crate::settings::{Base, Settings};
    pub use crate::value::{
        Value, bytes, code, concat, hmac, kept, lit, nonce, part, receipt_url, recipient, secret,
        sign, text, time,
    };
    pub use crate::verdict::{Reason, Verdict, accepted, refused};
}
