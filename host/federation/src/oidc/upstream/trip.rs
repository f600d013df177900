//! There and back: the authorization code flow with PKCE (RFC 6749, 7636, 9700; OpenID Connect Core).

use super::discovery::{self, Metadata};
use super::error::{Fault, TripError};
use super::id_token::{self, Expected, Refused};
use super::keys::KeySet;
use super::{ClientAuthentication, OAuth2, OpenId, Registration, attributes};
use crate::identity_provider::Protocol;
use crate::ports::{Outbound, Parked, Parking, ParkingKey, PortError};
use crate::problem::shown;
use crate::{IdentityProvider, Moment, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, header};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse,
    TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// The kind under which trips are parked.
pub const TRIP: &str = "upstream-trip";

/// As long as a login lives.
const TRIP_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Discovery documents and keys are asked for again after this.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// What is older is used while the provider cannot be reached, and then no longer.
const KEPT_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// A token with an unknown key makes us ask for the keys, at most this often: otherwise anybody
/// could make us ask.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The relying party's part of every provider. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    outbound: Arc<dyn Outbound>,
    parking: Arc<dyn Parking>,
    known: Arc<Mutex<HashMap<(String, String), Known>>>,
}

/// A provider's own documents, as they were last read.
#[derive(Clone)]
struct Known {
    issuer: String,
    metadata: Arc<Metadata>,
    keys: Arc<KeySet>,
    read_at: Moment,
    keys_read_at: Moment,
}

/// Whose browser it is: an answer that comes back in another one is refused (attack S-05).
#[derive(Debug, Clone, Copy)]
pub struct Traveller<'a> {
    /// The login's id; only its SHA-256 is kept.
    pub login: &'a str,
    /// Ours, exactly as registered at the provider.
    pub redirect_uri: &'a str,
    /// The person is to be asked again.
    pub afresh: bool,
    /// For the provider's pages.
    pub locale: &'a str,
    /// Whom the application expects.
    pub login_hint: Option<&'a str>,
    pub now: Moment,
}

/// 96 random bytes: state, nonce and verifier.
pub type TripEntropy = [u8; 96];

/// Where the browser goes.
#[derive(Debug)]
pub struct Departure {
    pub location: String,
}

/// What came back in the address.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct Answer {
    pub state: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    pub iss: Option<String>,
}

/// Who the provider says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    pub subject: String,
    pub attributes: Vec<(String, String)>,
    /// How it says the person signed in there, on its word: `acr` and the methods of `amr`.
    pub acr: Option<String>,
    pub amr: Vec<String>,
    /// When the person was asked there, if it says so.
    pub asked_at: Option<Moment>,
    /// The ID token, which tells the provider at a logout whose session is meant.
    pub id_token: Option<Secret>,
}

#[derive(Serialize, Deserialize)]
struct Trip {
    provider: String,
    /// SHA-256 of the login's id.
    login: [u8; 32],
    nonce: String,
    /// `None`: the entry said so when the trip began. What it says when it ends must not matter.
    verifier: Option<String>,
    redirect_uri: String,
    since: Option<Moment>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Tokens = StandardTokenResponse<IdTokenField, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// Where a provider is spoken to, whichever protocol it is.
struct Endpoints {
    authorization: String,
    token: String,
    userinfo: Option<String>,
    issuer: Option<String>,
    says_issuer: bool,
}

impl Upstreams {
    pub fn new(outbound: Arc<dyn Outbound>, parking: Arc<dyn Parking>) -> Self {
        Self {
            outbound,
            parking,
            known: Arc::default(),
        }
    }

