//! A stand-in SMS gateway on loopback, for demos, tests and measuring. Not part of the host.
//!
//! It speaks the real interfaces of two providers, their error bodies included, so that a plugin
//! that works here works there:
//!
//! | address | stands in for |
//! |---|---|
//! | `POST /2010-04-01/Accounts/{sid}/Messages.json` (and the retired `/SMS/Messages.json`) | Twilio |
//! | `POST /sms/json` | Vonage (Nexmo) |
//! | `GET /phone` | the telephone: a page that shows what arrived |
//! | `GET /phone/messages.json?to=&after=` | the same for programs |
//! | `GET`, `PUT /phone/behaviour` | how the gateway answers: late, or with a failure |
//! | `DELETE /phone/messages` | forget what arrived |
//!
//! It sends nothing to anybody, keeps nothing on disk, and must listen on loopback only: whoever
//! reaches its phone page reads every message.

mod auth;
pub mod behaviour;
pub mod gsm;
pub mod phone;
mod twilio;
mod vonage;

pub use behaviour::{Answer, Behaviour};
pub use phone::{Phone, Received};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

/// A form of an SMS is small; what is larger is a mistake of the caller.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Who may send, as the two providers would know them.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// `AC` and 32 hex digits.
    pub twilio_sid: String,
    pub twilio_token: String,
    /// Eight characters.
    pub vonage_key: String,
    pub vonage_secret: String,
}

impl Default for Accounts {
    /// The accounts of the demo. They open nothing but this program.
    fn default() -> Self {
        Self {
            twilio_sid: "AC0123456789abcdef0123456789abcdef".into(),
            twilio_token: "stand-in-twilio-token".into(),
            vonage_key: "a1b2c3d4".into(),
            vonage_secret: "stand-in-vonage-secret".into(),
        }
    }
}

/// The gateway: its accounts, its phone and its mood. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: Accounts,
    phone: Phone,
    behaviour: behaviour::Switch,
    /// Message ids count up from a random-looking start: unique is all they must be.
    ids: AtomicU64,
}

impl Gateway {
    pub fn new(accounts: Accounts) -> Self {
        Self {
            inner: Arc::new(Inner {
                accounts,
                ..Inner::default()
            }),
        }
    }

    pub fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// What arrived.
    pub fn phone(&self) -> &Phone {
        &self.inner.phone
    }

    /// Changes how the next requests are answered.
    pub fn behave(&self, behaviour: Behaviour) {
        self.inner.behaviour.set(behaviour);
    }

    pub(crate) fn switch(&self) -> &behaviour::Switch {
        &self.inner.behaviour
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.inner.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// All addresses of the gateway, for any server of axum's routers.
    pub fn router(&self) -> Router {
        Router::new()
            .route(
                "/2010-04-01/Accounts/{sid}/Messages.json",
                post(twilio::send),
            )
            .route(
                "/2010-04-01/Accounts/{sid}/SMS/Messages.json",
                post(twilio::send_retired),
            )
            .route("/sms/json", post(vonage::send))
            .route("/", get(phone::home))
            .route("/phone", get(phone::page))
            .route("/phone/messages.json", get(phone::list))
            .route("/phone/messages", delete(phone::clear))
            .route(
                "/phone/behaviour",
                get(behaviour::show).put(behaviour::change),
            )
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(self.clone())
    }

    /// Serves until the listener fails; drop the future to stop.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        // Answers are one small segment each: waiting for more to send with them only adds 40 ms.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, self.router()).await
    }

    /// Binds an address (port 0: any free one) and serves in a task of its own.
    pub async fn start(&self, address: SocketAddr) -> std::io::Result<Running> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let gateway = self.clone();
        let task = tokio::spawn(async move { gateway.serve(listener).await });
        Ok(Running { address, task })
    }
}

/// A gateway that runs in this process; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
