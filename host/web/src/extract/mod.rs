//! What a handler may ask of a request, as types.

pub mod authorization;
pub mod client;
pub mod fields;
pub mod forms;
pub mod query;
pub mod session;

pub use client::Client;
pub use forms::{LoginForm, SessionForm};
pub use session::SignedIn;
