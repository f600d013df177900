//! How another server is reached that we ask: by what certificates, and whether it may be near.

use super::secret::Surroundings;
use super::section::Section;
use postern_federation::identity_provider::Network;
use std::path::{Path, PathBuf};

/// `allow_private_networks` and `ca_files` of a section; `whom` is what the section is about.
pub(super) fn read(
    s: &mut Section<'_>,
    whom: &str,
    base: &Path,
    surroundings: &Surroundings,
) -> Network {
    let allow_private_networks = s.flag("allow_private_networks", false);
    if allow_private_networks {
        s.warning(
            "allow_private_networks",
            format!("this {whom} may be at a loopback or private address: meant for one in your own network"),
        );
    }
    let files: Vec<PathBuf> = s.or("ca_files", "a list of PEM files", Vec::new());
    let mut ca_pems = Vec::new();
    for file in files {
        let path = base.join(file);
        match surroundings.read(&path, 1 << 20) {
            Ok(pem) => ca_pems.push(pem),
            Err(reason) => s.problem(
                "ca_files",
                format!("cannot read `{}`: {reason}", path.display()),
            ),
        }
    }
    Network {
        allow_private_networks,
        ca_pems,
    }
}
