//! The project's commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench`.
//!
//! Each does all of its own set-up on a fresh machine that has Rust and a C compiler. This crate is
//! small on purpose: it is compiled before anything can be said to whoever waits.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal"
)]

mod around;
mod build;
mod demo;
mod machine;
mod processes;
mod schemathesis;
mod stage;
mod test;
mod two_servers;
mod walk;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask demo            start Postern with a stand-in SMS gateway and two users; Ctrl-C stops it
cargo xtask demo --check    the same without a browser: walk one whole sign-in, exit 0 or 1
cargo xtask demo two-servers [--check]
                            an internal and an external Postern, an application and a gateway
cargo xtask test            set up, build and run every test
cargo xtask bench [--json]  measure, in a release build
cargo xtask build-plugins   build the plugins into target/plugins";

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let waits_itself = matches!(words.as_slice(), ["demo"] | ["demo", "two-servers"]);
    if !waits_itself
        && let Err(error) = ctrlc::set_handler(|| {
            processes::stop_all();
            std::process::exit(130);
        })
    {
        eprintln!("cannot listen for signals: {error}");
    }
    let outcome = match words.as_slice() {
        ["demo"] => demo::run(),
        ["demo", "--check"] => demo::check(),
        ["demo", "two-servers"] => two_servers::run(),
        ["demo", "two-servers", "--check"] => two_servers::check(),
        ["test"] => test::run(),
        ["bench", rest @ ..] => bench(rest),
        ["build-plugins"] => build::plugins(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => usage(&arguments),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn usage(arguments: &[String]) -> Result<()> {
    bail!(
        "`{}` is not a command; expected one of\n\n{USAGE}",
        arguments.join(" ")
    )
}

/// The only command that builds in release mode: its figures are of what operators run.
fn bench(rest: &[&str]) -> Result<()> {
    machine::peers()?;
    build::plugins()?;
    processes::run(
        "building the host in release mode",
        processes::cargo().args([
            "build",
            "--release",
            "-p",
            "postern-server",
            "-p",
            "postern-bench",
        ]),
    )?;
    let bench = machine::target_folder()?.join("release/postern-bench");
    processes::run(
        "measuring",
        std::process::Command::new(bench).arg("all").args(rest),
    )
}
