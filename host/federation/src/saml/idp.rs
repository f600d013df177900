//! The identity provider's role: from a request to an answer.

use super::bindings::{self, Kind};
use super::context::{self, AuthnContext, RequestedContext};
use super::keys::Certificate;
use super::logout::LogoutEndpoint;
use super::refusal::{Refusal, Status};
use super::request::{AuthnRequest, Consumer, Header};
use super::response::{Answer, Attribute, NameId, Vouching, fresh, later, without_assertion};
use super::signature::XmlSecurity;
use super::{Binding, MessageId, Outgoing, Received};
use crate::Problem;
use crate::name::check_address;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An application that signs its users in here: the service-provider form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceProvider {
    /// Issuer; `spEntityID`.
    pub entity_id: String,
    /// Assertion consumer services, where answers are posted. The first one is the default unless another says so.
    pub consumer_services: Vec<ConsumerService>,
    pub certificates: Vec<Certificate>,
    /// Refuse requests that are not signed by one of the certificates.
    pub signed_requests: bool,
    /// Enable Response Signing: the `Response` too; the assertion is signed always.
    pub sign_response: bool,
    pub encrypt_to: Option<Certificate>,
    /// Enable Single Logout.
    pub logout: Option<LogoutEndpoint>,
    /// Enable Attribute Profile: the index that asks for the claims.
    pub attribute_index: Option<u16>,
    /// Include Attributes in the Response Always.
    pub attributes_always: bool,
    /// Enable IdP Initiated SSO.
    pub idp_initiated: bool,
    pub name_id: NameIdFormat,
    /// The claim that names the person, instead of the name they signed in with.
    pub name_id_claim: Option<String>,
    /// How long an assertion may take to arrive.
    pub assertion_seconds: u32,
    pub relay_state_bytes_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerService {
    pub url: String,
    pub index: Option<u16>,
    pub default: bool,
}

impl ServiceProvider {
    /// Everything that is wrong, by key.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, message: &str| problems.push(Problem::new(key, message));
        if self.entity_id.trim().is_empty() || self.entity_id.len() > 1024 {
            problem(
                "entity_id",
                "expected the application's entity id, at most 1024 bytes",
            );
        }
        if self.consumer_services.is_empty() {
            problem(
                "consumer_services",
                "empty: expected the addresses that take answers",
            );
        }
        if self.signed_requests && self.certificates.is_empty() {
            problem(
                "signed_requests",
                "no signature can be checked: expected `certificates` beside it",
            );
        }
        if self.attributes_always && self.attribute_index.is_none() {
            problem(
                "attributes_always",
                "needs the attribute profile: expected `attribute_profile = true` beside it",
            );
        }
        if !(60..=3600).contains(&self.assertion_seconds) {
            problem("assertion_lifetime", "expected 60 to 3600 seconds");
        }
        if !(80..=bindings::RELAY_STATE_BYTES_LIMIT).contains(&self.relay_state_bytes_max) {
            problem("relay_state_bytes_max", "expected 80 to 1024");
        }
        for service in &self.consumer_services {
            check_address("consumer_services", &service.url, &mut problems);
        }
        if let Some(logout) = &self.logout {
            check_address("logout.url", &logout.url, &mut problems);
            check_address("logout.response_url", logout.response_url(), &mut problems);
        }
        problems
    }

    fn default_consumer(&self) -> Option<&ConsumerService> {
        let services = &self.consumer_services;
        services.iter().find(|s| s.default).or(services.first())
    }

    /// Only registered addresses, compared as they are: a signature does not widen them (attack X-24).
    fn consumer(&self, asked: &Consumer) -> Result<&ConsumerService, Refusal> {
        let services = &self.consumer_services;
        match asked {
            Consumer::Default => self
                .default_consumer()
                .ok_or(Refusal::NoEndpoint("no assertion consumer service")),
            Consumer::Url(url) => services
                .iter()
                .find(|s| s.url == *url)
                .ok_or_else(|| Refusal::ConsumerService(url.chars().take(200).collect())),
            Consumer::Index(index) => services
                .iter()
                .find(|s| s.index == Some(*index))
                .ok_or_else(|| Refusal::ConsumerService(format!("index {index}"))),
        }
    }
}

/// What a person is called towards an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameIdFormat {
    /// The name the person signed in with.
    Unspecified,
    EmailAddress,
    /// Always the same for this application, and for no other one.
    Persistent,
    /// Another one each time.
    Transient,
}

