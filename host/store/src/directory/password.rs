//! Password hashes: Argon2id for new ones, and the forms other systems left behind, each replaced
//! at the first right sign-in.
//!
//! Only reads and computes: where it runs is `hashing`'s, whose it is `local`'s. A form that is not
//! known here is refused, never guessed at.

use super::hashing;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::Md5;
use password_hash::PasswordVerifier;
use sha_crypt::{PasswordHashRef, ShaCrypt};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Bytes of a password. Longer ones are refused before any hashing, or a sign-in page would hash
/// megabytes for a stranger.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Work an imported hash may ask for, so that one row cannot occupy a core for minutes or take the
/// memory of the host. Each is above the highest default any system is known to ship.
const PBKDF2_ROUNDS_MAX: u32 = 2_000_000;
const SHA_CRYPT_ROUNDS_MAX: u32 = 1_000_000;
const BCRYPT_COST_MAX: u32 = 14;
const MEMORY_KIB_MAX: u32 = 128 * 1024;
const ARGON2_PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// Bytes of a salt and of a digest.
const SALT_MAX: usize = 128;
const DIGEST_MAX: usize = 64;

/// What one Argon2id hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    /// OWASP's recommendation for Argon2id (Password Storage Cheat Sheet).
    pub(crate) const SETTLED: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
}

/// 32 bytes of Argon2id, version 1.3.
pub(crate) fn argon2id(secret: &[u8], salt: &[u8], cost: Cost) -> Result<[u8; 32], argon2::Error> {
    let mut out = [0; 32];
    compute(
        Algorithm::Argon2id,
        Version::V0x13,
        cost,
        secret,
        salt,
        &mut out,
    )?;
    Ok(out)
}

fn compute(
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    secret: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), argon2::Error> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(out.len()))?;
    let blocks = params.block_count();
    let argon2 = Argon2::new(algorithm, version, params);
    if cost == Cost::SETTLED {
        return hashing::with_memory(blocks, |memory| {
            argon2.hash_password_into_with_memory(secret, salt, out, memory)
        });
    }
    argon2.hash_password_into(secret, salt, out)
}

/// A new hash, as a PHC string.
pub(crate) fn hash(password: &[u8], salt: &[u8; 16]) -> Result<String, argon2::Error> {
    let cost = Cost::SETTLED;
    let digest = argon2id(password, salt, cost)?;
    Ok(format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        cost.memory_kib,
        cost.passes,
        cost.lanes,
        UNPADDED.encode(salt),
        UNPADDED.encode(digest)
    ))
}

/// Spends what a check of a current hash spends: for names nobody has, so that their answer takes
/// as long (attack E-01).
pub(crate) fn spend(password: &[u8]) {
    let digest = argon2id(password, &[0; 16], Cost::SETTLED);
    std::hint::black_box(&digest);
}

/// A stored hash that was understood and is within the bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        cost: Cost,
        salt: Vec<u8>,
        digest: Vec<u8>,
    },
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        digest: Vec<u8>,
    },
    Pbkdf2 {
        with: Hash,
        rounds: u32,
        salt: Vec<u8>,
        digest: Vec<u8>,
    },
    /// The whole `$2b$...` string. bcrypt itself looks at 72 bytes only.
    Bcrypt(String),
    /// The whole `$5$...` or `$6$...` string.
    ShaCrypt(String),
    /// One round over the password and then the salt: LDAP's `{SSHA}` and its kin.
    Digest {
        with: Hash,
        salt: Vec<u8>,
        digest: Vec<u8>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// Why a stored hash is refused; never carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashRefused {
    #[error(
        "a password hash of an unknown form: expected Argon2, scrypt, PBKDF2, bcrypt, SHA-crypt or an LDAP digest"
    )]
    Unknown,
    #[error("a password hash that is damaged")]
    Damaged,
    #[error("a password hash that asks for too much work or memory")]
    TooCostly,
}

use HashRefused::{Damaged, TooCostly, Unknown};

