//! Metadata: what two sides tell each other before they talk. Read leniently, written in the schema's order.
//!
//! Trust comes from how the operator got the file, not from a signature in it.

use super::bindings::Binding;
use super::idp::{ConsumerService, NameIdFormat};
use super::keys::Certificate;
use super::logout::LogoutEndpoint;
use super::refusal::Refusal;
use super::request::{boolean, number};
use super::sp::Endpoint;
use super::xml::{Node, Tree, Writer};
use super::{DSIG, METADATA, PROTOCOL, parse_instant};
use jiff::Timestamp;

/// What a peer says of itself. Bindings and extensions we do not know are passed over: refusing a whole federation's
/// file for one artifact endpoint helps nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub entity_id: String,
    pub identity_provider: Option<IdentityProviderRole>,
    pub service_provider: Option<ServiceProviderRole>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProviderRole {
    pub sign_on: Vec<Endpoint>,
    pub logout: Vec<LogoutEndpoint>,
    pub signing: Vec<Certificate>,
    pub wants_signed_requests: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProviderRole {
    pub consumer_services: Vec<ConsumerService>,
    pub logout: Vec<LogoutEndpoint>,
    pub signing: Vec<Certificate>,
    pub encryption: Vec<Certificate>,
    pub signs_requests: bool,
    pub attribute_index: Option<u16>,
}

impl Peer {
    /// `entity_id` chooses among several entities in one file.
    pub fn read(text: &str, entity_id: Option<&str>, now: Timestamp) -> Result<Self, Refusal> {
        let tree = Tree::parse(text)?;
        let entities: Vec<_> = tree
            .elements()
            .filter(|e| e.is(METADATA, "EntityDescriptor"))
            .filter(|e| entity_id.is_none_or(|id| e.attribute("entityID") == Some(id)))
            .collect();
        let [entity] = entities.as_slice() else {
            return Err(Refusal::Structure(
                "exactly one EntityDescriptor is expected; name the entity if the file holds several",
            ));
        };
        for node in std::iter::once(tree.root()).chain([*entity]) {
            if let Some(until) = node.attribute("validUntil") {
                let until = parse_instant(until)
                    .ok_or(Refusal::Structure("validUntil is a time in UTC"))?;
                if until <= now {
                    return Err(Refusal::Time("the metadata has expired"));
                }
            }
        }
        let entity_id = entity
            .attribute("entityID")
            .filter(|id| !id.is_empty() && id.len() <= 1024)
            .ok_or(Refusal::Structure("an entity has an entityID"))?;
        let role = |name: &'static str| {
            entity.children_named(METADATA, name).find(|role| {
                role.attribute("protocolSupportEnumeration")
                    .is_some_and(|all| all.split_whitespace().any(|one| one == PROTOCOL))
            })
        };
        Ok(Self {
            entity_id: entity_id.to_owned(),
            identity_provider: role("IDPSSODescriptor")
                .map(identity_provider)
                .transpose()?,
            service_provider: role("SPSSODescriptor").map(service_provider).transpose()?,
        })
    }
}

fn identity_provider(role: Node<'_>) -> Result<IdentityProviderRole, Refusal> {
    let sign_on = role
        .children_named(METADATA, "SingleSignOnService")
        .filter_map(|service| {
            Some(Endpoint {
                binding: Binding::from_uri(service.attribute("Binding")?)?,
                url: service.attribute("Location")?.to_owned(),
            })
        })
        .collect();
    Ok(IdentityProviderRole {
        sign_on,
        logout: logout(role),
        signing: keys(role, "signing"),
        wants_signed_requests: boolean(role.attribute("WantAuthnRequestsSigned"))?,
    })
}

fn service_provider(role: Node<'_>) -> Result<ServiceProviderRole, Refusal> {
    let mut consumer_services = Vec::new();
    for service in role.children_named(METADATA, "AssertionConsumerService") {
        let by_post = service.attribute("Binding") == Some(Binding::Post.uri());
        if let (true, Some(url)) = (by_post, service.attribute("Location")) {
            consumer_services.push(ConsumerService {
                url: url.to_owned(),
                index: service.attribute("index").map(number).transpose()?,
                default: boolean(service.attribute("isDefault"))?,
            });
        }
    }
    let attributes = role
        .children_named(METADATA, "AttributeConsumingService")
        .next();
    Ok(ServiceProviderRole {
        consumer_services,
        logout: logout(role),
        signing: keys(role, "signing"),
        encryption: keys(role, "encryption"),
        signs_requests: boolean(role.attribute("AuthnRequestsSigned"))?,
        attribute_index: attributes
            .and_then(|a| a.attribute("index"))
            .map(number)
            .transpose()?,
    })
}

