//! Judging a file before it may serve: what it is, what it asks for, whether it does what it says.
//!
//! Owns: the import gate, the comparison of worlds and versions, `inspect`, and the self-test.
//! Knows nothing of folders, grants or configuration: those are the gateway's part of admission.

use sha2::{Digest, Sha256};

use crate::error::{Blame, Refusal, Stage, one_line};
use crate::limits::Limits;
use crate::manifest::{self, Kind, Manifest, Outline};
use crate::plugins::{Loaded, Plugins};
use crate::vectors::{Evaluate, Failure};

/// The interfaces a plugin may import. `types` carries no function.
const IMPORTS: [&str; 2] = ["postern:plugin/log", "postern:plugin/types"];

/// A file that passed every look from outside; nothing of it has been compiled or run.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) manifest: Manifest,
    pub(crate) sha256: [u8; 32],
}

/// What `postern plugin inspect` prints. Nothing is compiled or run for it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Inspection {
    /// What the file says about itself: id, version, kind, origins, settings.
    pub manifest: Manifest,
    /// The version of `postern:plugin` it was built for; empty if it exports none of our worlds.
    pub wit_version: String,
    /// Names of everything it imports.
    pub imports: Vec<String>,
    /// Names of everything it exports.
    pub exports: Vec<String>,
    /// Bytes of the file.
    pub size: usize,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Why this host would not admit it, as far as can be told without compiling it.
    pub refusal: Option<Refusal>,
}

/// Describes a file without compiling or running it.
///
/// # Errors
/// If it is not a component, or carries no manifest in order.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Inspection, Refusal> {
    let outline = manifest::outline(bytes, limits)?;
    let refusal = check_interface(&outline).err();
    let wit_version = outline
        .exports
        .iter()
        .find_map(|export| {
            let (interface, version) = split(export);
            interface.starts_with("postern:plugin/").then_some(version)
        })
        .unwrap_or_default()
        .to_owned();
    Ok(Inspection {
        manifest: outline.manifest,
        wit_version,
        imports: outline.imports,
        exports: outline.exports,
        size: bytes.len(),
        sha256: hex::encode(sha256(bytes)),
        refusal,
    })
}

/// Looks at a file from outside: format, manifest, imports and exports.
pub(crate) fn examine(bytes: &[u8], limits: &Limits) -> Result<Candidate, Refusal> {
    let outline = manifest::outline(bytes, limits)?;
    check_interface(&outline)?;
    Ok(Candidate {
        manifest: outline.manifest,
        sha256: sha256(bytes),
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn check_interface(outline: &Outline) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal::new(Stage::Interface, reason));
    for import in &outline.imports {
        let (interface, version) = split(import);
        if !IMPORTS.contains(&interface) {
            return refuse(format!(
                "the component imports `{}`: a plugin may import `postern:plugin/log` and nothing else",
                one_line(import, 200)
            ));
        }
        if !is_our_track(version) {
            return refuse(format!(
                "the component imports `{}`: this host offers version {}",
                one_line(import, 200),
                postern_wit::VERSION
            ));
        }
    }

    let kind = outline.manifest.kind;
    let wanted = kind.interface();
    let offered = outline
        .exports
        .iter()
        .find(|export| split(export).0 == wanted);
    match offered {
        Some(export) if is_our_track(split(export).1) => Ok(()),
        Some(export) => refuse(format!(
            "the component exports `{}`: this host runs version {}",
            one_line(export, 200),
            postern_wit::VERSION
        )),
        None => {
            let other = match kind {
                Kind::SmsProvider => Kind::UserResolver,
                Kind::UserResolver => Kind::SmsProvider,
            };
            if outline
                .exports
                .iter()
                .any(|export| split(export).0 == other.interface())
            {
                refuse(format!(
                    "the manifest says `{}`, the component is a `{}`",
                    kind.as_str(),
                    other.as_str()
                ))
            } else {
                refuse(format!(
                    "the component does not export `{wanted}@{}`, which the world `{}` needs",
                    postern_wit::VERSION,
                    kind.as_str()
                ))
            }
        }
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Whether a component built for `version` runs here: before 1.0 that is the same minor version,
/// as for the linker.
fn is_our_track(version: &str) -> bool {
    let ours = semver::Version::parse(postern_wit::VERSION).expect("the interface has a version");
    semver::Version::parse(version).is_ok_and(|theirs| {
        theirs.pre.is_empty() && (theirs.major, theirs.minor) == (ours.major, ours.minor)
    })
}

/// Runs the plugin's own vectors: what it said it would do, in this engine and under these limits.
/// No request leaves: `evaluate` works them out with stand-in values.
///
/// # Errors
/// `Stage::SelfTest`, naming the first vector that does not hold; `Stage::Host` if the host failed.
pub async fn self_test(
    plugins: &Plugins,
    loaded: &Loaded,
    evaluate: &dyn Evaluate,
) -> Result<(), Refusal> {
    let plugin = &loaded.handle;
    for vector in &loaded.manifest.vectors {
        let run = match loaded.manifest.kind {
            Kind::SmsProvider => vector.run_provider(plugins, plugin, evaluate).await,
            Kind::UserResolver => vector.run_resolver(plugins, plugin).await,
        };
        let (stage, why) = match run {
            Ok(()) => continue,
            Err(Failure::Differs(difference)) => (Stage::SelfTest, difference),
            Err(Failure::Fault(fault)) if fault.blame() == Blame::Host => {
                (Stage::Host, fault.to_string())
            }
            Err(Failure::Fault(fault)) => (Stage::SelfTest, fault.to_string()),
        };
        let name = one_line(&vector.name, 200);
        return Err(Refusal::new(
            stage,
            format!("the vector `{name}` does not hold: {why}"),
        ));
    }
    Ok(())
}
