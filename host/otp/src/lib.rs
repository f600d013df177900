//! The life of a one-time code, as pure rules.
//!
//! Owns: what a code is, how it is hashed and compared, when a challenge accepts, refuses or
//! closes, whether a second factor is needed at all, how numbers are read, how locks grow.
//! Never: is async, does I/O, reads a clock, draws randomness, logs. Time and entropy are arguments.

pub mod backup;
pub mod challenge;
pub mod code;
pub mod danger;
pub mod hash;
pub mod lock;
pub mod need;
pub mod own_pages;
pub mod pattern;
pub mod phone;
pub mod policy;
pub mod refinement;
pub mod time;

pub use backup::BackupCode;
pub use challenge::{Closed, PaidAttempt, Requested, Sent, Submission, Verified};
pub use code::{Alphabet, Code, CodeFormat};
pub use hash::{CodeHash, HashKey, KeyRing};
pub use need::{AccountFacts, FactorSettings, Need};
pub use own_pages::OwnPages;
pub use pattern::Pattern;
pub use phone::{NumberError, PhoneNumber, Region};
pub use policy::{AttemptPolicy, CODE_LIFETIME_MAX, ChallengePolicy, ResendPolicy};
pub use refinement::Refinement;
pub use time::Timestamp;
