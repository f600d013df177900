//! The identity provider: an application asks, somebody signs in, the application is answered.

use super::{
    SSO, entity_id, fresh_id, logout, look, now, ourselves, park, peers_failed, refuse, security,
    show,
};
use crate::applications;
use crate::error::{PageError, unmoved};
use crate::page::{see_other, with_cookie};
use crate::tenant::TenantState;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_federation::RelyingParty;
use postern_federation::ports::ParkingKey;
use postern_federation::saml::idp::{
    NameIdFormat, Person, UnverifiedRequest, ValidAuthnRequest, Verdict, persistent_name,
};
use postern_federation::saml::response::{Attribute, NameId};
use postern_federation::saml::{self, AuthnContext, Refusal, ServiceProvider, Status};
use postern_login::application::{Application, SecondStep};
use postern_login::begin::{ClientFacts, Moved};
use postern_login::login::{FirstFactor, Origin};
use postern_login::session::Session;
use postern_login::sign_on::{Demand, Recognized};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const REQUEST: &str = "saml-request";
const EMAIL: &str = "http://wso2.org/claims/emailaddress";

/// A request that waits while somebody signs in.
#[derive(Serialize, Deserialize)]
struct Waiting {
    request: ValidAuthnRequest,
    /// When it came: ForceAuthn means after this.
    came_at: u64,
}

impl Waiting {
    fn new(state: &TenantState, request: ValidAuthnRequest) -> Self {
        Self {
            request,
            came_at: state.clock.now().0,
        }
    }
}

/// `?spEntityID=`
pub(super) struct Start<'a> {
    pub(super) entity_id: &'a str,
    pub(super) consumer_url: Option<&'a str>,
    pub(super) relay_state: Option<&'a str>,
}

/// An application's `AuthnRequest`.
pub(super) async fn request(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    unverified: UnverifiedRequest,
    by_post: bool,
) -> Result<Response, Response> {
    let (party, provider) = known(state, unverified.issuer()).await?;
    let security = security(state)?;
    let at = saml::at(now(state));
    let verdict = ourselves(state)
        .check(unverified, &provider, &*security, at)
        .map_err(|refusal| refuse(&refusal))?;
    match verdict {
        Verdict::Grant(request) if by_post => {
            // The cookies did not come along: by GET they do.
            let waiting = Waiting::new(state, request);
            let key = park(state, REQUEST, &waiting).await?;
            Ok(see_other(&return_address(&key)))
        }
        Verdict::Grant(request) => {
            proceed(state, client, headers, &party, &provider, request).await
        }
        Verdict::Deny(denied) => deny(state, client, &provider, &denied.request, denied.status),
    }
}

/// IdP-initiated: refused before anybody is asked to sign in.
pub(super) async fn start(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    wish: Start<'_>,
) -> Result<Response, Response> {
    let (party, provider) = known(state, wish.entity_id).await?;
    let request = ourselves(state)
        .start(&provider, wish.consumer_url, wish.relay_state)
        .map_err(|refusal| refuse(&refusal))?;
    proceed(state, client, headers, &party, &provider, request).await
}

/// A session answers at once, if it is enough; otherwise the request waits.
async fn proceed(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    party: &RelyingParty,
    provider: &ServiceProvider,
    request: ValidAuthnRequest,
) -> Result<Response, Response> {
    let waiting = Waiting::new(state, request);
    let recognized = recognize(state, headers, party, &waiting).await?;
    if let Recognized::Enough(session) = &recognized.1 {
        return answer(state, client, party, provider, &waiting.request, session).await;
    }
    let key = park(state, REQUEST, &waiting).await?;
    begin(state, client, provider, &waiting.request, recognized, &key).await
}