    /// Parks what the way back needs and says where the browser goes.
    pub async fn leave(
        &self,
        provider: &IdentityProvider,
        traveller: Traveller<'_>,
        entropy: &TripEntropy,
    ) -> Result<Departure, TripError> {
        if traveller.afresh && matches!(provider.protocol, Protocol::OAuth2(_)) {
            // It has no way to be asked, and none to say that it was done.
            let detail = "a fresh sign-in is wanted, which plain OAuth 2.0 cannot be asked for";
            return Err(TripError::new(&provider.name, Fault::Refused, detail));
        }
        let (registration, endpoints) = self.endpoints(provider, traveller.now).await?;
        let part = |at: usize| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&entropy[at * 32..(at + 1) * 32]);
            bytes
        };
        let state = ParkingKey::from_entropy(&part(0));
        let nonce = URL_SAFE_NO_PAD.encode(part(1));
        let verifier = registration.pkce.then(|| URL_SAFE_NO_PAD.encode(part(2)));
        let client = client(provider, registration, &endpoints, traveller.redirect_uri)?;
        let auth_url = AuthUrl::new(endpoints.authorization.clone())
            .map_err(|error| broken(provider, format!("its authorization endpoint: {error}")))?;
        let client = client.set_auth_uri(auth_url);
        let key = state.as_str().to_owned();
        let mut request = client
            .authorize_url(|| CsrfToken::new(key))
            .add_scopes(registration.scopes.iter().cloned().map(Scope::new));
        if let Some(verifier) = &verifier {
            let verifier = PkceCodeVerifier::new(verifier.clone());
            request =
                request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        let mut ours: Vec<(&str, &str)> = Vec::new();
        if matches!(provider.protocol, Protocol::Oidc(_)) {
            ours.extend([("nonce", nonce.as_str()), ("ui_locales", traveller.locale)]);
            ours.extend(traveller.login_hint.map(|hint| ("login_hint", hint)));
            if traveller.afresh {
                ours.extend([("prompt", "login"), ("max_age", "0")]);
            }
        }
        for (name, value) in &registration.parameters {
            // Nothing may be said twice (RFC 6749, section 3.1).
            if ours.iter().all(|(own, _)| own != name) {
                request = request.add_extra_param(name, value);
            }
        }
        for (name, value) in ours {
            request = request.add_extra_param(name, value);
        }
        let (location, _) = request.url();
        let trip = Trip {
            provider: provider.name.clone(),
            login: Sha256::digest(traveller.login).into(),
            nonce,
            verifier,
            redirect_uri: traveller.redirect_uri.to_owned(),
            since: traveller.afresh.then_some(traveller.now),
        };
        let parked = Parked {
            kind: TRIP.to_owned(),
            tenant: provider.tenant.clone(),
            group: String::new(),
            body: serde_json::to_vec(&trip)
                .map_err(|error| host(provider, format!("a trip cannot be written: {error}")))?,
            expires_at: traveller.now.plus(TRIP_LIFETIME),
        };
        self.parking.park(&state, &parked).await.map_err(|error| {
            TripError::caused(
                &provider.name,
                Fault::Host,
                "a trip cannot be parked",
                error,
            )
        })?;
        Ok(Departure {
            location: location.into(),
        })
    }

