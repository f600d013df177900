//! The forms of SAML peers, field by field as the configuration file names them. Most of it is in the
//! peer's metadata: pasted, it fills in whatever is left empty.

use super::forms::{choice, named, people, section, shown, steps, text, told};
use postern_admin::form::{Field, FieldKind, Section};

fn flag(name: &str, label: &str, default: &str, help: &str) -> Field {
    text(name, label, help).of(FieldKind::Boolean).or(default)
}

/// The four keys of single logout, each with what stands before them.
fn logout(before: &str, label: &str, help: &str) -> Section {
    let key = |name: &str| format!("{before}{name}");
    section(
        "Single logout",
        "",
        vec![
            flag(&key("single_logout"), label, "false", help),
            text(
                &key("logout_url"),
                "Logout URL",
                "Where it takes logout messages; what its metadata says if empty.",
            )
            .of(FieldKind::Url),
            text(&key("logout_binding"), "Logout binding", "How it is told.")
                .of(choice(&["redirect", "post"]))
                .or("redirect"),
            text(
                &key("logout_response_url"),
                "Logout response URL",
                "Where its own requests are answered, if elsewhere.",
            )
            .of(FieldKind::Url),
        ],
    )
}

pub(super) fn identity_provider() -> Vec<Section> {
    vec![
        shown(),
        section(
            "Provider",
            "Paste its metadata, or give its entity id, address and certificates. What stands in a field wins over the metadata. In return give it this host's metadata, which is at /saml/metadata.",
            vec![
                text("metadata", "Metadata", "Its metadata, as XML.").of(FieldKind::Document),
                text(
                    "entity_id",
                    "Identity provider entity id",
                    "What it calls itself.",
                ),
                text("sso_url", "SSO URL", "Where browsers are sent.").of(FieldKind::Url),
                text("sso_binding", "Binding", "How they are sent there.")
                    .of(choice(&["redirect", "post"]))
                    .or("redirect"),
                text(
                    "certificates",
                    "Certificates",
                    "Of the keys that sign its answers, PEM, one after the other.",
                )
                .of(FieldKind::Document),
                text(
                    "our_entity_id",
                    "Service provider entity id",
                    "What it calls this host, if not what everybody does.",
                ),
            ],
        ),
        section(
            "Trust",
            "",
            vec![
                flag(
                    "sign_requests",
                    "Sign requests",
                    "true",
                    "Also if its metadata asks for it.",
                ),
                flag(
                    "signed_assertion",
                    "The assertion must be signed",
                    "true",
                    "",
                ),
                flag(
                    "signed_response",
                    "The response must be signed",
                    "false",
                    "",
                ),
                flag(
                    "encrypted_assertion",
                    "The assertion must be encrypted",
                    "false",
                    "To this host's certificate.",
                ),
                flag(
                    "unsolicited",
                    "Accept answers that nobody asked for",
                    "false",
                    "Another site can then sign somebody in as somebody else.",
                ),
                text(
                    "name_id_format",
                    "Name format",
                    "The address of the format that is asked for, if any.",
                ),
                text(
                    "authn_context",
                    "Authentication context",
                    "How people shall sign in there: class references, the preferred one first.",
                )
                .of(FieldKind::List),
                text("authn_context_comparison", "Comparison", "")
                    .of(choice(&["exact", "minimum", "maximum", "better"]))
                    .or("exact"),
            ],
        ),
        logout(
            "",
            "Enable logout",
            "It is told when somebody signs out here, and may end the sessions it began.",
        ),
        people(),
    ]
}

pub(super) fn application() -> Vec<Section> {
    vec![
        named(),
        steps(),
        section(
            "SAML",
            "Paste the application's metadata, or give its issuer and addresses. What stands in a field wins over the metadata. In return give it this host's metadata, which is at /saml/metadata.",
            vec![
                text("saml.metadata", "Metadata", "Its metadata, as XML.").of(FieldKind::Document),
                text(
                    "saml.entity_id",
                    "Issuer",
                    "Its entity id, as in its requests.",
                ),
                text(
                    "saml.consumer_services",
                    "Assertion consumer URLs",
                    "The default one first. Answers go nowhere else.",
                )
                .of(FieldKind::List),
                flag(
                    "saml.response_signing",
                    "Enable response signing",
                    "true",
                    "The response is signed as well; the assertion always is.",
                ),
                flag(
                    "saml.attribute_profile",
                    "Enable attribute profile",
                    "false",
                    "It may ask for the claims below.",
                ),
                flag(
                    "saml.attributes_always",
                    "Include attributes in the response always",
                    "false",
                    "Also unasked. Needs the attribute profile.",
                ),
                flag(
                    "saml.idp_initiated",
                    "Enable IdP-initiated SSO",
                    "false",
                    "Sign-on may begin here, at /samlsso?spEntityID=",
                ),
                text(
                    "saml.attribute_index",
                    "Attribute consuming service index",
                    "By which it asks for the claims; 1 if empty.",
                )
                .of(FieldKind::Integer { min: 0, max: 65535 }),
                text(
                    "saml.name_id_format",
                    "Name format",
                    "How the person is named.",
                )
                .of(choice(&["unspecified", "email", "persistent", "transient"]))
                .or("unspecified"),
                text(
                    "saml.name_id_claim",
                    "Subject claim",
                    "The claim that names the person; the name they signed in with if empty.",
                ),
            ],
        ),
        logout(
            "saml.",
            "Enable single logout",
            "It is told when somebody signs out, and may sign them out everywhere.",
        ),
        section(
            "Signatures and encryption",
            "",
            vec![
                text(
                    "saml.certificates",
                    "Certificates",
                    "Of the keys that sign its requests, PEM, one after the other.",
                )
                .of(FieldKind::Document),
                text(
                    "saml.signed_requests",
                    "Requests must be signed",
                    "If not set, what its metadata says.",
                )
                .of(FieldKind::Boolean),
                flag(
                    "saml.encrypt_assertion",
                    "Enable assertion encryption",
                    "false",
                    "",
                ),
                text(
                    "saml.encryption_certificate",
                    "Encryption certificate",
                    "PEM; the one of its metadata if empty.",
                )
                .of(FieldKind::Document),
                text(
                    "saml.assertion_lifetime",
                    "Assertion lifetime",
                    "Seconds it has to arrive; 300 if empty.",
                )
                .of(FieldKind::Integer { min: 60, max: 3600 }),
                text(
                    "saml.relay_state_bytes_max",
                    "Longest RelayState",
                    "Bytes; SAML allows 80, which holds if empty.",
                )
                .of(FieldKind::Integer { min: 80, max: 1024 }),
            ],
        ),
        told("The attribute's name there = claim here."),
    ]
}
