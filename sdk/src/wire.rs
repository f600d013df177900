//! The interface's records as plain data, the same in a test as inside wasm.
//!
//! Owns: nothing but shapes; each mirrors the record of the same name in `plugin.wit`, where its
//! meaning, units and limits are written. The comfortable forms are elsewhere: `request` builds
//! a [`Request`], `reply` reads what came back.

/// A name and a value.
pub type Pair = (String, String);

/// One operation of the program behind a request.
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
    Hmac(String, u16, u16),
    Sign(String, String, u16),
}

/// A value the host shall cut out of a successful JSON reply and keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    pub name: String,
    pub pointer: String,
    pub lifetime_pointer: Option<String>,
    pub lifetime: u32,
}

/// An HTTP request as the host receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub origin: String,
    pub target: u16,
    pub headers: Vec<(String, u16)>,
    pub body: Option<(String, u16)>,
    pub program: Vec<Op>,
    pub keep: Vec<Keep>,
    pub idempotent: bool,
    pub extra: Vec<Pair>,
}

/// Something is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub setting: String,
    pub message: String,
}
