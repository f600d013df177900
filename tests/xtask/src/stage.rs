//! A whole Postern with a stand-in gateway, as the demo, the check and the API tester use it.

use crate::processes::Kept;
use crate::{build, machine};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Accounts of the stand-in gateway. They open nothing but that program.
const TWILIO_SID: &str = "AC0123456789abcdef0123456789abcdef";
const TWILIO_TOKEN: &str = "stand-in-twilio-token";
const VONAGE_KEY: &str = "a1b2c3d4";
const VONAGE_SECRET: &str = "stand-in-vonage-secret";

/// Two people. Their numbers are set aside for fiction.
pub(crate) const USERS: [(&str, &str); 2] = [("alice", "+12025550142"), ("bob", "+447700900123")];
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Stage {
    pub(crate) sign_in: String,
    pub(crate) admin: String,
    pub(crate) gateway: String,
    pub(crate) folder: PathBuf,
    postern: PathBuf,
    // In this order: the host stops before the gateway it talks to.
    host: Kept,
    sms_gateway: Kept,
}

impl Stage {
    /// Builds what is missing, lays out `target/<name>` anew, and starts both programs.
    pub(crate) fn set(name: &str, more: &str) -> Result<Self> {
        build::plugins()?;
        let postern = machine::target_folder()?.join("debug/postern");
        let folder = machine::target_folder()?.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder.join("plugins"))?;
        for plugin in [
            "twilio",
            "nexmo",
            "local",
            "association",
            "user-attribute",
            "subject-uri",
        ] {
            let file = format!("{plugin}.wasm");
            std::fs::copy(
                machine::target_folder()?.join("plugins").join(&file),
                folder.join("plugins").join(&file),
            )?;
        }
        let [public, admin, phone] = [9443, 9444, 9445].map(free_port);
        let (public, admin, phone) = (public?, admin?, phone?);
        std::fs::write(
            folder.join("postern.toml"),
            configuration(public, admin, phone, more),
        )?;
        for (name, number) in USERS {
            add_user(&postern, &folder, "postern.toml", name, number)?;
        }
        let sms_gateway = Kept::start(
            "the stand-in SMS gateway",
            Command::new(postern.with_file_name("sms-gateway"))
                .args(["--listen", &format!("127.0.0.1:{phone}")])
                .args(["--twilio-sid", TWILIO_SID, "--twilio-token", TWILIO_TOKEN])
                .args(["--vonage-key", VONAGE_KEY, "--vonage-secret", VONAGE_SECRET])
                .stdout(Stdio::null()),
        )?;
        let log = std::fs::File::create(folder.join("postern.log"))?;
        let host = Kept::start(
            "Postern",
            Command::new(&postern)
                .current_dir(&folder)
                .args(["serve", "--config", "postern.toml"])
                .stdout(Stdio::null())
                .stderr(log),
        )?;
        let mut stage = Self {
            sign_in: format!("http://localhost:{public}"),
            admin: format!("http://127.0.0.1:{admin}"),
            gateway: format!("http://127.0.0.1:{phone}"),
            folder,
            postern,
            host,
            sms_gateway,
        };
        stage.wait_until_ready()?;
        Ok(stage)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let ready = format!("{}/health/ready", self.admin);
        let start = Instant::now();
        loop {
            self.still_running()?;
            if ureq::get(&ready).call().is_ok() {
                return Ok(());
            }
            if start.elapsed() > Duration::from_secs(60) {
                bail!(
                    "Postern is not ready after 60 s; the end of its log:\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// An error with the end of the log if one of the two has ended.
    pub(crate) fn still_running(&mut self) -> Result<()> {
        let ended = [&mut self.host, &mut self.sms_gateway]
            .into_iter()
            .find_map(|kept| Some((kept.name, kept.ended()?)));
        if let Some((name, how)) = ended {
            bail!(
                "{name} ended ({how}); the end of the log:\n{}",
                self.log_tail()
            );
        }
        Ok(())
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("postern.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// A bearer token for the JSON API.
    pub(crate) fn client(&self, name: &str) -> Result<String> {
        let output = Command::new(&self.postern)
            .current_dir(&self.folder)
            .args(["client", "add", name, "--config", "postern.toml"])
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(output.status.success(), "`postern client add` failed");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// The one that is asked for, or any free one if it is taken.
pub(crate) fn free_port(wanted: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}

fn configuration(public: u16, admin: u16, phone: u16, more: &str) -> String {
    format!(
        r#"# Written by `cargo xtask`. The SMS gateway is a stand-in on this machine.
[server]
public_url   = "http://localhost:{public}"
listen       = "127.0.0.1:{public}"
admin_listen = "127.0.0.1:{admin}"
data_dir     = "data"

[plugins]
folder = "plugins"

[sender.twilio]
plugin   = "twilio"
settings = {{ account_sid = "{TWILIO_SID}", auth_token = "{TWILIO_TOKEN}", from = "+12025550100", base_url = "http://127.0.0.1:{phone}" }}
allow    = ["http://127.0.0.1:{phone}"]
allow_private_networks = true

[sender.vonage]
plugin   = "nexmo"
settings = {{ api_key = "{VONAGE_KEY}", api_secret = "{VONAGE_SECRET}", from = "Postern", base_url = "http://127.0.0.1:{phone}" }}
allow    = ["http://127.0.0.1:{phone}"]
allow_private_networks = true

[sms_otp]
senders     = ["twilio", "vonage"]
backup_code = true
{more}"#
    )
}

pub(crate) fn add_user(
    postern: &Path,
    folder: &Path,
    config: &str,
    name: &str,
    number: &str,
) -> Result<()> {
    let mut child = Command::new(postern)
        .current_dir(folder)
        .args(["user", "add", name, "--number", number, "--config", config])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no pipe to the child")?
        .write_all(PASSWORD.as_bytes())?;
    anyhow::ensure!(child.wait()?.success(), "`postern user add {name}` failed");
    Ok(())
}