    /// Reads the answer. `login` is the id of the login in the browser that brings it.
    pub async fn arrive(
        &self,
        provider: &IdentityProvider,
        answer: &Answer,
        login: &str,
        now: Moment,
    ) -> Result<Vouched, TripError> {
        let forged = |detail: &str| TripError::new(&provider.name, Fault::Forged, detail);
        let state = answer.state.as_deref().and_then(ParkingKey::parse);
        let state = state.ok_or_else(|| forged("an answer without a `state` of ours"))?;
        // Once: a second answer with the same `state` finds nothing (attack X-36).
        let parked = self.parking.claim(&provider.tenant, TRIP, &state, now);
        let parked = parked.await.map_err(|error| {
            TripError::caused(&provider.name, Fault::Host, "a trip cannot be read", error)
        })?;
        let parked =
            parked.ok_or_else(|| forged("an answer whose `state` is unknown, used or over"))?;
        let trip: Trip = serde_json::from_slice(&parked.body)
            .map_err(|error| host(provider, format!("a trip cannot be read: {error}")))?;
        if trip.provider != provider.name {
            return Err(forged("an answer to what another provider was asked"));
        }
        if trip.login != <[u8; 32]>::from(Sha256::digest(login)) {
            return Err(forged("an answer that belongs to another browser"));
        }
        let (registration, endpoints) = self.endpoints(provider, now).await?;
        // RFC 9207: who answers says so, so that no other provider's code is taken for its own.
        match (&answer.iss, &endpoints.issuer) {
            (Some(said), Some(issuer)) if said == issuer => {}
            (Some(_), Some(_)) => return Err(forged("an answer that says it is another issuer's")),
            (None, Some(_)) if endpoints.says_issuer => {
                return Err(forged(
                    "an answer without `iss` of a provider that always says it",
                ));
            }
            (_, None) | (None, Some(_)) => {}
        }
        if let Some(error) = &answer.error {
            let description = answer.error_description.as_deref().unwrap_or_default();
            let detail = format!("it answered `{}` {}", shown(error), shown(description));
            return Err(TripError::new(&provider.name, Fault::Refused, detail));
        }
        let code = answer.code.clone().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| broken(provider, "an answer without a code".to_owned()))?;
        let tokens = self
            .exchange(provider, registration, &endpoints, code, &trip)
            .await?;
        match &provider.protocol {
            Protocol::Oidc(openid) => {
                self.of_id_token(provider, openid, &endpoints, &tokens, &trip, now)
                    .await
            }
            Protocol::OAuth2(oauth2) => self.of_userinfo(provider, oauth2, &tokens).await,
            Protocol::Saml(_) => Err(host(provider, "it speaks SAML".to_owned())),
        }
    }

    async fn exchange(
        &self,
        provider: &IdentityProvider,
        registration: &Registration,
        endpoints: &Endpoints,
        code: String,
        trip: &Trip,
    ) -> Result<Tokens, TripError> {
        let client = client(provider, registration, endpoints, &trip.redirect_uri)?;
        let token_url = TokenUrl::new(endpoints.token.clone())
            .map_err(|error| broken(provider, format!("its token endpoint: {error}")))?;
        let fetch = Fetch {
            outbound: self.outbound.as_ref(),
            provider,
        };
        let client = client.set_token_uri(token_url);
        let mut request = client.exchange_code(AuthorizationCode::new(code));
        if let Some(verifier) = &trip.verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.clone()));
        }
        request
            .request_async(&fetch)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(said) => {
                    let detail =
                        format!("its token endpoint answered {}", shown(&said.to_string()));
                    broken(provider, detail)
                }
                RequestTokenError::Request(error) => TripError::caused(
                    &provider.name,
                    Fault::Provider,
                    "its token endpoint cannot be reached",
                    error,
                ),
                // The body may hold tokens: it is not repeated.
                RequestTokenError::Parse(error, _) => broken(
                    provider,
                    format!(
                        "its token endpoint's answer cannot be read: {}",
                        shown(&error.to_string())
                    ),
                ),
                RequestTokenError::Other(what) => {
                    broken(provider, format!("its token endpoint: {}", shown(&what)))
                }
            })
    }

    async fn of_id_token(
        &self,
        provider: &IdentityProvider,
        openid: &OpenId,
        endpoints: &Endpoints,
        tokens: &Tokens,
        trip: &Trip,
        now: Moment,
    ) -> Result<Vouched, TripError> {
        let token = tokens.extra_fields().id_token.as_deref();
        let token = token.ok_or_else(|| broken(provider, "no ID token".to_owned()))?;
        let access_token = tokens.access_token().secret();
        let expected = Expected {
            issuer: &openid.issuer,
            client_id: &openid.client.client_id,
            nonce: &trip.nonce,
            access_token: Some(access_token),
            since: trip.since,
            now,
        };
        let refuse = |refused: Refused| {
            let why = match refused {
                Refused::UnknownKey => "none of its keys has signed it".to_owned(),
                Refused::Because(why) => why,
            };
            TripError::new(
                &provider.name,
                Fault::Forged,
                format!("its ID token was refused: {why}"),
            )
        };
        let keys = self.keys(provider, openid, now, false).await?;
        let claims = match id_token::validate(token, &keys, &expected) {
            Err(Refused::UnknownKey) => {
                // It may have changed its keys since they were read.
                let keys = self.keys(provider, openid, now, true).await?;
                id_token::validate(token, &keys, &expected).map_err(refuse)?
            }
            other => other.map_err(refuse)?,
        };
        let sub = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if sub.is_empty() || sub.len() > 255 {
            return Err(refuse(Refused::Because(
                "its `sub` is empty or too long".to_owned(),
            )));
        }
        let mut all = claims.clone();
        if let (true, Some(address)) = (openid.userinfo, &endpoints.userinfo) {
            let said = self.userinfo(provider, address, access_token).await?;
            // OpenID Connect Core 5.3.2: otherwise it may be about somebody else.
            if said.get("sub").and_then(Value::as_str) != Some(sub) {
                let detail = "its userinfo is about somebody else than its ID token";
                return Err(TripError::new(&provider.name, Fault::Forged, detail));
            }
            for (name, value) in said {
                // What was signed stands.
                all.entry(name).or_insert(value);
            }
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let amr = claims.get("amr").and_then(Value::as_array);
        Ok(Vouched {
            acr: claims.get("acr").and_then(text),
            amr: amr.into_iter().flatten().filter_map(text).collect(),
            asked_at: id_token::asked_at(&claims, &expected),
            id_token: Some(Secret::new(token)),
            ..vouched(provider, all, &openid.subject, openid.trust_email)?
        })
    }

    async fn of_userinfo(
        &self,
        provider: &IdentityProvider,
        oauth2: &OAuth2,
        tokens: &Tokens,
    ) -> Result<Vouched, TripError> {
        let access_token = tokens.access_token().secret();
        let endpoint = &oauth2.userinfo_endpoint;
        let said = match &oauth2.token_parameter {
            None => self.userinfo(provider, endpoint, access_token).await?,
            Some(name) => {
                let mut address = Url::parse(endpoint)
                    .map_err(|error| broken(provider, format!("`{}`: {error}", shown(endpoint))))?;
                address.query_pairs_mut().append_pair(name, access_token);
                let request = Request::get(address.as_str());
                let body = self.answer(provider, endpoint, request).await?;
                userinfo(provider, &body)?
            }
        };
        vouched(provider, said, &oauth2.subject, true)
    }

    async fn userinfo(
        &self,
        provider: &IdentityProvider,
        address: &str,
        access_token: &str,
    ) -> Result<Map<String, Value>, TripError> {
        let bearer = HeaderValue::from_str(&format!("Bearer {access_token}"))
            .map_err(|_| broken(provider, "its access token is no header".to_owned()))?;
        let request = Request::get(address).header(header::AUTHORIZATION, bearer);
        let body = self.answer(provider, address, request).await?;
        userinfo(provider, &body)
    }

    async fn get(&self, provider: &IdentityProvider, address: &str) -> Result<Vec<u8>, TripError> {
        self.answer(provider, address, Request::get(address)).await
    }

    /// `address` is for errors: the request's own may hold a token.
    async fn answer(
        &self,
        provider: &IdentityProvider,
        address: &str,
        request: http::request::Builder,
    ) -> Result<Vec<u8>, TripError> {
        let request = request
            .header(header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|error| broken(provider, format!("`{}`: {error}", shown(address))))?;
        let answer = self
            .outbound
            .fetch(&provider.tenant, &provider.name, &provider.network, request)
            .await
            .map_err(|error| {
                let detail = format!("`{}` cannot be reached", shown(address));
                TripError::caused(&provider.name, Fault::Provider, detail, error)
            })?;
        if !answer.status().is_success() {
            let detail = format!("`{}` answered {}", shown(address), answer.status());
            return Err(broken(provider, detail));
        }
        Ok(answer.into_body())
    }

    async fn endpoints<'p>(
        &self,
        provider: &'p IdentityProvider,
        now: Moment,
    ) -> Result<(&'p Registration, Endpoints), TripError> {
        match &provider.protocol {
            Protocol::Oidc(openid) => {
                let metadata = self.metadata(provider, openid, now).await?;
                Ok((
                    &openid.client,
                    Endpoints {
                        authorization: metadata.authorization_endpoint.clone(),
                        token: metadata.token_endpoint.clone(),
                        userinfo: metadata.userinfo_endpoint.clone(),
                        issuer: Some(openid.issuer.clone()),
                        says_issuer: metadata.authorization_response_iss_parameter_supported,
                    },
                ))
            }
            Protocol::OAuth2(oauth2) => Ok((
                &oauth2.client,
                Endpoints {
                    authorization: oauth2.authorization_endpoint.clone(),
                    token: oauth2.token_endpoint.clone(),
                    userinfo: Some(oauth2.userinfo_endpoint.clone()),
                    issuer: oauth2.issuer.clone(),
                    says_issuer: false,
                },
            )),
            Protocol::Saml(_) => Err(host(provider, "it speaks SAML".to_owned())),
        }
    }

    async fn metadata(
        &self,
        provider: &IdentityProvider,
        openid: &OpenId,
        now: Moment,
    ) -> Result<Arc<Metadata>, TripError> {
        Ok(self.known(provider, openid, now).await?.metadata)
    }

    /// `anew`: the ones we have did not do.
    async fn keys(
        &self,
        provider: &IdentityProvider,
        openid: &OpenId,
        now: Moment,
        anew: bool,
    ) -> Result<Arc<KeySet>, TripError> {
        let mut known = self.known(provider, openid, now).await?;
        if anew && now.since(known.keys_read_at) >= KEYS_AGAIN_AFTER {
            known.keys = Arc::new(self.read_keys(provider, &known.metadata).await?);
            known.keys_read_at = now;
            self.remember(provider, known.clone());
        }
        Ok(known.keys)
    }

    async fn known(
        &self,
        provider: &IdentityProvider,
        openid: &OpenId,
        now: Moment,
    ) -> Result<Known, TripError> {
        let key = (provider.tenant.clone(), provider.name.clone());
        let kept = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            // An entry that was changed begins anew.
            known
                .get(&key)
                .filter(|kept| kept.issuer == openid.issuer)
                .cloned()
        };
        if let Some(kept) = &kept
            && now.since(kept.read_at) < KEPT
        {
            return Ok(kept.clone());
        }
        match self.read(provider, openid, now).await {
            Ok(known) => {
                self.remember(provider, known.clone());
                Ok(known)
            }
            Err(error) => match kept {
                Some(kept) if now.since(kept.read_at) < KEPT_AT_MOST => {
                    tracing::warn!(
                        identity_provider = %provider.name,
                        %error,
                        "an identity provider's documents could not be read again: the earlier ones are used"
                    );
                    Ok(kept)
                }
                Some(_) | None => Err(error),
            },
        }
    }

    async fn read(
        &self,
        provider: &IdentityProvider,
        openid: &OpenId,
        now: Moment,
    ) -> Result<Known, TripError> {
        let address = discovery::address(&openid.issuer);
        let document = self.get(provider, &address).await?;
        let metadata = discovery::read(&provider.name, &openid.issuer, &document)?;
        let keys = self.read_keys(provider, &metadata).await?;
        Ok(Known {
            issuer: openid.issuer.clone(),
            metadata: Arc::new(metadata),
            keys: Arc::new(keys),
            read_at: now,
            keys_read_at: now,
        })
    }

    async fn read_keys(
        &self,
        provider: &IdentityProvider,
        metadata: &Metadata,
    ) -> Result<KeySet, TripError> {
        let body = self.get(provider, &metadata.jwks_uri).await?;
        KeySet::read(&body)
            .map_err(|error| broken(provider, format!("its keys cannot be read: {error}")))
    }

    fn remember(&self, provider: &IdentityProvider, known: Known) {
        let key = (provider.tenant.clone(), provider.name.clone());
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key, known);
    }
}

