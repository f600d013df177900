//! `Response`: what an identity provider answers. Written to service providers; read from other identity providers,
//! where everything that can be wrong with it is checked.

use super::context::{AuthnContext, RequestedContext};
use super::keys::Certificate;
use super::refusal::{Refusal, Status};
use super::request::{Header, finish, sign_here};
use super::signature::{Sealed, XmlSecurity, covers_message, enveloped};
use super::xml::{Node, Tree, Writer};
use super::{ASSERTION, MessageId, PROTOCOL, Received, SKEW_SECONDS_MAX, instant, parse_instant};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// No assertion that came by browser is good for longer, whatever it says of itself: a ten-year one is a key.
const LIFETIME_SECONDS_MAX: i64 = 24 * 3600;

/// `saml:NameID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NameId {
    pub value: String,
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_qualifier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp_name_qualifier: Option<String>,
}

impl NameId {
    fn read(node: Node<'_>) -> Result<Self, Refusal> {
        let value = node
            .value()
            .filter(|value| value.len() <= 1024)
            .ok_or(Refusal::Structure("a NameID is a text"))?;
        let attribute = |name| node.attribute(name).map(str::to_owned);
        Ok(Self {
            value,
            format: attribute("Format"),
            name_qualifier: attribute("NameQualifier"),
            sp_name_qualifier: attribute("SPNameQualifier"),
        })
    }
    /// The one below this element, if there is one. Whoever seals a name by itself is told so in the log: we open
    /// whole assertions.
    pub(crate) fn below(node: Node<'_>) -> Result<Option<Self>, Refusal> {
        if node.only(ASSERTION, "EncryptedID")?.is_some() {
            return Err(Refusal::Encryption(
                "EncryptedID is not supported".to_owned(),
            ));
        }
        node.only(ASSERTION, "NameID")?.map(Self::read).transpose()
    }
    /// Whether what a peer calls somebody is this name. A peer may leave out what it was told of the format and the
    /// qualifiers, and must not say anything else.
    pub fn is_meant_by(&self, said: &Self) -> bool {
        let fits = |own: &Option<String>, said: &Option<String>| said.is_none() || own == said;
        self.value == said.value
            && fits(&self.format, &said.format)
            && fits(&self.name_qualifier, &said.name_qualifier)
            && fits(&self.sp_name_qualifier, &said.sp_name_qualifier)
    }
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer
            .open("saml:NameID")
            .optional("NameQualifier", self.name_qualifier.as_deref())
            .optional("SPNameQualifier", self.sp_name_qualifier.as_deref())
            .optional("Format", self.format.as_deref())
            .text(&self.value)
            .close();
    }
}

/// An attribute and its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    pub name: String,
    pub values: Vec<String>,
}

// ---------------------------------------------------------------- reading

/// What a `/commonauth` got before anything is checked. It tells only what is needed to find the identity provider
/// and the login it may belong to.
#[derive(Debug)]
pub struct UnverifiedResponse {
    received: Received,
    header_issuer: String,
    in_response_to: Option<String>,
}

/// What must be true of the answer.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The identity provider that was asked.
    pub issuer: &'a str,
    /// Its keys; none is a refusal.
    pub trusted: &'a [Certificate],
    /// Our entity id.
    pub audience: &'a str,
    /// Where the answer was posted to.
    pub consumer_url: &'a str,
    /// The request of this very browser, or `None` if there is none and unsolicited answers are allowed.
    pub in_response_to: Option<&'a str>,
    pub signed_response: bool,
    pub signed_assertion: bool,
    pub encrypted_assertion: bool,
    /// The person was to be asked again then, and must not have signed in before (attack X-26).
    pub afresh_since: Option<Timestamp>,
    /// How they were to sign in there, whatever the provider makes of what it was asked.
    pub context: Option<&'a RequestedContext>,
}

