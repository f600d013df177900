//! Ports for servers that are told theirs before they start.

use anyhow::{Context as _, Result};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range of which the kernel gives ports to whoever connects or binds to port 0 (`ip_local_port_range`,
/// from 32768 by default): a port of that range that was free may be somebody's before its server listens.
/// Above those that a browser does not go to, whoever listens there.
const FIRST: u16 = 11_000;
const COUNT: u16 = 20_000;

/// A port of 127.0.0.1 that nobody listens on, each given once by this process.
///
/// # Errors
///
/// If none of the range is free.
pub fn free_port() -> Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Two processes begin at different places: each sees the other's ports only while they are listened on.
    let begin = u16::try_from(std::process::id() * 97 % u32::from(COUNT))?;
    (0..COUNT)
        .map(|_| (begin + GIVEN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT + FIRST)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .with_context(|| format!("no free port of {COUNT} from {FIRST} on"))
}
