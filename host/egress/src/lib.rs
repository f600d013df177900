//! The edge: the one place from which requests leave. It evaluates the program of a request, decides whether and where it
//! may go, sends it, and cleans what comes back.
//!
//! It does not know what a plugin or a login is: it is given a request, a grant and the values nobody else may see.
//!
//! ```text
//! Outgoing --finish(grant, material)--> Finished --Client::send--> Reply
//! ```

pub mod address;
mod carried;
mod client;
mod connect;
mod error;
pub mod grant;
mod keep;
mod leaf;
pub mod limits;
mod material;
mod origin;
mod pool;
pub mod program;
mod redact;
mod reply;
mod request;
mod resolve;
mod secret;
mod trust;

pub use carried::{Carried, Ledger, Misuse};
pub use client::{Client, Route};
pub use error::{Denied, Reason, SendFailure, Sent};
pub use grant::Grant;
pub use keep::{Cut, Keep, KeptValues};
pub use leaf::{Broken, Escaped};
pub use limits::Limits;
pub use material::{
    KeptValue, Material, NamedSecret, Nonce, Recipient, Secrets, SecretsError, Text,
};
pub use origin::{Host, Origin, OriginError, Scheme};
pub use program::Op;
pub use reply::Reply;
pub use request::{Finished, Outgoing, Shown, finish, finish_within};
pub use resolve::{Resolve, SystemResolver};
pub use secret::Secret;
pub use trust::{Trust, TrustError};
