//! The host as operators run it: the released binary, its configuration, a folder of plugins.

use anyhow::{Context, Result, bail, ensure};
use postern_kit::ports::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The ten plugins of the figures.
const PLUGINS: [&str; 10] = [
    "nexmo",
    "clickatell",
    "plivo",
    "bulksms",
    "twilio",
    "http-recipe",
    "local",
    "association",
    "user-attribute",
    "subject-uri",
];

pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) token: String,
    /// From the start of the process to the first "ready".
    pub(crate) started_in: Duration,
    pub(crate) folder: PathBuf,
    child: Child,
}

impl Host {
    /// Starts in a folder that `lay_out` made; a second start in the same folder finds its store and
    /// its compile cache warm.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let (public, admin) = (free_address()?, free_address()?);
        let text = std::fs::read_to_string(folder.join("template.toml"))?;
        let text = text
            .replace("PUBLIC", &public.to_string())
            .replace("ADMIN", &admin.to_string());
        std::fs::write(folder.join("postern.toml"), text)?;
        let token = match std::fs::read_to_string(folder.join("token")) {
            Ok(token) => token,
            Err(_) => add_client(folder)?,
        };
        let log = std::fs::File::create(folder.join("postern.log"))?;
        let begun = Instant::now();
        let child = postern(folder)
            .args(["serve", "--config", "postern.toml"])
            .stderr(log)
            .spawn()?;
        let mut host = Self {
            address: public,
            admin,
            token,
            started_in: Duration::ZERO,
            folder: folder.to_owned(),
            child,
        };
        host.wait_until_ready(begun).await?;
        host.started_in = begun.elapsed();
        Ok(host)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn wait_until_ready(&mut self, begun: Instant) -> Result<()> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log =
                    std::fs::read_to_string(self.folder.join("postern.log")).unwrap_or_default();
                bail!("the host ended while it started ({status}):\n{log}");
            }
            if get(self.admin, "/health/ready")
                .await
                .is_ok_and(|(status, _)| status == 200)
            {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(120),
                "the host is not ready after 120 s"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// A folder with ten plugins and a configuration whose Twilio is the provider at that address.
pub(crate) fn lay_out(folder: &Path, provider: SocketAddr) -> Result<()> {
    let plugins = folder.join("plugins");
    std::fs::create_dir_all(&plugins)?;
    for plugin in PLUGINS {
        std::fs::copy(built(plugin)?, plugins.join(format!("{plugin}.wasm")))?;
    }
    let configuration = format!(
        r#"
[server]
public_url   = "http://PUBLIC"
listen       = "PUBLIC"
admin_listen = "ADMIN"
data_dir     = "data"

[plugins]
folder = "plugins"

[sender.twilio]
plugin   = "twilio"
settings = {{ account_sid = "AC0123456789abcdef0123456789abcdef", auth_token = "not-a-secret-here", from = "+15005550006", base_url = "http://{provider}" }}
allow    = ["http://{provider}"]
allow_private_networks = true

[sms_otp]
senders = ["twilio"]

[limits]
tenant_failures_per_hour = 10000000
sends_window = 60
sends_per_account = 100
sends_per_number = 100
sends_per_address = 100000
sends_per_address_window = 60
sends_per_prefix = 10000000
sends_per_day = 100000000

[limits.conversion]
percent_min = 0
"#
    );
    std::fs::write(folder.join("template.toml"), configuration)?;
    Ok(())
}

/// A plugin as `cargo xtask build-plugins` leaves it.
pub(crate) fn built(plugin: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program is not in cargo's target folder")?;
    let file = target.join("plugins").join(format!("{plugin}.wasm"));
    ensure!(
        file.is_file(),
        "{} is missing: run `cargo xtask build-plugins`",
        file.display()
    );
    Ok(file)
}

/// One GET on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(u16, Vec<u8>)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(&answer[..answer.len().min(64)]).into_owned();
    let status = head
        .split_whitespace()
        .nth(1)
        .context("no status line")?
        .parse()?;
    Ok((status, answer))
}

fn postern(folder: &Path) -> Command {
    let program = std::env::current_exe()
        .map(|program| program.with_file_name("postern"))
        .unwrap_or_default();
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .stdout(Stdio::null())
        .stdin(Stdio::null());
    command
}

fn add_client(folder: &Path) -> Result<String> {
    let output = postern(folder)
        .args(["client", "add", "bench", "--config", "postern.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "`postern client add` failed");
    let token = String::from_utf8(output.stdout)?.trim().to_owned();
    std::fs::write(folder.join("token"), &token)?;
    Ok(token)
}

/// A person of the embedded store; only while no host runs on the folder.
pub(crate) fn add_user(folder: &Path, name: &str, password: &str, number: &str) -> Result<()> {
    use std::io::Write as _;
    let mut child = postern(folder)
        .args(["user", "add", name, "--number", number])
        .args(["--config", "postern.toml"])
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no pipe")?;
    stdin.write_all(password.as_bytes())?;
    drop(stdin);
    ensure!(child.wait()?.success(), "`postern user add` failed");
    Ok(())
}

fn free_address() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}
