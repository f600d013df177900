//! What this host says of itself to whoever sets up a peer: where it is, what it is called, and which
//! keys it signs with.

use postern_admin::resident::{
    CertificateFacts, Facts, OpenIdFacts, Resident, SamlFacts, ScimFacts,
};
use postern_federation::Moment;
use postern_federation::oidc::provider::discovery;
use postern_login::error::StoreError;
use postern_login::ports::Clock;
use postern_web::PublicUrl;
use postern_web::saml::{CONSUMER, METADATA, SSO, Saml};
use postern_web::scim::Rule;
use std::sync::Arc;

pub(crate) struct Itself {
    pub(crate) public_url: PublicUrl,
    pub(crate) saml: Saml,
    pub(crate) inbound: Rule,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Facts for Itself {
    fn facts(&self) -> Result<Resident, StoreError> {
        let origin = self.public_url.origin();
        let security = self
            .saml
            .keys
            .security(Moment(self.clock.now().0))
            .map_err(|error| StoreError {
                what: error.what,
                source: error.source,
            })?;
        let certificates = security
            .certificates()
            .into_iter()
            .enumerate()
            .map(|(place, certificate)| {
                let dates = certificate.dates();
                CertificateFacts {
                    signs: place == 0,
                    fingerprint: certificate.fingerprint(),
                    not_before: dates.map(|(from, _)| from.0),
                    not_after: dates.map(|(_, until)| until.0),
                }
            })
            .collect();
        let document = discovery::document(origin, &[]);
        let addresses = document.as_object().into_iter().flatten();
        let endpoints = addresses
            .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let inbound = self.inbound.now();
        Ok(Resident {
            saml: SamlFacts {
                entity_id: self.saml.entity_id.clone(),
                metadata: format!("{origin}{METADATA}"),
                single_sign_on: format!("{origin}{SSO}"),
                // One address for both, as the older product has it.
                single_logout: format!("{origin}{SSO}"),
                consumer: format!("{origin}{CONSUMER}"),
                certificates,
            },
            openid: OpenIdFacts {
                issuer: origin.to_owned(),
                discovery: format!("{origin}/.well-known/openid-configuration"),
                endpoints,
            },
            scim: ScimFacts {
                base: format!("{origin}/scim/v2"),
                users: format!("{origin}/wso2/scim/Users"),
                groups: format!("{origin}/wso2/scim/Groups"),
                user_store: inbound.domain().map(str::to_owned),
                user_stores: inbound.domains().to_vec(),
            },
        })
    }
}
