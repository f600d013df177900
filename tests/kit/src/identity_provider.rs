//! A stand-in OpenID provider on loopback: it signs with a real key, and lies where a test tells it to.
//!
//! It keeps to the protocol where it is not told otherwise: a code works once, for the client, the
//! address and the verifier it was asked for.

use anyhow::{Context, Result};
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const CLIENT_ID: &str = "postern-at-the-stand-in";
pub const CLIENT_SECRET: &str = "a-secret-that-only-the-two-of-them-know";
const ACCESS_TOKEN: &str = "an-access-token-of-the-stand-in";

/// How the next ID tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signing {
    #[default]
    Orderly,
    /// `alg: none`, and no signature.
    None,
    /// HS256 with the public key as the secret.
    HmacWithPublicKey,
    /// By a key that is in nobody's key set, under the name of ours.
    ForeignKey,
    /// By our key, under a name that is a path and an address.
    KidIsAPath,
}

type Change = Box<dyn Fn(&mut Map<String, Value>) + Send>;

#[derive(Default)]
struct Held {
    origin: String,
    person: Map<String, Value>,
    userinfo: Option<Map<String, Value>>,
    change: Option<Change>,
    signing: Signing,
    /// What answers say in `iss`; the truth if there is none here.
    answers_as: Option<String>,
    silent_about_issuer: bool,
    error: Option<String>,
    knows_no_pkce: bool,
    /// Its tokens do not say what they are, and userinfo takes them in this parameter only.
    token_parameter: Option<String>,
    codes: HashMap<String, HashMap<String, String>>,
    /// What the last authorization request asked for.
    asked: HashMap<String, String>,
    drawn: u32,
    tokens_given: u32,
}

struct Keys {
    ours: EncodingKey,
    foreign: EncodingKey,
    public: Vec<u8>,
    jwk: Jwk,
}

#[derive(Clone)]
struct Shared {
    held: Arc<Mutex<Held>>,
    keys: Arc<Keys>,
}

/// It stops when it is dropped.
pub struct IdentityProvider {
    shared: Shared,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityProvider({})", self.address)
    }
}