impl Stored {
    /// Reads a hash in any of the forms that are known. `{SCHEME}` in any case, as LDAP has it.
    pub(crate) fn parse(text: &str) -> Result<Self, HashRefused> {
        if let Some((scheme, rest)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) {
            return match scheme.to_ascii_uppercase().as_str() {
                "SHA" => digest(Hash::Sha1, rest, Salted::No),
                "SSHA" => digest(Hash::Sha1, rest, Salted::Yes),
                "SHA256" => digest(Hash::Sha256, rest, Salted::No),
                "SSHA256" => digest(Hash::Sha256, rest, Salted::Yes),
                "SHA512" => digest(Hash::Sha512, rest, Salted::No),
                "SSHA512" => digest(Hash::Sha512, rest, Salted::Yes),
                "MD5" => digest(Hash::Md5, rest, Salted::No),
                "SMD5" => digest(Hash::Md5, rest, Salted::Yes),
                "CRYPT" | "BCRYPT" | "ARGON2" | "SCRYPT" => modular(rest),
                "PBKDF2" | "PBKDF2-SHA1" => pbkdf2_fields(Hash::Sha1, rest),
                "PBKDF2-SHA256" => pbkdf2_fields(Hash::Sha256, rest),
                "PBKDF2-SHA512" => pbkdf2_fields(Hash::Sha512, rest),
                "WSO2-MD5" => wso2(Hash::Md5, rest),
                "WSO2-SHA" => wso2(Hash::Sha1, rest),
                "WSO2-SHA256" => wso2(Hash::Sha256, rest),
                "WSO2-SHA512" => wso2(Hash::Sha512, rest),
                _ => Err(Unknown),
            };
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_sha256$") {
            return django(Hash::Sha256, rest);
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_sha1$") {
            return django(Hash::Sha1, rest);
        }
        modular(text)
    }

    /// Whether the password is the one. Compares in constant time.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2 {
                algorithm,
                version,
                cost,
                salt,
                digest,
            } => {
                let mut out = vec![0; digest.len()];
                compute(*algorithm, *version, *cost, password, salt, &mut out).is_ok()
                    && same(&out, digest)
            }
            Self::Scrypt {
                log_n,
                r,
                p,
                salt,
                digest,
            } => {
                let Ok(params) = scrypt::Params::new(*log_n, *r, *p) else {
                    return false;
                };
                let mut out = vec![0; digest.len()];
                scrypt::scrypt(password, salt, &params, &mut out).is_ok() && same(&out, digest)
            }
            Self::Pbkdf2 {
                with,
                rounds,
                salt,
                digest,
            } => {
                let mut out = vec![0; digest.len()];
                match with {
                    Hash::Md5 => return false,
                    Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, *rounds, &mut out),
                    Hash::Sha256 => {
                        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut out);
                    }
                    Hash::Sha512 => {
                        pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, *rounds, &mut out);
                    }
                }
                same(&out, digest)
            }
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::ShaCrypt(text) => PasswordHashRef::new(text)
                .is_ok_and(|hash| ShaCrypt::default().verify_password(password, hash).is_ok()),
            Self::Digest { with, salt, digest } => same(&with.of(password, salt), digest),
        }
    }

    /// Whether a new hash would be of the same form and cost.
    pub(crate) fn is_current(&self) -> bool {
        matches!(
            self,
            Self::Argon2 {
                algorithm: Algorithm::Argon2id,
                version: Version::V0x13,
                cost: Cost::SETTLED,
                ..
            }
        )
    }
}

impl Hash {
    fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn of(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        fn run<D: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
            D::new()
                .chain_update(password)
                .chain_update(salt)
                .finalize()
                .to_vec()
        }
        match self {
            Self::Md5 => run::<Md5>(password, salt),
            Self::Sha1 => run::<Sha1>(password, salt),
            Self::Sha256 => run::<Sha256>(password, salt),
            Self::Sha512 => run::<Sha512>(password, salt),
        }
    }
}

enum Salted {
    Yes,
    No,
}

