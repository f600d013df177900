//! Where a database is, what is asked of it, and how its passwords are hashed.

use super::queries::Queries;
use crate::directory::mapping::Mapping;
use crate::directory::password::Hash;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// One database of users.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `postgres://user:password@host/database` or `sqlite:///path/of/the/file`.
    pub url: Zeroizing<String>,
    /// Certificate authorities for PostgreSQL, PEM; with them the server must be the one it says.
    pub ca_pem: Option<Vec<u8>>,
    pub queries: Queries,
    pub scheme: Scheme,
    pub new_hashes: NewHashes,
    pub mapping: Mapping,
    pub read_only: bool,
    pub pool_size: u32,
    pub connect: Duration,
    /// For one query.
    pub answer: Duration,
}

/// How the stored passwords are read. A text that says itself what it is (`$argon2id$..`,
/// `{SSHA}..`) is read as that under every scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Every hash says itself what it is.
    SelfDescribing,
    /// WSO2's JDBC store: base64(digest(password + salt)) in the column `password`, the salt in the
    /// column `salt`.
    Wso2(Wso2Digest),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wso2Digest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewHashes {
    /// And hashes of older forms are replaced at the first right sign-in.
    Argon2id,
    /// By the scheme, because another system reads the table as well; nothing is replaced.
    AsStored,
}

impl Scheme {
    /// The columns as one text in a form of `password`.
    pub(super) fn text(self, password: String, salt: Option<&str>) -> String {
        let described = password.starts_with(['$', '{']) || password.starts_with("pbkdf2_");
        match self {
            Self::Wso2(digest) if !described => format!(
                "{{{}}}{}${password}",
                digest.word(),
                salt.unwrap_or_default()
            ),
            Self::SelfDescribing | Self::Wso2(_) => password,
        }
    }
}

impl Wso2Digest {
    fn word(self) -> &'static str {
        match self {
            Self::Md5 => "WSO2-MD5",
            Self::Sha1 => "WSO2-SHA",
            Self::Sha256 => "WSO2-SHA256",
            Self::Sha512 => "WSO2-SHA512",
        }
    }

    pub(super) fn hash(self) -> Hash {
        match self {
            Self::Md5 => Hash::Md5,
            Self::Sha1 => Hash::Sha1,
            Self::Sha256 => Hash::Sha256,
            Self::Sha512 => Hash::Sha512,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("queries", &self.queries)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}
