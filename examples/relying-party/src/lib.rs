//! A sample application that signs its people in through Postern. Not part of the host.
//!
//! It shows what an application does, in the order of the pages: where it sends a browser, what it checks of what
//! comes back, whom it then believes to see and by which factors, and how it signs out everywhere. The protocols are
//! `postern-federation`'s in the other role; what is here is a page, a cookie and a list of who is signed in.
//!
//! | address | what |
//! |---|---|
//! | `GET /` | who is signed in, with which factors and attributes |
//! | `GET /saml/login` | SAML, begun here |
//! | `POST /saml/acs` | the answer, asked for or not |
//! | `GET`, `POST /saml/logout` | logout messages |
//! | `GET /oidc/login`, `GET /oidc/callback` | OpenID Connect |
//! | `POST /sign-out` | here, and everywhere |

pub mod keys;
mod openid;
mod outbound;
mod page;
mod people;
mod saml;
mod waiting;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::HeaderMap;
use page::Trouble;
use people::{People, WayOut};
use postern_federation::oidc::upstream::Upstreams;
use postern_federation::saml::{Bergshamra, SamlKeys, SigningKey, Upstream};
use postern_federation::{Moment, Secret};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::OnceCell;
use waiting::Waiting;

/// A message of 256 KiB, in base64 and escaped.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug)]
pub struct Settings {
    /// `http://localhost:8080`
    pub public_url: String,
    /// The public URL of the Postern it is registered at.
    pub identity_provider: String,
    pub entity_id: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub key: SigningKey,
}

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    security: Bergshamra,
    people: People,
    waiting: Waiting,
    upstreams: Upstreams,
    /// Its metadata, read when somebody signs in for the first time.
    saml: OnceCell<Upstream>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.inner.settings.public_url)
    }
}

impl App {
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let security = Bergshamra::new(SamlKeys::one(settings.key.clone()))?;
        let waiting = Waiting::default();
        let upstreams = Upstreams::new(
            Arc::new(outbound::Loopback::new()),
            Arc::new(waiting.clone()),
        );
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                security,
                people: People::default(),
                waiting,
                upstreams,
                saml: OnceCell::new(),
            }),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/saml/login", get(saml::login))
            .route("/saml/acs", post(saml::answer))
            .route("/saml/arrived", get(saml::arrived))
            .route(
                "/saml/logout",
                get(saml::logout_get).post(saml::logout_post),
            )
            .route("/oidc/login", get(openid::login))
            .route("/oidc/callback", get(openid::callback))
            .route("/sign-out", post(sign_out))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(self.clone())
    }

    /// Serves in a task of its own.
    pub async fn start(self, address: SocketAddr) -> std::io::Result<Running> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move { axum::serve(listener, self.router()).await });
        Ok(Running { address, task })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.inner.settings.public_url)
    }
}

/// An application that runs in this process; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn home(State(app): State<App>, headers: HeaderMap, uri: http::Uri) -> Response {
    let person = app.inner.people.signed_in(&headers);
    page::home(&app.inner.settings, person.as_ref(), uri.query())
}

/// Here at once; then the browser is sent to the identity provider, which ends its own session and tells the others.
async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let Some(person) = app.inner.people.leaves(&headers) else {
        return Ok(Redirect::to("/").into_response());
    };
    match &person.way_out {
        WayOut::Saml(session) => saml::ask_logout(&app, session).await,
        WayOut::OpenId { id_token } => Ok(openid::ask_logout(&app, id_token.as_ref())),
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)))
}

/// A value in an address.
fn encoded(text: &str) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes()
        .map(|b| match b {
            b if unreserved(b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn random<const N: usize>() -> Result<[u8; N], Trouble> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Trouble::of)?;
    Ok(bytes)
}
