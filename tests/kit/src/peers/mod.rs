//! Real servers of other people, for tests: each private, on loopback, in a folder that goes with it.
//!
//! They need the Debian packages `slapd`, `ldap-utils` and `postgresql`, of which only the programs
//! are used: the system's own instances are neither needed nor touched. `cargo xtask test` installs
//! the packages.

pub mod postgres;
pub mod proxy;
pub mod slapd;

pub use postgres::Postgres;
pub use proxy::Proxy;
pub use slapd::Slapd;

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that takes longer has not started.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A server's process, which ends with this.
#[derive(Debug)]
struct Server(Child);

impl Server {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until the server is ready, or says that it ended.
fn wait(what: &str, server: &mut Server, mut ready: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    while !ready() {
        if let Some(status) = server.0.try_wait()? {
            bail!("{what} ended while it started ({status})");
        }
        if began.elapsed() > READY_WITHIN {
            bail!("{what} was not ready within {READY_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs a command with `input` and gives back what it printed.
fn run(command: &mut Command, input: &str) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{name}`: `cargo xtask test` installs it"))?;
    child
        .stdin
        .take()
        .context("no pipe")?
        .write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "`{name}` failed: {}{said}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(said)
}

/// A program of a system package, wherever its distribution puts those that only a system calls.
fn program(name: &str) -> PathBuf {
    let system = ["/usr/sbin", "/usr/lib/openldap", "/usr/libexec"];
    system
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}