/// `$scheme$...`
fn modular(text: &str) -> Result<Stored, HashRefused> {
    let rest = text.strip_prefix('$').ok_or(Unknown)?;
    let (scheme, rest) = rest.split_once('$').ok_or(Unknown)?;
    match scheme {
        "argon2id" => argon2_fields(Algorithm::Argon2id, rest),
        "argon2i" => argon2_fields(Algorithm::Argon2i, rest),
        "argon2d" => argon2_fields(Algorithm::Argon2d, rest),
        "scrypt" => scrypt_fields(rest),
        "pbkdf2" | "pbkdf2-sha1" => pbkdf2_fields(Hash::Sha1, rest),
        "pbkdf2-sha256" => pbkdf2_fields(Hash::Sha256, rest),
        "pbkdf2-sha512" => pbkdf2_fields(Hash::Sha512, rest),
        "2a" | "2b" | "2y" => bcrypt_text(text, rest),
        "5" | "6" => sha_crypt(text, rest),
        _ => Err(Unknown),
    }
}

/// `v=19$m=19456,t=2,p=1$salt$digest`; without `v` it is version 1.0, as the PHC form has it.
fn argon2_fields(algorithm: Algorithm, rest: &str) -> Result<Stored, HashRefused> {
    let fields: Vec<&str> = rest.split('$').collect();
    let (version, fields) = match fields.split_first() {
        Some((&"v=19", fields)) => (Version::V0x13, fields),
        Some((&"v=16", fields)) => (Version::V0x10, fields),
        _ => (Version::V0x10, fields.as_slice()),
    };
    let [params, salt, digest] = fields else {
        return Err(Damaged);
    };
    let cost = Cost {
        memory_kib: param(params, "m")?,
        passes: param(params, "t")?,
        lanes: param(params, "p")?,
    };
    if cost.memory_kib > MEMORY_KIB_MAX || cost.passes > ARGON2_PASSES_MAX || cost.lanes > LANES_MAX
    {
        return Err(TooCostly);
    }
    Ok(Stored::Argon2 {
        algorithm,
        version,
        cost,
        salt: salt_bytes(salt)?,
        digest: digest_bytes(digest)?,
    })
}

/// `ln=16,r=8,p=1$salt$digest`
fn scrypt_fields(rest: &str) -> Result<Stored, HashRefused> {
    let [params, salt, digest] = three(rest)?;
    let log_n = param(params, "ln")?;
    let (r, p) = (param(params, "r")?, param(params, "p")?);
    // 128 * r * N bytes.
    if log_n >= 31
        || r > 64
        || p > LANES_MAX
        || (1u64 << log_n) * u64::from(r) / 8 > u64::from(MEMORY_KIB_MAX)
    {
        return Err(TooCostly);
    }
    Ok(Stored::Scrypt {
        log_n: u8::try_from(log_n).map_err(|_| Damaged)?,
        r,
        p,
        salt: salt_bytes(salt)?,
        digest: digest_bytes(digest)?,
    })
}

/// `1000$salt$digest` or `i=1000,l=32$salt$digest`.
fn pbkdf2_fields(with: Hash, rest: &str) -> Result<Stored, HashRefused> {
    let [params, salt, digest] = three(rest)?;
    let rounds = if params.contains('=') {
        param(params, "i")?
    } else {
        number(params)?
    };
    pbkdf2_stored(with, rounds, salt_bytes(salt)?, digest_bytes(digest)?)
}

/// `1000$salt$digest`, the salt as it stands.
fn django(with: Hash, rest: &str) -> Result<Stored, HashRefused> {
    let [rounds, salt, digest] = three(rest)?;
    if salt.len() > SALT_MAX {
        return Err(Damaged);
    }
    pbkdf2_stored(
        with,
        number(rounds)?,
        salt.as_bytes().to_vec(),
        digest_bytes(digest)?,
    )
}

fn pbkdf2_stored(
    with: Hash,
    rounds: u32,
    salt: Vec<u8>,
    digest: Vec<u8>,
) -> Result<Stored, HashRefused> {
    if rounds > PBKDF2_ROUNDS_MAX {
        return Err(TooCostly);
    }
    if rounds == 0 || digest.len() > with.len() {
        return Err(Damaged);
    }
    Ok(Stored::Pbkdf2 {
        with,
        rounds,
        salt,
        digest,
    })
}

