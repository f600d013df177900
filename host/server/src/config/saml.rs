//! The SAML parts: `[saml]`, `[identity_provider.NAME]` with `protocol = "saml"`, `[relying_party.NAME.saml]`.
//!
//! A peer's metadata says most of it; a key that stands beside `metadata` wins over it.

use super::secret::Surroundings;
use super::section::Section;
use postern_federation::Moment;
use postern_federation::saml::bindings::RELAY_STATE_BYTES_MAX;
use postern_federation::saml::context::{Comparison, RequestedContext};
use postern_federation::saml::idp::{ConsumerService, NameIdFormat, ServiceProvider};
use postern_federation::saml::logout::LogoutEndpoint;
use postern_federation::saml::metadata::Peer;
use postern_federation::saml::sp::{Endpoint, Upstream};
use postern_federation::saml::{self, Binding, Certificate};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FILE_BYTES_MAX: u64 = 256 * 1024;
const BINDINGS: [(&str, Binding); 2] = [("redirect", Binding::Redirect), ("post", Binding::Post)];

/// What we call ourselves; `None` for the address of our metadata.
pub(super) fn read(mut section: Section<'_>) -> Option<String> {
    let entity_id: Option<String> = section.optional("entity_id", "a text");
    if entity_id
        .as_ref()
        .is_some_and(|id| id.trim().is_empty() || id.len() > 1024)
    {
        section.problem("entity_id", "expected 1 to 1024 bytes");
    }
    section.finish();
    entity_id
}

pub(super) fn upstream(s: &mut Section<'_>, base: &Path, surroundings: &Surroundings) -> Upstream {
    let entity_id: Option<String> = s.optional("entity_id", "the provider's entity id");
    let peer = metadata(s, entity_id.as_deref(), base, surroundings);
    let role = peer
        .as_ref()
        .and_then(|peer| peer.identity_provider.clone());
    if peer.is_some() && role.is_none() {
        s.problem("metadata", "it describes no identity provider");
    }
    let entity_id = entity_id.or(peer.map(|peer| peer.entity_id));
    let sso_url: Option<String> = s.optional("sso_url", "an address");
    let sso_binding = s.word("sso_binding", &BINDINGS);
    let sign_on = sso_url
        .map(|url| Endpoint {
            binding: sso_binding,
            url,
        })
        .or_else(|| {
            let found = &role.as_ref()?.sign_on;
            let wanted = found.iter().find(|e| e.binding == sso_binding);
            wanted.or(found.first()).cloned()
        })
        .unwrap_or(Endpoint {
            binding: sso_binding,
            url: String::new(),
        });
    let mut trusted = certificates(s, "certificates", base, surroundings);
    if trusted.is_empty() {
        trusted = role.as_ref().map(|r| r.signing.clone()).unwrap_or_default();
    }
    let logout = logout(
        s,
        role.as_ref().map_or(&[][..], |r| r.logout.as_slice()),
        Some(&sign_on),
    );
    let wants_signed = role.as_ref().is_some_and(|r| r.wants_signed_requests);
    Upstream {
        entity_id: entity_id.unwrap_or_default(),
        our_entity_id: s.optional("our_entity_id", "a text"),
        sign_on,
        logout,
        certificates: trusted,
        sign_requests: s.flag("sign_requests", true) || wants_signed,
        signed_response: s.flag("signed_response", false),
        signed_assertion: s.flag("signed_assertion", true),
        encrypted_assertion: s.flag("encrypted_assertion", false),
        unsolicited: unsolicited(s),
        name_id_format: s.optional("name_id_format", "the address of a format"),
        context: requested(s),
    }
}

/// Where logout messages go, if the operator wants any: what stands there, else what its metadata says, else where
/// its other messages go, as the older product has it.
fn logout(
    s: &mut Section<'_>,
    known: &[LogoutEndpoint],
    otherwise: Option<&Endpoint>,
) -> Option<LogoutEndpoint> {
    let wanted = s.flag("single_logout", false);
    let url: Option<String> = s.optional("logout_url", "an address");
    let binding = s.word("logout_binding", &BINDINGS);
    let response_url: Option<String> = s.optional("logout_response_url", "an address");
    let told = url.map(|url| LogoutEndpoint {
        binding,
        url,
        response_url: None,
    });
    let mut endpoint = told
        .or_else(|| {
            let wanted = known.iter().find(|e| e.binding == binding);
            wanted.or(known.first()).cloned()
        })
        .or_else(|| {
            otherwise.map(|other| LogoutEndpoint {
                binding: other.binding,
                url: other.url.clone(),
                response_url: None,
            })
        })?;
    if response_url.is_some() {
        endpoint.response_url = response_url;
    }
    wanted.then_some(endpoint)
}

fn unsolicited(s: &mut Section<'_>) -> bool {
    let allowed = s.flag("unsolicited", false);
    if allowed {
        s.warning(
            "unsolicited",
            "answers nobody asked for are accepted: a page of another site can sign somebody in as somebody else",
        );
    }
    allowed
}

