//! What the protocols need from the world. Small traits; the world implements them.

use crate::identity_provider::Network;
use crate::{IdentityProvider, Moment, RelyingParty};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// What went wrong inside; for the log, whole, once.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct PortError {
    pub what: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// The same will come of it whenever it is tried.
    pub lasting: bool,
}

impl PortError {
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            source: None,
            lasting: false,
        }
    }

    pub fn caused(
        what: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            what: what.into(),
            source: Some(Box::new(source)),
            lasting: false,
        }
    }

    /// Trying again does not help.
    #[must_use]
    pub fn for_good(self) -> Self {
        Self {
            lasting: true,
            ..self
        }
    }
}

// ---------------------------------------------------------------- parked

/// 256 random bits as base64url. Whoever holds it may go on with what is parked under it: stores
/// keep only its SHA-256.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ParkingKey(String);

impl ParkingKey {
    pub fn from_entropy(bytes: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What came back in an address, a cookie or a RelayState: 43 characters of base64url, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let orderly = text.len() == 43
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        orderly.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ParkingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[parking key]")
    }
}

/// Something that waits for a browser to come back: a request of a relying party while somebody
/// signs in, the state of a trip to an identity provider, an authorization code, who takes part in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// What it is; a key of one kind opens nothing of another.
    pub kind: String,
    pub tenant: String,
    /// What is found and removed together: a session's name, a grant. Empty for none.
    pub group: String,
    pub body: Vec<u8>,
    pub expires_at: Moment,
}

/// A body larger than this is refused: nothing that waits is bigger than the largest request.
pub const PARKED_BYTES_MAX: usize = 512 * 1024;

/// Whatever waits. All writes are durable when the call returns.
#[async_trait]
pub trait Parking: Send + Sync {
    /// The key must be new.
    async fn park(&self, key: &ParkingKey, parked: &Parked) -> Result<(), PortError>;
    /// `None` also if it has expired, or is of another kind or tenant.
    async fn parked(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError>;
    /// As `parked`, and takes it out, in one statement: of two callers one gets it.
    async fn claim(
        &self,
        tenant: &str,
        kind: &str,
        key: &ParkingKey,
        now: Moment,
    ) -> Result<Option<Parked>, PortError>;
    /// Everything of a group that has not expired, in the order it was put; at most 200.
    async fn group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError>;
    /// Takes everything of a group out, at once; returns what had not expired. An empty group has nothing.
    async fn claim_group(
        &self,
        tenant: &str,
        kind: &str,
        group: &str,
        now: Moment,
    ) -> Result<Vec<Parked>, PortError>;
    async fn remove_expired(&self, now: Moment, rows_max: u32) -> Result<u64, PortError>;
}

/// What may be used once: assertion ids, authorization codes, `jti`.
#[async_trait]
pub trait Once: Send + Sync {
    /// True exactly once for a tenant, kind and id until `until`, in one durable statement; whoever
    /// is told false saw a replay. `until` must be as late as the thing itself would be accepted.
    async fn first(
        &self,
        tenant: &str,
        kind: &str,
        id: &str,
        until: Moment,
        now: Moment,
    ) -> Result<bool, PortError>;
    async fn remove_expired(&self, now: Moment, rows_max: u32) -> Result<u64, PortError>;
}

// ---------------------------------------------------------------- outbound

/// Requests to other servers, within the host's rules: addresses that may be reached, no redirects,
/// bounded times and sizes.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// An answer of any status is an answer. `peer` is the name of the entry it is for.
    async fn fetch(
        &self,
        tenant: &str,
        peer: &str,
        network: &Network,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, PortError>;
}

// ---------------------------------------------------------------- peers

/// Who we federate with. A snapshot: what is disabled is still listed.
#[async_trait]
pub trait Peers: Send + Sync {
    async fn identity_provider(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<Option<Arc<IdentityProvider>>, PortError> {
        let all = self.identity_providers(tenant).await?;
        Ok(all.into_iter().find(|provider| provider.name == name))
    }
    /// In the order of their names.
    async fn identity_providers(
        &self,
        tenant: &str,
    ) -> Result<Vec<Arc<IdentityProvider>>, PortError>;
    async fn relying_party(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<Option<Arc<RelyingParty>>, PortError> {
        let all = self.relying_parties(tenant).await?;
        Ok(all.into_iter().find(|party| party.name == name))
    }
    async fn relying_party_by_client_id(
        &self,
        tenant: &str,
        client_id: &str,
    ) -> Result<Option<Arc<RelyingParty>>, PortError> {
        let all = self.relying_parties(tenant).await?;
        let is_it = |party: &Arc<RelyingParty>| {
            let oidc = party.oidc.as_ref();
            oidc.is_some_and(|client| client.client_id == client_id)
        };
        Ok(all.into_iter().find(is_it))
    }
    async fn relying_party_by_entity_id(
        &self,
        tenant: &str,
        entity_id: &str,
    ) -> Result<Option<Arc<RelyingParty>>, PortError> {
        let all = self.relying_parties(tenant).await?;
        let is_it = |party: &Arc<RelyingParty>| {
            let saml = party.saml.as_ref();
            saml.is_some_and(|provider| provider.entity_id == entity_id)
        };
        Ok(all.into_iter().find(is_it))
    }
    /// In the order of their names.
    async fn relying_parties(&self, tenant: &str) -> Result<Vec<Arc<RelyingParty>>, PortError>;
    /// How people sign in who came by themselves, for their own account page.
    async fn own_sign_in(&self, tenant: &str)
    -> Result<crate::relying_party::FirstStep, PortError>;
}
