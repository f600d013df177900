//! Every bound of the edge, each with its reason. A value of [`Limits`] travels with the client, so that the operator can
//! set what is his to set; what protects the host itself is a constant.

use std::time::Duration;

/// Operations of one program. SigV4, the longest recipe known, takes about 60.
pub const OPERATIONS_MAX: usize = 256;

/// Operands of one concatenation. A recipe concatenates tens of pieces; without a bound a list of a million empty pieces
/// would cost time without ever costing a byte.
pub const OPERANDS_MAX: usize = 1024;

/// Bytes of all results of a program together, and of everything a digest reads. A request is at most 64 KiB and a value
/// passes through a handful of forms on its way; more is a program that doubles itself.
pub const INTERMEDIATE_BYTES_MAX: usize = 1024 * 1024;

/// Signatures of one program. An RSA signature costs the host about a millisecond, a thousand times any other operation.
pub const SIGNATURES_MAX: usize = 4;

/// Forms of sensitive values in one program, each of which is looked for in the reply. Pieces of escaped concatenations double
/// with every doubling of the program, also where they are empty and cost no bytes.
pub const FORMS_MAX: usize = 512;

/// Headers a request may set. No provider's API asks for more than ten.
pub const REQUEST_HEADERS_MAX: usize = 64;

/// Bytes of a request: target, headers and body. The longest text (ten segments) with every character escaped is 10 KiB.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a request to a peer of the host's own, which no plugin writes. A group of 10,000 members, told whole, is 500 to
/// 800 KiB with ids as peers make them.
pub const PEER_REQUEST_BYTES_MAX: usize = 896 * 1024;

/// Bytes of such a peer's answer: it may show the group that it was told of, with more about each member than it was told.
pub const PEER_REPLY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Values one request may ask to keep. A token and its refresh token are two.
pub const KEEPS_MAX: usize = 8;

/// Secrets and kept values of one sender: what a provenance set can name.
pub const NAMED_VALUES_MAX: usize = 120;

/// Levels of nesting in a JSON or XML body; a provider's API has fewer than ten.
pub const BODY_DEPTH_MAX: usize = 64;

/// Addresses of one name that are looked at. A name with 10,000 records must not make 10,000 connections.
pub const ADDRESSES_MAX: usize = 16;

/// Bytes of one kept value: a large JWT is 4 KiB.
pub const KEPT_BYTES_MAX: usize = 16 * 1024;

/// Kept values of one sender in one tenant, and of the whole store.
pub const KEPT_PER_SENDER_MAX: usize = 16;
pub const KEPT_TOTAL_MAX: usize = 4096;

/// Longest life of a kept value in seconds: a day, as the interface promises.
pub const KEPT_LIFETIME_MAX: u32 = 86_400;

/// What one exchange with a provider may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Waiting for a permit, resolving, connecting and the TLS handshake together. 3 s: whoever is not there by then makes
    /// the person wait longer than the next sender would.
    pub connect: Duration,
    /// From the request's first byte to the reply's head.
    pub first_byte: Duration,
    /// The whole exchange, connecting included; a caller's earlier deadline wins.
    pub whole: Duration,
    /// Bytes of a reply's body. Providers answer with 2 KiB.
    pub reply_bytes_max: usize,
    /// Bytes of a reply's head.
    pub reply_head_bytes_max: usize,
    /// Headers of a reply.
    pub reply_headers_max: usize,
    /// Requests in flight to one origin for one sender of one tenant; the others wait, counted by `connect`.
    pub in_flight_per_origin_max: usize,
    /// Requests in flight in all.
    pub in_flight_max: usize,
    /// Idle connections kept to one origin for one sender of one tenant, and in all.
    pub idle_per_origin_max: usize,
    pub idle_max: usize,
    /// How long an idle connection is kept. Shorter than the 60 s after which common load balancers close theirs: a
    /// connection they close while we write costs an unknown outcome.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(10),
            whole: Duration::from_secs(15),
            reply_bytes_max: 256 * 1024,
            reply_head_bytes_max: 32 * 1024,
            reply_headers_max: 100,
            in_flight_per_origin_max: 128,
            in_flight_max: 512,
            idle_per_origin_max: 64,
            idle_max: 256,
            idle: Duration::from_secs(30),
        }
    }
}
