//! The API's document against the API: a property-based tester sends what the document allows, and
//! what it does not, and checks every answer against it.

use crate::stage::Stage;
use crate::{machine, processes};
use anyhow::Result;
use std::process::Command;

pub(crate) fn run() -> Result<()> {
    let program = machine::schemathesis()?;
    let stage = Stage::set("api-check", "")?;
    let token = stage.client("tester")?;
    processes::run(
        "testing the API against its document",
        Command::new(program)
            // It leaves its notes where it runs.
            .current_dir(&stage.folder)
            .arg("--config-file")
            .arg(machine::workspace().join("host/web/tests/schemathesis.toml"))
            .arg("run")
            .arg(format!("{}/api/v1/openapi.json", stage.admin))
            .args(["--url", &stage.sign_in])
            .args([
                "--checks",
                "all",
                "--max-examples",
                "40",
                "--seed",
                "1",
                "--no-color",
            ])
            .args(["--header", &format!("Authorization: Bearer {token}")]),
    )
}
