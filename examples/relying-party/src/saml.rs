//! SAML 2.0: a request by redirect, an answer by form, logout by redirect or form.

use crate::page::{self, Trouble};
use crate::people::{self, Person, WayOut};
use crate::{App, now, outbound, random};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Uri};
use postern_federation::ports::{Parked, Parking, ParkingKey};
use postern_federation::saml::logout::{AnswerLogout, AskLogout, LogoutEndpoint, UnverifiedLogout};
use postern_federation::saml::metadata::Peer;
use postern_federation::saml::sp::{Endpoint, Here, Question, UpstreamSession, Wish};
use postern_federation::saml::{
    self, Binding, MessageId, Outgoing, Received, Refusal, Status, UnverifiedResponse, Upstream,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

const TENANT: &str = "sample";
const TRIP: &str = "saml-trip";
const ARRIVED: &str = "saml-arrived";
const USED: &str = "saml-used";
const WAITS: Duration = Duration::from_secs(15 * 60);

/// A browser was sent away; its RelayState is the key of this.
#[derive(Serialize, Deserialize)]
struct Trip {
    request_id: String,
    browser: String,
}

/// What came back. The form came from another site and so without our cookie: it waits for the browser.
#[derive(Serialize, Deserialize)]
struct Arrived {
    person: Person,
    /// `None` if nobody asked: begun at the identity provider.
    browser: Option<String>,
}

impl App {
    fn here(&self) -> (String, String) {
        (self.settings().entity_id.clone(), self.at("/saml/acs"))
    }

    /// Postern, as its metadata describes it. It is read over loopback, which is why it can be trusted.
    async fn saml(&self) -> Result<&Upstream, Trouble> {
        self.inner.saml.get_or_try_init(|| self.read()).await
    }

    async fn read(&self) -> Result<Upstream, Trouble> {
        let address = format!("{}/saml/metadata", self.settings().identity_provider);
        let text = outbound::Loopback::new().text(address).await;
        let peer = Peer::read(&text.map_err(Trouble::of)?, None, saml::at(now()));
        upstream(peer.map_err(Trouble::of)?)
    }

    async fn park<T: Serialize>(
        &self,
        kind: &str,
        key: &ParkingKey,
        what: &T,
    ) -> Result<(), Trouble> {
        let parked = Parked {
            kind: kind.to_owned(),
            tenant: TENANT.to_owned(),
            group: String::new(),
            body: serde_json::to_vec(what).map_err(Trouble::of)?,
            expires_at: now().plus(WAITS),
        };
        let done = self.inner.waiting.park(key, &parked).await;
        done.map_err(Trouble::of)
    }

    async fn claim<T: DeserializeOwned>(&self, kind: &str, key: &ParkingKey) -> Result<T, Trouble> {
        let waiting = &self.inner.waiting;
        let parked = waiting.claim(TENANT, kind, key, now()).await;
        let parked = parked.map_err(Trouble::of)?;
        let parked = parked.ok_or(Trouble::new("nothing of that kind waits for this browser"))?;
        serde_json::from_slice(&parked.body).map_err(Trouble::of)
    }
}

fn upstream(peer: Peer) -> Result<Upstream, Trouble> {
    let role = peer.identity_provider;
    let role = role.ok_or(Trouble::new("the metadata describes no identity provider"))?;
    let by_redirect = role
        .sign_on
        .into_iter()
        .find(|endpoint| endpoint.binding == Binding::Redirect);
    let logout = role
        .logout
        .into_iter()
        .find(|endpoint| endpoint.binding == Binding::Redirect);
    Ok(Upstream {
        entity_id: peer.entity_id,
        our_entity_id: None,
        sign_on: by_redirect.unwrap_or(Endpoint {
            binding: Binding::Redirect,
            url: String::new(),
        }),
        logout,
        certificates: role.signing,
        sign_requests: true,
        signed_response: true,
        signed_assertion: true,
        encrypted_assertion: false,
        unsolicited: true,
        name_id_format: None,
        context: None,
    })
}

fn fresh_id() -> Result<MessageId, Trouble> {
    Ok(MessageId::from_entropy(&random()?))
}

fn send(outgoing: Outgoing) -> Response {
    match outgoing {
        Outgoing::Redirect(address) => Redirect::to(&address).into_response(),
        Outgoing::Post { action, fields } => page::post(&action, &fields),
    }
}

/// `GET /saml/login`
pub(crate) async fn login(State(app): State<App>) -> Result<Response, Trouble> {
    let upstream = app.saml().await?;
    let (id, key) = (fresh_id()?, ParkingKey::from_entropy(&random()?));
    let browser = ParkingKey::from_entropy(&random()?);
    let trip = Trip {
        request_id: id.as_str().to_owned(),
        browser: browser.as_str().to_owned(),
    };
    app.park(TRIP, &key, &trip).await?;
    let (entity_id, consumer_url) = app.here();
    let here = Here {
        entity_id: &entity_id,
        consumer_url: &consumer_url,
    };
    let wish = Wish {
        force_authn: false,
        is_passive: false,
        relay_state: Some(key.as_str()),
    };
    let outgoing = upstream
        .ask(here, wish, &id, &app.inner.security, saml::at(now()))
        .map_err(Trouble::of)?;
    Ok(people::sent_away(send(outgoing), &browser))
}

/// `POST /saml/acs`
pub(crate) async fn answer(State(app): State<App>, body: String) -> Result<Response, Trouble> {
    let upstream = app.saml().await?;
    let received = Received::post(&body).ok_or(Trouble::new("no SAML message in the form"))?;
    let response = received
        .and_then(UnverifiedResponse::new)
        .map_err(Trouble::of)?;
    let trip: Option<Trip> = match response.relay_state().and_then(ParkingKey::parse) {
        Some(key) => app.claim(TRIP, &key).await.ok(),
        None => None,
    };
    let (entity_id, consumer_url) = app.here();
    let here = Here {
        entity_id: &entity_id,
        consumer_url: &consumer_url,
    };
    let asked = trip.as_ref().map(|trip| Question {
        id: &trip.request_id,
        afresh_since: None,
    });
    let assertion = upstream
        .accept(response, asked, here, &app.inner.security, saml::at(now()))
        .map_err(Trouble::of)?;
    app.once(assertion.id()).await?;
    let attributes = assertion.attributes().iter();
    let person = Person {
        name: assertion.subject().value.clone(),
        protocol: "SAML 2.0".to_owned(),
        factors: vec![(
            "AuthnContext".to_owned(),
            assertion.context().uri().to_owned(),
        )],
        attributes: attributes
            .map(|attribute| (attribute.name.clone(), attribute.values.join(", ")))
            .collect(),
        way_out: WayOut::Saml(UpstreamSession {
            name: assertion.subject().clone(),
            index: assertion.session_index().map(str::to_owned),
        }),
    };
    let arrived = Arrived {
        person,
        browser: trip.map(|trip| trip.browser),
    };
    let key = ParkingKey::from_entropy(&random()?);
    app.park(ARRIVED, &key, &arrived).await?;
    Ok(Redirect::to(&format!("/saml/arrived?key={}", key.as_str())).into_response())
}

impl App {
    /// An assertion is good once.
    async fn once(&self, id: &str) -> Result<(), Trouble> {
        let mut bytes = [0; 32];
        // Ours are 160 random bits in hex behind an underscore; of any other the end is as good.
        for (at, byte) in id.bytes().rev().take(32).enumerate() {
            bytes[at] = byte;
        }
        let key = ParkingKey::from_entropy(&bytes);
        let replay = |_| Trouble::new("that answer was used before");
        self.park(USED, &key, &()).await.map_err(replay)
    }
}

/// `GET /saml/arrived?key=`: the browser that was sent away, or one that nobody sent.
pub(crate) async fn arrived(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let key = query.get("key").and_then(|key| ParkingKey::parse(key));
    let key = key.ok_or(Trouble::new("no key"))?;
    let arrived: Arrived = app.claim(ARRIVED, &key).await?;
    if let Some(browser) = &arrived.browser {
        let own = people::trip(&headers);
        if own.is_none_or(|own| own.as_str() != browser) {
            return Err(Trouble::new("that answer belongs to another browser"));
        }
    }
    tracing::info!(name = arrived.person.name, "signed in by SAML");
    let response = Redirect::to("/").into_response();
    app.inner.people.enter(arrived.person, response)
}

// ---------------------------------------------------------------- logout

/// The session here has ended; now everywhere.
pub(crate) async fn ask_logout(app: &App, session: &UpstreamSession) -> Result<Response, Trouble> {
    let upstream = app.saml().await?;
    let Some(to) = &upstream.logout else {
        return Ok(Redirect::to("/?signed-out=here").into_response());
    };
    let asking = AskLogout {
        id: &fresh_id()?,
        at: saml::at(now()),
        issuer: &app.settings().entity_id,
        to,
        name: &session.name,
        session_index: session.index.as_deref(),
        relay_state: None,
    };
    let outgoing = asking.send(&app.inner.security).map_err(Trouble::of)?;
    Ok(send(outgoing))
}

/// `GET /saml/logout`
pub(crate) async fn logout_get(State(app): State<App>, uri: Uri) -> Result<Response, Trouble> {
    logout(&app, Received::redirect(uri.query().unwrap_or_default())).await
}

/// `POST /saml/logout`
pub(crate) async fn logout_post(State(app): State<App>, body: String) -> Result<Response, Trouble> {
    logout(&app, Received::post(&body)).await
}

async fn logout(
    app: &App,
    received: Option<Result<Received, Refusal>>,
) -> Result<Response, Trouble> {
    let upstream = app.saml().await?;
    let to: &LogoutEndpoint = upstream
        .logout
        .as_ref()
        .ok_or(Trouble::new("the identity provider takes no logout"))?;
    let received = received.ok_or(Trouble::new("no SAML message"))?;
    let message = received
        .and_then(UnverifiedLogout::new)
        .map_err(Trouble::of)?;
    let (issuer, trusted) = (&upstream.entity_id, &upstream.certificates);
    let (our_url, security) = (app.at("/saml/logout"), &app.inner.security);
    let at = saml::at(now());
    match message {
        UnverifiedLogout::Request(message) => {
            let request = message
                .request(issuer, trusted, &our_url, security, at)
                .map_err(Trouble::of)?;
            let ended = app.inner.people.end(&request);
            tracing::info!(ended, "the identity provider signed somebody out");
            let answer = AnswerLogout {
                id: &fresh_id()?,
                at,
                issuer: &app.settings().entity_id,
                to,
                in_response_to: request.id(),
                status: Status::Success,
                relay_state: request.relay_state(),
            };
            Ok(send(answer.send(security).map_err(Trouble::of)?))
        }
        UnverifiedLogout::Response(message) => {
            let response = message
                .response(issuer, trusted, &our_url, security, at)
                .map_err(Trouble::of)?;
            let everywhere = if response.success() {
                "/?signed-out"
            } else {
                "/?signed-out=partly"
            };
            Ok(Redirect::to(everywhere).into_response())
        }
    }
}
