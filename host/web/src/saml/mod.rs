//! The SAML addresses. What a message is worth is decided in `federation::saml`; who signed in, in `login`; here the
//! two meet in a browser.
//!
//! A message by POST comes from another site and so without our cookies. It is checked, what is left of it waits
//! under a key, and the browser comes back for it by GET, with which its cookies come.
#![allow(
    clippy::result_large_err,
    reason = "the error is the answer itself, made once and handed on"
)]

pub mod idp;
pub mod logout;
pub mod metadata;
pub mod show;
pub mod sp;

use self::logout::Role;
use crate::applications::moment;
use crate::error::PageError;
use crate::extract::fields::whole;
use crate::extract::query::Query;
use crate::extract::{Client, client};
use crate::page::see_other;
use crate::sign_in;
use crate::tenant::{Tenant, TenantState};
use axum::extract::{RawQuery, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::Moment;
use postern_federation::ports::{Parked, ParkingKey, PortError};
use postern_federation::saml::idp::{IdentityProvider, UnverifiedRequest};
use postern_federation::saml::sp::Here;
use postern_federation::saml::{Binding, MessageId, Received, Refusal, XmlSecurity};
use postern_login::TenantId;
use postern_login::begin::ClientFacts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Requests of service providers, and IdP-initiated starts.
pub const SSO: &str = "/samlsso";
/// Answers of identity providers.
pub const CONSUMER: &str = "/commonauth";
/// What peers must know of us.
pub const METADATA: &str = "/saml/metadata";

/// A message of 256 KiB in base64, and every character of that escaped.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// As long as a login lives, and a little, for its last redirect.
const WAITS: Duration = Duration::from_secs(16 * 60);

/// What the addresses need beside the entries.
#[derive(Clone)]
pub struct Saml {
    /// What the super tenant is called, in both roles.
    pub entity_id: String,
    pub keys: Arc<dyn postern_federation::saml::keys::OwnKeys>,
}

impl std::fmt::Debug for Saml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Saml({})", self.entity_id)
    }
}

/// `GET /samlsso`
pub async fn sso_get(
    Tenant(state): Tenant,
    Client(client): Client,
    RawQuery(raw): RawQuery,
    query: Query,
    headers: HeaderMap,
) -> Response {
    let served = async {
        if let Some(elsewhere) = of_a_tenant(&state, &query, raw.as_deref().unwrap_or_default())? {
            return Ok(elsewhere);
        }
        if let Some(received) = Received::redirect(raw.as_deref().unwrap_or_default()) {
            let received = received.map_err(|refusal| refuse(&refusal))?;
            return request(&state, &client, &headers, received).await;
        }
        if let Some(key) = query.text("sessionDataKey") {
            let declined = query.has(sign_in::DECLINED);
            return idp::resume(&state, &client, &headers, key, declined).await;
        }
        if let Some(entity_id) = query.text("spEntityID") {
            let wish = idp::Start {
                entity_id,
                consumer_url: query.text("acs"),
                relay_state: query.text("RelayState"),
            };
            return idp::start(&state, &client, &headers, wish).await;
        }
        // The older product's address for signing out here. Any page can lead to it, so the person is asked.
        if query.text("slo") == Some("true") {
            return crate::oidc::logout::ask(&state, &client, &headers).await;
        }
        Err(PageError::Application.into_response())
    };
    served.await.unwrap_or_else(|response| response)
}

/// `tenantDomain=`, by which the older product's links name the tenant: its own address serves it. What is signed
/// in a query stays as it was written.
fn of_a_tenant(
    state: &TenantState,
    query: &Query,
    raw: &str,
) -> Result<Option<Response>, Response> {
    const NAME: &str = "tenantDomain=";
    let Some(named) = query.text("tenantDomain") else {
        return Ok(None);
    };
    let named = TenantId::parse(named).map_err(|_| PageError::Application.into_response())?;
    if named == state.tenant {
        return Ok(None);
    }
    if state.tenant != TenantId::super_tenant() {
        return Err(PageError::Application.into_response());
    }
    let rest: Vec<_> = raw
        .split('&')
        .filter(|pair| !pair.starts_with(NAME))
        .collect();
    Ok(Some(see_other(&format!(
        "/t/{}/samlsso?{}",
        named.as_str(),
        rest.join("&")
    ))))
}

/// `POST /samlsso`
pub async fn sso_post(
    Tenant(state): Tenant,
    Client(client): Client,
    headers: HeaderMap,
    body: Request,
) -> Response {
    let served = async {
        let received = posted(body).await?;
        request(&state, &client, &headers, received).await
    };
    served.await.unwrap_or_else(|response| response)
}

async fn request(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    received: Received,
) -> Result<Response, Response> {
    if received.is_logout() {
        return logout::received(state, client, headers, received, Role::IdentityProvider).await;
    }
    let by_post = received.binding == Binding::Post;
    let unverified = UnverifiedRequest::new(received).map_err(|refusal| refuse(&refusal))?;
    idp::request(state, client, headers, unverified, by_post).await
}

/// `POST /commonauth` with a form that has a SAML message.
pub async fn consumed(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    form: &[u8],
) -> Response {
    let served = async {
        let received = message(form)?;
        if received.is_logout() {
            let role = Role::ServiceProvider;
            return logout::received(state, client, headers, received, role).await;
        }
        sp::answer(state, received).await
    };
    served.await.unwrap_or_else(|response| response)
}