/// Somebody, vouched for: every check has passed. Made in one place only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAssertion {
    id: String,
    issuer: String,
    subject: NameId,
    attributes: Vec<Attribute>,
    session_index: Option<String>,
    class: Option<String>,
    authenticated_at: Timestamp,
    session_until: Option<Timestamp>,
    good_until: Timestamp,
}

impl VerifiedAssertion {
    /// To be accepted once until [`Self::good_until`]: whoever keeps that remembers issuer and id.
    pub fn id(&self) -> &str {
        &self.id
    }
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
    pub fn subject(&self) -> &NameId {
        &self.subject
    }
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
    pub fn session_index(&self) -> Option<&str> {
        self.session_index.as_deref()
    }
    /// How it says the person signed in there; `Unspecified` for a class we do not know.
    pub fn context(&self) -> AuthnContext {
        self.class
            .as_deref()
            .and_then(AuthnContext::from_uri)
            .unwrap_or(AuthnContext::Unspecified)
    }
    pub fn authenticated_at(&self) -> Timestamp {
        self.authenticated_at
    }
    pub fn session_until(&self) -> Option<Timestamp> {
        self.session_until
    }
    /// After it a replay is refused for its time; until then for having been used.
    pub fn good_until(&self) -> Timestamp {
        self.good_until
    }
}

impl UnverifiedResponse {
    pub fn new(received: Received) -> Result<Self, Refusal> {
        let root = received.tree.root();
        if !root.is(PROTOCOL, "Response") {
            return Err(Refusal::Structure("a Response is expected"));
        }
        let header = Header::read(root)?;
        let in_response_to = root.attribute("InResponseTo").map(str::to_owned);
        Ok(Self {
            header_issuer: header.issuer,
            in_response_to,
            received,
        })
    }
    /// Whom it claims to be from: to look up the configuration, nothing else.
    pub fn issuer(&self) -> &str {
        &self.header_issuer
    }
    /// What it claims to answer: to find the login, which must be this browser's anyway.
    pub fn in_response_to(&self) -> Option<&str> {
        self.in_response_to.as_deref()
    }
    pub fn relay_state(&self) -> Option<&str> {
        self.received.relay_state.as_deref()
    }

    /// All checks of the profile (profiles, 4.1.4.2 and 4.1.4.3), in the order from cheap to dear.
    pub fn verify(
        self,
        expected: &Expected<'_>,
        security: &dyn XmlSecurity,
        now: Timestamp,
    ) -> Result<VerifiedAssertion, Refusal> {
        if self.received.binding != super::Binding::Post {
            // An assertion does not fit into a query, and its signature would not be of XML (profiles, 4.1.2).
            return Err(Refusal::Binding("a Response comes by POST"));
        }
        let tree = &self.received.tree;
        let root = tree.root();
        let header = Header::read(root)?;
        same_issuer(&header.issuer, expected.issuer)?;
        if expected.trusted.is_empty() {
            return Err(Refusal::Signature(
                "no key of the peer is configured".to_owned(),
            ));
        }
        let holder = only_assertion(tree)?;
        let verified = security.verify(tree, expected.trusted)?;
        let signed_message = covers_message(tree, &verified);
        if expected.signed_response && !signed_message {
            return Err(Refusal::Unsigned);
        }
        Header::check_destination(
            header.destination.as_deref(),
            expected.consumer_url,
            signed_message,
        )?;
        fresh(header.issue_instant, now)?;
        if self.in_response_to.as_deref() != expected.in_response_to {
            return Err(Refusal::InResponseTo);
        }
        // Whether a status is believed does not depend on its signature: an error lets nobody in.
        success(root)?;
        let holder = holder.ok_or(Refusal::Structure("a successful Response has an Assertion"))?;
        if holder.is(ASSERTION, "EncryptedAssertion") {
            let plaintext = security.decrypt(&Sealed::read(holder)?)?;
            let opened = Tree::parse(&plaintext)?;
            let inside = opened.root();
            if !inside.is(ASSERTION, "Assertion") {
                return Err(Refusal::Encryption("it holds no Assertion".to_owned()));
            }
            if assertions(&opened).count() != 1 {
                return Err(Refusal::Structure("an Assertion inside another"));
            }
            let own = security.verify(&opened, expected.trusted)?;
            let signed = own.contains(&inside.id());
            return accept(inside, signed, signed_message, expected, now);
        }
        if expected.encrypted_assertion {
            return Err(Refusal::Encryption("it is not encrypted".to_owned()));
        }
        let signed = verified.contains(&holder.id());
        accept(holder, signed, signed_message, expected, now)
    }
}

