//! A set of backup codes at rest: one salt, an Argon2id hash for each code that is unspent.

use crate::directory::hashing::Hashing;
use crate::directory::password::{self, Cost};
use postern_login::error::StoreError;
use postern_otp::BackupCode;
use subtle::ConstantTimeEq;

/// One salt a set, so that a try costs one hash however many codes there are. The codes carry
/// 50 random bits each; what a salt of their own would add is nothing a guesser could use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Salt {
    pub(crate) bytes: [u8; 16],
    pub(crate) cost: Cost,
}

/// A subject's codes: the salt, and the hash of each that is unspent.
pub(crate) type Set = (Salt, Vec<[u8; 32]>);

/// A fresh salt and the hashes of all codes.
pub(crate) async fn hashed(codes: &[BackupCode], hashing: &Hashing) -> Result<Set, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::caused("the system gives no random bytes", error))?;
    let salt = Salt {
        bytes,
        cost: Cost::SETTLED,
    };
    let mut hashes = Vec::with_capacity(codes.len());
    for code in codes {
        hashes.push(hash(code, &salt, hashing).await?);
    }
    Ok((salt, hashes))
}

/// The hash in the set that the code has, if any. Looks at all of them whatever it finds.
pub(crate) async fn find(
    code: &BackupCode,
    set: Option<Set>,
    hashing: &Hashing,
) -> Result<Option<[u8; 32]>, StoreError> {
    // No set costs the same as one that does not hold the code.
    let (salt, hashes) = set.unwrap_or((
        Salt {
            bytes: [0; 16],
            cost: Cost::SETTLED,
        },
        Vec::new(),
    ));
    let tried = hash(code, &salt, hashing).await?;
    let mut found = None;
    for hash in hashes {
        if bool::from(hash.ct_eq(&tried)) {
            found = Some(hash);
        }
    }
    Ok(found)
}

async fn hash(code: &BackupCode, salt: &Salt, hashing: &Hashing) -> Result<[u8; 32], StoreError> {
    let (code, salt) = (code.clone(), salt.clone());
    hashing
        .run(move || password::argon2id(code.as_str().as_bytes(), &salt.bytes, salt.cost))
        .await
        .map_err(|_| StoreError::new("too many password hashes at once"))?
        .map_err(|error| StoreError::caused("a backup code cannot be hashed", error))
}