/// One provider's requests, as `oauth2` makes them.
struct Fetch<'a> {
    outbound: &'a dyn Outbound,
    provider: &'a IdentityProvider,
}

impl<'c> AsyncHttpClient<'c> for Fetch<'_> {
    type Error = PortError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, PortError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let IdentityProvider {
            tenant,
            name,
            network,
            ..
        } = self.provider;
        let answer = self.outbound.fetch(tenant, name, network, request);
        match self.provider.protocol {
            Protocol::OAuth2(_) => Box::pin(async move { answer.await.map(typed) }),
            Protocol::Oidc(_) | Protocol::Saml(_) => answer,
        }
    }
}

/// A token of plain OAuth 2.0 that does not say its type is a bearer token: Foursquare and Instagram leave out
/// what RFC 6749 asks for in section 5.1.
fn typed(answer: HttpResponse) -> HttpResponse {
    if !answer.status().is_success() {
        return answer;
    }
    // What cannot be read goes on as it came: whoever reads it next says what is wrong with it.
    let Ok(mut said) = serde_json::from_slice::<Map<String, Value>>(answer.body()) else {
        return answer;
    };
    if said.contains_key("token_type") {
        return answer;
    }
    said.insert("token_type".to_owned(), "Bearer".into());
    answer.map(|_| Value::Object(said).to_string().into_bytes())
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstreams")
    }
}

