//! What every handler may use. Assembled once by the server; cheap to clone.

use crate::cookies::Cookies;
use crate::form_token::FormKey;
use crate::proxies::TrustedProxies;
use crate::public_url::PublicUrl;
use crate::tenant::{Own, Tenants};
use async_trait::async_trait;
use postern_admin::Administration;
use postern_federation::oidc::provider::{Provider, SigningKeys};
use postern_federation::oidc::upstream::Upstreams;
use postern_federation::ports::{Once, Parking, ParkingKey, Peers};
use postern_login::error::StoreError;
use postern_login::ports::{Clock, Entropy};
use postern_login::{Logins, TenantId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// What the server puts together.
#[derive(Clone)]
pub struct WebParts {
    /// Of every tenant: a handler takes its own from `Tenant`.
    pub all_logins: Logins,
    pub tenants: Arc<dyn Tenants>,
    pub public_url: PublicUrl,
    /// Further values of `Host` that are answered (an internal name of the API, say).
    pub other_hosts: Vec<String>,
    pub trusted_proxies: TrustedProxies,
    pub clock: Arc<dyn Clock>,
    /// A handler takes its tenant's from `Tenant`.
    pub all_form_keys: FormKey,
    pub federation: Federation,
    pub scim: crate::scim::Scim,
    pub administration: Administration,
    /// The address by which administrators reach the console; `None`: by a loopback name or an address.
    pub console_url: Option<PublicUrl>,
    pub readiness: Arc<dyn Readiness>,
    /// The metrics as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Without one the administrator's requests are refused.
    pub admin_token: Option<AdminToken>,
}

/// Who we federate with, and what waits for browsers meanwhile.
#[derive(Clone)]
pub struct Federation {
    pub peers: Arc<dyn Peers>,
    pub parking: Arc<dyn Parking>,
    pub once: Arc<dyn Once>,
    pub upstreams: Upstreams,
    pub signing_keys: Arc<dyn SigningKeys>,
    pub saml: crate::saml::Saml,
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Federation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Federation")
    }
}

impl Federation {
    pub fn provider(&self) -> Provider {
        Provider {
            parking: self.parking.clone(),
            once: self.once.clone(),
            peers: self.peers.clone(),
            keys: self.signing_keys.clone(),
        }
    }

    /// A key to park something under.
    pub fn parking_key(&self) -> Result<ParkingKey, StoreError> {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes)?;
        Ok(ParkingKey::from_entropy(&bytes))
    }
}

#[derive(Clone)]
pub struct WebState {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Arc<WebParts>,
    /// Most requests are the super tenant's.
    super_tenant: OnceLock<Arc<Own>>,
    /// The others that were asked for, as long as there are such tenants.
    others: RwLock<HashMap<TenantId, Arc<Own>>>,
    console_cookies: Cookies,
}

impl WebState {
    pub fn new(parts: WebParts) -> Self {
        if !parts.public_url.secure() {
            tracing::warn!(
                public_url = parts.public_url.origin(),
                "plain http at a loopback address: cookies go without `Secure` and without the `__Host-` prefix"
            );
        }
        let console_cookies = Cookies::of_console(&parts.public_url, parts.console_url.as_ref());
        Self {
            shared: Arc::new(Shared {
                parts: Arc::new(parts),
                super_tenant: OnceLock::new(),
                others: RwLock::default(),
                console_cookies,
            }),
        }
    }

    pub(crate) fn parts(&self) -> Arc<WebParts> {
        Arc::clone(&self.shared.parts)
    }

    pub(crate) fn super_tenant(&self) -> Arc<Own> {
        let own = || Arc::new(Own::new(self, &TenantId::super_tenant()));
        Arc::clone(self.shared.super_tenant.get_or_init(own))
    }

    /// Of a tenant there is. One for all its requests: its places are counted over them.
    pub(crate) fn own(&self, tenant: &TenantId) -> Arc<Own> {
        let others = &self.shared.others;
        let held = others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get(tenant) {
            return Arc::clone(own);
        }
        drop(held);
        let mut held = others.write().unwrap_or_else(PoisonError::into_inner);
        let own = held
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(Own::new(self, tenant)));
        Arc::clone(own)
    }

    /// There is no such tenant any more, or never was.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        let others = &self.shared.others;
        let known = others
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(tenant);
        if known {
            let mut held = others.write().unwrap_or_else(PoisonError::into_inner);
            held.remove(tenant);
        }
    }

    /// Those of the administrator's console.
    pub fn console_cookies(&self) -> &Cookies {
        &self.shared.console_cookies
    }
}

impl Deref for WebState {
    type Target = WebParts;
    fn deref(&self) -> &WebParts {
        &self.shared.parts
    }
}

impl std::fmt::Debug for WebState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebState({})", self.public_url.origin())
    }
}

impl std::fmt::Debug for WebParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebParts({})", self.public_url.origin())
    }
}

/// SHA-256 of the administrator's bearer token.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// The token as its file holds it, without the line's end. At least 16 bytes.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim_end();
        (token.len() >= 16).then(|| Self(Sha256::digest(token.as_bytes()).into()))
    }

    /// Constant time.
    #[must_use]
    pub fn matches(&self, token: &str) -> bool {
        Sha256::digest(token.as_bytes()).ct_eq(&self.0).into()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[admin token]")
    }
}

/// Whether this host can do its work now. Asked by whoever routes traffic to it.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Answers within a second or so; says nothing that a stranger must not read.
    async fn check(&self) -> Ready;
}

/// One line a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// The store takes writes.
    pub store: bool,
    /// At least one configured sender can send.
    pub senders: bool,
}

impl Ready {
    pub fn all(&self) -> bool {
        self.store && self.senders
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_admin_token_is_compared_whole_and_never_printed() {
        let token = AdminToken::new("0123456789abcdef\n").unwrap();
        assert!(token.matches("0123456789abcdef"));
        assert!(!token.matches("0123456789abcdeg"));
        assert!(!token.matches("0123456789abcde"));
        assert!(!token.matches(""));
        assert_eq!(format!("{token:?}"), "[admin token]");
        assert!(AdminToken::new("short").is_none());
    }
}
