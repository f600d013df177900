//! What the console defines, read as a section of the file would be: the same names, the same checks,
//! the same words. Nothing in it reaches the environment or a file of this machine: where a section
//! of the file names a file, what is in it stands here itself.

use super::problems::{Findings, Problem};
use super::secret::Surroundings;
use super::section::Section;
use super::sender::{self, Sender};
use super::sms_otp::entry;
use super::{Limits, identity_provider, provisioning, relying_party};
use postern_federation::scim::outbound::Connector;
use postern_federation::{IdentityProvider, RelyingParty};
use postern_otp::Refinement;
use postern_web::scim::Inbound;
use std::path::Path;

fn read<T>(
    mut table: toml::Table,
    read: impl FnOnce(Section<'_>, &Surroundings) -> T,
) -> Result<T, Vec<Problem>> {
    let mut findings = Findings::default();
    let texts = texts_of_files(&mut table);
    let files: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let section = Section::at(String::new(), table, &mut findings);
    let value = read(section, &Surroundings::pretended(&[], &files));
    if findings.problems.is_empty() {
        Ok(value)
    } else {
        Err(findings.problems)
    }
}

/// Keys whose value in the file is the name of one file.
const ONE: [&str; 1] = ["metadata"];
/// And of several, each with one certificate.
const SEVERAL: [&str; 3] = ["certificates", "encryption_certificate", "ca_files"];
const SAML: &str = "saml";

/// Takes the texts out and leaves names in their places, as a section of the file has them.
fn texts_of_files(table: &mut toml::Table) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for key in ONE {
        if let Some(toml::Value::String(text)) = table.get_mut(key) {
            texts.push((key.to_owned(), std::mem::replace(text, key.to_owned())));
        }
    }
    for key in SEVERAL {
        let Some(value @ toml::Value::String(_)) = table.get_mut(key) else {
            continue;
        };
        let mut names = Vec::new();
        for (at, pem) in certificates(value.as_str().unwrap_or_default()).enumerate() {
            let name = format!("{key} {}", at + 1);
            names.push(toml::Value::String(name.clone()));
            texts.push((name, pem));
        }
        *value = toml::Value::Array(names);
    }
    if let Some(toml::Value::Table(below)) = table.get_mut(SAML) {
        texts.extend(texts_of_files(below));
    }
    texts
}

/// One after the other, as they are pasted. What stands before the first one is part of it, so that a
/// text that is no certificate at all is refused and not passed over.
fn certificates(text: &str) -> impl Iterator<Item = String> {
    const END: &str = "-----END CERTIFICATE-----";
    text.split_inclusive(END)
        .filter(|part| !part.trim().is_empty())
        .map(|part| part.trim().to_owned())
}

/// The keys of the problems are those of the table.
pub(crate) fn identity_provider(
    name: &str,
    table: toml::Table,
) -> Result<IdentityProvider, Vec<Problem>> {
    read(table, |section, surroundings| {
        identity_provider::read(name, section, Path::new(""), surroundings)
    })
}

pub(crate) fn relying_party(name: &str, table: toml::Table) -> Result<RelyingParty, Vec<Problem>> {
    read(table, |section, surroundings| {
        relying_party::read(name, section, Path::new(""), surroundings)
    })
}

pub(crate) fn connector(name: &str, table: toml::Table) -> Result<Connector, Vec<Problem>> {
    read(table, |section, surroundings| {
        provisioning::read(name, section, Path::new(""), surroundings)
    })
}

pub(crate) fn inbound(table: toml::Table) -> Result<Inbound, Vec<Problem>> {
    read(table, |section, _| provisioning::read_inbound(section))
}

/// The seeds' properties of an SMSOTP entry, those that shape codes and words.
pub(crate) fn entry(table: toml::Table, limits: &Limits) -> Result<Refinement, Vec<Problem>> {
    read(table, |section, _| entry::read(section, limits).says)
}

pub(crate) fn sender(name: &str, table: toml::Table) -> Result<Sender, Vec<Problem>> {
    let sender = read(table, |section, surroundings| {
        sender::read(name, section, Path::new(""), surroundings)
    })?;
    sender.ok_or_else(|| {
        vec![Problem {
            key: "plugin".to_owned(),
            message: "missing".to_owned(),
        }]
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_console_defines_reaches_no_file_and_no_variable() {
        let passwd: toml::Table = toml::from_str(
            "protocol = \"saml\"\nentity_id = \"idp\"\nsso_url = \"https://idp.example/sso\"\nmetadata = \"/etc/passwd\"\ncertificates = \"/etc/passwd\"",
        )
        .unwrap();
        let problems = identity_provider("corp", passwd).unwrap_err();
        for key in ["metadata", "certificates"] {
            let problem = problems.iter().find(|p| p.key == key).unwrap();
            assert!(!problem.message.contains("passwd"), "{}", problem.message);
        }
        let reference: toml::Table = toml::from_str(
            "issuer = \"https://idp.example\"\nclient_id = \"a\"\nclient_secret = { env = \"PATH\" }",
        )
        .unwrap();
        let problems = identity_provider("corp", reference).unwrap_err();
        assert!(problems.iter().any(|p| p.key == "client_secret"));
        let peer: toml::Table = toml::from_str(
            "user_endpoint = \"https://peer.example/Users\"\ntoken = { env = \"PATH\" }\nca_files = \"/etc/passwd\"\ndefault_password = { file = \"/etc/shadow\" }",
        )
        .unwrap();
        let problems = connector("peer", peer).unwrap_err();
        for key in ["token", "default_password"] {
            assert!(problems.iter().any(|p| p.key == key), "{problems:?}");
        }
        assert!(
            !problems.iter().any(|p| p.message.contains("passwd")),
            "{problems:?}"
        );
    }

    #[test]
    fn certificates_are_pasted_one_after_the_other() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
        let two = format!("{one}\n\n  {one}\n");
        assert_eq!(certificates(&two).collect::<Vec<_>>(), [one, one]);
        assert_eq!(certificates(" \n ").count(), 0);
        let rest = format!("{one}\nMIIB");
        assert_eq!(certificates(&rest).count(), 2, "a rest is not passed over");
    }
}
