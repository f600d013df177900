//! What this host is to others, for whoever writes it down at a peer: its names, addresses and
//! certificates as an identity provider, and where it takes users as a service provider.
//!
//! Knows no protocol: the facts are the host's.

use crate::{Actor, AdminError, Administration, act};
use postern_login::TenantId;
use postern_login::error::StoreError;
use serde::{Deserialize, Serialize};

/// Where the facts come from. Only a host that runs has them.
pub trait Facts: Send + Sync {
    fn facts(&self) -> Result<Resident, StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    pub saml: SamlFacts,
    pub openid: OpenIdFacts,
    pub scim: ScimFacts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlFacts {
    pub entity_id: String,
    pub metadata: String,
    pub single_sign_on: String,
    pub single_logout: String,
    /// Where answers of other identity providers come.
    pub consumer: String,
    /// The first one signs.
    pub certificates: Vec<CertificateFacts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Else it is published for a change of keys.
    pub signs: bool,
    /// SHA-256 in hex.
    pub fingerprint: String,
    /// Milliseconds since 1970.
    pub not_before: Option<u64>,
    pub not_after: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIdFacts {
    pub issuer: String,
    pub discovery: String,
    /// By the name that the discovery document has for each.
    pub endpoints: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScimFacts {
    /// SCIM 2.0.
    pub base: String,
    /// SCIM 1.1.
    pub users: String,
    pub groups: String,
    /// Everybody goes into this user store, whatever stands before the name.
    pub user_store: Option<String>,
    /// Without that: those that may stand before a name.
    pub user_stores: Vec<String>,
}

impl Administration {
    pub async fn resident_show(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Resident, AdminError> {
        self.allow(actor, tenant, act::RESIDENT_SHOW, None).await?;
        Ok(self.host()?.resident.facts()?)
    }
}