/// `GET /commonauth`
pub async fn consumer_get(
    Tenant(state): Tenant,
    Client(client): Client,
    RawQuery(raw): RawQuery,
    query: Query,
    headers: HeaderMap,
) -> Response {
    let served = async {
        if let Some(received) = Received::redirect(raw.as_deref().unwrap_or_default()) {
            let received = received.map_err(|refusal| refuse(&refusal))?;
            if received.is_logout() {
                let role = Role::ServiceProvider;
                return logout::received(&state, &client, &headers, received, role).await;
            }
            // An answer about somebody does not come this way.
            return Err(PageError::Stale.into_response());
        }
        match query.text("sessionDataKey") {
            Some(key) => sp::arrive(&state, &client, &headers, key).await,
            None => Err(PageError::Stale.into_response()),
        }
    };
    served.await.unwrap_or_else(|response| response)
}

/// The message in a form.
async fn posted(request: Request) -> Result<Received, Response> {
    let body = whole(request.into_body(), BODY_BYTES_MAX)
        .await
        .map_err(|failure| PageError::from(failure).into_response())?;
    message(&body)
}

fn message(form: &[u8]) -> Result<Received, Response> {
    let text = std::str::from_utf8(form).map_err(|_| PageError::Form.into_response())?;
    match Received::post(text) {
        Some(received) => received.map_err(|refusal| refuse(&refusal)),
        None => Err(PageError::Form.into_response()),
    }
}

// ---------------------------------------------------------------- ourselves

/// What this tenant is called by its peers. The super tenant's name may be the operator's choice;
/// each other one is called by the address of its metadata.
fn entity_id(state: &TenantState) -> String {
    if state.tenant == TenantId::super_tenant() {
        return state.federation.saml.entity_id.clone();
    }
    state.address(METADATA)
}

fn ourselves(state: &TenantState) -> IdentityProvider {
    IdentityProvider {
        entity_id: entity_id(state),
        sso_url: state.address(SSO),
    }
}

/// Ourselves towards identity providers.
struct Us {
    entity_id: String,
    consumer_url: String,
}

impl Us {
    fn of(state: &TenantState) -> Self {
        Self {
            entity_id: entity_id(state),
            consumer_url: state.address(CONSUMER),
        }
    }
    fn here(&self) -> Here<'_> {
        Here {
            entity_id: &self.entity_id,
            consumer_url: &self.consumer_url,
        }
    }
}

fn now(state: &TenantState) -> Moment {
    moment(state.clock.now())
}

fn security(state: &TenantState) -> Result<Arc<dyn XmlSecurity>, Response> {
    state
        .federation
        .saml
        .keys
        .security(now(state))
        .map_err(|error| busy(&error))
}

fn fresh_id(state: &TenantState) -> Result<MessageId, Response> {
    let mut bytes = [0; 20];
    let filled = state.federation.entropy.fill(&mut bytes);
    filled.map_err(|error| busy(&error))?;
    Ok(MessageId::from_entropy(&bytes))
}

// ---------------------------------------------------------------- what waits

async fn park<T: Serialize + Sync>(
    state: &TenantState,
    kind: &str,
    what: &T,
) -> Result<ParkingKey, Response> {
    let key = state.federation.parking_key();
    let key = key.map_err(|error| busy(&error))?;
    let parked = Parked {
        kind: kind.to_owned(),
        tenant: state.tenant.as_str().to_owned(),
        group: String::new(),
        body: serde_json::to_vec(what).map_err(|error| busy(&error))?,
        expires_at: now(state).plus(WAITS),
    };
    let done = state.federation.parking.park(&key, &parked).await;
    done.map_err(|error| busy(&error))?;
    Ok(key)
}

fn unpacked<T: DeserializeOwned>(parked: Option<Parked>) -> Result<T, Response> {
    let parked = parked.ok_or_else(|| PageError::Stale.into_response())?;
    serde_json::from_slice(&parked.body).map_err(|error| busy(&error))
}

async fn look<T: DeserializeOwned>(
    state: &TenantState,
    kind: &str,
    key: &ParkingKey,
) -> Result<T, Response> {
    let parking = &state.federation.parking;
    let parked = parking
        .parked(state.tenant.as_str(), kind, key, now(state))
        .await;
    unpacked(parked.map_err(|error| busy(&error))?)
}

async fn claim<T: DeserializeOwned>(
    state: &TenantState,
    kind: &str,
    key: &ParkingKey,
) -> Result<T, Response> {
    let parking = &state.federation.parking;
    let parked = parking
        .claim(state.tenant.as_str(), kind, key, now(state))
        .await;
    unpacked(parked.map_err(|error| busy(&error))?)
}

// ---------------------------------------------------------------- what went wrong

fn busy(error: &(dyn std::error::Error + 'static)) -> Response {
    PageError::busy(error).into_response()
}

fn peers_failed(error: PortError) -> Response {
    busy(&error)
}

/// The cause goes to the log; the person reads a fixed sentence. Nothing is sent anywhere.
fn refuse(refusal: &Refusal) -> Response {
    tracing::warn!(
        cause = client::printable(&refusal.to_string()),
        "a SAML message was refused"
    );
    PageError::Application.into_response()
}
