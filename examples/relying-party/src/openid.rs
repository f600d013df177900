//! OpenID Connect: authorization code with PKCE. Discovery, keys and the checks of the ID token are the library's.

use crate::page::Trouble;
use crate::people::{self, Person, WayOut};
use crate::{App, encoded, now, random};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use postern_federation::identity_provider::{Network, Protocol};
use postern_federation::oidc::upstream::{
    Answer, ClientAuthentication, OpenId, Registration, Traveller,
};
use postern_federation::ports::ParkingKey;
use postern_federation::{IdentityProvider, Secret};
use std::collections::HashMap;

/// Postern, as an operator of this application would write it down.
fn provider(app: &App) -> IdentityProvider {
    let settings = app.settings();
    IdentityProvider {
        tenant: "sample".to_owned(),
        name: "postern".to_owned(),
        display_name: "Postern".to_owned(),
        enabled: true,
        protocol: Protocol::Oidc(OpenId {
            issuer: settings.identity_provider.clone(),
            client: Registration {
                client_id: settings.client_id.clone(),
                client_secret: settings.client_secret.clone(),
                authentication: ClientAuthentication::ClientSecretBasic,
                pkce: true,
                scopes: ["openid", "profile", "phone"].map(str::to_owned).to_vec(),
                parameters: Vec::new(),
            },
            subject: "sub".to_owned(),
            userinfo: true,
            trust_email: false,
        }),
        claims: Vec::new(),
        user_attribute: None,
        mobile_attribute: None,
        network: Network::default(),
    }
}

pub(crate) async fn login(State(app): State<App>) -> Result<Response, Trouble> {
    let trip = ParkingKey::from_entropy(&random()?);
    let redirect_uri = app.at("/oidc/callback");
    let traveller = Traveller {
        login: trip.as_str(),
        redirect_uri: &redirect_uri,
        afresh: false,
        locale: "en",
        login_hint: None,
        now: now(),
    };
    let left = app
        .inner
        .upstreams
        .leave(&provider(&app), traveller, &random()?)
        .await
        .map_err(Trouble::of)?;
    let response = Redirect::to(&left.location).into_response();
    Ok(people::sent_away(response, &trip))
}

pub(crate) async fn callback(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let trip = people::trip(&headers);
    let trip = trip.ok_or(Trouble::new("this browser was not sent anywhere"))?;
    let text = |name: &str| query.get(name).cloned();
    let answer = Answer {
        state: text("state"),
        code: text("code"),
        error: text("error"),
        error_description: text("error_description"),
        iss: text("iss"),
    };
    let vouched = app
        .inner
        .upstreams
        .arrive(&provider(&app), &answer, trip.as_str(), now())
        .await
        .map_err(Trouble::of)?;
    let said = |name: &str| {
        let found = vouched.attributes.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.clone())
    };
    let mut factors = Vec::new();
    factors.extend(vouched.acr.clone().map(|acr| ("acr".to_owned(), acr)));
    factors.push(("amr".to_owned(), vouched.amr.join(" ")));
    let person = Person {
        name: said("preferred_username").unwrap_or_else(|| vouched.subject.clone()),
        protocol: "OpenID Connect".to_owned(),
        factors,
        attributes: vouched.attributes,
        way_out: WayOut::OpenId {
            id_token: vouched.id_token,
        },
    };
    tracing::info!(name = person.name, "signed in by OpenID Connect");
    app.inner
        .people
        .enter(person, Redirect::to("/").into_response())
}

/// With the ID token nobody is asked whether they mean it.
pub(crate) fn ask_logout(app: &App, id_token: Option<&Secret>) -> Response {
    let settings = app.settings();
    let mut address = format!(
        "{}/oauth2/logout?client_id={}&post_logout_redirect_uri={}",
        settings.identity_provider,
        encoded(&settings.client_id),
        encoded(&app.at("/?signed-out"))
    );
    if let Some(token) = id_token {
        address += &format!("&id_token_hint={}", encoded(token.expose()));
    }
    Redirect::to(&address).into_response()
}
