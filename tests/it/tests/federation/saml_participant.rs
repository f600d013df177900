//! An application that takes part in a session, as the test plays it: how it asks for the session's end, what it makes
//! of being told, and what it answers. And the messages of single logout as any peer of a host sends and reads them.

use crate::saml::{APPLICATION_KEY, App, EXTERNAL_KEY, posted, security};
use jiff::Timestamp;
use postern_federation::saml::logout::{
    AnswerLogout, AskLogout, LogoutEndpoint, LogoutRequest, LogoutResponse, UnverifiedLogout,
};
use postern_federation::saml::response::NameId;
use postern_federation::saml::{
    Binding, Certificate, MessageId, Outgoing, Received, Status, VerifiedAssertion,
};
use postern_kit::anyhow::{Context, Result, bail};
use postern_kit::{Stop, Visitor};
use std::sync::atomic::{AtomicU64, Ordering};

const RELAY_STATE: &str = "after logout";

/// An application that is signed in to, and where it takes logout messages.
pub(crate) struct SignedIn<'a> {
    pub(crate) app: App<'a>,
    pub(crate) assertion: VerifiedAssertion,
    pub(crate) logout: &'static str,
}

impl SignedIn<'_> {
    pub(crate) fn asks(&self, binding: Binding) -> Result<Outgoing> {
        let index = self.assertion.session_index();
        self.asks_for(binding, self.assertion.subject(), index, APPLICATION_KEY)
    }

    pub(crate) fn asks_for(
        &self,
        binding: Binding,
        name: &NameId,
        session_index: Option<&str>,
        key: (&str, &str),
    ) -> Result<Outgoing> {
        let to = endpoint(binding, &self.app.upstream.sign_on.url);
        ask(self.app.here.entity_id, &to, name, session_index, key)
    }

    /// Checks what the host says to it, as a careful application does.
    pub(crate) fn is_told(&self, stop: Stop) -> Result<LogoutRequest> {
        let request = asked_by(stop, &self.app.upstream.entity_id, self.logout)?;
        assert_eq!(request.name(), self.assertion.subject());
        let index = self.assertion.session_index().context("a session index")?;
        assert_eq!(request.session_indexes(), [index]);
        Ok(request)
    }

    pub(crate) fn answers(
        &self,
        request: &str,
        binding: Binding,
        status: Status,
    ) -> Result<Outgoing> {
        let to = endpoint(binding, &self.app.upstream.sign_on.url);
        answer(self.app.here.entity_id, &to, request, status)
    }

    pub(crate) fn is_answered(&self, stop: Stop) -> Result<LogoutResponse> {
        answered_by(stop, &self.app.upstream.entity_id, self.logout)
    }
}

pub(crate) fn endpoint(binding: Binding, url: &str) -> LogoutEndpoint {
    LogoutEndpoint {
        binding,
        url: url.to_owned(),
        response_url: None,
    }
}

fn new_id() -> MessageId {
    static MADE: AtomicU64 = AtomicU64::new(10);
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    MessageId::from_entropy(&bytes)
}

pub(crate) fn ask(
    issuer: &str,
    to: &LogoutEndpoint,
    name: &NameId,
    session_index: Option<&str>,
    key: (&str, &str),
) -> Result<Outgoing> {
    let ask = AskLogout {
        id: &new_id(),
        at: Timestamp::now(),
        issuer,
        to,
        name,
        session_index,
        relay_state: Some(RELAY_STATE),
    };
    Ok(ask.send(&security(key))?)
}

pub(crate) fn answer(
    issuer: &str,
    to: &LogoutEndpoint,
    request: &str,
    status: Status,
) -> Result<Outgoing> {
    let answer = AnswerLogout {
        id: &new_id(),
        at: Timestamp::now(),
        issuer,
        to,
        in_response_to: request,
        status,
        relay_state: None,
    };
    Ok(answer.send(&security(APPLICATION_KEY))?)
}

/// What whoever is `here` is asked, by a host of this name that signs with the external one's key.
pub(crate) fn asked_by(stop: Stop, host: &str, here: &str) -> Result<LogoutRequest> {
    let UnverifiedLogout::Request(message) = UnverifiedLogout::new(arrived(stop, here)?)? else {
        bail!("a request is expected");
    };
    let trusted = [Certificate::from_pem(EXTERNAL_KEY.1)?];
    let key = security(APPLICATION_KEY);
    Ok(message.request(host, &trusted, here, &key, Timestamp::now())?)
}

/// What that host answers to a request of theirs.
pub(crate) fn answered_by(stop: Stop, host: &str, here: &str) -> Result<LogoutResponse> {
    let received = arrived(stop, here)?;
    assert_eq!(received.relay_state.as_deref(), Some(RELAY_STATE));
    let UnverifiedLogout::Response(message) = UnverifiedLogout::new(received)? else {
        bail!("a response is expected");
    };
    let trusted = [Certificate::from_pem(EXTERNAL_KEY.1)?];
    let key = security(APPLICATION_KEY);
    Ok(message.response(host, &trusted, here, &key, Timestamp::now())?)
}

fn arrived(stop: Stop, here: &str) -> Result<Received> {
    let (address, fields) = stop.away()?;
    let (at, received) = match address.split_once('?') {
        Some((at, query)) if fields.is_empty() => {
            let received = Received::redirect(query).context("a SAML message")??;
            (at, received)
        }
        _ => (address.as_str(), posted(&fields)?),
    };
    assert_eq!(at, here);
    Ok(received)
}

/// At the host of this origin, or at the tenant of this address.
pub(crate) async fn is_signed_in(visitor: &Visitor, base: &str) -> Result<bool> {
    // A look of its own: where nobody is signed in it begins a login.
    let mut look = visitor.clone();
    let account = format!("{base}/account");
    let stop = look.open(&account).await?;
    let there = look.trail.last() == Some(&format!("GET {account}"));
    Ok(there && matches!(stop, Stop::Page { page, .. } if page.status == 200))
}
