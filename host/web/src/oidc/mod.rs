//! The OpenID provider's addresses. What is answered is decided in `federation::oidc::provider`; who
//! signed in, in `login`; here the two meet in a browser.

pub mod authorize;
pub mod logout;
pub mod metadata;
pub mod token;

use crate::applications::moment;
use crate::extract::fields::Fields;
use crate::page::see_other;
use crate::tenant::TenantState;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use postern_federation::oidc::provider::{ACR_MFA, ACR_SFA, Answered, subject_of};
use postern_federation::{Moment, RelyingParty};
use postern_login::claims;
use postern_login::session::Session;
use serde_json::{Map, Value};

/// Where requests wait while somebody signs in.
const REQUEST: &str = "oidc-request";
/// As long as a login lives, and a little, for its last redirect.
const REQUEST_WAITS: std::time::Duration = std::time::Duration::from_secs(16 * 60);

fn now(state: &TenantState) -> Moment {
    moment(state.clock.now())
}

/// A form that another site sends comes without our cookies. The browser is sent to the same address
/// again by GET, with which they come.
async fn again_by_get(form: Request, address: &str) -> Response {
    let fields = match Fields::read(form).await {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields.pairs())
        .finish();
    see_other(&format!("{address}?{query}"))
}

/// What a session says to an application: never more than was proven, and only the claims that the
/// operator or a scope releases.
fn answered(
    session: &Session,
    party: &RelyingParty,
    scopes: &[String],
    attributes: &[(String, String)],
) -> Answered {
    let acr = if session.has_second_factor() {
        ACR_MFA
    } else {
        ACR_SFA
    };
    Answered {
        sub: subject(session),
        sid: session.name.clone(),
        session_ends: moment(session.expires_at),
        auth_time: moment(session.proven_at()),
        acr: acr.to_owned(),
        amr: session.methods().into_iter().map(str::to_owned).collect(),
        claims: released(session, party, scopes, attributes),
    }
}

/// The same for one person for ever, another for every other one: the digest of who it is, tenant
/// and identity provider included. Names are for `preferred_username`.
fn subject(session: &Session) -> String {
    subject_of(&session.subject().key())
}

/// The claims of a scope, by the names they have here (OpenID Connect Core 1.0, 5.4).
const OF_SCOPES: [(&str, &str, &[&str]); 3] = [
    ("profile", "name", &[claims::DISPLAY_NAME, "name"]),
    (
        "email",
        "email",
        &["http://wso2.org/claims/emailaddress", "email"],
    ),
    ("phone", "phone_number", &[claims::MOBILE, "phone_number"]),
];

fn released(
    session: &Session,
    party: &RelyingParty,
    scopes: &[String],
    attributes: &[(String, String)],
) -> Map<String, Value> {
    let value = |claim: &str| {
        let found = attributes.iter().find(|(name, _)| name == claim);
        found.map(|(_, value)| Value::from(value.clone()))
    };
    let mut said = Map::new();
    if scopes.iter().any(|scope| scope == "profile") {
        said.insert(
            "preferred_username".to_owned(),
            session.display.clone().into(),
        );
    }
    for (scope, member, from) in OF_SCOPES {
        if scopes.iter().any(|asked| asked == scope)
            && let Some(found) = from.iter().find_map(|claim| value(claim))
        {
            said.insert(member.to_owned(), found);
        }
    }
    for claim in &party.claims {
        if let Some(found) = value(&claim.claim) {
            said.insert(claim.name.clone(), found);
        }
    }
    said
}