/// Reads the node whose signature was checked, and nothing outside of it.
fn accept(
    assertion: Node<'_>,
    signed: bool,
    signed_message: bool,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<VerifiedAssertion, Refusal> {
    // What is required follows from the configuration, never from what the message happens to have.
    if !(signed || signed_message && !expected.signed_assertion) {
        return Err(Refusal::Unsigned);
    }
    let header = Header::read(assertion)?;
    same_issuer(&header.issuer, expected.issuer)?;
    fresh(header.issue_instant, now)?;
    let conditions_until = conditions(assertion, expected, now)?;
    let subject = part(assertion, ASSERTION, "Subject")?;
    let name = NameId::below(subject)?.ok_or(Refusal::Structure("a subject has a NameID"))?;
    let confirmed_until = confirmed(subject, expected, now)?;
    let statements: Vec<_> = assertion
        .children_named(ASSERTION, "AuthnStatement")
        .collect();
    let [statement] = statements.as_slice() else {
        return Err(Refusal::Structure("exactly one AuthnStatement is expected"));
    };
    let authenticated_at = required_time(*statement, "AuthnInstant")?;
    if authenticated_at > later(now, SKEW_SECONDS_MAX) {
        return Err(Refusal::Time("signed in in the future"));
    }
    if expected
        .afresh_since
        .is_some_and(|since| later(authenticated_at, SKEW_SECONDS_MAX) < since)
    {
        return Err(Refusal::Context(
            "the person was to be asked again, and was not",
        ));
    }
    let session_until = time(*statement, "SessionNotOnOrAfter")?;
    if session_until.is_some_and(|until| until <= later(now, -SKEW_SECONDS_MAX)) {
        return Err(Refusal::Time("its session has ended"));
    }
    let class = part(*statement, ASSERTION, "AuthnContext")?
        .only(ASSERTION, "AuthnContextClassRef")?
        .and_then(Node::value);
    if expected
        .context
        .is_some_and(|asked| !asked.allows(class.as_deref()))
    {
        return Err(Refusal::Context("it is not how the person was to sign in"));
    }
    let until = conditions_until.map_or(confirmed_until, |c| c.min(confirmed_until));
    Ok(VerifiedAssertion {
        id: header.id,
        issuer: header.issuer,
        subject: name,
        attributes: attributes(assertion)?,
        session_index: statement.attribute("SessionIndex").map(str::to_owned),
        class,
        authenticated_at,
        session_until,
        good_until: later(until, SKEW_SECONDS_MAX),
    })
}

fn assertions(tree: &Tree) -> impl Iterator<Item = Node<'_>> {
    tree.elements()
        .filter(|e| e.is(ASSERTION, "Assertion") || e.is(ASSERTION, "EncryptedAssertion"))
}

/// The one assertion of the whole document, which is the message's own child: where a second one could hide, in
/// extensions, in a signature's object, in another assertion, is nobody's to search (attacks ).
fn only_assertion(tree: &Tree) -> Result<Option<Node<'_>>, Refusal> {
    let mut found = assertions(tree);
    let first = found.next();
    if found.next().is_some() {
        return Err(Refusal::Structure("exactly one Assertion is expected"));
    }
    if let Some(assertion) = first
        && assertion.parent().map(Node::id) != Some(tree.root().id())
    {
        return Err(Refusal::Structure("the Assertion is the Response's child"));
    }
    let messages = tree
        .elements()
        .filter(|e| e.is(PROTOCOL, "Response"))
        .count();
    if messages != 1 {
        return Err(Refusal::Structure("exactly one Response is expected"));
    }
    Ok(first)
}