fn logout(role: Node<'_>) -> Vec<LogoutEndpoint> {
    role.children_named(METADATA, "SingleLogoutService")
        .filter_map(|service| {
            Some(LogoutEndpoint {
                binding: Binding::from_uri(service.attribute("Binding")?)?,
                url: service.attribute("Location")?.to_owned(),
                response_url: service.attribute("ResponseLocation").map(str::to_owned),
            })
        })
        .collect()
}

/// Keys for a use; one without a use is for both. What holds no key we can use is passed over.
fn keys(role: Node<'_>, usage: &str) -> Vec<Certificate> {
    let mut found = Vec::new();
    for descriptor in role.children_named(METADATA, "KeyDescriptor") {
        if descriptor.attribute("use").is_some_and(|u| u != usage) {
            continue;
        }
        let texts = descriptor
            .children_named(DSIG, "KeyInfo")
            .flat_map(|info| info.children_named(DSIG, "X509Data"))
            .flat_map(|data| data.children_named(DSIG, "X509Certificate"))
            .filter_map(Node::text);
        for text in texts {
            if let Ok(certificate) = Certificate::from_base64(&text)
                && !found.contains(&certificate)
            {
                found.push(certificate);
            }
        }
    }
    found
}

/// What we say of ourselves, in both roles at once.
#[derive(Debug, Clone)]
pub struct Own<'a> {
    pub entity_id: &'a str,
    /// The current key's first, then those of the roll-over.
    pub certificates: &'a [Certificate],
    /// `/samlsso`: requests, and logout messages of applications.
    pub sso_url: &'a str,
    /// `/commonauth`: answers and logout messages of upstream identity providers.
    pub consumer_url: &'a str,
    pub wants_signed_requests: bool,
}

impl Own<'_> {
    pub fn write(&self) -> String {
        let mut writer = Writer::new();
        writer
            .open("md:EntityDescriptor")
            .attribute("xmlns:md", METADATA)
            .attribute("entityID", self.entity_id);
        writer
            .open("md:IDPSSODescriptor")
            .attribute(
                "WantAuthnRequestsSigned",
                if self.wants_signed_requests {
                    "true"
                } else {
                    "false"
                },
            )
            .attribute("protocolSupportEnumeration", PROTOCOL);
        self.write_keys(&mut writer, &["signing"]);
        // KeyDescriptor, SingleLogoutService, NameIDFormat, SingleSignOnService: Shibboleth refuses another order.
        write_logout(&mut writer, self.sso_url);
        for format in NameIdFormat::ALL {
            writer.element("md:NameIDFormat", format.uri());
        }
        for binding in [Binding::Redirect, Binding::Post] {
            writer
                .open("md:SingleSignOnService")
                .attribute("Binding", binding.uri())
                .attribute("Location", self.sso_url)
                .close();
        }
        writer.close();
        writer
            .open("md:SPSSODescriptor")
            .attribute("AuthnRequestsSigned", "true")
            .attribute("WantAssertionsSigned", "true")
            .attribute("protocolSupportEnumeration", PROTOCOL);
        self.write_keys(&mut writer, &["signing", "encryption"]);
        write_logout(&mut writer, self.consumer_url);
        for format in NameIdFormat::ALL {
            writer.element("md:NameIDFormat", format.uri());
        }
        writer
            .open("md:AssertionConsumerService")
            .attribute("Binding", Binding::Post.uri())
            .attribute("Location", self.consumer_url)
            .attribute("index", "0")
            .attribute("isDefault", "true")
            .close()
            .close()
            .close();
        writer.into_string()
    }

    fn write_keys(&self, writer: &mut Writer, usages: &[&str]) {
        for usage in usages {
            for certificate in self.certificates {
                writer
                    .open("md:KeyDescriptor")
                    .attribute("use", usage)
                    .open("ds:KeyInfo")
                    .attribute("xmlns:ds", DSIG)
                    .open("ds:X509Data")
                    .element("ds:X509Certificate", &certificate.to_base64())
                    .close()
                    .close();
                if *usage == "encryption" {
                    for algorithm in [
                        "http://www.w3.org/2009/xmlenc11#aes256-gcm",
                        "http://www.w3.org/2009/xmlenc11#aes128-gcm",
                        "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
                    ] {
                        writer
                            .open("md:EncryptionMethod")
                            .attribute("Algorithm", algorithm)
                            .close();
                    }
                }
                writer.close();
            }
        }
    }
}

/// Both bindings at one address.
fn write_logout(writer: &mut Writer, url: &str) {
    for binding in [Binding::Redirect, Binding::Post] {
        writer
            .open("md:SingleLogoutService")
            .attribute("Binding", binding.uri())
            .attribute("Location", url)
            .close();
    }
}
