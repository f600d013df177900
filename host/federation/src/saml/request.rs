//! `AuthnRequest`: what a service provider asks for. Read from others, written to others.

use super::context::{Comparison, RequestedContext};
use super::refusal::Refusal;
use super::signature::{XmlSecurity, skeleton};
use super::xml::{Node, Writer};
use super::{ASSERTION, Binding, MessageId, PROTOCOL, instant, parse_instant};
use jiff::Timestamp;

/// As it was written; nothing in it is checked against anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthnRequest {
    pub(crate) id: String,
    pub(crate) issue_instant: Timestamp,
    pub(crate) issuer: String,
    pub(crate) destination: Option<String>,
    pub(crate) consumer: Consumer,
    /// The binding the answer shall take.
    pub(crate) protocol_binding: Option<String>,
    pub(crate) attribute_index: Option<u16>,
    pub(crate) force_authn: bool,
    pub(crate) is_passive: bool,
    pub(crate) name_id_format: Option<String>,
    /// Among whom the name shall hold: the issuer, or an affiliation that it belongs to.
    pub(crate) sp_name_qualifier: Option<String>,
    pub(crate) context: Option<RequestedContext>,
    /// It names the person it expects (core, 3.3.2.2), which we do not do.
    pub(crate) names_subject: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consumer {
    Default,
    Url(String),
    Index(u16),
}

impl AuthnRequest {
    pub(crate) fn read(root: Node<'_>) -> Result<Self, Refusal> {
        if !root.is(PROTOCOL, "AuthnRequest") {
            return Err(Refusal::Structure("an AuthnRequest is expected"));
        }
        let header = Header::read(root)?;
        let consumer = match (
            root.attribute("AssertionConsumerServiceURL"),
            root.attribute("AssertionConsumerServiceIndex"),
        ) {
            (None, None) => Consumer::Default,
            (Some(url), None) => Consumer::Url(url.to_owned()),
            (None, Some(index)) => Consumer::Index(number(index)?),
            (Some(_), Some(_)) => {
                return Err(Refusal::Structure(
                    "AssertionConsumerServiceURL and its index exclude each other",
                ));
            }
        };
        let policy = root.only(PROTOCOL, "NameIDPolicy")?;
        Ok(Self {
            id: header.id,
            issue_instant: header.issue_instant,
            issuer: header.issuer,
            destination: header.destination,
            consumer,
            protocol_binding: root.attribute("ProtocolBinding").map(str::to_owned),
            attribute_index: root
                .attribute("AttributeConsumingServiceIndex")
                .map(number)
                .transpose()?,
            force_authn: boolean(root.attribute("ForceAuthn"))?,
            is_passive: boolean(root.attribute("IsPassive"))?,
            name_id_format: policy
                .and_then(|p| p.attribute("Format"))
                .map(str::to_owned),
            sp_name_qualifier: policy
                .and_then(|p| p.attribute("SPNameQualifier"))
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            context: root
                .only(PROTOCOL, "RequestedAuthnContext")?
                .map(requested_context)
                .transpose()?,
            names_subject: root.only(ASSERTION, "Subject")?.is_some(),
        })
    }
}

fn requested_context(node: Node<'_>) -> Result<RequestedContext, Refusal> {
    let comparison = Comparison::parse(node.attribute("Comparison"))
        .ok_or(Refusal::Structure("Comparison is one of four words"))?;
    let classes: Vec<_> = node
        .children_named(ASSERTION, "AuthnContextClassRef")
        .filter_map(Node::value)
        .collect();
    // Declarations instead of classes, or nothing: we know no declaration, so nothing satisfies it.
    Ok(RequestedContext {
        comparison,
        classes,
    })
}

/// What every SAML message begins with.
pub(crate) struct Header {
    pub(crate) id: String,
    pub(crate) issue_instant: Timestamp,
    pub(crate) issuer: String,
    pub(crate) destination: Option<String>,
}