/// `?sessionDataKey=`: where a login that began here ends.
pub(super) async fn resume(
    state: &TenantState,
    client: &ClientFacts,
    headers: &HeaderMap,
    key: &str,
    declined: bool,
) -> Result<Response, Response> {
    let key = ParkingKey::parse(key).ok_or_else(|| PageError::Stale.into_response())?;
    let waiting: Waiting = look(state, REQUEST, &key).await?;
    let (party, provider) = known(state, waiting.request.service_provider()).await?;
    if declined {
        let waiting: Waiting = super::claim(state, REQUEST, &key).await?;
        return deny(
            state,
            client,
            &provider,
            &waiting.request,
            Status::AuthnFailed,
        );
    }
    let recognized = recognize(state, headers, &party, &waiting).await?;
    match &recognized.1 {
        Recognized::Enough(session) => {
            // Once: the same request is not answered twice.
            let waiting: Waiting = super::claim(state, REQUEST, &key).await?;
            answer(state, client, &party, &provider, &waiting.request, session).await
        }
        Recognized::SecondStep(_) | Recognized::Nobody => {
            begin(state, client, &provider, &waiting.request, recognized, &key).await
        }
    }
}

async fn recognize(
    state: &TenantState,
    headers: &HeaderMap,
    party: &RelyingParty,
    waiting: &Waiting,
) -> Result<(Application, Recognized), Response> {
    let mut application = applications::of(state, party).await.map_err(peers_failed)?;
    let force = waiting.request.force_authn();
    application.sequence.afresh = force;
    // An application may ask for more than its entry says, never for less.
    let wanted = waiting.request.requested_context();
    let enough = |context| saml::context::answer(context, wanted).is_some();
    if !enough(AuthnContext::PasswordProtectedTransport) && enough(AuthnContext::TwoFactors) {
        application.sequence.second_step = SecondStep::SmsOtp;
    }
    let demand = Demand {
        since: force.then_some(Timestamp(waiting.came_at)),
    };
    let session = state.cookies().session(headers);
    let recognized = state
        .logins
        .recognize(&state.tenant, &application, &demand, session.as_ref())
        .await
        .map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    Ok((application, recognized))
}

/// The login comes back to `resume`, whatever happens in between. A passive request begins none.
async fn begin(
    state: &TenantState,
    client: &ClientFacts,
    provider: &ServiceProvider,
    request: &ValidAuthnRequest,
    (application, recognized): (Application, Recognized),
    key: &ParkingKey,
) -> Result<Response, Response> {
    if request.is_passive() {
        return deny(state, client, provider, request, Status::NoPassive);
    }
    let origin = Origin::Browser {
        return_to: return_address(key),
    };
    let logins = &state.logins;
    let begun = match recognized {
        Recognized::SecondStep(session) => {
            logins.step_up(&session, application, origin, client).await
        }
        Recognized::Enough(_) | Recognized::Nobody => {
            logins.begin_for(application, origin, client).await
        }
    };
    let Moved { id, .. } = begun.map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    Ok(with_cookie(
        see_other("/sign-in"),
        state.cookies().set_login(&id),
    ))
}

fn return_address(key: &ParkingKey) -> String {
    format!("{SSO}?sessionDataKey={}", key.as_str())
}

async fn answer(
    state: &TenantState,
    client: &ClientFacts,
    party: &RelyingParty,
    provider: &ServiceProvider,
    request: &ValidAuthnRequest,
    session: &Session,
) -> Result<Response, Response> {
    let all = state
        .logins
        .attributes(session)
        .await
        .map_err(|error| unmoved(error, state.clock.now(), "/sign-in"))?;
    let Some(subject) = subject(state, provider, request, session, &all)? else {
        return deny(
            state,
            client,
            provider,
            request,
            Status::InvalidNameIdPolicy,
        );
    };
    let person = Person {
        subject,
        attributes: released(party, &all),
        context: context(session),
        authenticated_at: saml::at(applications::moment(session.proven_at())),
        session_index: session.name.clone(),
        session_until: saml::at(applications::moment(session.expires_at)),
    };
    // A context that does not do is a denial: then it takes no part.
    if saml::context::answer(person.context, request.requested_context()).is_some() {
        logout::takes_part(state, provider, session, &person.subject).await?;
    }
    let security = security(state)?;
    let ids = (&fresh_id(state)?, &fresh_id(state)?);
    let outgoing = ourselves(state)
        .answer(
            provider,
            request,
            &person,
            ids,
            &*security,
            saml::at(now(state)),
        )
        .map_err(|refusal| refuse(&refusal))?;
    Ok(show::send(state, client, &outgoing))
}

