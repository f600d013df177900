//! `postern config import`: the older product's files become a configuration, with a line on what
//! became of each parameter.
//!
//! Owns: their formats and their names. The rules of the step are not here: what is written is read
//! by `config`, like anything an operator writes.

mod document;
mod parameters;
mod recipe;
mod report;
mod sources;
mod xml;

pub use document::Document;
pub use recipe::FoundSecret;
pub(crate) use recipe::puts_text_into_address;
pub use report::{Line, Report, What};

use parameters::Parameters;
use recipe::Exported;
use sources::Source;
use url::Url;

/// A file as it was given.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// Where its secrets shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// In the document, which then is one itself.
    Literal,
    /// In files of this folder, relative to the document, one each.
    Files(&'static str),
}

#[derive(Debug, Clone)]
pub struct Imported {
    pub document: Document,
    pub report: Report,
    /// For `Secrets::Files`: what belongs into them.
    pub secrets: Vec<FoundSecret>,
}

/// The name of the file a secret belongs into.
pub fn secret_file(secret: &FoundSecret) -> String {
    format!("{}.{}", secret.sender, secret.name)
}

/// Reads the files in this order. `public_url` is what browsers will see of the new host.
pub fn import(inputs: &[Input<'_>], public_url: &Url, keep: Secrets) -> Result<Imported, String> {
    let (mut step, mut entries) = (None::<Parameters>, Vec::<Exported>::new());
    for input in inputs {
        let source = sources::read(input.text).map_err(|why| format!("`{}`: {why}", input.name))?;
        match source {
            Source::Entry(exported) => entries.push(exported),
            Source::Step(parameters) => match &mut step {
                None => step = Some(parameters),
                Some(earlier) => {
                    join(earlier, parameters).map_err(|why| format!("`{}`: {why}", input.name))?;
                }
            },
        }
    }
    let (mut document, mut report) = (Document::default(), Report::default());
    // First, so that they stand first.
    document
        .table(&["server"])
        .set("public_url", public_url.origin().ascii_serialization());
    document.table(&["sms_otp"]);
    if let Some(parameters) = &step {
        parameters::convert(parameters, public_url, &mut document, &mut report);
    } else {
        report.note(
            "sms_otp",
            "no application-authentication.xml among the files: the step has Postern's own defaults, which are stricter",
        );
    }
    let default = entries
        .iter()
        .position(|entry| entry.enabled != Some(false) && entry.default == Some(true))
        .or_else(|| {
            entries
                .iter()
                .position(|entry| entry.enabled != Some(false))
        });
    let mut secrets = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        if !names.insert(parameters::provider_name(&entry.name)) {
            return Err(format!(
                "two identity providers of the name `{}`: import them one by one",
                entry.name.escape_debug()
            ));
        }
        let found = recipe::convert(entry, Some(at) == default, &mut document, &mut report);
        secrets.extend(found);
    }
    write_secrets(&secrets, keep, &mut document, &mut report);
    Ok(Imported {
        document,
        report,
        secrets,
    })
}

/// As `import`, for a tenant: its document has nothing of the host in it, and credentials stand in it.
pub fn for_tenant(inputs: &[Input<'_>], public_url: &Url) -> Result<Imported, String> {
    let mut imported = import(inputs, public_url, Secrets::Literal)?;
    imported.document.remove(&["server"]);
    Ok(imported)
}

/// Two files on the same step, a `deployment.toml` and the XML made from it: they must agree.
fn join(earlier: &mut Parameters, later: Parameters) -> Result<(), String> {
    for (name, value) in later.own {
        match earlier.own.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != value => {
                return Err(format!(
                    "`{}` is another value than in a file before: remove one",
                    name.escape_debug()
                ));
            }
            Some(_) => {}
            None => earlier.own.push((name, value)),
        }
    }
    if let (Some(a), Some(b)) = (earlier.enabled, later.enabled)
        && a != b
    {
        return Err("the step is on in one file and off in another".into());
    }
    earlier.enabled = earlier.enabled.or(later.enabled);
    // Tenants keep the attributes of another first step in a file of that authenticator.
    earlier.of_others.extend(later.of_others);
    Ok(())
}

fn write_secrets(
    secrets: &[FoundSecret],
    keep: Secrets,
    document: &mut Document,
    report: &mut Report,
) {
    for secret in secrets {
        let table = document.table(&["sender", &secret.sender, "secrets"]);
        match keep {
            Secrets::Literal => table.set(&secret.name, secret.value.as_str()),
            Secrets::Files(folder) => {
                let mut reference = toml::Table::new();
                let path = format!("{folder}/{}", secret_file(secret));
                reference.insert("file".into(), path.into());
                table.set(&secret.name, toml::Value::Table(reference));
            }
        }
    }
    if !secrets.is_empty() && keep == Secrets::Literal {
        report.note(
            "sender",
            "credentials stand in the written file: keep it to yourself, or import again with --split-secrets, which gives each a file of its own",
        );
    }
}

#[cfg(test)]
mod tests;