impl Header {
    pub(crate) fn read(root: Node<'_>) -> Result<Self, Refusal> {
        if root.attribute("Version") != Some("2.0") {
            return Err(Refusal::Structure("the version is 2.0"));
        }
        let id = root
            .attribute("ID")
            .filter(|id| !id.is_empty() && id.len() <= 256)
            .ok_or(Refusal::Structure("a message has an ID"))?;
        let issue_instant = root
            .attribute("IssueInstant")
            .and_then(parse_instant)
            .ok_or(Refusal::Structure("IssueInstant is a time in UTC"))?;
        let issuer = root
            .only(ASSERTION, "Issuer")?
            .and_then(Node::value)
            .filter(|issuer| issuer.len() <= 1024)
            .ok_or(Refusal::Structure("a message has an Issuer"))?;
        Ok(Self {
            id: id.to_owned(),
            issue_instant,
            issuer,
            destination: root.attribute("Destination").map(str::to_owned),
        })
    }
    /// Everything goes by browser, so a message says where it was sent; an absent one is accepted only where it
    /// carries no signature (bindings, 3.4.5.2 and 3.5.5.2).
    pub(crate) fn check_destination(
        found: Option<&str>,
        expected: &str,
        signed: bool,
    ) -> Result<(), Refusal> {
        match found {
            Some(found) if found == expected => Ok(()),
            None if !signed => Ok(()),
            _ => Err(Refusal::Destination {
                found: found.unwrap_or_default().to_owned(),
                expected: expected.to_owned(),
            }),
        }
    }
}

pub(crate) fn boolean(text: Option<&str>) -> Result<bool, Refusal> {
    match text {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(Refusal::Structure("true or false is expected")),
    }
}

pub(crate) fn number(text: &str) -> Result<u16, Refusal> {
    text.trim()
        .parse()
        .map_err(|_| Refusal::Structure("an index is a number below 65536"))
}

/// A request of ours to another identity provider.
#[derive(Debug, Clone)]
pub(crate) struct Asking<'a> {
    pub(crate) id: &'a MessageId,
    pub(crate) at: Timestamp,
    pub(crate) issuer: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) consumer_url: &'a str,
    pub(crate) force_authn: bool,
    pub(crate) is_passive: bool,
    pub(crate) name_id_format: Option<&'a str>,
    pub(crate) context: Option<&'a RequestedContext>,
}

impl Asking<'_> {
    /// With a signature inside if `sign` (POST); a redirect is signed outside.
    pub(crate) fn write(&self, sign: Option<&dyn XmlSecurity>) -> Result<String, Refusal> {
        let mut writer = Writer::new();
        writer
            .open("samlp:AuthnRequest")
            .attribute("xmlns:samlp", PROTOCOL)
            .attribute("xmlns:saml", ASSERTION)
            .attribute("ID", self.id.as_str())
            .attribute("Version", "2.0")
            .attribute("IssueInstant", &instant(self.at))
            .attribute("Destination", self.destination)
            .optional("ForceAuthn", self.force_authn.then_some("true"))
            .optional("IsPassive", self.is_passive.then_some("true"))
            .attribute("ProtocolBinding", Binding::Post.uri())
            .attribute("AssertionConsumerServiceURL", self.consumer_url)
            .element("saml:Issuer", self.issuer);
        if let Some(security) = sign {
            sign_here(&mut writer, self.id, security)?;
        }
        writer
            .open("samlp:NameIDPolicy")
            .optional("Format", self.name_id_format)
            .attribute("AllowCreate", "true")
            .close();
        if let Some(context) = self.context {
            let comparison = match context.comparison {
                Comparison::Exact => "exact",
                Comparison::Minimum => "minimum",
                Comparison::Maximum => "maximum",
                Comparison::Better => "better",
            };
            writer
                .open("samlp:RequestedAuthnContext")
                .attribute("Comparison", comparison);
            for class in &context.classes {
                writer.element("saml:AuthnContextClassRef", class);
            }
            writer.close();
        }
        writer.close();
        finish(writer, sign)
    }
}

/// The skeleton, with the certificate that signs.
pub(crate) fn sign_here(
    writer: &mut Writer,
    id: &MessageId,
    security: &dyn XmlSecurity,
) -> Result<(), Refusal> {
    let certificates = security.certificates();
    let current = certificates
        .first()
        .ok_or(Refusal::Structure("there is a signing key"))?;
    skeleton(writer, id.as_str(), current);
    Ok(())
}

pub(crate) fn finish(writer: Writer, sign: Option<&dyn XmlSecurity>) -> Result<String, Refusal> {
    let xml = writer.into_string();
    match sign {
        Some(security) => security.sign(xml),
        None => Ok(xml),
    }
}
