//! The service provider's role: asking another identity provider who somebody is.

use super::bindings::{self, RELAY_STATE_BYTES_MAX};
use super::context::RequestedContext;
use super::keys::Certificate;
use super::logout::{LogoutEndpoint, LogoutRequest};
use super::refusal::Refusal;
use super::request::Asking;
use super::response::{Expected, NameId, UnverifiedResponse, VerifiedAssertion};
use super::signature::XmlSecurity;
use super::{Binding, MessageId, Outgoing};
use crate::Problem;
use crate::name::check_address;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Another identity provider, as we know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its entity id.
    pub entity_id: String,
    /// What we call ourselves towards it, if not what we call ourselves everywhere.
    pub our_entity_id: Option<String>,
    pub sign_on: Endpoint,
    /// Enable Logout.
    pub logout: Option<LogoutEndpoint>,
    /// Its keys. The former and the next one both hold while it rolls over.
    pub certificates: Vec<Certificate>,
    pub sign_requests: bool,
    pub signed_response: bool,
    pub signed_assertion: bool,
    pub encrypted_assertion: bool,
    /// Accept answers nobody asked for.
    pub unsolicited: bool,
    pub name_id_format: Option<String>,
    pub context: Option<RequestedContext>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub binding: Binding,
    pub url: String,
}

/// What an identity provider calls a person and their session there. Kept with the session here: whoever asks for the
/// end of either must name both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamSession {
    pub name: NameId,
    pub index: Option<String>,
}

impl UpstreamSession {
    /// Whether the provider's request means this session. Without an index it means every one of that name (core,
    /// 3.7.1).
    pub fn is_meant_by(&self, request: &LogoutRequest) -> bool {
        let indexes = request.session_indexes();
        let named =
            indexes.is_empty() || self.index.as_ref().is_some_and(|own| indexes.contains(own));
        named && self.name.is_meant_by(request.name())
    }
}

/// Ourselves, as browsers see us.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    pub entity_id: &'a str,
    /// `/commonauth`.
    pub consumer_url: &'a str,
}

/// What is asked of it this time.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub force_authn: bool,
    pub is_passive: bool,
    /// Comes back with the answer. At most 80 bytes.
    pub relay_state: Option<&'a str>,
}

/// What this very browser was sent away with.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The request's.
    pub id: &'a str,
    /// When the person was to be asked again ([`Wish::force_authn`]).
    pub afresh_since: Option<Timestamp>,
}

impl Upstream {
    /// Everything that is wrong, by key.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.entity_id.trim().is_empty() || self.entity_id.len() > 1024 {
            problems.push(Problem::new(
                "entity_id",
                "expected the provider's entity id, at most 1024 bytes",
            ));
        }
        if self.certificates.is_empty() {
            problems.push(Problem::new(
                "certificates",
                "without a key of the provider nothing it says can be believed: expected its signing certificates, in `metadata` or in `certificates`",
            ));
        }
        check_address("sso_url", &self.sign_on.url, &mut problems);
        if let Some(logout) = &self.logout {
            check_address("logout.url", &logout.url, &mut problems);
            check_address("logout.response_url", logout.response_url(), &mut problems);
        }
        problems
    }

    /// Our name towards it.
    pub fn known_as<'a>(&'a self, here: Here<'a>) -> &'a str {
        self.our_entity_id.as_deref().unwrap_or(here.entity_id)
    }

    pub fn ask(
        &self,
        here: Here<'_>,
        wish: Wish<'_>,
        id: &MessageId,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<Outgoing, Refusal> {
        if wish
            .relay_state
            .is_some_and(|state| state.len() > RELAY_STATE_BYTES_MAX)
        {
            return Err(Refusal::RelayState(RELAY_STATE_BYTES_MAX));
        }
        let asking = Asking {
            id,
            at: now,
            issuer: self.known_as(here),
            destination: &self.sign_on.url,
            consumer_url: here.consumer_url,
            force_authn: wish.force_authn,
            is_passive: wish.is_passive,
            name_id_format: self.name_id_format.as_deref(),
            context: self.context.as_ref(),
        };
        let sign = self.sign_requests.then_some(security);
        let inside = sign.filter(|_| self.sign_on.binding == Binding::Post);
        Outgoing::new(
            self.sign_on.binding,
            &self.sign_on.url,
            bindings::Kind::Request,
            &asking.write(inside)?,
            wish.relay_state,
            sign,
        )
    }

    /// `asked` is `None` if nobody was: an answer to no question.
    pub fn accept(
        &self,
        response: UnverifiedResponse,
        asked: Option<Question<'_>>,
        here: Here<'_>,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<VerifiedAssertion, Refusal> {
        if asked.is_none() {
            if response.in_response_to().is_some() {
                // It answers a request, only not one of this browser's.
                return Err(Refusal::InResponseTo);
            }
            if !self.unsolicited {
                return Err(Refusal::Unsolicited);
            }
        }
        let expected = Expected {
            issuer: &self.entity_id,
            trusted: &self.certificates,
            audience: self.known_as(here),
            consumer_url: here.consumer_url,
            in_response_to: asked.map(|asked| asked.id),
            signed_response: self.signed_response,
            signed_assertion: self.signed_assertion,
            encrypted_assertion: self.encrypted_assertion,
            afresh_since: asked.and_then(|asked| asked.afresh_since),
            context: self.context.as_ref(),
        };
        response.verify(&expected, security, now)
    }
}
