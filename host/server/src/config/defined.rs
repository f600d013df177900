//! What the console defines, read as a section of the file would be: the same names, the same checks,
//! the same words. Nothing in it refers to the environment or to files.

use super::problems::{Findings, Problem};
use super::secret::Surroundings;
use super::section::Section;
use super::sender::{self, Sender};
use super::sms_otp::entry;
use super::{Limits, identity_provider, relying_party};
use postern_federation::{IdentityProvider, RelyingParty};
use postern_otp::Refinement;
use std::path::Path;

fn read<T>(
    table: toml::Table,
    read: impl FnOnce(Section<'_>, &Surroundings) -> T,
) -> Result<T, Vec<Problem>> {
    let mut findings = Findings::default();
    let section = Section::at(String::new(), table, &mut findings);
    let value = read(section, &Surroundings::real());
    if findings.problems.is_empty() {
        Ok(value)
    } else {
        Err(findings.problems)
    }
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
