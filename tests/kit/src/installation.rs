//! A folder with everything an operator's machine has: configuration, plugins, data. And the real
//! program on it, for tests that kill it.

use crate::ports::free_port;
use crate::{http, paths};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The host may have to compile its plugins.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A folder that is gone when this is dropped.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    pub public: SocketAddr,
    pub admin: SocketAddr,
}

impl Installation {
    /// Lays out the folder: these plugins, and a configuration with free ports. `more` is what the
    /// configuration holds beside `[server]` and `[plugins]`.
    pub fn lay_out(plugins: &[&str], more: &str) -> Result<Self> {
        Self::lay_out_at([free_port()?, free_port()?], plugins, more)
    }

    /// At these ports, the public and the administrator's: for hosts that must know of each other.
    pub fn lay_out_at([public, admin]: [u16; 2], plugins: &[&str], more: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-").tempdir()?;
        fs::create_dir(folder.path().join("plugins"))?;
        let installation = Self {
            folder,
            public: SocketAddr::from((Ipv4Addr::LOCALHOST, public)),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, admin)),
        };
        for plugin in plugins {
            installation.install(plugin)?;
        }
        installation.configure(more)?;
        Ok(installation)
    }

    /// Writes the configuration anew.
    pub fn configure(&self, more: &str) -> Result<()> {
        let mut text = String::new();
        write!(
            text,
            "[server]\npublic_url = \"{}\"\nlisten = \"{}\"\nadmin_listen = \"{}\"\ndata_dir = \"data\"\n\n{more}\n",
            self.origin(),
            self.public,
            self.admin
        )?;
        fs::write(self.config(), text)?;
        Ok(())
    }

    /// A file of the folder that only its owner reads, such as a key.
    pub fn keep(&self, name: &str, text: &str) -> Result<()> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        let path = self.path().join(name);
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// Copies a built plugin in, under its own name, whole or not at all.
    pub fn install(&self, plugin: &str) -> Result<()> {
        let file = format!("{plugin}.wasm");
        let beside = self.path().join(format!(".{file}"));
        fs::copy(paths::plugins()?.join(&file), &beside)
            .with_context(|| format!("plugin `{plugin}`"))?;
        fs::rename(beside, self.plugin_folder().join(file))?;
        Ok(())
    }

    /// A tenant's settings document, whole or not at all.
    pub fn write_document(&self, tenant: &str, text: &str) -> Result<()> {
        let folder = self.path().join("tenants");
        fs::create_dir_all(&folder)?;
        let beside = folder.join(format!(".{tenant}.new"));
        fs::write(&beside, text)?;
        fs::rename(beside, folder.join(format!("{tenant}.toml")))?;
        Ok(())
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("postern.toml")
    }

    pub fn plugin_folder(&self) -> PathBuf {
        self.path().join("plugins")
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("postern.log")).unwrap_or_default()
    }

    /// Waits until the log says so.
    pub async fn logged(&self, words: &str) -> Result<()> {
        let began = Instant::now();
        while !self.log().contains(words) {
            if began.elapsed() > READY_WITHIN {
                bail!("the log does not say `{words}`:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What browsers call it.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.public.port())
    }

    /// Runs a command of `postern` with this configuration, `input` on its standard input, and gives
    /// back what it printed.
    pub fn postern(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(paths::postern()?)
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no pipe")?
            .write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8(output.stdout)?;
        if !output.status.success() {
            bail!(
                "`postern {}` failed: {}{said}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(said)
    }

    pub fn add_user(&self, name: &str, password: &str, number: &str) -> Result<()> {
        self.postern(&["user", "add", name, "--number", number], password)
            .map(drop)
    }

    /// A token of the JSON API.
    pub fn add_client(&self, name: &str) -> Result<String> {
        Ok(self
            .postern(&["client", "add", name], "")?
            .trim()
            .to_owned())
    }

    /// Starts `postern serve` and waits until it is ready.
    pub async fn serve(&self) -> Result<Process> {
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path().join("postern.log"))?;
        self.serve_logging_to(log).await
    }

    /// The same, with its log somewhere else.
    pub async fn serve_logging_to(&self, log: impl Into<Stdio>) -> Result<Process> {
        self.serve_as(Command::new(paths::postern()?), log).await
    }

    /// The same for a host and a worker that may use so many KiB of addresses each (`ulimit -v`).
    pub async fn serve_within(&self, address_space_kib: u64) -> Result<Process> {
        let log = fs::File::create(self.path().join("postern.log"))?;
        let mut limited = Command::new("/bin/sh");
        limited
            .arg("-c")
            .arg(format!(
                "ulimit -v {address_space_kib} && exec \"$0\" \"$@\""
            ))
            .arg(paths::postern()?);
        self.serve_as(limited, log).await
    }

    async fn serve_as(&self, mut command: Command, log: impl Into<Stdio>) -> Result<Process> {
        let child = command
            .args(["serve", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut process = Process { child };
        let began = Instant::now();
        loop {
            if let Ok(answer) = http::get(self.admin, "/health/ready").await
                && answer.status.is_success()
            {
                return Ok(process);
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("the host ended ({status}):\n{}", self.log());
            }
            if began.elapsed() > READY_WITHIN {
                bail!(
                    "the host was not ready within {} s:\n{}",
                    READY_WITHIN.as_secs(),
                    self.log()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A running `postern serve`.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing is written, nothing is said.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGHUP: the configuration is read again.
    pub fn reload(&self) -> Result<()> {
        let asked = Command::new("kill")
            .args(["-HUP", &self.child.id().to_string()])
            .status()?;
        anyhow::ensure!(
            asked.success(),
            "cannot ask the host to read its configuration"
        );
        Ok(())
    }

    /// SIGTERM, and how long it took to end.
    pub fn terminate(mut self) -> Result<Duration> {
        let began = Instant::now();
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()?;
        anyhow::ensure!(asked.success(), "cannot ask the host to end");
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the host ended with {status}");
        Ok(began.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
