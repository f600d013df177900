//! SCIM 2.0 (RFC 7643, RFC 7644) and the SCIM 1.1 of the older peers: what a resource looks like, which
//! conditions and changes can be asked for, and how a peer is told.
//!
//! Owns: the attributes we keep, their JSON, filters, PATCH, the messages to a peer.
//! Never: knows HTTP servers, SQL or who may do what; a password is read and never written back.

pub mod error;
pub mod filter;
pub mod group;
pub mod json;
pub mod outbound;
pub mod patch;
pub mod ports;
pub mod schema;
pub mod shape;
pub mod user;
pub mod v1;

pub use error::ScimError;
pub use filter::{Condition, Field};
pub use ports::{Group, Groups, Page, People, Person, SearchError};

/// A point in time as SCIM writes it (RFC 3339).
pub fn written(at: crate::Moment) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}

/// What `/ServiceProviderConfig` tells, and what is enforced; one place, so that the two cannot drift
/// apart.
pub mod limits {
    /// Resources in one answer, whatever `count` asks for.
    pub const RESULTS_MAX: usize = 200;
    /// If `count` is absent.
    pub const RESULTS_DEFAULT: usize = 100;
    /// Bytes of a body: a group of some thousand members.
    pub const BODY_BYTES_MAX: usize = 1024 * 1024;
    /// Bytes of a filter. The longest that is of use compares a few addresses.
    pub const FILTER_BYTES_MAX: usize = 4096;
    /// Brackets open at once, `not` and alternations included.
    pub const FILTER_DEPTH_MAX: usize = 20;
    /// Comparisons in one filter.
    pub const FILTER_TERMS_MAX: usize = 64;
    /// Operations of one PATCH.
    pub const PATCH_OPERATIONS_MAX: usize = 100;
    /// Values of one attribute with several.
    pub const VALUES_MAX: usize = 32;
    /// Bytes of one text.
    pub const TEXT_BYTES_MAX: usize = 1024;
    /// Members of a group.
    pub const MEMBERS_MAX: usize = 10_000;
    /// Users looked at for one answer where a store cannot search by itself.
    pub const LOOKED_AT_MAX: usize = 5_000;
}
