//! `cargo xtask demo`: everything on one machine, for a person at a browser; `--check` for a script.

use crate::stage::{PASSWORD, Stage, USERS};
use crate::walk;
use anyhow::Result;
use std::sync::mpsc;
use std::time::Duration;

pub(crate) fn run() -> Result<()> {
    let (stop, stopped) = mpsc::channel();
    // From here on Ctrl-C ends the wait below, and dropping the stage ends both programs.
    ctrlc::set_handler(move || {
        if stop.send(()).is_err() {
            // Nobody waits any more: the second Ctrl-C ends it at once.
            std::process::exit(130);
        }
    })?;
    let mut stage = Stage::set("demo", "")?;
    println!("{}", welcome(&stage));
    loop {
        match stopped.recv_timeout(Duration::from_millis(200)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                println!("\nstopping");
                return Ok(());
            }
        }
        stage.still_running()?;
    }
}

/// One whole sign-in over HTTP, said step by step.
pub(crate) fn check() -> Result<()> {
    let stage = Stage::set("demo-check", "")?;
    walk::sign_in(&stage)?;
    println!("\nthe sign-in works");
    Ok(())
}

fn welcome(stage: &Stage) -> String {
    let (name, number) = USERS[0];
    let plugins = stage.folder.join("plugins");
    let twilio = plugins.join("twilio.wasm");
    let twilio = twilio.display();
    format!(
        r#"
Postern is running. Ctrl-C stops it.

  sign in    {sign_in}
  the phone  {gateway}/phone       what arrives at the stand-in gateway
  admin      {admin}/health/ready  health, metrics and the admin API

  user       {name}, or {other}
  password   {PASSWORD}
  number     {number}

Try next
  - a wrong code: the page says how many tries are left, and a new code does not give them back
  - a resend: the first code then answers "that was the earlier code"
  - another sender, while it runs: take Twilio's plugin away, and the next code comes through Vonage's
      mv {twilio} {twilio}.off
    put it back, and within a second it serves again
      mv {twilio}.off {twilio}

The log is in {log}"#,
        sign_in = stage.sign_in,
        gateway = stage.gateway,
        admin = stage.admin,
        other = USERS[1].0,
        log = stage.folder.join("postern.log").display(),
    )
}
