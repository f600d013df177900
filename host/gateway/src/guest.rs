//! A loaded plugin as conversations use it, and how one is loaded.
//!
//! Owns: the seam to the plugin host, so that everything above can be tested with plugins written
//! as closures. Knows nothing of folders, senders or requests on a network.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use postern_wasm::manifest::Manifest;
use postern_wasm::{Fault, Refusal, provider, resolver, types};

use crate::folder::Sha;

/// One loaded version of a plugin. It stays loaded while this exists.
#[async_trait]
pub(crate) trait Guest: Debug + Send + Sync {
    async fn provider_step(
        &self,
        settings: &[types::Pair],
        message: &provider::Message,
        event: &provider::Event,
        state: &[u8],
    ) -> Result<provider::Action, Fault>;

    async fn resolver_step(
        &self,
        settings: &[types::Pair],
        login: &resolver::FederatedLogin,
        event: &resolver::Event,
        state: &[u8],
    ) -> Result<resolver::Action, Fault>;

    async fn check(&self, settings: &[types::Pair]) -> Result<Vec<types::Problem>, Fault>;

    /// Calls so far in which its memory grew.
    fn grown(&self) -> u64;

    /// Runs the manifest's vectors once more.
    async fn self_test(&self) -> Result<(), String>;
}

/// What admission gives.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) guest: Arc<dyn Guest>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) sha256: Sha,
    pub(crate) size: usize,
}

/// Judges the bytes of a file and loads it.
#[async_trait]
pub(crate) trait Loader: Send + Sync {
    async fn admit(&self, bytes: Arc<[u8]>, trial: Trial) -> Result<Admitted, Refusal>;
}

/// What a file has to show before it is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Its vectors, and what is made of them.
    Whole,
    /// Its vectors: this very content was let in before.
    Vectors,
}
