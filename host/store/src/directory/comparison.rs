//! A password against what is stored, at the same cost whoever is asked for.

use super::hashing::{Busy, Hashing};
use super::password::{self, PASSWORD_BYTES_MAX, Stored};
use postern_login::error::StoreError;
use postern_login::ports::DirectoryError;
use zeroize::Zeroizing;

/// What came of comparing a password.
pub(super) enum Compared {
    Wrong,
    /// With the hash that shall replace the stored one, if that is of an older form.
    Right(Option<String>),
}

/// Compares on a thread for hashes. `stored` is what a row holds: text that is no hash of a known
/// form matches nothing, at the cost of one that does not match.
pub(super) async fn compare(
    hashing: &Hashing,
    stored: Option<&str>,
    password: &str,
) -> Result<Compared, DirectoryError> {
    let stored = stored.and_then(|text| {
        Stored::parse(text)
            .inspect_err(|refused| {
                tracing::warn!(%refused, "a user cannot sign in: the stored password is refused");
            })
            .ok()
    });
    let password = Zeroizing::new(password.to_owned());
    let salt = salt()?;
    hashing
        .run(move || compare_here(stored, password.as_bytes(), &salt))
        .await
        .map_err(busy)
}

/// Takes as long for a name nobody has, and as long or longer for hashes of older forms: those cost
/// one new hash on top, whether the password is right (it is replaced) or not (attack E-01).
fn compare_here(stored: Option<Stored>, password: &[u8], salt: &[u8; 16]) -> Compared {
    let Some(stored) = stored else {
        password::spend(password);
        return Compared::Wrong;
    };
    let right = stored.matches(password);
    if stored.is_current() {
        return if right {
            Compared::Right(None)
        } else {
            Compared::Wrong
        };
    }
    let replacement = password::hash(password, salt);
    if right {
        // An upgrade that fails leaves the old hash, which is still right.
        Compared::Right(replacement.ok())
    } else {
        Compared::Wrong
    }
}

/// A new hash of a password that is neither empty nor endless.
pub(super) async fn hashed(hashing: &Hashing, password: &str) -> Result<String, DirectoryError> {
    orderly(password)?;
    let password = Zeroizing::new(password.to_owned());
    let salt = salt()?;
    let hash = hashing
        .run(move || password::hash(password.as_bytes(), &salt))
        .await
        .map_err(busy)?;
    hash.map_err(|error| StoreError::caused("a password cannot be hashed", error).into())
}

/// A password that may become somebody's.
pub(super) fn orderly(password: &str) -> Result<(), DirectoryError> {
    if (1..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        Ok(())
    } else {
        Err(StoreError::new(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes")).into())
    }
}

pub(super) fn salt() -> Result<[u8; 16], StoreError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| StoreError::caused("the system gives no random bytes", error))?;
    Ok(salt)
}

pub(super) fn busy(_: Busy) -> DirectoryError {
    DirectoryError::Busy
}
