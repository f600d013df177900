//! `cargo xtask demo two-servers`: an internal Postern that has the people, an external one where the application is
//! registered, the sample application and the stand-in gateway; `--check` walks through them headlessly.

use crate::around::{Around, Page};
use crate::processes::Kept;
use crate::stage::{PASSWORD, USERS, add_user, free_port};
use crate::walk::code_in;
use crate::{build, machine};
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The ports of `examples/two-servers`; where one is taken another stands in.
const PORTS: [u16; 6] = [9443, 9444, 9445, 9446, 9447, 8080];

struct Two {
    internal: String,
    external: String,
    gateway: String,
    application: String,
    folder: PathBuf,
    // In this order: whoever is asked by others stops last.
    programs: Vec<Kept>,
}

pub(crate) fn run() -> Result<()> {
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || {
        if stop.send(()).is_err() {
            std::process::exit(130);
        }
    })?;
    let mut two = Two::set("two-servers")?;
    println!("{}", two.welcome());
    loop {
        match stopped.recv_timeout(Duration::from_millis(200)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                println!("\nstopping");
                return Ok(());
            }
        }
        two.still_running()?;
    }
}

pub(crate) fn check() -> Result<()> {
    let two = Two::set("two-servers-check")?;
    two.saml()?;
    two.begun_at_the_identity_provider()?;
    two.openid()?;
    println!("\nthe two servers work");
    Ok(())
}