impl IdentityProvider {
    /// It vouches for whom `person` says; `sub` must be among it.
    pub async fn start(person: Value) -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let foreign = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let ours = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?;
        let mut jwk = Jwk::from_encoding_key(&ours, Algorithm::ES256)?;
        jwk.common.key_id = Some("key-1".to_owned());
        let keys = Keys {
            foreign: EncodingKey::from_ec_pem(foreign.serialize_pem().as_bytes())?,
            public: pair.der_bytes().to_vec(),
            ours,
            jwk,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Shared {
            held: Arc::new(Mutex::new(Held {
                origin: format!("http://localhost:{}", address.port()),
                ..Held::default()
            })),
            keys: Arc::new(keys),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(shared.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let provider = Self {
            shared,
            address,
            task,
        };
        provider.vouch_for(person);
        Ok(provider)
    }

    pub fn issuer(&self) -> String {
        self.held().origin.clone()
    }

    /// The section that makes it known to a host under this name. `more` is further keys of it.
    pub fn section(&self, name: &str, more: &str) -> String {
        format!(
            "[identity_provider.{name}]\ndisplay_name = \"The Stand-in\"\nprotocol = \"oidc\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nallow_private_networks = true\n{more}\n",
            self.issuer()
        )
    }

    pub fn vouch_for(&self, person: Value) {
        if let Value::Object(person) = person {
            self.held().person = person;
        }
    }

    /// What userinfo says instead of the same.
    pub fn userinfo_says(&self, said: Value) {
        self.held().userinfo = said.as_object().cloned();
    }

    /// Changes every ID token from now on before it is signed.
    pub fn tamper(&self, change: impl Fn(&mut Map<String, Value>) + Send + 'static) {
        self.held().change = Some(Box::new(change));
    }

    pub fn sign(&self, signing: Signing) {
        self.held().signing = signing;
    }

    /// Answers say that they are this issuer's.
    pub fn answer_as(&self, issuer: &str) {
        self.held().answers_as = Some(issuer.to_owned());
    }

    /// Answers say nothing about whose they are, although the discovery document promised it.
    pub fn keep_silent_about_issuer(&self) {
        self.held().silent_about_issuer = true;
    }

    /// The person says no, or something is wrong.
    pub fn refuse(&self, error: &str) {
        self.held().error = Some(error.to_owned());
    }

    /// It passes a challenge over, and takes a verifier for a wrong secret.
    pub fn know_no_pkce(&self) {
        self.held().knows_no_pkce = true;
    }

    /// As Foursquare: a token that says no type, and is taken in the address and nowhere else.
    pub fn take_tokens_in(&self, parameter: &str) {
        self.held().token_parameter = Some(parameter.to_owned());
    }

    /// A parameter of the last authorization request.
    pub fn asked(&self, name: &str) -> Option<String> {
        self.held().asked.get(name).cloned()
    }

    pub fn tokens_given(&self) -> u32 {
        self.held().tokens_given
    }

    /// Does what a browser does that was sent here: the address it is sent back to.
    pub async fn visit(&self, location: &str) -> Result<String> {
        let path = location
            .strip_prefix(&self.issuer())
            .with_context(|| format!("`{location}` does not lead here"))?;
        let answer = crate::http::get(self.address, path).await?;
        let back = answer.header("location");
        back.map(str::to_owned)
            .with_context(|| format!("nothing leads back: {} {}", answer.status, answer.text()))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.shared.held()
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn configuration(State(shared): State<Shared>) -> Response {
    let origin = shared.held().origin.clone();
    Json(json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "userinfo_endpoint": format!("{origin}/userinfo"),
        "jwks_uri": format!("{origin}/jwks"),
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}

async fn jwks(State(shared): State<Shared>) -> Response {
    Json(json!({"keys": [shared.keys.jwk]})).into_response()
}

async fn authorize(
    State(shared): State<Shared>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let mut held = shared.held();
    held.asked.clone_from(&asked);
    let text = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let orderly = text("response_type") == "code"
        && text("client_id") == CLIENT_ID
        && (held.knows_no_pkce
            || text("code_challenge_method") == "S256" && text("code_challenge").len() == 43);
    if !orderly {
        return (StatusCode::BAD_REQUEST, "not a request for this stand-in").into_response();
    }
    let mut answer = form_urlencoded::Serializer::new(String::new());
    match held.error.clone() {
        Some(error) => {
            answer.append_pair("error", &error);
        }
        None => {
            held.drawn += 1;
            let code = format!("code-{}", held.drawn);
            answer.append_pair("code", &code);
            held.codes.insert(code, asked.clone());
        }
    }
    answer.append_pair("state", &text("state"));
    if !held.silent_about_issuer {
        let issuer = held
            .answers_as
            .clone()
            .unwrap_or_else(|| held.origin.clone());
        answer.append_pair("iss", &issuer);
    }
    let location = format!("{}?{}", text("redirect_uri"), answer.finish());
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

async fn token(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(given): Form<HashMap<String, String>>,
) -> Response {
    let text = |name: &str| given.get(name).cloned().unwrap_or_default();
    let refuse = |why: &str| {
        let body = json!({"error": "invalid_grant", "error_description": why});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    let knows_no_pkce = shared.held().knows_no_pkce;
    let expected = format!("{CLIENT_ID}:{CLIENT_SECRET}");
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let wrong = basic != Some(&format!("Basic {}", STANDARD.encode(&expected)));
    if wrong || knows_no_pkce && given.contains_key("code_verifier") {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({"error": "invalid_client"})),
        )
            .into_response();
    }
    let mut held = shared.held();
    let Some(asked) = held.codes.remove(&text("code")) else {
        return refuse("an unknown or used code");
    };
    let asked = |name: &str| asked.get(name).cloned().unwrap_or_default();
    if asked("redirect_uri") != text("redirect_uri") {
        return refuse("another redirect_uri");
    }
    if !knows_no_pkce && asked("code_challenge") != challenge_of(&text("code_verifier")) {
        return refuse("another verifier");
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut claims = held.person.clone();
    for (name, value) in [
        ("iss", json!(held.origin)),
        ("aud", json!(CLIENT_ID)),
        ("iat", json!(now)),
        ("exp", json!(now + 300)),
        ("auth_time", json!(now)),
        ("nonce", json!(asked("nonce"))),
    ] {
        claims.insert(name.to_owned(), value);
    }
    if let Some(change) = &held.change {
        change(&mut claims);
    }
    held.tokens_given += 1;
    let id_token = match sign(&shared.keys, held.signing, &claims) {
        Ok(id_token) => id_token,
        Err(error) => return refuse(&error.to_string()),
    };
    let mut answer = json!({
        "access_token": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": id_token,
    });
    if held.token_parameter.is_some() {
        answer = json!({ "access_token": ACCESS_TOKEN });
    }
    Json(answer).into_response()
}

async fn userinfo(
    State(shared): State<Shared>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let held = shared.held();
    let bearer = headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok());
    let token = match &held.token_parameter {
        None => bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")),
        Some(parameter) => asked.get(parameter).map(String::as_str),
    };
    if token != Some(ACCESS_TOKEN) || bearer.is_some() == held.token_parameter.is_some() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let said = held.userinfo.clone().unwrap_or_else(|| held.person.clone());
    Json(Value::Object(said)).into_response()
}

fn sign(keys: &Keys, signing: Signing, claims: &Map<String, Value>) -> Result<String> {
    let header = |algorithm, kid: &str| Header {
        kid: Some(kid.to_owned()),
        ..Header::new(algorithm)
    };
    Ok(match signing {
        Signing::Orderly => {
            jsonwebtoken::encode(&header(Algorithm::ES256, "key-1"), claims, &keys.ours)?
        }
        Signing::None => format!(
            "{}.{}.",
            base64url_of(br#"{"alg":"none","typ":"JWT","kid":"key-1"}"#),
            base64url_of(&serde_json::to_vec(claims)?)
        ),
        Signing::HmacWithPublicKey => {
            let secret = EncodingKey::from_secret(&keys.public);
            jsonwebtoken::encode(&header(Algorithm::HS256, "key-1"), claims, &secret)?
        }
        Signing::ForeignKey => {
            jsonwebtoken::encode(&header(Algorithm::ES256, "key-1"), claims, &keys.foreign)?
        }
        Signing::KidIsAPath => {
            let kid = "http://127.0.0.1:1/../../../../dev/null";
            jsonwebtoken::encode(&header(Algorithm::ES256, kid), claims, &keys.ours)?
        }
    })
}

/// S256 of a verifier.
pub fn challenge_of(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    base64url_of(digest.as_ref())
}

fn base64url_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
