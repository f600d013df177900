//! Which client asks: by its token, as `Bearer`, or as the password of its name in `Basic`.

use super::answer::Refused;
use crate::api::bearer::token;
use crate::extract::authorization::authorization;
use crate::extract::client::Peer;
use crate::tenant::TenantState;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use postern_admin::Actor;
use postern_federation::scim::ScimError;
use postern_login::ports::{ApiClient, Scope};
use sha2::{Digest, Sha256};

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) client: ApiClient,
    pub(super) actor: Actor,
}

impl Caller {
    pub(super) async fn of(head: &Parts, state: &TenantState) -> Result<Self, Refused> {
        let credentials = authorization(&head.headers)
            .ok()
            .flatten()
            .and_then(read)
            .ok_or_else(Refused::unauthorized)?;
        // 256 random bits: the plain hash is found, or it is nobody's.
        let hash: [u8; 32] = Sha256::digest(credentials.token.as_bytes()).into();
        let client = state.logins.client(&hash).await?;
        let client = client
            .filter(|client| {
                credentials
                    .name
                    .as_ref()
                    .is_none_or(|name| *name == client.name)
            })
            .ok_or_else(Refused::unauthorized)?;
        let scim = [Scope::ScimRead, Scope::ScimWrite];
        // Users of other tenants are not looked after here; their clients find nothing (attack Q-09).
        if client.tenant != state.tenant {
            return Err(ScimError::not_found().into());
        }
        if !scim.iter().any(|scope| client.may(*scope)) {
            let words = "the client has no scope for users and groups";
            return Err(ScimError::forbidden(words).into());
        }
        let address = head.extensions.get::<Peer>().map(|Peer(peer)| {
            state
                .trusted_proxies
                .client(peer.ip(), &head.headers)
                .to_string()
        });
        Ok(Self {
            actor: Actor::client(&client.name, address),
            client,
        })
    }
}

struct Credentials {
    /// Only `Basic` has one.
    name: Option<String>,
    token: String,
}

fn read(value: &str) -> Option<Credentials> {
    if let Some(token) = token(value) {
        return Some(Credentials {
            name: None,
            token: token.to_owned(),
        });
    }
    let (scheme, pair) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || pair.len() > 1024 {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (name, token) = pair.split_once(':')?;
    Some(Credentials {
        name: Some(name.to_owned()),
        token: token.to_owned(),
    })
}
