//! `[tls]`: the certificate for browsers. Whether the files hold what they should shows when they
//! are loaded (`assemble`), again at every reload.

use super::section::Section;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1 in PEM.
    pub key: PathBuf,
}

impl Tls {
    /// `None` if a key is missing, which is a problem already.
    pub(super) fn read(mut section: Section<'_>, base: &Path) -> Option<Self> {
        let mut path = |name: &str, what: &str| {
            let found = section.optional::<PathBuf>(name, what);
            if found.is_none() {
                section.problem(name, format!("missing: expected {what}"));
            }
            found.map(|path| base.join(path))
        };
        let certificate = path("certificate", "the path of a certificate chain in PEM");
        let key = path("key", "the path of its private key in PEM");
        section.finish();
        Some(Self {
            certificate: certificate?,
            key: key?,
        })
    }
}
