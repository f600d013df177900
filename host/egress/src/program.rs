//! The straight-line program behind a request: its operations, and its evaluation over what the host knows.
//!
//! A plugin writes the program without seeing a single value in it. Evaluation keeps, beside the bytes of every result,
//! what the result was made from ([`provenance`]); where the results may go is decided elsewhere.

pub(crate) mod charset;
pub(crate) mod digest;
pub(crate) mod encode;
pub(crate) mod escape;
pub(crate) mod evaluate;
pub mod provenance;
pub(crate) mod sign;
pub(crate) mod time;

use thiserror::Error;

/// One operation. Its position in the program is its name; operands are positions of earlier operations. The names in it
/// are the registries of the plugin interface (`op` in `plugin.wit`), which documents each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Lit(String),
    Bytes(Vec<u8>),
    Secret(String),
    Kept(String),
    Recipient(String),
    Text(u8),
    Code,
    ReceiptUrl,
    Time(String),
    Nonce(String),
    Concat(Vec<u16>),
    Charset(String, u16),
    Escape(String, u16),
    Encode(String, u16),
    Digest(String, u16),
    /// Algorithm, key, data.
    Hmac(String, u16, u16),
    /// Algorithm, name of the secret that is the key, data.
    Sign(String, String, u16),
}

/// A program that cannot be evaluated, and the operation that is to blame. No value is in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("operation {at}: {fault}")]
pub struct ProgramError {
    pub at: usize,
    pub fault: Fault,
}

/// What is wrong with an operation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    #[error("a program has at most {} operations", crate::limits::OPERATIONS_MAX)]
    TooManyOperations,
    #[error(
        "the results of a program have at most {} bytes together",
        crate::limits::INTERMEDIATE_BYTES_MAX
    )]
    TooManyBytes,
    #[error("a concatenation has at most {} operands", crate::limits::OPERANDS_MAX)]
    TooManyOperands,
    #[error("a program signs at most {} times", crate::limits::SIGNATURES_MAX)]
    TooManySignatures,
    #[error(
        "a program puts sensitive values into at most {} forms",
        crate::limits::FORMS_MAX
    )]
    TooManyForms,
    #[error("operand {0} is not an earlier operation")]
    Forward(u16),
    #[error("there is no {registry} `{}`", printable(.name))]
    Unknown {
        registry: &'static str,
        name: String,
    },
    #[error("there is no secret `{}`", printable(.0))]
    NoSecret(String),
    #[error("there is no kept value `{}`", printable(.0))]
    NoKept(String),
    #[error("this request has no recipient")]
    NoRecipient,
    #[error("this request has no text")]
    NoText,
    #[error("the text has no part {0}")]
    NoPart(u8),
    #[error("this request has no code")]
    NoCode,
    #[error("the value is not UTF-8 text")]
    NotText,
    #[error("the value has a character that `{0}` cannot carry")]
    Unrepresentable(&'static str),
    #[error("the value is not valid {0}")]
    NotEncoded(&'static str),
    #[error("secret `{}` is not a PKCS#8 key in PEM for `{algorithm}`", printable(.secret))]
    NotAKey {
        secret: String,
        algorithm: &'static str,
    },
    #[error("signing failed")]
    Signing,
}

/// A name a plugin chose, cut and escaped so that it cannot forge a log line.
pub(crate) fn printable(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
