//! Protocols by which another server says who somebody is.
//!
//! Nothing in here knows that one-time passwords exist, and nothing does I/O except through the ports.
