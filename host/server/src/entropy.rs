//! The system's random source, the only one of the host. There is no fallback: without it nothing
//! that needs a random value happens.

use postern_login::error::StoreError;
use postern_login::ports::Entropy;

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), StoreError> {
        getrandom::fill(bytes)
            .map_err(|error| StoreError::new(format!("the system's random source failed: {error}")))
    }
}

/// 32 fresh bytes, for keys and tokens.
pub fn key() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system's random source failed: {error}"))?;
    Ok(bytes)
}