fn success(root: Node<'_>) -> Result<(), Refusal> {
    let status = part(root, PROTOCOL, "Status")?;
    let code = part(status, PROTOCOL, "StatusCode")?;
    let value = code.attribute("Value").unwrap_or_default();
    if value == SUCCESS {
        return Ok(());
    }
    let second = code
        .only(PROTOCOL, "StatusCode")?
        .and_then(|c| c.attribute("Value"));
    let short = |uri: &str| -> String {
        let name = uri.rsplit(':').next().unwrap_or_default();
        name.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(64)
            .collect()
    };
    Err(Refusal::Status {
        code: short(value),
        second: second.map(short),
    })
}

/// Returns its `NotOnOrAfter`. Absent conditions restrict no audience, and so would be good anywhere: refused.
fn conditions(
    assertion: Node<'_>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
    let wrong_audience = || Refusal::Audience {
        expected: expected.audience.to_owned(),
    };
    let conditions = assertion
        .only(ASSERTION, "Conditions")?
        .ok_or_else(wrong_audience)?;
    let until = bounded(conditions, now)?;
    let mut restrictions = 0;
    for condition in conditions.children() {
        if condition.is(ASSERTION, "AudienceRestriction") {
            restrictions += 1;
            let ours = condition
                .children_named(ASSERTION, "Audience")
                .filter_map(Node::value)
                .any(|audience| audience == expected.audience);
            // Each restriction must hold (core, 2.5.1.4).
            if !ours {
                return Err(wrong_audience());
            }
        } else if !(condition.is(ASSERTION, "OneTimeUse")
            || condition.is(ASSERTION, "ProxyRestriction"))
        {
            return Err(Refusal::Structure("a condition that is not understood"));
        }
    }
    if restrictions == 0 {
        return Err(wrong_audience());
    }
    Ok(until)
}

/// One bearer confirmation that holds for this place, this request and this moment. Returns until when.
fn confirmed(
    subject: Node<'_>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let mut last = Refusal::Confirmation("there is no bearer confirmation");
    for confirmation in subject.children_named(ASSERTION, "SubjectConfirmation") {
        if confirmation.attribute("Method") != Some(BEARER) {
            continue;
        }
        match bearer(confirmation, expected, now) {
            Ok(until) => return Ok(until),
            Err(refusal) => last = refusal,
        }
    }
    Err(last)
}

fn bearer(
    confirmation: Node<'_>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let data = confirmation
        .only(ASSERTION, "SubjectConfirmationData")?
        .ok_or(Refusal::Confirmation("it has no data"))?;
    if data.attribute("Recipient") != Some(expected.consumer_url) {
        return Err(Refusal::Confirmation("the recipient is another"));
    }
    if data.attribute("InResponseTo") != expected.in_response_to {
        return Err(Refusal::InResponseTo);
    }
    if data.attribute("NotBefore").is_some() {
        return Err(Refusal::Confirmation(
            "a bearer confirmation has no NotBefore",
        ));
    }
    bounded(data, now)?.ok_or(Refusal::Confirmation("it has no NotOnOrAfter"))
}

/// `NotBefore` and `NotOnOrAfter` of an element, with the skew.
fn bounded(node: Node<'_>, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    if let Some(from) = time(node, "NotBefore")?
        && from > later(now, SKEW_SECONDS_MAX)
    {
        return Err(Refusal::Time("not yet valid"));
    }
    let until = time(node, "NotOnOrAfter")?;
    if let Some(until) = until {
        if until <= later(now, -SKEW_SECONDS_MAX) {
            return Err(Refusal::Time("expired"));
        }
        if until > later(now, LIFETIME_SECONDS_MAX) {
            return Err(Refusal::Time("valid for longer than a day"));
        }
    }
    Ok(until)
}

