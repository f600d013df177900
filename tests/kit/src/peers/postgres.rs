//! PostgreSQL: a cluster of its own.

use super::{Server, run, wait};
use crate::ports::free_port;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The server refuses to be root: then it is whoever is nobody.
const NOBODY: u32 = 65534;
const PASSWORD: &str = "cluster-secret";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
    server: Server,
}

impl Postgres {
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        let root = folder.path();
        if is_root(root)? {
            chown(root, Some(NOBODY), Some(NOBODY))?;
        }
        let secret = root.join("secret");
        fs::write(&secret, PASSWORD)?;
        if is_nobodys(root)? {
            chown(&secret, Some(NOBODY), Some(NOBODY))?;
        }
        run(
            command(root, "initdb")?
                .args(["--no-sync", "--username=postgres", "--auth=scram-sha-256"])
                .args(["--encoding=UTF8", "--locale=C"])
                .arg(format!("--pwfile={}", secret.display()))
                .arg("-D")
                .arg(root.join("data")),
            "",
        )?;
        let port = free_port()?;
        let mut postgres = Self {
            server: serve(root, port)?,
            folder,
            port,
        };
        postgres.wait()?;
        Ok(postgres)
    }

    /// Of the database `postgres`, as its owner.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// Runs statements and gives back what they print, a row a line, columns with `|` between them.
    pub fn run(&self, sql: &str) -> Result<String> {
        let mut psql = command(self.folder.path(), "psql")?;
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .arg(self.url());
        Ok(run(&mut psql, sql)?.trim().to_owned())
    }

    /// The server is gone, from one moment to the next.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    fn wait(&mut self) -> Result<()> {
        let root = self.folder.path().to_owned();
        let port = self.port.to_string();
        wait("postgres", &mut self.server, || {
            command(&root, "pg_isready").is_ok_and(|mut asked| {
                asked
                    .args(["-q", "-h", "127.0.0.1", "-p", &port])
                    .status()
                    .is_ok_and(|status| status.success())
            })
        })
    }
}

impl Drop for Postgres {
    /// In good order, so that its shared memory goes as well.
    fn drop(&mut self) {
        if let Ok(mut stop) = command(self.folder.path(), "pg_ctl") {
            let data = self.folder.path().join("data");
            let _ = stop
                .args(["stop", "-s", "-m", "immediate", "-D"])
                .arg(data)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        self.server.kill();
    }
}

fn serve(root: &Path, port: u16) -> Result<Server> {
    let log = fs::File::create(root.join("postgres.log"))?;
    let child = command(root, "postgres")?
        .arg("-D")
        .arg(root.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .arg("-k")
        .arg(root)
        // What survives a crash of the machine is of no interest here.
        .args([
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
            "-c",
            "shared_buffers=16MB",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(Server(child))
}

/// A program of the package, as whoever owns the folder.
fn command(root: &Path, name: &str) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    command.current_dir(root);
    if is_nobodys(root)? && is_root(Path::new("/proc/self"))? {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}

fn is_root(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.uid() == 0)
}

fn is_nobodys(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.uid() == NOBODY)
}

/// Debian keeps them apart by version; the newest is taken.
fn binary(name: &str) -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten();
    let newest = versions
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.is_file().then_some((version, path))
        })
        .max();
    if let Some((_, path)) = newest {
        return Ok(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!("`{name}` of PostgreSQL is missing: `cargo xtask test` installs it")
        })
}
