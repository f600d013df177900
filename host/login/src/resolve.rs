//! A federated person becomes a local account, or none, or the login stops.

use crate::audit::What;
use crate::begin::{ClientFacts, Moved};
use crate::deliver::event;
use crate::login::{Login, State, StopReason, Stopped};
use crate::ports::{AccountRef, Advanced, FederatedLogin, Resolution, Settlement, TenantSettings};
use crate::{LoginError, Logins};
use postern_otp::need::Refusal;
use postern_otp::{PhoneNumber, Region};

/// In `resolver_settings`: `true` sends to the number that the identity provider delivered.
const SEND_TO_FEDERATED_NUMBER: &str = "send_otp_to_federated_mobile";
/// In `resolver_settings`: the attribute it is delivered in.
const FEDERATED_NUMBER_ATTRIBUTE: &str = "federated_mobile_attribute_key";

pub(crate) enum Resolved {
    Account(AccountRef),
    Nobody,
    /// A plugin's fault is never "nobody": that could mean that no second factor is asked for.
    Refused,
}

impl Logins {
    pub(crate) async fn resolve(
        &self,
        said: &FederatedLogin,
        settings: &TenantSettings,
    ) -> Resolved {
        let usecase = &settings.factor.usecase;
        let resolution = self
            .ports
            .resolver
            .resolve(usecase, &settings_for(said, settings), said)
            .await;
        match resolution {
            Resolution::Account(account) => Resolved::Account(account),
            Resolution::NotFound => Resolved::Nobody,
            Resolution::Refuse { detail } => {
                tracing::warn!(
                    plugin.id = %usecase,
                    identity_provider = %said.identity_provider,
                    %detail,
                    "a resolver refused a federated login"
                );
                Resolved::Refused
            }
        }
    }

    pub(crate) async fn refused_by_resolver(
        &self,
        login: Login,
        settings: &TenantSettings,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let reason = StopReason::Refused(Refusal::NoLocalAccount);
        self.stopped_at_first_step(login, settings, client, reason, "resolver-refused")
            .await
    }

    /// The login ends before anybody is known here: not even a backup code is asked for.
    pub(crate) async fn stopped_at_first_step(
        &self,
        login: Login,
        settings: &TenantSettings,
        client: &ClientFacts,
        reason: StopReason,
        word: &str,
    ) -> Result<Moved, LoginError> {
        let what = What::LoginStopped {
            reason: word.to_owned(),
        };
        let stopped = event(&login, self.now(), Some(client.address.clone()), what);
        let next = State::Stopped(Stopped { reason, who: None });
        let then = Settlement {
            rename: Some(self.fresh_id()?),
            events: vec![stopped],
            ..Settlement::default()
        };
        let settled = self.settle(&login, next, then).await?;
        match settled {
            Advanced::Won(login) => Ok(self.moved(&login, settings)),
            Advanced::Lost => Err(LoginError::Conflict),
        }
    }
}

/// The tenant's settings; over them what it says of logins after this identity provider, and over all
/// what the provider's own entry says.
fn settings_for(said: &FederatedLogin, settings: &TenantSettings) -> Vec<(String, String)> {
    let after = settings.factor.resolver_settings_after.iter();
    let after = after
        .filter(|(provider, _)| *provider == said.identity_provider)
        .flat_map(|(_, own)| own);
    let mut effective = settings.factor.resolver_settings.clone();
    for (name, value) in after.chain(&said.settings) {
        effective.retain(|(known, _)| known != name);
        effective.push((name.clone(), value.clone()));
    }
    effective
}

/// The number an identity provider delivered, if the settings ask for it (attack B-08: only from
/// the provider that vouched).
pub(crate) fn federated_number(
    said: &FederatedLogin,
    settings: &TenantSettings,
    region: Option<&Region>,
) -> Option<PhoneNumber> {
    let all = settings_for(said, settings);
    if !asks_for_number(&all) {
        return None;
    }
    let attribute = value(&all, FEDERATED_NUMBER_ATTRIBUTE).filter(|name| !name.is_empty())?;
    let (_, text) = said.attributes.iter().find(|(name, _)| name == attribute)?;
    PhoneNumber::parse(text, region).ok()
}

/// Whether the settings ask for it.
pub(crate) fn federated_number_wanted(said: &FederatedLogin, settings: &TenantSettings) -> bool {
    asks_for_number(&settings_for(said, settings))
}

fn asks_for_number(all: &[(String, String)]) -> bool {
    value(all, SEND_TO_FEDERATED_NUMBER).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn value<'a>(all: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let (_, value) = all.iter().find(|(known, _)| known == key)?;
    Some(value.trim())
}
