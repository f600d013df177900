//! A whole Postern in ten lines, for this project's tests and for other people's.
//!
//! ```no_run
//! # use postern_kit::{TestHost, anyhow};
//! # #[tokio::main]
//! # async fn main() -> anyhow::Result<()> {
//! let host = TestHost::start().await?;
//! host.add_user("alice", "correct horse battery", "+12025550142").await?;
//! let mut browser = host.browser();
//! let page = browser.sign_in("alice", "correct horse battery").await?;
//! assert!(page.asks_for_code());
//! let code = host.phone("+12025550142").next_code().await?;
//! let page = browser.enter_code(&page, &code).await?;
//! assert!(page.text().contains("alice"));
//! # Ok(())
//! # }
//! ```
//!
//! What runs is the real thing: the configuration is read from a file, the doors are on loopback at
//! free ports, plugins are loaded from `target/plugins` into a worker process. [`Builder`] exchanges
//! what a test wants to hold in its hand: the clock, the store, the provider.
//!
//! | type | what it is |
//! |---|---|
//! | [`TestHost`] | a host in this process |
//! | [`Installation`] | a folder with a configuration, and the real `postern` program on it |
//! | [`Browser`] | cookies, forms and redirects, as a person drives them |
//! | [`Visitor`] | a browser that single sign-on sends from host to host |
//! | [`IdentityProvider`] | a stand-in OpenID provider that lies where it is told to |
//! | [`Phone`] | what arrived at one number |
//! | [`Api`] | a client of the JSON API |
//! | [`Warnings`] | what the hosts tell their operator |
//!
//! The plugins and the program must have been built: `cargo xtask build-plugins`.

pub mod api;
pub mod browser;
pub mod clock;
pub mod entropy;
pub mod host;
pub mod http;
pub mod identity_provider;
pub mod installation;
pub mod paths;
pub mod peer;
pub mod peers;
pub mod phone;
pub mod ports;
pub mod scim;
pub mod visitor;
pub mod warnings;

pub use anyhow;
pub use api::Api;
pub use browser::{Browser, Page};
pub use clock::TestClock;
pub use entropy::SeededEntropy;
pub use host::{Builder, Provider, TestHost};
pub use identity_provider::IdentityProvider;
pub use installation::{Installation, Process};
pub use peer::Peer;
pub use phone::Phone;
pub use postern_gateway::outbox::{Answer as OutboxAnswer, AnswerKind as OutboxAnswerKind};
pub use postern_login::ports::FederatedLogin;
pub use postern_server::desk::{self, Change};
pub use postern_web;
pub use scim::Scim;
pub use sms_gateway;
pub use visitor::{Stop, Visitor};
pub use warnings::Warnings;