/// A message is sent when it is made.
pub(crate) fn fresh(issued: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    const MESSAGE_SECONDS_MAX: i64 = 15 * 60;
    if issued > later(now, SKEW_SECONDS_MAX) {
        return Err(Refusal::Time("issued in the future"));
    }
    if issued < later(now, -(MESSAGE_SECONDS_MAX + SKEW_SECONDS_MAX)) {
        return Err(Refusal::Time("issued too long ago"));
    }
    Ok(())
}

pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(at)
}

fn time(node: Node<'_>, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
    match node.attribute(name) {
        None => Ok(None),
        Some(text) => parse_instant(text)
            .map(Some)
            .ok_or(Refusal::Structure("a time is xs:dateTime in UTC")),
    }
}

fn required_time(node: Node<'_>, name: &'static str) -> Result<Timestamp, Refusal> {
    time(node, name)?.ok_or(Refusal::Structure("a time is missing"))
}

fn same_issuer(found: &str, expected: &str) -> Result<(), Refusal> {
    if found == expected {
        return Ok(());
    }
    Err(Refusal::Issuer {
        found: found.chars().take(200).collect(),
        expected: expected.to_owned(),
    })
}

fn attributes(assertion: Node<'_>) -> Result<Vec<Attribute>, Refusal> {
    let mut found = Vec::new();
    for statement in assertion.children_named(ASSERTION, "AttributeStatement") {
        for attribute in statement.children_named(ASSERTION, "Attribute") {
            let name = attribute
                .attribute("Name")
                .ok_or(Refusal::Structure("an attribute has a name"))?;
            let values = attribute
                .children_named(ASSERTION, "AttributeValue")
                // Values of structured types are not texts; they are left out, not guessed at.
                .filter_map(Node::text)
                .map(|value| value.trim().to_owned())
                .collect();
            found.push(Attribute {
                name: name.to_owned(),
                values,
            });
        }
    }
    Ok(found)
}

fn part<'t>(
    node: Node<'t>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'t>, Refusal> {
    node.only(namespace, name)
        .map_err(|_| Refusal::Structure("a part stands there twice"))?
        .ok_or(Refusal::Structure("a required part is missing"))
}

/// For messages that carry no assertion: nothing of one may stand in them.
pub(crate) fn without_assertion(tree: &Tree) -> Result<(), Refusal> {
    enveloped(tree)?;
    if assertions(tree).next().is_some() {
        return Err(Refusal::Structure("an Assertion has no place here"));
    }
    Ok(())
}

// ---------------------------------------------------------------- writing

/// An assertion about somebody who signed in here.
#[derive(Debug, Clone)]
pub(crate) struct Vouching<'a> {
    pub(crate) id: &'a MessageId,
    pub(crate) subject: &'a NameId,
    pub(crate) audience: &'a str,
    pub(crate) confirmed_until: Timestamp,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) session_index: &'a str,
    pub(crate) session_until: Timestamp,
    pub(crate) context: AuthnContext,
    /// `None`: no statement.
    pub(crate) attributes: Option<&'a [Attribute]>,
}

/// A `Response`.
#[derive(Debug, Clone)]
pub(crate) struct Answer<'a> {
    pub(crate) id: &'a MessageId,
    pub(crate) at: Timestamp,
    pub(crate) issuer: &'a str,
    /// The assertion consumer service.
    pub(crate) destination: &'a str,
    pub(crate) in_response_to: Option<&'a str>,
    pub(crate) status: Status,
    pub(crate) assertion: Option<Vouching<'a>>,
}

