//! A program of another ecosystem that speaks with a host: one line of JSON in, one line out.
//!
//! Its source is in `tests/peers/NAME`, its packages in `target/peers/NAME`, where `cargo xtask test`
//! installs them.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const PATIENCE: Duration = Duration::from_secs(60);

/// It ends when it is dropped.
#[derive(Debug)]
pub struct Peer {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Runs `client.mjs` of this peer with one argument.
    pub fn node(name: &str, argument: &Value) -> Result<Self> {
        let packages = paths::target()?.join("peers").join(name);
        if !packages.join("node_modules").is_dir() {
            bail!(
                "`{}` has no packages: `cargo xtask test` installs them",
                packages.display()
            );
        }
        // Packages are found from where the program lies.
        let program = packages.join("client.mjs");
        let source = paths::workspace().join("tests/peers").join(name);
        std::fs::copy(source.join("client.mjs"), &program)?;
        Self::start(Command::new("node").arg(&program), argument)
            .context("cannot run node: `cargo xtask test` installs it")
    }

    /// Runs `client.py` of this peer with one argument, in the environment of its own.
    pub fn python(name: &str, argument: &Value) -> Result<Self> {
        let python = paths::target()?
            .join("peers")
            .join(name)
            .join("venv/bin/python");
        let program = paths::workspace()
            .join("tests/peers")
            .join(name)
            .join("client.py");
        Self::start(Command::new(&python).arg(program), argument).with_context(|| {
            format!(
                "cannot run `{}`: `cargo xtask test` installs it",
                python.display()
            )
        })
    }

    fn start(command: &mut Command, argument: &Value) -> Result<Self> {
        let mut child = command
            .arg(argument.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("no pipe")?;
        let output = child.stdout.take().context("no pipe")?;
        Ok(Self {
            _child: child,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    pub async fn say(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    pub async fn hear(&mut self) -> Result<Value> {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line())
            .await
            .context("the peer says nothing")??;
        let line = line.context("the peer has ended; what it said is above")?;
        serde_json::from_str(&line).with_context(|| format!("the peer said `{line}`"))
    }
}
