//! Single logout, the messages of both directions. Who is told, and in which order, is the caller's.

use super::keys::Certificate;
use super::refusal::{Refusal, Status};
use super::request::{Header, finish, sign_here};
use super::response::{NameId, fresh, later, without_assertion, write_status};
use super::signature::XmlSecurity;
use super::xml::{Node, Writer};
use super::{ASSERTION, Binding, MessageId, Outgoing, PROTOCOL, Received, bindings, instant};
use super::{SKEW_SECONDS_MAX, parse_instant};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a peer takes logout messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutEndpoint {
    pub binding: Binding,
    pub url: String,
    /// Where answers go, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_url: Option<String>,
}

impl LogoutEndpoint {
    pub fn response_url(&self) -> &str {
        self.response_url.as_deref().unwrap_or(&self.url)
    }
}

/// A logout message as it came.
#[derive(Debug)]
pub enum UnverifiedLogout {
    Request(Unverified),
    Response(Unverified),
}

#[derive(Debug)]
pub struct Unverified {
    received: Received,
    header: Said,
}

#[derive(Debug)]
struct Said {
    issuer: String,
    in_response_to: Option<String>,
}

/// A participant asks for the end of a session. Kept as a text while the browser comes back with its cookies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    id: String,
    issuer: String,
    name: NameId,
    session_indexes: Vec<String>,
    relay_state: Option<String>,
}

impl LogoutRequest {
    pub fn id(&self) -> &str {
        &self.id
    }
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
    pub fn name(&self) -> &NameId {
        &self.name
    }
    /// Empty: every session of that name (core, 3.7.1).
    pub fn session_indexes(&self) -> &[String] {
        &self.session_indexes
    }
    pub fn relay_state(&self) -> Option<&str> {
        self.relay_state.as_deref()
    }
}

/// A participant says how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutResponse {
    issuer: String,
    in_response_to: String,
    success: bool,
}

impl LogoutResponse {
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
    pub fn in_response_to(&self) -> &str {
        &self.in_response_to
    }
    /// Whether the participant ended its session and, if it has participants of its own, theirs.
    pub fn success(&self) -> bool {
        self.success
    }
}

impl UnverifiedLogout {
    pub fn new(received: Received) -> Result<Self, Refusal> {
        let root = received.tree.root();
        let request = root.is(PROTOCOL, "LogoutRequest");
        if !request && !root.is(PROTOCOL, "LogoutResponse") {
            return Err(Refusal::Structure("a logout message is expected"));
        }
        without_assertion(&received.tree)?;
        let header = Said {
            issuer: Header::read(root)?.issuer,
            in_response_to: root.attribute("InResponseTo").map(str::to_owned),
        };
        let unverified = Unverified { received, header };
        Ok(if request {
            Self::Request(unverified)
        } else {
            Self::Response(unverified)
        })
    }
    /// Whom it claims to be from.
    pub fn issuer(&self) -> &str {
        let (Self::Request(message) | Self::Response(message)) = self;
        &message.header.issuer
    }
}

impl Unverified {
    /// What it claims to answer.
    pub fn in_response_to(&self) -> Option<&str> {
        self.header.in_response_to.as_deref()
    }