impl NameIdFormat {
    pub const ALL: [Self; 4] = [
        Self::Unspecified,
        Self::EmailAddress,
        Self::Persistent,
        Self::Transient,
    ];
    pub fn uri(self) -> &'static str {
        match self {
            Self::Unspecified => "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            Self::EmailAddress => "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            Self::Persistent => "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            Self::Transient => "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
        }
    }
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.uri() == uri)
    }
}

/// The same for a person and an application for ever, and unlike every other one: nobody who has two of them can tell
/// that they are the same person's.
pub fn persistent_name(key: &[u8; 32], entity_id: &str, person: &str) -> String {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let text = format!("{}:{entity_id}{person}", entity_id.len());
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Ourselves.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    pub entity_id: String,
    /// `/samlsso`, as browsers see it: for requests and for logout.
    pub sso_url: String,
}

/// A request as it came.
#[derive(Debug)]
pub struct UnverifiedRequest {
    received: Received,
    request: AuthnRequest,
}

impl UnverifiedRequest {
    pub fn new(received: Received) -> Result<Self, Refusal> {
        if received.kind != Kind::Request {
            return Err(Refusal::Binding("a request is expected"));
        }
        without_assertion(&received.tree)?;
        let request = AuthnRequest::read(received.tree.root())?;
        Ok(Self { received, request })
    }
    /// Whom it claims to be from.
    pub fn issuer(&self) -> &str {
        &self.request.issuer
    }
}

/// A request that will be answered. Kept as a text while the person signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidAuthnRequest {
    service_provider: String,
    /// `None` if nobody asked: IdP-initiated.
    id: Option<String>,
    consumer_url: String,
    relay_state: Option<String>,
    force_authn: bool,
    is_passive: bool,
    name_id: NameIdFormat,
    context: Option<RequestedContext>,
    with_attributes: bool,
}

impl ValidAuthnRequest {
    pub fn service_provider(&self) -> &str {
        &self.service_provider
    }
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
    /// A session does not do; both factors are asked anew (attack X-26).
    pub fn force_authn(&self) -> bool {
        self.force_authn
    }
    /// Nobody may be asked anything.
    pub fn is_passive(&self) -> bool {
        self.is_passive
    }
    pub fn name_id_format(&self) -> NameIdFormat {
        self.name_id
    }
    pub fn requested_context(&self) -> Option<&RequestedContext> {
        self.context.as_ref()
    }
    pub fn consumer_url(&self) -> &str {
        &self.consumer_url
    }
}

/// A request that is understood and cannot be granted: the service provider is told why.
#[derive(Debug)]
pub struct Denied {
    pub request: ValidAuthnRequest,
    pub status: Status,
}

/// What came of a request.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    Grant(ValidAuthnRequest),
    Deny(Denied),
}

/// Somebody who signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub subject: NameId,
    pub attributes: Vec<Attribute>,
    pub context: AuthnContext,
    pub authenticated_at: Timestamp,
    pub session_index: String,
    pub session_until: Timestamp,
}

impl IdentityProvider {
    /// A refusal is shown to the person and sent nowhere: what cannot be trusted has no address either.
    pub fn check(
        &self,
        unverified: UnverifiedRequest,
        provider: &ServiceProvider,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        let UnverifiedRequest { received, request } = unverified;
        if request.issuer != provider.entity_id {
            return Err(Refusal::Issuer {
                found: request.issuer.chars().take(200).collect(),
                expected: provider.entity_id.clone(),
            });
        }
        let signed = received.is_signed(&provider.certificates, security)?;
        if provider.signed_requests && !signed {
            return Err(Refusal::Unsigned);
        }
        Header::check_destination(request.destination.as_deref(), &self.sso_url, signed)?;
        fresh(request.issue_instant, now)?;
        let consumer = provider.consumer(&request.consumer)?;
        received.check_relay_state(provider.relay_state_bytes_max)?;
        let name_id = request
            .name_id_format
            .as_deref()
            .filter(|format| *format != NameIdFormat::Unspecified.uri())
            .map(NameIdFormat::from_uri);
        let valid = ValidAuthnRequest {
            service_provider: provider.entity_id.clone(),
            id: Some(request.id),
            consumer_url: consumer.url.clone(),
            relay_state: received.relay_state,
            force_authn: request.force_authn,
            is_passive: request.is_passive,
            name_id: name_id.flatten().unwrap_or(provider.name_id),
            with_attributes: provider.attribute_index.is_some()
                && (provider.attributes_always
                    || request.attribute_index == provider.attribute_index),
            context: request.context,
        };
        // There are no affiliations here: a name is made for the one who asks (core, 3.4.1.1).
        let for_others = request
            .sp_name_qualifier
            .is_some_and(|name| name != provider.entity_id);
        let status = if name_id == Some(None) || for_others {
            Some(Status::InvalidNameIdPolicy)
        } else if request.names_subject
            || request
                .protocol_binding
                .is_some_and(|binding| binding != Binding::Post.uri())
        {
            Some(Status::RequestUnsupported)
        } else {
            None
        };
        Ok(match status {
            Some(status) => Verdict::Deny(Denied {
                request: valid,
                status,
            }),
            None => Verdict::Grant(valid),
        })
    }