/// `12$` and 53 characters.
fn bcrypt_text(text: &str, rest: &str) -> Result<Stored, HashRefused> {
    let (cost, rest) = rest.split_once('$').ok_or(Damaged)?;
    let orderly = rest.len() == 53
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    if cost.len() != 2 || !orderly {
        return Err(Damaged);
    }
    if number(cost)? > BCRYPT_COST_MAX {
        return Err(TooCostly);
    }
    Ok(Stored::Bcrypt(text.to_owned()))
}

/// `rounds=5000$salt$digest`, or without the rounds.
fn sha_crypt(text: &str, rest: &str) -> Result<Stored, HashRefused> {
    let fields: Vec<&str> = rest.split('$').collect();
    let fields = match fields.split_first() {
        Some((first, others)) if first.starts_with("rounds=") => {
            let rounds = param(first, "rounds")?;
            if rounds > SHA_CRYPT_ROUNDS_MAX {
                return Err(TooCostly);
            }
            if rounds < 1000 {
                return Err(Damaged);
            }
            others
        }
        _ => fields.as_slice(),
    };
    match fields {
        [salt, digest] if !digest.is_empty() && salt.len() <= 16 => {
            PasswordHashRef::new(text).map_err(|_| Damaged)?;
            Ok(Stored::ShaCrypt(text.to_owned()))
        }
        _ => Err(Damaged),
    }
}

/// base64 of the digest and then, if there is one, the salt.
fn digest(with: Hash, rest: &str, salted: Salted) -> Result<Stored, HashRefused> {
    let mut bytes = decode(rest, DIGEST_MAX + SALT_MAX)?;
    let orderly = match salted {
        Salted::No => bytes.len() == with.len(),
        Salted::Yes => bytes.len() > with.len(),
    };
    if !orderly {
        return Err(Damaged);
    }
    let salt = bytes.split_off(with.len());
    Ok(Stored::Digest {
        with,
        salt,
        digest: bytes,
    })
}

/// WSO2's JDBC user store keeps base64(SHA-256(password + salt)) and the salt's text in two
/// columns; an import writes both as `{WSO2-SHA256}salt$digest`. Other digests likewise.
fn wso2(with: Hash, rest: &str) -> Result<Stored, HashRefused> {
    let (salt, digest) = rest.rsplit_once('$').ok_or(Damaged)?;
    let digest = digest_bytes(digest)?;
    if digest.len() != with.len() || salt.len() > SALT_MAX {
        return Err(Damaged);
    }
    Ok(Stored::Digest {
        with,
        salt: salt.as_bytes().to_vec(),
        digest,
    })
}

/// A new hash for those two columns: digest and salt. Weak, and for tables that another system reads
/// as well.
pub(crate) fn wso2_columns(with: Hash, password: &[u8], salt: &[u8; 16]) -> (String, String) {
    let salt = PADDED.encode(salt);
    let digest = with.of(password, salt.as_bytes());
    (PADDED.encode(digest), salt)
}

fn three(text: &str) -> Result<[&str; 3], HashRefused> {
    let fields: Vec<&str> = text.split('$').collect();
    fields.try_into().map_err(|_| Damaged)
}

/// The value of `name` in `a=1,b=2`.
fn param(text: &str, name: &str) -> Result<u32, HashRefused> {
    text.split(',')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        .ok_or(Damaged)
        .and_then(number)
}

fn number(text: &str) -> Result<u32, HashRefused> {
    // `parse` alone would take `+5`.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Damaged);
    }
    text.parse().map_err(|_| TooCostly)
}

fn salt_bytes(text: &str) -> Result<Vec<u8>, HashRefused> {
    decode(text, SALT_MAX)
}

/// A digest shorter than ten bytes would be one that many passwords have.
fn digest_bytes(text: &str) -> Result<Vec<u8>, HashRefused> {
    let bytes = decode(text, DIGEST_MAX)?;
    if bytes.len() < 10 {
        return Err(Damaged);
    }
    Ok(bytes)
}