fn deny(
    state: &TenantState,
    client: &ClientFacts,
    provider: &ServiceProvider,
    request: &ValidAuthnRequest,
    status: Status,
) -> Result<Response, Response> {
    tracing::info!(
        service_provider = provider.entity_id,
        ?status,
        "a SAML request was denied"
    );
    let security = security(state)?;
    let outgoing = ourselves(state)
        .deny(
            provider,
            request,
            status,
            &fresh_id(state)?,
            &*security,
            saml::at(now(state)),
        )
        .map_err(|refusal| refuse(&refusal))?;
    Ok(show::send(state, client, &outgoing))
}

/// `None` if there is no name of the wanted format for this person.
fn subject(
    state: &TenantState,
    provider: &ServiceProvider,
    request: &ValidAuthnRequest,
    session: &Session,
    all: &[(String, String)],
) -> Result<Option<NameId>, Response> {
    let format = request.name_id_format();
    let of = |claim: &str| {
        let found = all.iter().find(|(name, _)| name == claim);
        found.map(|(_, value)| value.clone())
    };
    let named = match &provider.name_id_claim {
        Some(claim) => of(claim),
        None => Some(session.display.clone()),
    };
    let value = match format {
        NameIdFormat::Unspecified => named,
        NameIdFormat::EmailAddress => named
            .filter(|name| name.contains('@'))
            .or_else(|| of(EMAIL)),
        NameIdFormat::Persistent => {
            let key = state.federation.saml.keys.name_key();
            let key = key.map_err(|error| super::busy(&error))?;
            let person = session.subject().key();
            Some(persistent_name(&key, &provider.entity_id, &person))
        }
        NameIdFormat::Transient => Some(fresh_id(state)?.as_str().to_owned()),
    };
    // These two mean something only between us and this one application.
    let scoped = match format {
        NameIdFormat::Persistent | NameIdFormat::Transient => true,
        NameIdFormat::Unspecified | NameIdFormat::EmailAddress => false,
    };
    Ok(value.filter(|value| !value.is_empty()).map(|value| NameId {
        value,
        format: Some(format.uri().to_owned()),
        name_qualifier: scoped.then(|| entity_id(state)),
        sp_name_qualifier: scoped.then(|| provider.entity_id.clone()),
    }))
}

/// Only what the operator releases, under the names the application knows.
fn released(party: &RelyingParty, all: &[(String, String)]) -> Vec<Attribute> {
    let claims = party.claims.iter();
    let told = claims.filter_map(|claim| {
        let values: Vec<String> = all
            .iter()
            .filter(|(name, _)| *name == claim.claim)
            .map(|(_, value)| value.clone())
            .collect();
        (!values.is_empty()).then(|| Attribute {
            name: claim.name.clone(),
            values,
        })
    });
    told.collect()
}

/// Never more than was proven.
fn context(session: &Session) -> AuthnContext {
    if session.has_second_factor() {
        return AuthnContext::TwoFactors;
    }
    match session.first {
        FirstFactor::Password => AuthnContext::PasswordProtectedTransport,
        // What the other side said of its own sign-in, told on as its word.
        FirstFactor::Federated { .. } => super::sp::context_of(session),
        FirstFactor::Client { .. } => AuthnContext::Unspecified,
    }
}

/// The application of that name, if it is switched on and speaks SAML.
async fn known(
    state: &TenantState,
    entity_id: &str,
) -> Result<(Arc<RelyingParty>, ServiceProvider), Response> {
    let party = state
        .federation
        .peers
        .relying_party_by_entity_id(state.tenant.as_str(), entity_id)
        .await
        .map_err(peers_failed)?;
    let known = party.filter(|party| party.enabled).and_then(|party| {
        let provider = party.saml.clone()?;
        Some((party, provider))
    });
    known.ok_or_else(|| refuse(&Refusal::UnknownPeer(entity_id.chars().take(200).collect())))
}
