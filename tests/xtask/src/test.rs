//! `cargo xtask test`: everything that must hold, on a machine that had nothing.

use crate::processes::{self, cargo};
use crate::{build, demo, machine, schemathesis, two_servers};
use anyhow::Result;

fn everything() -> Result<()> {
    machine::components()?;
    processes::run("formatting", cargo().args(["fmt", "--all", "--check"]))?;
    machine::browser()?;
    machine::saml_judges()?;
    machine::node_peers()?;
    machine::python_peers()?;
    machine::peers()?;
    machine::strace()?;
    build::plugins()?;
    processes::run(
        "lints",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    processes::run(
        "tests",
        cargo()
            .args(["test", "--workspace"])
            .env("POSTERN_PLUGINS", machine::target_folder()?.join("plugins"))
            // As many kills as fit into a minute; by itself the test takes five seconds.
            .env("POSTERN_KILL_SECONDS", "60"),
    )?;
    demo::check()?;
    two_servers::check()?;
    schemathesis::run()
}

pub(crate) fn run() -> Result<()> {
    everything()?;
    println!(
        "\neverything passed: formatting, lints, tests, a whole sign-in, the API against its document"
    );
    Ok(())
}