/// base64, padded or not, or passlib's with `.` for `+`.
fn decode(text: &str, bytes_max: usize) -> Result<Vec<u8>, HashRefused> {
    let bytes = FORGIVING
        .decode(text.replace('.', "+"))
        .map_err(|_| Damaged)?;
    if bytes.len() > bytes_max {
        return Err(Damaged);
    }
    Ok(bytes)
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

const UNPADDED: GeneralPurpose = base64::engine::general_purpose::STANDARD_NO_PAD;
const PADDED: GeneralPurpose = base64::engine::general_purpose::STANDARD;
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PASSWORD: &str = "pässwörd 1";

    #[track_caller]
    fn check(stored: &str) {
        check_with(stored, PASSWORD);
    }

    #[track_caller]
    fn check_with(stored: &str, password: &str) {
        let parsed = Stored::parse(stored).unwrap();
        assert!(parsed.matches(password.as_bytes()), "right, {stored}");
        for wrong in [
            "",
            "passwörd 1",
            "Pässwörd 1",
            &format!("{password} "),
            &password[..password.len() - 1],
        ] {
            if wrong != password {
                assert!(!parsed.matches(wrong.as_bytes()), "wrong, {stored}");
            }
        }
        assert!(!parsed.is_current(), "{stored}");
    }

    /// Made by passlib 1.7.4 and `openssl passwd`.
    #[test]
    fn ldap_digests_of_other_tools_are_accepted() {
        check("{SSHA}b/LY0URlcur/vVezDkX6MLDQqMXem1Nq");
        check("{ssha}b/LY0URlcur/vVezDkX6MLDQqMXem1Nq");
        check("{SHA}/Hrn08gEogcgvDjo5YNQSGibZVE=");
        check("{SMD5}CNd5hFT+6dsOFP1D86xBvHaOcc4=");
        check("{MD5}znS4ktpEGwD0thUjhyvGtA==");
        check("{SSHA256}fjH5FLsCGEDZtX1oO3pio3jSFZSUZ34dnQqTO/xmfZ6L0fo/R+idkw==");
        check(
            "{SSHA512}2UWQ4C6PtudSm9kT0netbptJWD365FzY412MzNIYdpxOjgOklRd7OKP+ELhk5lN0vsOV8rBWaBqUuo0mmycM3K91LgVg7B1D",
        );
    }

    #[test]
    fn sha_crypt_of_other_tools_is_accepted() {
        check("$5$saltstring$tRveeBE08OC0Xt.1FqH3L9Vgf4d.lly6LSun3wGlEr9");
        check("{CRYPT}$5$t74dRI11TwVOs31z$GuyvEx1oEGG5vZRJXZTnOK3mQgz66GxtRIkZGbOcqD8");
        check(
            "$6$saltstring$yaZyFOA9PSXJeUCatew92hHpPTZ/6dsQX.VbaF30WAGcxnJDwwuxLgKsy/cNZswddgMx1K/L3yWN7Z0sRD2i./",
        );
        check(
            "{CRYPT}$6$rounds=6000$yQb876EdOczRayAN$OUCdTam/jt8crqBJEOcg1uFBtWff7N3zJxDCMWxGTNWckTrC5lszj08vqm4GEbvcwjGqbS347W6BxRiWAqSwy1",
        );
    }

    #[test]
    fn bcrypt_of_other_tools_is_accepted() {
        check("$2a$04$xJ7HRne8WMAFKNncWhuqHuOWJZmHMRqhSrtkSOjApVZvhkX1n6AGW");
        check("{bcrypt}$2b$04$22G5HKsdBWHWGcv6Q5lT6u9sww8HX8Me9QtHzBoG3C0/a.IVA4rsm");
        check("$2y$04$ZDmJHHLW59FQF1zOR2c5quucJ/zZ/YUzdvrCq86OoaDuIfCnams5.");
        // crypt_blowfish's own test vector.
        check_with(
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "U*U",
        );
    }

    #[test]
    fn pbkdf2_of_other_tools_is_accepted() {
        check("$pbkdf2$1000$KcVYa21tTcnZW8s5JyQEgA$xQMu2B/k0HS/otJLzezG319EFqE");
        check(
            "$pbkdf2-sha256$1000$VAqBkPL.H2PsnfPe.997bw$2l8X9TkfVzdSlOEXJowYbr/QvwS9ygQuOoZnPLKVJNI",
        );
        check(
            "$pbkdf2-sha512$1000$y3mv1XqvtbY25ry3lnLuvQ$fUkNL8IFCAB0zmlzpL1LKrFbBDx7qxEkOUHwV9P6fRDnDAT07WCmKvUJJZXBaErf.FZeIAGx/mz0MvcJU6LKPA",
        );
        check(
            "{PBKDF2-SHA256}1000$957zntN6D0EI4RxDSKn1Xg$FuE2zSMLyHNH035MuJWZcPKkZpsYOrc/8wUq.7TgMYQ",
        );
        check("pbkdf2_sha256$1000$Xf0NNHyN1D9i$Ek2YqoHtLFl7Q694V8LXitJ6Pc+Z5WNcqWh7S8mye78=");
        check("$pbkdf2-sha256$i=1000,l=32$c2Vhc2FsdDk$UWjyybt0v8HTNJoiUMs5yuYI0UP5I+uiPL7iq59D4ns");
    }

    #[test]
    fn scrypt_and_argon2_of_other_tools_are_accepted() {
        check(
            "$scrypt$ln=10,r=8,p=1$c66V0to7J8QYwzjnXKu1tg$OWXHKw+q6v/9bGR/ISpLb4bZDakq4wsvMmChmAL9qGQ",
        );
        check(
            "$argon2id$v=19$m=512,t=2,p=2$6h3jHCMkBAAg5Px/D8GYEw$5ONpr326RtcOLNB4UX6ievA2syMaqlIYW3lBPRAVZjY",
        );
        check(
            "{ARGON2}$argon2i$v=19$m=512,t=2,p=2$XIsRQqiVkrL23puTEuI85w$sWxhO/AJG+QhAx/tAQYP/a7qsxGLpZMrXj19IRQGqd8",
        );
        check(
            "$argon2d$v=19$m=512,t=2,p=2$+v//PyckBAAAIOTc25sTIg$lXS2Z3hgc6eKFwUutapBlpB83z9KUcjczuQhcBJTnC8",
        );
    }

    #[test]
    fn the_two_columns_of_a_wso2_store_are_accepted() {
        check("{WSO2-SHA256}Zm9vYmFyc2FsdA==$+KmWLUKyVqwOiJzE08HwD1fltAuI0xOzlemB+nyOoyA=");
    }

    #[test]
    fn a_new_hash_is_current_and_matches_only_its_password() {
        let text = hash(PASSWORD.as_bytes(), b"0123456789abcdef").unwrap();
        let stored = Stored::parse(&text).unwrap();
        assert!(stored.is_current());
        assert!(stored.matches(PASSWORD.as_bytes()));
        assert!(!stored.matches(b"password 1"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (text, why) in [
            ("", Unknown),
            ("secret", Unknown),
            ("{PLAIN}secret", Unknown),
            ("{NEW}abc", Unknown),
            ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", Unknown),
            ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX", Unknown),
            ("$", Unknown),
            ("{SSHA}", Damaged),
            ("{SHA}AAAA", Damaged),
            ("{SSHA}not base64!", Damaged),
            ("$argon2id$v=19$m=512,t=2$c2FsdHNhbHQ$AAAA", Damaged),
            ("$pbkdf2-sha256$+5$AAAA$AAAAAAAAAAAAAAAAAAAA", Damaged),
            ("$pbkdf2-sha256$0$AAAA$AAAAAAAAAAAAAAAAAAAA", Damaged),
            ("$2b$04$short", Damaged),
            ("$6$salt$", Damaged),
            ("$6$rounds=10$salt$abc", Damaged),
            // An empty digest would match everything.
            ("$scrypt$ln=10,r=8,p=1$c2FsdA$", Damaged),
            ("$pbkdf2-sha256$1000$c2FsdA$", Damaged),
            ("{WSO2-SHA256}salt$", Damaged),
        ] {
            assert_eq!(Stored::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_refused() {
        for text in [
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=512,t=4000000000,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=255,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$2000001$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$99999999999$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$6$rounds=999999999$saltstring$abc",
        ] {
            assert_eq!(Stored::parse(text), Err(TooCostly), "{text}");
        }
    }
}
