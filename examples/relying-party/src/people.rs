//! Who is signed in, and how they get out again.

use crate::page::Trouble;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use postern_federation::Secret;
use postern_federation::ports::ParkingKey;
use postern_federation::saml::logout::LogoutRequest;
use postern_federation::saml::sp::UpstreamSession;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Cookies know no ports, so its name is its own.
const SESSION: &str = "relying-party-session";
/// Between leaving and coming back: the answer is for this browser.
const TRIP: &str = "relying-party-trip";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) protocol: String,
    /// What was said of how they signed in, under its names in the protocol.
    pub(crate) factors: Vec<(String, String)>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) way_out: WayOut,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum WayOut {
    Saml(UpstreamSession),
    OpenId { id_token: Option<Secret> },
}

#[derive(Default)]
pub(crate) struct People(Mutex<HashMap<ParkingKey, Person>>);

impl People {
    fn all(&self) -> MutexGuard<'_, HashMap<ParkingKey, Person>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn signed_in(&self, headers: &HeaderMap) -> Option<Person> {
        self.all().get(&cookie(headers, SESSION)?).cloned()
    }

    /// A session with an id of its own, and not the one the browser came with.
    pub(crate) fn enter(
        &self,
        person: Person,
        mut response: Response,
    ) -> Result<Response, Trouble> {
        let id = ParkingKey::from_entropy(&crate::random()?);
        set(&mut response, SESSION, id.as_str());
        set(&mut response, TRIP, "");
        self.all().insert(id, person);
        Ok(response)
    }

    pub(crate) fn leaves(&self, headers: &HeaderMap) -> Option<Person> {
        self.all().remove(&cookie(headers, SESSION)?)
    }

    /// The identity provider ends a session: it says which, and whose. Returns how many that were.
    pub(crate) fn end(&self, request: &LogoutRequest) -> usize {
        let mut all = self.all();
        let before = all.len();
        all.retain(|_, person| match &person.way_out {
            WayOut::Saml(session) => !session.is_meant_by(request),
            WayOut::OpenId { .. } => true,
        });
        before - all.len()
    }
}

pub(crate) fn trip(headers: &HeaderMap) -> Option<ParkingKey> {
    cookie(headers, TRIP)
}

pub(crate) fn sent_away(mut response: Response, trip: &ParkingKey) -> Response {
    set(&mut response, TRIP, trip.as_str());
    response
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<ParkingKey> {
    let line = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut pairs = line
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    ParkingKey::parse(value)
}

/// Lax: a form of another site brings no cookie, so nobody is signed out by one.
fn set(response: &mut Response, name: &str, value: &str) {
    let end = if value.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{end}");
    let value = HeaderValue::from_str(&text).expect("a key is ASCII");
    response.headers_mut().append(header::SET_COOKIE, value);
}
