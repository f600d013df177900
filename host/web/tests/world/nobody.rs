//! What is not there: keys, networks, people and peers of other tests.

use async_trait::async_trait;
use http::Request;
use postern_federation::identity_provider::Network;
use postern_federation::oidc::provider::{SigningKeys, SigningRing};
use postern_federation::ports::{Outbound, PortError};
use postern_login::TenantId;
use postern_login::ports::{FederatedLogin, Resolution, UserResolver};
use std::sync::Arc;

pub(super) struct NoResolver;

#[async_trait]
impl UserResolver for NoResolver {
    async fn resolve(&self, _: &str, _: &[(String, String)], _: &FederatedLogin) -> Resolution {
        Resolution::NotFound
    }
}

pub(super) struct NoKeys;

impl SigningKeys for NoKeys {
    fn ring(&self, _: postern_federation::Moment) -> Result<Arc<SigningRing>, PortError> {
        Ok(Arc::default())
    }
}

impl postern_federation::saml::keys::OwnKeys for NoKeys {
    fn security(
        &self,
        _: postern_federation::Moment,
    ) -> Result<Arc<dyn postern_federation::saml::XmlSecurity>, PortError> {
        Err(PortError::new("no SAML keys here"))
    }
    fn name_key(&self) -> Result<[u8; 32], PortError> {
        Ok([3; 32])
    }
}

/// No identity provider is reached from here.
pub(super) struct NoOutbound;

#[async_trait]
impl Outbound for NoOutbound {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        _: Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, PortError> {
        Err(PortError::new("there is no network"))
    }
}

/// Nobody is provisioned here; whole-host tests do that.
pub(super) struct NoPeople;

#[async_trait]
impl postern_federation::scim::People for NoPeople {
    async fn accounts(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }

    async fn person(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<postern_federation::scim::Person>, PortError> {
        Ok(None)
    }

    async fn person_named(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<postern_federation::scim::Person>, PortError> {
        Ok(None)
    }

    async fn namesakes(&self, _: &str, _: &str) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }

    async fn people(
        &self,
        _: &str,
        _: &[String],
        _: &postern_federation::scim::Condition,
        _: usize,
        _: usize,
    ) -> Result<
        postern_federation::scim::Page<postern_federation::scim::Person>,
        postern_federation::scim::SearchError,
    > {
        Ok(postern_federation::scim::Page {
            total: 0,
            items: Vec::new(),
        })
    }

    async fn set_external_id(&self, _: &str, _: &str, _: Option<&str>) -> Result<(), PortError> {
        Ok(())
    }
}

pub(super) struct NoPeers;

#[async_trait]
impl postern_admin::provisioning::Outgoing for NoPeers {
    fn connectors(&self) -> Vec<postern_admin::provisioning::ConnectorReport> {
        vec![postern_admin::provisioning::ConnectorReport {
            name: "peer".to_owned(),
            enabled: true,
            identity_provider: Some("filed".to_owned()),
            version: "2.0".to_owned(),
            user_endpoint: "https://peer.example/Users".to_owned(),
            group_endpoint: None,
            user_store_domain: None,
            blocking: true,
            waiting: 0,
        }]
    }

    async fn group_begins(&self, _: &TenantId, _: &str) -> Result<Vec<u64>, PortError> {
        Ok(Vec::new())
    }

    async fn group_ends(
        &self,
        _: &TenantId,
        _: Vec<u64>,
        _: bool,
        _: bool,
    ) -> Result<(), PortError> {
        Ok(())
    }

    fn wake(&self) {}

    async fn forget(&self, _: &TenantId, _: &str) -> Result<(), PortError> {
        Ok(())
    }
}
