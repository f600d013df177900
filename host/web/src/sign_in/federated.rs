//! The first step at an identity provider: the way there, and back.

use super::went_on;
use crate::applications;
use crate::error::{PageError, chain, unmoved};
use crate::extract::Client;
use crate::extract::query::Query;
use crate::page::see_other;
use crate::saml;
use crate::tenant::{Tenant, TenantState};
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::IdentityProvider;
use postern_federation::identity_provider::Protocol;
use postern_federation::oidc::upstream::{Answer, Fault, Traveller, TripError};
use postern_federation::saml::{CONTEXT_ATTRIBUTE, SESSION_ATTRIBUTE};
use postern_login::Step;
use postern_login::application::Application;
use postern_login::login::Notice;
use postern_login::ports::FederatedLogin;
use postern_login::session::{ASKED_ATTRIBUTE, UNTIL_ATTRIBUTE};
use std::sync::Arc;

/// Where a button leads.
pub(super) fn address(name: &str, hint: Option<&str>) -> String {
    super::with_hint(format!("/sign-in/with/{name}"), hint)
}

/// What is registered at the provider as ours: one address each, so that no provider's answer can
/// be taken for another's (RFC 9700, 4.4).
pub fn callback(state: &TenantState, name: &str) -> String {
    state.address(&format!("/sign-in/callback/{name}"))
}

/// `GET /sign-in/with/{name}`: only for a login that is at its first step and offers this way.
pub async fn leave(
    Tenant(state): Tenant,
    Client(client): Client,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let hint = super::hint_of(query.as_deref());
    let Some(id) = state.cookies().login(&headers) else {
        return see_other("/sign-in?again");
    };
    let application = match state.logins.step(&id).await {
        Ok(Step::FirstStep { application, .. }) => application,
        Ok(_) => return see_other("/sign-in"),
        Err(error) => return unmoved(error, state.clock.now(), "/sign-in"),
    };
    if !application.sequence.offers(&name) {
        return PageError::NotFound.into_response();
    }
    let provider = match known(&state, &name).await {
        Ok(provider) => provider,
        Err(response) => return response,
    };
    if let Protocol::Saml(upstream) = &provider.protocol {
        return saml::sp::leave(&state, &client, &id, &application, &provider, upstream)
            .await
            .unwrap_or_else(|response| response);
    }
    let mut entropy = [0; 96];
    if let Err(error) = state.federation.entropy.fill(&mut entropy) {
        return PageError::busy(&error).into_response();
    }
    let redirect_uri = callback(&state, &name);
    let traveller = Traveller {
        login: id.as_str(),
        redirect_uri: &redirect_uri,
        afresh: is_asked_afresh(&application, &provider),
        locale: &client.locale,
        login_hint: hint.as_deref(),
        now: applications::moment(state.clock.now()),
    };
    let left = state
        .federation
        .upstreams
        .leave(&provider, traveller, &entropy);
    match left.await {
        Ok(departure) => see_other(&departure.location),
        Err(error) => {
            let notice = told(&error);
            let outcome = state.logins.not_vouched(&id, notice, &client).await;
            went_on(&state, &id, &client, &headers, outcome).await
        }
    }
}

/// Whether the person is to be asked again there. Plain OAuth 2.0 cannot be told to, and an application
/// gets a refusal then. Who goes to their own account goes there all the same: it proves nothing, and
/// without a code after it nothing of the account is moved.
fn is_asked_afresh(application: &Application, provider: &IdentityProvider) -> bool {
    let proves_nothing = matches!(provider.protocol, Protocol::OAuth2(_));
    application.sequence.afresh && (application.waits() || !proves_nothing)
}

/// `GET /sign-in/callback/{name}`: bound to the browser by its login's cookie, which comes along
/// because it is Lax and this is a page the browser itself opens (attacks S-05, S-18).
pub async fn arrive(
    Tenant(state): Tenant,
    Client(client): Client,
    Path(name): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Response {
    let Some(id) = state.cookies().login(&headers) else {
        return PageError::Stale.into_response();
    };
    let provider = match known(&state, &name).await {
        Ok(provider) => provider,
        Err(response) => return response,
    };
    let text = |name: &str| query.text(name).map(str::to_owned);
    let answer = Answer {
        state: text("state"),
        code: text("code"),
        error: text("error"),
        error_description: text("error_description"),
        iss: text("iss"),
    };
    let now = applications::moment(state.clock.now());
    let arrived = state
        .federation
        .upstreams
        .arrive(&provider, &answer, id.as_str(), now);
    let outcome = match arrived.await {
        Ok(vouched) => {
            let mut attributes = without_ours(vouched.attributes);
            if let Some(at) = vouched.asked_at {
                attributes.push((ASKED_ATTRIBUTE.to_owned(), at.0.to_string()));
            }
            let said = FederatedLogin {
                tenant: state.tenant.clone(),
                identity_provider: provider.name.clone(),
                subject_identifier: vouched.subject.clone(),
                subject: vouched.subject,
                attributes,
                settings: resolver_settings(&provider),
            };
            state.logins.federated(&id, said, &client).await
        }
        Err(error) => {
            let notice = told(&error);
            match error.fault {
                // Nothing of this login: it stays where it is, whoever made the browser come here.
                Fault::Forged => return PageError::Stale.into_response(),
                Fault::Refused | Fault::Provider | Fault::Host => {
                    state.logins.not_vouched(&id, notice, &client).await
                }
            }
        }
    };
    went_on(&state, &id, &client, &headers, outcome).await
}

/// What a provider says, whatever it speaks, without what we say under names of our own.
pub fn without_ours(mut attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    let ours = [
        CONTEXT_ATTRIBUTE,
        SESSION_ATTRIBUTE,
        ASKED_ATTRIBUTE,
        UNTIL_ATTRIBUTE,
    ];
    attributes.retain(|(name, _)| !ours.contains(&name.as_str()));
    attributes
}

/// `SMSOTP-userAttribute` and the number's attribute, as the resolver and the second step know them.
pub fn resolver_settings(provider: &IdentityProvider) -> Vec<(String, String)> {
    let own = [
        ("user_attribute", &provider.user_attribute),
        ("federated_mobile_attribute_key", &provider.mobile_attribute),
    ];
    let set = own.into_iter().filter_map(|(name, value)| {
        let value = value.clone()?;
        Some((name.to_owned(), value))
    });
    set.collect()
}

/// The chain goes to the log, once; the person reads a fixed sentence (attack E-06).
fn told(error: &TripError) -> Notice {
    tracing::warn!(
        identity_provider = %error.provider,
        fault = ?error.fault,
        error = chain(error),
        "an identity provider did not sign somebody in"
    );
    match error.fault {
        Fault::Refused => Notice::ElsewhereRefused,
        Fault::Provider | Fault::Forged | Fault::Host => Notice::ElsewhereFailed,
    }
}

async fn known(state: &TenantState, name: &str) -> Result<Arc<IdentityProvider>, Response> {
    let found = state
        .federation
        .peers
        .identity_provider(state.tenant.as_str(), name)
        .await
        .map_err(|error| PageError::busy(&error).into_response())?;
    found
        .filter(|provider| provider.enabled)
        .ok_or_else(|| PageError::NotFound.into_response())
}