impl Two {
    fn set(name: &str) -> Result<Self> {
        build::plugins()?;
        let target = machine::target_folder()?;
        let postern = target.join("debug/postern");
        let folder = target.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        let mut ports = Vec::new();
        for wanted in PORTS {
            ports.push((wanted, free_port(wanted)?));
        }
        let real = |text: &str| {
            ports.iter().fold(text.to_owned(), |text, (wanted, real)| {
                text.replace(&format!(":{wanted}"), &format!(":{real}"))
            })
        };
        let source = machine::workspace().join("examples/two-servers");
        for server in ["internal", "external"] {
            let plugins = folder.join(server).join("plugins");
            std::fs::create_dir_all(&plugins)?;
            for plugin in ["twilio.wasm", "local.wasm"] {
                std::fs::copy(target.join("plugins").join(plugin), plugins.join(plugin))?;
            }
            let text = std::fs::read_to_string(source.join(format!("{server}.toml")))?;
            let text = real(&text);
            std::fs::write(folder.join(format!("{server}.toml")), &text)?;
            // Each needs the other's metadata to start, so it says its own before it knows of any peer.
            let alone = ["\n[identity_provider.", "\n[relying_party."]
                .iter()
                .filter_map(|table| text.find(table))
                .min()
                .map_or(text.as_str(), |at| &text[..at]);
            std::fs::write(folder.join("alone.toml"), alone)?;
            let said = Command::new(&postern)
                .current_dir(&folder)
                .args(["saml", "metadata", "--config", "alone.toml"])
                .stderr(Stdio::inherit())
                .output()?;
            ensure!(said.status.success(), "`postern saml metadata` failed");
            std::fs::write(folder.join(format!("{server}.xml")), said.stdout)?;
        }
        std::fs::remove_file(folder.join("alone.toml"))?;
        let origin = |at: usize| format!("http://localhost:{}", ports[at].1);
        let mut two = Self {
            internal: origin(0),
            external: origin(2),
            gateway: format!("http://127.0.0.1:{}", ports[4].1),
            application: origin(5),
            folder: folder.clone(),
            programs: Vec::new(),
        };
        two.programs.push(Kept::start(
            "the sample application",
            Command::new(postern.with_file_name("relying-party"))
                .current_dir(&folder)
                .args(["--listen", &format!("127.0.0.1:{}", ports[5].1)])
                .args(["--identity-provider", &two.external])
                .args(["--keys", "application"])
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(folder.join("application.log"))?),
        )?);
        // Its certificate is made by then.
        two.wait_until_ready(&format!("{}/", two.application.clone()))?;
        let (name, number) = USERS[0];
        add_user(&postern, &folder, "internal.toml", name, number)?;
        for (server, admin) in [("internal", ports[1].1), ("external", ports[3].1)] {
            let name = if server == "internal" {
                "the internal Postern"
            } else {
                "the external Postern"
            };
            two.programs.push(Kept::start(
                name,
                Command::new(&postern)
                    .current_dir(&folder)
                    .args(["serve", "--config", &format!("{server}.toml")])
                    .stdout(Stdio::null())
                    .stderr(std::fs::File::create(folder.join(format!("{server}.log")))?),
            )?);
            two.wait_until_ready(&format!("http://127.0.0.1:{admin}/health/ready"))?;
        }
        two.programs.push(Kept::start(
            "the stand-in SMS gateway",
            Command::new(postern.with_file_name("sms-gateway"))
                .args(["--listen", &format!("127.0.0.1:{}", ports[4].1)])
                .stdout(Stdio::null()),
        )?);
        two.wait_until_ready(&format!("{}/phone", two.gateway.clone()))?;
        Ok(two)
    }

    fn wait_until_ready(&mut self, address: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            self.still_running()?;
            if ureq::get(address).call().is_ok() {
                return Ok(());
            }
            if start.elapsed() > Duration::from_secs(60) {
                bail!(
                    "{address} does not answer after 60 s; the logs are in {}",
                    self.folder.display()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn still_running(&mut self) -> Result<()> {
        let ended = self
            .programs
            .iter_mut()
            .find_map(|kept| Some((kept.name, kept.ended()?)));
        if let Some((name, how)) = ended {
            bail!(
                "{name} ended ({how}); the logs are in {}",
                self.folder.display()
            );
        }
        Ok(())
    }

    fn welcome(&self) -> String {
        let (name, number) = USERS[0];
        format!(
            r#"
Two servers are running. Ctrl-C stops everything.

  the application    {application}/          registered at the external server
  external server    {external}   has no users; sends people to the internal one
  internal server    {internal}   has the users
  the phone          {gateway}/phone    what arrives at the stand-in gateway

  user               {name}, who exists at the internal server only
  password           {PASSWORD}
  number             {number}

Try next
  - sign in with SAML: the password is asked by the internal server, and only there
  - sign out: the page says who was told; both servers ask for a password again
  - sign in with OpenID Connect: the external server asks for a code as well, and the page says so
  - begin at the identity provider: the application is entered without having asked

The seven lines of the walk are printed by `cargo xtask demo two-servers --check`.
Configurations and logs are in {folder}"#,
            application = self.application,
            external = self.external,
            internal = self.internal,
            gateway = self.gateway,
            folder = self.folder.display(),
        )
    }

    fn password(&self, browser: &mut Around, page: &Page, word: &str) -> Result<Page> {
        ensure!(
            page.origin() == self.internal && page.html.contains("type=\"password\""),
            "a password is to be asked for by the internal server, not at {}",
            page.address
        );
        let filled = [("username", USERS[0].0), ("password", word)];
        browser.submit(page, "/sign-in/password", &filled)
    }

    /// The walk of the documentation, line by line.
    fn saml(&self) -> Result<()> {
        let mut browser = Around::new();
        let home = browser.open(&format!("{}/", self.application))?;
        home.shows("log in with SAML")?;
        let page = browser.open(&format!("{}/saml/login", self.application))?;
        let page = self.password(&mut browser, &page, "wrong")?;
        let page = self.password(&mut browser, &page, PASSWORD)?;
        ensure!(
            page.address == format!("{}/", self.application),
            "the walk ends at {}",
            page.address
        );
        page.shows(USERS[0].0)?;
        page.shows(USERS[0].1)?;
        page.shows("PasswordProtectedTransport")?;
        print!("{}", self.header_flow(&browser.trail)?);
        let passwords: Vec<_> = browser
            .trail
            .iter()
            .filter(|address| address.ends_with("/sign-in/password"))
            .collect();
        ensure!(
            passwords
                .iter()
                .all(|address| address.starts_with(&self.internal)),
            "a password went to {passwords:?}"
        );
        say("signed in by SAML, though the user exists at the internal server only");
        let page = browser.submit(&page, "/sign-out", &[])?;
        page.shows("You are signed out everywhere.")?;
        for server in [&self.external, &self.internal] {
            let page = browser.open(&format!("{server}/account"))?;
            ensure!(
                page.html.contains("type=\"password\""),
                "{server} knows the browser after the logout:\n{}",
                page.html
            );
        }
        say("signed out at the application, and so at both servers");
        Ok(())
    }

    fn begun_at_the_identity_provider(&self) -> Result<()> {
        let mut browser = Around::new();
        let start = format!("{}/samlsso?spEntityID=travelocity.com", self.external);
        let page = browser.open(&start)?;
        let page = self.password(&mut browser, &page, PASSWORD)?;
        page.shows("Signed in by SAML 2.0 as")?;
        say("begun at the identity provider: signed in at the application");
        let account = browser.open(&format!("{}/account", self.internal))?;
        let page = browser.submit(&account, "/sign-out", &[])?;
        page.shows("signed out")?;
        let home = browser.open(&format!("{}/", self.application))?;
        home.shows("log in with SAML")?;
        say("signed out at the internal server, and so at the application");
        Ok(())
    }

    fn openid(&self) -> Result<()> {
        let mut browser = Around::new();
        let page = browser.open(&format!("{}/oidc/login", self.application))?;
        let page = self.password(&mut browser, &page, PASSWORD)?;
        ensure!(
            page.origin() == self.external && page.html.contains("one-time-code"),
            "the external server asks for no code at {}:\n{}",
            page.address,
            page.html
        );
        let code = self.arrived()?;
        let page = browser.submit(&page, "/sign-in/code", &[("code", &code)])?;
        page.shows("Signed in by OpenID Connect as")?;
        page.shows("https://refeds.org/profile/mfa")?;
        page.shows("fed sms otp mfa")?;
        say("signed in by OpenID Connect, with a code from the external server");
        let page = browser.submit(&page, "/sign-out", &[])?;
        page.shows("You are signed out everywhere.")?;
        say("and signed out everywhere");
        Ok(())
    }

    fn arrived(&self) -> Result<String> {
        let address = format!("{}/phone/messages.json", self.gateway);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let body = ureq::get(&address).call()?.body_mut().read_to_string()?;
            let messages: serde_json::Value = serde_json::from_str(&body)?;
            let list = messages
                .as_array()
                .or_else(|| messages["messages"].as_array());
            let newest = list.and_then(|list| list.last());
            let text = newest.and_then(|message| message["text"].as_str());
            if let Some(code) = text.and_then(code_in) {
                return Ok(code);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("no code arrived within 10 s")
    }

    /// The seven lines, found in this order among all addresses of a walk, or what is missing.
    fn header_flow(&self, trail: &[String]) -> Result<String> {
        let (application, external, internal) = (&self.application, &self.external, &self.internal);
        let lines = [
            (format!("{application}/"), "User visits the application"),
            (
                format!("{application}/saml/login"),
                "User clicks on the login with SAML",
            ),
            (
                format!("{external}/samlsso?SAMLRequest=****"),
                "User is directed to the external server",
            ),
            (
                format!("{internal}/samlsso?SAMLRequest=****"),
                "User is directed to the login page of the internal server",
            ),
            (
                format!("{internal}/samlsso?sessionDataKey=****"),
                "User logs in",
            ),
            (
                format!("{external}/commonauth"),
                "Logged in user is redirected back to the external server",
            ),
            (
                format!("{external}/samlsso?sessionDataKey=****"),
                "User is given a session data key and is considered a logged in user",
            ),
        ];
        let mut rest = trail.iter().map(|address| hidden(address));
        let mut shown = String::from("\n");
        for (at, (line, words)) in lines.iter().enumerate() {
            ensure!(
                rest.any(|address| address == *line),
                "line {} of the walk, `{line}`, is missing or out of order in\n{}",
                at + 1,
                trail.join("\n")
            );
            shown += &format!("    {line} {}. {words}\n", at + 1);
        }
        Ok(shown + "\n")
    }
}

/// Without the values of its query.
fn hidden(address: &str) -> String {
    match address.split_once('?') {
        Some((path, query)) => {
            let name = query.split(['=', '&']).next().unwrap_or_default();
            format!("{path}?{name}=****")
        }
        None => address.to_owned(),
    }
}

fn say(what: &str) {
    println!("    {what}");
}
