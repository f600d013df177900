#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::identity_provider::Network;
use async_trait::async_trait;
use http::Response;
use serde_json::json;
use url::{Url, form_urlencoded};

const NOW: Moment = Moment(1_750_000_000_000);

fn provider(pkce: bool) -> IdentityProvider {
    IdentityProvider {
        tenant: "carbon.super".into(),
        name: "corp".into(),
        display_name: "Corp".into(),
        enabled: true,
        protocol: Protocol::OAuth2(OAuth2 {
            authorization_endpoint: "https://corp.example/authorize".into(),
            token_endpoint: "https://corp.example/token".into(),
            userinfo_endpoint: "https://corp.example/me".into(),
            issuer: None,
            token_parameter: None,
            client: Registration {
                client_id: "postern".into(),
                client_secret: Some(Secret::new("s3cret")),
                authentication: ClientAuthentication::ClientSecretBasic,
                pkce,
                scopes: Vec::new(),
                parameters: Vec::new(),
            },
            subject: "id".into(),
        }),
        claims: Vec::new(),
        user_attribute: None,
        mobile_attribute: None,
        network: Network::default(),
    }
}

/// The endpoints of `corp`; keeps the verifier with which a code was brought.
#[derive(Default)]
struct Corp {
    verifier: Mutex<Option<String>>,
}

#[async_trait]
impl Outbound for Corp {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        let said = match request.uri().path() {
            "/token" => {
                let verifier = value(request.body(), "code_verifier");
                *self.verifier.lock().unwrap() = verifier;
                json!({"access_token": "a", "token_type": "bearer"})
            }
            _ => json!({"id": "17"}),
        };
        let body = said.to_string().into_bytes();
        let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
        Ok(answer.body(body).unwrap())
    }
}

/// One trip at a time.
#[derive(Default)]
struct OnePlace(Mutex<Option<Parked>>);

#[async_trait]
impl Parking for OnePlace {
    async fn park(&self, _: &ParkingKey, parked: &Parked) -> Result<(), PortError> {
        *self.0.lock().unwrap() = Some(parked.clone());
        Ok(())
    }

    async fn parked(
        &self,
        _: &str,
        _: &str,
        _: &ParkingKey,
        _: Moment,
    ) -> Result<Option<Parked>, PortError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn claim(
        &self,
        _: &str,
        _: &str,
        _: &ParkingKey,
        _: Moment,
    ) -> Result<Option<Parked>, PortError> {
        Ok(self.0.lock().unwrap().take())
    }

    async fn group(&self, _: &str, _: &str, _: &str, _: Moment) -> Result<Vec<Parked>, PortError> {
        Err(PortError::new("a trip has no group"))
    }

    async fn claim_group(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: Moment,
    ) -> Result<Vec<Parked>, PortError> {
        Err(PortError::new("a trip has no group"))
    }

    async fn remove_expired(&self, _: Moment, _: u32) -> Result<u64, PortError> {
        Ok(0)
    }
}

fn value(form: &[u8], wanted: &str) -> Option<String> {
    form_urlencoded::parse(form)
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.into_owned())
}

/// The entry may be edited while the browser is at the provider. A verifier is brought if there was a challenge, and
/// its own.
#[tokio::test]
async fn a_trip_ends_with_the_pkce_that_it_began_with() {
    for (began, by_then) in [(true, false), (false, true), (true, true), (false, false)] {
        let (before, after) = (provider(began), provider(by_then));
        let corp = Arc::new(Corp::default());
        let upstreams = Upstreams::new(corp.clone(), Arc::new(OnePlace::default()));
        let traveller = Traveller {
            login: "login",
            redirect_uri: "https://login.example/sign-in/callback/corp",
            afresh: false,
            locale: "en",
            login_hint: None,
            now: NOW,
        };
        let departure = upstreams.leave(&before, traveller, &[7; 96]).await;
        let there = Url::parse(&departure.unwrap().location).unwrap();
        let asked = |name: &str| value(there.query().unwrap_or_default().as_bytes(), name);
        let answer = Answer {
            state: asked("state"),
            code: Some("code".into()),
            ..Answer::default()
        };
        let vouched = upstreams.arrive(&after, &answer, "login", NOW).await;
        assert_eq!(vouched.unwrap().subject, "17");
        let verifier = corp.verifier.lock().unwrap().take();
        let challenge = verifier.map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        assert_eq!(challenge.is_some(), began, "{began}, then {by_then}");
        assert_eq!(challenge, asked("code_challenge"));
    }
}