fn client(
    provider: &IdentityProvider,
    registration: &Registration,
    _endpoints: &Endpoints,
    redirect_uri: &str,
) -> Result<Client, TripError> {
    let redirect_url = RedirectUrl::new(redirect_uri.to_owned())
        .map_err(|error| host(provider, format!("our own address: {error}")))?;
    let mut client = Client::new(ClientId::new(registration.client_id.clone()))
        .set_redirect_uri(redirect_url)
        .set_auth_type(match registration.authentication {
            ClientAuthentication::ClientSecretBasic => AuthType::BasicAuth,
            ClientAuthentication::ClientSecretPost => AuthType::RequestBody,
        });
    if let Some(secret) = &registration.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
    }
    Ok(client)
}

fn userinfo(provider: &IdentityProvider, body: &[u8]) -> Result<Map<String, Value>, TripError> {
    serde_json::from_slice(body)
        .map_err(|error| broken(provider, format!("its userinfo cannot be read: {error}")))
}

fn vouched(
    provider: &IdentityProvider,
    claims: Map<String, Value>,
    subject: &str,
    trust_email: bool,
) -> Result<Vouched, TripError> {
    let attributes = attributes::attributes(&claims, trust_email);
    let named = attributes.iter().find(|(name, _)| name == subject);
    let subject = named.map(|(_, value)| value.clone()).filter(|value| {
        !value.trim().is_empty() && value.len() <= 255 && !value.chars().any(char::is_control)
    });
    let subject = subject.ok_or_else(|| {
        let detail = match &provider.protocol {
            Protocol::Oidc(OpenId { subject, .. }) | Protocol::OAuth2(OAuth2 { subject, .. }) => {
                format!(
                    "it does not say `{subject}` of this person, or says that nobody verified it"
                )
            }
            Protocol::Saml(_) => "it speaks SAML".to_owned(),
        };
        TripError::new(&provider.name, Fault::Refused, detail)
    })?;
    Ok(Vouched {
        subject,
        attributes: provider.mapped(attributes),
        acr: None,
        amr: Vec::new(),
        asked_at: None,
        id_token: None,
    })
}

fn broken(provider: &IdentityProvider, detail: String) -> TripError {
    TripError::new(&provider.name, Fault::Provider, detail)
}

fn host(provider: &IdentityProvider, detail: String) -> TripError {
    TripError::new(&provider.name, Fault::Host, detail)
}

#[cfg(test)]
mod tests;
