//! `[plugins]`: the folder, and how far plugins are kept from the host.

use super::section::Section;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// Every .wasm file in it is loaded, and watched.
    pub folder: PathBuf,
    pub isolation: Isolation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// In a process of their own that has nothing to steal.
    Worker,
    /// In the host's process; for tests and for measuring the difference.
    InProcess,
}

impl Plugins {
    pub(super) fn read(mut section: Section<'_>, base: &Path) -> Self {
        let folder =
            base.join(section.or("folder", "the path of a folder", PathBuf::from("plugins")));
        let isolation = section.word(
            "isolation",
            &[
                ("worker", Isolation::Worker),
                ("in-process", Isolation::InProcess),
            ],
        );
        section.finish();
        Self { folder, isolation }
    }
}
