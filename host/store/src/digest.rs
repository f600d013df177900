//! What stands in a row instead of a secret: SHA-256. The secrets are 256 random bits, so no salt
//! is needed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_login::session::SessionId;
use sha2::{Digest, Sha256};

/// SHA-256 of a login's or a session's id.
pub(crate) fn of(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// Where the rows of an account are looked for: 64 bits keep the index small. Two accounts may
/// share one, so whoever finds a row by it compares the names too.
pub(crate) fn of_account(tenant: &str, account: &str) -> i64 {
    let digest = Sha256::new()
        .chain_update((tenant.len() as u64).to_be_bytes())
        .chain_update(tenant)
        .chain_update(account)
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// Names something used once: no two tenants, kinds or ids share a digest, for the parts are
/// length-prefixed.
pub(crate) fn of_once(tenant: &str, kind: &str, id: &str) -> [u8; 32] {
    [tenant, kind, id]
        .iter()
        .fold(Sha256::new(), |digest, part| {
            digest
                .chain_update((part.len() as u64).to_be_bytes())
                .chain_update(part)
        })
        .finalize()
        .into()
}

/// The id of a session in a list opens nothing: the store has only its digest, and gives that.
pub(crate) fn listed(digest: &[u8; 32]) -> SessionId {
    SessionId::parse(&URL_SAFE_NO_PAD.encode(digest))
        .expect("32 bytes are 43 characters of base64url")
}
