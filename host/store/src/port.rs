//! Failures in the words of the crate whose port failed.

use postern_federation::ports::{PARKED_BYTES_MAX, Parked, PortError};
use postern_login::error::StoreError;

pub(crate) fn to_port(error: StoreError) -> PortError {
    PortError {
        what: error.what,
        source: error.source,
        lasting: false,
    }
}

pub(crate) fn from_port(error: PortError) -> StoreError {
    StoreError {
        what: error.what,
        source: error.source,
    }
}

/// Nothing is parked that is larger than what may wait.
pub(crate) fn fits(parked: &Parked) -> Result<(), PortError> {
    if parked.body.len() > PARKED_BYTES_MAX {
        return Err(PortError::new(format!(
            "{} bytes cannot be parked: at most {PARKED_BYTES_MAX}",
            parked.body.len()
        )));
    }
    Ok(())
}
