//! Who is told of a session's end: the applications that were told of the session, and the identity provider that
//! vouched for it.

use super::{PARTICIPANT, key_of};
use crate::applications::moment;
use crate::saml::{busy, entity_id, now, peers_failed};
use crate::tenant::TenantState;
use axum::response::Response;
use postern_federation::IdentityProvider;
use postern_federation::identity_provider::Protocol;
use postern_federation::ports::Parked;
use postern_federation::saml::logout::LogoutEndpoint;
use postern_federation::saml::response::NameId;
use postern_federation::saml::sp::UpstreamSession;
use postern_federation::saml::{Certificate, SESSION_ATTRIBUTE, ServiceProvider};
use postern_login::login::FirstFactor;
use postern_login::ports::Subject;
use postern_login::session::Session;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The other side, by what it cannot change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Other {
    Application { entity_id: String },
    IdentityProvider { name: String },
}

/// The other side as the operator describes it now.
pub(super) struct Known {
    pub(super) display_name: String,
    pub(super) entity_id: String,
    pub(super) our_entity_id: String,
    pub(super) certificates: Vec<Certificate>,
    pub(super) endpoint: LogoutEndpoint,
}

/// An application that was told of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Participant {
    pub(super) entity_id: String,
    pub(super) name: NameId,
    pub(super) subject: Subject,
}

/// An application is about to be told of this session: it is told of its end as well. The newest name counts.
pub(in crate::saml) async fn takes_part(
    state: &TenantState,
    provider: &ServiceProvider,
    session: &Session,
    name: &NameId,
) -> Result<(), Response> {
    if provider.logout.is_none() {
        return Ok(());
    }
    let tenant = state.tenant.as_str();
    let participant = Participant {
        entity_id: provider.entity_id.clone(),
        name: name.clone(),
        subject: session.subject(),
    };
    let key = key_of(&[PARTICIPANT, tenant, &session.name, &provider.entity_id]);
    let parked = Parked {
        kind: PARTICIPANT.to_owned(),
        tenant: tenant.to_owned(),
        group: session.name.clone(),
        body: serde_json::to_vec(&participant).map_err(|error| busy(&error))?,
        expires_at: moment(session.expires_at),
    };
    let parking = &state.federation.parking;
    let known = parking
        .parked(tenant, PARTICIPANT, &key, now(state))
        .await
        .map_err(peers_failed)?;
    match known {
        // A read, and no write, each further time.
        Some(known) if known.body == parked.body && known.expires_at >= parked.expires_at => {
            return Ok(());
        }
        Some(_) => {
            let earlier = parking.claim(tenant, PARTICIPANT, &key, now(state));
            earlier.await.map_err(peers_failed)?;
        }
        None => {}
    }
    parking.park(&key, &parked).await.map_err(peers_failed)
}

pub(super) async fn participants(
    state: &TenantState,
    session: &str,
) -> Result<Vec<Participant>, Response> {
    let all = state
        .federation
        .parking
        .group(state.tenant.as_str(), PARTICIPANT, session, now(state))
        .await
        .map_err(peers_failed)?;
    all.iter()
        .map(|parked| serde_json::from_slice(&parked.body).map_err(|error| busy(&error)))
        .collect()
}

/// The identity provider that vouched for this session, if it is to be told of its end.
pub(super) fn upstream_of(session: &Session) -> Option<(String, UpstreamSession)> {
    let FirstFactor::Federated { identity_provider } = &session.first else {
        return None;
    };
    let kept = session
        .attributes
        .iter()
        .find(|(name, _)| name == SESSION_ATTRIBUTE)?;
    let kept = serde_json::from_str(&kept.1).ok()?;
    Some((identity_provider.clone(), kept))
}

pub(super) async fn known(state: &TenantState, other: &Other) -> Result<Option<Known>, Response> {
    let (peers, tenant) = (&state.federation.peers, state.tenant.as_str());
    let ours = &entity_id(state);
    match other {
        Other::Application { entity_id } => {
            let party = peers.relying_party_by_entity_id(tenant, entity_id).await;
            let party = party.map_err(peers_failed)?.filter(|party| party.enabled);
            Ok(party.and_then(|party| {
                let provider = party.saml.as_ref()?;
                Some(Known {
                    display_name: party.display_name.clone(),
                    entity_id: provider.entity_id.clone(),
                    our_entity_id: ours.clone(),
                    certificates: provider.certificates.clone(),
                    endpoint: provider.logout.clone()?,
                })
            }))
        }
        Other::IdentityProvider { name } => {
            let found = peers.identity_provider(tenant, name).await;
            let found = found.map_err(peers_failed)?.filter(|found| found.enabled);
            Ok(found.and_then(|found| vouching(ours, &found)))
        }
    }
}

pub(super) fn vouching(ours: &str, provider: &Arc<IdentityProvider>) -> Option<Known> {
    let Protocol::Saml(upstream) = &provider.protocol else {
        return None;
    };
    Some(Known {
        display_name: provider.display_name.clone(),
        entity_id: upstream.entity_id.clone(),
        our_entity_id: upstream
            .our_entity_id
            .clone()
            .unwrap_or_else(|| ours.to_owned()),
        certificates: upstream.certificates.clone(),
        endpoint: upstream.logout.clone()?,
    })
}