    /// A request ends sessions: unsigned ones are never followed, whatever else is configured (attack X-34).
    pub fn request(
        self,
        issuer: &str,
        trusted: &[Certificate],
        our_url: &str,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<LogoutRequest, Refusal> {
        if !self.received.is_signed(trusted, security)? {
            return Err(Refusal::Unsigned);
        }
        let root = self.received.tree.root();
        let header = checked(root, issuer, our_url, true, now)?;
        if let Some(until) = root.attribute("NotOnOrAfter") {
            let until =
                parse_instant(until).ok_or(Refusal::Structure("a time is xs:dateTime in UTC"))?;
            if until <= later(now, -SKEW_SECONDS_MAX) {
                return Err(Refusal::Time("expired"));
            }
        }
        self.received
            .check_relay_state(bindings::RELAY_STATE_BYTES_LIMIT)?;
        let name =
            NameId::below(root)?.ok_or(Refusal::Structure("a LogoutRequest has a NameID"))?;
        Ok(LogoutRequest {
            id: header.id,
            issuer: header.issuer,
            name,
            session_indexes: root
                .children_named(PROTOCOL, "SessionIndex")
                .filter_map(Node::value)
                .collect(),
            relay_state: self.received.relay_state,
        })
    }

    /// An answer only says whether a participant is done. It must be signed if the participant has a key.
    pub fn response(
        self,
        issuer: &str,
        trusted: &[Certificate],
        our_url: &str,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<LogoutResponse, Refusal> {
        let signed = self.received.is_signed(trusted, security)?;
        if !signed && !trusted.is_empty() {
            return Err(Refusal::Unsigned);
        }
        let root = self.received.tree.root();
        let header = checked(root, issuer, our_url, signed, now)?;
        let code = root
            .only(PROTOCOL, "Status")?
            .map(|status| status.only(PROTOCOL, "StatusCode"))
            .transpose()?
            .flatten()
            .ok_or(Refusal::Structure("a LogoutResponse has a status"))?;
        let whole = code.only(PROTOCOL, "StatusCode")?.is_none();
        Ok(LogoutResponse {
            issuer: header.issuer,
            in_response_to: self.header.in_response_to.ok_or(Refusal::InResponseTo)?,
            success: whole
                && code.attribute("Value") == Some("urn:oasis:names:tc:SAML:2.0:status:Success"),
        })
    }
}

fn checked(
    root: Node<'_>,
    issuer: &str,
    our_url: &str,
    signed: bool,
    now: Timestamp,
) -> Result<Header, Refusal> {
    let header = Header::read(root)?;
    if header.issuer != issuer {
        return Err(Refusal::Issuer {
            found: header.issuer.chars().take(200).collect(),
            expected: issuer.to_owned(),
        });
    }
    Header::check_destination(header.destination.as_deref(), our_url, signed)?;
    fresh(header.issue_instant, now)?;
    Ok(header)
}

/// Asks a peer to end its session. Always signed.
#[derive(Debug, Clone)]
pub struct AskLogout<'a> {
    pub id: &'a MessageId,
    pub at: Timestamp,
    pub issuer: &'a str,
    pub to: &'a LogoutEndpoint,
    pub name: &'a NameId,
    pub session_index: Option<&'a str>,
    pub relay_state: Option<&'a str>,
}

impl AskLogout<'_> {
    pub fn send(&self, security: &dyn XmlSecurity) -> Result<Outgoing, Refusal> {
        let mut writer = Writer::new();
        writer
            .open("samlp:LogoutRequest")
            .attribute("xmlns:samlp", PROTOCOL)
            .attribute("xmlns:saml", ASSERTION)
            .attribute("ID", self.id.as_str())
            .attribute("Version", "2.0")
            .attribute("IssueInstant", &instant(self.at))
            .attribute("Destination", &self.to.url)
            .attribute("NotOnOrAfter", &instant(later(self.at, 300)))
            .element("saml:Issuer", self.issuer);
        let inside = (self.to.binding == Binding::Post).then_some(security);
        if let Some(security) = inside {
            sign_here(&mut writer, self.id, security)?;
        }
        self.name.write(&mut writer);
        if let Some(index) = self.session_index {
            writer.element("samlp:SessionIndex", index);
        }
        writer.close();
        Outgoing::new(
            self.to.binding,
            &self.to.url,
            bindings::Kind::Request,
            &finish(writer, inside)?,
            self.relay_state,
            Some(security),
        )
    }
}

/// Answers a peer's request. Always signed, by the binding's own means: a Redirect with an XML signature inside is
/// what mod_auth_mellon answers with an error.
#[derive(Debug, Clone)]
pub struct AnswerLogout<'a> {
    pub id: &'a MessageId,
    pub at: Timestamp,
    pub issuer: &'a str,
    pub to: &'a LogoutEndpoint,
    pub in_response_to: &'a str,
    pub status: Status,
    pub relay_state: Option<&'a str>,
}

impl AnswerLogout<'_> {
    pub fn send(&self, security: &dyn XmlSecurity) -> Result<Outgoing, Refusal> {
        let to = self.to.response_url();
        let mut writer = Writer::new();
        writer
            .open("samlp:LogoutResponse")
            .attribute("xmlns:samlp", PROTOCOL)
            .attribute("xmlns:saml", ASSERTION)
            .attribute("ID", self.id.as_str())
            .attribute("Version", "2.0")
            .attribute("IssueInstant", &instant(self.at))
            .attribute("Destination", to)
            .attribute("InResponseTo", self.in_response_to)
            .element("saml:Issuer", self.issuer);
        let inside = (self.to.binding == Binding::Post).then_some(security);
        if let Some(security) = inside {
            sign_here(&mut writer, self.id, security)?;
        }
        write_status(&mut writer, self.status);
        writer.close();
        Outgoing::new(
            self.to.binding,
            to,
            bindings::Kind::Response,
            &finish(writer, inside)?,
            self.relay_state,
            Some(security),
        )
    }
}
