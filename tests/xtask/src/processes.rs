//! Programs started from here: run to their end with a word about what they do, or kept and stopped.

use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::machine::workspace());
    command
}

/// Says what is done, does it with its output in sight, and says how long it took.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    println!("==> {what}");
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    println!("    done in {} s", start.elapsed().as_secs());
    Ok(())
}

/// Programs to be ended if this one is: a signal runs no destructors.
static KEPT: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<u32>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks every kept program to end; for a signal handler, right before the end.
pub(crate) fn stop_all() {
    for id in kept().iter() {
        if ask_to_end(*id).is_err() {
            eprintln!("cannot end process {id}");
        }
    }
}

/// `kill` is a program of every machine this runs on, and asks more politely than `Child::kill`.
fn ask_to_end(id: u32) -> std::io::Result<std::process::ExitStatus> {
    Command::new("kill").arg(id.to_string()).status()
}

/// A program that runs until it is dropped: first asked to end, then killed.
pub(crate) struct Kept {
    pub(crate) name: &'static str,
    child: Child,
}

impl Kept {
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        // A group of its own: Ctrl-C at a terminal is for this program, which then asks it once.
        let child = command.process_group(0).spawn().with_context(|| {
            format!("cannot start {name} ({})", command.get_program().display())
        })?;
        kept().push(child.id());
        Ok(Self { name, child })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        kept().retain(|id| *id != self.child.id());
        let asked = ask_to_end(self.child.id());
        let patience = Instant::now();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success)
            && patience.elapsed().as_secs() < 12
        {
            if self.ended().is_some() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