fn requested(s: &mut Section<'_>) -> Option<RequestedContext> {
    let classes: Vec<String> = s.or("authn_context", "a list of class references", Vec::new());
    let comparison = s.word(
        "authn_context_comparison",
        &[
            ("exact", Comparison::Exact),
            ("minimum", Comparison::Minimum),
            ("maximum", Comparison::Maximum),
            ("better", Comparison::Better),
        ],
    );
    (!classes.is_empty()).then_some(RequestedContext {
        comparison,
        classes,
    })
}

pub(super) fn service_provider(
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> ServiceProvider {
    let s = &mut section;
    let entity_id: Option<String> = s.optional("entity_id", "the application's entity id");
    let peer = metadata(s, entity_id.as_deref(), base, surroundings);
    let role = peer.as_ref().and_then(|peer| peer.service_provider.clone());
    if peer.is_some() && role.is_none() {
        s.problem("metadata", "it describes no service provider");
    }
    let entity_id = entity_id.or(peer.map(|peer| peer.entity_id));
    let urls: Vec<String> = s.or(
        "consumer_services",
        "a list of addresses, the default one first",
        Vec::new(),
    );
    let mut consumer_services: Vec<_> = urls
        .into_iter()
        .enumerate()
        .map(|(at, url)| ConsumerService {
            url,
            index: u16::try_from(at).ok(),
            default: at == 0,
        })
        .collect();
    let mut known = certificates(s, "certificates", base, surroundings);
    let mut encryption = certificates(s, "encryption_certificate", base, surroundings);
    if let Some(role) = &role {
        if consumer_services.is_empty() {
            consumer_services.clone_from(&role.consumer_services);
        }
        if known.is_empty() {
            known.clone_from(&role.signing);
        }
        if encryption.is_empty() {
            encryption.clone_from(&role.encryption);
        }
    }
    let encrypt = s.flag("encrypt_assertion", false);
    let encrypt_to = encryption.into_iter().next().filter(|_| encrypt);
    if encrypt && encrypt_to.is_none() {
        s.problem(
            "encrypt_assertion",
            "to whom is not known: expected `encryption_certificate` or one in the metadata",
        );
    }
    let default = consumer_services.iter().find(|c| c.default);
    let default = default.or(consumer_services.first()).map(|c| Endpoint {
        binding: Binding::Post,
        url: c.url.clone(),
    });
    let logout = logout(
        s,
        role.as_ref().map_or(&[][..], |r| r.logout.as_slice()),
        default.as_ref(),
    );
    let profile = s.flag("attribute_profile", false);
    let index = s.number("attribute_index", 0..=65535, "", 1);
    let signs = role.as_ref().is_some_and(|r| r.signs_requests);
    let provider = ServiceProvider {
        entity_id: entity_id.unwrap_or_default(),
        consumer_services,
        certificates: known,
        signed_requests: s.flag("signed_requests", signs),
        sign_response: s.flag("response_signing", true),
        encrypt_to,
        logout,
        attribute_index: profile.then_some(u16::try_from(index).unwrap_or(1)),
        attributes_always: s.flag("attributes_always", false),
        idp_initiated: s.flag("idp_initiated", false),
        name_id: s.word(
            "name_id_format",
            &[
                ("unspecified", NameIdFormat::Unspecified),
                ("email", NameIdFormat::EmailAddress),
                ("persistent", NameIdFormat::Persistent),
                ("transient", NameIdFormat::Transient),
            ],
        ),
        name_id_claim: s.optional("name_id_claim", "a claim"),
        assertion_seconds: u32::try_from(s.number("assertion_lifetime", 60..=3600, "", 300))
            .unwrap_or(300),
        relay_state_bytes_max: usize::try_from(s.number(
            "relay_state_bytes_max",
            80..=1024,
            "",
            u64::try_from(RELAY_STATE_BYTES_MAX).unwrap_or(80),
        ))
        .unwrap_or(RELAY_STATE_BYTES_MAX),
    };
    section.finish();
    provider
}

fn metadata(
    s: &mut Section<'_>,
    entity_id: Option<&str>,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<Peer> {
    let file: PathBuf = s.optional("metadata", "a file")?;
    let path = base.join(file);
    let read = surroundings.read(&path, FILE_BYTES_MAX).and_then(|text| {
        Peer::read(&text, entity_id, saml::at(now())).map_err(|refusal| refusal.to_string())
    });
    match read {
        Ok(peer) => Some(peer),
        Err(reason) => {
            s.problem("metadata", format!("`{}`: {reason}", path.display()));
            None
        }
    }
}

/// Only for `validUntil`.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment::from_seconds(since.map_or(0, |since| since.as_secs()))
}

fn certificates(
    s: &mut Section<'_>,
    key: &str,
    base: &Path,
    surroundings: &Surroundings,
) -> Vec<Certificate> {
    let files: Vec<PathBuf> = s.or(key, "a list of PEM files", Vec::new());
    let mut found = Vec::new();
    for file in files {
        let path = base.join(file);
        let read = surroundings
            .read(&path, FILE_BYTES_MAX)
            .and_then(|text| Certificate::from_pem(&text).map_err(|refusal| refusal.to_string()));
        match read {
            Ok(certificate) => found.push(certificate),
            Err(reason) => s.problem(key, format!("`{}`: {reason}", path.display())),
        }
    }
    found
}