impl Answer<'_> {
    /// The assertion is signed always, the response if `sign_response`.
    pub(crate) fn write(
        &self,
        sign_response: bool,
        encrypt_to: Option<&Certificate>,
        security: &dyn XmlSecurity,
    ) -> Result<String, Refusal> {
        let assertion = match &self.assertion {
            Some(vouching) => {
                let signed = self.assertion(vouching, security)?;
                Some(match encrypt_to {
                    Some(peer) => security.encrypt(&signed, peer)?,
                    None => signed,
                })
            }
            None => None,
        };
        let mut writer = Writer::new();
        writer
            .open("samlp:Response")
            .attribute("xmlns:samlp", PROTOCOL)
            .attribute("xmlns:saml", ASSERTION)
            .attribute("ID", self.id.as_str())
            .attribute("Version", "2.0")
            .attribute("IssueInstant", &instant(self.at))
            .attribute("Destination", self.destination)
            .optional("InResponseTo", self.in_response_to)
            .element("saml:Issuer", self.issuer);
        if sign_response {
            sign_here(&mut writer, self.id, security)?;
        }
        write_status(&mut writer, self.status);
        if let Some(assertion) = assertion {
            if encrypt_to.is_some() {
                writer
                    .open("saml:EncryptedAssertion")
                    .finished(&assertion)
                    .close();
            } else {
                writer.finished(&assertion);
            }
        }
        writer.close();
        finish(writer, sign_response.then_some(security))
    }

    fn assertion(
        &self,
        vouching: &Vouching<'_>,
        security: &dyn XmlSecurity,
    ) -> Result<String, Refusal> {
        let mut writer = Writer::new();
        let until = instant(vouching.confirmed_until);
        writer
            .open("saml:Assertion")
            .attribute("xmlns:saml", ASSERTION)
            .attribute("ID", vouching.id.as_str())
            .attribute("Version", "2.0")
            .attribute("IssueInstant", &instant(self.at))
            .element("saml:Issuer", self.issuer);
        sign_here(&mut writer, vouching.id, security)?;
        writer.open("saml:Subject");
        vouching.subject.write(&mut writer);
        writer
            .open("saml:SubjectConfirmation")
            .attribute("Method", BEARER)
            .open("saml:SubjectConfirmationData")
            .optional("InResponseTo", self.in_response_to)
            .attribute("NotOnOrAfter", &until)
            .attribute("Recipient", self.destination)
            .close()
            .close()
            .close();
        writer
            .open("saml:Conditions")
            // No allowance for a peer's slow clock here: that is what its own skew is for, and ours are seconds.
            .attribute("NotBefore", &instant(self.at))
            .attribute("NotOnOrAfter", &until)
            .open("saml:AudienceRestriction")
            .element("saml:Audience", vouching.audience)
            .close()
            .close();
        writer
            .open("saml:AuthnStatement")
            .attribute("AuthnInstant", &instant(vouching.authenticated_at))
            .attribute("SessionIndex", vouching.session_index)
            .attribute("SessionNotOnOrAfter", &instant(vouching.session_until))
            .open("saml:AuthnContext")
            .element("saml:AuthnContextClassRef", vouching.context.uri())
            .close()
            .close();
        if let Some(attributes) = vouching.attributes.filter(|a| !a.is_empty()) {
            writer.open("saml:AttributeStatement");
            for attribute in attributes {
                writer
                    .open("saml:Attribute")
                    .attribute("Name", &attribute.name)
                    .attribute(
                        "NameFormat",
                        "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
                    );
                for value in &attribute.values {
                    writer.element("saml:AttributeValue", value);
                }
                writer.close();
            }
            writer.close();
        }
        writer.close();
        security.sign(writer.into_string())
    }
}

pub(crate) fn write_status(writer: &mut Writer, status: Status) {
    let (code, second) = status.codes();
    writer
        .open("samlp:Status")
        .open("samlp:StatusCode")
        .attribute("Value", code);
    if let Some(second) = second {
        writer
            .open("samlp:StatusCode")
            .attribute("Value", second)
            .close();
    }
    writer.close();
    if let Some(message) = status.message() {
        writer.element("samlp:StatusMessage", message);
    }
    writer.close();
}