    /// IdP-initiated: `spEntityID`, perhaps `acs` and `RelayState`. Checked before anybody is asked to sign in.
    pub fn start(
        &self,
        provider: &ServiceProvider,
        consumer_url: Option<&str>,
        relay_state: Option<&str>,
    ) -> Result<ValidAuthnRequest, Refusal> {
        if !provider.idp_initiated {
            return Err(Refusal::IdpInitiatedOff(provider.entity_id.clone()));
        }
        let asked = consumer_url.map_or(Consumer::Default, |url| Consumer::Url(url.to_owned()));
        let consumer = provider.consumer(&asked)?;
        if relay_state.is_some_and(|state| state.len() > provider.relay_state_bytes_max) {
            return Err(Refusal::RelayState(provider.relay_state_bytes_max));
        }
        Ok(ValidAuthnRequest {
            service_provider: provider.entity_id.clone(),
            id: None,
            consumer_url: consumer.url.clone(),
            relay_state: relay_state
                .filter(|state| !state.is_empty())
                .map(str::to_owned),
            force_authn: false,
            is_passive: false,
            name_id: provider.name_id,
            context: None,
            with_attributes: provider.attribute_index.is_some() && provider.attributes_always,
        })
    }

    /// The answer about somebody who signed in. Says `NoAuthnContext` if the sign-in does not reach what was asked.
    pub fn answer(
        &self,
        provider: &ServiceProvider,
        request: &ValidAuthnRequest,
        person: &Person,
        ids: (&MessageId, &MessageId),
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<Outgoing, Refusal> {
        let Some(called) = context::answer(person.context, request.context.as_ref()) else {
            return self.deny(
                provider,
                request,
                Status::NoAuthnContext,
                ids.0,
                security,
                now,
            );
        };
        let (response_id, assertion_id) = ids;
        let vouching = Vouching {
            id: assertion_id,
            subject: &person.subject,
            audience: &provider.entity_id,
            confirmed_until: later(now, i64::from(provider.assertion_seconds)),
            authenticated_at: person.authenticated_at,
            session_index: &person.session_index,
            session_until: person.session_until,
            context: called,
            attributes: request
                .with_attributes
                .then_some(person.attributes.as_slice()),
        };
        let answer = Answer {
            assertion: Some(vouching),
            ..self.bare(request, Status::Success, response_id, now)
        };
        self.post(provider, request, &answer, security)
    }

    /// An error answer: to the address that was found registered, and nowhere else.
    pub fn deny(
        &self,
        provider: &ServiceProvider,
        request: &ValidAuthnRequest,
        status: Status,
        id: &MessageId,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<Outgoing, Refusal> {
        self.post(
            provider,
            request,
            &self.bare(request, status, id, now),
            security,
        )
    }

    fn bare<'a>(
        &'a self,
        request: &'a ValidAuthnRequest,
        status: Status,
        id: &'a MessageId,
        now: Timestamp,
    ) -> Answer<'a> {
        Answer {
            id,
            at: now,
            issuer: &self.entity_id,
            destination: &request.consumer_url,
            in_response_to: request.id.as_deref(),
            status,
            assertion: None,
        }
    }

    fn post(
        &self,
        provider: &ServiceProvider,
        request: &ValidAuthnRequest,
        answer: &Answer<'_>,
        security: &dyn XmlSecurity,
    ) -> Result<Outgoing, Refusal> {
        // Registered when it was parked, and still: the form may have changed while the person signed in.
        let still = provider.consumer(&Consumer::Url(request.consumer_url.clone()))?;
        let xml = answer.write(
            provider.sign_response,
            provider.encrypt_to.as_ref(),
            security,
        )?;
        Outgoing::new(
            Binding::Post,
            &still.url,
            Kind::Response,
            &xml,
            request.relay_state.as_deref(),
            None,
        )
    }
}
